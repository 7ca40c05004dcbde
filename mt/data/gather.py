"""The pairs of one corpus, gathered block by block: in memory while they are few, in a store on disk (store.py) from there on."""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mt.data.store import (
    SHARD_PAIRS,
    Column,
    cache_root,
    read_manifest,
    remove_store,
    shard_path,
    size_on_disk,
    write_manifest,
    write_shard,
)

_log = logging.getLogger("mt")

MOST_PAIRS_IN_MEMORY = 250_000
"""More pairs than these go to disk."""
MOST_CHARACTERS_IN_MEMORY = 32_000_000
"""More text than this, too."""
_FORMAT = 1
"""Another one where stores of earlier versions cannot be used."""


@dataclass(frozen=True)
class Gathered:
    """All pairs of one corpus."""

    sources: Sequence[str]
    targets: Sequence[str]
    lines: Sequence[int]
    """Where each pair stands in its file, 1-based."""
    empty: Sequence[tuple[int, bool, bool]]
    """For each pair with an empty side: its line, and which sides are."""
    digest: str
    """Of the sentences and their order (`PairDigest`)."""
    folder: Path | None = None
    """Of the store, when they are on disk."""


class PairDigest:
    """A hash of sentences and their order, taken block by block: however they are cut into blocks, it is the same."""

    def __init__(self) -> None:
        self._sides, self._count = (hashlib.sha256(), hashlib.sha256()), 0

    def update(self, sources: Sequence[str], targets: Sequence[str]) -> None:
        """The next pairs."""
        for digest, lines in zip(self._sides, (sources, targets), strict=True):
            if lines:
                digest.update(("\n".join(lines) + "\n").encode())  # unambiguous: a sentence has no line feed
        self._count += len(sources)

    def hexdigest(self) -> str:
        """Of all pairs so far."""
        return hashlib.sha256(f"{self._count} {self._sides[0].hexdigest()} {self._sides[1].hexdigest()}".encode()).hexdigest()


@dataclass
class Gatherer:
    """Takes the pairs of one corpus in order.

    identity: something that is another when the corpus or its reading is another; asked only when the pairs go to disk.
    """

    name: str
    identity: Callable[[], str]
    sources: list[str] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    empty: list[tuple[int, bool, bool]] = field(default_factory=list)
    digest: PairDigest = field(default_factory=PairDigest)
    rows: list[int] = field(default_factory=list)
    folder: Path | None = None
    characters: int = 0

    def add(self, sources: Sequence[str], targets: Sequence[str], lines: Sequence[int]) -> None:
        """The next pairs. DataError when the disk is needed and full."""
        self.sources += sources
        self.targets += targets
        self.lines += lines
        self.digest.update(sources, targets)
        for source, target, line in zip(sources, targets, lines, strict=True):
            self.characters += len(source) + len(target)
            if not source.strip() or not target.strip():
                self.empty.append((line, not source.strip(), not target.strip()))
        if self.folder is None and (len(self.sources) > MOST_PAIRS_IN_MEMORY or self.characters > MOST_CHARACTERS_IN_MEMORY):
            self.folder = store_folder(self.identity())
            _log.info("%s: large, so its text is kept on disk while it is trained on, in %s", self.name, self.folder)
        while self.folder and len(self.sources) >= SHARD_PAIRS:
            self._write_shard()

    def _write_shard(self) -> None:
        import pyarrow

        columns = {"source": self.sources, "target": self.targets, "line": self.lines}
        types = {"source": pyarrow.large_string(), "target": pyarrow.large_string(), "line": pyarrow.int64()}
        arrays = {name: pyarrow.array(values[:SHARD_PAIRS], types[name]) for name, values in columns.items()}
        write_shard(shard_path(self.folder, len(self.rows)), arrays)
        self.rows.append(len(arrays["line"]))
        for values in columns.values():
            del values[:SHARD_PAIRS]

    def finish(self) -> Gathered:
        """All pairs that were added."""
        if self.folder is None:
            return Gathered(self.sources, self.targets, self.lines, self.empty, self.digest.hexdigest())
        if self.sources:
            self._write_shard()
        content = {"rows": self.rows, "empty": self.empty, "digest": self.digest.hexdigest()}
        write_manifest(self.folder, content)
        _log.info("%s: %s pairs, %s on disk", self.name, f"{sum(self.rows):,}", size_on_disk(self.folder))
        return open_gathered(self.folder, content)

    def discard(self) -> None:
        """Remove what was written: the corpus is not to be used."""
        if self.folder is not None:
            remove_store(self.folder)


def store_folder(identity: str) -> Path:
    """Where the store of a corpus is."""
    return cache_root() / "corpora" / hashlib.sha256(f"{_FORMAT} {identity}".encode()).hexdigest()[:32]


def find_gathered(identity: str) -> Gathered | None:
    """What an earlier reading of the same corpus left on disk; None when there is nothing whole."""
    folder = store_folder(identity)
    content = read_manifest(folder)
    return open_gathered(folder, content) if content else None


def open_gathered(folder: Path, content: dict) -> Gathered:
    """A store as pairs. content: its manifest."""
    columns = [Column(folder, content["rows"], name) for name in ("source", "target", "line")]
    return Gathered(*columns, [tuple(place) for place in content["empty"]], content["digest"], folder)
