"""The rules that the hypotheses in flight obey: no n-gram twice, a given beginning, forbidden and required phrases.

A search method asks `restrict` before it looks for the best tokens and tells `advance` what it has chosen. A search that nobody has asked
for rules has none (`rules_for`) and pays nothing. With required phrases beam search also takes `with_guides` and `choose`.

Dimensions besides those of mt/model/interface.py: N rows that are looked at, C candidates of a row, I places where an n-gram can stand.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from mt.config import DecodingConfig
from mt.data.special_ids import PAD
from mt.decoding.banks import deal
from mt.decoding.constraints import NONE
from mt.decoding.hypothesis import no_token
from mt.decoding.method import Sentence, continued, put_items, put_rows
from mt.decoding.phrase_states import ForbiddenPhrases, RequiredPhrases


def rules_for(options: DecodingConfig, sentences: Sequence[Sentence], width: int, device: torch.device) -> "Rules | None":
    """The rules of a search for these sentences, with `width` rows for each; None when there are none."""
    if not options.no_repeat_ngram and all(sentence.constraints == NONE for sentence in sentences):
        return None
    return Rules(options.no_repeat_ngram, width, device)


class Rules:
    """The rules of the sentences in flight, and how far every row's hypothesis has come in them."""

    def __init__(self, no_repeat_ngram: int, width: int, device: torch.device):
        self.width = width
        self.device = device
        self.sentences: list[Sentence] = []
        self.lengths: list[int] = []
        """How many tokens the hypotheses of each sentence have."""
        self.history = History(no_repeat_ngram, width, device) if no_repeat_ngram else None
        self.forbidden = ForbiddenPhrases(width, device)
        self.required = RequiredPhrases(width, device)

    def put(self, places: Sequence[int], sentences: Sequence[Sentence]) -> None:
        """These sentences take these places and begin."""
        put_items(self.sentences, places, sentences)
        put_items(self.lengths, places, [0] * len(places))
        if self.history is not None:
            self.history.put(places)
        self.forbidden.put(places, [sentence.constraints.forbidden for sentence in sentences])
        self.required.put(places, [sentence.constraints.required for sentence in sentences])

    def keep(self, places: Sequence[int]) -> None:
        """Only the sentences in these places go on, in this order."""
        self.sentences = [self.sentences[place] for place in places]
        self.lengths = [self.lengths[place] for place in places]
        if self.history is not None:
            self.history.keep(places)
        self.forbidden.keep(places)
        self.required.keep(places)

    def restrict(self, log_probs_NV: Tensor, rows: Sequence[int]) -> None:
        """Set to -inf, in place, what must not come next in these rows; the rest keeps the model's own log-probabilities.

        A prefix comes before all other rules. DecodingError when a row is not finite: afterwards that could not be seen.
        """
        places = [row // self.width for row in rows]
        broken_N = log_probs_NV[:, PAD].isnan()
        if broken_N.any():
            raise no_token(1 + self.lengths[places[int(broken_N.int().argmax())]], has_rules=False)
        forced = {at: token for at, place in enumerate(places) if (token := self._forced(place)) is not None}
        own = [log_probs_NV[at, token].item() for at, token in forced.items()]
        rows_N = torch.tensor(rows, device=self.device)
        is_last_N = torch.tensor([self.lengths[place] + 1 == self.sentences[place].limit for place in places], device=self.device)
        if self.history is not None:
            log_probs_NV.scatter_(1, self.history.repeating(rows_N), -torch.inf)
        self.forbidden.exclude(log_probs_NV, rows_N, is_last_N)
        self.required.hold_back(log_probs_NV, rows_N)
        for (at, token), log_prob in zip(forced.items(), own, strict=True):
            log_probs_NV[at] = -torch.inf
            log_probs_NV[at, token] = log_prob

    def _forced(self, place: int) -> int | None:
        """The next token of a sentence's prefix."""
        prefix, length = self.sentences[place].constraints.prefix, self.lengths[place]
        return prefix[length] if length < len(prefix) else None

    def advance(self, rows_R: Tensor | None, token_R: Tensor) -> None:
        """Every row continues another of its sentence (None: itself) by a token."""
        self.lengths = [length + 1 for length in self.lengths]
        if self.history is not None:
            self.history.advance(rows_R, token_R, max(self.lengths))
        self.forbidden.advance(rows_R, token_R)
        self.required.advance(rows_R, token_R)

    def with_guides(self, log_probs_NV: Tensor, best_NC: Tensor, token_NC: Tensor, rows_N: Tensor) -> tuple[Tensor, Tensor]:
        """Candidates of each row, log_prob_NC and token_NC: its best tokens, and behind them those that lead to required phrases."""
        if not self.required.most:
            return best_NC, token_NC
        guides = self.required.guides(log_probs_NV, token_NC, rows_N)
        return tuple(torch.cat(pair, dim=1) for pair in zip((best_NC, token_NC), guides, strict=True))

    def choose(self, total_BWC: Tensor, token_BWC: Tensor) -> tuple[Tensor, Tensor]:
        """The W extensions that each sentence takes, the most probable first: total_BW, and candidate_BW among the W·C.

        They are the best, and where something is required the best on the way to it.
        """
        W, C = total_BWC.shape[1:]
        plain = C - self.required.most
        total_BW, candidate_BW = total_BWC[:, :, :plain].flatten(1).topk(W, dim=-1)
        if not self.required.most:
            return total_BW, candidate_BW
        dealt_BW = deal(total_BWC.flatten(1), self.required.progress(token_BWC).flatten(1), W)
        candidate_BW = torch.where(self.required.any_B1(), dealt_BW, candidate_BW // plain * C + candidate_BW % plain)
        return total_BWC.flatten(1).gather(1, candidate_BW), candidate_BW

    def lacking(self, place: int) -> list[bool]:
        """For each row of a sentence, whether its text lacks a required phrase if it ends here."""
        first = place * self.width
        if not self.required.most:
            return [False] * self.width
        return self.required.lack(torch.arange(first, first + self.width, device=self.device)).tolist()


class History:
    """The tokens of every row's hypothesis, to find what would make an n-gram occur twice (Paulus et al. 2018, section 2.5)."""

    def __init__(self, ngram: int, width: int, device: torch.device):
        self.ngram = ngram
        self.device = device
        self.token_BWT = torch.zeros(0, width, 0, dtype=torch.long, device=device)
        """The newest token in the last column; before the first one -1."""

    def put(self, places: Sequence[int]) -> None:
        """Sentences without a token."""
        _, W, T = self.token_BWT.shape
        self.token_BWT = put_rows(self.token_BWT, places, self.token_BWT.new_full((len(places), W, T), -1))

    def keep(self, places: Sequence[int]) -> None:
        """Drop the other sentences."""
        self.token_BWT = self.token_BWT[torch.tensor(places, device=self.device)]

    def advance(self, rows_R: Tensor | None, token_R: Tensor, longest: int) -> None:
        """Add a token. longest: how many tokens the longest hypothesis has then."""
        before = continued(self.token_BWT.flatten(0, 1), rows_R)
        token_RT = torch.cat([before, token_R[:, None]], dim=1)[:, -longest:]
        self.token_BWT = token_RT.unflatten(0, (-1, self.token_BWT.shape[1]))

    def repeating(self, rows_N: Tensor) -> Tensor:
        """token_NI: the tokens that would end an n-gram that is there already, PAD where there is none."""
        token_NT = self.token_BWT.flatten(0, 1)[rows_N]
        N, T = token_NT.shape
        context = self.ngram - 1
        places = T - context
        if places <= 0:
            return token_NT.new_full((N, 1), PAD)
        following_NI = token_NT[:, context:]
        repeats_NI = following_NI >= 0
        for offset in range(context):
            newest_N1 = token_NT[:, places + offset, None]
            repeats_NI = repeats_NI & (token_NT[:, offset : offset + places] == newest_N1)
        return torch.where(repeats_NI, following_NI, PAD)
