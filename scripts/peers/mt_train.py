"""A timed piece of `mt`'s own training, for scripts/bench_training.py: the steps that `mt train` makes, on the plan that it makes."""

import json
import sys
import time
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from mt.config import Config
from mt.data.batching import make_share, plan_batches
from mt.data.tokenizer import Tokenizer
from mt.memory import keep_freed_memory
from mt.model.build import build_model, count_parameters
from mt.training.hardware import choose_hardware, peak_memory_mb
from mt.training.optimizer import build_optimizer, learning_rate_at
from mt.training.prepare import EpochEncoder, prepare_data
from mt.training.step import train_step


def peak_flops(dtype: torch.dtype, size: int = 2048) -> float:
    """The fastest of several products of two square matrices, in FLOP/s."""
    matrix = torch.ones(size, size, dtype=dtype)
    best = float("inf")
    for _ in range(12):
        begun = time.perf_counter()
        matrix @ matrix
        best = min(best, time.perf_counter() - begun)
    return 2 * size**3 / best


def main() -> None:
    """Set up as `mt train` does, warm up, time, count."""
    job = json.loads(sys.argv[1])
    folder = Path(job["folder"])
    keep_freed_memory()
    config = Config.model_validate(
        {
            "name": "bench",
            "data": {"train": [{"source": folder / "raw.source", "target": folder / "raw.target"}]},
            "tokenizer": {"vocab_size": job["vocabulary"], "model_type": "bpe"},
            "model": {
                "d_model": job["d_model"], "num_heads": job["heads"], "d_ff": job["d_ff"], "dropout": job["dropout"],
                "encoder_layers": job["layers"], "decoder_layers": job["layers"],
            },
            "training": {"max_tokens": job["max_tokens"], "label_smoothing": 0.1, "optimizer": job.get("optimizer", "adam")},
        }
    )  # fmt: skip
    data = prepare_data(config, Tokenizer.load(folder))
    hardware = choose_hardware(config.training)
    torch.manual_seed(1)
    model = build_model(config.model, len(data.tokenizer.source), len(data.tokenizer.target)).to(hardware.device)
    optimizer = build_optimizer(model, config.training)
    pairs = EpochEncoder(config, data.tokenizer, data.train).pairs(0)
    shares = [make_share(pairs, indices) for indices in plan_batches(pairs.lengths_N2(), job["max_tokens"], 1, 0)]
    dtype = torch.bfloat16 if hardware.precision == "bf16" else torch.float32

    def update(number: int):
        rate = learning_rate_at(number + 1, config.training)
        return train_step(model, optimizer, [shares[number % len(shares)]], number + 1, rate, config.training, hardware).result()

    peak = peak_flops(dtype)
    for number in range(4):
        update(number)
    done, tokens, padding, begun = 0, 0, 0.0, time.perf_counter()
    while time.perf_counter() - begun < job["seconds"] or done < 3:
        result = update(4 + done)
        done, tokens, padding = done + 1, tokens + result.num_target_tokens, padding + result.padding
    seconds = time.perf_counter() - begun
    memory = peak_memory_mb(hardware.device)
    peak = max(peak, peak_flops(dtype))
    counted = min(done, 12)
    with FlopCounterMode(display=False) as counter:
        counted_tokens = sum(update(4 + number).num_target_tokens for number in range(counted))
    print(json.dumps({
        "tokens_per_second": tokens / seconds, "flops_per_second": counter.get_total_flops() / counted_tokens * tokens / seconds,
        "peak_flops": peak, "padding": padding / done, "peak_memory_mb": memory, "parameters": count_parameters(model),
        "precision": hardware.precision, "threads": torch.get_num_threads(), "updates": done,
    }))  # fmt: skip


if __name__ == "__main__":
    main()
