"""Which format a file has, and a document as something that can be read again and again."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from mt.documents.parts import Part, Source
from mt.documents.text import text_parts
from mt.errors import DataError

_ENDINGS = {
    ".txt": "text", ".tsv": "tsv", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".srt": "srt", ".vtt": "vtt", ".md": "markdown",
    ".markdown": "markdown",
}  # fmt: skip
FORMATS = ("text", "tsv", "csv", "jsonl", "srt", "vtt", "markdown")
"""What `--format` takes."""
_TABLES = ("tsv", "csv", "jsonl")
_OTHERS = (".json", ".parquet", ".html", ".htm", ".xml", ".docx", ".odt", ".xlsx", ".pdf", ".rtf", ".ass", ".po", ".rst", ".tex")
"""Endings that promise a structure which is not kept here."""


@dataclass(frozen=True)
class Document:
    """A file or standard input, with what is translated in it."""

    source: Source
    format: str
    """One of FORMATS."""
    language: str
    """The code of the source language: the column to translate where none is named."""
    column: str | None = None
    """The column of a table that is translated."""
    into: str | None = None
    """The column that takes the translation; None: the translated column itself."""
    sentences: bool = False
    """Whether lines and cells, too, are always cut into sentences; subtitles and Markdown always are."""

    def parts(self) -> Iterator[Part]:
        """All parts in order, read anew. DataError for what the format does not allow, with the line."""
        return (replace(part, sentences=True) for part in self._parts()) if self.sentences else self._parts()

    def _parts(self) -> Iterator[Part]:
        if self.format == "text":
            return text_parts(self.source)
        if self.format in _TABLES:
            from mt.documents.tables import csv_parts, jsonl_parts, tsv_parts

            read = {"tsv": tsv_parts, "csv": csv_parts, "jsonl": jsonl_parts}[self.format]
            return read(self.source, self.language, self.column, self.into)
        if self.format in ("srt", "vtt"):
            from mt.documents.subtitles import subtitle_parts

            return subtitle_parts(self.source, self.format)
        from mt.documents.markdown import markdown_parts

        return markdown_parts(self.source)


def format_of(path: Path, asked: str | None) -> str:
    """The format that was asked for, else that of the name's ending (before .gz); anything unknown is text.

    DataError for an unknown format, and for an ending whose structure would be lost.
    """
    if asked is not None:
        if asked not in FORMATS:
            raise DataError(f"--format: '{asked}' is none of {', '.join(FORMATS)}")
        return asked
    name = Path(path.name[:-3]) if path.suffix.lower() == ".gz" else path
    ending = name.suffix.lower()
    if ending in _OTHERS:
        raise DataError(
            f"{path}: '{ending}' is no format that keeps its structure here (these do: {', '.join(FORMATS)}); convert it, or translate it "
            "line by line with --format text"
        )
    return _ENDINGS.get(ending, "text")


def refuse_columns(format: str, column: str | None, into: str | None) -> None:
    """DataError for columns of something that has none."""
    for option, value in (("--column", column), ("--into", into)):
        if value is not None and format not in _TABLES:
            raise DataError(f"{option} {value}: {format} has no columns; they are for {', '.join(_TABLES)}")
