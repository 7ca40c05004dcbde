"""Averages of weights: over time while training (EMA), and over saved checkpoints at the end."""

from collections.abc import Sequence

import torch
from torch import Tensor

from mt.model.interface import TranslationModel
from mt.runs import RunDirectory
from mt.stored_model import parameters_of, read_tensors


def start_ema(model: TranslationModel) -> dict[str, Tensor]:
    """The exponential moving average before the first update: a copy of the weights."""
    return {name: tensor.clone() for name, tensor in parameters_of(model).items()}


def update_ema(
    ema: dict[str, Tensor], model: TranslationModel, decay: float, step: int, skipped: bool | Tensor = False
) -> None:
    """ema ← decay·ema + (1 − decay)·weights, in place.

    skipped: whether the update was skipped, and so this is; on a GPU a tensor, 0 or 1.
    While few steps were made the decay is smaller, (1 + step)/(10 + step), so that the random start is soon forgotten.
    """
    if skipped is True:
        return
    rate = 1.0 - min(decay, (1 + step) / (10 + step))
    for name, tensor in parameters_of(model).items():
        # Not a rate of zero instead: zero times what is not finite is NaN.
        towards = tensor if skipped is False else torch.where(skipped > 0, ema[name], tensor)
        ema[name].lerp_(towards, rate)


def average_checkpoints(run: RunDirectory, steps: Sequence[int], stamp: str) -> dict[str, Tensor]:
    """The mean of the weights of several checkpoints (Vaswani et al. 2017, section 6.1), summed in float64."""
    total: dict[str, Tensor] = {}
    for step in steps:
        tensors = read_tensors(run.checkpoint_path(step) / "model.safetensors", stamp)
        for name, tensor in tensors.items():
            total[name] = tensor.double() + total[name] if name in total else tensor.double()
    return {name: (tensor / len(steps)).float() for name, tensor in total.items()}
