"""Two text files read in step: their lines, normalised, and what to say when they do not belong together.

Which corpus they are and what becomes of the pairs is corpus.py's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from mt.config import CorpusConfig
from mt.data.encodings import text_blocks
from mt.data.table_text import split_lines
from mt.data.text_lines import Cleaner
from mt.errors import DataError

_MOST_SHOWN = 5
"""How many line numbers a message lists."""


class Side:
    """One of two files that are read in step."""

    def __init__(self, key: str, path: Path, encoding: str | None = None):
        self._key, self.clean = key, Cleaner(path)
        self._blocks = (split_lines(text) for text in text_blocks(path, encoding))
        self._lines: list[str] = []
        self.problem = ""
        """What is wrong with the file, once that was found."""

    def fill(self) -> int:
        """Read on when no line is left; how many lines there are now."""
        while not self._lines:
            try:
                self._lines = next(self._blocks)
            except StopIteration:
                break
            except DataError as error:
                self.problem = f"{self._key}: {error}"
                break
        return len(self._lines)

    def take(self, count: int) -> list[str]:
        """The next lines, normalised."""
        taken, self._lines = self._lines[:count], self._lines[count:]
        return self.clean(taken)

    def drain(self) -> int:
        """Read to the end, for its problems; how many lines were left."""
        left = 0
        while count := self.fill():
            left, self._lines = left + count, []
        return left


@dataclass
class LineCounts:
    """What a message about two unequal files needs to know of one."""

    total: int = 0
    empty: list[int] = field(default_factory=list)
    """Line numbers."""
    last_text: int = 0
    """The last line with text."""

    @classmethod
    def of(cls, path: Path, encoding: str | None = None) -> "LineCounts":
        """Read the file once more."""
        counts = cls()
        for line in chain.from_iterable(split_lines(text) for text in text_blocks(path, encoding)):
            counts.total += 1
            if line.strip():
                counts.last_text = counts.total
            else:
                counts.empty.append(counts.total)
        return counts


def unequal(corpus: CorpusConfig, source: LineCounts, target: LineCounts) -> str:
    """What to say about two files with different numbers of lines, and where the difference may come from."""
    message = f"{corpus.source} has {counted(source.total, 'line')}, but {corpus.target} has {target.total}. "
    if not source.total or not target.total:
        return f"{message}Fill the empty file, or correct its name."
    longer, path = (source, corpus.source) if source.total > target.total else (target, corpus.target)
    surplus = abs(source.total - target.total)
    if longer.last_text <= longer.total - surplus:
        return f"{message}{path} ends with {counted(surplus, 'empty line')} too many: delete what is too much."
    if len(longer.empty) == surplus:
        return f"{message}{path} has as many empty lines as it is longer ({listed('line', longer.empty)}): delete them."
    return (
        f"{message}Lines that belong together no longer have the same number: look for a sentence broken in two or a lost line. "
        f"mt check {corpus.source} {corpus.target} shows where; or compare the last lines of both files"
    )


def listed(unit: str, numbers: Sequence[int]) -> str:
    """line 3 / lines 3, 4, 9, 12, 15, …"""
    shown = ", ".join(str(number) for number in numbers[:_MOST_SHOWN])
    return f"{unit}{'s' * (len(numbers) > 1)} {shown}{', …' * (len(numbers) > _MOST_SHOWN)}"


def counted(number: int, noun: str) -> str:
    """'1 line', '3 lines'."""
    return f"{number} {noun}{'s' * (number != 1)}"
