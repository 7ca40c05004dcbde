"""What has no letter of the source language never reaches the model; placeholders come back byte for byte or are flagged."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from mt.documents.document import Document
from mt.documents.fit import FittingTranslator, Translated
from mt.documents.parts import Part, Source
from mt.documents.placeholders import PLACEHOLDER, changed_placeholders, with_placeholders
from mt.documents.report import Report, flags
from mt.documents.tags import with_tags
from mt.documents.words import has_source_words
from mt.translation import Translation
from tests.command_line import run_mt

WORDLESS = [
    "---", "=====", "123", "2024-01-01", "?", "…", "★★★", "☎ 02-123-4567", "-", "%", "3.14", '"', "\u200b", "\u2060", "\ufeff",
    "♪ ♪", "😀", "①", "½", "٣",
    "१२", "https://example.org/a?b=c", "www.example.org", "me@example.org", "mailto:me@example.org", "/usr/local/bin",
    "C:\\Users\\me\\a.txt",
    "../a/b", "~/notes/", "src/main.py", "README.md", "{name}", "{0}", "{}", "${var}", "{{ user }}", "%s", "%1$d", "%(name)s",
    "%-5.2f", "%@", "%d%%",
    "<b></b>", "<br/>",
    '<a href="x y">', "&nbsp;", "&#160;", "\\n", "\\u00e9", "{n, plural, one {# file} other {# files}}", "%s: {0}",
]  # fmt: skip


@pytest.mark.parametrize("text", WORDLESS)
def test_marks_numbers_placeholders_and_addresses_are_no_words_in_any_language(text: str) -> None:
    for language in ("ko", "en", "ar", "th", "hi", "xx"):
        assert not has_source_words(text, language)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("가", "ko"), ("ㅋㅋ", "ko"), ("NASA와", "ko"), ("안녕 {name}", "ko"), ("a", "en"), ("N/A", "en"), ("and/or", "en"),
        ("100% sure", "en"), ("ＡＢ", "en"), ("é", "fr"),
        ("слово", "ru"), ("reč", "sr"), ("漢字", "ja"), ("ｶﾅ", "ja"), ("가", "xx"), ("word", "xx"), ("<Mina> hi", "en"), ("x@y", "en"),
        ("see https://a.b", "en"),
    ],
)  # fmt: skip
def test_words_are_words(text: str, language: str) -> None:
    assert has_source_words(text, language)


def test_a_text_in_another_script_has_no_words_of_the_language() -> None:
    for text, language in (("NASA", "ko"), ("hello world", "ko"), ("안녕", "en"), ("漢字", "ko"), ("слово", "en"),
    ("https://a.b/길", "ko")):
        assert not has_source_words(text, language)


def translated(
    parts: Sequence[Part], function: Callable[[str], str], source: str, asked: list[str] | None = None
) -> list[str]:
    """The translations of parts by a function of one line."""
    def search(lines: Sequence[str], progress: Callable[[int], None]) -> list[Translation]:
        if asked is not None:
            asked.extend(lines)
        return [Translation(function(line), 0.0, 0.0, True) for line in lines]

    fits = FittingTranslator(search, lambda lines: [len(line) + 1 for line in lines], 60, "en", source)
    return [result.text for result in fits.parts(parts, lambda count: None)]


@pytest.mark.parametrize(
    ("format", "content"),
    [
        ("text", "{}\n가\n"), ("tsv", "{}\tx\n가\ty\n"), ("csv", 'ko,n\n"{}",1\n가,2\n'), ("jsonl", '{{"ko": "{}"}}\n{{"ko": "가"}}\n'),
        ("srt", "1\n00:00:01,000 --> 00:00:02,000\n{}\n\n2\n00:00:03,000 --> 00:00:04,000\n가\n"),
        ("vtt", "WEBVTT\n\n00:01.000 --> 00:02.000\n{}\n\n00:03.000 --> 00:04.000\n가\n"), ("markdown", "{}\n\n가\n"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "unit", ["123", "2024-01-01", "?", "%", "\u2060", "NASA", "https://a.b/c", "{name}", "%s", "hello world.", "N/A", "3.14"]
)
def test_in_every_format_only_units_with_a_letter_of_the_language_are_translated(format: str, content: str, unit: str) -> None:
    data = content.format(unit)
    column = "1" if format == "tsv" else None
    parts = list(Document(Source(Path("x"), data.encode()), format, "ko", column).parts())
    asked: list[str] = []
    results = iter(translated([part for part in parts if part.text], lambda line: "made up", "ko", asked))
    written = "".join(part.written(next(results)) if part.text else part.kept for part in parts)
    assert asked == ["가"] and written == data.replace("가", "made up")


def test_sentences_and_phrases_without_a_word_are_kept_inside_a_longer_text() -> None:
    asked: list[str] = []
    text = "가자. " + "NASA. 123! " * 8 + "나."
    assert translated([Part(raw=text, text=text)], str.lower, "ko", asked) == [text]
    assert set(asked) == {"가자.", "나."}


@pytest.mark.parametrize(
    ("source", "answer", "expected"),
    [
        ("안녕 {name}", "hello {name}", "hello {name}"),
        ("{name}님, 안녕!", {"{name}님, 안녕!": "{Name}, hi!", "님, 안녕!": "hi!"}, "{name} hi!"),
        ("파일 %d개", {"파일 %d개": "files", "파일": "File", "개": "pieces"}, "File %d pieces"),
        ("https://a.b/c에서 봤다", {"https://a.b/c에서 봤다": "seen", "에서 봤다": "seen there"}, "https://a.b/c seen there"),
        ("<b>가</b>", {"<b>가</b>": "go", "가": "go"}, "<b>go</b>"),
        ("<b>가</b> <i>나</i>다", {"가 나다": "me go", "가": "go", "나": "me"}, "<i>me</i> <b>go</b>"),
        ('<a href="x">가</a><br/>', {"가": "go"}, '<a href="x">go</a><br/>'),
        ("<Mina> 가", {"<Mina> 가": "<Mina> go"}, "<Mina> go"),
        ("가\\n나", {"가나": "go me", "가": "go", "나": "me"}, "go\\nme"),
        ("%s와 %s", {"%s와 %s": "%s and %s"}, "%s and %s"),
    ],
)  # fmt: skip
def test_placeholders_come_back(source: str, answer: str | dict[str, str], expected: str) -> None:
    part = with_placeholders(with_tags(Part(raw=source, text=source)))
    [found] = translated([part], answer.__getitem__ if isinstance(answer, dict) else lambda line: answer, "ko")
    assert part.written(found) == expected and changed_placeholders(source, expected) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("C:\\사용자\\taeho\\문서를 여세요", ["C:\\사용자\\taeho\\문서를"]), ("D:\\자료\\new.txt", ["D:\\자료\\new.txt"]),
        ("\\\\서버\\root\\책 보기", ["\\\\서버\\root\\책"]), ("내 문서\\노트\\root\\책", ["문서\\노트\\root\\책"]),
        ("각 $\\theta$는 작다", []), ("$\\nabla f$와 $\\left(x\\right)$", []), ("$a,\\rho,\\tau$", []), ("$x \\times \\nu$", []),
        ("가\\n나", ["\\n"]), ("First.\\nsecond", ["\\n"]), ("One\\nTwo\\r\\nThree", ["\\n", "\\r", "\\n"]), ("끝\\n", ["\\n"]),
        ("만\\n\\t가", ["\\n", "\\t"]), ("src\\tools", []), ("\\\\n은 줄바꿈", []),
        ("https://a.b/docs/에서 읽다", ["https://a.b/docs/"]),
        ("https://a.b/c_를 보라", ["https://a.b/c_"]), ("https://a.b/c-은.", ["https://a.b/c-"]),
        *((f"https://a.b/{particle} 본다", ["https://a.b/"])
          for particle in ("에", "를", "은", "이", "가", "로", "과", "의", "도", "까지", "에서는")),
        ("https://a.b/#에", ["https://a.b/#"]), ("https://a.b/?q=까지", ["https://a.b/?q="]),
        ("https://a.b/이/가다", ["https://a.b/이/가다"]),
        ("https://a.b/wiki/한국 보기", ["https://a.b/wiki/한국"]), ("https://a.b/에세이", ["https://a.b/에세이"]),
        ("(https://a.b/에서도)", ["https://a.b/"]),
        ("<TV동물농장>", []), ("<K팝스타>", []), ("<A반>", []), ("Press <Enter> now", []), ("<TV>", []), ("<Title> x", []),
        ("<br> <b>가", ["<br>", "<b>"]), ("<Link>가</Link>", ["<Link>", "</Link>"]), ("<Trans/> <Foo id=1>", ["<Trans/>", "<Foo id=1>"]),
        ("<0>가</0>", ["<0>", "</0>"]), ("<span class='x'>가</span>", ["<span class='x'>", "</span>"]),
    ],
)  # fmt: skip
def test_what_is_a_placeholder(text: str, found: list[str]) -> None:
    assert [match[0] for match in PLACEHOLDER.finditer(text)] == found


def test_a_placeholder_that_is_lost_or_doubled_is_named() -> None:
    assert changed_placeholders("{a} %s {a}", "{a} %s") == ["{a}"]
    assert changed_placeholders("%s <b>x</b>", "%s %s <b>x</b>") == ["%s"]
    assert changed_placeholders("가 &nbsp; me@x.org", "a me@x.org") == ["&nbsp;"]
    assert changed_placeholders("가 {a}", "a {a} {b}") == [] == changed_placeholders("가", "{b}")


def test_long_texts_are_read_once() -> None:
    began = time.monotonic()
    for piece in ("http://", ".", "{a, plural", "<a b=c ", "a.", "%", "a@", "{{", "/a", "\\n", "www.(", "x", "&a", "${", "<", "가/",
                  "<x>", "<x>가", "가\\나", "가\\", "\\\\가"):
        PLACEHOLDER.findall(piece * 20_000)
        PLACEHOLDER.findall("http://" + piece * 20_000)
    assert time.monotonic() - began < 20


def test_a_wordless_source_that_was_translated_is_flagged() -> None:
    for source, text, expected in (
        ("42", "There are cheap.", ["invented", "numbers"]),
        ("2024-01-01", "My older sister is124,00 won.", ["invented", "numbers"]),
        ("☎ 02-123-4567", "My brother is expensive.", ["invented", "numbers"]),
        ("!!!", "There is a are glases.", ["invented"]),
        ("---", "", ["empty"]),
        ("?", "to the to the to the", ["invented", "repetition"]),
        ("…", "word " * 30, ["invented", "repetition", "length"]),
        ("안녕 {name}", "hello {Name}", ["placeholders"]),
    ):
        assert flags(source, Translated(text), False, "ko") == expected
    assert flags("NASA", Translated("NASA"), False, "ko") == [] == flags("---", Translated("---"), False)


def test_the_report_counts_what_was_kept() -> None:
    with Report(None, False, "ko") as report:
        for source, text in (("가", "go"), ("NASA", "NASA"), ("123", "123"), ("나", "나")):
            report.add(Part(raw=source, text=source), Translated(text))
    assert (report.translated, report.kept, report.flagged) == (2, 2, 1)


def test_the_last_line_says_what_was_written_how_many_and_how_long(trained_run: Path) -> None:
    def told(*arguments: str, stdin: bytes | None = None) -> list[str]:
        outcome = run_mt("translate", "--model", str(trained_run), *arguments, stdin=stdin)
        assert outcome.exit_code == 0, outcome.stderr
        return outcome.stderr.splitlines()

    Path("in.txt").write_text("ba be bi\n\n123\n{name}\nda mu ki\n", encoding="utf-8")
    assert told("--input", "in.txt", "--output", "out.txt")[-1].startswith("out.txt: 2 units translated, 2 kept as they are; ")
    assert Path("out.txt").read_text(encoding="utf-8") == Path("in.txt").read_text(encoding="utf-8")
    assert told("--input", "in.txt")[-1].startswith("standard output: 2 units translated, 2 kept as they are; ")
    scored = told("--input", "in.txt", "--output", "scored.txt", "--scores")
    assert scored[-1].startswith("scored.txt: 2 units translated, 2 kept as they are; ")
    assert Path("scored.txt").read_text(encoding="utf-8").split("\n")[2:4] == ["0.0000\t123", "0.0000\t{name}"]
    Path("none.txt").write_text("123\n안녕\n", encoding="utf-8")
    note, last = told("--input", "none.txt", "--output", "none.out")
    assert "nothing in it has a letter of en, the model's source language" in note and "0 units translated, 2 kept" in last
    assert run_mt("translate", "--model", str(trained_run), "123", "{name}").stdout == "123\n{name}\n"
    nbest = run_mt("translate", "--model", str(trained_run), "--nbest", "2", "--beam", "2", stdin=b"123\nba be\n")
    assert nbest.stdout.split("\n")[:2] == ["123", ""]
