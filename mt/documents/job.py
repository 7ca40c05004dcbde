"""The translation of one document: surveyed first, translated block by block, written when it is whole."""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from mt.documents.document import Document
from mt.documents.fit import FittingTranslator, Translated
from mt.documents.journal import Journal, journal_path
from mt.documents.parts import Part
from mt.documents.report import Report
from mt.documents.settle import settled
from mt.errors import DataError
from mt.files import write_parts_atomically
from mt.output import line_bar

FIRST_BLOCK, LARGEST_BLOCK = 64, 8192
"""Parts of a block. Larger ones are searched a little faster, smaller ones lose less when the job is killed."""
BLOCK_SECONDS = 10.0
"""What a block shall take; the next one's size follows from the last one's time."""


@dataclass(frozen=True)
class Survey:
    """What one reading of a document tells, before anything is translated."""

    digest: str
    """The sha256 of its text."""
    total: int
    """Parts to translate."""


def survey(document: Document) -> Survey:
    """Read a document from beginning to end. DataError for the first thing in it that cannot be."""
    digest, total = hashlib.sha256(), 0
    for part in document.parts():
        digest.update((part.kept + part.raw).encode("utf-8"))
        total += bool(part.text)
    return Survey(digest.hexdigest(), total)


def translate_to_file(
    document: Document, surveyed: Survey, translator: FittingTranslator, output: Path, job: dict[str, Any], restart: bool, report: Report,
    tell: Callable[[str], None],
) -> int:  # fmt: skip
    """Translate into a file that is there only when it is whole, keeping a journal beside it. Returns how many translations were in it.

    job: what must be the same for a journal to be continued, besides the text. tell: takes a line for the person who waits.
    """
    with Journal(journal_path(output), {"the text of the input": surveyed.digest, **job}, restart) as journal:
        earlier = journal.done
        if journal.done:
            tell(f"{journal.path}: going on after {journal.done} of {surveyed.total} translations")
        with line_bar(surveyed.total, True) as progress:
            progress(journal.done)
            rest = islice((part for part in document.parts() if part.text), journal.done, None)
            for block in _translated(rest, translator, progress):
                journal.append([result for _, result in block])
        write_parts_atomically(output, _written(document, surveyed, journal.read(), report))
        journal.remove()
    return earlier


def translate_to_stream(
    document: Document, surveyed: Survey, translator: FittingTranslator, write: Callable[[bytes], object], report: Report
) -> None:
    """Translate, and write each block as soon as it is done."""
    with line_bar(surveyed.total, True) as progress:
        blocks = _translated(document.parts(), translator, progress)
        for part, result in settled(pair for block in blocks for pair in block):
            write(_one(part, result, report).encode("utf-8"))


def _translated(
    parts: Iterable[Part], translator: FittingTranslator, progress: Callable[[int], None]
) -> Iterator[list[tuple[Part, Translated]]]:
    """The parts with their translations, in blocks; a part without text has an empty one."""
    parts, size = iter(parts), FIRST_BLOCK
    while block := list(islice(parts, size)):
        began = time.monotonic()
        found = iter(translator.parts([part for part in block if part.text], progress))
        yield [(part, next(found) if part.text else Translated("")) for part in block]
        seconds = max(time.monotonic() - began, 1e-3)
        size = int(min(max(size * min(max(BLOCK_SECONDS / seconds, 0.5), 2.0), 1), LARGEST_BLOCK))


def _written(document: Document, surveyed: Survey, results: Iterator[Translated], report: Report) -> Iterator[bytes]:
    """The document with its translations. DataError when it is not the one that was surveyed any more."""
    changed = DataError(
        f"{document.source.path}: the file has changed while it was translated; nothing was written, and what was translated is in the "
        "journal. Set the file back and give the same command again, or add --restart"
    )
    digest = hashlib.sha256()

    def pairs() -> Iterator[tuple[Part, Translated]]:
        for part in document.parts():
            digest.update((part.kept + part.raw).encode("utf-8"))
            result = next(results, None) if part.text else Translated("")
            if result is None:
                raise changed
            yield part, result

    for part, result in settled(pairs()):
        yield _one(part, result, report).encode("utf-8")
    if digest.hexdigest() != surveyed.digest:
        raise changed


def _one(part: Part, result: Translated, report: Report) -> str:
    """A part as it is written."""
    if not part.text:
        return part.kept
    report.add(part, result)
    return part.written(result.text)
