"""Tables of sentence pairs: TSV, CSV, JSON (Lines), Parquet, and data sets of the Hugging Face hub, as two columns, block by block.

Parquet and the hub go through the `datasets` library. The text formats are read in table_text.py and table_json.py, because its builders
are not exact for sentences (measured on datasets 5.2): `text` and `csv` end a line at a lone carriage return, `csv` takes the surplus
cells of a first row as an index and shifts every column in silence, and `json` turns a column of "2020-01-01" into dates.
Here no row can shift against another, and every message has its line. Which of two columns is the source is decided in columns.py,
what a good pair is is not: see corpus.py.
"""

import glob
import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, Protocol

from mt.config_fields import TABLE_ENDINGS
from mt.data.columns import Choice, Wanted, choose, describe, looks_like_header
from mt.data.encodings import read_bytes, text_blocks
from mt.data.table_json import ObjectRows, read_json, value_text
from mt.data.table_text import BLOCK_ROWS, ROWS, CellRows, Faults
from mt.errors import DataError


class EmptyTableError(DataError):
    """A table has no rows at all, not even a header."""


class Rows(Protocol):
    """Some consecutive rows of a table."""

    lines: Sequence[int]
    """For each row, where it is in the file: 1-based line, or row when the table's unit is "row"."""

    def column(self, key: Any) -> Sequence[object]:
        """The values of a column: by its number from 0 in TSV and CSV, by its name elsewhere."""


@dataclass(frozen=True)
class ColumnRows:
    """Rows that come as columns."""

    columns: Mapping[str, Sequence[object]]
    lines: Sequence[int]

    def column(self, key: str) -> Sequence[object]:
        """The values of a column; None for each where there is no such column."""
        return self.columns.get(key) or [None] * len(self.lines)


@dataclass(frozen=True)
class Table:
    """A table that is read once, block by block. A column of dictionaries is split: `translation` gives `translation.ko`, …"""

    origin: str
    """What messages call it."""
    blocks: Iterator[Rows]
    """All rows, in order, the first row of TSV and CSV included; a format error in a later row is raised when its block is reached."""
    unit: str
    """What the rows' `lines` count: "line" or "row"."""
    names: Sequence[str]
    """The first row of TSV and CSV; else the columns of the first block, at least."""
    named: bool
    """Whether those are names in any case; the first row of a TSV file may be a pair."""
    identity: Callable[[], str]
    """Something that changes whenever the content changes; a large file takes seconds."""
    more_names: bool = False
    """Whether later rows may have names that the first block has not (JSON)."""


@dataclass(frozen=True)
class Pairs:
    """Consecutive pairs of a table, before they are normalised."""

    sources: Sequence[str]
    targets: Sequence[str]
    lines: Sequence[int]


def read_table(path: Path, encoding: str | None = None, faults: Faults | None = None, texts: Iterator[str] | None = None) -> Table:
    """Read a table, choosing the format by the ending of its name (.tsv .csv .jsonl .json, also .gz, and .parquet).

    faults: what happens to rows that are not in the format; None: they are refused. texts: the text of the file, where somebody reads it
    in another way. Raises DataError for a file that cannot be read or is not in the format.
    """
    name = path.name.lower()
    assert name.endswith(TABLE_ENDINGS), "the configuration refuses other endings"
    if name.endswith(".parquet"):
        return _read_parquet(path)
    ending = Path(name.removesuffix(".gz")).suffix
    faults = faults or Faults(path)
    is_json = ending not in ROWS
    texts = text_blocks(path, encoding, **({"longest": None} if is_json else {})) if texts is None else texts
    blocks, unit = read_json(texts, faults) if is_json else (ROWS[ending](texts, faults), "line")
    first: CellRows | ObjectRows | None = next(blocks, None)
    if first is None:
        raise EmptyTableError(f"{path}: the file is empty.")
    names = first.names() if isinstance(first, ObjectRows) else [cell.strip() for cell in first.head()]
    return Table(str(path), chain([first], blocks), unit, names, ending != ".tsv", lambda: content_hash([path]), is_json)


def choose_columns(table: Table, wanted: Wanted) -> tuple[Table, Choice]:
    """Which columns are the source and the target. Raises DataError when that does not come out.

    The table is read whole when its first block has none of the wanted columns: JSON may have them further down.
    """
    try:
        return table, choose(table.names, table.named, wanted, table.origin)
    except DataError:
        if not table.more_names:
            raise
        read, refused = _read_until_refused(table.blocks)
        names = list(dict.fromkeys(name for rows in read for name in rows.names()))
        table = replace(table, blocks=_again(read, refused), names=names)
        try:
            return table, choose(names, table.named, wanted, table.origin)
        except DataError as error:
            raise refused or error from None


def _read_until_refused(blocks: Iterator[Rows]) -> tuple[list[Rows], DataError | None]:
    """The blocks up to a row that is refused, and why it is; None: there is no such row."""
    read = []
    try:
        for rows in blocks:
            read.append(rows)
    except DataError as error:
        return read, error
    return read, None


def _again(read: Sequence[Rows], refused: DataError | None) -> Iterator[Rows]:
    """Blocks that were read, and then the refusal that followed them."""
    yield from read
    if refused is not None:
        raise refused


def pairs_of(table: Table, choice: Choice, faults: Faults | None = None) -> Iterator[Pairs]:
    """The two columns as texts. What is no text is refused, or told to `faults`, and its row has no pair."""
    faults = faults or Faults(table.origin)
    first = choice.header
    for rows in table.blocks:
        if isinstance(rows, CellRows):
            sources, targets = (rows.column(place) for place in choice.places)
            if rows.quoted:
                sources, targets = ([value_text(cell)[0] for cell in side] if _has_break(side) else side for side in (sources, targets))
            start = int(first)
            yield Pairs(sources[start:], targets[start:], rows.lines[start:])
            first = False
            continue
        keys = [table.names[place] for place in choice.places]
        yield _texts([rows.column(key) for key in keys], keys, rows.lines, table.unit, faults)
    faults.finish()


def _has_break(cells: Sequence[str]) -> bool:
    return any("\n" in cell for cell in cells)


def _texts(columns: Sequence[Sequence[object]], keys: Sequence[str], lines: Sequence[int], unit: str, faults: Faults) -> Pairs:
    """Two columns of any values as texts."""
    sides: list[list[str]] = [[], []]
    wrong: dict[int, str] = {}
    for side, key, values in zip(sides, keys, columns, strict=True):
        for at, value in enumerate(values):
            text, problem = value_text(value)
            side.append(text)
            if problem and at not in wrong:
                wrong[at] = f"column {key!r} {problem}"
    if not wrong:
        return Pairs(*sides, lines)
    for at in sorted(wrong):
        faults.row(lines[at], wrong[at], unit=unit)
    kept = [at for at in range(len(lines)) if at not in wrong]
    return Pairs(*([side[at] for at in kept] for side in sides), [lines[at] for at in kept])


@dataclass(frozen=True)
class Sample:
    """The beginning of a table, for finding out what its columns are."""

    names: Sequence[str]
    """What source_column and target_column may be: names, or numbers from 1 where there is no header."""
    header: bool
    """Whether the columns have names."""
    texts: Mapping[str, Sequence[str]]
    """For each of `names` its first texts; what is no text is an empty one."""


def sample_table(path: Path, count: int = 1000, encoding: str | None = None) -> Sample:
    """The columns of a table and the texts of its first rows. Raises DataError as read_table does."""
    table = read_table(path, encoding)
    header = table.named or looks_like_header(table.names)
    cells = path.name.lower().removesuffix(".gz").endswith(tuple(ROWS))
    names = list(table.names) if header else [str(number) for number in range(1, len(table.names) + 1)]
    texts: dict[str, list[str]] = {name: [] for name in names}
    start = int(header and cells)
    for rows in islice(table.blocks, 1):
        for place, name in enumerate(names):
            values = rows.column(place if cells else name)[start : start + count]
            texts[name] = [value_text(value)[0] for value in values]
    return Sample(names, header, texts)


def columns_of(path: Path, encoding: str | None = None) -> list[str]:
    """The names of a table's columns; numbers from 1 for a TSV file without a header. Raises DataError as read_table does."""
    return list(sample_table(path, 0, encoding).names)


def describe_choice(table: Table, choice: Choice, wanted: Wanted, first: tuple[str, str]) -> str:
    """The log line: which column is read as which, with the first pair."""
    return describe(table.origin, table.names, choice, wanted, first)


def content_hash(paths: Sequence[Path]) -> str:
    """The SHA-256 of the files' bytes, one after another."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


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
    return _from_dataset(str(path), dataset, lambda: content_hash([path]))


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
    return _from_dataset("/".join(filter(None, (name, subset, split))), dataset, lambda: fingerprint)


def _reason(error: BaseException) -> str:
    """The first line of what went wrong underneath: `datasets` wraps most errors in one that says nothing."""
    message = str(error.__cause__ or error).strip() or type(error).__name__
    return message.splitlines()[0].rstrip(".")


def _from_dataset(origin: str, dataset: Any, identity: Callable[[], str]) -> Table:
    """The columns of a datasets.Dataset, nested ones flattened, a block of rows at a time."""
    flat = dataset.flatten()
    blocks = (
        ColumnRows(flat[start : start + BLOCK_ROWS], range(start + 1, min(start + BLOCK_ROWS, len(flat)) + 1))
        for start in range(0, len(flat), BLOCK_ROWS)
    )
    return Table(origin, blocks, "row", flat.column_names, True, identity)
