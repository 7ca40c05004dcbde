"""Pairs as they stand in files that training would refuse: everything that can be read is, and what cannot is told with its line.

Training reads strictly (encodings.py, tables.py) and stops at the first thing that could shift a sentence against another; a check wants to
see all of it at once.
"""

import csv
import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mt.config import CorpusConfig
from mt.data import corpus as strict
from mt.data.encodings import encoding_of, read_bytes
from mt.data.tables import Rows, flatten, read_table
from mt.errors import DataError

BLOCK_PAIRS = 20_000
_CHARACTERS = 1 << 21


@dataclass
class Problem:
    """Something about a file, or some of its lines, that has no pair."""

    kind: str
    """A key of check.KINDS."""
    where: str
    """The file, and where it can be said the line."""
    text: str = ""
    """What stands there, or what is wrong."""
    count: int = 1
    line: int = 0
    """0: the file as a whole."""


@dataclass
class Block:
    """Pairs that stand one after another."""

    sources: Sequence[str]
    targets: Sequence[str]
    lines: Sequence[int]


@dataclass
class LenientCorpus:
    """One corpus, read block by block as often as wanted."""

    config: CorpusConfig
    split: str
    source_language: str
    target_language: str
    problems: list[Problem] = field(default_factory=list)
    """Complete once all blocks were read; of the last reading."""
    lines: tuple[int, int] = (0, 0)
    """Lines of two text files; (0, 0) for other kinds."""

    @property
    def names(self) -> tuple[str, str]:
        """What examples call the two sides."""
        if self.config.source is not None:
            return str(self.config.source), str(self.config.target)
        return (str(self.config.file or self.config.label),) * 2

    def blocks(self) -> Iterator[Block]:
        """All pairs, in order. A file that cannot be opened at all is a problem and has none."""
        self.problems, self.lines = [], (0, 0)
        try:
            if self.config.source is not None:
                yield from self._parallel()
            elif self.config.file is not None and not self.config.file.name.lower().endswith(".parquet"):
                yield from self._table(self.config.file)
            else:
                yield from self._strictly()
        except DataError as error:
            self.problems.append(Problem("unreadable", self.names[0], str(error)))

    def _parallel(self) -> Iterator[Block]:
        """Two text files in step; at the end, whether one has lines left."""
        paths = (self.config.source, self.config.target)
        sides = [_blocks_of_lines(path, self.problems) for path in paths]
        waiting: list[list[str]] = [[], []]
        done = 0
        while True:
            for side, blocks in zip(waiting, sides, strict=True):
                if len(side) < BLOCK_PAIRS:
                    for lines in blocks:
                        side += lines
                        if len(side) >= BLOCK_PAIRS:
                            break
            count = min(BLOCK_PAIRS, *map(len, waiting))
            if not count:
                break
            yield Block(waiting[0][:count], waiting[1][:count], range(done + 1, done + count + 1))
            done += count
            waiting = [side[count:] for side in waiting]
        left = [len(side) + sum(map(len, blocks)) for side, blocks in zip(waiting, sides, strict=True)]
        self.lines = (done + left[0], done + left[1])
        if self.lines[0] != self.lines[1]:
            longer = paths[left[1] > left[0]]
            text = f"{paths[0]} has {self.lines[0]:,} lines, {paths[1]} has {self.lines[1]:,}"
            self.problems.append(Problem("unequal", f"{longer}, line {done + 1}", text, abs(left[0] - left[1]), done + 1))

    def surplus(self) -> Iterator[tuple[int, str]]:
        """The lines of the longer of two text files that have no partner, with their numbers; after a reading of all blocks."""
        longer = (self.config.source, self.config.target)[self.lines[1] > self.lines[0]]
        number = 0
        for lines in _blocks_of_lines(longer, []):
            for text in lines:
                number += 1
                if number > min(self.lines):
                    yield number, text

    def _table(self, path: Path) -> Iterator[Block]:
        """A text table, row by row."""
        name = path.name.lower().removesuffix(".gz")
        texts = ("".join(f"{line}\n" for line in lines) for lines in _blocks_of_lines(path, self.problems))
        if name.endswith(".tsv"):
            rows = self._tsv(texts)
        elif name.endswith(".csv"):
            rows = self._csv(texts)
        else:
            first = next(texts, "")
            if first.lstrip().startswith("["):
                yield from self._strictly()
                return
            rows = self._json(first, texts)
        names = None
        for block in rows:
            if names is None:
                candidates = strict.column_candidates(self.config, self.source_language, self.target_language)
                names = strict.choose_columns(list(block.columns), candidates, self.config, str(path))
            yield from self._pairs(block, names)

    def _strictly(self) -> Iterator[Block]:
        """What has no lines of its own, or is known to be whole: a built-in corpus, Parquet, the hub, a JSON array."""
        key = f"data.{self.split}"
        if self.config.builtin is not None:
            read = strict.read_corpus(self.config, self.split, self.source_language, self.target_language, key)
            for first in range(0, len(read), BLOCK_PAIRS):
                end = min(first + BLOCK_PAIRS, len(read))
                yield Block(read.sources[first:end], read.targets[first:end], range(first + 1, end + 1))
            return
        candidates = strict.column_candidates(self.config, self.source_language, self.target_language)
        if self.config.file is not None:
            table = read_table(self.config.file, strict.possible_headers(self.config, candidates))
        else:
            from mt.data.tables import read_hub

            table = read_hub(self.config.dataset, self.config.subset, self.config.split)
        names = strict.choose_columns(table.names, candidates, self.config, self.names[0])
        for block in table.blocks:
            yield from self._pairs(block, names)

    def _pairs(self, block: Rows, names: tuple[str, str]) -> Iterator[Block]:
        """Two columns of rows. What is no text is told, and its row has no pair."""
        kept: tuple[list[str], list[str], list[int]] = ([], [], [])
        columns = [block.columns.get(name) or [None] * len(block.lines) for name in names]
        for source, target, line in zip(*columns, block.lines, strict=True):
            sides = [self._text(value, line) for value in (source, target)]
            if None not in sides:
                for part, value in zip(kept, (*sides, line), strict=True):
                    part.append(value)
        for first in range(0, len(kept[0]), BLOCK_PAIRS):
            yield Block(*(part[first : first + BLOCK_PAIRS] for part in kept))

    def _text(self, value: object, line: int) -> str | None:
        if value is None or isinstance(value, str | int | float):
            return "" if value is None else str(value).strip("\r\n").replace("\r\n", " ").replace("\n", " ")
        self._malformed(line, f"a {type(value).__name__}, not a text")
        return None

    def _malformed(self, line: int, text: str) -> None:
        self.problems.append(Problem("malformed", f"{self.names[0]}, line {line}", text[:200], line=line))

    def _tsv(self, texts: Iterator[str]) -> Iterator[Rows]:
        candidates = strict.column_candidates(self.config, self.source_language, self.target_language)
        headers = strict.possible_headers(self.config, candidates)
        names: list[str] = []
        number = 0
        for text in texts:
            rows, lines = [], []
            for line in text.split("\n")[:-1]:
                number += 1
                cells = line.rstrip("\r").split("\t")
                if not names:
                    headerless = headers is not None and not any(set(pair) <= set(cells) for pair in headers)
                    names = [str(at) for at in range(1, len(cells) + 1)] if headerless else cells
                    if not headerless:
                        continue
                if len(cells) == len(names):
                    rows.append(cells)
                    lines.append(number)
                else:
                    self._malformed(number, line)
            if rows:
                yield Rows(dict(zip(names, zip(*rows, strict=True), strict=True)), lines)

    def _csv(self, texts: Iterator[str]) -> Iterator[Rows]:
        reader = csv.reader((line + "\n" for text in texts for line in text.split("\n")[:-1]), strict=True)
        names, rows, lines = [], [], []
        while True:
            begin = reader.line_num + 1
            try:
                cells = next(reader, None)
            except csv.Error as error:
                self._malformed(begin, f"{error}: a quotation mark is not closed; nothing was read to line {reader.line_num}")
                cells = None
            if cells is None or len(rows) >= BLOCK_PAIRS:
                if rows:
                    yield Rows(dict(zip(names, zip(*rows, strict=True), strict=True)), lines)
                rows, lines = [], []
            if cells is None:
                return
            if not names:
                names = [cell.strip() for cell in cells]
            elif len(cells) == len(names):
                rows.append(cells)
                lines.append(begin)
            else:
                self._malformed(begin, ",".join(cells))

    def _json(self, first: str, texts: Iterator[str]) -> Iterator[Rows]:
        number = 0
        for blocks in ([first], texts):
            for block in blocks:
                objects, lines = [], []
                for line in block.split("\n")[:-1]:
                    number += 1
                    if not line.strip():
                        continue
                    try:
                        found = json.loads(line)
                    except ValueError:
                        found = None
                    if isinstance(found, dict):
                        objects.append(flatten(found))
                        lines.append(number)
                    else:
                        self._malformed(number, line)
                if objects:
                    names = dict.fromkeys(name for item in objects for name in item)
                    yield Rows({name: [item.get(name) for item in objects] for name in names}, lines)


def _blocks_of_lines(path: Path, problems: list[Problem]) -> Iterator[list[str]]:
    """The lines of a text file in whatever encoding it seems to be; another than UTF-8 is told. Bytes that fit none stay (surrogateescape).

    DataError for a file that is not there, may not be read or is damaged gzip.
    """
    start = read_bytes(path, size=1 << 16) if path.suffix.lower() != ".gz" else _unpacked_start(path)
    encoding, reason = encoding_of(start)
    if encoding != "utf-8":
        problems.append(Problem("encoding", str(path), f"looks like {encoding} ({reason})"))
    opener = gzip.open if path.suffix.lower() == ".gz" else open
    errors = "surrogateescape" if encoding in ("utf-8", "cp949") else "replace"
    try:
        with opener(path, "rt", encoding="utf-8-sig" if encoding == "utf-8" else encoding, errors=errors, newline="\n") as file:
            while text := file.read(_CHARACTERS):
                text += file.readline()
                lines = text.split("\n")
                if not lines[-1]:
                    lines.pop()
                yield [line.removesuffix("\r") for line in lines] if "\r" in text else lines
    except (EOFError, zlib.error, OSError) as error:
        raise DataError(f"{path}: cannot be read to its end ({error}); copy or download it again") from None


def _unpacked_start(path: Path) -> bytes:
    """The first bytes of what a gzip file holds."""
    read_bytes(path, size=0)
    try:
        with gzip.open(path) as file:
            return file.read(1 << 16)
    except (EOFError, zlib.error, OSError) as error:
        raise DataError(f"{path}: damaged, cut short or not gzip at all ({error}); copy or download it again") from None
