"""Pairs of files that training would refuse: everything that can be read is, and what cannot is reported with its line.

Training reads strictly and stops at the first thing that could shift a sentence against another; a check wants to see all of it at once.
Both read through the same code (encodings.py, table_text.py, table_json.py); here faults are noted instead of raised, and text in another
encoding is read in the one that it looks like.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from mt.config import CorpusConfig
from mt.data import corpus as strict
from mt.data.encodings import LONE_RETURN, lone_return, tolerant_blocks
from mt.data.table_text import CellRows, Faults, split_lines
from mt.data.tables import EmptyTableError, Rows, choose_columns, pairs_of
from mt.errors import DataError

BLOCK_PAIRS = 20_000
_MOST_KEPT = 2000
_NO_TEXT = re.compile("[\0\udc80-\udcff]")


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
    row: str = ""
    """The line, as far as it is kept."""


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
        read = self._parallel if self.config.source is not None else self._builtin if self.config.builtin is not None else self._table
        is_empty = True
        try:
            for block in read():
                is_empty = is_empty and not block.lines
                yield block
            if is_empty and not self.problems:
                raise DataError("there is not a single pair in it; give a file that has some.")
        except DataError as error:
            if not (self.problems and isinstance(error, EmptyTableError)):  # no row is left, and why is noted
                self.problems.append(Problem("unreadable", self.names[0], str(error)))

    def _parallel(self) -> Iterator[Block]:
        """Two text files in step; at the end, whether one has lines left."""
        paths = (self.config.source, self.config.target)
        sides = [self._lines(path, self.problems) for path in paths]
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
        if paths[0].samefile(paths[1]):
            raise DataError(f"source and target are the same file, {paths[0]}. Give each side its own.")
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
        for lines in self._lines(longer, []):
            for text in lines:
                number += 1
                if number > min(self.lines):
                    yield number, text

    def _lines(self, path: Path, problems: list[Problem]) -> Iterator[list[str]]:
        """The lines of a text file in whatever encoding it seems to be; another than UTF-8 is noted."""
        for text in self._texts(path, problems):
            lines = split_lines(text)
            yield [line.rstrip("\r") for line in lines] if "\r" in text else lines

    def _texts(self, path: Path, problems: list[Problem]) -> Iterator[str]:
        def other(encoding: str, reason: str) -> None:
            problems.append(Problem("encoding", str(path), f"looks like {encoding} ({reason}); to read it as it is: --encoding {encoding}"))

        return tolerant_blocks(path, self.config.encoding, other)

    def _table(self) -> Iterator[Block]:
        """A table of any format, row by row."""
        path, faults, texts = self.config.file, _Noted(self.names[0], self.problems), None
        is_text = path is not None and not path.name.lower().endswith(".parquet")
        is_json = is_text and path.name.lower().removesuffix(".gz").endswith((".json", ".jsonl"))
        if is_text:
            texts = self._texts(path, self.problems)
        wrong_lines: set[int] = set()
        if is_text:
            texts = _sound_lines(texts, faults, wrong_lines, keep=not is_json)
        wanted = strict.wanted_columns(self.config, self.source_language, self.target_language)
        table = strict.open_table(self.config, faults, texts)
        try:
            table, choice = choose_columns(table, wanted)
        except DataError:
            if any("\r" in name for name in table.names):
                raise DataError(f"{path}: line 1 {LONE_RETURN}") from None
            raise
        if is_text and not is_json:
            table = replace(table, blocks=_sound_rows(table.blocks, choice.header, faults, wrong_lines))
        for pairs in pairs_of(table, choice, faults):
            for first in range(0, len(pairs.lines), BLOCK_PAIRS):
                part = slice(first, first + BLOCK_PAIRS)
                yield Block(*(_plain(side[part]) for side in (pairs.sources, pairs.targets)), pairs.lines[part])

    def _builtin(self) -> Iterator[Block]:
        """A built-in corpus, which is known to be whole."""
        read = strict.read_corpus(self.config, self.split, self.source_language, self.target_language, f"data.{self.split}")
        for first in range(0, len(read), BLOCK_PAIRS):
            end = min(first + BLOCK_PAIRS, len(read))
            yield Block(read.sources[first:end], read.targets[first:end], range(first + 1, end + 1))


class _Noted(Faults):
    """Notes what is not a row of the format, and lets reading go on."""

    def __init__(self, origin: str, problems: list[Problem]):
        super().__init__(origin)
        self._problems = problems

    def row(self, line: int, problem: str, text: str = "", unit: str = "line") -> None:
        """A row that cannot be read: it has no pair."""
        shown = f"{problem}: {text[:100]}" if text else problem
        self._problems.append(Problem("malformed", f"{self._origin}, {unit} {line}", shown, line=line, row=text[:_MOST_KEPT]))

    def width(self, line: int, found: int, expected: int, text: str) -> None:
        """A row with more or fewer cells than the first."""
        self.row(line, f"{found} column{'s' * (found != 1)}, but the first row has {expected}", text)


def _plain(texts: Sequence[str]) -> list[str]:
    """Texts of cells without line ends around them, as training reads them."""
    return [text.strip("\r\n") for text in texts]


def _wrong(text: str) -> str:
    """What no text of a table has; "" for nothing."""
    if found := _NO_TEXT.search(text):
        return "holds a NUL byte" if found[0] == "\0" else "holds bytes that are no text"
    return LONE_RETURN if lone_return(text) >= 0 else ""


def _sound_rows(blocks: Iterator[Rows], header: bool, faults: Faults, noted: set[int]) -> Iterator[Rows]:
    """The rows without those that hold what no text has in any cell. header: the first row stays in its place. noted: lines that are."""
    first = header
    for rows in blocks:
        assert isinstance(rows, CellRows)
        joined = "\n".join(map("\t".join, rows.rows))
        if _wrong(joined + "\n"):
            kept = []
            for at, row in enumerate(rows.rows):
                problem = _wrong("\t".join(row))
                if problem and rows.lines[at] not in noted:
                    faults.row(rows.lines[at], problem, "\t".join(row))
                if not problem or (first and not at):
                    kept.append(at)
            rows = replace(rows, rows=[rows.rows[at] for at in kept], lines=[rows.lines[at] for at in kept])
        first = False
        yield rows


def _sound_lines(texts: Iterator[str], faults: Faults, noted: set[int], keep: bool) -> Iterator[str]:
    """Note the lines that hold what no text has. keep: they stay in the text; else an empty line takes their place."""
    number = 1
    for text in texts:
        if _wrong(text):
            lines = text.split("\n")
            for at, line in enumerate(lines):
                if problem := _wrong(line):
                    faults.row(number + at, problem, line)
                    noted.add(number + at)
                    lines[at] = line if keep else ""
            text = "\n".join(lines)
        number += text.count("\n")
        yield text
