"""Corpora as the configuration names them, read into aligned sentence pairs, with every problem reported at once.

What comes out is exact: source i and target i stand on the same line of the files, as Unicode NFC, and no side is empty.
What is not looked at here is whether the pairs are good ones (lengths, copies, wrong language): that is check.py. How the
bytes become text is encodings.py, how a table becomes rows and columns table_text.py, table_json.py and tables.py.
"""

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mt.config import CorpusConfig
from mt.data.columns import Wanted
from mt.data.gather import Gathered, Gatherer, PairDigest, find_gathered
from mt.data.parallel import LineCounts, Side, counted, listed, unequal
from mt.data.table_text import Faults
from mt.data.tables import Table, choose_columns, content_hash, describe_choice, pairs_of, read_hub, read_table
from mt.data.text_lines import Cleaner, read_lines
from mt.errors import DataError

_log = logging.getLogger("mt")
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


def read_line_pairs(source: Path, target: Path, encoding: str | None = None) -> tuple[list[str], list[str]]:
    """The lines of two files that belong together. Raises DataError as read_lines does, and for unequal numbers of lines."""
    sides = [read_lines(path, encoding) for path in (source, target)]
    if len(sides[0]) != len(sides[1]):
        corpus = CorpusConfig(source=source, target=target, encoding=encoding)
        raise DataError(unequal(corpus, *(LineCounts.of(path, encoding) for path in (source, target))))
    if not sides[0]:
        raise DataError(f"{source}: there is not a single line in it; give a file that has some.")
    return sides[0], sides[1]


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
    say_columns: bool = True,
) -> Corpus:
    """Read one corpus. key: its place in the configuration, for messages. say_columns: log which columns of a table are read.

    Raises DataError when it cannot be read, has no pairs, or (unless allow_empty_sides) has pairs with an empty side.
    """
    if corpus.builtin is not None:
        pairs = _builtin_pairs(corpus.builtin, split, source_language, target_language, key)
        sources, targets = [source for source, _ in pairs], [target for _, target in pairs]
        return Corpus(corpus.label, sources, targets, corpus.weight, f"the built-in corpus {corpus.builtin}")
    if corpus.source is not None:
        read, empty = _read_parallel(corpus, key)
    else:
        read, empty = _read_columns(corpus, source_language, target_language, key, say_columns)
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
    sides = [Side(f"{key}.{name}", path, corpus.encoding) for name, path in zip(("source", "target"), paths, strict=True)]

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
            raise DataError(f"{key}: {unequal(corpus, *(LineCounts.of(path, corpus.encoding) for path in paths))}")
        for side in sides:
            side.clean.tell()

    gathered = _gather(corpus.label, in_step(), lambda: f"lines {corpus.encoding} {content_hash(paths)}", _is_large(*paths))
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


def _read_columns(
    corpus: CorpusConfig, source_language: str, target_language: str, key: str, say_columns: bool
) -> tuple[Corpus, Empty]:
    """Two columns of a table or of a data set on the hub."""
    wanted = wanted_columns(corpus, source_language, target_language)
    where = f"{key}.{'dataset' if corpus.file is None else 'file'}"
    try:
        table, choice = choose_columns(open_table(corpus), wanted)
        cleaners = [Cleaner(table.origin), Cleaner(table.origin)]

        def blocks() -> Iterator[tuple[Sequence[str], Sequence[str], Sequence[int]]]:
            said = not say_columns
            for pairs in pairs_of(table, choice):
                if len(pairs.lines) and not said:
                    _log.info(describe_choice(table, choice, wanted, (pairs.sources[0], pairs.targets[0])))
                    said = True
                sides = (clean(side) for clean, side in zip(cleaners, (pairs.sources, pairs.targets), strict=True))
                yield *sides, pairs.lines
            for clean in cleaners:
                clean.tell()

        large = corpus.file is None or _is_large(corpus.file)
        gathered = _gather(corpus.label, blocks(), lambda: f"columns {choice} {corpus.encoding} {table.identity()}", large)
    except DataError as error:
        raise DataError(f"{where}: {error}") from None
    return _corpus(corpus, gathered, table.origin, table.unit), gathered.empty


def open_table(corpus: CorpusConfig, faults: Faults | None = None, texts: Iterator[str] | None = None) -> Table:
    """The table that a corpus names, a file or a data set of the hub; see read_table."""
    if corpus.file is not None:
        return read_table(corpus.file, corpus.encoding, faults, texts)
    return read_hub(corpus.dataset, corpus.subset, corpus.split)


def wanted_columns(corpus: CorpusConfig, source_language: str, target_language: str) -> Wanted:
    """What is known of a corpus's two columns."""
    return Wanted((source_language, target_language), (corpus.source_column, corpus.target_column))


def _empty_sides(corpus: Corpus, empty: Empty, key: str, what: str) -> str:
    """What to say about pairs with an empty side: a model trained on them learns to end at once."""
    num_sources, num_targets = sum(source for _, source, _ in empty), sum(target for _, _, target in empty)
    places = listed(corpus.unit, [line for line, _, _ in empty])
    return (
        f"{key}: {corpus.origin}: {counted(len(empty), 'pair')} of {len(corpus)} with an empty side "
        f"(source {num_sources}, target {num_targets}): {places}. Remove every {what}."
    )
