"""Pairs to measure on, taken out of a corpus that comes as one: none of them, nor either of their sides, stands anywhere else in it.

A test sentence that was trained on measures memory. So only pairs are taken whose two sides each occur once in the whole corpus, also when
upper and lower case, punctuation and spaces do not count.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy

from mt.data.characters import comparison_key


@dataclass(frozen=True)
class Division:
    """Which pairs go where, by number, each ascending; together all of them, none twice."""

    train: numpy.ndarray
    valid: numpy.ndarray
    test: numpy.ndarray


def hold_out(
    sources: Sequence[str], targets: Sequence[str], num_valid: int, num_test: int, others: Iterable[str] = ()
) -> Division:
    """Take out so many pairs, or, where too few are like no other, as many as there are, divided in the same proportion.

    Which ones depends on their text alone, not on their order: a pair that is added changes little. others: sentences that no side of a
    pair that is taken may be like. Takes 16 bytes a pair.
    """
    keys_P2 = numpy.empty((len(sources), 2), dtype=numpy.uint64)
    for number, (source, target) in enumerate(zip(sources, targets, strict=True)):
        keys_P2[number] = _hash(comparison_key(source)), _hash(comparison_key(target))
    single = _occurs_once(keys_P2[:, 0]) & _occurs_once(keys_P2[:, 1]) & (keys_P2[:, 0] != keys_P2[:, 1])
    known = numpy.array([_hash(comparison_key(text)) for text in others], dtype=numpy.uint64)
    single &= ~numpy.isin(keys_P2, known).any(axis=1)
    candidates = numpy.flatnonzero(single)
    candidates = candidates[numpy.argsort(keys_P2[candidates, 0] ^ (keys_P2[candidates, 1] >> numpy.uint64(1)))]
    asked = num_valid + num_test
    taken = candidates[: min(asked, len(candidates))]
    first = round(len(taken) * num_valid / asked) if asked else 0
    rest = numpy.ones(len(sources), dtype=bool)
    rest[taken] = False
    return Division(numpy.flatnonzero(rest), numpy.sort(taken[:first]), numpy.sort(taken[first:]))


def _hash(text: str) -> int:
    """64 bits."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def _occurs_once(keys_P: numpy.ndarray) -> numpy.ndarray:
    """Of every key, whether it has no equal."""
    _, inverse_P, counts = numpy.unique(keys_P, return_inverse=True, return_counts=True)
    return counts[inverse_P] == 1
