"""Tables and paragraphs for a terminal, aligned by what is seen: a Hangul syllable takes two columns."""

import re
from collections.abc import Sequence

from wcwidth import wcswidth


def display_width(text: str) -> int:
    """Columns a text takes in a terminal; control characters count as none."""
    width = wcswidth(text)
    return width if width >= 0 else sum(max(wcswidth(character), 0) for character in text)


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]], numbers_from: int = 1, width: int | None = None) -> str:
    """The rows under their header; columns from numbers_from on are aligned to the right.

    width: columns of the terminal that the table keeps to by wrapping its last column, which is then aligned to the left.
    """
    lines = [header, *rows]
    last = len(header) - 1
    widths = [max(display_width(line[column]) for line in lines) for column in range(len(header))]
    if width is not None:
        before = sum(widths[:last]) + 2 * last
        widths[last] = min(widths[last], max(width - before, 24))
    text = []
    for line in lines:
        *firsts, final = line
        folded = wrap(final, widths[last]) if width is not None else [final]
        for number, part in enumerate(folded):
            cells = []
            for column, cell in enumerate([*firsts, part] if number == 0 else [*[""] * last, part]):
                space = " " * (widths[column] - display_width(cell))
                right = column >= numbers_from and not (width is not None and column == last)
                cells.append(space + cell if right else cell + space)
            text.append("  ".join(cells).rstrip())
    return "\n".join(text)


def wrap(text: str, width: int) -> list[str]:
    """The words of a text in lines of at most so many columns; a longer word stands alone. At least one line."""
    lines: list[str] = []
    line = ""
    for word in re.findall(r"\S+(?:\s+%\S*)?", text):  # a number keeps its per cent sign
        joined = f"{line} {word}" if line else word
        if line and display_width(joined) > width:
            lines.append(line)
            joined = word
        line = joined
    return [*lines, line]


def cut(text: str, width: int) -> str:
    """A text of at most so many columns; what is left out at its end becomes an ellipsis."""
    if display_width(text) <= width:
        return text
    while text and display_width(text) > width - 1:
        text = text[:-1]
    return f"{text}…"
