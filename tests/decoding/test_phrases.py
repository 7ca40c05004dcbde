"""A phrase is found exactly where a regular expression finds it, however the text is cut into tokens."""

import random
import re

import numpy
import pytest

from mt.data.special_ids import EOS, UNK
from mt.decoding.phrases import MATCHED, START, Phrase, Spelling, compile_phrase
from mt.errors import DecodingError

UNKNOWN = " \u2047 ".encode()
PIECES = [b"", UNKNOWN, b"", b"", *(bytes([byte]) for byte in range(256)), b" a", b"ab", b" ab a", b"b a", b"ba", b"a.", b" aab", b"  ",
          "고".encode(), " 고양".encode(), "이가".encode(), "양이".encode()]  # fmt: skip
PHRASES = ["a", "ab", "aab", "a b", "aa a", "ab*", "a.", "a. b", ".", "고양이", "고양이*", "이", "aba", "a-b"]


def contains(text: str, phrase: str) -> bool:
    """Whether a phrase stands in a text, between boundaries: with a regular expression over the bytes."""
    body = re.escape(phrase.removesuffix("*").encode())
    end = b"" if phrase.endswith("*") else rb"(?![0-9A-Za-z\x80-\xff])"
    return re.search(rb"(?<![0-9A-Za-z\x80-\xff])" + body + end, text.encode()) is not None


@pytest.fixture(scope="module")
def spelling() -> Spelling:
    return Spelling(PIECES)


def random_text(draw: random.Random) -> str:
    return "".join(draw.choices(["a", "a", "b", "a", " ", ".", "-", "고", "양", "이", "고양이", "ab"], k=draw.randint(0, 12)))


def cut(text: str, draw: random.Random) -> list[int]:
    """Tokens that spell the text, chosen at random."""
    rest, tokens = text.encode(), []
    while rest:
        fitting = [token for token, piece in enumerate(PIECES) if piece and token != UNK and rest.startswith(piece)]
        tokens.append(draw.choice(fitting))
        rest = rest[len(PIECES[tokens[-1]]) :]
    return tokens


@pytest.mark.parametrize("text", PHRASES)
def test_it_stands_where_a_regular_expression_finds_it_in_bytes_and_in_any_tokens(text: str, spelling: Spelling) -> None:
    phrase, draw, found = compile_phrase(text, spelling), random.Random(1), 0
    for _ in range(250):
        sentence = random_text(draw) + draw.choice(["", text.removesuffix("*")]) + random_text(draw)
        expected = contains(sentence, text)
        found += expected
        assert phrase.stands_in(sentence) == expected, sentence
        assert (phrase.after([*cut(sentence, draw), EOS]) == MATCHED) == expected, sentence
        assert phrase.stands_in(sentence, ended=False) == (phrase.after(cut(sentence, draw)) == MATCHED)
    assert 10 < found < 240


def test_what_stands_in_a_text_stays_there_whatever_follows(spelling: Spelling) -> None:
    phrase = compile_phrase("ab", spelling)
    assert phrase.after([*cut(" ab a", random.Random(0)), *cut("bab", random.Random(0)), UNK, EOS]) == MATCHED
    assert phrase.stands_in("ab a", ended=False) and not phrase.stands_in("a ab", ended=False)


@pytest.mark.parametrize("text", PHRASES)
def test_the_steps_are_the_fewest_tokens_that_complete_it(text: str, spelling: Spelling) -> None:
    phrase = compile_phrase(text, spelling)
    assert phrase.steps_X[MATCHED] == 0 and phrase.can_be_spelled
    for state in range(len(phrase.next_XV)):
        reachable, steps = {state}, 0
        while MATCHED not in reachable:  # all that some number of tokens leads to
            reachable = {int(following) for each in reachable for following in phrase.next_XV[each]}
            steps += 1
        assert phrase.steps_X[state] == steps <= phrase.needs


def test_control_tokens_spell_nothing_and_the_unknown_one_is_a_boundary(spelling: Spelling) -> None:
    phrase = compile_phrase("a", spelling)
    for state in range(len(phrase.next_XV)):
        assert [phrase.next_XV[state, token] for token in (0, 2)] == [state, state]
    after = phrase.after(cut("a", random.Random(0)))
    assert phrase.next_XV[after, UNK] == phrase.next_XV[after, EOS] == MATCHED != phrase.next_XV[START, UNK]


def test_spaces_around_a_phrase_do_not_count_and_text_is_needed(spelling: Spelling) -> None:
    def same(one: Phrase, other: Phrase) -> bool:
        return numpy.array_equal(one.next_XV, other.next_XV)

    assert same(compile_phrase("  ab ", spelling), compile_phrase("ab", spelling))
    assert same(compile_phrase("ab *", spelling), compile_phrase("ab*", spelling))
    for empty in ("", "  ", "*", " * ", "a\0b"):
        with pytest.raises(DecodingError, match="give some text"):
            compile_phrase(empty, spelling)


def test_what_the_vocabulary_cannot_write_is_known() -> None:
    few = Spelling([b"", UNKNOWN, b"", b"", b" a", b"b"])
    for within in ("a", "ab", "b", "abb ab*"):
        assert compile_phrase(within, few).can_be_spelled, within
    for beyond in ("c", "abc", "b b", "ba", "고"):
        assert not compile_phrase(beyond, few).can_be_spelled, beyond
