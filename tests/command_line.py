"""Running `mt` as a person does, inside the test's process: `main` with its error handling, without three seconds of imports."""

import io
import sys
from dataclasses import dataclass
from unittest import mock


@dataclass(frozen=True)
class Outcome:
    """What one command did."""

    exit_code: int
    stdout: str
    stderr: str


def run_mt(*arguments: str, stdin: bytes | None = None, encoding: str = "utf-8") -> Outcome:
    """`mt ARGUMENTS`: its exit code and what it wrote. stdin: what a pipe would bring; None: an empty pipe. encoding: PYTHONIOENCODING."""
    from mt.cli import main

    out, err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True) for _ in range(2))
    source = io.TextIOWrapper(io.BytesIO(stdin or b""), encoding="utf-8")
    with (
        mock.patch.object(sys, "argv", ["mt", *arguments]),
        mock.patch.object(sys, "stdin", source),
        mock.patch.object(sys, "stdout", out),
        mock.patch.object(sys, "stderr", err),
    ):
        try:
            main()
            code = 0
        except SystemExit as leaving:
            code = leaving.code if isinstance(leaving.code, int) else 0 if leaving.code is None else 1
    return Outcome(code, out.buffer.getvalue().decode(encoding), err.buffer.getvalue().decode(encoding))
