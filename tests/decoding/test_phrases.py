"""A phrase is found exactly where reading the text character by character finds it, however the text is cut into tokens."""

import random

import numpy
import pytest

from mt.data.special_ids import EOS, UNK
from mt.decoding.partial_characters import MATCHED, START
from mt.decoding.phrases import LONGEST_PHRASE, Phrase, Spelling, compile_phrase
from mt.decoding.word_characters import continues_word, word_characters
from mt.errors import DecodingError
from tests.decoding import phrase_reference
from tests.decoding.phrase_reference import contains, decoded

UNKNOWN = " \u2047 ".encode()
PIECES = [b"", UNKNOWN, b"", b"", *(bytes([byte]) for byte in range(256)), b" a", b"ab", b" ab a", b"b a", b"ba", b"a.", b" aab", b"  ",
          *(text.encode() for text in ("고", " 고양", "이가", "양이", "“a", "b”", "…", "猫", "。猫", "a猫", "é", "\u00a0a"))]  # fmt: skip
PHRASES = ["a", "ab", "aab", "a b", "aa a", "ab*", "a.", "a. b", ".", "고양이", "고양이*", "이", "aba", "a-b", "猫", "猫*", "a猫",
           "猫a", "…", "“a”", "é", "aé", "(a)", "'b", "กา", "ab…", "3", "%", "— a"]  # fmt: skip
NASTY = (
    "aaabb  ..-'()%3é\u0301\u00a0\u00ad“”„‚’«»…—–·。、，！（）「」\u3000ａ１猫犬々ーネกาກ고양이한ж٣ⅷªµº×²_"
    "\u200b\u200d\U0001f600\U00020000\ufffd"
)


@pytest.fixture(scope="module")
def spelling() -> Spelling:
    return Spelling(PIECES)


def random_text(draw: random.Random, characters: str = NASTY) -> str:
    return "".join(draw.choices(characters, k=draw.randint(0, 8)))


def cut(text: bytes, draw: random.Random) -> list[int]:
    """Tokens that spell the text, chosen at random."""
    rest, tokens = text, []
    while rest:
        fitting = [token for token, piece in enumerate(PIECES) if piece and token != UNK and rest.startswith(piece)]
        tokens.append(draw.choice(fitting))
        rest = rest[len(PIECES[tokens[-1]]) :]
    return tokens


def test_the_characters_that_continue_a_word_are_those_of_scripts_with_spaces() -> None:
    for character in NASTY:
        assert continues_word(character) == phrase_reference.continues_word(character), hex(ord(character))
    assert "".join(filter(continues_word, NASTY)) == "aaabb3é\u0301ａ１고양이한ж٣ⅷªµº²"
    table = word_characters()
    for code in [*range(0x3400), *range(0xA000, 0xD800, 7), *range(0xE000, 0x20000, 5), 0x10FFFF]:
        assert table[code] == continues_word(chr(code)), hex(code)


@pytest.mark.parametrize(
    ("phrase", "inside", "outside"),
    [
        ("bad word", "a “bad word”|„bad word“|bad word… so|bad word—so|a\u00a0bad word\u00a0b|«bad word»", "bad words|abad word"),
        ("bad", "（bad）|bad。|bad，|、bad|bad！", "badｓ|３bad"),
        (".", "school.|3.14|.", "school"), ("!", "Go!|Go!!", "Go！"), ("%", "5%", "5"), ("…", "so…|…so", "so..."),
        ("'s", "Kim's|'s", "'sa|Kim'sa"), ("(sic)", "word(sic)|(sic)word", "sic"),
        ("猫", "我有猫。|猫|我有小猫們|cat猫cat", "犬"), ("猫*", "我有猫。", "犬"), ("ネコ", "ネコは|黒ネコ", "ネ"),
        ("แมว", "ฉันมีแมวดำ", "แม"), ("cat", "猫cat猫|cat。|catは", "cats|cat1|café-cats"),
        ("고양이*", "“고양이는|고양이|…고양이가", "큰고양이"), ("고양이", "“고양이”|猫고양이犬", "고양이는"),
        ("café", "café!|un café", "cafés|cafe\u0301"), ("Straße", "Straße…", "Straßen"), ("дом", "«дом»", "дома"),
        ("3", "第3章|3%", "13|3rd|3²"),
    ],
)  # fmt: skip
def test_boundaries_are_unicode_s_and_needed_only_beside_letters(phrase: str, inside: str, outside: str, spelling: Spelling) -> None:
    compiled = compile_phrase(phrase, spelling)
    draw = random.Random(1)
    for text, expected in [*((each, True) for each in inside.split("|")), *((each, False) for each in outside.split("|"))]:
        assert compiled.occurs_in(text) == contains(text, phrase) == expected, text
        assert (compiled.after([*cut(text.encode(), draw), EOS]) == MATCHED) == expected, text


@pytest.mark.parametrize("text", PHRASES)
def test_it_occurs_where_reading_finds_it_in_characters_and_in_any_tokens(text: str, spelling: Spelling) -> None:
    phrase, draw, found = compile_phrase(text, spelling), random.Random(1), 0
    for _ in range(250):
        sentence = random_text(draw) + draw.choice(["", text.removesuffix("*"), text[:-1]]) + random_text(draw, draw.choice([NASTY, text]))
        expected = contains(sentence, text)
        found += expected
        tokens = cut(sentence.encode(), draw)
        assert phrase.occurs_in(sentence) == expected, sentence
        assert (phrase.after([*tokens, EOS]) == MATCHED) == expected, sentence
        assert phrase.occurs_in(sentence, ended=False) == (phrase.after(tokens) == MATCHED)
    assert 10 < found < 250


def test_random_phrases_are_found_in_random_bytes(spelling: Spelling) -> None:
    """Also where the bytes are no UTF-8, which the text then shows as U+FFFD."""
    draw, found = random.Random(2), 0
    for _ in range(60):
        body = "".join(draw.choices(NASTY.replace(" ", ""), k=draw.randint(1, 3)))
        text = body + draw.choice(["", "", "*"])
        if body.count("\ufffd") > 1 or body != body.strip():
            continue
        phrase = compile_phrase(text, spelling)
        for _ in range(60):
            data = bytearray((random_text(draw) + draw.choice(["", body]) + random_text(draw, body + "aé…")).encode())
            for _ in range(draw.randint(0, 2)):
                at = draw.randint(0, len(data))
                wrong = draw.choice([b"", b"\x80", b"\xbf", b"\xc0", b"\xc3", b"\xe2", b"\xed", b"\xf0", b"\xff"])
                data[at : at + draw.randint(0, 1)] = wrong
            expected = contains(decoded(bytes(data)), text)
            found += expected
            assert (phrase.after([*cut(bytes(data), draw), EOS]) == MATCHED) == expected, (text, bytes(data))
    assert found > 500


def test_what_occurs_in_a_text_stays_there_whatever_follows(spelling: Spelling) -> None:
    phrase = compile_phrase("ab", spelling)
    assert phrase.after([*cut(b" ab a", random.Random(0)), *cut(b"bab", random.Random(0)), UNK, EOS]) == MATCHED
    assert phrase.occurs_in("ab a", ended=False) and not phrase.occurs_in("a ab", ended=False)


@pytest.mark.parametrize("text", PHRASES[::4])
def test_the_steps_are_the_fewest_tokens_that_complete_it(text: str, spelling: Spelling) -> None:
    phrase = compile_phrase(text, spelling)
    assert phrase.steps_X[MATCHED] == 0 and phrase.can_be_spelled
    next_XV = numpy.array([[phrase.step(state, token) for token in range(len(PIECES))] for state in range(phrase.num_states)])
    fewest_X = numpy.where(numpy.arange(phrase.num_states) == MATCHED, 0, 10**6)
    for _ in range(40):  # Bellman and Ford's way to the shortest paths
        fewest_X = numpy.minimum(fewest_X, 1 + fewest_X[next_XV].min(axis=1))
    assert (phrase.steps_X == fewest_X).all() and phrase.needs == fewest_X.max()


def test_what_can_only_go_on_to_the_phrase_is_known(spelling: Spelling) -> None:
    """After `cat` and the first two bytes of a dash or a quotation mark comes a boundary, whichever byte follows."""
    phrase = compile_phrase("cat", spelling)
    tokens = cut(b"cat", random.Random(0))
    for added, certain in ((b"", False), (b"\xe2", False), (b"\xe2\x80", True), (b"\xc3", False)):
        assert phrase.certain_X[phrase.after([*tokens, *(4 + byte for byte in added)])] == certain
    assert [*phrase.certain_X].count(True) < phrase.num_states / 2 and not phrase.certain_X[START]


def test_control_tokens_spell_nothing_and_the_unknown_one_is_a_boundary(spelling: Spelling) -> None:
    phrase = compile_phrase("a", spelling)
    for state in range(len(phrase.next_KV)):
        assert [phrase.step(state, token) for token in (0, 2)] == [state, state]
    after = phrase.after(cut(b"a", random.Random(0)))
    assert phrase.step(after, UNK) == phrase.step(after, EOS) == MATCHED != phrase.step(START, UNK)


def test_spaces_around_a_phrase_do_not_count_and_text_is_needed(spelling: Spelling) -> None:
    def same(one: Phrase, other: Phrase) -> bool:
        return numpy.array_equal(one.next_KV, other.next_KV)

    assert same(compile_phrase("  ab ", spelling), compile_phrase("ab", spelling))
    assert same(compile_phrase("ab *", spelling), compile_phrase("ab*", spelling))
    for empty in ("", "  ", "*", " * ", "a\0b"):
        with pytest.raises(DecodingError, match="give some text"):
            compile_phrase(empty, spelling)
    compile_phrase("a" * LONGEST_PHRASE, spelling)
    with pytest.raises(DecodingError, match="has 501 characters; a phrase has at most 500"):
        compile_phrase("a" * (LONGEST_PHRASE + 1), spelling)


def test_what_the_vocabulary_cannot_write_is_known() -> None:
    few = Spelling([b"", UNKNOWN, b"", b"", b" a", b"b"])
    for within in ("a", "ab", "b", "abb ab*"):
        assert compile_phrase(within, few).can_be_spelled, within
    for beyond in ("c", "abc", "b b", "ba", "고"):
        assert not compile_phrase(beyond, few).can_be_spelled, beyond
