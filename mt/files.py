"""Files that are either whole or not there: written beside their place, synced, renamed."""

import os
from pathlib import Path


def write_atomically(path: Path, data: bytes | str) -> None:
    """Write a file so that a reader, or a crash, sees the old one or the new one, never a part. Text is written as UTF-8."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(beside, "wb") as stream:
            stream.write(data.encode("utf-8") if isinstance(data, str) else data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make a rename inside the directory survive a power cut, where the system can."""
    if os.name == "nt":
        return  # Windows has no handle on a directory to sync
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
