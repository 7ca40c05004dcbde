"""A file as a sequence of parts: what is translated, and what is kept as it is around it.

Every format (text.py, tables.py, subtitles.py, markdown.py) turns lines into parts; whoever translates knows no format. What is
written again is the file byte for byte wherever a translation equals its source, since then the part's own raw text is written.
"""

import gzip
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mt.data.encodings import LONGEST_LINE, is_utf8, normalise, text_blocks, text_of
from mt.errors import DataError


@dataclass(frozen=True)
class Span:
    """Markup inside a text: some of its characters, and the markers that stand around them in the file."""

    start: int
    """The first character of `Part.text` that it covers."""
    end: int
    """The one behind the last."""
    before: str
    """The opening marker, such as '`', '[' or '**'."""
    after: str
    """The closing one, such as '`', '](address)' or '**'."""
    literal: bool = False
    """Whether what it covers is kept as it is (code), not translated."""
    optional: bool = False
    """Whether it is left out where no place for it is found (emphasis), rather than the sentence broken up around it."""


@dataclass(frozen=True)
class Part:
    """Something to translate, with what stands before it. A part without text has only what is kept."""

    kept: str = ""
    """Written as it is, before the translation."""
    raw: str = ""
    """The text as it stands in the file, escapes and line ends included."""
    text: str = ""
    """What is translated, NFC; line feeds separate what is translated apart."""
    line: int = 0
    """The line of the file in which it begins, from 1, for messages."""
    sentences: bool = False
    """Whether it is cut into sentences always, not only when it is too long for the model."""
    spans: tuple[Span, ...] = ()
    """Inline markup, in order, none inside another."""
    write: Callable[[str], str] | None = None
    """From a translation to what is written in place of raw (quoted, wrapped); None: as it is."""
    escape: Callable[[str], str] | None = None
    """From words between markers to what is written of them, so that no word is taken for a marker; None: as they are."""
    check: Callable[[str], bool] | None = None
    """Whether a text may take the place of all parts in a row that have this very check: None: any text may."""
    alone: Callable[[str], bool] | None = None
    """Whether what is written in place of raw looks right by itself, at less cost than `check`; None: only the check says."""

    def written(self, translation: str) -> str:
        """The part with its text translated; a translation that equals the text leaves it byte for byte."""
        if translation == self.text:
            return self.kept + self.raw
        return self.kept + (translation if self.write is None else self.write(translation))


def kept(text: str) -> Part:
    """A part with nothing to translate."""
    return Part(kept=text)


def cut_ends(text: str) -> tuple[str, str, str]:
    """A text as it is translated, NFC and without line ends around it; with what stood before and behind it."""
    head, tail = len(text) - len(text.lstrip("\r\n")), len(text.rstrip("\r\n"))
    return text[:head], normalise(text), text[tail:]


@dataclass(frozen=True)
class Source:
    """Where a document's bytes come from: a file that can be read again and again, or the bytes of standard input."""

    path: Path
    """The file; of standard input a name for messages."""
    data: bytes | None = None
    """What standard input brought; None: the file is read, decompressed when its name ends in .gz."""
    encoding: str | None = None
    """None: UTF-8. What is written is UTF-8 in any case."""

    def start(self, size: int) -> bytes:
        """The first `size` bytes, decompressed. None of a file that cannot be read: reading its lines tells why."""
        if self.data is not None:
            return self.data[:size]
        opened = gzip.open if self.path.suffix.lower() == ".gz" else open
        try:
            with opened(self.path, "rb") as stream:
                return stream.read(size)
        except (OSError, EOFError, zlib.error):
            return b""

    def texts(self, longest: int | None = LONGEST_LINE) -> Iterator[str]:
        """The text in blocks that end at line feeds, without a byte order mark. longest: the bytes that a line may have; None: any number.

        DataError when it cannot be read or is not in its encoding, naming the one it looks like.
        """
        if self.data is None:
            return text_blocks(self.path, self.encoding, longest)
        return text_of(self.data, self.path, self.encoding, longest)

    def lines(self, longest: int | None = LONGEST_LINE) -> Iterator[str]:
        """The lines with their line feeds, the byte order mark before the first; all of them together are the file.

        longest, errors: see texts.
        """
        mark = self.start(3) == b"\xef\xbb\xbf"
        first = "\ufeff" if mark and (self.encoding is None or is_utf8(self.encoding)) else ""
        for block in self.texts(longest):
            start = 0
            while (end := block.find("\n", start) + 1) > 0:
                yield first + block[start:end]
                first, start = "", end
            if start < len(block) or first:
                yield first + block[start:]
                first = ""


def cut_line_end(line: str) -> tuple[str, str]:
    """A line without its line end, and the line end: '\\n' and the carriage returns before it, or nothing."""
    text = line.rstrip("\r\n")
    return text, line[len(text):]


def cut_mark(lines: Iterator[str]) -> tuple[str, Iterator[str]]:
    """The byte order mark, if there is one, and the lines without it."""
    first = next(lines, "")

    def rest() -> Iterator[str]:
        if first.removeprefix("\ufeff"):
            yield first.removeprefix("\ufeff")
        yield from lines

    return "\ufeff" * first.startswith("\ufeff"), rest()


def refuse(path: Path, line: int, problem: str) -> DataError:
    """The error for a line that is not what the format says."""
    return DataError(f"{path}: line {line}: {problem}")
