"""Kill a training again and again at random moments, and see that it ends as one that nobody disturbed, bit for bit.

    python scripts/measure_kills.py [--kills 200] [--seed 1] [--folder DIR]

A short training (the toy, with everything that has a state: Muon, a running average, accumulation, subword sampling, weights of corpora) is
run once in peace. Then it is started, killed with SIGKILL after a random time (during start-up, reading, tokenizer training, updates,
validation, saving, the end), and started again, until it is finished; then begun anew, until there were so many kills. Every finished
run's final weights, summary and figures are compared with the undisturbed run's. Exit code 1 when one differs.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from mt.data.toy import toy_pairs

SETTINGS = (
    "data.train=[{file: pairs.tsv, weight: 1.5}]", "data.test=[]", "model.d_model=16", "model.num_heads=2", "model.d_ff=16",
    "model.dropout=0.1",
    "training.max_tokens=150", "training.accumulation=2", "training.ema_decay=0.9", "training.optimizer=muon", "tokenizer.sampling=0.4",
    "training.max_steps=240", "training.warmup_steps=5", "training.validate_every=40", "training.save_every=12", "training.log_every=1",
    "training.validate_sentences=20", "training.precision=fp32", "training.device=cpu", "training.threads=1", "decoding.max_length_extra=2",
)  # fmt: skip


def main() -> None:
    """Run in peace, run with kills, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    pairs = "".join(f"{source}\t{target}\n" for source, target in toy_pairs("copy", "train")[:40])
    (folder / "pairs.tsv").write_text(pairs, encoding="utf-8")
    begun = time.monotonic()
    start(folder, "peace").wait()
    seconds = time.monotonic() - begun
    print(f"undisturbed: {seconds:.1f} s", flush=True)
    draw, kills, finished, phases = random.Random(arguments.seed), 0, 0, Counter[str]()
    while kills < arguments.kills:
        shutil.rmtree(folder / "cache", ignore_errors=True)  # so that the tokenizer is trained again, too
        shutil.rmtree(folder / "runs" / "war", ignore_errors=True)
        while True:
            process = start(folder, "war")
            try:
                process.wait(draw.uniform(0.0, seconds) if kills < arguments.kills else None)
                break
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                kills += 1
                phases[phase(folder / "runs" / "war")] += 1
        if process.returncode:
            sys.exit(f"the training ended with {process.returncode} after {kills} kills (seed {arguments.seed})")
        finished += 1
        differing = differences(folder / "runs" / "peace", folder / "runs" / "war")
        if differing:
            sys.exit(f"after {kills} kills (seed {arguments.seed}) these differ: {', '.join(differing)}")
        print(f"{kills} kills, {finished} runs finished, all equal", flush=True)
    print(f"{kills} kills, {finished} runs to the end: all equal to the undisturbed one, bit for bit; killed at: {dict(phases)}")


def start(folder: Path, name: str) -> subprocess.Popen:
    """The training in a process of its own."""
    words = [word for setting in (*SETTINGS, f"name={name}") for word in ("--set", setting)]
    environment = os.environ | {"MT_RUNS": "runs", "MT_CACHE": "cache", "OMP_NUM_THREADS": "1"}
    with open(folder / f"{name}.log", "a", encoding="utf-8") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "mt", "train", "--config", "copy", *words], cwd=folder, env=environment, stdout=log, stderr=log
        )


def phase(run: Path) -> str:
    """How far a killed run had come, from what it left."""
    if not (run / "config.yaml").is_file():
        return "before the first step"
    if list(run.rglob("*.part")) or list((run / "checkpoints").glob(".*")):
        return "while writing"
    steps = list((run / "checkpoints").glob("step-*/state.json")) if (run / "checkpoints").is_dir() else []
    if (run / "checkpoints" / "step-00000240").is_dir():
        return "at the end"
    return "between checkpoints" if steps else "before the first checkpoint"


def differences(one: Path, other: Path) -> list[str]:
    """What of two finished runs is not equal."""
    found = [] if (one / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes() else ["model.safetensors"]
    summaries = [json.loads((run / "summary.json").read_text(encoding="utf-8")) for run in (one, other)]
    found += [
        f"summary.json: {key}"
        for key in summaries[0]
        if key not in ("seconds", "peak_memory_mb") and summaries[0][key] != summaries[1][key]
    ]
    return found + ([] if figures(one) == figures(other) else ["metrics.jsonl"])


def figures(run: Path) -> list[dict]:
    """The lines of metrics.jsonl without times."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [{key: value for key, value in line.items() if key not in ("time", "target_tokens_per_second")} for line in lines]


if __name__ == "__main__":
    main()
