"""Dropout on a CPU: right in expectation, a function of seed and step, the same mask backwards."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from mt.model.dropout import Dropout, cheap_dropout, seed_dropout

MANY = torch.ones(400, 500)


@pytest.mark.parametrize("probability", [0.1, 0.3, 0.5, 0.9])
def test_the_share_dropped_is_the_probability_rounded_to_a_256th_and_the_mean_stays(probability: float) -> None:
    seed_dropout(3, 7)
    dropped = cheap_dropout(MANY, probability)
    rounded = round(probability * 256) / 256
    deviation = (rounded * (1 - rounded) / MANY.numel()) ** 0.5
    assert float((dropped == 0).float().mean()) == pytest.approx(rounded, abs=4 * deviation)
    assert float(dropped.mean()) == pytest.approx(1.0, abs=4 * deviation / (1 - rounded))
    assert dropped.unique().tolist() == pytest.approx([0.0, 1 / (1 - rounded)])


def test_the_statistics_are_those_of_torchs_dropout() -> None:
    """Mean, deviation, and independence of neighbours and of rows."""
    seed_dropout(1, 1)
    ours, theirs = cheap_dropout(MANY, 0.25), F.dropout(MANY, 0.25)
    assert float(ours.mean()) == pytest.approx(float(theirs.mean()), abs=0.01)
    assert float(ours.std()) == pytest.approx(float(theirs.std()), abs=0.01)
    kept = (ours != 0).float() - 0.75
    for neighbours in (kept[:, 1:] * kept[:, :-1], kept[1:] * kept[:-1], kept[:, 8:] * kept[:, :-8]):
        assert abs(float(neighbours.mean())) < 4 * 0.75 * 0.25 / neighbours.numel() ** 0.5


def test_the_same_seed_and_step_give_the_same_mask_and_others_another() -> None:
    def draw(seed: int, step: int) -> torch.Tensor:
        seed_dropout(seed, step)
        return cheap_dropout(MANY, 0.5)

    assert torch.equal(draw(1, 2), draw(1, 2))
    for other in (draw(1, 3), draw(2, 2), draw(2, 1)):
        share = float((other == draw(1, 2)).float().mean())
        assert share == pytest.approx(0.5, abs=0.01), "half of two independent masks agree"


def test_draws_after_one_another_differ() -> None:
    seed_dropout(1, 1)
    assert not torch.equal(cheap_dropout(MANY, 0.5), cheap_dropout(MANY, 0.5))


def test_torchs_own_generator_is_seeded_too() -> None:
    """A GPU's dropout draws from it."""
    seed_dropout(4, 9)
    first = F.dropout(MANY, 0.5)
    torch.rand(3)
    seed_dropout(4, 9)
    assert torch.equal(F.dropout(MANY, 0.5), first)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_backward_mask_is_the_forward_mask(dtype: torch.dtype) -> None:
    x = torch.randn(64, 33).to(dtype).requires_grad_()
    dropped = cheap_dropout(x, 0.3)
    dropped.sum().backward()
    scale = 256 / (256 - 77)
    assert dropped.dtype == x.grad.dtype == dtype
    assert torch.equal(x.grad == 0, dropped == 0)
    torch.testing.assert_close(dropped, (x.detach() * (x.grad != 0)) * scale)
    torch.testing.assert_close(x.grad[x.grad != 0].unique(), torch.tensor([scale], dtype=dtype))


def test_gradients_are_those_of_finite_differences() -> None:
    def function(x: torch.Tensor) -> torch.Tensor:
        seed_dropout(1, 1)
        return cheap_dropout(x, 0.4)

    assert torch.autograd.gradcheck(function, torch.randn(5, 3, dtype=torch.float64, requires_grad=True))


def test_nothing_happens_outside_training_or_without_a_probability() -> None:
    x = torch.randn(4, 4)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0).train()(x) is x
    assert cheap_dropout(x, 0.001) is x, "less than half of a 256th is none"
    assert not torch.equal(Dropout(0.5).train()(MANY), MANY)


@pytest.mark.parametrize("shape", [(0, 4), (1,), (3, 5, 7)])
def test_any_shape_and_a_transposed_tensor_will_do(shape: tuple[int, ...]) -> None:
    x = torch.ones(shape)
    assert cheap_dropout(x, 0.5).shape == x.shape
    assert cheap_dropout(x.transpose(0, -1), 0.5).shape == x.transpose(0, -1).shape


def test_a_probability_just_below_one_still_works() -> None:
    """The configuration allows every probability below 1."""
    assert cheap_dropout(MANY, 0.999).isfinite().all()
