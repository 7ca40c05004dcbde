"""Tables: one column is translated, every other cell, quote and line end is kept.

TSV has no quoting (mt/data/tables.py reads it so for training too), CSV that of RFC 4180, JSON Lines an object a line. The translation
takes the place of its source, or goes into a column of its own.
"""

import json
import re
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from json.decoder import scanstring
from pathlib import Path

from mt.documents.parts import Part, Source, cut_ends, cut_line_end, cut_mark, kept, refuse
from mt.errors import DataError

_CSV_CELL = re.compile(r'"(?:[^"]|"")*",|[^",\n]*,')
_DECODER = json.JSONDecoder()
_BLANK = re.compile(r"[ \t\r\n]*")
_HALF = re.compile("[\ud800-\udfff]")
_MOST_KEPT = 1 << 16


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
    """The parts of a TSV file. The first row is a header when it has the column's name (by default the language's code)."""
    return _rows_to_parts(source, language, column, into, "\t", lambda line, number: line.split("\t"), _tsv_cell, None)


def csv_parts(source: Source, language: str, column: str | None, into: str | None) -> Iterator[Part]:
    """The parts of a CSV file with a header."""

    def cells(record: str, number: int) -> list[str]:
        found = _CSV_CELL.findall(record + ",")
        if "".join(found) != record + ",":
            problem = 'a quotation mark inside a cell is written twice ("") and the cell is quoted; with tabs it is a .tsv'
            raise refuse(source.path, number, problem)
        return [cell[:-1] for cell in found]

    return _rows_to_parts(source, language, column, into, ",", cells, _csv_cell, _csv_text)


def _rows_to_parts(
    source: Source, language: str, column: str | None, into: str | None, separator: str, cells: Callable[[str, int], list[str]],
    write: Callable[[str, str], str], read: Callable[[str], str] | None,
) -> Iterator[Part]:  # fmt: skip
    """The parts of rows of cells.

    cells: a row's, as they stand in the file. write: a cell's new content as it stands in the file, given the cell that it replaces. read:
    the content of a cell; None: as it stands.
    """
    content = read or (lambda cell: cell)
    before, lines = cut_mark(source.lines())
    columns: _Columns | None = None
    rows = _records(lines, source.path) if read else ((number, *cut_line_end(line)) for number, line in enumerate(lines, 1))
    for number, row, end in rows:
        found = cells(row, number)
        if columns is None:
            columns = _choose(source.path, [content(cell).strip() for cell in found], language, column, into, has_header=read is not None)
            if columns.header:
                new = [write(columns.new, "")] if columns.target == columns.count else []
                before += separator.join([*found, *new]) + end
                continue
        if len(found) == 1 and not row.strip() and columns.count > 1:  # an empty line is no row
            before = yield from _kept(before + row + end)
            continue
        if len(found) != columns.count:
            there = f"{len(found)} column{'s' * (len(found) != 1)}, but the first row has {columns.count}"
            raise refuse(source.path, number, f"{there}. Repair or remove that row")
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


def _records(lines: Iterator[str], path: Path) -> Iterator[tuple[int, str, str]]:
    """CSV records with the number of their first line and their line end: a quoted cell may run over lines."""
    record: list[str] = []
    first = marks = 0
    for number, line in enumerate(lines, 1):
        first = first if record else number
        record.append(line)
        marks += line.count('"')
        if marks % 2 == 0:
            yield first, *cut_line_end("".join(record))
            record, marks = [], 0
    if record:
        raise refuse(path, first, "a quoted cell that begins here does not end. Close it; a quotation mark inside a cell is written twice")


def _choose(path: Path, names: list[str], language: str, column: str | None, into: str | None, has_header: bool) -> _Columns:
    """The columns, from the first row. DataError when the one to translate is not clear."""
    if has_header and len(names) == 1 and (mark := re.search(r"[;\t|]", names[0])):
        raise DataError(
            f"{path}: the first row has one column, '{names[0]}', with {mark[0]!r} in it. Save it with commas, or, with tabs, name it .tsv"
        )
    wanted = column or language
    named = wanted in names
    if named and names.count(wanted) > 1:
        raise DataError(f"{path}: the header names the column '{wanted}' {names.count(wanted)} times. Rename one of them")
    if named:
        place = names.index(wanted)
    elif column is not None and column.isdecimal() and 1 <= int(column) <= len(names):
        place = int(column) - 1
    elif column is None and len(names) == 1:
        place = 0
    else:
        there = ", ".join(f"{name or number!s}" for number, name in enumerate(names[:9], 1)) + ", …" * (len(names) > 9)
        missing = f"there is no column '{column}'" if column else f"no column is named '{language}', the model's source language"
        raise DataError(f"{path}: {missing}; the first row has: {there}. Name one with --column, or count it from 1: --column 1")
    header = has_header or named
    if into is None:
        return _Columns(len(names), place, place, header)
    if into in names and header:
        return _Columns(len(names), place, names.index(into), header)
    if not header and into.isdecimal() and 1 <= int(into) <= len(names):
        return _Columns(len(names), place, int(into) - 1, header)
    return _Columns(len(names), place, len(names), header, into)


def _tsv_cell(text: str, old: str) -> str:
    """A cell of a TSV file: what would end it becomes a space."""
    return re.sub(r"[\t\r\n]+", " ", text)


def _csv_cell(text: str, old: str) -> str:
    """A cell of a CSV file, quoted when it must be or the old one was."""
    quoted = old.startswith('"') or any(mark in text for mark in '",\r\n')
    return '"' + text.replace('"', '""') + '"' if quoted else text


def _csv_text(cell: str) -> str:
    """What a cell of a CSV file says."""
    return cell[1:-1].replace('""', '"') if cell.startswith('"') else cell


def jsonl_parts(source: Source, language: str, column: str | None, into: str | None) -> Iterator[Part]:
    """The parts of a JSON Lines file: a string under a key, or under keys with full stops between them (translation.ko).

    A line without the key, or with null there, is kept; if no line has it, that is a DataError.
    """
    before, lines = cut_mark(source.lines())
    names = [column] if column else [language, f"translation.{language}"]
    seen: dict[str, None] = {}
    hits = rows = 0
    for number, line in enumerate(lines, 1):
        text, end = cut_line_end(line)
        if not text.strip():
            before = yield from _kept(before + line)
            continue
        rows += 1
        values = _values(text, source.path, number)
        strings = [name for name, (start, _) in values.items() if text[start] == '"']
        seen.update(dict.fromkeys(strings))
        name = next((name for name in names if name in strings), None)
        hits += name is not None
        value = "" if name is None else json.loads(text[slice(*values[name])])
        if not value.strip():
            before = yield from _kept(before + line)
            continue
        if _HALF.search(value):
            raise refuse(source.path, number, f"'{name}' has half of a surrogate pair (\\ud800 to \\udfff), which is no text. Repair it")
        first, core, last = cut_ends(value)

        def written(translation: str, like: str = text, first: str = first, last: str = last) -> str:
            return json.dumps(first + translation + last, ensure_ascii=like.isascii() and "\\u" in like)

        head, old, tail = _place(text, values, name, into or name)
        yield Part(before + head, old if into in (None, name) else written(core), core, number, write=written)
        before = tail + end
    if rows and not hits:
        there = ", ".join(list(seen)[:9]) or "none"
        missing = f"no line has text under '{column}'" if column else f"no line has text under '{language}', the model's source language"
        raise DataError(f"{source.path}: {missing}; keys with text: {there}. Name one with --column")
    if before:
        yield kept(before)


def _values(text: str, path: Path, number: int) -> dict[str, tuple[int, int]]:
    """Where the values of an object stand, quotation marks included, by their keys; those of objects inside it by 'outer.inner'."""
    try:
        item = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise refuse(path, number, f"this is not JSON ({error}). Repair that line: an object on each") from None
    if not isinstance(item, dict):
        raise refuse(path, number, 'this is not an object. Expected {"ko": "…"} or the like')
    return _values_in(text, _BLANK.match(text).end(), "")


def _values_in(text: str, start: int, prefix: str) -> dict[str, tuple[int, int]]:
    """The same for the object that begins at `start`, one level of further objects included."""
    found: dict[str, tuple[int, int]] = {}
    place = _BLANK.match(text, start + 1).end()
    while text[place] != "}":
        key, place = scanstring(text, place + 1)
        place = _BLANK.match(text, _BLANK.match(text, place).end() + 1).end()  # behind the colon
        value, stop = _DECODER.raw_decode(text, place)
        found[prefix + key] = (place, stop)
        if isinstance(value, dict) and not prefix:
            found |= _values_in(text, place, f"{key}.")
        place = _BLANK.match(text, stop).end()
        if text[place] == ",":
            place = _BLANK.match(text, place + 1).end()
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
        _, place = _DECODER.raw_decode(text, place)
    return place
