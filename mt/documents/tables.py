"""Tables: one column is translated, every other cell, quote and line end is kept.

What a row is, a cell and a text, is decided where training decides it: mt/data/table_text.py, table_json.py and columns.py. The
translation takes the place of its source, or goes into a column of its own.
"""

import json
import re
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from json.decoder import scanstring
from pathlib import Path

from mt.data.columns import listed_names, looks_like_header, place_named, place_of_source, refuse_one_column
from mt.data.table_json import DECODER, document_rows, has_lines, json_object, members_of, read_json, value_text
from mt.data.table_text import Faults, csv_cells, csv_records, csv_text
from mt.documents.parts import Part, Source, cut_ends, cut_line_end, cut_mark, kept
from mt.errors import DataError

_BLANK = re.compile(r"[ \t\r\n]*")
_MOST_KEPT = 1 << 16


@dataclass(frozen=True)
class _Asked:
    """Which column is to be translated, and where to."""

    language: str
    """The source language, whose column it is where none is named."""
    column: str | None
    into: str | None


@dataclass(frozen=True)
class _Columns:
    """Which cells of a row are read and written."""

    count: int
    """Cells of every row."""
    source: int
    target: int
    """Equal to count: a new last cell."""
    header: bool
    """Whether the first row names the columns."""
    new: str = ""
    """The name of a new column."""


def tsv_parts(source: Source, language: str, column: str | None, into: str | None) -> Iterator[Part]:
    """The parts of a TSV file. The first row is a header when it has the column's name (by default the language's), or looks like one."""
    before, lines = cut_mark(source.lines())
    rows = ((number, line, line.split("\t"), end) for number, (line, end) in enumerate(map(cut_line_end, lines), 1))
    return _rows_to_parts(source, before, rows, Faults(source.path), _Asked(language, column, into), "\t", _tsv_cell)


def csv_parts(source: Source, language: str, column: str | None, into: str | None) -> Iterator[Part]:
    """The parts of a CSV file with a header."""
    before, lines = cut_mark(source.lines())
    faults = Faults(source.path)

    def rows() -> Iterator[tuple[int, str, list[str], str]]:
        for number, record in csv_records(lines, faults, ""):
            text, end = cut_line_end(record)
            yield number, text, csv_cells(text, number, faults), end

    return _rows_to_parts(source, before, rows(), faults, _Asked(language, column, into), ",", _csv_cell)


def _rows_to_parts(
    source: Source, before: str, rows: Iterator[tuple[int, str, list[str], str]], faults: Faults, asked: _Asked, separator: str,
    write: Callable[[str, str], str],
) -> Iterator[Part]:  # fmt: skip
    """The parts of rows of cells.

    before: what stands before the first row. rows: for each row its line, its text, its cells as they stand in the file, its line end.
    write: a cell's new content as it stands in the file, given the cell that it replaces.
    """
    content = csv_text if separator == "," else str
    columns = None
    for number, row, found, end in rows:
        if len(found) == 1 and not row.strip() and (columns is None or columns.count > 1):  # an empty line is no row
            before = yield from _kept(before + row + end)
            continue
        if columns is None:
            columns = _choose(str(source.path), [content(cell).strip() for cell in found], asked, is_csv=separator == ",")
            if columns.header:
                new = [write(columns.new, "")] if columns.target == columns.count else []
                before += separator.join([*found, *new]) + end
                continue
        if len(found) != columns.count:
            faults.width(number, len(found), columns.count, row)
            before = yield from _kept(before + row + end)
            continue
        head, old, tail = _around(found, columns, separator)
        text = content(found[columns.source])
        if not text.strip():
            before = yield from _kept(before + head + old + tail + end)
            continue
        first, core, last = cut_ends(text)

        def written(translation: str, old: str = old, first: str = first, last: str = last) -> str:
            return write(first + translation + last, old)

        own = columns.target == columns.source
        yield Part(before + head, old if own else written(core), core, number, write=written)
        before = tail + end
    faults.finish()
    if before:
        yield kept(before)


def _around(found: Sequence[str], columns: _Columns, separator: str) -> tuple[str, str, str]:
    """A row before the cell that is written, that cell as it was, and the row behind it."""
    head = separator.join([*found[: columns.target], ""])
    old = found[columns.target] if columns.target < columns.count else ""
    return head, old, "".join(separator + cell for cell in found[columns.target + 1 :])


def _kept(text: str) -> Generator[Part, None, str]:
    """What is still to be written before the next translation; a long text is handed on at once, and nothing is left."""
    if len(text) <= _MOST_KEPT:
        return text
    yield kept(text)
    return ""


def _column_of_text(path: str, language: str) -> str:
    """': --column 2' for a table's first column whose text is in the language; "" where the text shows none."""
    from mt.data.given_columns import table_columns
    from mt.data.languages import could_be

    try:
        columns = table_columns(Path(path))
    except DataError:  # standard input, another encoding, rows that are wrong further down
        return ""
    return next((f": --column {number}" for number, column in enumerate(columns, 1) if could_be(column.facts.language, language)), "")


def _choose(origin: str, names: list[str], asked: _Asked, is_csv: bool) -> _Columns:
    """The columns, from the first row. DataError when the one to translate is not clear."""
    if is_csv:
        refuse_one_column(names, origin)
    header = is_csv or looks_like_header(names)
    place = place_named(names, asked.column, header, origin) if asked.column else place_of_source(names, asked.language, origin)
    by_name = place is not None and not (asked.column or "").isdecimal()
    if place is None and asked.column is None and len(names) == 1:
        place = 0
    if place is None:
        missing = f"there is no column '{asked.column}'" if asked.column else f"no column is named '{asked.language}', the source language"
        raise DataError(
            f"{origin}: {missing}; the first row has: {listed_names(names)}. Name one with --column, or count it from 1"
            f"{_column_of_text(origin, asked.language)}"
        )
    header = header or by_name
    into = asked.into
    if into is None:
        return _Columns(len(names), place, place, header)
    target = place_named(names, into, header, origin) if header or into.isdecimal() else None
    if target is not None and not (header and into.isdecimal() and into not in names):
        return _Columns(len(names), place, target, header)
    return _Columns(len(names), place, len(names), header, into)


def _tsv_cell(text: str, old: str) -> str:
    """A cell of a TSV file: what would end it becomes a space."""
    return re.sub(r"[\t\r\n]+", " ", text)


def _csv_cell(text: str, old: str) -> str:
    """A cell of a CSV file, quoted when it must be or the old one was."""
    quoted = old.startswith('"') or any(mark in text for mark in '",\r\n')
    return '"' + text.replace('"', '""') + '"' if quoted else text


def json_parts(source: Source, language: str, column: str | None, into: str | None) -> Iterator[Part]:
    """The parts of a JSON file (an object a line, a list of objects, an object around one): the text under a key, or under keys with a full
    stop between them (translation.ko).

    A row without the key, or with null or a number there, is kept; if no row has it, that is a DataError.
    """
    name = _json_name(source, language, column)
    faults = Faults(source.path)
    before, lines = cut_mark(source.lines(longest=None))
    if has_lines(source.texts(longest=None))[0]:
        rows, unit = _object_lines(lines, faults), "line"
    else:
        rows, unit = _object_items("".join(lines), faults), "row"
    for number, head, text, end in rows:
        before = yield from _kept(before + head)
        values = _values_in(text, _BLANK.match(text).end(), "") if text else {}
        value = DECODER.decode(text[slice(*values[name])]) if name in values else None
        problem = value_text(value)[1]
        if problem:
            faults.row(number, f"column '{name}' {problem}", unit=unit)
        if value is None or not value.strip() or text[values[name][0]] != '"':
            before = yield from _kept(before + text + end)
            continue
        first, core, last = cut_ends(value)

        def written(translation: str, like: str = text, first: str = first, last: str = last) -> str:
            return json.dumps(first + translation + last, ensure_ascii=like.isascii() and "\\u" in like)

        start, old, tail = _place(text, values, name, into or name)
        yield Part(before + start, old if into in (None, name) else written(core), core, number, write=written)
        before = tail + end
    if before:
        yield kept(before)


def _json_name(source: Source, language: str, column: str | None) -> str:
    """The name of the values to translate. DataError where no row has it."""
    names: dict[str, None] = {}
    for rows in read_json(source.texts(longest=None), Faults(source.path))[0]:
        names |= dict.fromkeys(rows.names())
        known = list(names)
        place = place_named(known, column, True, str(source.path)) if column else place_of_source(known, language, str(source.path))
        if place is not None:
            return known[place]
    if not names:
        return ""
    missing = f"there is no column '{column}'" if column else f"no column is named '{language}', the source language"
    raise DataError(f"{source.path}: {missing}; the names are: {listed_names(list(names))}. Name one with --column")


def _object_lines(lines: Iterator[str], faults: Faults) -> Iterator[tuple[int, str, str, str]]:
    """For each line its number, nothing, its object, its line end; a line without text is a line end."""
    for number, line in enumerate(lines, 1):
        text, end = cut_line_end(line)
        if json_object(text, number, faults) is None:
            yield number, line, "", ""
        else:
            yield number, "", text, end


def _object_items(text: str, faults: Faults) -> Iterator[tuple[int, str, str, str]]:
    """For each object of a list its number, what stands before it, the object, and nothing."""
    number = place = 0
    for number, item in document_rows(text, faults):
        yield number, text[place : item.start], text[item.start : item.stop], ""
        place = item.stop
    yield number + 1, text[place:], "", ""


def _values_in(text: str, start: int, prefix: str) -> dict[str, tuple[int, int]]:
    """Where the values of the object that begins at `start` are, quotation marks included; those of objects in it by 'outer.inner'."""
    found: dict[str, tuple[int, int]] = {}
    for name, value, begin, stop in members_of(text, start):
        if isinstance(value, dict) and not prefix:
            found |= _values_in(text, begin, f"{name}.")
        else:
            found[prefix + name] = (begin, stop)
    return found


def _place(text: str, values: dict[str, tuple[int, int]], name: str, target: str) -> tuple[str, str, str]:
    """A line before the value that is written, that value as it was, and the line behind it. A new key becomes the last of its object."""
    if target in values:
        start, stop = values[target]
        return text[:start], text[start:stop], text[stop:]
    outer, _, inner = target.rpartition(".")
    beside = bool(outer) and outer == name.rpartition(".")[0]
    opening = text[: _end_of_object(text, values[name][1]) if beside else len(text.rstrip()) - 1].rstrip()
    spaced = ": " in text
    key = json.dumps(inner if beside else target, ensure_ascii=False)
    return f"{opening},{' ' * spaced}{key}:{' ' * spaced}", "", text[len(opening) :]


def _end_of_object(text: str, place: int) -> int:
    """Where the object ends (its brace) that has the value ending at `place`."""
    while text[place := _BLANK.match(text, place).end()] != "}":
        place = _BLANK.match(text, place + 1).end()  # behind the comma
        _, place = scanstring(text, place + 1)
        place = _BLANK.match(text, _BLANK.match(text, place).end() + 1).end()
        _, place = DECODER.raw_decode(text, place)
    return place
