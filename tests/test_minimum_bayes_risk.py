"""The candidate that agrees most with the others is first."""

import math

import pytest
from sacrebleu.metrics import CHRF

from mt.minimum_bayes_risk import rank_by_agreement, similarity
from mt.translation import Translation


def candidate(text: str, log_prob: float = -1.0, finished: bool = True) -> Translation:
    return Translation(text, log_prob, log_prob, finished)


def test_the_odd_one_out_is_last_however_probable_it_is() -> None:
    texts = ["the cat sat on the mat", "the cat sat on a mat", "a cat sat on the mat", "dogs"]
    ranked = rank_by_agreement([candidate(text, -5.0 if text != "dogs" else -0.1) for text in texts], by_probability=False)
    assert ranked[0].text == texts[0] and ranked[-1].text == "dogs"
    by_probability = rank_by_agreement([candidate(text, -50.0 if text != "dogs" else -0.1) for text in texts], by_probability=True)
    assert by_probability[0].text == "dogs", "with all the probability on one, that one is expected"


def test_the_score_is_the_expected_chrf() -> None:
    samples = ["ab cd", "ab cd", "ab ce", "xx"]
    chrf = CHRF()
    expected = {text: sum(chrf.sentence_score(text, [other]).score for other in samples) / 4 for text in set(samples)}
    ranked = rank_by_agreement([candidate(text) for text in samples], by_probability=False)
    assert {one.text: one.score for one in ranked} == pytest.approx(expected)
    assert [one.score for one in ranked] == sorted(expected.values(), reverse=True)
    weights = {"ab cd": math.exp(-1.0), "xx": math.exp(-2.0)}
    ranked = rank_by_agreement([candidate("ab cd", -1.0), candidate("xx", -2.0)], by_probability=True)
    total = sum(weights.values())
    assert ranked[0].score == pytest.approx(sum(weight * similarity("ab cd", text) for text, weight in weights.items()) / total)


def test_finished_candidates_come_before_those_that_were_cut_off() -> None:
    ranked = rank_by_agreement([candidate("a b", finished=False), candidate("a b c", finished=False), candidate("z")], by_probability=False)
    assert ranked[0].text == "z"


def test_empty_texts_agree_with_one_another_only() -> None:
    assert (similarity("", ""), similarity("", "a"), similarity("a", "")) == (100.0, 0.0, 0.0)
