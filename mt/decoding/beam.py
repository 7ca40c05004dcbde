"""Beam search: all sentences in flight at once, W hypotheses each, in log space.

The rule, at every step and for every sentence: of all extensions of its live hypotheses by one token, take the W best
by log probability. Those that end with EOS are finished and set aside, the others live on. (A beam that is refilled
with the W best that do not end, as some programs do, searches on from a hypothesis that greedy search has rejected;
then a beam of one is no longer greedy search. With this rule it is, a beam as wide as there are prefixes is exact, and
the live ones run out only when W have finished at once.) Log-probabilities are divided by the length penalty only to
compare finished hypotheses. The book-keeping of one sentence is one_beam.py.

A sentence is done as soon as nothing that lives can still enter its n-best list, so stopping early never changes what is
returned. What must or must not be written: rules.py; with required phrases the W extensions are chosen as in banks.py. Coverage:
cross_attention.py. Not covered: diverse search. What the search held on its way can be noted by a subclass:
mt/inspection/beam_tree.py.

Dimensions besides those of mt/model/interface.py: C candidates of one row, N live rows.
"""

from collections.abc import Sequence
from itertools import count

import torch
from torch import Tensor

from mt.config import DecodingConfig
from mt.data.special_ids import BOS, EOS
from mt.decoding.hypothesis import Hypothesis
from mt.decoding.method import Method, Sentence, keep_items, put_items, put_rows, to_host
from mt.decoding.next_tokens import next_log_probs
from mt.decoding.one_beam import Beam
from mt.decoding.rules import Rules


class BeamSearch(Method):
    """Beam search for the sentences in flight, all at once."""

    prunes = True

    def __init__(self, options: DecodingConfig, device: torch.device, rules: Rules | None = None):
        self.options = options
        self.rules = rules
        self.width = options.beam_size
        self.device = device
        self.beams: list[Beam] = []
        self.token_BW: Tensor | None = None
        self.log_prob_BW: Tensor | None = None
        """The log-probability of each live hypothesis; -inf where there is none."""
        self._place_W = list(range(self.width))

    @property
    def token_R(self) -> Tensor:  # noqa: N802 - the name carries the shape
        """The last token of every hypothesis."""
        return self.token_BW.flatten()

    def put(self, places: Sequence[int], sentences: Sequence[Sentence]) -> None:
        """One live hypothesis, the empty one, for each sentence: its W rows are still equal, so all but the first count as not there."""
        put_items(self.beams, places, [self._beam(sentence) for sentence in sentences])
        if self.rules is not None:
            self.rules.put(places, sentences)
        log_prob_LW = torch.full((len(places), self.width), -torch.inf, device=self.device)
        log_prob_LW[:, 0] = 0.0
        self.token_BW = put_rows(self.token_BW, places, torch.full((len(places), self.width), BOS, device=self.device))
        self.log_prob_BW = put_rows(self.log_prob_BW, places, log_prob_LW)

    def _beam(self, sentence: Sentence) -> Beam:
        """The empty beam of a sentence. Where places are dealt to banks, what cannot win may still keep others out of theirs."""
        return Beam(sentence.limit, self.options, self.prunes and not sentence.constraints.required, self.rules is not None)

    def keep(self, places: Sequence[int]) -> None:
        """Drop the other sentences."""
        self.beams = keep_items(self.beams, places)
        if self.rules is not None:
            self.rules.keep(places)
        places_B = torch.tensor(places, device=self.device)
        self.token_BW, self.log_prob_BW = self.token_BW[places_B], self.log_prob_BW[places_B]

    def live_rows(self) -> list[int] | None:
        """Rows of hypotheses that have not ended and can still win."""
        return self._live_rows()

    def _live_rows(self) -> list[int]:
        """The same, also where all logits are given."""
        return [first + place for first, beam in zip(count(0, self.width), self.beams, strict=False) for _, place in beam.live]

    def advance(self, logits_GV: Tensor, wanted: Sequence[int] | None = None) -> Tensor | None:
        """Replace the live hypotheses of every sentence by their W best extensions; those that end do not live on.

        One row gives at most W of the W best, so W of each row first and W of those W·W then: the vocabulary is read once.
        """
        num_sentences = len(self.beams)
        live = self._live_rows()
        rows_N = torch.tensor(live, device=self.device)
        log_probs_NV = self.log_probs(logits_GV[rows_N] if wanted is None else logits_GV[: len(live)], live)
        best_NC, token_NC = self.best_tokens(log_probs_NV, min(self.width, log_probs_NV.shape[1]))
        if self.rules is not None:
            best_NC, token_NC = self.rules.with_guides(log_probs_NV, best_NC, token_NC, rows_N)
        num_candidates = token_NC.shape[1]
        best_RC = best_NC.new_full((num_sentences * self.width, num_candidates), -torch.inf).index_copy_(0, rows_N, best_NC)
        token_RC = token_NC.new_zeros(best_RC.shape).index_copy_(0, rows_N, token_NC)
        total_BWC = self.log_prob_BW[:, :, None] + best_RC.view(num_sentences, self.width, num_candidates)
        if self.rules is None:
            total_BW, candidate_BW = total_BWC.flatten(1).topk(self.width, dim=-1)
        else:
            total_BW, candidate_BW = self.rules.choose(total_BWC, token_RC.view(total_BWC.shape))
        parent_BW = candidate_BW // num_candidates
        self.token_BW = token_RC.view(num_sentences, -1).gather(1, candidate_BW)
        token_log_prob_BW = best_RC.view(num_sentences, -1).gather(1, candidate_BW)
        self.log_prob_BW = total_BW.masked_fill(self.token_BW == EOS, -torch.inf)
        moved = False
        steps = to_host(self.token_BW, total_BW, token_log_prob_BW, parent_BW)
        for beam, tokens, totals, log_probs, parents in zip(self.beams, *steps, strict=True):
            beam.extend(tokens, totals, log_probs, parents)
            moved = moved or parents != self._place_W
        rows_R = None
        if moved:
            first_B1 = torch.arange(0, num_sentences * self.width, self.width, device=self.device)[:, None]
            rows_R = (parent_BW + first_B1).flatten()
        if self.rules is not None:
            self.rules.advance(rows_R, self.token_R)
        return rows_R

    def log_probs(self, logits_NV: Tensor, rows: Sequence[int]) -> Tensor:
        """The next tokens' log_probs_NV in these rows; what must not come next has -inf."""
        log_probs_NV = next_log_probs(logits_NV, self.ids_U is None)
        if self.rules is not None:
            self.rules.restrict(log_probs_NV, rows)
        return log_probs_NV

    def done(self) -> list[int]:
        """The sentences whose n-best list is settled."""
        return [place for place, beam in enumerate(self.beams) if beam.done]

    def hypotheses(self, place: int) -> list[Hypothesis]:
        """The options.nbest best (fewer if so many do not exist)."""
        lacking = [] if self.rules is None else self.rules.lacking(place)
        return [hypothesis for hypothesis, _, _ in self.beams[place].best(lacking)]
