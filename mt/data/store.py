"""Texts and token ids too many for memory: Arrow files on disk, mapped when they are read.

A store is a folder of shards and a manifest. A shard holds up to SHARD_PAIRS pairs in the format of the `datasets` library's own files
(`datasets.Dataset.from_file` opens one); it is opened for a moment and let go again, so that resident memory does not grow with the
corpus. The folder lies in the cache and may be deleted when nothing trains: it is made again from the corpus.
"""

import json
import os
import shutil
from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy

from mt.errors import DataError
from mt.files import write_atomically

SHARD_PAIRS = 1 << 16
"""Pairs in a shard: some 10 MB."""
_MANIFEST = "manifest.json"
_REPORT = b"mt"
"""The key of the shard's own report in its schema's metadata."""


def cache_root() -> Path:
    """Where everything is kept that can be made again: $MT_CACHE, or mt under $XDG_CACHE_HOME, or ~/.cache/mt."""
    if base := os.environ.get("MT_CACHE"):
        return Path(base)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mt"


def write_shard(path: Path, columns: Mapping[str, Any], report: Mapping[str, Any] | None = None) -> None:
    """Write one shard. columns: Arrow arrays of equal length; report: plain data to be kept with it.

    DataError when the cache cannot be written, above all when the disk is full.
    """
    import pyarrow

    table = pyarrow.table(dict(columns))
    if report is not None:
        table = table.replace_schema_metadata({_REPORT: json.dumps(report)})
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    with cache_writable(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, sink.getvalue())


@contextmanager
def cache_writable(path: Path) -> Iterator[None]:
    """Inside, an OSError becomes a DataError that says what needs the space and where else it may lie."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{path}: a corpus this large is kept on disk while it is trained on, and that cannot be written ({error.strerror}). "
            "Make room there, or set MT_CACHE to a folder that has some; what is encoded already is used again."
        ) from None


def open_shard(path: Path) -> Any:
    """The pyarrow.Table of a shard, mapped. DataError when it is not there or damaged."""
    import pyarrow

    try:
        return pyarrow.ipc.open_stream(pyarrow.memory_map(str(path))).read_all()
    except (OSError, pyarrow.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path}: this part of the cache cannot be read ({reason}). Delete its folder; it is made again.") from None


def read_report(path: Path) -> dict[str, Any]:
    """The report that write_shard kept with the shard."""
    return json.loads(open_shard(path).schema.metadata[_REPORT])


def shard_path(folder: Path, number: int) -> Path:
    """The place of shard `number`, from 0."""
    return folder / f"shard-{number:06d}.arrow"


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """What write_manifest wrote; None when the store is not whole."""
    try:
        return json.loads((folder / _MANIFEST).read_text("utf-8"))
    except (OSError, ValueError):
        return None


def write_manifest(folder: Path, content: Mapping[str, Any]) -> None:
    """Declare the store whole; `rows` lists the pairs in each shard."""
    with cache_writable(folder):
        write_atomically(folder / _MANIFEST, json.dumps(content))


def size_on_disk(folder: Path) -> str:
    """'1.9 GB', for messages."""
    size = sum(entry.stat().st_size for entry in folder.iterdir())
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def remove_store(folder: Path) -> None:
    """Delete a store, the manifest first."""
    (folder / _MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


class _Taken(Sequence[Any]):
    """A sequence whose values are fetched many at a time, by `take`."""

    def __getitem__(self, index: int | slice) -> Any:
        """One value, or the list of a slice's."""
        if isinstance(index, slice):
            return self.take(numpy.arange(*index.indices(len(self))))
        place = index + len(self) if index < 0 else index
        if not 0 <= place < len(self):
            raise IndexError(index)
        return self.take(numpy.array([place]))[0]

    @abstractmethod
    def take(self, indices: numpy.ndarray) -> list[Any]:
        """The values at these places."""


class Column(_Taken):
    """One column of a store as a sequence of its values. Going through it, or slicing it, holds one shard at a time."""

    def __init__(self, folder: Path, rows: Sequence[int], name: str):
        self._folder, self._name = folder, name
        self._ends = list(accumulate(rows))

    def __len__(self) -> int:
        """The number of pairs."""
        return self._ends[-1] if self._ends else 0

    def __iter__(self) -> Iterator[Any]:
        """All values, shard by shard."""
        for number in range(len(self._ends)):
            yield from open_shard(shard_path(self._folder, number))[self._name].to_pylist()

    def take(self, indices: numpy.ndarray) -> list[Any]:
        """The values at these places, in the order given; quick when the places are sorted."""
        values: list[Any] = []
        shards = numpy.searchsorted(self._ends, indices, side="right")
        for part in numpy.split(indices, numpy.flatnonzero(numpy.diff(shards)) + 1):
            if len(part):
                number = bisect_right(self._ends, int(part[0]))
                start = self._ends[number - 1] if number else 0
                values += open_shard(shard_path(self._folder, number))[self._name].take(part - start).to_pylist()
        return values

    def shards(self) -> list[Path]:
        """The files, in order."""
        return [shard_path(self._folder, number) for number in range(len(self._ends))]

    def __eq__(self, other: object) -> bool:
        """As lists are equal."""
        return isinstance(other, Sequence) and len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]


class Joined(_Taken):
    """Several sequences as one, without copying them."""

    def __init__(self, parts: Sequence[Sequence[Any]]):
        self._parts = parts
        self._ends = list(accumulate(len(part) for part in parts))

    def __len__(self) -> int:
        """Of all parts together."""
        return self._ends[-1] if self._ends else 0

    def __iter__(self) -> Iterator[Any]:
        """One part after another."""
        for part in self._parts:
            yield from part

    def take(self, indices: numpy.ndarray) -> list[Any]:
        """The values at these ascending places."""
        bounds = numpy.searchsorted(indices, [0, *self._ends])
        starts = [0, *self._ends]
        return [
            value for part, start, first, last in zip(self._parts, starts, bounds, bounds[1:], strict=False)
            for value in take(part, indices[first:last] - start)
        ]


def take(values: Sequence[Any], indices: numpy.ndarray) -> list[Any]:
    """The values at these ascending places, of any sequence."""
    return values.take(indices) if isinstance(values, Column | Joined) else [values[index] for index in indices.tolist()]
