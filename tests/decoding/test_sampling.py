"""Sampling: the distribution drawn from, its support, and what a draw depends on."""

import math

import pytest
import torch

from mt.config import DecodingConfig
from mt.data.special_ids import EOS
from mt.decoding.sampling import draw
from mt.decoding.search import Hypothesis, search
from tests.decoding.table_model import TableModel, Tokens, source_tensor

PROBABILITIES = [0.0, 0.05, 0.0, 0.1, 0.5, 0.3, 0.05]
"""By token id; 4 is the most probable, then 5, 3, and 1 and 6."""


def options(**values) -> DecodingConfig:
    return DecodingConfig(method="sampling", **values)


def one_step_model() -> TableModel:
    return TableModel(7, logits=lambda source, prefix: [math.log(p) if p else -math.inf for p in PROBABILITIES])


def drawn_shares(sampling: DecodingConfig, count: int = 10_000) -> list[float]:
    """How often each token is drawn when the uniform numbers are evenly spread: its probability, to 1 / count."""
    log_probs_RV = torch.tensor(PROBABILITIES).log().expand(count, -1)
    token_R = draw(log_probs_RV, torch.arange(count) / count, sampling)
    return (token_R.bincount(minlength=7) / count).tolist()


@pytest.mark.parametrize(
    ("values", "shares"),
    [
        ({}, PROBABILITIES),
        ({"top_k": 100}, PROBABILITIES),
        ({"temperature": 0.5}, [p**2 / 0.355 for p in PROBABILITIES]),
        ({"top_k": 1}, [0, 0, 0, 0, 1, 0, 0]),
        ({"top_k": 3}, [0, 0, 0, 1 / 9, 5 / 9, 3 / 9, 0]),
        ({"top_p": 0.49}, [0, 0, 0, 0, 1, 0, 0]),
        ({"top_p": 0.51}, [0, 0, 0, 0, 5 / 8, 3 / 8, 0]),
        ({"top_p": 0.81}, [0, 0, 0, 1 / 9, 5 / 9, 3 / 9, 0]),
        ({"top_p": 1e-9}, [0, 0, 0, 0, 1, 0, 0]),
        ({"top_k": 3, "top_p": 0.8}, [0, 0, 0, 0, 5 / 8, 3 / 8, 0]),
        ({"temperature": 1e-30}, [0, 0, 0, 0, 1, 0, 0]),
    ],
)
def test_tokens_are_drawn_in_proportion_to_what_the_options_leave(values: dict, shares: list[float]) -> None:
    assert drawn_shares(options(**values)) == pytest.approx(shares, abs=3e-4)


def test_the_extreme_uniform_numbers_never_draw_an_impossible_token() -> None:
    largest = (2**23 - 1) / 2**23
    generator = torch.Generator().manual_seed(0)
    log_probs_RV = (torch.randn(2000, 50, generator=generator) * 3).log_softmax(-1)
    log_probs_RV[:, [0, 2, 48, 49]] = -torch.inf
    for number in (0.0, largest):
        for values in ({}, {"top_p": 0.9}, {"top_k": 49}):
            token_R = draw(log_probs_RV, torch.full((2000,), number), options(**values))
            assert log_probs_RV.gather(1, token_R[:, None]).isfinite().all()


def test_samples_of_one_step_follow_the_distribution() -> None:
    """Chi-square with 4 degrees of freedom: above 23.5 once in 10 000 seeds, and the seed is fixed."""
    count = 4000
    samples = search(one_step_model(), source_tensor([(4, 3)]), options(nbest=count), torch.tensor([1]))[0]
    observed = [0] * 7
    for sample in samples:
        observed[EOS if sample.finished else sample.tokens[0]] += 1
    pairs = [(seen, p * count) for seen, p in zip(observed, PROBABILITIES, strict=True) if p]
    assert sum((seen - expected) ** 2 / expected for seen, expected in pairs) < 23.5
    assert sum(seen for seen, _ in pairs) == count


def run(model: TableModel, sampling: DecodingConfig, sources: list[Tokens], limits: list[int]) -> list[list[Hypothesis]]:
    return search(model, source_tensor(sources), sampling, torch.tensor(limits))


def test_a_draw_depends_on_seed_and_source_but_not_on_the_batch() -> None:
    model = TableModel(vocab_size=30, seed=7, scale=1.0)
    sources, limits = [(4, 5, 3), (5, 3), (4, 4, 4, 5, 3), (4, 3)], [9, 12, 30, 4]
    together = run(model, options(nbest=3), sources, limits)
    assert run(model, options(nbest=3), sources[::-1], limits[::-1]) == together[::-1]
    for source, limit, samples in zip(sources, limits, together, strict=True):
        assert run(model, options(nbest=3), [source], [limit]) == [samples]
        assert run(model, options(nbest=1), [source], [limit])[0][0] in samples
    assert run(model, options(nbest=3, seed=2), sources, limits) != together


def test_samples_are_independent_of_each_other() -> None:
    model = TableModel(vocab_size=30, seed=7, scale=0.5)
    samples = run(model, options(nbest=20), [(4, 5, 3)], [30])[0]
    assert len({tuple(sample.tokens) for sample in samples}) > 15


def test_scores_are_the_models_own_whatever_the_temperature() -> None:
    model = TableModel(vocab_size=12, seed=1)
    for sample in run(model, options(nbest=5, temperature=0.6, top_k=5, top_p=0.9), [(4, 5, 3)], [10])[0]:
        whole = (*sample.tokens, EOS) if sample.finished else tuple(sample.tokens)
        assert sample.token_log_probs == pytest.approx(model.token_log_probs((4, 5, 3), whole), abs=1e-5)
