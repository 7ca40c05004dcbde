"""Beam search: all sentences of a batch at once, W hypotheses each, in log space.

The rule, at every step and for every sentence: of all extensions of its live hypotheses by one token, take the W best
by log probability. Those that end with EOS are finished and set aside, the others live on. (A beam that is refilled
with the W best that do not end, as some programs do, searches on from a hypothesis that greedy search has rejected;
then a beam of one is no longer greedy search. With this rule it is, a beam as wide as there are prefixes is exact, and
the live ones run out only when W have finished at once.) Log-probabilities are divided by the length penalty only to
compare finished hypotheses.

A sentence leaves the batch as soon as nothing that lives can still enter its n-best list, so stopping early never
changes what is returned. Not covered: diverse or constrained search, prefixes, coverage. What the search held on its way
can be followed from outside, by a loop like beam_search's own over the same functions: mt/inspection/beam_tree.py.

Dimensions besides those of mt/model/interface.py: N hypotheses returned (n-best), C candidates of one row, E hypotheses
compared (N + W), L sentences left in the batch after a step. B counts the sentences that are still in it before the step.
"""

from dataclasses import dataclass, field, fields

import torch
from torch import Tensor

from mt.config import DecodingConfig
from mt.data.special_ids import BOS, EOS
from mt.decoding.hypothesis import (
    Hypothesis,
    length_penalty,
    make_hypothesis,
    next_log_probs,
    ranked,
    refuse_nan,
)
from mt.model.interface import DecoderState, TranslationModel

NO_ENTRY = -1
"""The entry before a hypothesis's first token, and the place of a hypothesis that does not exist."""


@dataclass
class Beams:
    """What is known of the sentences still in the batch. All fields have B rows and shrink together."""

    sentence_B: Tensor
    """Which sentence of the whole batch each row is."""
    max_length_B: Tensor
    """The most tokens, EOS included, a hypothesis may have."""
    token_BW: Tensor
    """The last token of each live hypothesis."""
    entry_BW: Tensor
    """Where that token stands in the history."""
    log_prob_BW: Tensor
    """The log-probability of each live hypothesis; -inf where there is none."""
    kept_score_BN: Tensor
    """The scores of the best finished hypotheses, best first; -inf where there is none yet."""
    kept_entry_BN: Tensor
    """Where their EOS stands in the history."""

    def select(self, staying_L: Tensor) -> None:
        """Keep only these rows."""
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name)[staying_L])


@dataclass
class History:
    """Every token ever taken into a beam, once, with the entry of the token before it: prefixes are never copied."""

    tokens: list[Tensor] = field(default_factory=list)
    log_probs: list[Tensor] = field(default_factory=list)
    previous: list[Tensor] = field(default_factory=list)
    count: int = 0

    def add(self, token_BW: Tensor, log_prob_BW: Tensor, previous_BW: Tensor) -> Tensor:
        """Write one step; returns entry_BW, the numbers of its entries."""
        self.tokens.append(token_BW.flatten())
        self.log_probs.append(log_prob_BW.flatten())
        self.previous.append(previous_BW.flatten())
        first, self.count = self.count, self.count + token_BW.numel()
        return torch.arange(first, self.count, device=token_BW.device).view_as(token_BW)

    def read(self, entries: list[list[int]], alpha: float) -> list[list[Hypothesis]]:
        """The hypotheses that end in the given entries."""
        columns = (self.tokens, self.log_probs, self.previous)
        tokens, log_probs, previous = (torch.cat(column).tolist() for column in columns)

        def hypothesis(entry: int) -> Hypothesis:
            path = []
            while entry != NO_ENTRY:
                path.append(entry)
                entry = previous[entry]
            path.reverse()
            return make_hypothesis([tokens[entry] for entry in path], [log_probs[entry] for entry in path], alpha)

        return [[hypothesis(entry) for entry in of_sentence] for of_sentence in entries]


def beam_search(
    model: TranslationModel, source_BS: Tensor, options: DecodingConfig, max_length_B: Tensor
) -> list[list[Hypothesis]]:
    """The options.nbest best hypotheses of each source sentence, best first (fewer if so many do not exist).

    max_length_B: the most tokens, EOS included, of each sentence's hypotheses. Those that have not ended by then are
    returned only where finished ones are lacking. Raises DecodingError when the model's logits are not finite.
    """
    assert 1 <= options.nbest <= options.beam_size
    state = model.start(model.encode(source_BS), options.beam_size)
    beams = start_beams(source_BS, max_length_B, options.beam_size, options.nbest)
    history = History()
    entries: list[list[int]] = [[] for _ in range(len(source_BS))]
    length = 0
    while len(beams.sentence_B):
        length += 1
        log_probs_RV = next_log_probs(model.step(beams.token_BW.flatten(), state))
        advance(beams, state, history, log_probs_RV, length, options.length_penalty, entries)
    return [ranked(hypotheses)[: options.nbest] for hypotheses in history.read(entries, options.length_penalty)]


def advance(
    beams: Beams,
    state: DecoderState,
    history: History,
    log_probs_RV: Tensor,
    length: int,
    alpha: float,
    entries: list[list[int]],
) -> None:
    """One step of every sentence in the batch; those that are done write their results into `entries` and leave."""
    parent_BW, has_nan = _extend(beams, history, log_probs_RV)
    _set_finished_aside(beams, length, alpha)
    done_B = _done(beams, length, alpha)
    num_sentences, beam_size = parent_BW.shape
    place_W = torch.arange(beam_size, device=parent_BW.device)
    moved = (parent_BW != place_W).any()
    # The only transfer from the device in a step where no sentence leaves.
    *done, has_nan, moved = torch.cat([done_B, torch.stack([has_nan, moved])]).tolist()
    refuse_nan(has_nan, length)
    rows_BW = parent_BW + torch.arange(num_sentences, device=parent_BW.device)[:, None] * beam_size
    if any(done):
        _note_results(beams, done_B, entries)
        staying_L = (~done_B).nonzero()[:, 0]
        beams.select(staying_L)
        if not all(done):
            state.reorder(rows_BW[staying_L].flatten(), sentences_B=staying_L)
    elif moved:
        state.reorder(rows_BW.flatten())


def start_beams(source_BS: Tensor, max_length_B: Tensor, beam_size: int, num_best: int) -> Beams:
    """One live hypothesis for each sentence: its W rows are still equal, so all but the first count as not there."""
    num_sentences, device = len(source_BS), source_BS.device
    log_prob_BW = torch.full((num_sentences, beam_size), -torch.inf, device=device)
    log_prob_BW[:, 0] = 0.0
    return Beams(
        sentence_B=torch.arange(num_sentences, device=device),
        max_length_B=max_length_B.to(device),
        token_BW=source_BS.new_full((num_sentences, beam_size), BOS),
        entry_BW=source_BS.new_full((num_sentences, beam_size), NO_ENTRY),
        log_prob_BW=log_prob_BW,
        kept_score_BN=torch.full((num_sentences, num_best), -torch.inf, device=device),
        kept_entry_BN=source_BS.new_full((num_sentences, num_best), NO_ENTRY),
    )


def _extend(beams: Beams, history: History, log_probs_RV: Tensor) -> tuple[Tensor, Tensor]:
    """Replace the live hypotheses by their W best extensions, those that end included.

    Returns parent_BW, the row within the sentence that each one extends, and whether a NaN was met (a tensor without
    dimensions). One row gives at most W of the W best, so W of each row first and W of those W·W then: the vocabulary
    is read once.
    """
    num_sentences, beam_size = beams.log_prob_BW.shape
    num_candidates = min(beam_size, log_probs_RV.size(-1))
    best_RC, token_RC = log_probs_RV.topk(num_candidates, dim=-1)
    total_BWC = beams.log_prob_BW[:, :, None] + best_RC.view(num_sentences, beam_size, num_candidates)
    log_prob_BW, candidate_BW = total_BWC.flatten(1).topk(beam_size, dim=-1)
    parent_BW = candidate_BW // num_candidates
    beams.token_BW = token_RC.view(num_sentences, -1).gather(1, candidate_BW)
    token_log_prob_BW = best_RC.view(num_sentences, -1).gather(1, candidate_BW)
    beams.entry_BW = history.add(beams.token_BW, token_log_prob_BW, beams.entry_BW.gather(1, parent_BW))
    beams.log_prob_BW = log_prob_BW
    return parent_BW, best_RC[:, 0].isnan().any()


def _set_finished_aside(beams: Beams, length: int, alpha: float) -> None:
    """Move hypotheses whose last token is EOS from the live ones to the kept ones, if they are good enough."""
    ended_BW = beams.token_BW == EOS
    score_BW = (beams.log_prob_BW / length_penalty(length, alpha)).masked_fill(~ended_BW, -torch.inf)
    entry_BW = beams.entry_BW.masked_fill(score_BW == -torch.inf, NO_ENTRY)
    num_best = beams.kept_score_BN.size(1)
    # Stable, so that of equals the one that finished first stays: stopping early keeps that one too.
    score_BE, order_BE = torch.cat([beams.kept_score_BN, score_BW], 1).sort(dim=1, descending=True, stable=True)
    beams.kept_score_BN = score_BE[:, :num_best]
    beams.kept_entry_BN = torch.cat([beams.kept_entry_BN, entry_BW], 1).gather(1, order_BE[:, :num_best])
    beams.log_prob_BW = beams.log_prob_BW.masked_fill(ended_BW, -torch.inf)


def _done(beams: Beams, length: int, alpha: float) -> Tensor:
    """Done_B: True for sentences at their limit, or whose n-best list no live hypothesis can enter any more.

    A log-probability only falls, so the best score a live hypothesis can reach is the one it would have now at the
    length with the largest penalty: the limit for alpha >= 0, the next length for alpha < 0. Without live ones that is
    -inf: done as well.
    """
    largest_length_B = beams.max_length_B if alpha >= 0 else torch.full_like(beams.max_length_B, length + 1)
    reachable_B = beams.log_prob_BW.amax(1) / length_penalty(largest_length_B.float(), alpha)
    return (length >= beams.max_length_B) | (reachable_B <= beams.kept_score_BN[:, -1])


def _note_results(beams: Beams, done_B: Tensor, entries: list[list[int]]) -> None:
    """Note the history entries of the done sentences' results: kept ones and, if those are too few, the live ones."""
    num_best = beams.kept_entry_BN.size(1)
    live_entry_BW = beams.entry_BW.masked_fill(beams.log_prob_BW == -torch.inf, NO_ENTRY)
    numbers_BE = torch.cat([beams.kept_entry_BN, live_entry_BW], 1)
    for sentence, found in zip(beams.sentence_B[done_B].tolist(), numbers_BE[done_B].tolist(), strict=True):
        kept = [entry for entry in found[:num_best] if entry != NO_ENTRY]
        live = [entry for entry in found[num_best:] if entry != NO_ENTRY]
        entries[sentence] = kept if len(kept) == num_best else kept + live
