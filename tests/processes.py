"""`mt` as a process of its own: for signals, for what only a new process shows, and for what a shell sees."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path


def sets(settings: Sequence[str]) -> list[str]:
    """Settings as the command line takes them."""
    return [word for setting in settings for word in ("--set", setting)]


def start_mt(*arguments: str) -> subprocess.Popen:
    """Start `mt ARGUMENTS` with the environment and folder of the test; text pipes on both outputs."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "mt", *arguments],
        env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8",
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell makes it ignored in what it starts with &
    )  # fmt: skip


def mt_process(*arguments: str) -> subprocess.CompletedProcess:
    """Run `mt ARGUMENTS` to its end."""
    process = start_mt(*arguments)
    stdout, stderr = process.communicate(timeout=120)
    return subprocess.CompletedProcess(arguments, process.returncode, stdout, stderr)


def wait_until(what: Callable[[], bool], process: subprocess.Popen, seconds: float = 60.0) -> None:
    """Wait for something a process does; AssertionError when it ends before, or takes too long."""
    deadline = time.monotonic() + seconds
    while not what():
        assert process.poll() is None, f"the process ended too early: {process.communicate()[1]}"
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.005)


def num_lines(path: Path) -> int:
    """Line ends in a file that may not be there yet."""
    return path.read_bytes().count(b"\n") if path.is_file() else 0
