"""What beam search held on its way, as a tree: every extension it took, from which it came, and why it came to nothing.

`NotingBeamSearch` is the shipped search (mt/decoding/beam.py), which takes notes at every step of one sentence; a test holds both equal.
Beam search prunes by log-probability and compares finished hypotheses by score, log-probability / length penalty; both are kept here. It
knows token ids, no pieces.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

import torch
from torch import Tensor

from mt.config import DecodingConfig
from mt.data.special_ids import EOS
from mt.decoding.beam import BeamSearch
from mt.decoding.hypothesis import Hypothesis, length_penalty
from mt.decoding.method import Sentence
from mt.decoding.one_beam import Beam
from mt.decoding.rules import Rules, rules_for
from mt.decoding.search import Waiting, check_options, decode
from mt.model.interface import TranslationModel

ALTERNATIVES = 5
"""The most probable continuations noted for each prefix that the search extended."""
NOT_TAKEN = 2
"""The extensions noted at each step that came right after those that were taken."""
ROOT = -1
"""The entry of the empty prefix, the root of the tree."""


class Fate(Enum):
    """What became of an extension that the search held."""

    WENT_ON = "went on"
    """At least one of its own extensions was held."""
    PRUNED = "pruned"
    """None of its extensions was among the best of the next step."""
    FINISHED = "finished"
    """It ended with EOS."""
    OUTDONE = "outdone"
    """It lived when the search ended, because it could no longer enter the n-best list."""
    CUT = "cut"
    """It lived when the length limit was reached."""


@dataclass(frozen=True)
class Node:
    """One extension that the search held: a prefix, named by its last token."""

    entry: int
    """Its number: (step - 1) · beam size + its place in the beam."""
    parent: int
    """The entry it extends; ROOT for a first token."""
    step: int
    """The target position of its token, from 1."""
    token: int
    log_prob: float
    """The token's log-probability after its prefix."""
    total: float
    """The prefix's log-probability, as the search added it up: what pruning compares."""
    score: float
    """total / length penalty of its length: what finished hypotheses are compared by."""
    fate: Fate = Fate.WENT_ON
    rank: int | None = None
    """Its place among all hypotheses that ended (finished ones first, then those that were cut), from 1; None for the others."""
    at_best: float | None = None
    """PRUNED: the log-probability of its best extension. OUTDONE: the best score it could still have reached."""
    at_best_token: int | None = None
    """PRUNED: the token of its best extension."""
    bound: float | None = None
    """What at_best did not reach. PRUNED: the lowest log-probability held at the next step. OUTDONE: the worst score kept."""


@dataclass(frozen=True)
class Extension:
    """An extension that was possible and not taken."""

    parent: int
    token: int
    log_prob: float
    total: float


@dataclass(frozen=True)
class BeamStep:
    """What one step chose from."""

    worst: float
    """The lowest log-probability among the extensions taken."""
    taken: int
    """How many were taken: the beam size, fewer only where so many do not exist."""
    not_taken: tuple[Extension, ...]
    """The best of those that were not, best first."""
    continuations: dict[int, tuple[tuple[int, float], ...]]
    """For each live prefix (its entry) its most probable next tokens and their log-probabilities."""


@dataclass(frozen=True)
class BeamTree:
    """The whole search of one sentence."""

    beam_size: int
    alpha: float
    """The length penalty's exponent."""
    max_length: int
    """The length limit, in tokens with EOS."""
    nodes: dict[int, Node]
    """By entry, in the order in which they were taken; at each step the most probable first."""
    steps: tuple[BeamStep, ...]
    hypotheses: tuple[Hypothesis, ...]
    """What beam_search returns: the n-best list."""

    @property
    def best(self) -> Node:
        """The last token of the best hypothesis."""
        return self.ended()[0]

    def ended(self) -> list[Node]:
        """The last tokens of all hypotheses that ended, best first."""
        return sorted((node for node in self.nodes.values() if node.rank is not None), key=lambda node: node.rank)

    def path(self, entry: int) -> list[Node]:
        """The nodes from the first token to this entry."""
        found = []
        while entry != ROOT:
            found.append(self.nodes[entry])
            entry = self.nodes[entry].parent
        return found[::-1]

    def children(self) -> dict[int, list[Node]]:
        """The held extensions of each entry, the most probable first."""
        found: dict[int, list[Node]] = defaultdict(list)
        for node in self.nodes.values():
            found[node.parent].append(node)
        return found

    def follow(self, tokens: Sequence[int]) -> list[Node]:
        """The nodes of the longest beginning of these tokens that the search held."""
        children, found, entry = self.children(), [], ROOT
        for token in tokens:
            held = [node for node in children.get(entry, []) if node.token == token]
            if not held:
                break
            found.append(held[0])
            entry = held[0].entry
        return found


class NotingBeamSearch(BeamSearch):
    """Beam search that takes notes of its first sentence."""

    prunes = False

    def __init__(self, options: DecodingConfig, device: torch.device, rules: Rules | None = None):
        super().__init__(options, device, rules)
        self.nodes: dict[int, Node] = {}
        self.steps: list[BeamStep] = []

    def live_rows(self) -> None:
        """All: what a dead one would go on to is not told, but all stand in their places."""

    def advance(self, logits_GV: Tensor, wanted: Sequence[int] | None = None) -> Tensor | None:
        """One step, and what it chose from."""
        log_probs_RV = self.log_probs(logits_GV[: self.width], range(self.width))
        live_W = self.log_prob_BW[0]
        before, first = len(self.steps), (len(self.steps) - 1) * self.width
        entries = [first + place for place in range(self.width)] if before else [ROOT] * self.width
        rows_R = super().advance(logits_GV, wanted)
        taken = _taken(self.beams[0], live_W, entries)
        self.nodes |= {node.entry: node for node in taken}
        self.steps.append(_note_step(taken, live_W, entries, log_probs_RV))
        return rows_R


@torch.inference_mode()
def trace_beam(model: TranslationModel, source_ids: Sequence[int], options: DecodingConfig, max_length: int) -> BeamTree:
    """Search the best options.nbest translations of one sentence as beam_search does, and note what it held.

    source_ids: with EOS at the end. max_length: the most tokens, EOS included. Raises DecodingError as search does.
    """
    check_options(options)
    device, sentences = model.output_weight_VD.device, [Sentence(0, list(source_ids), max_length)]
    noting = NotingBeamSearch(options, device, rules_for(options, sentences, options.beam_size, device))
    [*_] = decode(model, Waiting(sentences, 1), noting)
    found = noting.beams[0].best()
    entries = [step * options.beam_size + place for _, step, place in found]
    nodes = _with_fates(noting.nodes, noting.steps, entries, options, max_length)
    hypotheses = tuple(hypothesis for hypothesis, _, _ in found)
    return BeamTree(options.beam_size, options.length_penalty, max_length, nodes, tuple(noting.steps), hypotheses)


def _taken(beam: Beam, live_W: Tensor, entries: Sequence[int]) -> list[Node]:
    """The extensions that the last step took; entries: those of the hypotheses they extend, by place."""
    step, width = len(beam.tokens), len(live_W)
    nodes = []
    for place, (token, log_prob, parent) in enumerate(zip(beam.tokens[-1], beam.log_probs[-1], beam.parents[-1], strict=True)):
        total = (live_W[parent] + log_prob).item()  # in float32, as the search added
        if total > -torch.inf:
            score = total / length_penalty(step, beam.alpha)
            nodes.append(Node((step - 1) * width + place, entries[parent], step, token, log_prob, total, score))
    return nodes


def _note_step(taken: Sequence[Node], live_W: Tensor, entries: Sequence[int], log_probs_RV: Tensor) -> BeamStep:
    """What the step chose from: the first that were not taken, and every live prefix's most probable continuations."""
    vocabulary = log_probs_RV.size(1)
    total_C, place_C = (live_W[:, None] + log_probs_RV).flatten().topk(min(len(taken) + NOT_TAKEN, log_probs_RV.numel()))
    chosen = {(node.parent, node.token) for node in taken}
    not_taken = []
    for total, place in zip(total_C.tolist(), place_C.tolist(), strict=True):
        row, token = divmod(place, vocabulary)
        if total > -torch.inf and (entries[row], token) not in chosen:
            not_taken.append(Extension(entries[row], token, log_probs_RV[row, token].item(), total))
    log_prob_WC, token_WC = log_probs_RV.topk(min(ALTERNATIVES, vocabulary), dim=-1)
    continuations = {
        entry: tuple(zip(tokens, log_probs, strict=True))
        for entry, live, tokens, log_probs in zip(entries, live_W.tolist(), token_WC.tolist(), log_prob_WC.tolist(), strict=True)
        if live > -torch.inf
    }
    return BeamStep(min(node.total for node in taken), len(taken), tuple(not_taken[:NOT_TAKEN]), continuations)


def _with_fates(
    nodes: dict[int, Node], steps: Sequence[BeamStep], kept_entries: list[int], options: DecodingConfig, max_length: int
) -> dict[int, Node]:
    """The nodes with what became of each. kept_entries: the last tokens of what the search returned, best first."""
    last, extended = len(steps), {node.parent for node in nodes.values()}
    fates = {}
    for node in nodes.values():
        if node.token == EOS:
            fate = Fate.FINISHED
        elif node.entry in extended:
            fate = Fate.WENT_ON
        elif node.step < last:
            fate = Fate.PRUNED
        else:
            fate = Fate.CUT if last == max_length else Fate.OUTDONE
        fates[node.entry] = fate
    ended = [node for node in nodes.values() if fates[node.entry] in (Fate.FINISHED, Fate.CUT)]
    others = sorted(ended, key=lambda node: (fates[node.entry] is Fate.CUT, -node.score))
    order = kept_entries + [node.entry for node in others if node.entry not in kept_entries]
    ranks = {entry: rank for rank, entry in enumerate(order, 1)}
    told = {}
    for entry, node in nodes.items():
        node = replace(node, fate=fates[entry], rank=ranks.get(entry))
        if node.fate is Fate.PRUNED:
            [(token, log_prob), *_] = steps[node.step].continuations[entry]
            node = replace(node, at_best=node.total + log_prob, at_best_token=token, bound=steps[node.step].worst)
        elif node.fate is Fate.OUTDONE:
            longest = max_length if options.length_penalty >= 0 else last + 1
            reachable = node.total / length_penalty(longest, options.length_penalty)
            node = replace(node, at_best=reachable, bound=nodes[order[options.nbest - 1]].score)
        told[entry] = node
    return told
