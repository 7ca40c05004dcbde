"""`mt train --processes N`: the same command N times on this machine, as the processes of one training.

What torchrun does, for one machine and without its tracebacks: the first process speaks, a stop is passed on to all, and when one is lost
the others end too. Several machines: torchrun. What the processes do together is mt/training/distributed.py.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import IO

from mt.errors import TrainingError

LOST = "another process of this training has ended or no longer answers"
"""What a process says that lost another one."""
_BEGUN = "MT_TRAINING_BEGUN"
"""The environment variable that tells the processes when the command was called."""
_PATIENCE_SECONDS = 20.0
"""How long the others may take to notice that one is lost, before they are ended."""


def begun_by_launcher() -> float | None:
    """When the command that started this process was called, on time.monotonic; None in a process that nobody launched."""
    return float(os.environ[_BEGUN]) if _BEGUN in os.environ else None


def launch(arguments: Sequence[str], processes: int, begun: float) -> int:
    """Run `python -m mt ARGUMENTS` in so many processes, wait for all; returns the exit code of the training.

    Each computes with its part of the processor's threads, unless OMP_NUM_THREADS says otherwise. begun: when the command was called, on
    time.monotonic, which all processes of a machine share. TrainingError when one is killed.
    """
    threads = str(max(1, (os.cpu_count() or 1) // processes))
    shared = {"WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1",
              "MASTER_PORT": str(_free_port()), _BEGUN: repr(begun),
              "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", threads)}  # fmt: skip
    heard = [None, *(tempfile.TemporaryFile("w+", encoding="utf-8", errors="backslashreplace") for _ in range(processes - 1))]  # noqa: SIM115 - closed in _repeat
    children = [
        subprocess.Popen(
            [sys.executable, "-m", "mt", *arguments], stderr=heard[rank],
            env=os.environ | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)} | ({"PYTHONIOENCODING": "utf-8"} if rank else {}),
        )
        for rank in range(processes)
    ]
    # Ctrl-C in a terminal reaches every process by itself; passing it on would make it a second one, which stops at once.
    previous = {
        signal.SIGINT: signal.signal(signal.SIGINT, signal.SIG_IGN),
        signal.SIGTERM: signal.signal(signal.SIGTERM, lambda *_: _pass_on(children)),
    }
    try:
        return _wait(children)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        for child in children:
            child.kill()
            child.wait()
        _repeat(heard[1:])


def _repeat(heard: Sequence[IO[str]]) -> None:
    """What the other processes said of themselves; not that they lost the one which has told its reason."""
    for stream in heard:
        stream.seek(0)
        text = stream.read()
        stream.close()
        if text and LOST not in text:
            print(text, end="", file=sys.stderr)


def _free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _pass_on(children: Sequence[subprocess.Popen]) -> None:
    """Ask all processes to stop: after the update under way they save."""
    for child in children:
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)


def _wait(children: Sequence[subprocess.Popen]) -> int:
    """Until all have ended; the code of the first process that did not end well, else 0."""
    while all(child.poll() in (None, 0) for child in children):
        if all(child.poll() == 0 for child in children):
            return 0
        time.sleep(0.05)
    limit = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < limit and any(child.poll() is None for child in children):
        time.sleep(0.05)
    codes = [child.poll() for child in children]
    for rank, code in enumerate(codes):
        if code is not None and code < 0:
            raise TrainingError(
                f"process {rank} of {len(children)} was ended by {signal.Signals(-code).name} (out of memory?), and the training with it; "
                "what was saved is whole, and the same command goes on from there, also with another --processes"
            )
    return next((code for code in codes if code), 1)
