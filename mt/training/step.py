"""One update of the weights: forward, loss, backward, clip, optimizer."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from mt.config import TrainingConfig
from mt.data.batching import Batch
from mt.model.dropout import seed_dropout
from mt.model.interface import TranslationModel
from mt.training.hardware import Hardware
from mt.training.loss import cross_entropy, shift_right
from mt.training.optimizer import learning_rate_at


@dataclass(frozen=True)
class StepResult:
    """The figures of one update."""

    loss: float
    """Label-smoothed cross-entropy per target token."""
    negative_log_likelihood: float
    """Plain cross-entropy per target token."""
    gradient_norm: float
    """Before clipping."""
    learning_rate: float
    num_target_tokens: int
    padding: float
    """The mean share of padding in the batches."""
    finite: bool
    """False when loss or gradient were not finite: the weights were left as they were."""


def train_step(
    model: TranslationModel,
    optimizer: torch.optim.Optimizer,
    batches: Sequence[Batch],
    step: int,
    config: TrainingConfig,
    hardware: Hardware,
) -> StepResult:
    """Update number `step` (from 1) from one or more accumulated batches.

    The gradient is that of the loss summed over all batches, divided by all their target tokens: splitting a batch changes
    nothing but dropout's draws. A loss or gradient that is not finite leaves weights and optimizer untouched.
    """
    model.train()
    seed_dropout(config.seed, step)
    num_target_tokens = sum(batch.num_target_tokens for batch in batches)
    optimizer.zero_grad(set_to_none=True)
    loss_sum, likelihood_sum = 0.0, 0.0
    for batch in batches:
        source_BS, target_BT = batch.source_BS.to(hardware.device), batch.target_BT.to(hardware.device)
        with hardware.autocast():
            x_BTD = model.states(source_BS, shift_right(target_BT))
            sums = cross_entropy(x_BTD, model.output_weight_VD, target_BT, config.label_smoothing)
        (sums.loss / num_target_tokens).backward()
        loss_sum += sums.loss.item()
        likelihood_sum += sums.negative_log_likelihood.item()
    limit = config.clip_norm or float("inf")
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), limit).item()
    finite = all(value - value == 0.0 for value in (loss_sum, norm))  # inf and NaN differ from themselves
    learning_rate = learning_rate_at(step, config)
    if finite:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate
        optimizer.step()
    return StepResult(
        loss=loss_sum / num_target_tokens,
        negative_log_likelihood=likelihood_sum / num_target_tokens,
        gradient_norm=norm,
        learning_rate=learning_rate,
        num_target_tokens=num_target_tokens,
        padding=sum(batch.padding for batch in batches) / len(batches),
        finite=finite,
    )
