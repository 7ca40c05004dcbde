"""A document as something that can be read again and again."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from mt.documents.parts import Part, Source
from mt.documents.placeholders import with_placeholders
from mt.documents.tags import with_tags
from mt.documents.text import text_parts
from mt.errors import DataError

_TABLES = ("tsv", "csv", "jsonl")


@dataclass(frozen=True)
class Document:
    """A file or standard input, with what is translated in it."""

    source: Source
    format: str
    """One of FORMATS (mt/documents/kinds.py)."""
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
        for part in self._parts():
            own = with_tags(part) if self.format == "text" or self.format in _TABLES else part
            own = own if self.format == "markdown" else with_placeholders(own)  # Markdown finds its own, since they can be escaped
            yield replace(own, sentences=True) if self.sentences else own

    def _parts(self) -> Iterator[Part]:
        if self.format == "text":
            return text_parts(self.source)
        if self.format in _TABLES:
            from mt.documents.tables import csv_parts, json_parts, tsv_parts

            read = {"tsv": tsv_parts, "csv": csv_parts, "jsonl": json_parts}[self.format]
            return read(self.source, self.language, self.column, self.into)
        if self.format in ("srt", "vtt"):
            from mt.documents.subtitles import subtitle_parts

            return subtitle_parts(self.source, self.format)
        from mt.documents.markdown import markdown_parts

        return markdown_parts(self.source)


def refuse_columns(format: str, column: str | None, into: str | None) -> None:
    """DataError for columns of something that has none."""
    for option, value in (("--column", column), ("--into", into)):
        if value is not None and format not in _TABLES:
            raise DataError(f"{option} {value}: {format} has no columns; they are for {', '.join(_TABLES)}")
