"""Which pairs stand together in a batch: a pure plan, and the padded tensors made from it.

A plan is a function of lengths, budget, seed, epoch and block (pairs.py), so the data position of a run is three integers (epoch,
block, batch) and a resumed run sees exactly what an uninterrupted one would have seen. Nothing here reads files.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy
import torch
from torch import Tensor

from mt.data.pairs import EncodedPairs
from mt.data.special_ids import EOS, PAD

MOST_MASKED = 1 << 26
"""How many pairs of target positions a batch has at most where nothing is learned (`within_square`): 256 MB in fp32."""
_BIN_WIDTHS = (1, 2, 3, 4, 6, 8)  # target lengths that count as equal; one side's padding is traded for the other's


@dataclass(frozen=True)
class Batch:
    """One padded batch."""

    source_BS: Tensor
    target_BT: Tensor
    num_target_tokens: int
    """Target tokens without padding, the end token included: what the loss is divided by."""
    padding: float
    """The share of source and target positions that are padding, 0 to 1."""


@dataclass(frozen=True)
class Share:
    """What one process computes of a planned batch, in one piece or in several that are accumulated."""

    batches: list[Batch]
    """May be empty when there are more processes than sentences."""
    num_target_tokens: int
    """Of the whole planned batch, over all processes."""


def epoch_pairs(weights: numpy.ndarray, seed: int, epoch: int, block: int = 0) -> numpy.ndarray:
    """The pairs of one epoch's block: a pair of weight 2 stands twice, one of weight 0.5 in every second epoch on average."""
    generator = block_generator(seed, epoch, 0, block)
    copies = numpy.floor(weights + generator.random(len(weights))).astype(numpy.int64)
    return numpy.repeat(numpy.arange(len(weights)), copies)


def block_generator(seed: int, epoch: int, purpose: int, block: int) -> numpy.random.Generator:
    """Random numbers of their own for each use in each block; the first block's are those of a corpus that has no others."""
    return numpy.random.default_rng([seed, epoch, purpose] + [block] * (block > 0))


def plan_batches(
    lengths_N2: numpy.ndarray, max_tokens: int, seed: int, epoch: int, weights: numpy.ndarray | None = None, block: int = 0
) -> list[numpy.ndarray]:
    """The batches of one epoch's block, each an array of pair indices, in a shuffled order.

    Pairs of like target length, and among them of like source length, stand together; how like is chosen so that the whole block
    has the least padding. A batch holds at most max_tokens positions, padding included, on its larger side; a single pair longer
    than that is a batch of its own. Ties are broken at random, anew in each epoch.
    """
    if weights is None:
        weights = numpy.ones(len(lengths_N2))
    chosen = epoch_pairs(weights, seed, epoch, block)
    generator = block_generator(seed, epoch, 1, block)
    generator.shuffle(chosen)
    plans = [_cut(lengths_N2, _by_length(lengths_N2, chosen, width), max_tokens) for width in _BIN_WIDTHS]
    batches = min(plans, key=lambda plan: _positions(lengths_N2, plan))
    generator.shuffle(batches)
    return batches


def _by_length(lengths_N2: numpy.ndarray, chosen: numpy.ndarray, width: int) -> numpy.ndarray:
    """The chosen pairs by target length, in bins `width` tokens wide, and by source length inside a bin."""
    source_length, bin_number = lengths_N2[chosen, 0], lengths_N2[chosen, 1] // width
    # Source order runs up and down in turn, so that neighbours stay alike where the bin changes.
    serpentine = numpy.where(bin_number % 2 == 0, source_length, -source_length)
    return chosen[numpy.lexsort((serpentine, bin_number))]


def _cut(lengths_N2: numpy.ndarray, ordered: numpy.ndarray, max_tokens: int) -> list[numpy.ndarray]:
    """Cut the ordered pairs into batches as large as the budget allows."""
    batches, first = [], 0
    larger = lengths_N2[ordered].max(axis=1) if len(ordered) else numpy.empty(0, dtype=numpy.int64)
    while first < len(ordered):
        # No batch has more pairs than the budget has tokens, so the next one ends within this window.
        longest = numpy.maximum.accumulate(larger[first : first + max_tokens])
        count = numpy.searchsorted(longest * numpy.arange(1, len(longest) + 1), max_tokens, side="right")
        batches.append(ordered[first : first + max(1, int(count))])
        first += len(batches[-1])
    return batches


def within_square(lengths: Sequence[int], indices: Sequence[int], most: int) -> list[list[int]]:
    """A planned batch cut so that no part has more than `most` pairs of positions: pairs times the square of the longest length.

    That is what a decoder's mask takes under teacher forcing. lengths: of the targets, by index. A single pair is a part of its own.
    """
    parts: list[list[int]] = []
    longest = 0
    for index in indices:
        longest = max(longest, int(lengths[index]))
        if parts and (len(parts[-1]) + 1) * longest**2 <= most:
            parts[-1].append(index)
        else:
            parts.append([index])
            longest = int(lengths[index])
    return parts


def _positions(lengths_N2: numpy.ndarray, plan: list[numpy.ndarray]) -> int:
    """All positions of a plan's batches, padding included."""
    return sum(len(batch) * int(lengths_N2[batch].max(axis=0).sum()) for batch in plan)


def pad(sequences: Sequence[Sequence[int]], length: Callable[[int], int] = lambda longest: longest) -> Tensor:
    """The sequences as one tensor, filled with PAD on the right up to the longest, or to the length that is made of the longest's."""
    longest = max(len(sequence) for sequence in sequences)
    padded = numpy.full((len(sequences), length(longest)), PAD, dtype=numpy.int64)
    for row, sequence in enumerate(sequences):
        padded[row, : len(sequence)] = sequence
    return torch.from_numpy(padded)


def make_batch(pairs: EncodedPairs, indices: Sequence[int]) -> Batch:
    """The padded tensors of the given pairs."""
    source_BS = pad([pairs.sources[index] for index in indices])
    target_BT = pad([pairs.targets[index] for index in indices])
    target_tokens = int((target_BT != PAD).sum())
    real = target_tokens + int((source_BS != PAD).sum())
    return Batch(source_BS, target_BT, target_tokens, 1.0 - real / (source_BS.numel() + target_BT.numel()))


def make_share(
    pairs: EncodedPairs, indices: Sequence[int], rank: int = 0, ranks: int = 1, pieces: int = 1, even: bool = False
) -> Share:
    """Process `rank` of `ranks` takes every ranks-th pair of a planned batch, in `pieces` pieces where memory asks for it.

    Neighbours in a batch are alike in length, so that all processes get about the same number of tokens. even: a process that has no
    pair for a piece computes one without target tokens, so that all compute equally often.
    """
    slices = [indices[rank + ranks * piece :: ranks * pieces] for piece in range(pieces)]
    num_target_tokens = sum(len(pairs.targets[index]) for index in indices)
    nothing = Batch(torch.full((1, 1), EOS), torch.full((1, 1), PAD), 0, 0.0)
    batches = [make_batch(pairs, piece) if len(piece) else nothing for piece in slices]
    return Share([batch for batch in batches if even or batch is not nothing], num_target_tokens)


def whole(*batches: Batch) -> Share:
    """Batches as the share of a process that is alone."""
    return Share(list(batches), sum(batch.num_target_tokens for batch in batches))


def halved(share: Share) -> Share:
    """The same pairs in batches of half the size, where a batch has more than one pair."""
    batches = []
    for batch in share.batches:
        rows = [slice(0, None, 2), slice(1, None, 2)] if len(batch.source_BS) > 1 else [slice(None)]
        batches += [_trimmed(batch.source_BS[half], batch.target_BT[half]) for half in rows]
    return Share(batches, share.num_target_tokens)


def _trimmed(source_BS: Tensor, target_BT: Tensor) -> Batch:
    """A batch of rows, without positions that are padding in all of them."""
    source_BS, target_BT = (side[:, : int((side != PAD).sum(dim=1).max())] for side in (source_BS, target_BT))
    tokens = int((target_BT != PAD).sum())
    real = tokens + int((source_BS != PAD).sum())
    return Batch(source_BS, target_BT, tokens, 1.0 - real / (source_BS.numel() + target_BT.numel()))
