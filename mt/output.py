"""Where a command's lines go: standard output, or a file that is whole or not there; and the progress bar.

Nothing heavy is imported here.
"""

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mt.errors import MtError
from mt.files import write_atomically


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


def put_lines(lines: Sequence[str], output: Path | None) -> None:
    """Lines to a file, whole or not at all, or to standard output."""
    text = "".join(f"{line}\n" for line in lines)
    if output is None:
        sys.stdout.buffer.write(text.encode("utf-8"))
        sys.stdout.buffer.flush()
        return
    try:
        if output.exists() and not output.is_file():
            output.write_text(text, encoding="utf-8")  # /dev/null, a pipe: not to be replaced by a file
            return
        output.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(output, text)
    except OSError as error:
        raise MtError(f"{output}: cannot be written ({error.strerror}); choose another place") from error


def terminal_width() -> int:
    """Columns to write for: the terminal's (or $COLUMNS), between 60 and 160; 100 where there is no terminal."""
    return min(max(shutil.get_terminal_size((100, 24)).columns, 60), 160)


@contextmanager
def line_bar(total: int, wanted: bool) -> Iterator[Callable[[int], None]]:
    """A progress bar on a terminal, for files; gives a function to call with the number of lines done."""
    if not (wanted and sys.stderr.isatty()):
        yield lambda count: None
        return
    from tqdm import tqdm

    with tqdm(total=total, unit="line", dynamic_ncols=True) as bar:
        yield lambda count: bar.update(count)
