"""Learning-rate schedules as pure functions, and the optimizer they drive.

Step numbers start at 1 (the first update). Muon and parameter groups are not covered.
"""

import math

import torch

from mt.config import TrainingConfig
from mt.model.interface import TranslationModel


def warmup_factor(step: int, warmup_steps: int) -> float:
    """Grows linearly from 1/warmup_steps at step 1 to 1 at step warmup_steps; 1 afterwards."""
    return min(1.0, step / warmup_steps) if warmup_steps > 0 else 1.0


def inverse_sqrt_factor(step: int, warmup_steps: int) -> float:
    """√(warmup_steps / step) after the warm-up (Vaswani et al. 2017, equation 3, scaled to a peak of 1)."""
    return math.sqrt(max(warmup_steps, 1) / max(step, warmup_steps, 1))


def cosine_factor(step: int, warmup_steps: int, max_steps: int) -> float:
    """From 1 at the end of the warm-up to 0 at max_steps along half a cosine (Loshchilov and Hutter 2017)."""
    return 0.5 * (1.0 + math.cos(math.pi * _progress(step, warmup_steps, max_steps)))


def linear_factor(step: int, warmup_steps: int, max_steps: int) -> float:
    """From 1 at the end of the warm-up to 0 at max_steps along a line."""
    return 1.0 - _progress(step, warmup_steps, max_steps)


def _progress(step: int, warmup_steps: int, max_steps: int) -> float:
    """The share of the time after the warm-up that has passed, 0 to 1."""
    return min(1.0, max(0.0, (step - warmup_steps) / max(1, max_steps - warmup_steps)))


def learning_rate_at(step: int, config: TrainingConfig) -> float:
    """The learning rate of update `step` (from 1): warm-up times schedule, between min_learning_rate and learning_rate."""
    factors = {
        "inverse_sqrt": lambda: inverse_sqrt_factor(step, config.warmup_steps),
        "cosine": lambda: cosine_factor(step, config.warmup_steps, config.max_steps),
        "linear": lambda: linear_factor(step, config.warmup_steps, config.max_steps),
        "constant": lambda: 1.0,
    }
    decayed = config.min_learning_rate + (config.learning_rate - config.min_learning_rate) * factors[config.schedule]()
    return decayed * warmup_factor(step, config.warmup_steps)


def build_optimizer(model: TranslationModel, config: TrainingConfig) -> torch.optim.Optimizer:
    """Adam (Kingma and Ba 2015) or AdamW (Loshchilov and Hutter 2019) over all parameters, with the fused kernel."""
    kind = torch.optim.Adam if config.optimizer == "adam" else torch.optim.AdamW
    return kind(
        model.parameters(),
        lr=config.learning_rate,
        betas=tuple(config.betas),
        eps=config.epsilon,
        weight_decay=config.weight_decay,
        fused=True,
    )
