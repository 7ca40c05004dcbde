"""Tables of sentence pairs: TSV, CSV, JSON (Lines), Parquet, and data sets of the Hugging Face hub, each as columns.

Parquet and the hub go through the `datasets` library. The text formats are read here, because its builders are not exact
for sentences (measured on datasets 5.2): `text` and `csv` end a line at a lone carriage return, `csv` takes the surplus
cells of a first row as an index and shifts every column in silence, and `json` turns a column of "2020-01-01" into dates.
Here no row can shift against another, and every message has its line. Which of two columns is the source is decided here,
what a good pair is is not: see corpus.py.
"""

import csv
import glob
import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mt.config_fields import TABLE_ENDINGS
from mt.data.encodings import decode_text, read_bytes
from mt.errors import DataError


@dataclass(frozen=True)
class Table:
    """A table as columns of equal length. A column of dictionaries is split: `translation` gives `translation.ko`, …"""

    columns: dict[str, Sequence[object]]
    """From the name of a column to its values; the columns of a headerless TSV file are named "1", "2", …"""
    lines: Sequence[int]
    """For each row, where it is in the file: 1-based line, or row when `unit` is "row"."""
    unit: str
    """What `lines` counts: "line" or "row"."""


def split_lines(text: str) -> list[str]:
    """The lines of a text, split at line feeds only.

    Python's splitlines() also splits at form feeds, U+0085, U+2028 and others, which are characters of a sentence here:
    splitting there shifts all the lines below against the other side. A missing line feed at the end makes no difference.
    """
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    return lines


def read_table(path: Path, headers: Sequence[tuple[str, str]] | None) -> Table:
    """Read a table, choosing the format by the ending of its name (.tsv .csv .jsonl .json, also .gz, and .parquet).

    headers: pairs of column names; the first row of a TSV file is its header when it has both names of one of the pairs.
    None: it is the header in any case. Raises DataError for a file that cannot be read or is not in the format.
    """
    name = path.name.lower()
    assert name.endswith(TABLE_ENDINGS), "the configuration refuses other endings"
    if name.endswith(".parquet"):
        return _read_parquet(path)
    text = decode_text(read_bytes(path), path)
    if name.removesuffix(".gz").endswith(".tsv"):
        return _parse_tsv(text, path, headers)
    if name.removesuffix(".gz").endswith(".csv"):
        return _parse_csv(text, path)
    return _parse_json(text, path)


def _parse_tsv(text: str, path: Path, headers: Sequence[tuple[str, str]] | None) -> Table:
    """Tab-separated values without quoting: a quotation mark is a character of the sentence, as in every corpus in TSV."""
    rows = [line.rstrip("\r").split("\t") for line in split_lines(text)]
    if not rows:
        raise DataError(f"{path}: the file is empty.")
    if len(rows[0]) < 2:
        raise DataError(f"{path}: line 1 has no tab. A TSV file has the two sides in columns separated by a tab.")
    _refuse_ragged(path, ((number, len(row)) for number, row in enumerate(rows, 1)), len(rows[0]))
    headerless = headers is not None and not any(set(pair) <= set(rows[0]) for pair in headers)
    names = [str(number) for number in range(1, len(rows[0]) + 1)] if headerless else rows.pop(0)
    first_line = 1 if headerless else 2
    lines = range(first_line, first_line + len(rows))
    return Table(_columns(path, names, rows), lines, "line")


def _parse_csv(text: str, path: Path) -> Table:
    """Comma-separated values with the quoting of RFC 4180 and a header. A quoted cell may run over several lines."""
    reader = csv.reader((line + "\n" for line in split_lines(text)), strict=True)
    rows, lines, start = [], [], 1
    try:
        for row in reader:
            rows.append(row)
            lines.append(start)
            start = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"{path}: the record that begins at line {start} is not CSV: {error}. A quotation mark inside a cell is "
            'written twice ("") and the cell is quoted; if the file has tabs and no quoting, name it .tsv.'
        ) from None
    if not rows:
        raise DataError(f"{path}: the file is empty.")
    _refuse_ragged(path, zip(lines, map(len, rows), strict=True), len(rows[0]))
    return Table(_columns(path, rows[0], rows[1:]), lines[1:], "line")


def _refuse_ragged(path: Path, lengths: Iterable[tuple[int, int]], expected: int) -> None:
    """Raise DataError when rows have more or fewer cells than the first: a cell too many means a wrong sentence."""
    ragged = [(line, length) for line, length in lengths if length != expected]
    if ragged:
        shown = ", ".join(f"line {line} ({length})" for line, length in ragged[:5])
        more = f" and {len(ragged) - 5} more" if len(ragged) > 5 else ""
        raise DataError(
            f"{path}: line 1 has {expected} columns, unlike {shown}{more}. "
            "Repair or remove what differs: a separator inside a sentence, or one that is missing."
        )


def _columns(path: Path, names: Sequence[str], rows: Sequence[Sequence[str]]) -> dict[str, Sequence[object]]:
    """Rows turned into columns. Raises DataError for a name that occurs twice."""
    names = [name.strip() for name in names]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{path}: the header names the column {twice[0]!r} twice. Rename one of them.")
    return dict(zip(names, zip(*rows, strict=True) if rows else ((),) * len(names), strict=True))


def _parse_json(text: str, path: Path) -> Table:
    """JSON Lines, or one JSON array: an object per pair. Blank lines are skipped; a missing key counts as null."""
    if text.lstrip().startswith("["):
        try:
            objects = json.loads(text)
        except json.JSONDecodeError as error:
            raise DataError(f"{path}: line {error.lineno} is not JSON: {error.msg}. Repair that line.") from None
        places, unit = range(1, len(objects) + 1), "row"
    else:
        objects, places, unit = [], [], "line"
        for number, line in enumerate(split_lines(text), 1):
            if not line.strip():
                continue
            try:
                objects.append(json.loads(line))
            except json.JSONDecodeError as error:
                raise DataError(
                    f"{path}: line {number} is not JSON: {error.msg} (column {error.colno}). "
                    "Repair that line: one object on each, or one array around them all."
                ) from None
            places.append(number)
    if not objects:
        raise DataError(f"{path}: the file is empty.")
    for place, item in zip(places, objects, strict=True):
        if not isinstance(item, dict):
            raise DataError(f'{path}: {unit} {place} is not an object. Expected {{"ko": "…", "en": "…"}} or the like.')
    flat = [_flatten(item) for item in objects]
    names = dict.fromkeys(name for item in flat for name in item)  # in the order in which they first occur
    return Table({name: [item.get(name) for item in flat] for name in names}, places, unit)


def _flatten(item: dict[str, object]) -> dict[str, object]:
    """{"translation": {"ko": …}} becomes {"translation.ko": …}, as `Dataset.flatten` does."""
    flat: dict[str, object] = {}
    for name, value in item.items():
        if isinstance(value, dict):
            flat.update({f"{name}.{inner}": inner_value for inner, inner_value in value.items()})
        else:
            flat[name] = value
    return flat


@contextmanager
def _quiet_datasets() -> Iterator[None]:
    """No progress bars and no log lines from `datasets` inside: what fails is told once, in our own message."""
    import datasets

    had_bars, verbosity = datasets.are_progress_bars_disabled(), datasets.utils.logging.get_verbosity()
    datasets.disable_progress_bars()
    datasets.utils.logging.set_verbosity(datasets.utils.logging.CRITICAL)
    try:
        yield
    finally:
        datasets.utils.logging.set_verbosity(verbosity)
        if not had_bars:
            datasets.enable_progress_bars()


def _read_parquet(path: Path) -> Table:
    """A Parquet file through `datasets`, into memory.

    Its cache would keep a copy of every file ever read and tells files apart by name, time and size: a temporary cache
    cannot be stale. The path is escaped because data_files is a glob pattern.
    """
    read_bytes(path, size=1)  # raises for a missing file, a folder and the like
    import datasets
    import pyarrow.parquet

    try:
        if pyarrow.parquet.read_metadata(path).num_rows == 0:  # which `datasets` cannot read
            raise DataError(f"{path}: the file is empty.")
        with _quiet_datasets(), tempfile.TemporaryDirectory() as cache:
            pattern = glob.escape(str(path.absolute()))
            dataset = datasets.load_dataset("parquet", data_files=pattern, split="train", cache_dir=cache, keep_in_memory=True)
    except (OSError, ValueError, pyarrow.ArrowException, datasets.exceptions.DatasetsError) as error:
        raise DataError(f"{path}: cannot be read as Parquet: {_reason(error)}.") from None
    return _from_dataset(dataset)


def read_hub(name: str, subset: str | None, split: str) -> Table:
    """One split of a data set on the Hugging Face hub, through `datasets` and its cache (downloaded once).

    Raises DataError when it cannot be reached, does not exist, or has no such subset or split.
    """
    import datasets

    try:
        with _quiet_datasets():
            dataset = datasets.load_dataset(name, subset, split=split)
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        raise DataError(
            f"the data set {name!r} (subset {subset or 'default'}, split {split}) cannot be loaded: {_reason(error)}. "
            "Check its name on huggingface.co/datasets, the subset and the split. Without a connection, download it where "
            "there is one and give its files with `file:`."
        ) from None
    return _from_dataset(dataset)


def _reason(error: BaseException) -> str:
    """The first line of what went wrong underneath: `datasets` wraps most errors in one that says nothing."""
    message = str(error.__cause__ or error).strip() or type(error).__name__
    return message.splitlines()[0].rstrip(".")


def _from_dataset(dataset: Any) -> Table:
    """The columns of a datasets.Dataset, nested ones flattened; values are read when a column is sliced."""
    flat = dataset.flatten()
    return Table({name: flat[name] for name in flat.column_names}, range(1, len(flat) + 1), "row")
