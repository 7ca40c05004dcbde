"""Plain text: a line is a unit, line ends and lines without text are kept."""

import re
from collections.abc import Iterator

from mt.data.encodings import normalise
from mt.documents.parts import Part, Source, cut_line_end, cut_mark, kept


def text_parts(source: Source) -> Iterator[Part]:
    """A part for each line, with the line end of the one before."""
    before, lines = cut_mark(source.lines())
    for number, line in enumerate(lines, 1):
        text, end = cut_line_end(line)
        yield Part(before, text, normalise(text), number, write=_on_one_line) if text.strip() else kept(before + text)
        before = end
    if before:
        yield kept(before)


def _on_one_line(translation: str) -> str:
    """A translation without line ends: as many lines come out as went in."""
    return re.sub(r"[\r\n]+", " ", translation)
