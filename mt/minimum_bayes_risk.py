"""Choosing, of several translations of a sentence, the one that is most like all the others, instead of the most probable one.

Minimum Bayes risk (Kumar and Byrne 2004; Eikema and Aziz 2020): the candidates stand for what the model thinks possible, and the one with
the highest expected F-score of character n-grams (chrF, Popović 2015) against them is taken. A single odd translation that the model
happens to find probable is not.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy

from mt.translation import Translation

_FLATTENED = 0.5
"""The power of their probability that the n best are weighed by. 1 leaves the most probable one nearly alone; 0 counts the least probable
as much (docs/LOG.md, 2026-11-27)."""
_ORDER = 6
"""The longest n-grams of characters that chrF counts (Popović 2015)."""
_BETA = 1.3
"""How much more recall counts than precision. chrF's usual 2 prefers long candidates, which is a length penalty in disguise; with this,
what is chosen is as long as the most probable candidate, and more precise (docs/LOG.md, 2026-11-27)."""


def candidate_settings(beam_size: int, mbr: int) -> dict[str, int]:
    """The fields of `decoding` for the search that finds the candidates: as many as are asked for, by a beam that holds them."""
    return {"beam_size": max(beam_size, mbr), "nbest": mbr, "mbr": 0}


def rank_by_agreement(candidates: Sequence[Translation], by_probability: bool) -> list[Translation]:
    """The different candidates, that with the highest expected similarity (their `score` from here on, 0 to 100) first.

    by_probability: weigh candidates by the square root of their probability (an n-best list); otherwise each counts once, and as often as
    it was drawn (samples). Takes a comparison for each pair of different texts.
    """
    weights: dict[str, float] = {}
    first: dict[str, Translation] = {}
    largest = max(candidate.log_prob for candidate in candidates)
    for candidate in candidates:
        weight = math.exp(_FLATTENED * (candidate.log_prob - largest)) if by_probability else 1.0
        weights[candidate.text] = weights.get(candidate.text, 0.0) + weight
        first.setdefault(candidate.text, candidate)
    weight_C = numpy.array(list(weights.values()))
    expected_C = similarity_matrix(list(weights)) @ (weight_C / weight_C.sum())
    expected = dict(zip(weights, expected_C.tolist(), strict=True))
    ranked = sorted(weights, key=lambda text: (not first[text].finished, -expected[text]))
    return [replace(first[text], score=expected[text]) for text in ranked]


def similarity_matrix(texts: Sequence[str], beta: float = _BETA) -> numpy.ndarray:
    """chrF (sacreBLEU's, of a sentence, 0 to 100) of each text, by row, against each as the reference; equal texts have 100, empty too."""
    unspaced = ["".join(text.split()) for text in texts]
    size = len(texts)
    precision_CC, recall_CC, orders_CC = (numpy.zeros((size, size)) for _ in range(3))
    for order in range(1, _ORDER + 1):
        counts_CV = _ngram_counts(unspaced, order)
        matches_CC = numpy.stack([numpy.minimum(counts_V, counts_CV).sum(axis=1) for counts_V in counts_CV])
        total_C = counts_CV.sum(axis=1)
        both_CC = (total_C[:, None] > 0) & (total_C > 0)
        precision_CC += matches_CC / numpy.maximum(total_C, 1)[:, None] * both_CC
        recall_CC += matches_CC / numpy.maximum(total_C, 1) * both_CC
        orders_CC += both_CC
    precision_CC, recall_CC = (sums_CC / numpy.maximum(orders_CC, 1) for sums_CC in (precision_CC, recall_CC))
    weighed_CC = beta**2 * precision_CC + recall_CC
    score_CC = 100 * (1 + beta**2) * precision_CC * recall_CC / numpy.where(weighed_CC > 0, weighed_CC, 1)
    numpy.fill_diagonal(score_CC, 100.0)
    return score_CC


def _ngram_counts(texts: Sequence[str], order: int) -> numpy.ndarray:
    """How often each n-gram of characters that occurs in any of the texts occurs in each."""
    numbers: dict[str, int] = {}
    ngrams = [[numbers.setdefault(text[at : at + order], len(numbers)) for at in range(len(text) - order + 1)] for text in texts]
    return numpy.stack([numpy.bincount(numpy.array(found, dtype=int), minlength=len(numbers)) for found in ngrams])
