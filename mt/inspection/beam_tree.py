"""What beam search held on its way, as a tree: every extension it took, from which it came, and why it came to nothing.

`trace_beam` is the loop of `beam_search` (mt/decoding/beam.py) for one sentence, over the same functions, with notes taken between the
steps: the shipped search has no branch for it. A test holds both equal. Beam search prunes by log-probability and compares finished
hypotheses by score, log-probability / length penalty; both are kept here. It knows token ids, no pieces.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

import torch
from torch import Tensor

from mt.config import DecodingConfig
from mt.data.special_ids import EOS
from mt.decoding.beam import NO_ENTRY, History, advance, start_beams
from mt.decoding.hypothesis import Hypothesis, length_penalty, next_log_probs, ranked
from mt.decoding.search import check_options
from mt.model.interface import TranslationModel

ALTERNATIVES = 5
"""The most probable continuations noted for each prefix that the search extended."""
NOT_TAKEN = 2
"""The extensions noted at each step that came right after those that were taken."""
ROOT = NO_ENTRY
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


@torch.inference_mode()
def trace_beam(model: TranslationModel, source_ids: Sequence[int], options: DecodingConfig, max_length: int) -> BeamTree:
    """Search the best options.nbest translations of one sentence as beam_search does, and note what it held.

    source_ids: with EOS at the end. max_length: the most tokens, EOS included. Raises DecodingError as search does.
    """
    assert not model.training, "dropout is on: call model.eval() before searching"
    check_options(options)
    device, width = model.output_weight_VD.device, options.beam_size
    source_BS = torch.tensor([source_ids], device=device)
    state = model.start(model.encode(source_BS), width)
    beams = start_beams(source_BS, torch.tensor([max_length]), width, options.nbest)
    history, entries = History(), [[]]
    nodes: dict[int, Node] = {}
    steps: list[BeamStep] = []
    while len(beams.sentence_B):
        log_probs_RV = next_log_probs(model.step(beams.token_BW.flatten(), state))
        live_W, entry_W = beams.log_prob_BW[0], beams.entry_BW[0]
        advance(beams, state, history, log_probs_RV, len(steps) + 1, options.length_penalty, entries)
        taken = _taken(history, live_W, len(steps) + 1, options)
        nodes |= {node.entry: node for node in taken}
        steps.append(_note_step(taken, live_W, entry_W, log_probs_RV))
    found = history.read(entries, options.length_penalty)[0]
    kept = ranked(found)[: options.nbest]
    kept_entries = [entries[0][next(at for at, each in enumerate(found) if each is hypothesis)] for hypothesis in kept]
    nodes = _with_fates(nodes, steps, kept_entries, options, max_length)
    return BeamTree(width, options.length_penalty, max_length, nodes, tuple(steps), tuple(kept))


def _taken(history: History, live_W: Tensor, step: int, options: DecodingConfig) -> list[Node]:
    """The extensions that the last step wrote into the history; places of the beam that hold none are left out."""
    columns = (history.tokens, history.log_probs, history.previous)
    width = options.beam_size
    nodes = []
    seen = set()  # at the first step the rows beside the first are equal to it, but hold nothing: what they extend comes second, at -inf
    for place, (token, log_prob, parent) in enumerate(zip(*(column[-1].tolist() for column in columns), strict=True)):
        if (parent, token) in seen:
            continue
        seen.add((parent, token))
        row = 0 if parent == ROOT else parent % width
        total = (live_W[row] + history.log_probs[-1][place]).item()  # in float32, as the search added
        if total > -torch.inf:
            score = total / length_penalty(step, options.length_penalty)
            nodes.append(Node((step - 1) * width + place, parent, step, token, log_prob, total, score))
    return nodes


def _note_step(taken: Sequence[Node], live_W: Tensor, entry_W: Tensor, log_probs_RV: Tensor) -> BeamStep:
    """What the step chose from: the first that were not taken, and every live prefix's most probable continuations."""
    vocabulary = log_probs_RV.size(1)
    entries = entry_W.tolist()
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
