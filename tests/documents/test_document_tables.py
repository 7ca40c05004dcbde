"""Tables: one column changes, and every other byte stays."""

import csv
import io
import json
import random
from pathlib import Path

import pytest

from mt.documents.document import Document
from mt.documents.parts import Source
from mt.errors import DataError
from tests.command_line import run_mt
from tests.documents.rewriting import rewritten

DRAW = random.Random(7)
CELLS = ["", " ", "말", "one two", 'say "hi"', "a,b", "x\ny", "x\r\ny\n", "1.5", "é", "끝.", "\ttab", "\\n"]


def upper(text: str) -> str:
    return text.upper() + "!"


def random_csv(draw: random.Random) -> tuple[bytes, list[list[str]]]:
    """A file with a header, quoted where it must be and sometimes where it need not, and its rows."""
    width, end = draw.randrange(1, 4), draw.choice(["\n", "\r\n"])
    rows = [["ko", "en", "id"][:width]] + [[draw.choice(CELLS) for _ in range(width)] for _ in range(draw.randrange(6))]
    if width == 1:
        rows = [[cell or "x" for cell in row] for row in rows]

    def cell(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"\r\n') or draw.random() < 0.3 else text

    text = end.join(",".join(map(cell, row)) for row in rows) + draw.choice(["", end])
    return (draw.choice(["", "\ufeff"]) + text).encode("utf-8"), rows


def test_csv_comes_back_byte_for_byte_and_only_the_column_changes() -> None:
    for _ in range(400):
        data, rows = random_csv(DRAW)
        assert rewritten(data, "csv") == data
        changed = rewritten(data, "csv", upper).decode("utf-8-sig")
        expected = [rows[0], *([_around(row[0]), *row[1:]] for row in rows[1:])]
        assert [row for row in csv.reader(io.StringIO(changed, newline="")) if row] == expected
        added = rewritten(data, "csv", upper, into="new").decode("utf-8-sig")
        assert list(csv.reader(io.StringIO(added, newline="")))[0][-1] == "new"
        for found, row in zip(list(csv.reader(io.StringIO(added, newline="")))[1:], rows[1:], strict=True):
            assert found == [*row, _around(row[0]) if row[0].strip() else ""]


def _around(text: str) -> str:
    """What upper makes of a cell, the line ends around it kept."""
    core = text.strip("\r\n")
    return text.replace(core, upper(core)) if core.strip() else text


def test_a_column_that_is_there_takes_the_translation() -> None:
    data = b'id,ko,en\r\n1,"a, b",old\r\n2,,kept\r\n'
    assert rewritten(data, "csv", upper, into="en") == b'id,ko,en\r\n1,"a, b","A, B!"\r\n2,,kept\r\n'
    assert rewritten(data, "csv", upper, column="en") == b'id,ko,en\r\n1,"a, b",OLD!\r\n2,,KEPT!\r\n'


def test_tsv_has_no_quoting_and_a_header_where_the_column_is_named() -> None:
    assert rewritten(b'ko\ten\n"a\tx\r\n\n\ty\n', "tsv", upper) == b'ko\ten\n"A!\tx\r\n\n\ty\n'
    assert rewritten(b"a\tb\nc\td", "tsv", upper, column="2") == b"a\tB!\nc\tD!"
    assert rewritten(b"a\tb\nc\td", "tsv", upper, column="1", into="3") == b"a\tb\tA!\nc\td\tC!"
    assert rewritten(b"a\tb\nc\td\n", "tsv", upper, column="1", into="2") == b"a\tA!\nc\tC!\n"
    assert rewritten(b"a\nb\n", "tsv", upper) == b"A!\nB!\n"
    assert rewritten(b"ko\nb\n", "tsv", lambda text: "x\ty\nz") == b"ko\nx y z\n"
    draw = random.Random(8)
    for _ in range(200):
        rows = [[draw.choice(['a"', "", "나 ", "1"]) for _ in range(3)] for _ in range(draw.randrange(1, 6))]
        data = ("\n".join("\t".join(row) for row in rows) + draw.choice(["", "\n", "\r\n"])).encode("utf-8")
        assert rewritten(data, "tsv", column="2") == data


def random_object(draw: random.Random) -> str:
    """A JSON object as people and programs write it."""
    item = {"id": draw.randrange(9), "ko": draw.choice([*CELLS, None, "😀", "\u2028"]), "n": {"ko": "x", "l": [1, {"a": "}"}]}, "en": '"}'}
    keys = draw.sample(list(item), k=draw.randrange(1, 5))
    separators = draw.choice([(",", ":"), (", ", ": ")])
    text = json.dumps({key: item[key] for key in keys}, ensure_ascii=draw.random() < 0.5, separators=separators)
    return draw.choice(["", " "]) + text + draw.choice(["", "  "])


def test_json_lines_come_back_byte_for_byte_and_only_the_value_changes() -> None:
    for _ in range(400):
        lines = [random_object(DRAW) for _ in range(5)] + ['{"ko": "always"}', ""]
        data = ("\n".join(lines) + DRAW.choice(["", "\n"])).encode("utf-8")
        assert rewritten(data, "jsonl") == data
        for into, key in ((None, "ko"), ("en", "en"), ("new", "new")):
            changed = rewritten(data, "jsonl", upper, into=into).decode("utf-8").split("\n")
            for line, found in zip(data.decode("utf-8").split("\n"), changed, strict=True):
                if not line.strip():
                    assert found == line
                    continue
                item = json.loads(line)
                if (item.get("ko") or "").strip():
                    item[key] = _around(item["ko"])
                assert json.loads(found) == item


def test_a_translation_inside_an_object_stays_beside_its_source() -> None:
    data = '{"translation":{"ko":"가","x":[1,{"y":2}]},"id":1}\n'.encode()
    assert json.loads(rewritten(data, "jsonl", upper)) == {"translation": {"ko": "가!", "x": [1, {"y": 2}]}, "id": 1}
    assert rewritten(b'{"ko": "a", "en": null, "n": [1]}', "jsonl", upper, into="en") == b'{"ko": "a", "en": "A!", "n": [1]}'
    added = rewritten(data, "jsonl", upper, column="translation.ko", into="translation.en")
    assert added.decode() == '{"translation":{"ko":"가","x":[1,{"y":2}],"en":"가!"},"id":1}\n'


BAD = {
    "no such column": ("csv", b"a,b\n1,2\n", None, "no column is named 'ko', the source language; the first row has: 'a', 'b'."),
    "no such named column": ("tsv", b"a\tb\n", "c", "there is no column 'c'"),
    "the name twice": ("csv", b"ko,ko\n", None, "names the column 'ko' twice"),
    "a cell too many": ("csv", b"ko,en\n1,2\n1,2,3\n", None, "the first row has 2 columns, unlike line 3 (3)"),
    "a cell too few": ("tsv", b"ko\ten\n1\n", None, "the first row has 2 columns, unlike line 2 (1)"),
    "semicolons": ("csv", "id;ko\n1;가\n".encode(), None, "'id;ko', is separated by semicolons; save it again with commas"),
    "an open quote": ("csv", b'ko\nx\n"y\nz\n', None, "line 3: a quoted cell that begins here does not end"),
    "a quote inside": ("csv", b'ko,en\nx "y" z,1\n', None, "line 2: a quotation mark inside a cell"),
    "no JSON": ("jsonl", b'{"ko": "a"}\n{"ko": \n', None, "line 2: this is not JSON"),
    "no object": ("jsonl", b'["a"]\n', None, "row 1: this is not an object"),
    "no key": (
        "jsonl", b'{"en": "a", "x": {"y": "b"}}\n', None,
        "no column is named 'ko', the source language; the names are: 'en', 'x.y'"
    ),
    "half a pair": ("jsonl", b'{"ko": "\\ud800"}\n', None, "line 1: column 'ko' holds U+D800, which is a NUL or half a character"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_with_a_table_is_told_with_its_line(case: str) -> None:
    format, data, column, message = BAD[case]
    with pytest.raises(DataError) as refused:
        list(Document(Source(Path("t.csv"), data), format, "ko", column).parts())
    assert message in str(refused.value) and str(refused.value).startswith("t.csv: ")


def test_the_command_takes_column_and_into(trained_run: Path) -> None:
    Path("in.csv").write_bytes(b'id,text\n1,"ba be bi"\n2,\n3,da mu ki\n')
    outcome = run_mt("translate", "--model", str(trained_run), "-i", "in.csv", "-o", "out.csv", "--column", "text", "--into", "en")
    assert outcome.exit_code == 0, outcome.stderr
    assert Path("out.csv").read_bytes() == b'id,text,en\n1,"ba be bi",ba be bi\n2,,\n3,da mu ki,da mu ki\n'
