"""Whatever a model answers, a Markdown page has the structure of its source: the same blocks, the same markup, only other words."""

import random
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mt.documents import markdown
from mt.documents.fit import Translated
from mt.documents.markdown import unclosed_fence
from mt.documents.markdown_inline import nodes_of, without_markup
from mt.documents.markdown_parser import same_text, signature
from mt.documents.parts import Part, Source
from mt.documents.report import Report
from mt.documents.settle import FAILED, KEPT, settled
from tests.documents.test_markdown import results, texts, translated


def marked(line: str) -> str:
    """Each word of a line with a mark, so that what was translated can be seen."""
    return " ".join(f"{word}x" if word[-1:].isalnum() else word for word in line.split())


@pytest.mark.parametrize(
    ("page", "wanted"),
    [
        ("> ```\n> code\n\n글\n", ["글"]),
        ("- 항목\n  ```\n  code\n\n글\n", ["항목", "글"]),
        ("1. 항목\n\n   ~~~\n   code\n\n> 글\n", ["항목", "글"]),
        ("> 글\n게으른 줄\n", ["글 게으른 줄"]),
        ("- 가\n\n      code\n\n  나\n", ["가", "나"]),
        ("가\n    나\n", ["가 나"]),
        ("<div>\n가\n</div>\n\n나\n", ["나"]),
        ("가\n나\n---\n", ["가 나"]),
        ("> [!NOTE]\n> 글\n", ["글"]),
        ("> [!warning]- 제목\n> 글\n> 둘\n", ["제목", "글 둘"]),
        ("> [!note] *가* 나\n>\n> 글\n", ["가 나", "글"]),
        ("나는 { 학교에 갑니다. 그리고 } 책을 읽었다.\n", ["나는 { 학교에 갑니다. 그리고 } 책을 읽었다."]),
        ("{{ 이것은 문장입니다 }}\n\n{% 이것도 문장 %}\n", ["{{ 이것은 문장입니다 }}", "{% 이것도 문장 %}"]),
        ("{% if x == '가' %}\n글\n{% endif %}\n\n{{ page.title | default(\"없음\") }}\n\n{{이름}} ${VAR} {.a #b k=\"다\"}\n", ["글"]),
        ("{. 글 } 다 {.a #b}\n", ["{. 글 } 다"]),
        ("글 앞\n[주의]: 위험\n", ["글 앞 [주의]: 위험"]),
        ("글 앞\n[책]: http://x.y/z \"제목\"\n[a]: <b>\n[c]: d.md\n[e]: #f\n", ["글 앞"]),
        ("%% 숨은 글 %%\n\n%%\n글\n%%\n", ["%% 숨은 글 %%", "글"]),
        ("---\n안내: 이 문서는 글입니다.\n\n본문 글\n\n---\n", ["안내: 이 문서는 글입니다.", "본문 글"]),
        ("---\n# 가\ntitle: 나\ntags:\n- 다\n  라\n\n\"a b\": 마\nx: |\n  바 사\n---\n글\n", ["글"]),
        ("+++\ntitle = '가'\n[a.b]\nx = [\n '나',\n]\n+++\n글\n", ["글"]),
        ("- [ ] 할 일\n- [x] 한 일\n", ["할 일", "한 일"]),
        ("[^1]: 가\n[^2]: 나\n\n    다\n", ["가", "나", "다"]),
        ("$$\n가\n$$\n\n나\n", ["나"]),
        ("$$\n가\n", ["가"]),
        ("---\ntitle: 가\n---\n나\n", ["나"]),
        ("---\n가\n", ["가"]),
        (":::note\n가\n:::\n", ["가"]),
        ("말\n: 뜻\n", ["말", "뜻"]),
        ("[가]: /u\n나\n", ["나"]),
        ("| 가 | 나 |\n|---|---|\n| 다\\|라 | |\n\n마\n", ["가", "나", "다|라", "마"]),
        ("---\n\n***\n\n123\n\n&nbsp;\n\n\u200b\n\n{name}\n\nhttps://example.org/한글\n\n[[위키]]\n\n:smile:\n", []),
    ],
)  # fmt: skip
def test_what_is_text_follows_commonmark_and_github(page: str, wanted: list[str]) -> None:
    assert texts(page) == wanted
    changed = translated(page, marked)
    assert signature(changed, {}, True) == signature(page, {}, True)
    for text in wanted:
        assert marked(text).split()[-1] in changed.replace("\\|", "|")


@pytest.mark.parametrize(
    ("page", "wanted"),
    [
        ("[책]을 읽다.\n\n[책]: /b\n", "[책x][책] 을x 읽다.\n\n[책]: /b\n"),
        ("[책][] 읽다.\n\n[책]: /b\n", "[책x][책] 읽다.\n\n[책]: /b\n"),
        ("[책][m] 읽다.\n\n[m]: /b\n", "[책x][m] 읽다.\n\n[m]: /b\n"),
        ("![꽃][]\n\n[꽃]: f.png\n", "![꽃x][꽃]\n\n[꽃]: f.png\n"),
        ("[*책* 가] 읽다.\n\n[*책* 가]: /b\n", "[*책x* 가x][*책* 가] 읽다.\n\n[*책* 가]: /b\n"),
        ("[없는 것] 읽다.\n", "[없는x 것]x 읽다.\n"),
        ("[책](/b \"제목\") 읽다.\n", "[책x](/b \"제목\") 읽다.\n"),
    ],
)  # fmt: skip
def test_every_link_still_leads_to_its_definition(page: str, wanted: str) -> None:
    changed = translated(page, lambda line: " ".join(word if word == "읽다." else f"{word}x" for word in line.split()))
    assert changed == wanted


@pytest.mark.parametrize(
    ("source", "shown", "answer", "wanted"),
    [
        ("가 \\*나\\* 다", "가 *나* 다", "a *b* c", "a \\*b\\* c"),
        ("가 &lt;나&gt;", "가 <나>", "a <b>", "a &lt;b&gt;"),
        ("AT&amp;T 가", "AT&T 가", "the AT&T", "the AT&amp;T"),
        ("가", "가", "# a", "\\# a"),
        ("가", "가", "1. a", "1\\. a"),
        ("가", "가", "- a", "\\- a"),
        ("가", "가", "a *b* c", "a \\*b\\* c"),
        ("가", "가", "2 * 3 * 4", "2 * 3 * 4"),
        ("가", "가", "snake_case_name", "snake_case_name"),
        ("가\\_나\\_다\\_라", "가_나_다_라", "a_b_c_d", "a\\_b\\_c\\_d"),
        ("가_나_", "가_나_", "a_b_c", "a_b_c"),
        ("가", "가", "[a](b)", "[a\\](b)"),
        ("가", "가", "a <br> b", "a \\<br> b"),
        ("가", "가", "```", "\\```"),
        ("가", "가", "[a]: b", "\\[a]: b"),
        ("가", "가", "a\\", "a\\"),
        ("가!", "가!", "a&copy;", "a\\&copy;"),
        ("# 가", "가", "a #", "# a \\#"),
        ("> 가", "가", "> a", "> \\> a"),
    ],
)  # fmt: skip
def test_words_that_look_like_markup_are_escaped_and_only_they(source: str, shown: str, answer: str, wanted: str) -> None:
    assert texts(source + "\n") == [shown]
    assert translated(source + "\n", {shown: answer}.__getitem__) == wanted + "\n"


@pytest.mark.parametrize(
    ("source", "answers", "wanted"),
    [
        ("_가_**나**\n", {"가나": "ab", "가": "a", "나": "b"}, "_a_**b**\n"),
        ("_가_ 다 **나**\n", {"가 다 나": "u v w", "가": "a", "나": "b"}, "_u_ v **w**\n"),
        ("[^1]    1. 가\n", {"1. 가": "1. a"}, "[^1]    1. a\n"),
        ("가 [나](u) 다\n", {"가 나 다": "x", "나": "1.", "가": "-", "다": ">"}, "\\- [1](u) >\n"),
        ("가<br>  나\n", {"가  나": "x", "가": "a", "나": "b"}, "a<br>  b\n"),
        ("가다. [[위키]] `나`\n", {"가다.": "Go."}, "Go. [[위키]] `나`\n"),
        ("가다. [^1]  - 나\n", {"가다.": "Go.", "- 나": "- b"}, "Go. [^1]  - b\n"),
    ],
)  # fmt: skip
def test_markers_keep_their_places_where_a_sentence_is_broken_up(source: str, answers: dict[str, str], wanted: str) -> None:
    changed = translated(source, lambda text: answers.get(text, text))
    assert signature(changed, {}, True) == signature(source, {}, True)
    assert changed == wanted


def test_what_only_another_program_understands_is_not_shown_to_the_model() -> None:
    asked: list[str] = []
    page = "가 [[위키]] 나 :smile: 다[^1] <b>라</b> {.class}\n\n# 제목 {#id}\n"
    changed = translated(page, lambda line: asked.append(line) or marked(line))
    assert not any(mark in line for line in asked for mark in ("[[", ":smile", "[^", "<b>", "{"))
    assert changed == "가x [[위키]] 나x :smile: 다x[^1] <b>라x</b> {.class}\n\n# 제목x {#id}\n"


@pytest.mark.parametrize(
    ("text", "formulas"),
    [
        ("가격은 10$에서 20$까지", []), ("US$입니다 그리고 HK$", []), ("가격은 $입니다 그리고 $이다", []), ("값은 $10에서 20$까지", []),
        ("값은 $10, $20", []), ("값은 US$5와 10$", []), ("식 $x+y$는", ["$x+y$"]),
        ("식 $\\frac{a}{b}$과 $\\text{가}$", ["$\\frac{a}{b}$", "$\\text{가}$"]),
        ("($x$), $a\\$b$", ["$x$", "$a\\$b$"]), ("식 $$x$$", ["$$x$$"]),
        ("나는 { 학교에 갑니다. 그리고 } 책을", []), ("{{ 이것은 문장입니다 }}", []), ("{% 이것도 문장 %}", []),
        ("{{ a.b }} {가}", ["{{ a.b }}", "{가}"]),
    ],
)  # fmt: skip
def test_formulas_and_names_in_braces_are_kept_and_prices_and_sentences_are_text(text: str, formulas: list[str]) -> None:
    plain, spans = without_markup(nodes_of(text, {}))
    assert [plain[span.start : span.end] for span in spans] == formulas


def test_a_placeholder_that_the_model_loses_is_put_back() -> None:
    for mark in ("{name}", "%s", "%1$d", "${VAR}", "{{ page.title }}", "$x+y$", "`code`", "https://example.org/a_b"):
        changed = translated(f"가 {mark} 나\n", lambda line: {"가": "a", "나": "b"}.get(line, "lost"))
        assert changed == f"a {mark} b\n"


def test_words_of_a_link_are_found_where_the_model_put_others_around_them() -> None:
    words = {"어제 책을 읽었어요.": "I read a book yesterday.", "책": "The book."}
    found = results("어제 [책](/b)을 읽었어요.\n", words.__getitem__)
    assert [(result.text, bool(result.markup)) for _, result in found if result.text] == [("I read a [book](/b) yesterday.", True)]


def test_a_fence_that_nothing_closes_is_told_unless_its_container_ends() -> None:
    pages = {"글\n\n```\ncode\n": 3, "```\n": 1, "~~~~\n~~~\n": 1, "```\ncode\n```\n": None, "> ```\n> code\n\n글\n": None, "": None}
    for page, line in pages.items():
        assert unclosed_fence(Source(Path("x.md"), page.encode("utf-8"))) == line, page


def test_a_unit_that_cannot_be_written_keeps_its_source_and_is_flagged() -> None:
    found = results("# 가\n\n나\n\n다\n", {"가": "a", "나": " ", "다": "c"}.__getitem__)
    assert [result.text for _, result in found if result.text] == ["a", "나", "c"]
    assert [result.markup for _, result in found if result.text] == ["", KEPT, ""]


@pytest.mark.parametrize("name", ["~/.config/mt/config.yaml", "__init__.py", "_config.yml", "~/a/b.txt", "__main__.py", "_a-b_.md"])
def test_a_file_name_that_begins_like_emphasis_is_a_file_name(name: str) -> None:
    for page in (f"설정은 {name}에 있습니다.\n", f"# {name}\n", f"- **{name}** 를 *보세요* {name}.\n", f"[{name}](u) 글\n"):
        assert translated(page, lambda line: line) == page
        assert translated(page, marked).count(name) == page.count(name)


@pytest.mark.parametrize("page", ["- [주의]: 위험\n", "[주의]: 위험", "글\n\n> [주의]: 위험\n\n[책]: /u\n\n글 [책]\n"])
def test_a_sentence_that_is_a_link_definition_is_counted_and_flagged(page: str) -> None:
    assert "[주의]: 위험" in texts(page) and "[책]: /u" not in texts(page)
    assert translated(page, lambda line: line) == page
    found = results(page, marked)
    assert [(part.text, result.text) for part, result in found if result.markup == KEPT] == [("[주의]: 위험", "[주의]: 위험")]
    assert texts("글 [주의]\n\n[주의]: 위험\n") == ["글 주의"]


def test_what_the_parser_fails_on_is_kept_and_flagged_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    page = "# 가\n\n- 나 XX\n- 다\n\n라 YY\n\n마\n"
    real = markdown.nodes_of

    def failing(content: str, references: object) -> object:
        return 1 / 0 if "XX" in content else real(content, references)

    monkeypatch.setattr(markdown, "nodes_of", failing)
    found = results(page, marked, fails=True)
    assert "".join(part.written(result.text) if part.text else part.kept for part, result in found) == page.translate(
        {ord(letter): f"{letter}x" for letter in "가라마"}
    ).replace("YY", "YYx")
    assert [(part.line, part.text, result.markup) for part, result in found if result.markup] == [
        (3, "나 XX", f"{FAILED}: ZeroDivisionError: division by zero")
    ]
    monkeypatch.setattr(markdown, "blocks", lambda text: 1 / 0)
    found = results(page, marked, fails=True)
    assert [(part.line, part.text) for part, result in found if result.markup] == [(1, "가")]
    assert "".join(part.written(result.text) if part.text else part.kept for part, result in found) == page


@pytest.mark.parametrize("page", ["가 [https://x.y/z](https://x.y/z) 나\n", "가 &lt;b&gt; 나 &amp; 다\n", "가 <https://x.y> [나](https://x.y)\n"])
def test_markup_that_is_all_there_is_not_flagged_as_a_lost_placeholder(page: str) -> None:
    with Report(None, False, "ko") as report:
        for part, result in results(page, marked):
            if part.text:
                report.add(part, result)
                assert result.text != part.text
    assert report.counts["placeholders"] == 0
    part, result = next((part, result) for part, result in results(page, marked) if part.text)
    with Report(None, False, "ko") as report:
        report.add(part, replace(result, text="nothing of it"))
    assert report.counts["placeholders"] == 1


def test_translations_that_break_a_long_list_cost_no_others() -> None:
    def answer(line: str) -> str:
        number = int(line.split("번")[0])
        return f":x: {number} times" if number % 50 == 7 else f"item {number}"

    page = "".join(f"- {number}번 항목\n" for number in range(1000))
    start = time.process_time()
    found = results(page, answer)
    assert time.process_time() - start < 20
    assert [number for number, (_, result) in enumerate((p, r) for p, r in found if p.text) if result.markup] == list(range(7, 1000, 50))
    assert sum(result.text.startswith("item") for part, result in found if part.text) == 980


def test_parts_that_fail_only_with_others_cost_no_others() -> None:
    def check(text: str) -> bool:
        return not any(f"<{number}>" in text for number in range(9, 1000, 50))

    pairs = [(Part(f"\n{number} ", "a", "a", check=check), Translated(f"<{number}>")) for number in range(1000)]
    assert [number for number, (_, result) in enumerate(settled(pairs)) if result.text == "a"] == list(range(9, 1000, 50))


ANSWERS: dict[str, Callable[[str], str]] = {
    "each word": marked,
    "fewer words": lambda line: " ".join(line.split()[::2]) + " q",
    "more words": lambda line: "one " + " and ".join(line.split()) + " two",
    "another order": lambda line: " ".join(line.split()[::-1]),
    "nothing": lambda line: "",
    "markup": lambda line: random.Random(line).choice(
        ["# x", "1. y", "- z", "> q", "`a", "*b", "[c]: d", "[e](f)", "<div>", "***", "~~~", "| a | b |", "a\\", "&amp;", "_u_", "---", "="]
    ),
    "marks": lambda line: " ".join(
        random.Random(word).choice(["*", "_", "`", "[", "]", "<b>", "#", "1.", "-", ">", "|"]) + word for word in line.split()
    ),
}  # fmt: skip
PIECES = [
    "가", "나 다", "b", "*", "**", "_", "__", "`", "``", "[", "]", "(", ")", "[가]", "[가][]", "[나][x]", "![", "](u)", "<b>", "</b>",
    "<br>", "<", "&amp;", "&copy;", "\\", "\\*", "\n", "\n", "\n\n", "  \n", "\\\n", "> ", "- ", "* ", "1. ", "  ", "    ", "\t", "# ", "#",
    "|", "|-|\n", "---", "===", "```", "~~~", "$", "$$", "{n}", "%s", ":a:", "[^1]", "[^1]: ", "[x]: /u\n",
    "[가]: /v \"t\"\n",
    "https://x.y/z", "~~", "!", "<!--", "-->", "[[w]]", "[!NOTE]", "[ ] ", " ", ". ",
    "~/.config/a/b.yaml", "__init__.py", "_config.yml", "~/a.md", "*.py", "%*d", "*/a.txt",
]  # fmt: skip


@pytest.mark.parametrize("answer", ANSWERS)
def test_pages_drawn_from_pieces_of_markup_keep_their_structure(answer: str) -> None:
    draw = random.Random(answer)
    for _ in range(100):
        page = "".join(draw.choices(PIECES, k=draw.randrange(2, 25)))
        page = page.replace("\n", "\r\n") if draw.random() < 0.2 else page
        assert translated(page, lambda line: line) == page
        changed = translated(page, ANSWERS[answer])
        assert signature(same_text(changed), {}, True) == signature(same_text(page), {}, True), (page, changed)


@pytest.mark.parametrize(
    "piece", ["[", "![", "[가 ", "[가](", "`가 ", "``가`", ">", "*", "**가*", "_가 *나 ", "<", "<!-- ", "&가;", "$가 ", "{{가 ", "https://a.",
              "~~가 ", "[^", "[["],
)  # fmt: skip
def test_what_nothing_closes_takes_no_long_time(piece: str) -> None:
    start = time.process_time()
    parts = texts(piece * 10000 + "끝")
    assert time.process_time() - start < 20 and len(parts) <= 10000
