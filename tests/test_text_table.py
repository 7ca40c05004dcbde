"""Tables line up for the eye: width is what a terminal shows, not the number of characters."""

import pytest

from mt.text_table import cut, display_width, text_table, wrap

WIDTHS = {
    "": 0,
    "BLEU": 4,
    "한국어": 6,
    "\u1112\u1161\u11ab": 2,  # 한 as three jamo, as macOS writes it
    "e\u0301": 1,  # e and a combining acute accent
    "ａ": 2,  # fullwidth
    "日本": 4,
    "🙂": 2,
    "👩\u200d👩\u200d👧": 2,  # a family, joined from three people
    "a\x07b": 2,  # a control character shows nothing
}


@pytest.mark.parametrize(("text", "columns"), WIDTHS.items(), ids=[ascii(text) for text in WIDTHS])
def test_width_is_what_a_terminal_shows(text: str, columns: int) -> None:
    assert display_width(text) == columns


def test_every_column_begins_and_ends_at_one_place_whatever_the_script() -> None:
    names = [name for name in WIDTHS if name]
    lines = text_table(["corpus", "n"], [[name, str(number)] for number, name in enumerate(names, 8)]).split("\n")
    assert {display_width(line) for line in lines} == {len("corpus") + 2 + 2}
    assert all(line.endswith(f" {number}") for number, line in enumerate(lines[1:], 8))


def test_texts_are_aligned_to_the_left_and_numbers_to_the_right() -> None:
    table = text_table(["corpus", "BLEU"], [["가", "7.10"], ["newstest", "31.25"]])
    assert table == "corpus     BLEU\n가         7.10\nnewstest  31.25"


def test_the_first_number_column_can_be_chosen() -> None:
    assert text_table(["a", "b", "c"], [["가나", "다", "1"]], numbers_from=2) == "a     b   c\n가나  다  1"


def test_no_line_ends_in_spaces() -> None:
    table = text_table(["name", "note"], [["x", ""], ["y", "long note"]], numbers_from=2)
    assert all(line == line.rstrip() for line in table.split("\n"))


def test_a_header_alone_is_a_table() -> None:
    assert text_table(["corpus", "BLEU"], []) == "corpus  BLEU"


def test_a_last_column_too_wide_is_wrapped_at_its_words() -> None:
    table = text_table(["key", "n", "what"], [["a", "1", "one two three four five six seven"], ["b", "10", "x"]], numbers_from=1, width=36)
    assert table == "key   n  what\na     1  one two three four five six\n         seven\nb    10  x"


def test_words_are_wrapped_by_what_a_terminal_shows() -> None:
    assert wrap("가나 다라 마바", 9) == ["가나 다라", "마바"]
    assert wrap("a-word-that-is-too-long b", 5) == ["a-word-that-is-too-long", "b"]
    assert wrap("  ", 5) == [""]
    assert wrap("it is 12 %, no more", 8) == ["it is", "12 %, no", "more"], "a number keeps its sign"


def test_a_text_that_is_cut_ends_in_an_ellipsis() -> None:
    assert cut("가나다", 6) == "가나다"
    assert cut("가나다", 5) == "가나…"
    assert cut("abc", 2) == "a…"
