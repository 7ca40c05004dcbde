"""What has a structure that mt does not keep is refused, by its name and by its first bytes, and nothing is written."""

import gzip
import re
from pathlib import Path

import pytest

from mt.documents.content import format_of_file, refuse_other_content
from mt.documents.kinds import FORMATS, format_of
from mt.errors import DataError
from tests.command_line import run_mt

UNKNOWN = [
    "tmx", "xlf", "xliff", "yaml", "yml", "smi", "sami", "lrc", "ttml", "dfxp", "ass", "ssa", "sub", "idx", "ini", "cfg", "conf",
    "properties", "toml", "resx", "strings", "po", "pot", "mo", "ipynb", "html", "htm", "xhtml", "xml", "tex", "rst", "adoc",
    "docx", "doc", "pdf", "odt", "rtf", "epub", "hwp", "hwpx", "xlsx", "pptx", "zip", "xz", "bz2", "7z", "parquet", "ts", "arb",
    "plist", "py", "js", "css", "sql", "log", "bak", "out", "in", "src", "tok", "csv~", "markdownx",
]  # fmt: skip


def _way_out(ending: str) -> str:
    """What a refusal of this ending advises: bytes of a word processor are no lines of text."""
    documents = ("docx", "doc", "pdf", "odt", "rtf", "epub", "hwp", "hwpx")
    return "save it as plain text (UTF-8) in your word processor" if ending in documents else "--format text"


@pytest.mark.parametrize("ending", [*UNKNOWN, "YAML", "Smi", "yml.gz"])
def test_an_unknown_ending_is_refused_with_the_way_out(ending: str) -> None:
    path = Path(f"folder/film.{ending}")
    with pytest.raises(DataError) as refused:
        format_of(path, None, "ko")
    assert str(refused.value).startswith(f"{path}: '.") and _way_out(ending) in str(refused.value)
    assert format_of(path, "text", "ko") == "text"


@pytest.mark.parametrize("name", [".env", ".gitignore", "Makefile", "Dockerfile"])
def test_files_of_programs_are_no_text(name: str) -> None:
    with pytest.raises(DataError):
        format_of(Path(name), None, "ko")


@pytest.mark.parametrize(
    ("name", "language", "format"),
    [
        ("a.txt", "ko", "text"), ("a.TXT", "ko", "text"), ("a.text", "ko", "text"), ("a", "ko", "text"), ("a.txt.gz", "ko", "text"),
        ("test.ko", "ko", "text"), ("test.en.ko", "ko", "text"), ("test.kor", "ko", "text"), ("test.ko-KR", "ko", "text"),
        ("test.ko_KR.gz", "ko", "text"), ("test.deu", "de", "text"), ("test.ger", "deu", "text"), ("test.pl", "pl", "text"),
        ("test.pt", "pt-BR", "text"), ("chapter.1", "ko", "text"), ("2024.3.5", "ko", "text"), ("편지.원문", "ko", "text"),
        ("a.md", "ko", "markdown"), ("a.csv", "ko", "csv"), ("a.ndjson", "ko", "jsonl"), ("a.b.SRT", "ko", "srt"), ("a.vtt", "ko",
        "vtt"),
    ],
)  # fmt: skip
def test_what_a_name_says(name: str, language: str, format: str) -> None:
    assert format_of(Path(name), None, language) == format


def test_the_code_of_another_language_is_no_ending_of_text() -> None:
    for name, language in (("test.en", "ko"), ("test.pl", "ko"), ("test.kor", "en")):
        with pytest.raises(DataError):
            format_of(Path(name), None, language)
        assert format_of(Path(name), None) == "text"  # before the model is known


@pytest.mark.parametrize("ending", [
    "src", "kr", "log", "out", "ref", "bpe", "detok", "tok", "hyp", "raw", "bak", "in", "LOG", "tok.gz",
])  # fmt: skip
def test_an_ending_that_says_nothing_is_text_when_the_content_is(ending: str) -> None:
    path = Path(f"test.{ending}")
    opened = gzip.open if ending.endswith("gz") else open
    for content, format in (("나는 간다.\n", "text"), ("[공지] 안녕\n", "text"), ("", "text"), ("<html>\n<p>\n", ""),
                            ("a.b=1\nc=2\nd=3\n", "")):  # fmt: skip
        with opened(path, "wb") as stream:
            stream.write(content.encode())
        if format:
            assert format_of_file(path, None, "ko") == format
        else:
            with pytest.raises(DataError, match="add --format text"):
                format_of_file(path, None, "ko")


@pytest.mark.parametrize("ending", sorted({"en", "pl", *UNKNOWN} - {"log", "bak", "out", "in", "src", "tok"}))
def test_an_ending_of_something_else_is_refused_whatever_the_content_is(ending: str) -> None:
    path = Path(f"test.{ending}")
    path.write_text("나는 간다.\n", encoding="utf-8")
    with pytest.raises(DataError, match=re.escape(_way_out(ending))):
        format_of_file(path, None, "ko")


CONTENTS = {
    "WebVTT subtitles": ["WEBVTT\n\n00:01.000 --> 00:02.000\n나\n", "\ufeffWEBVTT - title\r\n", "WEBVTT"],
    "SAMI subtitles": ["<SAMI>\n<HEAD>\n", "\n  <sami>\n"],
    "HTML": ["<!DOCTYPE html>\n<html>", "<!doctype HTML>", "<html lang='ko'>\n"],
    "XML": ["<?xml version='1.0'?>\n<a>", '<tmx version="1.4">\n', "<resources>\n<string name='a'>가</string>\n", '<tt xmlns="x">\n'],
    "RTF": ["{\\rtf1\\ansi 가}"],
    "SubStation subtitles": ["[Script Info]\nTitle: x\n"],
    "LaTeX": ["\\documentclass{article}\n"],
    "SubRip subtitles": ["1\n00:00:01,000 --> 00:00:02,000\n나\n", "1\r\n00:00:01.000 --> 00:00:02.000\r\n나\r\n"],
    "MicroDVD subtitles": ["{0}{25}나는\n"],
    "song lyrics with times": ["[ti:노래]\n[00:12.00]나는\n", "[00:12.00]나는\n"],
    "YAML": ["---\ntitle: 나는\n", "%YAML 1.2\n---\n", "title: 나는\nlist:\n  - 하나\n  - 둘\n", "en:\n  hello: 안녕\n  bye: 잘 가\n"],
    "JSON": ['{"a": "나"}', '{\n  "a": "나"\n}', '[{"a": 1}]', '["나", "너"]', "[\n  1\n]"],
    "a gettext catalogue": ['msgid ""\nmsgstr ""\n', '# 번역\nmsgid "a"\n'],
    "Apple strings": ['"a" = "나";\n', '/* 말 */\n"a" = "나";\n'],
    "settings": ["[section]\nkey = 나\n", "; c\n[a]\nb=1\n", "a.b=나\na.c=너\nd=우리\n", "# c\nkey = 1\nother = 2\nthird=3\n"],
    "a script": ["#!/bin/sh\necho 나\n"],
    "markup with tags": ["<p>\n나\n</p>\n", '<SYNC Start=1>\n<P Class=K>\n나\n<SYNC Start=2>\n'],
}  # fmt: skip


@pytest.mark.parametrize(("kind", "content"), [(kind, content) for kind, contents in CONTENTS.items() for content in contents])
def test_text_that_begins_like_something_else_is_refused_unless_text_was_asked_for(kind: str, content: str) -> None:
    with pytest.raises(DataError, match=f"^a.txt: this looks like {kind}, not text: ") as refused:
        refuse_other_content(content.encode(), Path("a.txt"), "text", asked=False)
    assert "--format text" in str(refused.value)
    refuse_other_content(content.encode(), Path("a.txt"), "text", asked=True)


@pytest.mark.parametrize(
    "content",
    [
        "나는 간다.\n", "", "---\n나는\n", "---\n=====\n123\n", "미나: 안녕\n민수: 그래\n", "Mina: hi\nMinsu: hello\n",
        "{name}님\n", "[ ] 할 일\n", "[1] 첫째\n",
        "<b>나는</b> 간다\n", "<Mina> 안녕\n", "a = b\n나는\n", "\"나는\" = 말\n", "# 제목\n", "[12:30] 미나: 안녕\n",
        "[10, 20] 사이의 수\n", '["The Raven"] 은 시다\n', "{\n글\n", "[\n광고 ]\n", "[1, 2\n",
        '{"안녕": 인사}\n', "Ingredients:\n- 달걀\n",
        "Ingredients:\n- 2 eggs\nDirections:\n- mix\n", "Tom:\n  Ann: Hi\n", "---\n제목: 안녕\n", "---\nTitle: Hello\n본문\n",
        "[공지]\n시간: 오후\n", "[Verse 1]\nRM: 안녕\n", "E = mc2 는 유명하다.\nF = ma 는 법칙이다.\nV = IR 은 법칙이다.\n",
        "x = 1\ny = 2\nz = 3\n", "<Notice>\n오늘은 쉽니다.\n", "<Intro>\n사랑해\n<Verse>\n너를\n<Chorus>\n", "<b>\n안녕\n",
        "[10:30:15] 홍길동: 안녕\n[10:30:20] 김: 네\n", "[1:30.5] 안녕\n", "[1][2] 참고 문헌\n", "[by: 홍길동]\n이 글은\n",
        "RIFF 형식은 소리다\n", "GIF89a는 그림이다\n", "ID3 태그는\n", "OggS\n", "BZh 안녕\n", "PAR1 안녕\n", "<html> 태그는 문서다\n",
        "<svg> 태그는\n", "<?xml 선언은\n", "<!DOCTYPE 선언은\n", "WEBVTT 파일은 자막이다\n", "#! /bin/sh 로 시작한다\n",
        'msgid "안녕" 이라는 줄\n', "\\documentclass 는 명령이다\n", "[Script Info] 라고 쓴다\n", "[INFORMATION]\n안내문입니다\n",
        ".TH 이것은\n", "{name}\n%s\n<br>\n", "1\n2\n3\n", "- 하나\n- 둘\n",
    ],
)  # fmt: skip
def test_text_is_text(content: str) -> None:
    """In a file and on standard input: neither refused nor doubted in a note."""
    for place in (Path("a.txt"), Path("standard input")):
        assert refuse_other_content(content.encode(), place, "text", asked=False) == ""


@pytest.mark.parametrize(
    "content",
    [b"RIFF\x24\x08\0\0WAVEfmt ", b"GIF89a\x01\0\x01\0\x80", b"ID3\x03\0\0\0", b"OggS\0\x02", b"BZh91AY&SY\x8a\x01", b"PAR1\x15\x04"],
)
def test_a_magic_of_letters_needs_a_byte_that_is_no_text(content: bytes) -> None:
    with pytest.raises(DataError, match="^a.txt: this is an? "):
        refuse_other_content(content, Path("a.txt"), "text", asked=True)


def test_on_standard_input_only_what_is_beyond_doubt_is_refused() -> None:
    for kind, contents in CONTENTS.items():
        for content in contents:
            if kind in ("WebVTT subtitles", "SAMI subtitles", "HTML", "XML", "SubRip subtitles", "JSON", "markup with tags"):
                with pytest.raises(DataError, match=f"this looks like {kind}"):
                    refuse_other_content(content.encode(), "standard input", "text", asked=False)
            else:
                note = refuse_other_content(content.encode(), "standard input", "text", asked=False)
                assert note == f"note: standard input: this looks like {kind}; every line is translated as plain text"


def test_content_is_looked_at_in_its_encoding() -> None:
    content = "[\uac00]\na=1\n".encode("cp949")
    assert refuse_other_content(content, Path("a.txt"), "text", asked=False, encoding="cp949") == ""
    with pytest.raises(DataError, match="looks like HTML"):
        refuse_other_content("<html>\n".encode("utf-16"), Path("a.txt"), "text", asked=False, encoding="utf-16")


def test_subtitles_of_the_other_kind_are_told_their_format() -> None:
    with pytest.raises(DataError, match="a.srt: this looks like WebVTT subtitles, not srt: add --format vtt"):
        refuse_other_content(b"WEBVTT\n\n1\n00:01.000 --> 00:02.000\nx\n", Path("a.srt"), "srt", asked=False)
    with pytest.raises(DataError, match="a.vtt: this looks like SubRip subtitles, not vtt: add --format srt"):
        refuse_other_content(b"1\n00:00:01,000 --> 00:00:02,000\nx\n", Path("a.vtt"), "vtt", asked=True)
    with pytest.raises(DataError, match="looks like HTML, not markdown"):
        refuse_other_content(b"<html>\n", Path("a.md"), "markdown", asked=False)
    for content, format in ((b"---\ntitle: x\n---\n", "markdown"), (b"[a](b)\n", "markdown"), (b"<div>\n\n</div>\n", "markdown"),
    (b'{"ko": 1}\n', "jsonl"),
                            (b"[1]\ta\n", "tsv"), (b"WEBVTT\n", "vtt"), (b"1\n00:00:01,000 --> 00:00:02,000\n", "srt")):  # fmt: skip
        refuse_other_content(content, Path("a"), format, asked=False)


@pytest.mark.parametrize("content", [b"%PDF-1.7\n", b"Rar!\x1a\x07", b"\x89PNG\r\n", b"\x7fELF\x02", b"\xd0\xcf\x11\xe0\xa1",
    bytes(range(1, 32)) * 9])
def test_binary_data_is_refused_whatever_it_was_called(content: bytes) -> None:
    for format in FORMATS:
        with pytest.raises(DataError):
            refuse_other_content(content, Path("a"), format, asked=True)


def test_the_steps_that_the_command_names_work(trained_run: Path) -> None:
    def translate(*arguments: str, stdin: bytes | None = None):
        return run_mt("translate", "--model", str(trained_run), *arguments, stdin=stdin)

    Path("film.smi").write_text("<SAMI>\nba be bi\n", encoding="utf-8")
    Path("film.srt").write_text("WEBVTT\n\n00:01.000 --> 00:02.000\nba be bi\n", encoding="utf-8")
    Path("film.txt").write_bytes(Path("film.smi").read_bytes())
    Path("lines.po").write_text("ba be bi\n", encoding="utf-8")
    for arguments, step in (
        (["--input", "film.smi", "--output", "out"], ["--format", "text"]),
        (["--input", "film.txt"], ["--format", "text"]),
        (["--input", "film.txt", "--scores"], ["--format", "text"]),
        (["--input", "film.srt"], ["--format", "vtt"]),
        (["--input", "lines.po"], ["--format", "text"]),
        (["--input", "lines.po", "--scores"], ["--format", "text"]),
    ):
        refused = translate(*arguments)
        assert (refused.exit_code, refused.stdout) == (2, "") and f"add {' '.join(step)}" in refused.stderr, refused.stderr
        if "--output" in arguments:
            assert not Path("out").exists()
        assert translate(*arguments, *step).exit_code == 0
    assert Path("out").read_text(encoding="utf-8") == "<SAMI>\nba be bi\n"
    Path("lines.tok").write_text("ba be bi\n", encoding="utf-8")
    for arguments in (["--scores"], []):
        outcome = translate("--input", "lines.tok", *arguments)
        assert outcome.exit_code == 0 and outcome.stderr.count("note: lines.tok: read as plain text") == 1
    content = Path("film.srt").read_bytes()
    refused = translate(stdin=content)
    assert refused.exit_code == 2 and "standard input: this looks like WebVTT subtitles" in refused.stderr
    assert "add --input - --format vtt" in refused.stderr
    assert translate("--input", "-", "--format", "vtt", stdin=content).stdout.encode() == content
    assert translate("--input", "-", "--format", "srt", stdin=content).exit_code == 2
