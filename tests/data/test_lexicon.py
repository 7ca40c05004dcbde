"""What pieces are translated by: IBM Model 1 against a plain implementation, and what it is for."""

import random
from collections import defaultdict

import numpy
import pytest

from mt.data import lexicon as module
from mt.data.lexicon import lexicon

PAIRS = [([4, 5, 3], [14, 15, 3]), ([4, 6, 3], [14, 16, 3]), ([6, 5, 3], [16, 15, 3]), ([7, 3], [17, 18, 3])]


def plain(pairs: list[tuple[list[int], list[int]]], rounds: int = 5) -> dict[tuple[int, int], float]:
    """Expectation and maximisation as Brown et al. (1993) write them down, without the empty word."""
    prob: dict[tuple[int, int], float] = defaultdict(lambda: 1.0)
    for _ in range(rounds):
        count: dict[tuple[int, int], float] = defaultdict(float)
        for source, target in pairs:
            for piece in target:
                total = sum(prob[one, piece] for one in source)
                for one in source:
                    count[one, piece] += prob[one, piece] / total
        sums: dict[int, float] = defaultdict(float)
        for (one, _), value in count.items():
            sums[one] += value
        prob = defaultdict(float, {(one, piece): value / sums[one] for (one, piece), value in count.items()})
    return prob


def test_words_that_always_stand_together_are_found() -> None:
    piece_VN = lexicon([source for source, _ in PAIRS], [target for _, target in PAIRS], 8, 20, 2)
    assert piece_VN.shape == (8, 2) and piece_VN.dtype == numpy.int32
    assert [piece_VN[piece, 0] for piece in (3, 4, 5, 6)] == [3, 14, 15, 16]
    assert set(piece_VN[7].tolist()) == {17, 18}
    assert (piece_VN[:3] == -1).all(), "what never occurs has none"


def test_the_order_is_that_of_a_plain_implementation() -> None:
    draw = random.Random(3)
    pairs = [(draw.choices(range(6), k=draw.randint(1, 5)), draw.choices(range(9), k=draw.randint(1, 5))) for _ in range(40)]
    piece_VN, prob = lexicon([one for one, _ in pairs], [other for _, other in pairs], 6, 9, 9), plain(pairs)
    for source in range(6):
        found = [piece for piece in piece_VN[source].tolist() if piece >= 0]
        assert sorted(found) == sorted(piece for one, piece in prob if one == source)
        values = [prob[source, piece] for piece in found]
        assert all(first >= second - 1e-9 for first, second in zip(values, values[1:], strict=False))


def test_a_large_corpus_is_taken_in_part_and_none_gives_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_LINKS", 30)
    piece_VN = lexicon([[4, 3]] * 100, [[14, 3]] * 100, 5, 15, 1)
    assert piece_VN[4, 0] in (3, 14) and piece_VN[3, 0] in (3, 14)
    assert (lexicon([], [], 5, 15, 2) == -1).all()
