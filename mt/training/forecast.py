"""What a training will take, said before its first step: parameters, memory, speed, time per epoch and to the end.

A few batches are computed forwards and backwards and thrown away; the weights and the data position stay as they are.
Also here: into how many pieces a batch must be cut to fit into memory.
"""

import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy
import torch
from torch import Tensor

from mt.config import TrainingConfig
from mt.data.batching import make_share
from mt.data.pairs import EncodedPairs
from mt.errors import TrainingError
from mt.model.build import count_parameters
from mt.model.interface import TranslationModel
from mt.training.distributed import Ranks
from mt.training.hardware import Hardware, available_memory_mb, peak_memory_mb
from mt.training.optimizer import set_learning_rate
from mt.training.sharding import is_sharded
from mt.training.step import accumulate_gradients, gradients

_LEAST_TIMES, _MOST_TIMES, _MOST_SECONDS = 2, 12, 3.0
_SHARE_OF_FREE_MEMORY = 0.7
"""What a batch may take of it; the rest is for gradients, the optimizer and validation."""


@dataclass(frozen=True)
class Forecast:
    """The figures, of all processes together."""

    parameters: int
    memory_mb: float
    """The most memory of one process so far, the probe included."""
    tokens_per_second: float
    """Target tokens."""
    seconds_per_update: float
    updates_per_epoch: float

    @property
    def seconds_per_epoch(self) -> float:
        """Without validation."""
        return self.seconds_per_update * self.updates_per_epoch

    def lines(self, updates: int, deadline: float | None) -> list[str]:
        """Two lines for a person. updates: how many are still to be made; deadline: seconds left, where the time decides."""
        speed = f"{self.tokens_per_second:,.0f} target tokens/s: {duration(self.seconds_per_epoch)} an epoch"
        if deadline is None:
            seconds = updates * self.seconds_per_update
            ahead = f"{updates:,} updates ({updates / self.updates_per_epoch:.1f} epochs) in about {duration(seconds)}"
        else:
            fitting = deadline / self.seconds_per_update
            ahead = f"about {fitting:,.0f} updates ({fitting / self.updates_per_epoch:.1f} epochs) fit into {duration(deadline)}"
        return [f"{self.parameters:,} parameters, {self.memory_mb:,.0f} MB of memory so far", f"{speed}; {ahead}, validation not counted"]


def duration(seconds: float) -> str:
    """'48 s', '12 min', '3 h 20 min'."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def forecast(
    model: TranslationModel,
    optimizer: torch.optim.Optimizer,
    pairs: EncodedPairs,
    plan: Sequence[numpy.ndarray],
    pieces: int,
    config: TrainingConfig,
    hardware: Hardware,
    ranks: Ranks,
    blocks: float = 1.0,
) -> Forecast:
    """Time different batches of the plan, each once, after one that is not counted: the first faults in memory that later ones reuse.

    Hardly a batch has the shape of another, and what is made for a new shape (oneDNN's kernels) is a part of every update's time.
    An untouched optimizer is timed too. blocks: how many times the pairs of this plan an epoch has.
    """
    model.train()
    target_lengths = pairs.lengths_N2()[:, 1]
    step = max(1, len(plan) // _MOST_TIMES)
    times: list[float] = []
    begun = time.perf_counter()
    for indices in (plan[0], *plan[::step]):
        if len(times) > _LEAST_TIMES and ranks.agree(time.perf_counter() - begun) > _MOST_SECONDS:
            break
        share = make_share(pairs, indices, ranks.number, ranks.count, pieces, is_sharded(config, ranks))
        begun_one = time.perf_counter()
        accumulate_gradients(model, share.batches, share.num_target_tokens, config, hardware).tolist()  # waits for a GPU
        times.append((time.perf_counter() - begun_one) / share.num_target_tokens)
    tokens_per_batch = sum(int(target_lengths[indices].sum()) for indices in plan) / len(plan)
    per_batch = ranks.agree(statistics.median(times[1:])) * tokens_per_batch
    per_update = per_batch * config.accumulation + _optimizer_seconds(model, optimizer)
    model.zero_grad(set_to_none=True)
    return Forecast(
        parameters=count_parameters(model),
        memory_mb=peak_memory_mb(hardware.device),
        tokens_per_second=tokens_per_batch * config.accumulation / per_update,
        seconds_per_update=per_update,
        updates_per_epoch=blocks * len(plan) / config.accumulation,
    )


def _optimizer_seconds(model: TranslationModel, optimizer: torch.optim.Optimizer) -> float:
    """What an update costs beside the gradients: tried with a learning rate of zero while the optimizer has no memory yet, else 0."""
    if optimizer.state:
        return 0.0
    torch._foreach_zero_(gradients(model))  # a gradient that is not finite would spoil the weights even at a rate of zero
    rates = [group["lr"] for group in optimizer.param_groups]
    set_learning_rate(optimizer, 0.0)
    optimizer.step()  # makes its memory, which takes longer than the steps to come
    begun = time.perf_counter()
    optimizer.step()
    seconds = time.perf_counter() - begun
    optimizer.state.clear()
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate
    return seconds


def pieces_that_fit(
    model: TranslationModel, pairs: EncodedPairs, plan: Sequence[numpy.ndarray], config: TrainingConfig, hardware: Hardware, ranks: Ranks
) -> int:
    """Into how many pieces each batch is cut, so that what the backward pass must remember fits into free memory.

    An eighth of the largest batch is computed and the memory it keeps is counted. The pieces' gradients add up to the batch's, so
    the numbers of a run do not change beyond rounding and dropout's draws. TrainingError when not even single pairs fit.
    """
    longest = pairs.lengths_N2().max(axis=1)
    largest = max(plan, key=lambda indices: len(indices) * int(longest[indices].max()))
    sample = largest[:: max(1, min(8, len(largest)))]
    share = make_share(pairs, sample)
    kept = _CountedMemory()
    with kept:
        accumulate_gradients(model, share.batches, share.num_target_tokens, config, hardware)
    model.zero_grad(set_to_none=True)
    needed_mb = kept.bytes / 1e6 * len(largest) / len(sample) / ranks.count
    free_mb = available_memory_mb(hardware.device) / (1 if hardware.device.startswith("cuda") else ranks.count)
    pieces = int(ranks.agree(math.ceil(needed_mb / (_SHARE_OF_FREE_MEMORY * free_mb)))) if free_mb else 1
    if pieces > len(largest):
        raise TrainingError(
            f"a single pair of the longest ones needs about {needed_mb / len(largest):,.0f} MB and {free_mb:,.0f} MB are free; lower "
            "data.max_length or the size of the model"
        )
    return pieces


class _CountedMemory(torch.autograd.graph.saved_tensors_hooks):
    """While entered, adds up the storages that the backward pass will need, each once."""

    def __init__(self) -> None:
        self.bytes = 0
        self._seen: set[int] = set()

        def note(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in self._seen:
                self._seen.add(storage.data_ptr())
                self.bytes += storage.nbytes()
            return tensor

        super().__init__(note, lambda tensor: tensor)
