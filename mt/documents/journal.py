"""What has been translated so far, in a file beside the output, so that a job that was stopped goes on where it was.

The first line says what the job is; each further one holds the translation of one part. Lines are appended block by block and synced, so
that a kill or a power cut costs the block under way. A line that was cut or damaged ends the journal: what follows is translated again.
"""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from mt.documents.fit import Translated
from mt.errors import DataError, MtError
from mt.files import sync_directory
from mt.run_lock import try_lock

_FORMAT = 2
"""Counts up whenever a document is cut into other units, or these are kept or translated by other rules."""
_MAGIC = b'{"mt-journal": '
_FIELDS = ("text", "finished", "pieces", "kept", "markup")


def journal_path(output: Path) -> Path:
    """Where the journal of an output is."""
    return output.with_name(f"{output.name}.journal")


class Journal:
    """The journal of one job, held by one process. To be used in a with statement."""

    def __init__(self, path: Path, job: dict[str, Any], restart: bool):
        """Open it, or begin it.

        job: what must be the same for the job to go on, as JSON, by names that a person understands. restart: begin anew whatever is there.
        DataError when another process has it, when it belongs to another job, or when it is something else.
        """
        self.path, self.done = path, 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._stream: BinaryIO = open(path, "a+b")  # noqa: SIM115 - held until the job ends
        try:
            if not try_lock(self._stream):
                raise DataError(f"{path}: another process is translating into this output; wait for it, or give another --output")
            self._begin({"mt-journal": _FORMAT, **job}, restart)
        except BaseException:
            self._stream.close()
            raise

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *error: object) -> None:
        self._stream.close()

    def append(self, block: Sequence[Translated]) -> None:
        """The next translations; they are on disk when this returns."""
        lines = []
        for number, part in enumerate(block, self.done):
            lines.append(json.dumps([number, *(getattr(part, name) for name in _FIELDS)], ensure_ascii=False) + "\n")
        self._write("".join(lines))
        self.done += len(block)

    def read(self) -> Iterator[Translated]:
        """All translations so far, in order."""
        with self.path.open("rb") as stream:
            stream.readline()
            for number in range(self.done):
                part = _entry(stream.readline(), number)
                assert part is not None, "a line that was whole when the journal was opened is not any more"
                yield part

    def remove(self) -> None:
        """Take it away: the output is whole."""
        self.path.unlink(missing_ok=True)

    def _begin(self, job: dict[str, Any], restart: bool) -> None:
        """Check what is there, cut off what is not whole, or write the first line."""
        self._stream.seek(0)
        first = self._stream.readline()
        if first[: len(_MAGIC)] != _MAGIC[: len(first)]:
            raise DataError(f"{self.path}: this is no journal of mt translate; move it away, or give another --output")
        found = _parsed(first) if first.endswith(b"\n") else None
        if isinstance(found, dict) and not restart:
            self._refuse_other(found, job)
            self._find_end(len(first))
            return
        self._stream.truncate(0)
        self._write(json.dumps(job, ensure_ascii=False) + "\n")
        sync_directory(self.path.parent)

    def _find_end(self, end: int) -> None:
        """Count the whole lines behind the first, which ends at byte `end`, and cut off the rest."""
        while (line := self._stream.readline()) and _entry(line, self.done) is not None:
            self.done, end = self.done + 1, end + len(line)
        self._stream.truncate(end)

    def _refuse_other(self, found: dict[str, Any], job: dict[str, Any]) -> None:
        """DataError, naming what is not as it was, when the journal is of another job."""
        changed = []
        for key in dict.fromkeys([*found, *job]):
            was, now = found.get(key), job.get(key)
            if was != now:
                shown = f" ({_short(was)}, now {_short(now)})" if not _is_hash(was) and not _is_hash(now) else ""
                changed.append(f"{key} has changed{shown}")
        if changed:
            raise DataError(
                f"{self.path}: an unfinished translation of this output is here, but since then {'; '.join(changed)}. Set it back to go "
                "on, add --restart to begin anew (what was translated is then dropped), or give another --output"
            )

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text.encode("utf-8"))
            self._stream.flush()
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise MtError(
                f"{self.path}: cannot be written ({error.strerror}); what is in it stays. Make room and give the same command again"
            ) from error


def _parsed(line: bytes) -> Any:
    """A line of JSON; None when it is none."""
    try:
        return json.loads(line)
    except ValueError:
        return None


def _entry(line: bytes, number: int) -> Translated | None:
    """A line of the journal as the translation of the part of that number; None when it is not whole or not that one."""
    found = _parsed(line) if line.endswith(b"\n") else None
    kinds = (int, str, bool, int, int, str)
    if not isinstance(found, list) or [type(value) for value in found] != list(kinds) or found[0] != number:
        return None
    return Translated(**dict(zip(_FIELDS, found[1:], strict=True)))


def _is_hash(value: object) -> bool:
    """Whether it says nothing to a person."""
    texts = value if isinstance(value, list) else [value]
    return all(isinstance(text, str) and len(text) == 64 for text in texts)


def _short(value: object) -> str:
    """A value for a message."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:59]}…"
