"""Corpora as the configuration names them, read into aligned sentence pairs, with every problem reported at once.

What comes out is exact: source i and target i stand on the same line of the files, as Unicode NFC, and no side is empty.
What is not looked at here is whether the pairs are good ones (lengths, copies, wrong language): that is check.py. How the
bytes become text is encodings.py, how a table becomes columns tables.py.
"""

import hashlib
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from pathlib import Path

from mt.config import CorpusConfig
from mt.data.encodings import text_blocks
from mt.data.gather import Gathered, Gatherer, PairDigest, find_gathered
from mt.data.parallel import Cleaner, LineCounts, Side, counted, listed, unequal
from mt.data.tables import Rows, Table, content_hash, read_hub, read_table, split_lines
from mt.errors import DataError

_log = logging.getLogger("mt")
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
_LARGE_FILE = 1 << 25
"""From this size on, in bytes, an earlier reading is looked for on disk before a file is read."""


@dataclass(frozen=True)
class Corpus:
    """The sentence pairs of one source, in its own order."""

    name: str
    """What reports call it."""
    sources: Sequence[str]
    """The source sentences, NFC, without line ends."""
    targets: Sequence[str]
    """The target sentences; as many as sources."""
    weight: float = 1.0
    """How many times an epoch shows each pair (training only)."""
    origin: str = ""
    """Where the pairs come from, for messages: "a.ko + a.en", a file, or a data set."""
    lines: Sequence[int] | None = None
    """For each pair, its place in the file, 1-based; None: pair i is on line i + 1."""
    unit: str = "line"
    """What `lines` counts: "line", or "row" where a row has no line of its own."""
    digest: str = ""
    """Of the sentences and their order; "" where nobody has computed it yet."""
    folder: Path | None = None
    """Where the pairs lie on disk, when there are too many for memory; the sequences above are then columns of a store."""

    def __len__(self) -> int:
        """The number of pairs."""
        return len(self.sources)

    def line_of(self, index: int) -> int:
        """The 1-based line (or row, see `unit`) of pair `index` in its file, for messages."""
        return index + 1 if self.lines is None else self.lines[index]


def read_lines(path: Path) -> list[str]:
    """The lines of a UTF-8 text file (.gz too), each as `normalise` makes it; split at line feeds only.

    Raises DataError when the file cannot be read or is not UTF-8. How many lines were not NFC is logged.
    """
    clean = Cleaner(path)
    lines = [line for text in text_blocks(path) for line in clean(split_lines(text))]
    clean.tell()
    return lines


def read_corpora(
    corpora: Sequence[CorpusConfig],
    split: str,
    source_language: str,
    target_language: str,
    allow_empty_sides: bool = False,
) -> list[Corpus]:
    """Read all corpora of one split, in order.

    split: 'train', 'valid' or 'test'; it chooses the part of a built-in corpus and names the key in messages. Raises one
    DataError with all the problems of all the corpora.
    """
    read, problems = [], []
    for index, corpus in enumerate(corpora):
        key = f"data.{split}[{index}]"
        try:
            read.append(read_corpus(corpus, split, source_language, target_language, key, allow_empty_sides))
        except DataError as error:
            problems.append(str(error))
    if problems:
        raise DataError("\n".join(problems))
    return read


def read_corpus(
    corpus: CorpusConfig,
    split: str,
    source_language: str,
    target_language: str,
    key: str = "data.train[0]",
    allow_empty_sides: bool = False,
) -> Corpus:
    """Read one corpus. key: its place in the configuration, for messages.

    Raises DataError when it cannot be read, has no pairs, or (unless allow_empty_sides) has pairs with an empty side.
    """
    if corpus.builtin is not None:
        pairs = _builtin_pairs(corpus.builtin, split, source_language, target_language, key)
        sources, targets = [source for source, _ in pairs], [target for _, target in pairs]
        return Corpus(corpus.label, sources, targets, corpus.weight, f"the built-in corpus {corpus.builtin}")
    if corpus.source is not None:
        read, empty = _read_parallel(corpus, key)
    else:
        read, empty = _read_columns(corpus, source_language, target_language, key)
    if not len(read):
        raise DataError(f"{key}: {read.origin}: there is not a single pair in it; give a file that has some.")
    if empty and not allow_empty_sides:
        raise DataError(_empty_sides(read, empty, key, "such line from both files" if corpus.source else "such pair"))
    return read


def fingerprint(corpora: Sequence[Corpus]) -> str:
    """The SHA-256 (hexadecimal) of all sentences, their order and the weights; names and places do not count.

    For recognising that a tokenizer or a run was made from the same data.
    """
    digest = hashlib.sha256()
    for corpus in corpora:
        digest.update(f"{corpus.digest or _digest(corpus)} {corpus.weight!r}\n".encode())
    return digest.hexdigest()


def _digest(corpus: Corpus) -> str:
    pairs = PairDigest()
    pairs.update(corpus.sources, corpus.targets)
    return pairs.hexdigest()


def _builtin_pairs(builtin: str, split: str, source_language: str, target_language: str, key: str) -> list[tuple[str, str]]:
    """The pairs of a built-in corpus, in the wanted direction."""
    if builtin != "demo":
        from mt.data.toy import toy_pairs

        return toy_pairs(builtin, split)
    if {source_language, target_language} != {"ko", "en"}:
        raise DataError(
            f"{key}: the built-in corpus demo is Korean and English, but the configuration asks for "
            f"{source_language} and {target_language}. Set source and target to ko and en, or name files of your own."
        )
    from mt.data.demo import demo_pairs

    pairs = demo_pairs(split)
    return pairs if source_language == "ko" else [(english, korean) for korean, english in pairs]


Empty = Sequence[tuple[int, bool, bool]]
"""Pairs with an empty side: line, source empty, target empty."""


def _read_parallel(corpus: CorpusConfig, key: str) -> tuple[Corpus, Empty]:
    """Two text files with one sentence per line. The problems of both are reported together."""
    paths = (corpus.source, corpus.target)
    sides = [Side(f"{key}.{name}", path) for name, path in zip(("source", "target"), paths, strict=True)]

    def in_step() -> Iterator[tuple[Sequence[str], Sequence[str], Sequence[int]]]:
        first_line = 1
        while count := min(side.fill() for side in sides):
            yield *(side.take(count) for side in sides), range(first_line, first_line + count)
            first_line += count
        rest = [side.drain() for side in sides]
        if problems := [side.problem for side in sides if side.problem]:
            raise DataError("\n".join(problems))
        if corpus.source.samefile(corpus.target):
            raise DataError(f"{key}: source and target are the same file, {corpus.source}. Give each side its own.")
        if any(rest):
            raise DataError(f"{key}: {unequal(corpus, *map(LineCounts.of, paths))}")
        for side in sides:
            side.clean.tell()

    gathered = _gather(corpus.label, in_step(), lambda: f"lines {content_hash(paths)}", _is_large(*paths))
    origin = f"{corpus.source} + {corpus.target}"
    lines = None if gathered.folder is None else gathered.lines
    return replace(_corpus(corpus, gathered, origin, "line"), lines=lines), gathered.empty


def _is_large(*paths: Path) -> bool:
    """Whether it may pay to look for what an earlier reading left; a file that is not there is none."""
    return sum(path.stat().st_size for path in paths if path.is_file()) >= _LARGE_FILE


def _gather(
    name: str, blocks: Iterator[tuple[Sequence[str], Sequence[str], Sequence[int]]], identity: Callable[[], str], large: bool
) -> Gathered:
    """All pairs of a corpus, from what an earlier reading left on disk where there is that."""
    if large and (found := find_gathered(identity())):
        _log.info("%s: %s pairs, read before, in %s", name, f"{len(found.sources):,}", found.folder)
        return found
    gatherer = Gatherer(name, identity)
    try:
        for block in blocks:
            gatherer.add(*block)
        return gatherer.finish()
    except DataError:
        gatherer.discard()
        raise


def _corpus(corpus: CorpusConfig, gathered: Gathered, origin: str, unit: str) -> Corpus:
    return Corpus(corpus.label, gathered.sources, gathered.targets, corpus.weight, origin, gathered.lines, unit,
                  gathered.digest, gathered.folder)


def _read_columns(corpus: CorpusConfig, source_language: str, target_language: str, key: str) -> tuple[Corpus, Empty]:
    """Two columns of a table or of a data set on the hub."""
    candidates = column_candidates(corpus, source_language, target_language)
    try:
        if corpus.file is not None:
            where, origin, large = f"{key}.file", str(corpus.file), _is_large(corpus.file)
            table = read_table(corpus.file, possible_headers(corpus, candidates))
        else:
            where, origin, large = f"{key}.dataset", "/".join(filter(None, (corpus.dataset, corpus.subset, corpus.split))), True
            table = read_hub(corpus.dataset, corpus.subset, corpus.split)
        table = _with_all_names(table, candidates)
        names = choose_columns(table.names, candidates, corpus, origin)
        cleaners = [Cleaner(origin), Cleaner(origin)]

        def blocks() -> Iterator[tuple[Sequence[str], Sequence[str], Sequence[int]]]:
            for rows in table.blocks:
                sides = (clean(_texts(rows, name, table.unit, origin)) for clean, name in zip(cleaners, names, strict=True))
                yield *sides, rows.lines
            for clean in cleaners:
                clean.tell()

        gathered = _gather(corpus.label, blocks(), lambda: f"columns {names} {table.identity()}", large)
    except DataError as error:
        raise DataError(f"{where}: {error}") from None
    return _corpus(corpus, gathered, origin, table.unit), gathered.empty


def _with_all_names(table: Table, candidates: Sequence[tuple[str, str]]) -> Table:
    """The table, read whole when its first block has none of the wanted columns: JSON may have them further down."""
    if any(all(name in table.names for name in pair) for pair in candidates):
        return table
    read = list(table.blocks)
    names = list(dict.fromkeys(name for rows in read for name in rows.columns)) or table.names
    return replace(table, blocks=iter(read), names=names)


def column_candidates(corpus: CorpusConfig, source_language: str, target_language: str) -> list[tuple[str, str]]:
    """The pairs of column names to look for, in order: a name that the configuration gives replaces all others."""
    languages = (source_language, target_language)
    pairs = [languages, ("source", "target"), tuple(f"translation.{language}" for language in languages), ("1", "2")]
    chosen = (corpus.source_column, corpus.target_column)
    pairs = [tuple(choice or name for choice, name in zip(chosen, pair, strict=True)) for pair in pairs]
    return [pair for pair in dict.fromkeys(pairs) if pair[0] != pair[1]]


def possible_headers(corpus: CorpusConfig, candidates: Sequence[tuple[str, str]]) -> list[tuple[str, str]] | None:
    """The names that make the first row of a TSV file a header; None when it must be one, since columns are named.

    Columns given by number belong to a file without a header, as do the first two when nothing is given.
    """
    if any(column is not None and not column.isdecimal() for column in (corpus.source_column, corpus.target_column)):
        return None
    return [pair for pair in candidates if not any(name.isdecimal() for name in pair)]


def choose_columns(
    columns: Sequence[str], candidates: Sequence[tuple[str, str]], corpus: CorpusConfig, origin: str
) -> tuple[str, str]:
    """The names of the source and the target column. Raises DataError when they are not there or are one and the same."""
    if not candidates:
        raise DataError(f"{origin}: source_column and target_column are both {corpus.source_column!r}. Give each its own.")
    for pair in candidates:
        if all(name in columns for name in pair):
            return pair
    missing = [name for name in (corpus.source_column, corpus.target_column) if name and name not in columns]
    wanted = missing or list(candidates[0])
    nearest = sorted(columns, key=lambda name: -max(_similarity(name, want) for want in wanted))
    all_names = ", ".join(repr(name) for name in nearest)
    if not missing:
        raise DataError(
            f"{origin}: cannot tell which columns are the source and the target: there are no {candidates[0][0]!r} and "
            f"{candidates[0][1]!r}. Set source_column and target_column to two of {all_names}."
        )
    keys = [key for key in ("source_column", "target_column") if getattr(corpus, key) in missing]
    message = (
        f"{origin}: there is no column {' and no column '.join(map(repr, missing))}. The columns are {all_names}. "
        f"Set {' and '.join(keys)} to {'one' if len(keys) == 1 else 'two'} of them."
    )
    if corpus.file is not None and ".tsv" in corpus.file.suffixes:
        message += " In a TSV file without a header, columns are called by their number: '1', '2'."
    raise DataError(message)


def _similarity(name: str, other: str) -> float:
    return SequenceMatcher(None, name.lower(), other.lower()).ratio()


def _texts(rows: Rows, name: str, unit: str, origin: str) -> list[str]:
    """A column as texts: null is an empty side, a number is written out, a line break inside a cell becomes a space.

    (All that comes later, the files of hypotheses above all, has one sentence per line.) Raises DataError for a list or
    another value that is not a text, and for characters that JSON can spell and no text has.
    """
    texts = []
    for index, value in enumerate(rows.columns.get(name) or [None] * len(rows.lines)):
        if value is not None and not isinstance(value, str | int | float):
            raise DataError(
                f"{origin}: {unit} {rows.lines[index]}: column {name!r} holds a {type(value).__name__}, not a text. "
                "Choose other columns with source_column and target_column."
            )
        text = "" if value is None else str(value)
        if wrong := _NO_TEXT.search(text):
            raise DataError(
                f"{origin}: {unit} {rows.lines[index]}: column {name!r} holds U+{ord(wrong[0]):04X}, which is a NUL "
                "or half a character. Repair or remove that pair."
            )
        texts.append(re.sub(r"\r?\n", " ", text.strip("\r\n")) if "\n" in text else text)
    return texts


def _empty_sides(corpus: Corpus, empty: Empty, key: str, what: str) -> str:
    """What to say about pairs with an empty side: a model trained on them learns to end at once."""
    num_sources, num_targets = sum(source for _, source, _ in empty), sum(target for _, _, target in empty)
    places = listed(corpus.unit, [line for line, _, _ in empty])
    return (
        f"{key}: {corpus.origin}: {counted(len(empty), 'pair')} of {len(corpus)} with an empty side "
        f"(source {num_sources}, target {num_targets}): {places}. Remove every {what}."
    )
