"""Learning-rate schedules at known points."""

import math

import pytest

from mt.config import TrainingConfig
from mt.training.optimizer import learning_rate_at, warmup_factor

PEAK = 0.002


def rate(step: int, **settings: object) -> float:
    defaults = {"learning_rate": PEAK, "warmup_steps": 100, "max_steps": 1100}
    return learning_rate_at(step, TrainingConfig(**(defaults | settings)))


@pytest.mark.parametrize("step", [1, 2, 399, 3999, 4000, 4001, 16000, 100_000])
def test_inverse_sqrt_is_the_papers_formula(step: int) -> None:
    """Vaswani et al. 2017, equation 3, with the peak d_model^-0.5 · warmup^-0.5."""
    d_model, warmup = 512, 4000
    paper = d_model**-0.5 * min(step**-0.5, step * warmup**-1.5)
    found = rate(step, learning_rate=d_model**-0.5 * warmup**-0.5, warmup_steps=warmup, max_steps=200_000)
    assert found == pytest.approx(paper, rel=1e-12)


@pytest.mark.parametrize("schedule", ["inverse_sqrt", "cosine", "linear", "constant"])
def test_every_schedule_warms_up_along_a_line_to_the_peak(schedule: str) -> None:
    for step in (1, 10, 50, 100):
        assert rate(step, schedule=schedule) == pytest.approx(PEAK * step / 100)


@pytest.mark.parametrize("schedule", ["inverse_sqrt", "cosine", "linear", "constant"])
def test_no_schedule_rises_after_the_warm_up_or_leaves_its_bounds(schedule: str) -> None:
    rates = [rate(step, schedule=schedule, min_learning_rate=0.0001) for step in range(100, 1500)]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == pytest.approx(PEAK) and rates[-1] >= 0.0001


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [
        ("inverse_sqrt", {400: 0.5, 900: 1 / 3, 1100: 1 / math.sqrt(11), 10_000: 0.1}),
        ("cosine", {350: 0.5 + 0.5 * math.sqrt(0.5), 600: 0.5, 1100: 0.0, 10_000: 0.0}),
        ("linear", {350: 0.75, 600: 0.5, 1100: 0.0, 10_000: 0.0}),
        ("constant", {101: 1.0, 1100: 1.0, 10_000: 1.0}),
    ],
)
def test_the_fall_at_known_points_with_and_without_a_floor(schedule: str, factors: dict[int, float]) -> None:
    """Beyond max_steps cosine and linear stay at their end."""
    floor = 0.0005
    for step, factor in factors.items():
        assert rate(step, schedule=schedule) == pytest.approx(PEAK * factor, abs=1e-12)
        expected = floor + (PEAK - floor) * factor
        assert rate(step, schedule=schedule, min_learning_rate=floor) == pytest.approx(expected)


@pytest.mark.parametrize("schedule", ["inverse_sqrt", "cosine", "linear", "constant"])
def test_without_warm_up_the_first_step_has_nearly_the_peak(schedule: str) -> None:
    assert warmup_factor(1, 0) == 1.0
    assert rate(1, schedule=schedule, warmup_steps=0) == pytest.approx(PEAK, rel=0.002)
    assert rate(1, schedule=schedule, warmup_steps=1) == pytest.approx(PEAK)


@pytest.mark.parametrize("schedule", ["inverse_sqrt", "cosine", "linear", "constant"])
def test_a_warm_up_longer_than_the_training_is_only_a_warm_up(schedule: str) -> None:
    assert rate(50, schedule=schedule, warmup_steps=200, max_steps=50) == pytest.approx(PEAK / 4)
