"""A translation as Markdown: its lines, and what is escaped so that none of them begins another block."""

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

from mt.documents.markdown_inline import PUNCTUATION, nodes_of, spaces_of
from mt.documents.markdown_parser import inline_signature, inline_text
from mt.text_table import display_width

_BLOCK_START = re.compile(
    r"(?P<number>\d{1,9})[.)](?=\s|$)|[-+*](?=\s|$)|#{1,6}(?=\s|$)|>|`{3}|~{3}|\$\$|:::|=+\s*$|-+\s*$|([-*_])(?:[ \t]*\2){2,}[ \t]*$"
    r"|\[[^\]]*\]:|!!! |\?\?\? |%%|\{%|:(?=[ \t])|\|"
)
"""What would make a line of text something else."""
_SAFE_START = re.compile(r"[^\W_]|[^\x00-\x7f]|[\"'(*_](?=\w)")
"""What a line that is wrapped may begin with, unless it is a _BLOCK_START too."""
_CLOSING = re.compile(r"(?:^|(?<=[ \t]))#(?=#*[ \t]*$)")
"""The first # of those that would end a heading."""
_ESCAPE = re.compile(rf"\\([{PUNCTUATION}])")
_LOOK = 200
_LONG = 5000
"""Characters of a paragraph that is not parsed again and again for the sake of a few backslashes."""
_LEAST_WIDTH, _MOST_WIDTH = 40, 200
"""Columns to which lines are wrapped: as wide as those of the source, within these. Above, a paragraph is on one line."""


@dataclass(frozen=True)
class Place:
    """Where a text is in a file."""

    kind: str
    """lines (a paragraph, or a heading with a line under it), heading or cell."""
    source: str
    """What it was."""
    lines: tuple[str, ...]
    """The lines of the file that it was on."""
    prefixes: tuple[str, ...]
    """What is before the text on each: the marks of quotations and lists, and white space."""
    line_end: str


def written(text: str, place: Place, escapes: Set[str], references: Mapping[str, Any]) -> str:
    """A translation with its markers, words escaped, as it is written into its place.

    escapes: the characters that the source escaped too; where others need not be, their backslashes go.
    """
    text = _simplified(text, escapes, references) if "\\" in text else text
    if place.kind == "cell":
        return text.replace("|", "\\|")
    if place.kind == "heading":
        return _CLOSING.sub(r"\\#", text)
    lines = [text]
    if len(place.lines) > 1:
        widest = max(map(display_width, place.lines)) - display_width(place.prefixes[1])
        if widest < _MOST_WIDTH:
            lines = _wrapped(text, max(widest, _LEAST_WIDTH), references)
        text = "\n".join([_guarded(lines[0], place.source), *lines[1:]])
        return text.replace("\n", place.line_end + place.prefixes[1])
    return _guarded(text, place.source)


def _simplified(text: str, escapes: Set[str], references: Mapping[str, Any]) -> str:
    """A text without the backslashes that change nothing."""
    candidates = sorted({match[1] for match in _ESCAPE.finditer(text)} - escapes)
    if not candidates or len(text) > _LONG:
        return text
    wanted = inline_signature(text, references), inline_text(text, references)
    for characters in (candidates, *([one] for one in candidates if len(candidates) > 1)):
        trial = _ESCAPE.sub(lambda match, own=characters: match[1] if match[1] in own else match[0], text)
        if (inline_signature(trial, references), inline_text(trial, references)) == wanted:
            if characters is candidates:
                return trial
            text = trial
    return text


def _guarded(line: str, source: str) -> str:
    """A line that begins no other block. source: begins none either, so what it begins with may stay."""
    match = _BLOCK_START.match(line)
    if match is None or source.startswith(match[0]):
        return line
    at = len(match["number"] or "")
    return line[:at] + "\\" + line[at:]


def _wrapped(text: str, width: int, references: Mapping[str, Any]) -> list[str]:
    """A text in lines of at most so many columns, broken where a word follows that begins no other block."""
    lines, start, last, columns, before = [], 0, -1, 0, 0
    for place in [*spaces_of(nodes_of(text, references)), len(text)]:
        columns += display_width(text[before:place])
        if columns > width and last > start:
            lines.append(text[start:last])
            start, columns = last + 1, display_width(text[last + 1 : place])
        after = text[place + 1 : place + _LOOK]
        if _SAFE_START.match(after) and not _BLOCK_START.match(after):
            last = place
        before = place
    return [*lines, text[start:]]
