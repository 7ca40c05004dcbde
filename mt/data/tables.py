"""Tables of sentence pairs: TSV, CSV, JSON (Lines), Parquet, and data sets of the Hugging Face hub, as columns, block by block.

Parquet and the hub go through the `datasets` library. The text formats are read here, because its builders are not exact
for sentences (measured on datasets 5.2): `text` and `csv` end a line at a lone carriage return, `csv` takes the surplus
cells of a first row as an index and shifts every column in silence, and `json` turns a column of "2020-01-01" into dates.
Here no row can shift against another, and every message has its line. Which of two columns is the source is decided here,
what a good pair is is not: see corpus.py.
"""

import csv
import glob
import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from mt.config_fields import TABLE_ENDINGS
from mt.data.encodings import read_bytes, text_blocks
from mt.errors import DataError

_BLOCK_ROWS = 1 << 16
"""Rows of a block, where the format does not come in blocks of its own."""


@dataclass(frozen=True)
class Rows:
    """Some consecutive rows of a table, as columns of equal length."""

    columns: Mapping[str, Sequence[object]]
    """From the name of a column to its values."""
    lines: Sequence[int]
    """For each row, where it is in the file: 1-based line, or row when the table's unit is "row"."""


@dataclass(frozen=True)
class Table:
    """A table that is read once, block by block. A column of dictionaries is split: `translation` gives `translation.ko`, …"""

    blocks: Iterator[Rows]
    """All rows, in order; a format error in a later row is raised when its block is reached."""
    unit: str
    """What the rows' `lines` count: "line" or "row"."""
    names: Sequence[str]
    """The columns of the first block, at least; those of a headerless TSV file are named "1", "2", …"""
    identity: Callable[[], str]
    """Something that is another when the content is another; a large file takes seconds."""


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
    texts, unit = text_blocks(path), "line"
    if name.removesuffix(".gz").endswith(".tsv"):
        blocks = _parse_tsv(texts, path, headers)
    elif name.removesuffix(".gz").endswith(".csv"):
        blocks = _parse_csv(texts, path)
    else:
        first = next(texts)
        texts = chain([first], texts)
        is_array = first.lstrip().startswith("[")
        unit = "row" if is_array else "line"
        blocks = _parse_json_array("".join(texts), path) if is_array else _parse_json_lines(texts, path)
    first_rows = next(blocks, None)
    if first_rows is None:
        raise DataError(f"{path}: the file is empty.")
    return Table(chain([first_rows], blocks), unit, list(first_rows.columns), lambda: content_hash([path]))


def content_hash(paths: Sequence[Path]) -> str:
    """The SHA-256 of the files' bytes, one after another."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _parse_tsv(texts: Iterator[str], path: Path, headers: Sequence[tuple[str, str]] | None) -> Iterator[Rows]:
    """Tab-separated values without quoting: a quotation mark is a character of the sentence, as in every corpus in TSV."""
    names: list[str] = []
    ragged = _Ragged(path)
    next_line = 1
    for text in texts:
        rows = [line.rstrip("\r").split("\t") for line in split_lines(text)]
        if not rows:
            continue
        if not names:
            if len(rows[0]) < 2:
                raise DataError(f"{path}: line 1 has no tab. A TSV file has the two sides in columns separated by a tab.")
            headerless = headers is not None and not any(set(pair) <= set(rows[0]) for pair in headers)
            names = [str(number) for number in range(1, len(rows[0]) + 1)] if headerless else _distinct(path, rows.pop(0))
            next_line = 1 if headerless else 2
        lines = range(next_line, next_line + len(rows))
        next_line += len(rows)
        if ragged.none_in(lines, rows, len(names)):
            yield Rows(_columns(names, rows), lines)
    ragged.refuse(len(names))


def _parse_csv(texts: Iterator[str], path: Path) -> Iterator[Rows]:
    """Comma-separated values with the quoting of RFC 4180 and a header. A quoted cell may run over several lines."""
    reader = csv.reader((line + "\n" for text in texts for line in split_lines(text)), strict=True)
    names: list[str] = []
    ragged = _Ragged(path)
    while True:
        rows, lines = [], []
        start = reader.line_num + 1
        try:
            for row in islice(reader, _BLOCK_ROWS):
                rows.append(row)
                lines.append(start)
                start = reader.line_num + 1
        except csv.Error as error:
            raise DataError(
                f"{path}: the record that begins at line {start} is not CSV: {error}. A quotation mark inside a cell is "
                'written twice ("") and the cell is quoted; if the file has tabs and no quoting, name it .tsv.'
            ) from None
        if not rows:
            break
        if not names:
            names = _distinct(path, rows.pop(0))
            lines.pop(0)
        if ragged.none_in(lines, rows, len(names)):
            yield Rows(_columns(names, rows), lines)
    ragged.refuse(len(names))


class _Ragged:
    """Rows with more or fewer cells than the first, collected over all blocks: a cell too many means a wrong sentence."""

    def __init__(self, path: Path):
        self._path, self._shown, self._count = path, [], 0

    def none_in(self, lines: Sequence[int], rows: Sequence[Sequence[str]], expected: int) -> bool:
        """Note the ragged rows of a block; whether neither it nor an earlier block has any."""
        for line, row in zip(lines, rows, strict=True):
            if len(row) != expected:
                self._count += 1
                if self._count <= 5:
                    self._shown.append(f"line {line} ({len(row)})")
        return not self._count

    def refuse(self, expected: int) -> None:
        """Raise DataError when there were any."""
        if self._count:
            more = f" and {self._count - 5} more" if self._count > 5 else ""
            raise DataError(
                f"{self._path}: line 1 has {expected} columns, unlike {', '.join(self._shown)}{more}. "
                "Repair or remove what differs: a separator inside a sentence, or one that is missing."
            )


def _distinct(path: Path, names: Sequence[str]) -> list[str]:
    """A header without the spaces around its names. Raises DataError for a name that occurs twice."""
    names = [name.strip() for name in names]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{path}: the header names the column {twice[0]!r} twice. Rename one of them.")
    return names


def _columns(names: Sequence[str], rows: Sequence[Sequence[str]]) -> dict[str, Sequence[object]]:
    """Rows turned into columns."""
    return dict(zip(names, zip(*rows, strict=True) if rows else ((),) * len(names), strict=True))


def _parse_json_array(text: str, path: Path) -> Iterator[Rows]:
    """One JSON array: an object per pair. A missing key counts as null."""
    try:
        objects = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{path}: line {error.lineno} is not JSON: {error.msg}. Repair that line.") from None
    if objects:
        yield _rows_of(objects, range(1, len(objects) + 1), "row", path)


def _parse_json_lines(texts: Iterator[str], path: Path) -> Iterator[Rows]:
    """JSON Lines: an object per pair. Blank lines are skipped; a missing key counts as null."""
    next_line = 1
    for text in texts:
        objects, lines = [], []
        for number, line in enumerate(split_lines(text), next_line):
            next_line = number + 1
            if not line.strip():
                continue
            try:
                objects.append(json.loads(line))
            except json.JSONDecodeError as error:
                raise DataError(
                    f"{path}: line {number} is not JSON: {error.msg} (column {error.colno}). "
                    "Repair that line: one object on each, or one array around them all."
                ) from None
            lines.append(number)
        if objects:
            yield _rows_of(objects, lines, "line", path)


def _rows_of(objects: Sequence[object], lines: Sequence[int], unit: str, path: Path) -> Rows:
    """Objects as columns, in the order in which the names first occur. Raises DataError for what is no object."""
    for place, item in zip(lines, objects, strict=True):
        if not isinstance(item, dict):
            raise DataError(f'{path}: {unit} {place} is not an object. Expected {{"ko": "…", "en": "…"}} or the like.')
    flat = [flatten(item) for item in objects]
    names = dict.fromkeys(name for item in flat for name in item)
    return Rows({name: [item.get(name) for item in flat] for name in names}, lines)


def flatten(item: dict[str, object]) -> dict[str, object]:
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
    return _from_dataset(dataset, lambda: content_hash([path]))


def read_hub(name: str, subset: str | None, split: str) -> Table:
    """One split of a data set on the Hugging Face hub, through `datasets` and its cache (downloaded once).

    Raises DataError when it cannot be reached, does not exist, or has no such subset or split.
    """
    import datasets

    try:
        with _quiet_datasets():
            dataset = datasets.load_dataset(name, subset, split=split)
            fingerprint = dataset._fingerprint  # of the content, as far as the hub tells
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        raise DataError(
            f"the data set {name!r} (subset {subset or 'default'}, split {split}) cannot be loaded: {_reason(error)}. "
            "Check its name on huggingface.co/datasets, the subset and the split. Without a connection, download it where "
            "there is one and give its files with `file:`."
        ) from None
    return _from_dataset(dataset, lambda: fingerprint)


def _reason(error: BaseException) -> str:
    """The first line of what went wrong underneath: `datasets` wraps most errors in one that says nothing."""
    message = str(error.__cause__ or error).strip() or type(error).__name__
    return message.splitlines()[0].rstrip(".")


def _from_dataset(dataset: Any, identity: Callable[[], str]) -> Table:
    """The columns of a datasets.Dataset, nested ones flattened, a block of rows at a time."""
    flat = dataset.flatten()
    blocks = (
        Rows(flat[start : start + _BLOCK_ROWS],
             range(start + 1, min(start + _BLOCK_ROWS, len(flat)) + 1))
        for start in range(0, len(flat), _BLOCK_ROWS)
    )
    return Table(blocks, "row", flat.column_names, identity)
