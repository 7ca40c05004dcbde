"""Subtitles keep their numbers, timings and tags, and their cues are wrapped again."""

import io
import random
import re
import sys
from pathlib import Path

import pytest

from mt.documents.document import Document
from mt.documents.fit import FittingTranslator
from mt.documents.parts import Source
from mt.documents.subtitle_lines import numbered, subrip_lines, webvtt_lines
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


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp949"])
@pytest.mark.parametrize("format", ["srt", "vtt"])
def test_what_is_written_does_not_depend_on_what_the_screen_can_show(format: str, encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = "“\u200fEnglish\u200e” — soft\u00adware\u200b ♪ 12\u00a0000 é\u2066한글\u2069 … and so on, too wide for one line"
    head = {"srt": "1\n00:00:01,000 --> 00:00:02,000\n", "vtt": "WEBVTT\n\n00:01.000 --> 00:02.000\n"}[format]
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    written = translated(f"{head}나는 간다.\n", format, {"나는 간다.": answer})
    assert written.startswith(head) and written.removeprefix(head).count("\n") >= 2
    assert written.removeprefix(head).rstrip("\n").replace("\n", " ") == answer


def test_a_name_in_angle_brackets_is_text_unless_it_can_be_a_tag() -> None:
    head = "1\n00:00:01,000 --> 00:00:02,000\n"
    assert translated(f"{head}<TV동물농장> 시작\n", "srt", {"<TV동물농장> 시작": "Animals start"}) == f"{head}Animals start\n"
    assert translated(f"{head}<font color='red'>시작</font>\n", "srt", {"시작": "Start"}) == f"{head}<font color='red'>Start</font>\n"


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


DAMAGED = [
    "00:00:03,000 -> 00:00:04,000", "00:00:03,000 —> 00:00:04,000", "00:00:03,000 → 00:00:04,000", "00:00:03,000 –> 00:00:04,000",
    "00:00:03,000 - 00:00:04,000", "00:00:03,000 00:00:04,000", "00:00:03,000 ---- 00:00:04,000", "00:00:03,000 => 00:00:04,000",
    "00:00:03,000 -- > 00:00:04,000", "00:00:03,000 >> 00:00:04,000", "00:00:03,000 ~ 00:00:04,000", "00:00:03,000 to 00:00:04,000",
    "00:00:03,000 -->", "--> 00:00:04,000", "-->", "00:00:03,000", "00:00:03,000 ->", "0O:00:03,000 --> 00:00:04,000",
    "O0:00:03,000 -> 00:00:04,000",
    "-00:00:03,000 --> 00:00:04,000", "00;00;03,000 --> 00;00;04,000", "00 00 03,000 --> 00 00 04,000", "00.00.03,000 -> 00.00.04,000",
    "００:００:０３,０００ -> ００:００:０４,０００", "00:00:03,000 --＞ 00:00:04,000 !", "00:00:03,000 &gt; 00:00:04,000",
    "[00:00:03,000 --> 00:00:04,000]",
    "00:00:03,000 --> xx", "00:00:03,000 --> 00:00:04,000 나는 간다.",
]  # fmt: skip


@pytest.mark.parametrize("line", DAMAGED)
@pytest.mark.parametrize("format", ["srt", "vtt"])
def test_a_damaged_timing_is_refused_with_its_line(line: str, format: str) -> None:
    head = "" if format == "srt" else "WEBVTT\n\n"
    data = f"{head}1\n00:00:01,000 --> 00:00:02,000\n나는 책을 읽었다.\n\n2\n{line}\n한나는 간다.\n"
    number = data.split("\n").index(line) + 1
    with pytest.raises(DataError, match=f"^standard input: line {number}: "):
        rewritten(data.encode(), format)


@pytest.mark.parametrize(
    "line",
    [
        "0:0:3 --> 0:0:4", "00:00:03.000 --> 00:00:04.000", "00:00:03,00 --> 00:00:04,0000", "00:00:05,000 --> 00:00:04,000",
        "00:00:03:000-->00:00:04:000",
        " 00:00:03,000 --> 00:00:04,000 ", "00:00:03,000 --> 00:00:04,000 {\\an8}",
        "00:00:03,000 --> 00:00:04,000  X1:1 {\\an8}{\\i1}",
        "00:00:03,000 --> 00:00:04,000 X1:100 X2:200 Y1:10 Y2:20",
        "00:00:03.000 --> 00:00:04.000 align:start position:0%",
    ],
)  # fmt: skip
@pytest.mark.parametrize("format", ["srt", "vtt"])
def test_an_odd_timing_is_kept(line: str, format: str) -> None:
    head = "" if format == "srt" else "WEBVTT\n\n"
    data = f"{head}1\n00:00:01,000 --> 00:00:02,000\n나는\n\n2\n{line}\n간다.\n"
    assert rewritten(data.encode(), format, lambda text: "T").decode() == data.replace("나는", "T").replace("간다.", "T")


@pytest.mark.parametrize(
    "text",
    [
        "09:30:00부터 10:30:00까지 영업", "12:00 - 13:00", "3 -> 4", "1,000원 -> 2,000원", "가 -> 나", "2024.01.05 - 2024.01.07",
        "집 → 학교", "가 --> 나", "3:16,17 4:10,11", "2:01:09.5와 2:02:57.1의 기록",
        "1:30.5에서 1:29.8로 줄었다", "10:30:00에 출발 → 11:30:00",
    ],
)  # fmt: skip
def test_a_text_with_times_or_arrows_is_text(text: str) -> None:
    data = f"1\n00:00:01,000 --> 00:00:02,000\n나는 {text}\n가\n"
    assert rewritten(data.encode(), "srt", lambda text: "T").decode() == data.replace(f"나는 {text}\n가", "T")


@pytest.mark.parametrize("text", ["10:30:15.250", "3:16,17 4:10,11", "1:30.5, 1:29.8", "요 3:16,17", "마라톤 2:01:09.5와 2:02:57.1"])
@pytest.mark.parametrize("format", ["srt", "vtt"])
def test_times_in_a_cue_are_text(text: str, format: str) -> None:
    head = {"srt": "1\n00:00:01,000 --> 00:00:02,000\n", "vtt": "WEBVTT\n\n00:01.000 --> 00:02.000\n"}[format]
    for data in (f"{head}{text}\n", f"{head}나는\n{text}\n"):
        assert rewritten(data.encode(), format).decode() == data


def test_only_an_empty_line_ends_a_webvtt_cue() -> None:
    data = "WEBVTT\n\n00:01.000 --> 00:02.000\n \n가\n\t\n나\n\n다\n\n00:03.000 --> 00:04.000\n라\n \n\n마\n"
    assert rewritten(data.encode(), "vtt", lambda text: "T").decode() == data.replace("가", "T").replace("나", "T").replace("라", "T")


def test_blocks_of_webvtt_are_kept_and_a_timing_always_begins_a_cue() -> None:
    data = (
        "WEBVTT - 제목\nKind: captions\n\nSTYLE\n::cue { color: red }\n\nREGION\nid:fred\n\nNOTE 가\n00:05.000 -> 나\n\nNOTE\n다\n\n이름\n"
        "00:01.000 --> 00:02.000\n라\n00:03.000 --> 00:04.000\n마\n2\n00:05.000 --> 00:06.000\nNOTE 바\n"
    )
    expected = data.replace("라", "T").replace("마", "T").replace("NOTE 바", "T")
    assert rewritten(data.encode(), "vtt", lambda text: "T").decode() == expected


def test_a_webvtt_cue_that_the_standard_drops_is_kept() -> None:
    data = "WEBVTT\n\n00:01.000 --> 00:02.000\n가\nb --> c\n나\n\n00:03.000 --> 00:04.000\n다\n"
    assert rewritten(data.encode(), "vtt", lambda text: "T").decode() == data.replace("가", "T").replace("다", "T")


def test_subrip_without_empty_lines_between_cues() -> None:
    data = (
        "1\n00:00:01,000 --> 00:00:02,000\n가\n2\n00:00:03,000 --> 00:00:04,000\n1984\n나\n3\n00:00:05,000 --> 00:00:06,000\n다\n"
        "00:00:07,000 --> 00:00:08,000\n라"
    )
    found: list[str] = []
    for end in ("\n", "\r\n"):
        whole = data.replace("\n", end).encode()
        assert rewritten(whole, "srt", lambda text: found.append(text) or text) == whole
    assert found == ["가", "1984 나", "다", "라"] * 2


def test_subrip_refuses_a_cue_without_a_timing() -> None:
    head, third = "1\n00:00:01,000 --> 00:00:02,000\n나\n\n2\n가\n", "00:00:05,000 --> 00:00:06,000\n다\n"
    with pytest.raises(DataError, match="line 6: '가' is not a timing, though the number 2 is above it"):
        rewritten(f"{head}\n3\n{third}".encode(), "srt")
    for data in (head, f"{head}\n2\n{third}"):  # 2 is what the first cue says
        assert rewritten(data.encode(), "srt").decode() == data
        changed = data.replace("나", "T").replace("가", "T").replace("다", "T")
        assert rewritten(data.encode(), "srt", lambda _: "T").decode() == changed
    data = "\ufeff1\n00:00:01,000 --> 00:00:02,000\n나\n\n5\n".encode()
    assert rewritten(data, "srt") == data


def test_what_is_above_the_first_cue_is_kept() -> None:
    cue = "1\n00:00:01,000 --> 00:00:02,000\n나\n"
    for head in ("자막 홍길동\n\n", "자막  홍길동\r\n", "2024\n자막\n\n\n", "\ufeff자막\n3:16,17 4:1,2\n\n"):
        assert rewritten(f"{head}{cue}".encode(), "srt", lambda _: "T").decode() == head + cue.replace("나", "T")
    with pytest.raises(DataError, match="line 4: "):
        rewritten(f"자막\n\n1\n00:00:01,000 00:00:02,000\n나\n\n{cue}".encode(), "srt")


def test_karaoke_stamps_are_spread_over_the_words_of_the_translation() -> None:
    line = "나는<00:00:00.480><c> 어제</c><00:00:00.900><c> 책을</c><00:00:01.500><c> 읽었어요.</c>"
    data = f"WEBVTT\n\n00:00:00.160 --> 00:00:02.790 align:start position:0%\n \n{line}\n"
    expected = "I<00:00:00.480><c> read</c><00:00:00.900><c> a</c><00:00:01.500><c> book yesterday.</c>"
    words = {"나는 어제 책을 읽었어요.": "I read a book yesterday."}
    assert translated(data, "vtt", words) == data.replace(line, expected)
    for answer in ("", "x", "one two", "a b c d e f g", "한글"):
        written = rewritten(data.encode(), "vtt", lambda _, answer=answer: answer).decode()
        assert re.findall(r"<[^<>]*>", written) == re.findall(r"<[^<>]*>", data), written
    voices = "WEBVTT\n\n00:01.000 --> 00:02.000\n<v Mina><c.yellow>가</c> <i>나</i>\n"
    assert re.findall(r"<[^<>]*>", rewritten(voices.encode(), "vtt", str.upper).decode()) == re.findall(r"<[^<>]*>", voices)


TIMES = "00:00:09,000 --> 00:00:10,000"
HOSTILE = [
    "", " ", "a\nb", "a\n\nb", "a\r\nb", TIMES, f"x\n{TIMES}\ny", "1", "2\n\n3", "<i>", "</v>", "&", "-", "NOTE x", "WEBVTT", "{",
]  # fmt: skip


@pytest.mark.parametrize("answer", HOSTILE)
def test_whatever_a_model_answers_the_file_has_the_same_cues(answer: str) -> None:
    def kept(text: str, format: str) -> list[str]:
        lines = text.splitlines(keepends=True)
        if TIMES in answer:  # a text like that is no cue, but would be refused
            return [line for line in lines if "-->" in line]
        read = {"srt": subrip_lines, "vtt": webvtt_lines}[format]
        return [line.raw for line in read(numbered(iter(lines)), Path("x")) if line.kind != "text" and line.raw.strip()]

    spaced = VTT + "\n00:05.000 --> 00:06.000\n \n가\n \n나\n\n00:07.000 --> 00:08.000\n- 다\n- 라\n"
    for text, format in ((SRT, "srt"), (VTT, "vtt"), (spaced, "vtt"), (SRT.replace("\n\n", "\n"), "srt")):
        changed = rewritten(text.encode("utf-8"), format, lambda _: answer).decode("utf-8")
        assert kept(changed, format) == kept(text, format), changed
