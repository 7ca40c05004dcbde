"""Held-out pairs stand nowhere else in the corpus, however they are written; every pair goes to exactly one part."""

import random

import numpy
import pytest

from mt.data.held_out import comparison_key, hold_out


def made_corpus(seed: int, pairs: int) -> tuple[list[str], list[str]]:
    """Pairs of few words, so that many are alike but for capitals, points and spaces."""
    draw = random.Random(seed)
    dress = [str.upper, str.title, lambda text: text + ".", lambda text: text.replace(" ", "  "), lambda text: text]
    sources = [draw.choice(dress)(" ".join(draw.choices("abcdefghij", k=draw.randint(1, 4)))) for _ in range(pairs)]
    targets = [draw.choice(dress)(" ".join(draw.choices("klmnopqrst", k=draw.randint(1, 4)))) for _ in range(pairs)]
    return sources, targets


@pytest.mark.parametrize("seed", range(5))
def test_no_side_of_a_held_out_pair_stands_elsewhere(seed: int) -> None:
    sources, targets = made_corpus(seed, 3000)
    division = hold_out(sources, targets, 40, 60)
    parts = [division.train, division.valid, division.test]
    assert sorted(numpy.concatenate(parts).tolist()) == list(range(3000))
    assert (len(division.valid), len(division.test)) == (40, 60)
    sides = [{comparison_key(side[at]) for at in part.tolist()} for side in (sources, targets) for part in parts]
    for first in (0, 3):
        train, valid, test = sides[first : first + 3]
        assert not train & valid and not train & test and not valid & test


def test_the_choice_depends_on_the_text_and_not_on_the_order() -> None:
    sources, targets = made_corpus(7, 2000)
    division = hold_out(sources, targets, 30, 30)
    order = random.Random(1).sample(range(2000), 2000)
    again = hold_out([sources[at] for at in order], [targets[at] for at in order], 30, 30)
    assert {sources[at] for at in division.valid} == {sources[order[at]] for at in again.valid}
    assert {sources[at] for at in division.test} == {sources[order[at]] for at in again.test}


def test_where_too_few_pairs_are_like_no_other_those_are_divided() -> None:
    sources = ["same"] * 90 + [f"word {number}" for number in range(10)]
    targets = ["gleich"] * 90 + [f"wort {number}" for number in range(10)]
    division = hold_out(sources, targets, 20, 20)
    assert (len(division.train), len(division.valid), len(division.test)) == (90, 5, 5)
    assert len(hold_out(sources, targets, 0, 4).valid) == 0
    assert len(hold_out(sources, targets, 0, 0).train) == 100


def test_sentences_that_are_held_out_already_are_not_taken_again() -> None:
    sources, targets = [f"s {number}" for number in range(50)], [f"t {number}" for number in range(50)]
    others = [f"S {number}!" for number in range(40)] + [f"T {number}" for number in range(40, 45)]
    division = hold_out(sources, targets, 25, 25, others)
    assert sorted([*division.valid.tolist(), *division.test.tolist()]) == [45, 46, 47, 48, 49]


def test_pairs_of_equal_sides_measure_nothing() -> None:
    division = hold_out(["a b", "c"], ["A B!", "d"], 1, 1)
    assert [*division.valid, *division.test] == [1]


@pytest.mark.parametrize(
    ("one", "other"), [("Hello, World!", "hello world"), ("\u1112\u1161\u11ab", "한"), ("Ｆｕｌｌ　width", "fullwidth")]
)
def test_how_a_sentence_looks_does_not_count(one: str, other: str) -> None:
    assert comparison_key(one) == comparison_key(other)


def test_sentences_without_letters_stay_apart() -> None:
    assert comparison_key("...") != comparison_key("?!")
