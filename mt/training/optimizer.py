"""Learning-rate schedules as pure functions, and the optimizer they drive.

Step numbers start at 1 (the first update).
"""

import math

import torch
from torch import nn

from mt.config import TrainingConfig
from mt.model.interface import TranslationModel
from mt.training.muon import Muon


def warmup_factor(step: float, warmup_steps: int) -> float:
    """Grows linearly from 1/warmup_steps at step 1 to 1 at step warmup_steps; 1 afterwards."""
    return min(1.0, step / warmup_steps) if warmup_steps > 0 else 1.0


def inverse_sqrt_factor(step: float, warmup_steps: int) -> float:
    """√(warmup_steps / step) after the warm-up (Vaswani et al. 2017, equation 3, scaled to a peak of 1)."""
    return math.sqrt(max(warmup_steps, 1) / max(step, warmup_steps, 1))


def cosine_factor(step: float, warmup_steps: int, max_steps: int) -> float:
    """From 1 at the end of the warm-up to 0 at max_steps along half a cosine (Loshchilov and Hutter 2017)."""
    return 0.5 * (1.0 + math.cos(math.pi * _progress(step, warmup_steps, max_steps)))


def linear_factor(step: float, warmup_steps: int, max_steps: int) -> float:
    """From 1 at the end of the warm-up to 0 at max_steps along a line."""
    return 1.0 - _progress(step, warmup_steps, max_steps)


def _progress(step: float, warmup_steps: int, max_steps: int) -> float:
    """The share of the time after the warm-up that has passed, 0 to 1."""
    return min(1.0, max(0.0, (step - warmup_steps) / max(1, max_steps - warmup_steps)))


def learning_rate_at(step: float, config: TrainingConfig) -> float:
    """The learning rate of update `step` (from 1): warm-up times schedule, between min_learning_rate and learning_rate.

    Under a deadline `step` is the share of the time that has passed, times max_steps.
    """
    factors = {
        "inverse_sqrt": lambda: inverse_sqrt_factor(step, config.warmup_steps),
        "cosine": lambda: cosine_factor(step, config.warmup_steps, config.max_steps),
        "linear": lambda: linear_factor(step, config.warmup_steps, config.max_steps),
        "constant": lambda: 1.0,
    }
    decayed = config.min_learning_rate + (config.learning_rate - config.min_learning_rate) * factors[config.schedule]()
    return decayed * warmup_factor(step, config.warmup_steps)


def build_optimizer(model: TranslationModel, config: TrainingConfig) -> torch.optim.Optimizer:
    """Adam (Kingma and Ba 2015) or AdamW (Loshchilov and Hutter 2019) over all parameters with the fused kernel, or Muon.

    Every group has a `scale`: its learning rate as a multiple of the schedule's.
    """
    adam = {
        "lr": config.learning_rate,
        "betas": tuple(config.betas),
        "eps": config.epsilon,
        "weight_decay": config.weight_decay,
        "fused": True,
    }
    if config.optimizer == "muon":
        matrices = hidden_matrices(model)
        known = {id(matrix) for matrix in matrices}
        others = [parameter for parameter in model.parameters() if id(parameter) not in known]
        optimizer = Muon(
            matrices, others, config.muon_learning_rate, config.muon_momentum, config.weight_decay, adam | {"weight_decay": 0.0}
        )
        optimizer.param_groups[0]["scale"] = config.muon_learning_rate / config.learning_rate
    else:
        kind = torch.optim.Adam if config.optimizer == "adam" else torch.optim.AdamW
        optimizer = kind(model.parameters(), **adam)
    for group in optimizer.param_groups:
        group.setdefault("scale", 1.0)
    return optimizer


def hidden_matrices(model: TranslationModel) -> list[nn.Parameter]:
    """The weights of all linear maps but the output projection: what Muon moves."""
    return [
        module.weight for module in model.modules() if isinstance(module, nn.Linear) and module.weight is not model.output_weight_VD
    ]


def set_learning_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """Give every parameter group its share of the schedule's learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate * group["scale"]
