"""Muon: equal to torch's own, on matrices of any shape, and only on the matrices inside the layers."""

import pytest
import torch
from torch import nn

from mt.model.build import build_model
from mt.training.muon import Muon, orthogonalise
from mt.training.optimizer import build_optimizer, hidden_matrices, set_learning_rate
from tests.tiny import tiny_config


def matrices() -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(3)
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in [(8, 8), (8, 8), (16, 8), (8, 16), (12, 6)]]


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_several_updates_equal_those_of_torch(weight_decay: float) -> None:
    """Up to the rounding of bf16, in which both orthogonalise."""
    ours, theirs = matrices(), matrices()
    other = nn.Parameter(torch.zeros(1))
    other.grad = torch.zeros(1)
    one = Muon(ours, [other], lr=0.02, momentum=0.9, weight_decay=weight_decay)
    two = torch.optim.Muon(theirs, lr=0.02, momentum=0.9, weight_decay=weight_decay)
    generator = torch.Generator().manual_seed(4)
    for _ in range(5):
        for mine, yours in zip(ours, theirs, strict=True):
            mine.grad = torch.randn(mine.shape, generator=generator)
            yours.grad = mine.grad.clone()
        one.step()
        two.step()
    for mine, yours, start in zip(ours, theirs, matrices(), strict=True):
        moved = (yours - start).norm()
        assert (mine - yours).norm() < 0.02 * moved


def test_singular_values_come_near_one() -> None:
    generator = torch.Generator().manual_seed(5)
    values_NM = torch.linalg.svdvals(orthogonalise(torch.randn(4, 32, 64, generator=generator)).float())
    assert values_NM.min() > 0.5 and values_NM.max() < 1.3


def test_only_matrices_inside_layers_are_muons() -> None:
    """Embeddings, the output projection, biases and norms stay with AdamW, and every parameter has exactly one owner."""
    config = tiny_config("training.optimizer=muon", "model.tie_embeddings=none")
    model = build_model(config.model, 30, 30)
    optimizer = build_optimizer(model, config.training)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    muons = {names[id(parameter)] for parameter in optimizer.param_groups[0]["params"]}
    assert muons == {name for name in names.values() if name.endswith("_proj.weight")}
    assert "output.weight" not in muons
    owned = [id(parameter) for group in optimizer.param_groups for parameter in group["params"]]
    assert sorted(owned) == sorted(names)
    assert len(hidden_matrices(model)) == len(muons)


def test_both_learning_rates_follow_one_schedule() -> None:
    config = tiny_config("training.optimizer=muon", "training.learning_rate=0.004", "training.muon_learning_rate=0.02")
    optimizer = build_optimizer(build_model(config.model, 30, 30), config.training)
    set_learning_rate(optimizer, 0.002)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.01, 0.002])
