"""Subtitles keep their numbers, timings and tags, and their cues are wrapped again."""

import random
from pathlib import Path

import pytest

from mt.documents.document import Document
from mt.documents.fit import FittingTranslator
from mt.documents.parts import Source
from mt.errors import DataError
from mt.translation import Translation
from tests.documents.rewriting import rewritten

SRT = """1
00:00:01,000 --> 00:00:02,500
나는 오늘
학교에 갔다.

2
00:00:03,000 --> 00:00:04,000
- 안녕!
- <i>그래.</i>

3
00:00:05,000 --> 00:00:06,000
<i>조용히 해.</i>

4
00:00:07,000 --> 00:00:08,000
♪ ♪

"""
VTT = """WEBVTT - a title

NOTE
not 00:01 translated

STYLE
::cue { color: red }

first
00:01.000 --> 00:02.000 line:0
<v Mina>나 &amp; 너

00:03.000 --> 00:04.000
이것은 <b>매우</b> 좋다.
"""


def translated(text: str, format: str, words: dict[str, str]) -> str:
    """A document with every sentence looked up."""
    def search(lines, progress):
        return [Translation(words[line], 0.0, 0.0, True) for line in lines]

    document = Document(Source(Path("x"), text.encode("utf-8")), format, "ko")
    translator = FittingTranslator(search, lambda lines: [len(line.split()) + 1 for line in lines], 100, "en")
    parts = list(document.parts())
    results = iter(translator.parts([part for part in parts if part.text], lambda count: None))
    return "".join(part.written(next(results).text) if part.text else part.kept for part in parts)


def test_subrip() -> None:
    words = {"나는 오늘 학교에 갔다.": "I went to school today, and so did everybody whom I know there.",
             "안녕!": "Hi!", "그래.": "Yes.", "조용히 해.": "Be quiet."}  # fmt: skip
    expected = SRT.replace("나는 오늘\n학교에 갔다.", "I went to school today, and so\ndid everybody whom I know there.")
    for korean in ("안녕!", "그래.", "조용히 해."):
        expected = expected.replace(korean, words[korean])
    assert translated(SRT, "srt", words) == expected
    assert translated(SRT.replace("\n", "\r\n"), "srt", words) == expected.replace("\n", "\r\n")


def test_webvtt() -> None:
    words = {"나 & 너": "You & <3", "이것은 매우 좋다.": "This is very good.", "매우": "very"}
    expected = VTT.replace("나 &amp; 너", "You &amp; &lt;3").replace("이것은 <b>매우</b> 좋다.", "This is <b>very</b> good.")
    assert translated(VTT, "vtt", words) == expected


def test_files_come_back_byte_for_byte() -> None:
    draw = random.Random(4)
    texts = [
        "<i>가</i>", "나 <b>다</b> <i>라", "- 마", "♪ 마 ♪", "<v A>바", "{\\an8}사", "", "  ", "<c.x>아</c> 자 <00:01.000>차", "12",
        "a --> b", "&lt;", "</b>",
    ]  # fmt: skip
    for format, head in (("srt", ""), ("vtt", "WEBVTT\n\n")):
        for _ in range(400):
            cues = []
            for number in range(draw.randrange(1, 5)):
                lines = [str(number)] * (draw.random() < 0.8) + ["00:00:01,000 --> 00:00:02,000"]
                cues.append("\n".join(lines + [draw.choice(texts) for _ in range(draw.randrange(4))]))
            text = draw.choice(["", "\ufeff"]) + head + "\n\n".join(cues) + draw.choice(["", "\n", "\n\n\n"])
            data = text.replace("\n", draw.choice(["\n", "\r\n"])).encode("utf-8")
            assert rewritten(data, format) == data
            assert rewritten(data, format, str.swapcase).count(b" --> 00") == data.count(b" --> 00")


@pytest.mark.parametrize("answer", ["", " ", "<i>", "x" * 300, "a b " * 80])
def test_whatever_a_model_answers_the_timings_are_kept(answer: str) -> None:
    for text, format in ((SRT, "srt"), (VTT, "vtt")):
        assert rewritten(text.encode("utf-8"), format, lambda _: answer).decode("utf-8").count("-->") == text.count("-->")


def test_a_cue_with_an_empty_line_in_it_loses_nothing() -> None:
    text = "1\n00:00:01,000 --> 00:00:02,000\nerste\n\nzweite\n"
    assert rewritten(text.encode(), "srt", str.upper).decode() == text.replace("erste", "ERSTE").replace("zweite", "ZWEITE")


def test_a_file_without_cues_is_told() -> None:
    with pytest.raises(DataError, match="no line is the timing of a cue"):
        list(Document(Source(Path("x.srt"), b"a\nb\n"), "srt", "ko").parts())
    assert rewritten(b"", "srt") == b"" and rewritten(b"WEBVTT\n", "vtt") == b"WEBVTT\n"
