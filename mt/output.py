r"""Where text leaves the program: messages for a person, data for other programs, files, and progress bars.

**Messages** (help, tables, notes, errors, logs) go through `Screen`, which takes the place of sys.stdout and sys.stderr: control characters
are written out (\x1b), what the stream's encoding lacks is replaced, and lines break between words where the width is known.
**Data** (translations, scores, documents, configurations) goes through `put_lines` and `put_data`: on a pipe or in a file it is UTF-8, byte
for byte, whatever the encoding of messages is; on a terminal it is shown like messages, but a line stays a line.

Nothing heavy is imported here.
"""

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from mt.errors import MtError
from mt.files import write_atomically
from mt.text_table import fold_line
from mt.visible import showable, visible

_NARROWEST, _WIDEST, _USUAL = 20, 160, 100
"""Columns that tables are laid out for: at least, at most, and where nothing says how wide the output is."""


class Screen:
    """A text stream for a person to read, which takes any text. All but what is defined here is the stream's own.

    Its encoding is said to be UTF-8, and its bytes (`buffer`) are hidden: Click would write past it where it knows better.
    """

    encoding = "utf-8"

    def __init__(self, stream: TextIO):
        self.stream = stream
        self.shown_encoding = getattr(stream, "encoding", None)
        """What the text is written in."""
        self._line_begun = False

    def write(self, text: str) -> int:
        """Write the text as it can be shown; lines wider than the screen break between words."""
        if not isinstance(text, str):
            raise TypeError(f"write() takes text, not {type(text).__name__}")
        lines = showable(text, self.shown_encoding).split("\n")
        width = screen_width(self.stream)
        if width is not None:
            # What goes on with a line (print(…, end="")) is left as it is: where it begins is not known.
            lines = [line if number == 0 and self._line_begun else "\n".join(fold_line(line, width)) for number, line in enumerate(lines)]
        self.stream.write("\n".join(lines))
        self._line_begun = bool(lines[-1]) or (len(lines) == 1 and self._line_begun)
        return len(text)

    def writelines(self, lines: Sequence[str]) -> None:
        """Write each."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        if name == "buffer":
            raise AttributeError("a screen has no bytes: mt.output.put_data writes data")
        return getattr(self.stream, name)


@contextmanager
def screens() -> Iterator[None]:
    """Inside, sys.stdout and sys.stderr are screens."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (stream if isinstance(stream, Screen) or stream is None else Screen(stream) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def raw(stream: TextIO) -> TextIO:
    """The stream below a screen, for what moves the cursor."""
    return stream.stream if isinstance(stream, Screen) else stream


def _given_columns() -> int | None:
    """$COLUMNS, where it is a number."""
    given = os.environ.get("COLUMNS", "")
    return int(given) if given.isascii() and given.isdigit() and int(given) > 0 else None


def screen_width(stream: TextIO) -> int | None:
    """Columns of what shows this stream: $COLUMNS, or the terminal's; None on a pipe or in a file, where no line has to break."""
    given = _given_columns()
    if given is not None:
        return max(given, _NARROWEST)
    try:
        columns = os.get_terminal_size(stream.fileno()).columns if stream.isatty() else 0
    except (OSError, ValueError, AttributeError):
        columns = 0
    return max(columns, _NARROWEST) if columns else None


def terminal_width() -> int:
    """Columns to lay a table out for: $COLUMNS or the terminal's, between 20 and 160; 100 where there is no terminal."""
    return min(max(shutil.get_terminal_size((_USUAL, 24)).columns, _NARROWEST), _WIDEST)


def refuse_unwritable(output: Path | None) -> None:
    """MtError now, not after an hour of translating, when the output's place can be seen to be none."""
    if output is None:
        return
    folder = next(parent for parent in output.absolute().parents if parent.exists())
    reason = "it is a folder" if output.is_dir() else f"{folder} is not a folder" if not folder.is_dir() else ""
    if not reason and not os.access(output if output.exists() else folder, os.W_OK):
        reason = "no permission"
    if reason:
        raise MtError(f"{output}: cannot be written ({reason}); choose another place")


def put_data(data: bytes) -> None:
    """Data in UTF-8 to standard output: as it is on a pipe and in a file; on a terminal with its control characters written out."""
    stream = raw(sys.stdout)
    stream.flush()
    if stream.isatty():
        text = data.decode("utf-8", "backslashreplace").replace("\r\n", "\n")
        stream.write(showable(text, stream.encoding))
        stream.flush()
        return
    stream.buffer.write(data)
    stream.buffer.flush()


def put_lines(lines: Sequence[str], output: Path | None) -> None:
    """Data, line by line: to a file, whole or not at all, or to standard output (see put_data).

    A half of a character (in a path that is not text) becomes its escape, which is also what JSON calls it.
    """
    text = "".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace")
    if output is None:
        put_data(text)
        return
    try:
        if output.exists() and not output.is_file():
            output.write_bytes(text)  # /dev/null, a pipe: not to be replaced by a file
            return
        output.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(output, text)
    except OSError as error:
        raise MtError(f"{output}: cannot be written ({error.strerror}); choose another place") from error


def progress_bar(**settings: Any) -> Any:
    """A tqdm bar on standard error, past the screen, since it moves the cursor. settings: tqdm's own."""
    from tqdm import tqdm

    if "desc" in settings:
        settings["desc"] = visible(settings["desc"])
    return tqdm(file=raw(sys.stderr), dynamic_ncols=True, **settings)


def say_above_bars(text: str) -> None:
    """A line on standard error, above a progress bar that may be there."""
    from tqdm import tqdm

    with tqdm.external_write_mode(file=raw(sys.stderr)):
        print(text, file=sys.stderr, flush=True)


@contextmanager
def line_bar(total: int, wanted: bool) -> Iterator[Callable[[int], None]]:
    """A progress bar on a terminal, for files; gives a function to call with the number of lines done."""
    if not (wanted and sys.stderr.isatty()):
        yield lambda count: None
        return
    with progress_bar(total=total, unit="line") as bar:
        yield lambda count: bar.update(count)


@contextmanager
def status_line() -> Iterator[Callable[[str], None]]:
    """One line on a terminal that each call of the given function replaces, gone at the end; nothing where there is no terminal."""
    if not sys.stderr.isatty():
        yield lambda text: None
        return
    stream = raw(sys.stderr)

    def show(text: str) -> None:
        stream.write(f"\r\033[K{showable(text, stream.encoding)}")
        stream.flush()

    try:
        yield show
    finally:
        show("")
