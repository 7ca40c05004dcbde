"""Every command reads a file alike: files are drawn for every format, spoiled, and read on every road into the program.

Roads: training (also init's and eval's on a split), checking, two text files of `mt eval` and `mt score`, standard input, translating
either column of a document, and looking at a table's columns. They agree when they give the same texts from the same lines, or refuse the
file with the same message, up to the key in front of it.
"""

import gzip
import json
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from mt.config import CorpusConfig
from mt.data import encodings, table_json
from mt.data.corpus import open_table, read_corpus, read_line_pairs, wanted_columns
from mt.data.encodings import normalise
from mt.data.lenient import LenientCorpus
from mt.data.pair_checks import Rules, check_block
from mt.data.tables import choose_columns, sample_table
from mt.data.text_lines import lines_of, read_lines
from mt.documents.parts import Source
from mt.documents.tables import csv_parts, json_parts, tsv_parts
from mt.documents.text import text_parts
from mt.errors import DataError

KINDS = ("text", "tsv", "csv", "jsonl", "json", "parquet")
_PIECES = (
    "나는", "사과를", "먹었다.", "각ㄱ", "\u1112\u1161\u11ab", "the", "an apple", "No. 7", "3,5", "?", "…", " ", "　", "\u200b", "\u2028",
    "\x85", "\x0b", "\x0c", "\ufeff", "&amp;", "😀", "é", "e\u0301", '"', '""', "'", ",", ";", "\\", "{", "[", "]", "null", "ko", "en",
)  # fmt: skip
_NASTY = ("\t", "\n", "\r", "\r\n", '"', "\x00", "\x1b[31m", " \"x\"", "a\rb", "\n\n")
_NAMES = (
    ("ko", "en"), ("en", "ko"), ("KO", "En "), ("Korean", "English"), ("원문", "번역문"), ("source", "target"), ("id", "ko", "en"),
    ("SID", "원문", "번역문"), ("ko", "ko"), ("x", "y"), ("text", "id"), ("translation.ko", "translation.en"), ("ko", "en", "메모", "id"),
    ("ko",), ("id", "id", "ko", "en"), ("한국어 문장", "영어 문장"),
)  # fmt: skip
_ODD_VALUES = ("true", "1e400", "NaN", "[1]", '{"a": 1}', '"\\ud800"', '"\\u0000"', "-Infinity", "[]", "false")
_PLAIN_VALUES = ("5", "1.50", "null", "-0", "1E3", '""', '"  "', "123456789012345678901234567890")
_REFUSED = {"malformed", "unreadable", "encoding", "unequal", "bytes", "nul", "return"}
_COLUMNS = re.compile(
    "cannot tell|columns may be|no column|one column|has no tab|not a single|is empty|the first row is no header|the column '"
)


@dataclass
class Read:
    """What one road made of a file."""

    rows: list[tuple[int, str]] | None
    """Line and text of each sentence (of each side: source lines first); None: refused."""
    message: str = ""
    """Without the path and what stands before it."""

    @property
    def line(self) -> int:
        """The line or row that a refusal names; 0: none."""
        found = re.search(r"(?:line|row) (\d+)", self.message)
        return int(found[1]) if found else 0


class DisagreementError(AssertionError):
    """Two roads differ."""


def draw_files(draw: random.Random, folder: Path) -> tuple[str, list[Path]]:
    """Write the file or the two files of one corpus; their kind and paths."""
    kind = draw.choices(KINDS, (20, 25, 25, 15, 14, 1))[0]
    packed = kind != "parquet" and draw.random() < 0.1
    names = ["a.ko", "a.en"] if kind == "text" else [f"a.{kind}"]
    paths = [folder / (name + ".gz" * packed) for name in names]
    for path in folder.iterdir():
        path.unlink()
    count = draw.randrange(6)
    for path in paths:
        if kind == "parquet":
            _write_parquet(draw, path, count)
            continue
        text = {"text": _text, "tsv": _tsv, "csv": _csv, "jsonl": _jsonl, "json": _json}[kind](draw, count)
        data = _encoded(draw, text)
        if draw.random() < 0.15:
            data = _damaged(draw, data)
        data = gzip.compress(data, mtime=0) if packed else data
        if packed and draw.random() < 0.1:
            data = data[: draw.randrange(len(data) + 1)]
        path.write_bytes(data)
    return kind, paths


@contextmanager
def small_blocks(draw: random.Random) -> Iterator[None]:
    """Inside, files are read some bytes at a time, so that they have many blocks, and lists of JSON some characters at a time."""
    pieces = mock.patch.object(table_json, "PIECE_CHARACTERS", draw.choice((1, 30, 200, 1 << 16)))
    with mock.patch.object(encodings, "BLOCK_BYTES", draw.choice((40, 400, 1 << 22))), pieces:
        yield


def draw_json(draw: random.Random) -> str:
    """The text of a JSON document, every second one damaged."""
    text = _json(draw, draw.randrange(1, 12)).lstrip("\ufeff")
    return _damaged(draw, text.encode("utf-8", "replace")).decode("utf-8", "replace") if draw.random() < 0.5 else text


def _cell(draw: random.Random) -> str:
    pieces = [draw.choice(_PIECES) for _ in range(draw.randrange(5))]
    if draw.random() < 0.04:
        pieces.insert(draw.randrange(len(pieces) + 1), draw.choice(_NASTY))
    return "".join(pieces) or draw.choice(("", "a", "가"))


def _end(draw: random.Random) -> str:
    return draw.choices(("\n", "\r\n", "\r\r\n", "\r"), (12, 5, 1, 1))[0]


def _joined(draw: random.Random, lines: list[str]) -> str:
    end = _end(draw)
    if draw.random() < 0.1:
        lines.insert(draw.randrange(len(lines) + 1), draw.choice(("", " ", "　")))
    return draw.choices(("", "\ufeff"), (6, 1))[0] + end.join(lines) + draw.choice((end, ""))


def _text(draw: random.Random, count: int) -> str:
    return _joined(draw, [_cell(draw) for _ in range(count + (draw.random() < 0.1))])


def _rows(draw: random.Random, count: int) -> list[list[str]]:
    names = draw.choice(_NAMES)
    rows = [[_cell(draw) for _ in names] for _ in range(count)]
    if draw.random() < 0.1 and rows:
        draw.choice(rows).append(_cell(draw))
    return [list(names), *rows] if draw.random() < 0.8 else rows


def _tsv(draw: random.Random, count: int) -> str:
    return _joined(draw, ["\t".join(row) for row in _rows(draw, count)])


def _csv(draw: random.Random, count: int) -> str:
    def cell(text: str) -> str:
        if draw.random() < 0.03:
            return text  # not quoted, whatever is in it
        needs = any(mark in text for mark in ',"\r\n')
        return '"' + text.replace('"', '""') + '"' if needs or draw.random() < 0.2 else text

    space = " " * (draw.random() < 0.05)
    return _joined(draw, [f",{space}".join(map(cell, row)) for row in _rows(draw, count)])


def _object(draw: random.Random, names: tuple[str, ...]) -> str:
    members = []
    for name in names:
        value = json.dumps(_cell(draw), ensure_ascii=draw.random() < 0.3)
        if draw.random() < 0.1:
            value = draw.choice(_PLAIN_VALUES if draw.random() < 0.7 else _ODD_VALUES)
        if draw.random() > 0.04:
            members.append(f"{json.dumps(name, ensure_ascii=False)}: {value}")
    if names[0].startswith("translation."):
        return '{"translation": {' + ", ".join(members).replace("translation.", "") + "}}"
    return "{" + ", ".join(members) + "}"


def _objects(draw: random.Random, count: int) -> list[str]:
    names = draw.choice(_NAMES)
    return [_object(draw, names) if draw.random() > 0.02 else draw.choice(("5", "[]", '"a"', "{", "null")) for _ in range(count)]


def _jsonl(draw: random.Random, count: int) -> str:
    return _joined(draw, _objects(draw, count))


def _json(draw: random.Random, count: int) -> str:
    between = draw.choice((", ", ",\n  ", "\n,"))
    text = f"[{between.join(_objects(draw, count))}]"
    shape = draw.randrange(6)
    if shape == 0:
        return _jsonl(draw, count)
    if shape == 1:
        return f'{{"version": 1, "data": {text}}}'
    if shape == 2:
        return f'{{\n "data": {text},\n "n": {{"a": 1}}\n}}\n'
    if shape == 3:
        return "{" + between.join(f'"{at}": {row}' for at, row in enumerate(_objects(draw, count))) + "}"
    return draw.choice(("", "\n", "\ufeff")) + text + draw.choice(("", "\n", " x"))[: 1 if draw.random() < 0.2 else 0]


def _write_parquet(draw: random.Random, path: Path, count: int) -> None:
    import pyarrow
    import pyarrow.parquet

    names = dict.fromkeys(draw.choice(_NAMES))
    kind = draw.choice((pyarrow.string(), pyarrow.int64(), pyarrow.bool_(), pyarrow.float64()))
    values = {pyarrow.string(): _cell, pyarrow.int64(): lambda d: d.randrange(9), pyarrow.bool_(): lambda d: True,
              pyarrow.float64(): lambda d: d.choice((1.5, float("inf")))}[kind]  # fmt: skip
    pyarrow.parquet.write_table(pyarrow.table({name: pyarrow.array([values(draw) for _ in range(count)], kind) for name in names}), path)


def _encoded(draw: random.Random, text: str) -> bytes:
    encoding = draw.choices(("utf-8", "cp949", "utf-16", "utf-16-le", "latin-1"), (40, 1, 1, 1, 1))[0]
    return text.encode(encoding, "replace")


def _damaged(draw: random.Random, data: bytes) -> bytes:
    at, byte = draw.randrange(len(data) + 1), draw.choice((0, 10, 13, 34, 44, 9, 255, 0xEA, 92, 123, 93))
    return draw.choice((
        data[:at] + bytes([byte]) + data[at:], data[:at] + bytes([byte]) + data[at + 1 :], data[:at], data[at:], data[:at] + data[at + 2 :],
        data + data[at:],
    ))  # fmt: skip


def train(corpus: CorpusConfig, path: Path) -> Read:
    """Training's road; mt init and mt eval take it, too."""
    try:
        read = read_corpus(corpus, "train", "ko", "en", allow_empty_sides=True)
    except DataError as error:
        return Read(None, _core(str(error)))
    lines = [read.line_of(at) for at in range(len(read))]
    return Read([*zip(lines, read.sources, strict=True), *zip(lines, read.targets, strict=True)])


def check(corpus: CorpusConfig) -> tuple[Read, set[int], set[str]]:
    """The road of mt check; the lines with faults that training refuses, and the kinds of those faults."""
    lenient = LenientCorpus(corpus, "train", "ko", "en")
    sides: tuple[list, list] = ([], [])
    lines, kinds = set(), set()
    for block in lenient.blocks():
        for side, texts in zip(sides, (block.sources, block.targets), strict=True):
            side += zip(block.lines, map(normalise, texts), strict=True)
        hits = check_block(block.sources, block.targets, Rules(None, None, 1000), align=False).hits
        for kind in _REFUSED & hits.keys():
            kinds.add(kind)
            lines |= {block.lines[int(at)] for at in hits[kind]}
    for problem in lenient.problems:
        kinds.add(problem.kind)
        read = Read(None, problem.text)
        lines |= {problem.line, read.line}
    return Read([*sides[0], *sides[1]]), lines, kinds & _REFUSED


def translate(source: Source, kind: str, language: str, column: str | None) -> Read:
    """The road of a document, before spaces and placeholders around a text are set aside."""
    read = {"tsv": tsv_parts, "csv": csv_parts, "jsonl": json_parts, "json": json_parts}
    try:
        parts = text_parts(source) if kind == "text" else read[kind](source, language, column, None)
        parts = [part for part in parts if part.text.strip()]
    except DataError as error:
        return Read(None, _core(str(error)))
    return Read([(part.line, re.sub(r"\r\n|\r|\n", " ", part.text)) for part in parts])


def _core(message: str) -> str:
    """A message from behind the path on."""
    return re.sub(r"^(?:[^:]*: )?\S*a\.\w+(?:\.gz)?(?: \+ \S+)?: ", "", message.splitlines()[0])


def compare(kind: str, paths: list[Path]) -> None:
    """Read on every road. DisagreementError where they do not agree; any exception but DataError goes through."""
    corpus = CorpusConfig(source=paths[0], target=paths[1]) if kind == "text" else CorpusConfig(file=paths[0])
    trained = train(corpus, paths[0])
    checked, lines, kinds = check(corpus)
    if trained.rows is not None:
        _same(not kinds, f"training reads what check calls {sorted(kinds)}")
        _same(trained.rows == checked.rows, f"training and check read other pairs: {trained.rows} {checked.rows}")
    else:
        _same(bool(kinds), f"check has no error, training refuses: {trained.message}")
        told = trained.line in lines or bool(kinds & {"encoding", "unequal", "unreadable"}) or not trained.line
        _same(told, f"check does not name line {trained.line}: {trained.message}; {lines} {kinds}")
    if kind == "text":
        _compare_text(corpus, paths, trained)
    elif kind != "parquet":
        _compare_table(corpus, paths[0], kind, trained)
    try:
        sample_table(paths[0]) if kind != "text" else None
    except DataError as error:
        _same(trained.rows is None, f"the columns of a table that is read cannot be: {error}")


def _compare_text(corpus: CorpusConfig, paths: list[Path], trained: Read) -> None:
    """eval and score, standard input, translating each side."""
    try:
        pairs = read_line_pairs(*paths)
    except DataError as error:
        _same(trained.rows is None, f"eval refuses what training reads: {error}")
    else:
        texts = None if trained.rows is None else [text for _, text in trained.rows]
        _same(texts == [*pairs[0], *pairs[1]], "eval reads other pairs than training")
    for path in paths:
        try:
            texts: list[str] | None = read_lines(path)
        except DataError as error:
            texts, message = None, _core(str(error))
        document = translate(Source(path), "text", "ko", None)
        expected = None if texts is None else [(at, text) for at, text in enumerate(texts, 1) if text.strip()]
        _same(document.rows == expected, f"a document has other lines than a text file: {document} {expected}")
        _same(texts is not None or document.message == message, f"other refusals: {document.message}")
        if path.suffix != ".gz":
            _same(_piped(path) == texts, "standard input has other lines than a file")


def _piped(path: Path) -> list[str] | None:
    try:
        return lines_of(path.read_bytes(), "standard input")
    except DataError:
        return None


def _compare_table(corpus: CorpusConfig, path: Path, kind: str, trained: Read) -> None:
    """Translating either column."""
    if trained.rows is None and _COLUMNS.search(trained.message):
        for language in ("ko", "en"):
            translate(Source(path), kind, language, None)
        return
    names: list[str | None] = [None, None]
    with suppress(DataError):
        table, choice = choose_columns(open_table(corpus), wanted_columns(corpus, "ko", "en"))
        names = [table.names[place] if choice.header else str(place + 1) for place in choice.places]
    sides = [translate(Source(path), kind, language, name) for language, name in zip(("ko", "en"), names, strict=True)]
    if trained.rows is None:
        messages = {side.message for side in sides if side.rows is None}
        same = trained.message in messages or any(_COLUMNS.search(message) for message in messages)
        _same(same, f"training refuses: {trained.message}; translating: {messages}")
        return
    half = len(trained.rows) // 2
    for side, expected in zip(sides, (trained.rows[:half], trained.rows[half:]), strict=True):
        _same(side.rows is not None, f"translating refuses what training reads: {side.message}")
        _same(_words(side.rows) == _words(expected), f"translating reads {side.rows}, training {expected}")


def _words(rows: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Those that are more than a number, which JSON may hold without quotation marks, and which is kept as it is."""
    return [(line, text) for line, text in rows if text.strip() and not re.fullmatch(r"-?\d+(\.\d+)?([eE]\d+)?", text)]


def _same(condition: bool, message: str) -> None:
    if not condition:
        raise DisagreementError(message)
