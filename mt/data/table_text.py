"""The rows of tables in text: TSV and CSV, as lists of cells. Training, checking and translating read them through this file alone.

TSV has no quoting: a quotation mark is a character of the sentence, as in every corpus in TSV. CSV has that of RFC 4180: a cell that begins
with a quotation mark ends with one, and a quotation mark inside is written twice. Lines without text are no rows. What else is not a row
with as many cells as the first goes to `Faults`, which refuses it; `mt check` gives one of its own that notes it and goes on.
"""

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from mt.data.encodings import LONGEST_LINE
from mt.errors import DataError

_CELL = re.compile(r'"[^"]*+(?:""[^"]*+)*+",|[^",]*+,')
_QUOTED = re.compile(r'"[^"]*+(?:""[^"]*+)*+"')
_MOST_SHOWN = 5
BLOCK_ROWS = 1 << 16
"""Rows of a block, where the format does not come in blocks of its own."""
INSIDE = 'a quotation mark inside a cell is written twice ("") and the cell is quoted, without a space before it; with tabs it is a .tsv'
OPEN = "a quoted cell that begins here does not end. Close it; a quotation mark inside a cell is written twice"


class Faults:
    """Refuses what is not a row of the format: the first such line, and with it other rows of the wrong width."""

    def __init__(self, origin: Path | str):
        self._origin, self._shown, self._count, self._expected = origin, [], 0, 0

    def row(self, line: int, problem: str, text: str = "", unit: str = "line") -> None:
        """A row that cannot be read. text: what stands there. unit: what `line` counts. Raises DataError."""
        self.finish()
        raise DataError(f"{self._origin}: {unit} {line}: {problem}")

    def width(self, line: int, found: int, expected: int, text: str) -> None:
        """A row with more or fewer cells than the first: a cell too many means a wrong sentence."""
        self._expected = expected
        self._count += 1
        if self._count <= _MOST_SHOWN:
            self._shown.append(f"line {line} ({found})")

    def finish(self) -> None:
        """All rows were read. Raises DataError when there were some of the wrong width."""
        if self._count:
            more = f" and {self._count - _MOST_SHOWN} more" if self._count > _MOST_SHOWN else ""
            raise DataError(
                f"{self._origin}: the first row has {self._expected} columns, unlike {', '.join(self._shown)}{more}. "
                "Repair or remove what differs: a separator inside a sentence, or one that is missing."
            )


@dataclass(frozen=True)
class CellRows:
    """Rows that stand one after another, all with the same number of cells."""

    rows: Sequence[Sequence[str]]
    """The cells as they stand in the file, quotation marks included."""
    lines: Sequence[int]
    """The line that each begins in, from 1."""
    quoted: bool
    """Whether cells are quoted as in CSV."""

    def head(self) -> list[str]:
        """The texts of the first of these rows."""
        return [csv_text(cell) if self.quoted else cell for cell in self.rows[0]]

    def column(self, place: int) -> list[str]:
        """The texts of a column, counted from 0."""
        cells = [row[place] for row in self.rows]
        return [csv_text(cell) if cell[:1] == '"' else cell for cell in cells] if self.quoted else cells


def split_lines(text: str) -> list[str]:
    """The lines of a text, split at line feeds only.

    Python's splitlines() also splits at form feeds, U+0085, U+2028 and others, which are characters of a sentence here:
    splitting there shifts all the lines below against the other side. A missing line feed at the end makes no difference.
    """
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    return lines


def tsv_rows(texts: Iterator[str], faults: Faults) -> Iterator[CellRows]:
    """The rows of a TSV file, the first one included. texts: blocks that end at line feeds."""
    width, next_line = 0, 1
    for text in texts:
        lines = split_lines(text)
        if "\r" in text:
            lines = [line.rstrip("\r") for line in lines]
        numbers: Sequence[int] = range(next_line, next_line + len(lines))
        next_line += len(lines)
        rows = [line.split("\t") for line in lines]
        if not width:
            width = next((len(row) for row in rows if len(row) > 1 or row[0].strip()), 0)
        if set(map(len, rows)) != {width}:
            rows, numbers = _of_width(zip(numbers, rows, strict=True), width, faults)
        if rows:
            yield CellRows(rows, numbers, quoted=False)
    faults.finish()


def csv_rows(texts: Iterator[str], faults: Faults) -> Iterator[CellRows]:
    """The rows of a CSV file, the header included."""
    lines = chain.from_iterable(map(split_lines, texts))
    records = csv_records(lines, faults, "\n")
    width = 0
    done = False
    while not done:
        rows, numbers = [], []
        for number, record in records:
            record = record.rstrip("\r")
            cells = record.split(",") if '"' not in record else csv_cells(record, number, faults)
            if cells is None:
                continue
            if len(cells) != width:
                if not record.strip():
                    continue
                if width:
                    faults.width(number, len(cells), width, record)
                    continue
                width = len(cells)
            rows.append(cells)
            numbers.append(number)
            if len(rows) >= BLOCK_ROWS // 4:
                break
        else:
            done = True
        if rows:
            yield CellRows(rows, numbers, quoted=True)
    faults.finish()


def _of_width(rows: Iterable[tuple[int, list[str]]], width: int, faults: Faults) -> tuple[list[list[str]], list[int]]:
    """The rows with so many cells; the others are told, but for empty lines."""
    kept, numbers = [], []
    for number, row in rows:
        if len(row) == width:
            kept.append(row)
            numbers.append(number)
        elif len(row) > 1 or row[0].strip():
            faults.width(number, len(row), width, "\t".join(row))
    return kept, numbers


def csv_records(lines: Iterable[str], faults: Faults, between: str, first: int = 1) -> Iterator[tuple[int, str]]:
    """The records of a CSV file with the number of their first line: a quoted cell may run over lines.

    between: what joins the lines of a record ("" where they have their line feeds). A record that does not end is told, and reading goes
    on in the line after its first, if `faults` lets it.
    """
    waiting: deque[str] = deque()
    source = iter(lines)
    number = first
    while (line := _next(waiting, source)) is not None:
        if line.count('"') % 2 == 0:
            yield number, line
            number += 1
            continue
        parts, length, is_open = [line], len(line), True
        while is_open and length <= LONGEST_LINE and (line := _next(waiting, source)) is not None:
            parts.append(line)
            length += len(line)
            is_open = line.count('"') % 2 == 0
        if is_open:
            faults.row(number, csv_problem(between.join(parts)) or OPEN, parts[0])
            waiting.extendleft(reversed(parts[1:]))
            number += 1
            continue
        yield number, between.join(parts)
        number += len(parts)


def _next(waiting: deque[str], source: Iterator[str]) -> str | None:
    return waiting.popleft() if waiting else next(source, None)


def csv_cells(record: str, number: int, faults: Faults) -> list[str] | None:
    """The cells of a record as they stand in the file; None for one that is told."""
    found = _CELL.findall(record + ",")
    if sum(map(len, found)) != len(record) + 1:
        faults.row(number, csv_problem(record) or INSIDE, record)
        return None
    return [cell[:-1] for cell in found]


def csv_problem(record: str) -> str:
    """What is wrong with the quotation marks of a record, the first thing; "" for nothing."""
    place = 0
    while place <= len(record):
        if record.startswith('"', place):
            cell = _QUOTED.match(record, place)
            if cell is None:
                return OPEN
            if cell.end() < len(record) and record[cell.end()] != ",":
                return INSIDE
            place = cell.end() + 1
            continue
        end = record.find(",", place)
        end = len(record) if end < 0 else end
        if '"' in record[place:end]:
            return INSIDE
        place = end + 1
    return ""


def csv_text(cell: str) -> str:
    """What a cell of a CSV file says."""
    return cell[1:-1].replace('""', '"') if cell.startswith('"') else cell


ROWS: dict[str, Callable[[Iterator[str], Faults], Iterator[CellRows]]] = {".tsv": tsv_rows, ".csv": csv_rows}
"""The reader of each ending."""
