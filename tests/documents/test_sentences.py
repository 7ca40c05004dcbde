"""Sentences end where they end, and no character is lost."""

import random

import pytest

from mt.documents.sentences import split_sentences

CASES = [
    ("He came. She left! Did they? Yes.", ["He came.", "She left!", "Did they?", "Yes."]),
    ("Pi is 3.14 and e is 2.71. Both are real.", ["Pi is 3.14 and e is 2.71.", "Both are real."]),
    ("Dr. Kim met Mr. Lee. They spoke.", ["Dr. Kim met Mr. Lee.", "They spoke."]),
    ("Some tools, e.g. Hammers, i.e. These. Fine.", ["Some tools, e.g. Hammers, i.e. These.", "Fine."]),
    ("1. First comes this. 2. Then that.", ["1. First comes this.", "2. Then that."]),
    ("J. K. Rowling and the U.S. Army met. End.", ["J. K. Rowling and the U.S. Army met.", "End."]),
    ('"Really?" he said. "Go!" She went.', ['"Really?" he said.', '"Go!"', "She went."]),
    ("(It rained.) We stayed.", ["(It rained.)", "We stayed."]),
    ("Wait... what? Well… no.", ["Wait... what?", "Well… no."]),
    ("see mt.cli and www.example.com. Done.", ["see mt.cli and www.example.com.", "Done."]),
    ("Er kam am 3. Oktober z.B. Nach Hause. Gut.", ["Er kam am 3. Oktober z.B. Nach Hause.", "Gut."]),
    ("나는 갔다. 너는 왔어요. 정말 그럴까? 그렇죠.", ["나는 갔다.", "너는 왔어요.", "정말 그럴까?", "그렇죠."]),
    ("값은 3.14이다. 날짜는 2024. 3. 5. 이다.", ["값은 3.14이다.", "날짜는 2024. 3. 5. 이다."]),
    ('"나는 간다."라고 말했다. 그는 갔다.', ['"나는 간다."라고 말했다.', "그는 갔다."]),
    ("“가자!” 하고 외쳤다. “그래.” 모두 갔다.", ["“가자!” 하고 외쳤다.", "“그래.”", "모두 갔다."]),
    ("그게… 아니라… 그렇습니다… 이만 갑니다.", ["그게… 아니라… 그렇습니다…", "이만 갑니다."]),
    ("비가 왔다.그래서 안 갔다.", ["비가 왔다.", "그래서 안 갔다."]),
    ("동의어입니다 (줄임말입니다). config() 를 쓴다. 숫자 상수. bz2 모듈.",
     ["동의어입니다 (줄임말입니다).", "config() 를 쓴다.", "숫자 상수.", "bz2 모듈."]),
    ("결정됩니다. host를 지정하면 됩니다. 예: e.g. 이것", ["결정됩니다.", "host를 지정하면 됩니다.", "예: e.g. 이것"]),
    ("(비가 왔다.) 「맞아요.」 끝.", ["(비가 왔다.)", "「맞아요.」", "끝."]),
    ("가. 첫째 항목이다. 나. 둘째 항목이다.", ["가. 첫째 항목이다.", "나. 둘째 항목이다."]),
    ("今日は。元気ですか？はい。", ["今日は。", "元気ですか？", "はい。"]),
    ("One line\nanother line", ["One line", "another line"]),
    ("no end at all", ["no end at all"]),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_sentences_end_where_they_end(text: str, expected: list[str]) -> None:
    assert [sentence for sentence, _ in split_sentences(text)] == expected


def test_no_character_is_lost() -> None:
    alphabet = [*"aB다요가3..…?!。", '"', *"”()  \n\t\u3000-", "Dr"]
    draw = random.Random(3)
    for _ in range(4000):
        text = "".join(draw.choices(alphabet, k=draw.randrange(30)))
        found = split_sentences(text)
        assert "".join(sentence + space for sentence, space in found) == text
        assert all(sentence == sentence.strip() and "\n" not in sentence for sentence, _ in found), (text, found)
        assert all(not space.strip() for _, space in found)


def test_a_million_marks_take_no_time() -> None:
    assert len(split_sentences("a. " * 300_000)) == 1
    assert len(split_sentences("간다. " * 100_000)) == 100_000
