"""Markdown keeps its structure: what is translated is text, and everything else is there again."""

import random
import re
from pathlib import Path

import pytest

from mt.documents.document import Document
from mt.documents.fit import FittingTranslator, Translated
from mt.documents.markdown_inline import nodes_of, without_markup
from mt.documents.parts import Part, Source
from mt.documents.settle import FAILED, settled
from mt.translation import Translation
from tests.documents.rewriting import rewritten

PAGE = """---
title: stays
---

# A heading #

First line of
the paragraph with `code here` and a [link](http://x.y/a_(b) "title").
Another *sentence*.

- one item
- [ ] a task
  goes on

  still the item
    1. nested **bold text**

> quoted words
> over lines

```python
kept = "code"
```

    indented code

<!-- a comment
stays -->
<div align="center">
stays too
</div>

| head | other |
|:-----|------:|
| cell one | `a\\|b` text |
| 12 | x\\|y |

Setext heading
==============

Line with a break\x20\x20
and the rest\\
end.[^1]

[^1]: the note
[ref]: http://example.org "t"
![picture](a.png) https://bare.example.org/path

$$
x = y
$$
***
"""


def texts(data: str) -> list[str]:
    """What is translated of a page."""
    return [part.text for part in Document(Source(Path("x.md"), data.encode("utf-8")), "markdown", "ko").parts() if part.text]


def results(page: str, function=str.upper, fails: bool = False) -> list[tuple[Part, Translated]]:
    """The parts of a page, each with its translation by a function of a sentence, as they are written. fails: the parser may fail."""
    def search(lines, progress):
        return [Translation(function(line), 0.0, 0.0, True) for line in lines]

    parts = list(Document(Source(Path("x.md"), page.encode("utf-8")), "markdown", "ko").parts())
    translator = FittingTranslator(search, lambda lines: [len(line.split()) + 1 for line in lines], 100, "en")
    found = iter(translator.parts([part for part in parts if part.text], lambda count: None))
    done = list(settled((part, next(found) if part.text else Translated("")) for part in parts))
    assert fails or not any(result.markup.startswith(FAILED) for _, result in done), page
    return done


def translated(page: str, function=str.upper) -> str:
    """A page with every sentence translated by a function."""
    return "".join(part.written(result.text) if part.text else part.kept for part, result in results(page, function))


def test_what_is_text() -> None:
    assert texts(PAGE) == [
        "A heading", "First line of the paragraph with code here and a link. Another sentence.", "one item", "a task goes on",
        "still the item", "nested bold text", "quoted words over lines", "head", "other", "cell one", "a|b text", "x|y",
        "Setext heading", "Line with a break", "and the rest", "end.", "the note", "picture https://bare.example.org/path",
    ]  # fmt: skip


def test_everything_else_is_kept() -> None:
    changed = translated(PAGE)
    for kept in ("title: stays", "`code here`", '](http://x.y/a_(b) "title")', 'kept = "code"', "    indented code",
                 "<!-- a comment\nstays -->",
                 '<div align="center">\nstays too\n</div>', "|:-----|------:|", "`a\\|b`", "==============", "  \n", "\\\n", "[^1]: ",
                 '[ref]: http://example.org "t"\n', "](a.png)", "https://bare.example.org/path", "$$\nx = y\n$$\n***\n", "- [ ] ",
                 "> QUOTED WORDS OVER LINES\n", "# A HEADING #\n", "    1. NESTED **BOLD TEXT**\n",
                 "| CELL ONE | `a\\|b` TEXT |"):  # fmt: skip
        assert kept in changed, kept
    assert re.findall(r"^$", changed, re.MULTILINE) == re.findall(r"^$", PAGE, re.MULTILINE)


def test_a_page_comes_back_byte_for_byte() -> None:
    draw = random.Random(2)
    lines = PAGE.split("\n") + [
        "", "", "a *b _c_ d* [e `f`](g)", "[![h](i)](j)", "***", "* * k", "<br> l", "`", "```", "~~~", "| m | n", "\tp", "0) q", "**", "--",
        "<https://r.s>", "t [^1] u", "![](v)", "> > w", "#", "<b>x</b> y", "\u3000z", "\\*no\\*", "$5 and $6",
    ]  # fmt: skip
    for data in [PAGE, PAGE.replace("\n", "\r\n"), "\ufeff" + PAGE, PAGE.rstrip("\n")]:
        assert rewritten(data.encode("utf-8"), "markdown") == data.encode("utf-8")
    for _ in range(1500):
        page = draw.choice(["\n", "\r\n"]).join(draw.choice(lines) for _ in range(draw.randrange(1, 9))) + draw.choice(["", "\n"])
        assert rewritten(page.encode("utf-8"), "markdown") == page.encode("utf-8"), page
        changed = translated(page, lambda text: text + "ㅋ")
        for address in re.findall(r"http://[\w.]+", page):
            assert address in changed, (page, changed)
        assert changed.count("\n\n") >= page.count("\n\n")


@pytest.mark.parametrize(
    ("text", "plain", "markers"),
    [
        ("a `b` c", "a b c", ["`b`"]),
        ("``a ` b``", "a ` b", ["``a ` b``"]),
        ("[a](b)", "a", ["[a](b)"]),
        ("![a](<b c>)", "a", ["![a](<b c>)"]),
        ("[a][b] [c]", "a [c]", ["[a][b]"]),
        ("[`a`](b)", "a", ["[`a`](b)"]),
        ("**a** and _b_", "a and b", ["**a**", "_b_"]),
        ("snake_case_name and 2 * 3 * 4", "snake_case_name and 2 * 3 * 4", []),
        ("***a***", "a", ["***a***"]),
        ("~~a~~ \\*b\\*", "a *b*", ["~~a~~"]),
        ("see https://a.b/c_(d).", "see https://a.b/c_(d).", ["https://a.b/c_(d)"]),
        ("https://a.b/c에서", "https://a.b/c에서", ["https://a.b/c"]),
        ("a<br>b", "ab", ["<br>"]),
        ("**a [b](c) d**", "a b d", ["**", "[b](c)", "**"]),
    ],
)
def test_inline_markup(text: str, plain: str, markers: list[str]) -> None:
    found, spans = without_markup(nodes_of(text, {"B": {"href": "c", "title": ""}}))
    assert found == plain
    assert [span.before + found[span.start : span.end] + span.after for span in spans] == markers


def test_a_sentence_whose_code_cannot_be_placed_does_not_break_the_others() -> None:
    assert translated("`print`를 쓴다.\n", {"print를 쓴다.": "Drucken.", "를 쓴다.": "is used."}.__getitem__) == "`print` is used.\n"
    words = {"Use print here.": "여기서 출력.", "Good day.": "안녕.", "Use": "쓰다", "here.": "여기."}
    assert translated("Good day. Use `print` here.\n", words.__getitem__) == "안녕. 쓰다 `print` 여기.\n"


def test_code_of_marks_alone_and_code_beside_unchanged_text_stays_where_it_was() -> None:
    assert translated("Join with `, `, or ` ; `, not ``a ` b``.\n") == "JOIN WITH `, `, OR ` ; `, NOT ``a ` b``.\n"
    assert translated("First the code. E.G. `404`.\n") == "FIRST THE CODE. E.G. `404`.\n"
    assert translated("See <b>`x`</b>**[`a`](b)**!\n") == "SEE <b>`x`</b>**[`a`](b)**!\n"


@pytest.mark.parametrize("answer", ["", " ", "|", "`", "[", "*", "\\", "x" * 300, "a b " * 80, "\ue000"])
def test_whatever_a_model_answers_the_structure_is_kept(answer: str) -> None:
    changed = translated(PAGE, lambda text: answer)
    for kept in ("title: stays", "](http://x.y/a_(b)", 'kept = "code"', "    indented code", "stays too", "](a.png)", "[^1]: "):
        assert kept in changed, kept


def test_a_translation_makes_no_new_blocks() -> None:
    assert translated("word\n", lambda text: "1. x") == "1\\. x\n"
    assert translated("word\n", lambda text: "# x") == "\\# x\n"
    assert translated("| a |\n|-|\n| b |\n", lambda text: "x|y") == "| x\\|y |\n|-|\n| x\\|y |\n"
    long = "one two three four five six seven eight nine ten\nand some more words that follow here\n"
    assert all(not re.match(r"- ", line) for line in translated(long, lambda text: "word " * 9 + "- word " * 5).split("\n"))


def test_a_long_page_takes_no_time() -> None:
    assert len(texts("`a` *b* [c](d) text " * 5000)) == 1
