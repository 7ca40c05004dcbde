"""Whatever a model writes, a document keeps its structure; and a model that changes nothing gives the file back byte for byte."""

import csv
import io
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from mt.documents.document import Document
from mt.documents.fit import FittingTranslator
from mt.documents.parts import Source
from mt.translation import Translation

TEXTS = [
    "가다.", "나는 간다. 너도 와라!", "{name}님 안녕", "파일 %d개와 &nbsp; 끝", "<b>가</b> 나", "https://a.b/c에서 봤다", "me@x.org에게",
    "가\\n나", "NASA", "123", "---", "\u200b", "★", "N/A", " 앞뒤 ", "가 \u2028 나", "“인용”이라고", "x" * 90, "가" * 90,
    "{n, plural, one {한 개} other {# 개}}", "%s%s", "{}", "{{이름}}", "C:\\a\\b.txt를",
]  # fmt: skip
HOSTILE: list[Callable[[str], str]] = [
    lambda text: "", lambda text: " ", lambda text: "a\nb", lambda text: "a\r\n\r\nb", lambda text: "\n", lambda text: 'say "x", y',
    lambda text: "a\tb", lambda text: "00:00:01,000 --> 00:00:02,000", lambda text: '"}', lambda text: "\\", lambda text: text * 3,
    lambda text: text[::-1], lambda text: "{name} %d <b>", lambda text: "1", str.upper,
]  # fmt: skip


def translated(data: bytes, format: str, function: Callable[[str], str], into: str | None = None) -> bytes:
    """A document through the whole road: read, cut, translated by a function of one line, put together, written."""
    def search(lines: Sequence[str], progress: Callable[[int], None]) -> list[Translation]:
        return [Translation(function(line), 0.0, 0.0, True) for line in lines]

    parts = list(Document(Source(Path("x"), data), format, "ko", into=into).parts())
    fits = FittingTranslator(search, lambda lines: [len(line) // 2 + 1 for line in lines], 30, "en", "ko")
    results = iter(fits.parts([part for part in parts if part.text], lambda count: None))
    return "".join(part.written(next(results).text) if part.text else part.kept for part in parts).encode()


def drawn(draw: random.Random, format: str) -> bytes:
    """A document of that format."""
    cells = [draw.choice(TEXTS) for _ in range(draw.randrange(1, 7))]
    end = draw.choice(["\n", "\r\n"])
    if format == "tsv":
        lines = ["ko\tid", *(f"{cell}\t{number}" for number, cell in enumerate(cells))]
    elif format == "csv":
        lines = ["ko,id", *('"' + cell.replace('"', '""') + f'",{number}' for number, cell in enumerate(cells))]
    elif format == "jsonl":
        lines = [json.dumps({"id": number, "ko": cell}, ensure_ascii=draw.random() < 0.5) for number, cell in enumerate(cells)]
    elif format in ("srt", "vtt"):
        lines = ["WEBVTT", ""] * (format == "vtt")
        for number, cell in enumerate(cells, 1):
            lines += [str(number), f"00:00:0{number},000 --> 00:00:0{number},900", cell, ""]
    else:
        lines = cells
    return (draw.choice(["", "\ufeff"]) + end.join(lines) + draw.choice(["", end])).encode()


@pytest.mark.parametrize("format", ["text", "tsv", "csv", "jsonl", "srt", "vtt"])
def test_a_translator_that_changes_nothing_gives_the_file_back(format: str) -> None:
    draw = random.Random(21)
    for _ in range(300):
        data = drawn(draw, format)
        assert translated(data, format, lambda text: text) == data


@pytest.mark.parametrize("number", range(len(HOSTILE)))
@pytest.mark.parametrize("format", ["text", "tsv", "csv", "jsonl", "srt", "vtt"])
def test_the_structure_is_kept_whatever_the_model_writes(format: str, number: int) -> None:
    draw = random.Random(22)
    for _ in range(25):
        data = drawn(draw, format)
        before, after = data.decode("utf-8-sig"), translated(data, format, HOSTILE[number]).decode("utf-8-sig")
        if format == "csv":
            rows, rows_too = (list(csv.reader(io.StringIO(text, newline=""))) for text in (before, after))
            assert [row[1:] for row in rows if row] == [row[1:] for row in rows_too if row]
        elif format == "jsonl":
            objects, objects_too = ([json.loads(line) for line in text.split("\n") if line.strip()] for text in (before, after))
            assert [item["id"] for item in objects] == [item["id"] for item in objects_too]
        elif format == "tsv":
            assert [line.split("\t")[1:] for line in before.split("\n")] == [line.split("\t")[1:] for line in after.split("\n")]
        elif format == "text":
            assert [line[-1:] == "\r" for line in before.split("\n")] == [line[-1:] == "\r" for line in after.split("\n")]
        else:
            assert [line for line in before.splitlines() if "-->" in line] == [line for line in after.splitlines() if "-->" in line]


@pytest.mark.parametrize("format", ["text", "csv", "jsonl", "srt", "vtt"])
def test_placeholders_are_there_whatever_the_model_writes(format: str) -> None:
    draw = random.Random(23)
    for function in HOSTILE:
        for _ in range(20):
            data = drawn(draw, format)
            after = translated(data, format, function).decode()
            for mark in ("{name}", "%d", "https://a.b/c", "me@x.org", "%s%s", "{{이름}}", "{n, plural, one {한 개} other {# 개}}"):
                escaped = mark if format != "jsonl" else json.dumps(mark, ensure_ascii=False)[1:-1]
                plain = data.decode() if format != "jsonl" else data.decode().encode().decode("utf-8")
                assert after.count(escaped) >= plain.count(escaped), (mark, data.decode(), after)
