"""Which pairs occur again, among any number of pairs in little memory: their hashes go to files by the first bits, each then sorted alone.

Two pairs of the same source are in the same file, whatever corpus they come from, so that one file at a time tells all duplicates, leaks
and sources with several targets in it. Hashes have 64 bits: among 100 million pairs two different ones are taken for equal with a chance
of 3 in 10,000.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy

from mt.data.pair_checks import RECORD

_FILES = 64
_PENDING = 1 << 13
"""So many records of a file wait in memory."""
_LINE_BITS = numpy.uint64(40)
MANY_TARGETS = 4
"""A source with so many different targets is told."""


@dataclass(frozen=True)
class Repeated:
    """Pairs that occur again. Places are (corpus number, line number) packed by `place`; each array belongs together entry by entry."""

    again: numpy.ndarray
    """Training pairs that have stood in training before, exactly, …"""
    first: numpy.ndarray
    """… and where they stood first."""
    leaked: numpy.ndarray
    """Pairs held out that also stand in training, exactly, …"""
    leaked_from: numpy.ndarray
    """… and where."""
    alike: numpy.ndarray
    """Pairs held out that stand in training but for their look (case, spaces, punctuation, width), …"""
    alike_to: numpy.ndarray
    """… and where."""
    known_source: numpy.ndarray
    """Pairs held out whose source alone stands in training, …"""
    known_from: numpy.ndarray
    """… and where."""
    ambiguous: numpy.ndarray
    """Training pairs whose source has MANY_TARGETS or more different targets, …"""
    targets: numpy.ndarray
    """… and how many."""
    train_leaks: numpy.ndarray
    """Training pairs that stand among those held out, exactly or but for their look."""


def place(corpus: int, lines: numpy.ndarray) -> numpy.ndarray:
    """Where pairs are, in one number each."""
    return (numpy.uint64(corpus) << _LINE_BITS) | lines.astype(numpy.uint64)


def unpacked(places: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray]:
    """The corpus numbers and line numbers of places."""
    return (places >> _LINE_BITS).astype(numpy.int64), (places & ((numpy.uint64(1) << _LINE_BITS) - numpy.uint64(1))).astype(numpy.int64)


class PairStore:
    """Takes records, then tells what repeats. To be used in a `with`; the files go at its end."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="mt-check-")
        self._waiting: list[list[numpy.ndarray]] = [[] for _ in range(_FILES)]

    def __enter__(self) -> "PairStore":
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def add(self, records: numpy.ndarray) -> None:
        """More records, with their places packed."""
        number = (records["source"] % numpy.uint64(_FILES)).astype(numpy.int64)
        order = numpy.argsort(number, kind="stable")
        ends = numpy.searchsorted(number[order], numpy.arange(_FILES + 1))
        for file in range(_FILES):
            part = records[order[ends[file] : ends[file + 1]]]
            if len(part):
                self._waiting[file].append(part)
                if sum(map(len, self._waiting[file])) >= _PENDING:
                    self._write(file)

    def _path(self, file: int) -> Path:
        return Path(self._folder.name) / str(file)

    def _write(self, file: int) -> None:
        with self._path(file).open("ab") as stream:
            for part in self._waiting[file]:
                stream.write(part.tobytes())
        self._waiting[file] = []

    def repeated(self, held_out: list[bool]) -> Iterator[Repeated]:
        """What repeats, one file after another. held_out: for each corpus number whether it is for measuring."""
        for file in range(_FILES):
            parts = [numpy.fromfile(self._path(file), RECORD)] if self._path(file).exists() else []
            records = numpy.concatenate([*parts, *self._waiting[file]]) if parts or self._waiting[file] else numpy.empty(0, RECORD)
            if len(records):
                yield _repeated(records, numpy.array(held_out))


def _repeated(records: numpy.ndarray, held_out: numpy.ndarray) -> Repeated:
    """What repeats among these."""
    measuring = held_out[unpacked(records["place"])[0]]
    train = records[~measuring]
    train = train[numpy.argsort(train["place"], kind="stable")]  # "first" is first in the order of reading
    test = records[measuring]
    test = test[numpy.argsort(test["place"], kind="stable")]

    _, first_at, inverse = numpy.unique(train["exact"], return_index=True, return_inverse=True)
    again = numpy.flatnonzero(first_at[inverse] != numpy.arange(len(train)))

    leaked, leaked_at = _found_in(test["exact"], train["exact"])
    pairs_train, pairs_test = (_mixed(part) for part in (train, test))
    alike, alike_at = _found_in(pairs_test, pairs_train)
    alike_only = ~numpy.isin(alike, leaked)
    known, known_at = _found_in(test["source"], train["source"])
    known_only = ~numpy.isin(known, alike)

    distinct = numpy.unique(train[["source", "target"]])
    sources, counts = numpy.unique(distinct["source"], return_counts=True)
    many = numpy.isin(train["source"], sources[counts >= MANY_TARGETS])
    of_many = counts[numpy.searchsorted(sources, train["source"][many])] if many.any() else numpy.empty(0, numpy.int64)

    in_test = numpy.isin(train["exact"], test["exact"]) | numpy.isin(pairs_train, pairs_test)
    return Repeated(
        train["place"][again], train["place"][first_at[inverse[again]]],
        test["place"][leaked], train["place"][leaked_at],
        test["place"][alike[alike_only]], train["place"][alike_at[alike_only]],
        test["place"][known[known_only]], train["place"][known_at[known_only]],
        train["place"][many], of_many, train["place"][in_test],
    )  # fmt: skip


def _mixed(records: numpy.ndarray) -> numpy.ndarray:
    """One number for both sides' keys."""
    return records["source"] ^ (records["target"] * numpy.uint64(0x9E3779B97F4A7C15))


def _found_in(wanted: numpy.ndarray, known: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Which entries of wanted are in known, and where each is found first."""
    values, first_at = numpy.unique(known, return_index=True)
    if not len(values):
        return numpy.empty(0, numpy.int64), numpy.empty(0, numpy.int64)
    at = numpy.minimum(numpy.searchsorted(values, wanted), len(values) - 1)
    found = numpy.flatnonzero(values[at] == wanted)
    return found, first_at[at[found]]
