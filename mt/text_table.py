"""Tables and paragraphs for a person, aligned by what is seen: a Hangul syllable takes two columns. No line breaks inside a word.

Everything that is laid out here is shown as the output's encoding allows (mt/visible.py), so that what is measured is what is printed. Only
broken_lines is for files: it changes no character.
"""

import re
import sys
from collections.abc import Sequence

from wcwidth import wcswidth

from mt.visible import showable

_LEAST_LAST = 24
"""Columns that a table leaves to its last column before it narrows others."""
_LEAST_TEXT = 8
"""Columns that every other column of text keeps, however short its words."""


def display_width(text: str) -> int:
    """Columns a text takes in a terminal; control characters count as none."""
    if text.isascii() and text.isprintable():
        return len(text)
    width = wcswidth(text)
    return width if width >= 0 else sum(max(wcswidth(character), 0) for character in text)


def shown_text(text: str) -> str:
    """The text as standard output will show it."""
    return showable(text, getattr(sys.stdout, "shown_encoding", None) or getattr(sys.stdout, "encoding", None))


def text_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], numbers_from: int = 1, width: int | None = None, text_last: bool | None = None
) -> str:
    """The rows under their header; columns from numbers_from on are aligned to the right.

    width: columns that the table keeps to (None: any number). First its last column is wrapped, where that is text, then the other columns
    of text; where even that is too wide, each row becomes lines of "header  cell". text_last: whether the last column is text all the same,
    and aligned to the left; None: where a width is given.
    """
    text_last = width is not None if text_last is None else text_last
    lines = [[_cell(cell) for cell in line] for line in (header, *rows)]
    last = len(header) - 1
    widths = [max(display_width(line[column]) for line in lines) for column in range(len(header))]
    if width is not None:
        texts = [column for column in range(len(header)) if column < numbers_from or (text_last and column == last)]
        narrowed = _narrowed(lines, widths, texts, width)
        if narrowed is None:
            return _records(lines[0], lines[1:], width)
        widths = narrowed
    text = []
    for line in lines:
        parts = [fold(cell, widths[column]) if display_width(cell) > widths[column] else [cell] for column, cell in enumerate(line)]
        for number in range(max(map(len, parts), default=0)):
            cells = []
            for column, part in enumerate(parts):
                cell = part[number] if number < len(part) else ""
                space = " " * (widths[column] - display_width(cell))
                right = column >= numbers_from and not (text_last and column == last)
                cells.append(space + cell if right else cell + space)
            text.append("  ".join(cells).rstrip())
    return "\n".join(text)


def _cell(text: str) -> str:
    """A cell's text in one line."""
    return shown_text(text).replace("\n", "\\n").replace("\t", "\\t")


def _narrowed(lines: Sequence[Sequence[str]], widths: Sequence[int], texts: Sequence[int], width: int) -> list[int] | None:
    """The widths of columns that fit into a table of that width; None where no word may be broken and there is no room.

    texts: the columns that may be wrapped, the last one first of all.
    """
    widths = list(widths)
    longest = {column: max(max(map(display_width, line[column].split()), default=0) for line in lines) for column in texts}
    over = sum(widths) + 2 * (len(widths) - 1) - width
    steps = [(texts[-1], _LEAST_LAST)] if texts else []
    steps += [(column, _LEAST_TEXT) for column in sorted(texts[:-1], key=lambda column: -widths[column])]
    steps += [(texts[-1], _LEAST_TEXT)] if texts else []
    for column, least in ((column, max(longest[column], least)) for column, least in steps):
        taken = min(max(over, 0), max(widths[column] - least, 0))
        widths[column] -= taken
        over -= taken
    return widths if over <= 0 else None


def _records(header: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> str:
    """Each row as a paragraph: a line for each cell that is not empty, behind its header."""
    column = max(map(display_width, header))
    paragraphs = []
    for row in rows:
        lines = []
        for name, cell in zip(header, row, strict=True):
            if not cell:
                continue
            if column + 2 + display_width(cell) <= width:
                lines.append(f"{name}{' ' * (column - display_width(name))}  {cell}" if column else cell)
            else:
                lines += fold(f"{name}: {cell}" if name else cell, width, hanging=2 if name else 0)
        paragraphs.append("\n".join(lines))
    return "\n\n".join(paragraphs) if rows else "\n".join(fold("  ".join(header), width))


def wrap(text: str, width: int) -> list[str]:
    """The words of a text in lines of at most so many columns, for a screen; a longer word stands alone. At least one line."""
    return fold(" ".join(text.split()), width)


def fold(text: str, width: int, indent: int = 0, hanging: int | None = None) -> list[str]:
    """One line of text in lines of at most so many columns, for a screen, broken at spaces only; spaces inside a line stay as they are.

    Words between wider spaces ("yes 90%  no 10%") stay together where a line can hold them. indent: of the first line; hanging: of the
    others (None: the same). A word too long for its indented line moves to the left as far as it needs; one that is longer than the whole
    width is a line of its own. At least one line.
    """
    lines: list[str] = []
    line = ""
    room, next_room = indent, indent if hanging is None else hanging
    for space, group in re.findall(r"(\s*)(\S+(?:\s\S+)*)", shown_text(text)):
        whole = len(space) > 1 and next_room + display_width(group) <= width < room + display_width(f"{line}{space}{group}")
        for gap, word in re.findall(r"(\s*)(\S+(?:\s%\S*)?)", f"{space}{group}"):  # a number keeps its per cent sign
            joined = f"{line}{gap}{word}" if line else word
            if line and (whole or room + display_width(joined) > width):
                lines.append(_set_in(line, room, width))
                joined, room = word, next_room
            line, whole = joined, False
    return [*lines, _set_in(line, room, width)]


def broken_lines(text: str, width: int) -> list[str]:
    """A text of a file in lines of at most so many columns, broken at spaces only; a longer word stands alone. At least one line.

    No character is changed but the spaces at which it is broken: unlike wrap and fold, which write for a screen (shown_text).
    """
    lines: list[str] = []
    for word in text.split(" "):
        if lines and display_width(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _set_in(line: str, indent: int, width: int) -> str:
    """The line behind its indent, or as much of it as leaves the line whole."""
    return f"{' ' * max(min(indent, width - display_width(line)), 0)}{line}"


def fold_line(line: str, width: int) -> list[str]:
    """A line that is laid out already, broken where it is too wide; what follows begins below the line's text, behind bullet or label."""
    if display_width(line) <= width:
        return [line]
    start = len(line) - len(line.lstrip(" "))
    label = re.match(r"(?:[·*•→-]|->|\d+\.) +|\S+(?: \S+)?  +", line[start:])
    hanging = start + (display_width(label[0]) if label else 0)
    if label is None or hanging > width // 3:
        return fold(line[start:], width, start, min(start, width // 3))
    lines = fold(line[start + len(label[0]) :], width, hanging)
    if not lines[0].startswith(" " * hanging):  # its first word is too long to begin there
        return [line[: start + len(label[0])].rstrip(), *lines]
    return [line[: start + len(label[0])] + lines[0][hanging:], *lines[1:]]


def cut(text: str, width: int) -> str:
    """A text of at most so many columns; what is left out at its end becomes an ellipsis."""
    text, sign = shown_text(text), shown_text("…")
    if display_width(text) <= width:
        return text
    while text and display_width(text) > width - display_width(sign):
        text = text[:-1]
    return f"{text}{sign}"
