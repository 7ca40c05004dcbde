"""Files that are either whole or not there: written beside their place, synced, renamed."""

import os
from collections.abc import Iterable
from pathlib import Path


def write_atomically(path: Path, data: bytes | str) -> None:
    """Write a file so that a reader, or a crash, sees the old one or the new one, never a part. Text is written as UTF-8."""
    write_parts_atomically(path, [data.encode("utf-8") if isinstance(data, str) else data])


def write_lines_atomically(path: Path, lines: Iterable[str]) -> None:
    """The same line by line, without holding them all."""
    write_parts_atomically(path, (f"{line}\n".encode() for line in lines))


def write_parts_atomically(path: Path, parts: Iterable[bytes]) -> None:
    """The same with bytes, one part after the other. What raises while they are asked for leaves the old file."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(beside, "wb") as stream:
            stream.writelines(parts)
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
