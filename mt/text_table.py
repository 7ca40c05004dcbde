"""Tables for a terminal, aligned by what is seen: a Hangul syllable takes two columns."""

from collections.abc import Sequence

from wcwidth import wcswidth


def display_width(text: str) -> int:
    """Columns a text takes in a terminal; control characters count as none."""
    width = wcswidth(text)
    return width if width >= 0 else sum(max(wcswidth(character), 0) for character in text)


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]], numbers_from: int = 1) -> str:
    """The rows under their header; columns from numbers_from on are aligned to the right."""
    lines = [header, *rows]
    widths = [max(display_width(line[column]) for line in lines) for column in range(len(header))]
    text = []
    for line in lines:
        cells = []
        for column, cell in enumerate(line):
            space = " " * (widths[column] - display_width(cell))
            cells.append(space + cell if column >= numbers_from else cell + space)
        text.append("  ".join(cells).rstrip())
    return "\n".join(text)
