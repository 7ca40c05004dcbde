"""How --help is laid out: at any width, broken between words only, Korean characters counted as the two columns they take."""

import shutil
from collections.abc import Sequence

from typer.core import TyperGroup

from mt.text_table import display_width, fold

_CONTEXT = TyperGroup.context_class
_WIDEST, _NARROW = 100, 60
"""Columns that help takes at most; below the second, what an option does is written below it instead of beside it."""
_BESIDE = 30
"""The longest option, in columns, that its explanation stands beside."""


class HelpText(_CONTEXT.formatter_class):
    """The formatter of all commands, in the place of Click's, which breaks words and options and knows no width below 50."""

    def __init__(self, indent_increment: int = 2, width: int | None = None, max_width: int | None = None):
        super().__init__(indent_increment, width, max_width)
        self.columns = max(min(shutil.get_terminal_size((80, 24)).columns, _WIDEST), 20)
        self.width = 1000  # Click shortens the commands' summaries to this; here they are wrapped

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Write the line of usage."""
        self._write_lines(fold(f"{prefix or 'Usage: '}{prog} {args}", self.columns, self.current_indent, self.current_indent + 4))

    def write_text(self, text: str) -> None:
        """Write paragraphs, which an empty line divides."""
        for number, paragraph in enumerate(text.strip().split("\n\n")):
            if number:
                self.write("\n")
            self._write_lines(fold(" ".join(paragraph.split()), self.columns, self.current_indent))

    def write_dl(self, rows: Sequence[tuple[str, str]], col_max: int = _BESIDE, col_spacing: int = 2) -> None:
        """Write options or commands, each with its explanation beside it, or below it where it is long or the screen narrow."""
        rows = list(rows)
        first = min(max((display_width(row[0]) for row in rows), default=0), col_max)
        start = self.current_indent + first + col_spacing if self.columns >= _NARROW else self.current_indent + 4
        for name, words in rows:
            lines = fold(" ".join(words.split()), self.columns, start)
            beside = self.columns >= _NARROW and display_width(name) <= first
            if words and beside:
                gap = " " * (start - self.current_indent - display_width(name))
                lines[0] = f"{' ' * self.current_indent}{name}{gap}{lines[0].lstrip()}"
                self._write_lines(lines)
            else:
                self._write_lines(fold(name, self.columns, self.current_indent, self.current_indent + 4))
                self._write_lines(lines if words else [])

    def _write_lines(self, lines: Sequence[str]) -> None:
        for line in lines:
            self.write(f"{line.rstrip()}\n")


def use_help_text() -> None:
    """Let every command of this process lay out its help so."""
    _CONTEXT.formatter_class = HelpText
