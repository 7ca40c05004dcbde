"""One update of the weights: forward, loss, backward, clip, optimizer."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mt.config import TrainingConfig
from mt.data.batching import Batch, Share
from mt.memory import ran_out_of_memory
from mt.model.dropout import seed_dropout
from mt.model.interface import TranslationModel
from mt.training.distributed import ALONE, Ranks
from mt.training.hardware import Hardware, sent
from mt.training.loss import cross_entropy, kept_positions, r_drop, shift_right
from mt.training.optimizer import set_learning_rate
from mt.training.sharding import is_sharded, whole


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
    """The mean share of padding in this process's batches."""
    finite: bool
    """False when loss or gradient were not finite: the weights were left as they were."""


@dataclass(frozen=True)
class PendingStep:
    """An update that a GPU may still be computing. Everything is known but its figures, which nobody needs to wait for at once."""

    figures_3: Tensor
    """Loss and likelihood, summed, and the gradient's norm; on the CPU, there when `ready` says so."""
    ready: torch.cuda.Event | None
    skipped: bool | Tensor
    """Whether weights and optimizer were left as they were; on a GPU a tensor, 0 or 1, so that nobody has to wait for it."""
    learning_rate: float
    num_target_tokens: int
    padding: float

    def result(self) -> StepResult:
        """The figures; waits for them."""
        if self.ready is not None:
            self.ready.synchronize()
        loss_sum, likelihood_sum, norm = self.figures_3.tolist()
        return StepResult(
            loss=loss_sum / self.num_target_tokens,
            negative_log_likelihood=likelihood_sum / self.num_target_tokens,
            gradient_norm=norm,
            learning_rate=self.learning_rate,
            num_target_tokens=self.num_target_tokens,
            padding=self.padding,
            finite=math.isfinite(loss_sum) and math.isfinite(norm),
        )


class BatchTooLargeError(Exception):
    """Memory ran out while a gradient was computed; weights and optimizer are as they were."""


def train_step(
    model: TranslationModel,
    optimizer: torch.optim.Optimizer,
    shares: Sequence[Share],
    step: int,
    learning_rate: float,
    config: TrainingConfig,
    hardware: Hardware,
    ranks: Ranks = ALONE,
) -> PendingStep:
    """Update number `step` (from 1) from this process's shares of one or more planned batches.

    The gradient is that of the loss summed over all batches of all processes, divided by all their target tokens: splitting a batch
    changes nothing but dropout's draws. A loss or gradient that is not finite leaves weights and optimizer untouched; that is decided
    where the gradients are, so that nothing waits for a GPU. Raises BatchTooLargeError where one process alone runs out of memory.
    """
    model.train()
    seed_dropout(config.seed, step, ranks.number)
    num_target_tokens = sum(share.num_target_tokens for share in shares)
    batches = [batch for share in shares for batch in share.batches]
    optimizer.zero_grad(set_to_none=True)
    try:
        sums_2 = accumulate_gradients(model, batches, num_target_tokens, config, hardware)
    except (RuntimeError, MemoryError) as error:
        if ranks.count > 1 or not ran_out_of_memory(error):
            raise  # the other processes wait for this one's gradient, and cannot be told
        optimizer.zero_grad(set_to_none=True)
        raise BatchTooLargeError(str(error).splitlines()[0] if str(error) else type(error).__name__) from None
    # Divided gradients have been summed in the backward pass.
    ranks.sum_([sums_2] if is_sharded(config, ranks) else [*gradients(model), sums_2])
    limit = config.clip_norm or float("inf")
    norm = whole(torch.nn.utils.clip_grad_norm_(model.parameters(), limit))
    figures_3 = torch.cat([sums_2, norm.to(sums_2).view(1)])
    set_learning_rate(optimizer, learning_rate)
    skipped = make_update(optimizer, figures_3, divided=is_sharded(config, ranks))
    ready = None
    if figures_3.is_cuda:
        figures_3 = torch.empty(3, pin_memory=True).copy_(figures_3, non_blocking=True)
        ready = torch.cuda.Event()
        ready.record()
    padding = sum(batch.padding for batch in batches) / max(1, len(batches))
    return PendingStep(figures_3, ready, skipped, learning_rate, num_target_tokens, padding)


def make_update(optimizer: torch.optim.Optimizer, figures_3: Tensor, divided: bool = False) -> bool | Tensor:
    """Move the weights, unless one of the figures is not finite; returns whether that was so.

    On CUDA the optimizer's kernels are told by `found_inf`, a tensor, and nothing waits. Elsewhere the answer is waited for: a CPU has it
    at once, the kernels of MPS take `found_inf` and move the weights all the same, and divided parameters do not know it.
    """
    found_inf = 1.0 - figures_3.isfinite().all().float()
    if figures_3.is_cuda and not divided:
        optimizer.found_inf = found_inf
        optimizer.step()
        return found_inf
    skipped = bool(found_inf)
    if not skipped:
        optimizer.step()
    return skipped


def accumulate_gradients(
    model: TranslationModel, batches: Sequence[Batch], num_target_tokens: int, config: TrainingConfig, hardware: Hardware
) -> Tensor:
    """Forward and backward of every batch; the gradients of loss / num_target_tokens add up in the parameters.

    Returns sums_2: label-smoothed loss and plain negative log-likelihood, summed over this process's target tokens.
    """
    sums_2 = torch.zeros(2, device=hardware.device)
    for batch in batches:
        inputs = (batch.source_BS, batch.target_BT, kept_positions(batch.target_BT))
        source_BS, target_BT, positions_N = (sent(tensor, hardware.device) for tensor in inputs)
        with hardware.autocast():
            if config.r_drop:
                twice_BTD = model.states(source_BS.repeat(2, 1), shift_right(target_BT).repeat(2, 1))
                sums = r_drop(twice_BTD, model.output_weight_VD, target_BT, config.label_smoothing, config.r_drop, positions_N)
            else:
                x_BTD = model.states(source_BS, shift_right(target_BT))
                sums = cross_entropy(x_BTD, model.output_weight_VD, target_BT, config.label_smoothing, positions_N)
        (sums.loss / num_target_tokens).backward()
        sums_2 += torch.stack([sums.loss.detach(), sums.negative_log_likelihood])
    return sums_2


def gradients(model: TranslationModel) -> list[Tensor]:
    """The gradients of all parameters; zero where this process had nothing to compute."""
    for parameter in model.parameters():
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    return [parameter.grad for parameter in model.parameters()]
