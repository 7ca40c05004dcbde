"""Corpora as the configuration names them, read into aligned sentence pairs, with every problem reported at once.

What comes out is exact: source i and target i stand on the same line of the files, as Unicode NFC, and no side is empty.
What is not looked at here is whether the pairs are good ones (lengths, copies, wrong language): that is check.py. How the
bytes become text is encodings.py, how a table becomes columns tables.py.
"""

import hashlib
import logging
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from mt.config import CorpusConfig
from mt.data.encodings import decode_text, normalise, read_bytes
from mt.data.tables import Table, read_hub, read_table, split_lines
from mt.errors import DataError

_log = logging.getLogger("mt")
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
_MOST_SHOWN = 5
"""How many line numbers a message lists."""


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
    return _clean(split_lines(decode_text(read_bytes(path), path)), path)


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
        read = Corpus(corpus.label, sources, targets, corpus.weight, f"the built-in corpus {corpus.builtin}")
    elif corpus.source is not None:
        read = _read_parallel(corpus, key)
    else:
        read = _read_columns(corpus, source_language, target_language, key)
    if not read.sources:
        raise DataError(f"{key}: {read.origin}: there is not a single pair in it.")
    if not allow_empty_sides:
        _refuse_empty_sides(read, key, "such line from both files" if corpus.source else "such pair")
    return read


def fingerprint(corpora: Sequence[Corpus]) -> str:
    """The SHA-256 (hexadecimal) of all sentences, their order and the weights; names and places do not count.

    For recognising that a tokenizer or a run was made from the same data.
    """
    digest = hashlib.sha256()
    for corpus in corpora:
        digest.update(f"{len(corpus)} {corpus.weight!r}\n".encode())
        for side in (corpus.sources, corpus.targets):
            digest.update("\n".join(side).encode())  # unambiguous: a sentence has no line feed, and the count is known
            digest.update(b"\n")
    return digest.hexdigest()


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


def _read_parallel(corpus: CorpusConfig, key: str) -> Corpus:
    """Two text files with one sentence per line. The problems of both are reported together."""
    sides, problems = [], []
    for side, path in (("source", corpus.source), ("target", corpus.target)):
        try:
            sides.append(read_lines(path))
        except DataError as error:
            problems.append(f"{key}.{side}: {error}")
    if problems:
        raise DataError("\n".join(problems))
    if corpus.source.samefile(corpus.target):
        raise DataError(f"{key}: source and target are the same file, {corpus.source}. Give each side its own.")
    sources, targets = sides
    if len(sources) != len(targets):
        raise DataError(f"{key}: {_unequal(corpus, sources, targets)}")
    return Corpus(corpus.label, sources, targets, corpus.weight, f"{corpus.source} + {corpus.target}")


def _unequal(corpus: CorpusConfig, sources: list[str], targets: list[str]) -> str:
    """What to say about two files with different numbers of lines, and where the difference may come from."""
    message = f"{corpus.source} has {_count(len(sources), 'line')}, but {corpus.target} has {len(targets)}. "
    if not sources or not targets:
        return f"{message}Fill the empty file, or correct its name."
    longer, surplus, path = (
        (sources, sources[len(targets) :], corpus.source)
        if len(sources) > len(targets)
        else (targets, targets[len(sources) :], corpus.target)
    )
    if not any(line.strip() for line in surplus):
        return f"{message}{path} ends with {_count(len(surplus), 'empty line')} too many: delete what is too much."
    empty = [number for number, line in enumerate(longer, 1) if not line.strip()]
    if len(empty) == len(surplus):
        return f"{message}{path} has as many empty lines as it is longer ({_numbers('line', empty)}): delete them."
    for side, side_path in ((sources, corpus.source), (targets, corpus.target)):
        if num_returns := sum("\r" in line for line in side):
            return (
                f"{message}{side_path} has carriage returns inside {_count(num_returns, 'line')}, perhaps old Mac line "
                "ends: convert them to line feeds."
            )
    return (
        f"{message}Lines that belong together no longer stand on the same number: look for a sentence broken in two or a "
        f"lost line, from the end: tail -n 5 {corpus.source} {corpus.target}"
    )


def _read_columns(corpus: CorpusConfig, source_language: str, target_language: str, key: str) -> Corpus:
    """Two columns of a table or of a data set on the hub."""
    candidates = _column_candidates(corpus, source_language, target_language)
    try:
        if corpus.file is not None:
            where, origin = f"{key}.file", str(corpus.file)
            table = read_table(corpus.file, _possible_headers(corpus, candidates))
        else:
            where, origin = f"{key}.dataset", "/".join(filter(None, (corpus.dataset, corpus.subset, corpus.split)))
            table = read_hub(corpus.dataset, corpus.subset, corpus.split)
        names = _choose_columns(table, candidates, corpus, origin)
        sides = [_clean(_texts(table, name, origin), origin) for name in names]
    except DataError as error:
        raise DataError(f"{where}: {error}") from None
    return Corpus(corpus.label, *sides, corpus.weight, origin, table.lines, table.unit)


def _column_candidates(corpus: CorpusConfig, source_language: str, target_language: str) -> list[tuple[str, str]]:
    """The pairs of column names to look for, in order: a name that the configuration gives replaces all others."""
    languages = (source_language, target_language)
    pairs = [languages, ("source", "target"), tuple(f"translation.{language}" for language in languages), ("1", "2")]
    chosen = (corpus.source_column, corpus.target_column)
    pairs = [tuple(choice or name for choice, name in zip(chosen, pair, strict=True)) for pair in pairs]
    return [pair for pair in dict.fromkeys(pairs) if pair[0] != pair[1]]


def _possible_headers(corpus: CorpusConfig, candidates: Sequence[tuple[str, str]]) -> list[tuple[str, str]] | None:
    """The names that make the first row of a TSV file a header; None when it must be one, since columns are named.

    Columns given by number belong to a file without a header, as do the first two when nothing is given.
    """
    if any(column is not None and not column.isdecimal() for column in (corpus.source_column, corpus.target_column)):
        return None
    return [pair for pair in candidates if not any(name.isdecimal() for name in pair)]


def _choose_columns(table: Table, candidates: Sequence[tuple[str, str]], corpus: CorpusConfig, origin: str) -> tuple[str, str]:
    """The names of the source and the target column. Raises DataError when they are not there or are one and the same."""
    if not candidates:
        raise DataError(f"{origin}: source_column and target_column are both {corpus.source_column!r}. Give each its own.")
    for pair in candidates:
        if all(name in table.columns for name in pair):
            return pair
    missing = [name for name in (corpus.source_column, corpus.target_column) if name and name not in table.columns]
    wanted = missing or list(candidates[0])
    nearest = sorted(table.columns, key=lambda name: -max(_similarity(name, want) for want in wanted))
    listed = ", ".join(repr(name) for name in nearest)
    if not missing:
        raise DataError(
            f"{origin}: cannot tell which columns are the source and the target: there are no {candidates[0][0]!r} and "
            f"{candidates[0][1]!r}. Set source_column and target_column to two of {listed}."
        )
    keys = [key for key in ("source_column", "target_column") if getattr(corpus, key) in missing]
    message = (
        f"{origin}: there is no column {' and no column '.join(map(repr, missing))}. The columns are {listed}. "
        f"Set {' and '.join(keys)} to {'one' if len(keys) == 1 else 'two'} of them."
    )
    if corpus.file is not None and ".tsv" in corpus.file.suffixes:
        message += " In a TSV file without a header, columns are called by their number: '1', '2'."
    raise DataError(message)


def _similarity(name: str, other: str) -> float:
    return SequenceMatcher(None, name.lower(), other.lower()).ratio()


def _texts(table: Table, name: str, origin: str) -> list[str]:
    """A column as texts: null is an empty side, a number is written out, a line break inside a cell becomes a space.

    (All that comes later, the files of hypotheses above all, has one sentence per line.) Raises DataError for a list or
    another value that is not a text, and for characters that JSON can spell and no text has.
    """
    texts = []
    for index, value in enumerate(table.columns[name][:]):
        if value is not None and not isinstance(value, str | int | float):
            raise DataError(
                f"{origin}: {table.unit} {table.lines[index]}: column {name!r} holds a {type(value).__name__}, not a text. "
                "Choose other columns with source_column and target_column."
            )
        text = "" if value is None else str(value)
        if wrong := _NO_TEXT.search(text):
            raise DataError(
                f"{origin}: {table.unit} {table.lines[index]}: column {name!r} holds U+{ord(wrong[0]):04X}, which is a NUL "
                "or half a character. Repair or remove that pair."
            )
        texts.append(re.sub(r"\r?\n", " ", text.strip("\r\n")) if "\n" in text else text)
    return texts


def _clean(texts: Sequence[str], origin: Path | str) -> list[str]:
    """Every text normalised; how many were not NFC is logged, since it explains differences to other programs."""
    num_decomposed = sum(not unicodedata.is_normalized("NFC", text) for text in texts)
    if num_decomposed:
        _log.info(
            "%s: %d of %d lines were not in Unicode NFC (decomposed Korean, as from macOS) and have been composed.",
            origin,
            num_decomposed,
            len(texts),
        )
    return [normalise(text) for text in texts]


def _refuse_empty_sides(corpus: Corpus, key: str, what: str) -> None:
    """Raise DataError when pairs have an empty side: a model trained on them learns to end at once."""
    empty = [
        index
        for index, (source, target) in enumerate(zip(corpus.sources, corpus.targets, strict=True))
        if not source.strip() or not target.strip()
    ]
    if not empty:
        return
    num_sources = sum(not corpus.sources[index].strip() for index in empty)
    num_targets = sum(not corpus.targets[index].strip() for index in empty)
    places = _numbers(corpus.unit, [corpus.line_of(index) for index in empty])
    raise DataError(
        f"{key}: {corpus.origin}: {_count(len(empty), 'pair')} of {len(corpus)} with an empty side "
        f"(source {num_sources}, target {num_targets}): {places}. Remove every {what}."
    )


def _numbers(unit: str, numbers: Sequence[int]) -> str:
    """line 3 / lines 3, 4, 9, 12, 15, …"""
    shown = ", ".join(str(number) for number in numbers[:_MOST_SHOWN])
    return f"{unit}{'s' * (len(numbers) > 1)} {shown}{', …' * (len(numbers) > _MOST_SHOWN)}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
