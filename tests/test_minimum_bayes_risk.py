"""The candidate that agrees most with the others is first."""

import math
import random

import numpy
import pytest
from sacrebleu.metrics import CHRF

from mt.minimum_bayes_risk import rank_by_agreement, similarity_matrix
from mt.translation import Translation


def candidate(text: str, log_prob: float = -1.0, finished: bool = True) -> Translation:
    return Translation(text, log_prob, log_prob, finished)


def test_the_odd_one_out_is_last_however_probable_it_is() -> None:
    texts = ["the cat sat on the mat", "the cat sat on a mat", "a cat sat on the mat", "dogs"]
    ranked = rank_by_agreement([candidate(text, -5.0 if text != "dogs" else -0.1) for text in texts], by_probability=False)
    assert ranked[0].text == texts[0] and ranked[-1].text == "dogs"
    by_probability = rank_by_agreement([candidate(text, -50.0 if text != "dogs" else -0.1) for text in texts], by_probability=True)
    assert by_probability[0].text == "dogs", "with all the probability on one, that one is expected"


def test_the_score_is_the_expected_similarity() -> None:
    samples = ["ab cd", "ab cd", "ab ce", "xx"]
    chrf = CHRF(beta=1.3)
    expected = {text: sum(chrf.sentence_score(text, [other]).score for other in samples) / 4 for text in set(samples)}
    ranked = rank_by_agreement([candidate(text) for text in samples], by_probability=False)
    assert {one.text: one.score for one in ranked} == pytest.approx(expected)
    assert [one.score for one in ranked] == pytest.approx(sorted(expected.values(), reverse=True))
    weights = {"ab cd": math.exp(-1.0 / 2), "ab xx": math.exp(-2.0 / 2)}
    ranked = rank_by_agreement([candidate("ab cd", -1.0), candidate("ab xx", -2.0)], by_probability=True)
    by_hand = sum(weight * chrf.sentence_score("ab cd", [text]).score for text, weight in weights.items()) / sum(weights.values())
    assert {one.text: one.score for one in ranked}["ab cd"] == pytest.approx(by_hand)


def test_finished_candidates_come_before_those_that_were_cut_off() -> None:
    ranked = rank_by_agreement([candidate("a b", finished=False), candidate("a b c", finished=False), candidate("z")], by_probability=False)
    assert ranked[0].text == "z"


def test_the_matrix_is_sacrebleus() -> None:
    draw = random.Random(7)
    words = ["문장", "문장을", "번역했다", "a", "ab", "abc", "ein", "eine", "straße", ".", "  "]
    texts = ["", "a", *(" ".join(draw.choices(words, k=draw.randint(1, 9))) for _ in range(30))]
    for beta in (1, 1.3, 2):
        chrf = CHRF(beta=beta)
        expected = [[100.0 if one == other else chrf.sentence_score(one, [other]).score for other in texts] for one in texts]
        numpy.testing.assert_allclose(similarity_matrix(texts, beta), expected, rtol=1e-12, atol=1e-12)


def test_empty_texts_agree_with_one_another_only() -> None:
    assert similarity_matrix(["", "a"]).tolist() == [[100.0, 0.0], [0.0, 100.0]]
    assert similarity_matrix([""]).tolist() == [[100.0]]
