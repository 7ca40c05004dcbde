"""One process at a time trains a run: a lock that the system takes back when its holder ends, in whatever way."""

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from mt.errors import RunError
from mt.runs import RunDirectory, shown

_TRIES = 5
"""So often a lock that another process has is asked for."""


@contextmanager
def locked(run: RunDirectory) -> Iterator[None]:
    """Inside, no other process trains this run. RunError, naming the one that does, when there is one.

    The lock is a file beside the run's folder, so that it holds when the folder is moved aside. Where files cannot be locked (some
    network file systems, Windows without msvcrt) nobody is kept out.
    """
    path = _lock_path(run)
    alone = not path.parent.exists()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = _hold(path)
    except OSError as error:
        raise RunError(f"{shown(path.parent)}: cannot be made ({error.strerror}); set MT_RUNS to a folder for runs") from error
    if stream is None:
        raise RunError(
            f"{shown(run.path)}: {_holder(path)} is training this run; wait for it, stop it, or give this one another name "
            "(--set name=…)"
        )
    with stream:
        holder = {"process": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
        stream.truncate(0)
        stream.write(json.dumps(holder).encode())
        stream.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)  # while it is still held: whoever opened it before sees that it is gone (_hold)
            if alone:
                with suppress(OSError):
                    path.parent.rmdir()  # a training that was refused leaves nothing


def is_held(run: RunDirectory) -> bool | None:
    """Whether a process trains this run now; None where that cannot be seen from here.

    The lock's file is gone once a training has ended. Where one was killed it stays, and the system has taken the lock back. A file of
    another machine says nothing unless the lock is seen to be held: not every network file system shares its locks.
    """
    try:
        import fcntl

        with open(_lock_path(run), "rb") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            host = json.loads(stream.read())["host"]
    except FileNotFoundError:
        return False
    except (ImportError, OSError, ValueError, KeyError, TypeError):
        return None
    return False if host == socket.gethostname() else None


def _lock_path(run: RunDirectory) -> Path:
    return run.path.with_name(f".{run.path.name}.lock")


def _hold(path: Path) -> BinaryIO | None:
    """The file, opened and locked; None when another process has it."""
    tries = 0
    while True:
        stream = open(path, "a+b")  # noqa: SIM115 - held until the run ends
        if not try_lock(stream):
            stream.close()
            tries += 1
            if tries == _TRIES:
                return None
            time.sleep(0.02)  # `mt runs` may have asked at this moment (is_held)
            continue
        try:
            same = os.name == "nt" or os.fstat(stream.fileno()).st_ino == path.stat().st_ino
        except FileNotFoundError:
            same = False
        if same:
            return stream
        stream.close()  # it was taken away by the one that held it just before


def try_lock(stream: BinaryIO) -> bool:
    """Lock without waiting; False when another has the lock."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # this file system has no locks
    return True


def _holder(path: Path) -> str:
    """Who holds the lock, as far as it says."""
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
        return f"process {holder['process']} on {holder['host']} (since {holder['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
