"""How fast a model of some shape would train on this machine, measured before there is a corpus or a tokenizer to train it on."""

import time

import numpy
import torch

from mt.config import ModelConfig, TrainingConfig
from mt.data.batching import make_share
from mt.data.pairs import EncodedPairs, Ragged
from mt.data.special_ids import EOS, SPECIAL_IDS
from mt.memory import keep_freed_memory
from mt.model.build import build_model
from mt.training.hardware import Hardware
from mt.training.optimizer import build_optimizer
from mt.training.step import accumulate_gradients

_LENGTH = 20
"""Tokens of each made-up sentence."""
_LEAST_TIMES, _MOST_SECONDS = 2, 0.6


def training_speed(model: ModelConfig, vocabulary: int, training: TrainingConfig, hardware: Hardware) -> float:
    """Target tokens a second of whole updates, of batches of training.max_tokens made-up tokens: the fastest of a few. Takes a second."""
    keep_freed_memory()
    draw, count = numpy.random.default_rng(1), max(1, training.max_tokens // _LENGTH)
    rows = draw.integers(max(SPECIAL_IDS) + 1, vocabulary, (2, count, _LENGTH))
    rows[:, :, -1] = EOS
    sides = [Ragged.of(side.tolist()) for side in rows]
    share = make_share(EncodedPairs(*sides, numpy.ones(count)), range(count))
    seeds = torch.random.get_rng_state()
    network = build_model(model, vocabulary, vocabulary).to(hardware.device).train()
    optimizer = build_optimizer(network, training)
    times: list[float] = []
    begun = time.perf_counter()
    while len(times) <= _LEAST_TIMES or time.perf_counter() - begun < _MOST_SECONDS:
        begun_one = time.perf_counter()
        accumulate_gradients(network, share.batches, share.num_target_tokens, training, hardware).tolist()  # waits for a GPU
        optimizer.step()
        network.zero_grad(set_to_none=True)
        times.append(time.perf_counter() - begun_one)
    torch.random.set_rng_state(seeds)
    return share.num_target_tokens / min(times[1:])  # the first makes the optimizer's memory
