"""How far the hypotheses in flight have come in their sentences' phrases: what must not come next, what leads to what must come.

Dimensions besides those of mt/model/interface.py: N rows that are looked at, P phrases of a sentence, C candidates of a row, X states of
all phrases in flight (phrases.py), those of one phrase after those of the other, D those of them between characters, M the others, T tokens
that are continuation bytes.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from mt.data.special_ids import EOS
from mt.decoding.method import continued, put_items, put_rows
from mt.decoding.partial_characters import MATCHED, START
from mt.decoding.phrases import Phrase


class PhraseStates:
    """The state of every row in each phrase of its sentence."""

    lacking = START
    """The state that stands where a sentence has fewer phrases than another."""

    def __init__(self, width: int, device: torch.device):
        self.device = device
        self.phrases: list[tuple[Phrase, ...]] = []
        """By place."""
        self.stacked: dict[Phrase, int] = {}
        """Where the states of each phrase begin among those of all. Before them stand START and MATCHED of no phrase."""
        self.state_BWP = torch.zeros(0, width, 0, dtype=torch.long, device=device)
        self.first_B1P = torch.zeros(0, 1, 0, dtype=torch.long, device=device)
        """Where the states of each sentence's phrases begin."""

    def put(self, places: Sequence[int], phrases: Sequence[tuple[Phrase, ...]]) -> None:
        """Sentences with these phrases take these places and begin."""
        put_items(self.phrases, places, phrases)
        if any(phrase not in self.stacked for own in phrases for phrase in own):
            self._stack([*dict.fromkeys(phrase for own in self.phrases for phrase in own)])
        width, most = self.state_BWP.shape[1], max(self.most, *map(len, phrases))
        self.state_BWP = F.pad(self.state_BWP, (0, most - self.most), value=self.lacking)
        states = [[START] * len(own) + [self.lacking] * (most - len(own)) for own in phrases]
        new_L1P = torch.tensor(states, dtype=torch.long, device=self.device).view(len(states), 1, most)
        self.state_BWP = put_rows(self.state_BWP, places, new_L1P.expand(-1, width, -1))
        self._find_firsts()

    def keep(self, places: Sequence[int]) -> None:
        """Only the sentences in these places go on, in this order."""
        self.phrases = [self.phrases[place] for place in places]
        self.state_BWP = self.state_BWP[torch.tensor(places, device=self.device)]
        self._find_firsts()

    def _find_firsts(self) -> None:
        """Where the states of each sentence's phrases begin."""
        firsts = [[self.stacked[phrase] for phrase in own] + [0] * (self.most - len(own)) for own in self.phrases]
        self.first_B1P = torch.tensor(firsts, dtype=torch.long, device=self.device).view(len(firsts), 1, self.most)

    def _stack(self, phrases: Sequence[Phrase]) -> None:
        """Make the tables of these phrases."""
        V = phrases[0].next_KV.shape[1]
        of_none_DV = torch.tensor([START, MATCHED], dtype=torch.int16)[:, None].expand(-1, V)
        tables = [of_none_DV, *(torch.from_numpy(phrase.next_KV) for phrase in phrases)]
        self.next_DV = torch.cat(tables).to(self.device)
        """The state after each token, counted among those of its own phrase."""
        lengths = torch.tensor([2, *(phrase.num_states for phrase in phrases)])
        firsts = lengths.cumsum(0) - lengths
        self.stacked = dict(zip(phrases, firsts[1:].tolist(), strict=True))
        self.first_X = firsts.repeat_interleave(lengths).to(self.device)
        """Where the states of its phrase begin."""
        sizes = torch.tensor([len(table) for table in tables])
        own_X = torch.cat([torch.arange(2), *(torch.from_numpy(phrase.whole_X) for phrase in phrases)])
        self.row_X = ((sizes.cumsum(0) - sizes).repeat_interleave(lengths) + own_X).to(self.device)
        """The row of next_DV that a state reads all tokens by but continuation bytes."""
        self._stack_partial(phrases)
        self.ends_X = self.next_DV[self.row_X, EOS] == MATCHED
        """Whether a text that ends in a state contains its phrase."""

    def _stack_partial(self, phrases: Sequence[Phrase]) -> None:
        """Make the tables of the states within characters."""
        spelling = phrases[0].spelling
        self.tail_T = torch.from_numpy(spelling.tail_T).to(self.device)
        byte_V = torch.full((self.next_DV.shape[1],), -1)
        byte_V[spelling.tail_T] = torch.from_numpy(spelling.tail_byte_T)
        self.byte_V = byte_V.to(self.device)
        """Which of the 64 continuation bytes a token is; -1: none."""
        partial = [torch.from_numpy(phrase.partial.next_MC) for phrase in phrases]
        self.after_tail_MC = torch.cat(partial).to(self.device)
        """The state after each continuation byte, counted among those of its own phrase."""
        flags = [torch.zeros(2), *(torch.arange(phrase.num_states) >= len(phrase.next_KV) for phrase in phrases)]
        self.is_partial_X = torch.cat([flag.bool() for flag in flags]).to(self.device)
        self.partial_X = (self.is_partial_X.long().cumsum(0) - 1).clamp(min=0)
        """The row of after_tail_MC."""

    def following(self, state: Tensor, token: Tensor) -> Tensor:
        """The states after tokens, counted among those of their own phrases. state: counted among all; of any shape, as the tokens."""
        found = self.next_DV[self.row_X[state], token]
        if len(self.after_tail_MC):
            byte = self.byte_V[token]
            within = self.is_partial_X[state] & (byte >= 0)
            found = torch.where(within, self.after_tail_MC[self.partial_X[state], byte.clamp(min=0)], found)
        return found.long()

    @property
    def most(self) -> int:
        """The most phrases of a sentence (P)."""
        return self.state_BWP.shape[2]

    def states(self, rows_N: Tensor) -> Tensor:
        """The states of these rows, counted among all: state_NP."""
        return (self.first_B1P + self.state_BWP).flatten(0, 1)[rows_N]

    def advance(self, rows_R: Tensor | None, token_R: Tensor) -> None:
        """Every row continues another of its sentence (None: itself) by a token."""
        if not self.most:
            return
        state_RP = continued((self.first_B1P + self.state_BWP).flatten(0, 1), rows_R)
        self.state_BWP = self.following(state_RP, token_R[:, None]).view(self.state_BWP.shape)


class ForbiddenPhrases(PhraseStates):
    """What no hypothesis may contain."""

    def _stack(self, phrases: Sequence[Phrase]) -> None:
        """Also which tokens each state excludes, in two tables, one below the other: everywhere, and at the end of the text."""
        super()._stack(phrases)
        certain = [torch.tensor([False, True]), *(torch.from_numpy(phrase.certain_X) for phrase in phrases)]
        self.certain_X = torch.cat(certain).to(self.device)
        """From where the phrase would be completed whatever came next."""
        first_D1 = self.first_X[~self.is_partial_X][:, None]
        completes_DV = self.certain_X[first_D1 + self.next_DV]
        self.excluded = torch.cat([completes_DV, completes_DV | self.ends_X[first_D1 + self.next_DV]])
        self.excludes = self.excluded.any(dim=1)

    def exclude(self, log_probs_NV: Tensor, rows_N: Tensor, is_last_N: Tensor) -> None:
        """Set to -inf, in place, what would complete a phrase. is_last_N: whether the text ends with the next token whatever it is."""
        for state_N in self.states(rows_N).unbind(dim=1):
            row_N = self.row_X[state_N] + is_last_N * len(self.next_DV)
            affected = (self.excludes[row_N] | self.is_partial_X[state_N]).nonzero().flatten()
            if len(affected):
                excluded_NV = self.excluded[row_N[affected]]
                self._exclude_tails(excluded_NV, state_N[affected], is_last_N[affected])
                log_probs_NV[affected] = log_probs_NV[affected].masked_fill_(excluded_NV, -torch.inf)

    def _exclude_tails(self, excluded_NV: Tensor, state_N: Tensor, is_last_N: Tensor) -> None:
        """Correct, in place, the continuation bytes of rows that are within a character."""
        within = self.is_partial_X[state_N].nonzero().flatten()
        if len(within):
            state_N1 = state_N[within, None]
            next_NT = self.first_X[state_N1] + self.following(state_N1, self.tail_T[None])
            completes_NT = self.certain_X[next_NT] | (self.ends_X[next_NT] & is_last_N[within, None])
            excluded_NV[within[:, None], self.tail_T] = completes_NT


class RequiredPhrases(PhraseStates):
    """What every finished hypothesis contains, and the way to it."""

    lacking = MATCHED

    def _stack(self, phrases: Sequence[Phrase]) -> None:
        """Also the way: the fewest tokens from each state to its phrase's end, and which tokens make them fewer."""
        super()._stack(phrases)
        steps_X = torch.cat([torch.zeros(2, dtype=torch.long), *(torch.from_numpy(phrase.steps_X) for phrase in phrases)]).to(self.device)
        needs = [0, *(phrase.needs for phrase in phrases)]
        lengths = torch.tensor([2, *(phrase.num_states for phrase in phrases)])
        self.needs_X = torch.tensor(needs).repeat_interleave(lengths).to(self.device)
        self.steps_X = steps_X
        first_D1 = self.first_X[~self.is_partial_X][:, None]
        self.leads_DV = steps_X[first_D1 + self.next_DV] == steps_X[~self.is_partial_X][:, None] - 1
        self.gone_X = self.needs_X - steps_X.minimum(self.needs_X)
        """How many of the steps that a phrase needs are done."""

    def lack(self, rows_N: Tensor) -> Tensor:
        """lacks_N: whether a phrase is not in the text of these rows, if it ends here."""
        return ~self.ends_X[self.states(rows_N)].all(dim=1)

    def hold_back(self, log_probs_NV: Tensor, rows_N: Tensor) -> None:
        """Set EOS to -inf, in place, where something is not yet written."""
        if self.most:
            log_probs_NV[:, EOS] = log_probs_NV[:, EOS].masked_fill(self.lack(rows_N), -torch.inf)

    def any_B1(self) -> Tensor:  # noqa: N802 - the name carries the shape
        """Whether anything is required of a sentence."""
        any_B1 = torch.tensor([bool(own) for own in self.phrases], device=self.device)[:, None]
        return any_B1

    def guides(self, log_probs_NV: Tensor, token_NC: Tensor, rows_N: Tensor) -> tuple[Tensor, Tensor]:
        """For each phrase the most probable of the tokens that bring a row one step nearer to its end: log_prob_NP and token_NP.

        -inf where there is none, or where it is among the row's own best, token_NC, or another phrase's.
        """
        found, known = [], token_NC
        for state_N in self.states(rows_N).unbind(dim=1):
            log_prob_N, token_N = log_probs_NV.masked_fill(~self._leads(state_N), -torch.inf).max(dim=1)
            log_prob_N = log_prob_N.masked_fill((known == token_N[:, None]).any(dim=1), -torch.inf)
            known = torch.cat([known, token_N[:, None]], dim=1)
            found.append((log_prob_N, token_N))
        log_probs, tokens = zip(*found, strict=True)
        return torch.stack(log_probs, dim=1), torch.stack(tokens, dim=1)

    def _leads(self, state_N: Tensor) -> Tensor:
        """leads_NV: the tokens that bring a row one step nearer to its phrase's end."""
        leads_NV = self.leads_DV[self.row_X[state_N]]
        within = self.is_partial_X[state_N].nonzero().flatten()
        if len(within):
            state_N1 = state_N[within, None]
            next_NV = self.following(state_N1, torch.arange(leads_NV.shape[1], device=self.device)[None])
            leads_NV[within] = self.steps_X[self.first_X[state_N1] + next_NV] == self.steps_X[state_N1] - 1
        return leads_NV

    def progress(self, token_BWC: Tensor) -> Tensor:
        """progress_BWC: how many steps towards the phrases are done once a row takes a token.

        Those of the phrases that are complete, and of the others those of the one that is nearest to its end: so there is always a token
        that makes a step, also where a phrase can only be gone on with by giving up another.
        """
        before_BW1P = (self.first_B1P + self.state_BWP)[:, :, None]
        local_BWCP = self.following(before_BW1P, token_BWC[..., None])
        state_BWCP = self.first_B1P[:, :, None] + local_BWCP
        complete_BWCP = local_BWCP == MATCHED
        needs_BWCP = self.needs_X[state_BWCP]
        gone_BWCP = self.gone_X[state_BWCP].masked_fill(complete_BWCP, 0)
        return (needs_BWCP * complete_BWCP).sum(dim=-1) + gone_BWCP.amax(dim=-1)
