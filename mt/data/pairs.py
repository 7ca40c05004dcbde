"""The training pairs as token ids: all at once while they fit into memory, else block by block from disk.

An epoch over a stored corpus goes through it in blocks of some 131,000 pairs. A block is made of chunks of 512 consecutive pairs, drawn
from the whole corpus by a permutation that is a function of (seed, epoch): the plan of an epoch over 100 million pairs is 200,000 numbers,
and what a run must remember of its place is (epoch, block, batch). Which pairs of a block make a batch is batching.py's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy

from mt.data.store import Column, open_shard, shard_path

CHUNK_PAIRS = 512
"""Consecutive pairs that stay in one block."""
BLOCK_CHUNKS = 256
"""Chunks in a block."""


class Ragged(Sequence[numpy.ndarray]):
    """Rows of different lengths in one array: row i is flat[starts[i] : starts[i + 1]]."""

    def __init__(self, flat: numpy.ndarray, starts: numpy.ndarray):
        self.flat, self.starts = flat, starts

    @classmethod
    def of(cls, rows: Sequence[Sequence[int]]) -> "Ragged":
        """From lists of integers, as int32."""
        starts = numpy.zeros(len(rows) + 1, dtype=numpy.int64)
        numpy.cumsum([len(row) for row in rows], out=starts[1:])
        return cls(numpy.fromiter(chain.from_iterable(rows), dtype=numpy.int32, count=int(starts[-1])), starts)

    @classmethod
    def joined(cls, parts: Sequence["Ragged"]) -> "Ragged":
        """The rows of all parts, one after another."""
        lengths = numpy.concatenate([numpy.zeros(1, dtype=numpy.int64), *(part.lengths for part in parts)])
        return cls(numpy.concatenate([numpy.zeros(0, dtype=numpy.int32), *(part.flat for part in parts)]), numpy.cumsum(lengths))

    @property
    def lengths(self) -> numpy.ndarray:
        """Of every row, int64."""
        return numpy.diff(self.starts)

    def rows(self, first: int, last: int) -> "Ragged":
        """The rows first to last - 1."""
        return Ragged(self.flat[self.starts[first] : self.starts[last]], self.starts[first : last + 1] - self.starts[first])

    def where(self, kept: numpy.ndarray) -> "Ragged":
        """The rows at which the mask `kept` is true."""
        lengths = self.lengths
        return Ragged(self.flat[numpy.repeat(kept, lengths)], numpy.concatenate([[0], numpy.cumsum(lengths[kept])]))

    def where_else(self, kept: numpy.ndarray, other: "Ragged") -> "Ragged":
        """Each row from here where `kept` is true, and from the other, of as many rows, where it is not."""
        lengths = numpy.where(kept, self.lengths, other.lengths)
        first = numpy.where(kept, self.starts[:-1], len(self.flat) + other.starts[:-1])
        starts = numpy.concatenate([[0], numpy.cumsum(lengths)])
        places = numpy.arange(starts[-1]) + numpy.repeat(first - starts[:-1], lengths)
        return Ragged(numpy.concatenate([self.flat, other.flat])[places], starts)

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.starts) - 1

    def __getitem__(self, index: int) -> numpy.ndarray:  # type: ignore[override] - no slices
        """One row."""
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        index %= len(self)
        return self.flat[self.starts[index] : self.starts[index + 1]]


@dataclass(frozen=True)
class EncodedPairs:
    """Token ids of pairs, both sides ending with EOS."""

    sources: Sequence[Sequence[int] | numpy.ndarray]
    targets: Sequence[Sequence[int] | numpy.ndarray]
    weights: numpy.ndarray
    """How often a pair is seen in an epoch, on average; float64."""

    def lengths_N2(self) -> numpy.ndarray:  # noqa: N802 - the name carries the shape
        """Source and target length in tokens of all N pairs."""
        return numpy.stack([_lengths(self.sources), _lengths(self.targets)], axis=1)


def _lengths(rows: Sequence[Sequence[int] | numpy.ndarray]) -> numpy.ndarray:
    return rows.lengths if isinstance(rows, Ragged) else numpy.array([len(row) for row in rows], dtype=numpy.int64)


@dataclass(frozen=True)
class MemoryPart:
    """One corpus in memory."""

    sources: Sequence[str]
    targets: Sequence[str]
    ids: tuple[Ragged, Ragged]
    """Of the sources and of the targets."""
    weight: float

    def shards(self) -> list[int]:
        """The pairs in each shard: there is one."""
        return [len(self.sources)]

    def load(self, shard: int, spans: Sequence[tuple[int, int]]) -> tuple[Ragged, Ragged]:
        """Token ids of the pairs in these spans, source and target."""
        return tuple(Ragged.joined([side.rows(*span) for span in spans]) for side in self.ids)

    def texts(self, shard: int, spans: Sequence[tuple[int, int]]) -> tuple[list[str], list[str]]:
        """The texts of the same pairs."""
        return tuple([text for first, last in spans for text in side[first:last]] for side in (self.sources, self.targets))


@dataclass(frozen=True)
class StoredPart:
    """One corpus on disk: what mt/data/encode.py wrote, and the texts it was made from."""

    folder: Path
    rows: Sequence[int]
    """Pairs in each encoded shard, without those that are left out."""
    text_folder: Path
    text_rows: Sequence[int]
    weight: float

    def shards(self) -> list[int]:
        """The pairs in each shard."""
        return list(self.rows)

    def load(self, shard: int, spans: Sequence[tuple[int, int]]) -> tuple[Ragged, Ragged]:
        """Token ids of the pairs in these spans, source and target; copies, so that the file can be let go."""
        table = open_shard(shard_path(self.folder, shard))
        return tuple(_ragged(table[name].chunk(0), spans) for name in ("source", "target"))

    def texts(self, shard: int, spans: Sequence[tuple[int, int]]) -> tuple[list[str], list[str]]:
        """The texts of the same pairs."""
        rows = open_shard(shard_path(self.folder, shard))["row"].to_numpy()
        places = numpy.concatenate([rows[first:last] for first, last in spans]) + sum(self.text_rows[:shard])
        return tuple(Column(self.text_folder, self.text_rows, name).take(places) for name in ("source", "target"))


def _ragged(lists: object, spans: Sequence[tuple[int, int]]) -> Ragged:
    """Spans of a pyarrow list array."""
    starts, flat = lists.offsets.to_numpy(), lists.values.to_numpy()
    whole = Ragged(flat, starts.astype(numpy.int64))
    return Ragged.joined([whole.rows(*span) for span in spans])


Part = MemoryPart | StoredPart


class TrainingPairs:
    """All training pairs that are kept, corpus after corpus."""

    def __init__(self, parts: Sequence[Part]):
        self.parts = [part for part in parts if sum(part.shards())]
        counts = [(number, shard, rows) for number, part in enumerate(self.parts) for shard, rows in enumerate(part.shards()) if rows]
        chunks = [numpy.arange(0, rows, CHUNK_PAIRS) for _, _, rows in counts]
        lengths = [len(starts) for starts in chunks]
        self._firsts = numpy.concatenate([numpy.zeros(0, dtype=numpy.int64), *chunks])
        """The first pair of each chunk, in its shard."""
        self._shards = numpy.repeat(numpy.array(counts, dtype=numpy.int64).reshape(-1, 3), lengths, axis=0)
        """For each chunk: its part, its shard there, the pairs in that shard."""
        self.num_pairs = sum(rows for _, _, rows in counts)
        self.in_memory = all(isinstance(part, MemoryPart) for part in self.parts)
        self._memory: EncodedPairs | None = None

    def __len__(self) -> int:
        """The number of pairs."""
        return self.num_pairs

    @property
    def num_blocks(self) -> int:
        """Blocks in an epoch: one while everything is in memory."""
        return 1 if self.in_memory else -(-len(self._firsts) // BLOCK_CHUNKS)

    def block(self, seed: int, epoch: int, number: int) -> EncodedPairs:
        """The pairs of block `number`, from 0, of that epoch. In memory this is all pairs, in their own order."""
        if not self.in_memory:
            return self._load(self._spans(seed, epoch, number))
        if self._memory is None:
            self._memory = self._load(self._spans(seed, epoch, number))
        return self._memory

    def texts(self, seed: int, epoch: int, number: int) -> tuple[list[str], list[str]]:
        """The texts of the same pairs, sources and targets."""
        sides: tuple[list[str], list[str]] = ([], [])
        for part, shard, spans in self._spans(seed, epoch, number):
            for side, texts in zip(sides, part.texts(shard, spans), strict=True):
                side += texts
        return sides

    def _spans(self, seed: int, epoch: int, number: int) -> list[tuple[Part, int, list[tuple[int, int]]]]:
        """Which pairs make the block: for each part and shard, first and last + 1 of every chunk; in the corpus's order."""
        chosen = numpy.arange(len(self._firsts))
        if not self.in_memory:
            order = numpy.random.default_rng([seed, epoch, 4]).permutation(len(self._firsts))
            chosen = numpy.sort(order[number * BLOCK_CHUNKS : (number + 1) * BLOCK_CHUNKS])
        spans: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for first, (part, shard, rows) in zip(self._firsts[chosen].tolist(), self._shards[chosen].tolist(), strict=True):
            spans.setdefault((part, shard), []).append((first, min(first + CHUNK_PAIRS, rows)))
        return [(self.parts[part], shard, found) for (part, shard), found in spans.items()]

    def _load(self, spans: list[tuple[Part, int, list[tuple[int, int]]]]) -> EncodedPairs:
        sides = list(zip(*(part.load(shard, found) for part, shard, found in spans), strict=True)) or [(), ()]
        sources, targets = (Ragged.joined(side) for side in sides)
        weights = [numpy.full(sum(last - first for first, last in found), part.weight) for part, _, found in spans]
        return EncodedPairs(sources, targets, numpy.concatenate([numpy.zeros(0), *weights]))

