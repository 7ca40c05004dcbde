"""A document read and written again."""

from collections.abc import Callable
from pathlib import Path

from mt.documents.document import Document
from mt.documents.parts import Source


def rewritten(
    data: bytes, format: str, change: Callable[[str], str] = lambda text: text, column: str | None = None, into: str | None = None
) -> bytes:
    """A document with every text translated by a function."""
    document = Document(Source(Path("standard input"), data), format, "ko", column, into)
    return "".join(part.written(change(part.text)) if part.text else part.kept for part in document.parts()).encode("utf-8")
