"""Choosing, of several translations of a sentence, the one that is most like all the others, instead of the most probable one.

Minimum Bayes risk (Kumar and Byrne 2004; Eikema and Aziz 2020): the candidates stand for what the model thinks possible, and the one with
the highest expected chrF against them is taken. A single odd translation that the model happens to find probable is not.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from mt.translation import Translation


def rank_by_agreement(candidates: Sequence[Translation], by_probability: bool) -> list[Translation]:
    """The different candidates, that with the highest expected chrF (their `score` from here on, 0 to 100) first.

    by_probability: weigh candidates by their probability (an n-best list); otherwise each counts once, and as often as it was drawn
    (samples). Takes a comparison for each pair of different texts.
    """
    weights: dict[str, float] = {}
    first: dict[str, Translation] = {}
    largest = max(candidate.log_prob for candidate in candidates)
    for candidate in candidates:
        weight = math.exp(candidate.log_prob - largest) if by_probability else 1.0
        weights[candidate.text] = weights.get(candidate.text, 0.0) + weight
        first.setdefault(candidate.text, candidate)
    total = sum(weights.values())
    expected = {text: sum(weight * similarity(text, other) for other, weight in weights.items()) / total for text in weights}
    ranked = sorted(weights, key=lambda text: (not first[text].finished, -expected[text]))
    return [replace(first[text], score=expected[text]) for text in ranked]


def similarity(hypothesis: str, reference: str) -> float:
    """Sentence chrF of sacreBLEU, 0 to 100."""
    if hypothesis == reference:
        return 100.0
    if not hypothesis or not reference:
        return 0.0
    return _metric().sentence_score(hypothesis, [reference]).score


@cache
def _metric():
    """sacreBLEU's chrF, made once."""
    from sacrebleu.metrics import CHRF

    return CHRF()
