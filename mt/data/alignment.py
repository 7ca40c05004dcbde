"""Where two files stop to be translations line for line: from that line on, each line fits its neighbour better than its partner.

A line lost on one side shifts all the rest, and a model trained on that learns nothing without saying so. Translations have similar
lengths, as sentence aligners have used since Gale and Church (1993, "A program for aligning sentences in bilingual corpora"), mostly the
same numbers, and the same mark at the end. Each pair of lines gets the logarithm of how much likelier these are in a translation than in
two lines by chance; a run of lines where a shifted pairing gains enough over the given one is told.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy

MOST_SHIFTED = 5
"""Shifts that are looked for, in lines."""
_LEAST_GAIN = 30.0
"""The logarithm of the odds that a shifted run is told at: one in 10^13 by chance, for the many places and shifts tried."""
_LEAST_LINES = 6


@dataclass(frozen=True)
class Shifted:
    """A run of lines that fit better when one side is moved."""

    first: int
    """The first of its lines, counted from 0 in what was given; …"""
    last: int
    """… the last."""
    shift: int
    """The source of line i fits the target of line i + shift."""
    gain: float


@dataclass(frozen=True)
class Anchors:
    """What is compared of a side's lines, one entry a line."""

    length: numpy.ndarray
    """The logarithm of the number of characters + 1."""
    numbers: numpy.ndarray
    """A hash of its numbers; 0 where there is none."""
    question: numpy.ndarray
    """Whether it ends as a question."""


def anchors(lines: Sequence[str], numbers: Sequence[int]) -> Anchors:
    """Of these lines; numbers: the hash of each line's numbers, 0 for none."""
    length = numpy.log1p(numpy.fromiter(map(len, lines), dtype=numpy.float32, count=len(lines)))
    question = numpy.fromiter((line[-3:].find("?") >= 0 or line.endswith("？") for line in lines), dtype=bool, count=len(lines))
    return Anchors(length, numpy.asarray(numbers, dtype=numpy.uint64), question)


def spread(source: Anchors, target: Anchors, shift: int = 0) -> tuple[float, float]:
    """The median of log(target length / source length), and the mean distance from it, with lines paired so far apart."""
    ratio = target.length[shift:] - source.length[: len(source.length) - shift]
    middle = float(numpy.median(ratio))
    return middle, float(numpy.abs(ratio - middle).mean())


def shifted_runs(source: Anchors, target: Anchors) -> list[Shifted]:
    """The runs of shifted lines, in order, none overlapping."""
    count = len(source.length)
    if count < 4 * _LEAST_LINES:
        return []
    known = [spread(source, target, 0), *(spread(source, target, shift) for shift in (1, 7) if count > 20)]
    middle, close = min(known, key=lambda pair: pair[1])
    far = max(max(known, key=lambda pair: pair[1])[1], close * 1.05)
    close = max(close, 0.02)
    far = max(far, 0.03)
    given = _fit(source, target, 0, middle, close, far)
    found: list[Shifted] = []
    for shift in (s for size in range(1, MOST_SHIFTED + 1) for s in (size, -size)):
        gain = _fit(source, target, shift, middle, close, far) - given
        found += _runs(gain, shift)
    kept: list[Shifted] = []
    for run in sorted(found, key=lambda run: -run.gain):
        if all(run.last < other.first or run.first > other.last for other in kept):
            kept.append(run)
    return sorted(kept, key=lambda run: run.first)


def _fit(source: Anchors, target: Anchors, shift: int, middle: float, close: float, far: float) -> numpy.ndarray:
    """For every source line the logarithm of the odds that the target `shift` lines on translates it; 0 where there is none.

    Lengths: Laplace's distribution about `middle`, of mean distance `close` in translations and `far` in others. Numbers and question
    marks: about as often equal as they are in five corpora of translations, and as they are by chance.
    """
    count = len(source.length)
    first, last = max(0, -shift), min(count, len(target.length) - shift)
    here, there = slice(first, last), slice(first + shift, last + shift)
    odds = numpy.zeros(count, dtype=numpy.float32)
    distance = numpy.abs(target.length[there] - source.length[here] - middle)
    odds[here] = numpy.log(far / close) - distance / close + distance / far
    odds[here] = numpy.maximum(odds[here], -4.0)
    own, other = source.numbers[here], target.numbers[there]
    odds[here] += numpy.select([(own == 0) & (other == 0), own == other, (own == 0) | (other == 0)], [0.0, 4.0, -1.0], -2.0)
    own, other = source.question[here], target.question[there]
    odds[here] += numpy.select([own & other, own != other], [2.0, -2.0], 0.1)
    return odds


def _runs(gain: numpy.ndarray, shift: int) -> list[Shifted]:
    """The runs of the largest sum, one after another, with a sum that chance does not reach."""
    runs, begin = [], 0
    pieces = [(begin, len(gain))]
    while pieces:
        begin, end = pieces.pop()
        if end - begin < _LEAST_LINES:
            continue
        total = numpy.concatenate(([0.0], numpy.cumsum(gain[begin:end], dtype=numpy.float64)))
        lowest = numpy.minimum.accumulate(total)
        last = int((total - lowest).argmax())
        first = int(total[: last + 1].argmin())
        best = float(total[last] - total[first])
        if best < _LEAST_GAIN or last - first < _LEAST_LINES:
            continue
        runs.append(Shifted(begin + first, begin + last - 1, shift, best))
        pieces += [(begin, begin + first), (begin + last, end)]
    return runs
