"""The lines of a text, a sentence each, from a file or from standard input. Nothing heavy is imported."""

import logging
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from mt.data.encodings import normalise, text_blocks, text_of
from mt.data.table_text import split_lines

_log = logging.getLogger("mt")


class Cleaner:
    """Normalises texts, block by block; how many were not NFC is told at the end, since it explains differences to other programs."""

    def __init__(self, origin: Path | str):
        self._origin, self._decomposed, self._total = origin, 0, 0

    def __call__(self, texts: Sequence[str]) -> list[str]:
        """The texts as `normalise` makes them."""
        self._total += len(texts)
        self._decomposed += sum(not unicodedata.is_normalized("NFC", text) for text in texts)
        return [normalise(text) for text in texts]

    def tell(self) -> None:
        """Log the count, when there is something to tell."""
        if self._decomposed:
            _log.info(
                "%s: %d of %d lines were not in Unicode NFC (decomposed Korean, as from macOS) and have been composed.",
                self._origin, self._decomposed, self._total,
            )


def read_lines(path: Path, encoding: str | None = None) -> list[str]:
    """The lines of a text file (.gz too), each as `normalise` makes it; split at line feeds only.

    encoding: None: UTF-8. Raises DataError when the file cannot be read or is not in that encoding. How many lines were not NFC is logged.
    """
    return _cleaned_lines(text_blocks(path, encoding), path)


def lines_of(data: bytes, name: str, encoding: str | None = None) -> list[str]:
    """The same for what standard input brought. name: for messages."""
    return _cleaned_lines(text_of(data, name, encoding), name)


def _cleaned_lines(texts: Iterator[str], name: Path | str) -> list[str]:
    clean = Cleaner(name)
    lines = [line for text in texts for line in clean(split_lines(text))]
    clean.tell()
    return lines
