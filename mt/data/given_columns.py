"""The columns of a table that a command line names: whether the first row is a header, and which language each column is called after.

A first pair must not be lost as a header: a row counts as one by whole cells of header words (columns.py), never by a word in a sentence.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from mt.data.columns import names_a_column, of_no_side, place_named, refuse_one_column
from mt.data.language_names import language_named
from mt.data.languages import TextFacts, contradiction, could_be, language_called, look_at
from mt.data.tables import sample_table
from mt.errors import DataError

_LOOKED_AT = 2000
_AMBIGUOUS = ("id", "no", "is", "it", "de", "us", "my")
"""Codes that are also words, or what a column of numbers is called: they name a language only where the text agrees."""


@dataclass(frozen=True)
class Column:
    """A column of a table, or a text file, that may be a side."""

    name: str
    """As a configuration names it; of a text file its path."""
    label: str
    """As a person knows it: column 2 원문; or the text file's path."""
    facts: TextFacts
    called: str | None
    """The language that its name says."""


def table_columns(path: Path, wanted: Sequence[str] = (), encoding: str | None = None) -> list[Column]:
    """The columns of a table, as its first rows show them. wanted: names that somebody expects. DataError when it cannot be read."""
    sample = sample_table(path, encoding=encoding)
    names, header = list(sample.names), sample.header
    cells = [list(spread(sample.texts[name])) for name in names]
    is_csv = path.name.lower().removesuffix(".gz").endswith(".csv")
    if is_csv:
        refuse_one_column(names, str(path))
    by_name = [name for name in wanted if not name.isdecimal()]
    if is_csv and not _has_header(names, cells) and not any(place_named(names, name, True, str(path)) is not None for name in by_name):
        raise DataError(
            f"{path}: the first row looks like a pair, not like the names of columns: {' | '.join(names)}. A CSV file begins with a "
            "header: add a first line such as ko,en. If it is the header all the same, name its columns with --source-column and "
            "--target-column"
        )
    if not header:
        first = [column[0].strip() if column else "" for column in cells]
        below = [column[1:] for column in cells]
        named_by = any(place_named(first, name, False, str(path)) is not None for name in by_name)
        if len(set(first)) == len(first) and (named_by or (len(by_name) == len(wanted) and _is_header(first, below))):
            names, cells, header = first, below, True
    return [_column(number, name, column, header) for number, (name, column) in enumerate(zip(names, cells, strict=True), 1)]


def _column(number: int, name: str, cells: Sequence[str], named_by_header: bool) -> Column:
    label = f"column {number} {name}" if named_by_header else f"column {number}"
    facts = look_at(cells)
    return Column(name, label, facts, _called(name, facts) if named_by_header else None)


def _called(name: str, facts: TextFacts) -> str | None:
    """The language that a column's name says. A name such as id or it says one only where the text agrees."""
    code = language_called(name)
    if code is None or name.strip().casefold() not in _AMBIGUOUS:
        return code
    if facts.language is None and not of_no_side(name):
        return None if contradiction(code, facts) else code
    return code if could_be(facts.language, code) else None


def _is_header(first: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Whether the first row of a TSV file is no text although its words are not those of headers: a word above numbers, 'ko_raw'."""
    if any(cell.isdecimal() for cell in first):
        return False  # a number would be read as the place of a column
    if sum(_joined_name(cell, look_at(column)) for cell, column in zip(first, below, strict=True)) >= 2:
        return True
    return any(
        cell and len(column) >= 5 and look_at(column).worded < 0.05 and look_at([cell]).worded
        for cell, column in zip(first, below, strict=True)
    )


def _joined_name(cell: str, facts: TextFacts) -> bool:
    """Whether a cell is one word, joined from parts of which one is the language of the text below: ko_raw, sent.en."""
    code = language_called(cell) if re.fullmatch(r"[^\W_]+([_.-][^\W_]+)+", cell.strip()) else None
    return code is not None and (could_be(facts.language, code) or (facts.language is None and not contradiction(code, facts)))


def _has_header(names: Sequence[str], cells: Sequence[Sequence[str]]) -> bool:
    """Whether some cell of a CSV file's first row is made of words of headers, and the text does not make it a text: 'Hi' is no Hindi."""
    for name, column in zip(names, cells, strict=True):
        if _joined_name(name, look_at(column)):
            return True
        if names_a_column(name):
            code, facts = language_named(name), look_at(column)
            if code is None or len(names) > 2 or could_be(facts.language, code):
                return True
            if facts.language is None and not contradiction(code, facts):
                return True
    return len(names) <= 2 and all(map(names_a_column, names))


def spread(values: Sequence) -> list:
    """At most some thousand values, the first of them and others evenly over all."""
    return list(islice(values, 0, None, max(1, len(values) // _LOOKED_AT)))
