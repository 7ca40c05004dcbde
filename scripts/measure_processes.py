"""Two processes of one thread each against one process of two threads: target tokens per second, and whether the losses agree.

    MT_DATA=… python scripts/measure_processes.py [--config multi30k-en-de] [--rounds 3] [--updates 60] [--set KEY=VALUE]…

Runs `mt train` in turn as either, dropout off so that the losses can be compared, and prints the median (least–most) of the speed over the
updates after the first twenty, the ratio round by round, and the largest difference of the logged losses.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path


def run(processes: int, threads: int, arguments: argparse.Namespace) -> tuple[float, list[float]]:
    """Target tokens per second, and the losses in the log."""
    with tempfile.TemporaryDirectory() as folder:
        settings = ["name=measured", f"training.max_steps={arguments.updates}", f"training.validate_every={arguments.updates}",
                    f"training.save_every={arguments.updates}", "training.validate_sentences=1", "training.log_every=10", "data.test=[]",
                    "training.average=none", "model.dropout=0", "model.attention_dropout=0", "training.precision=bf16",
                    *arguments.set]  # fmt: skip
        command = [sys.executable, "-m", "mt", "train", "--config", arguments.config, "--processes", str(processes)]
        for setting in settings:
            command += ["--set", setting]
        environment = os.environ | {"OMP_NUM_THREADS": str(threads), "MT_RUNS": folder}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(done.stderr)
        text = (Path(folder) / "measured" / "metrics.jsonl").read_text(encoding="utf-8")
        lines = [line for line in map(json.loads, text.splitlines()) if line["kind"] == "train"]
        return statistics.mean(line["target_tokens_per_second"] for line in lines[2:]), [line["loss"] for line in lines]


def main() -> None:
    """Rounds in turn, then the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="multi30k-en-de")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--updates", type=int, default=60)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args()
    ones, twos, apart = [], [], 0.0
    for _ in range(arguments.rounds):
        speed, losses = run(1, 2, arguments)
        ones.append(speed)
        speed, others = run(2, 1, arguments)
        twos.append(speed)
        apart = max(apart, *(abs(one - other) / one for one, other in zip(losses, others, strict=True)))
    for name, speeds in (("1 process × 2 threads", ones), ("2 processes × 1 thread", twos)):
        print(f"{name}  {statistics.median(speeds):,.0f} ({min(speeds):,.0f}–{max(speeds):,.0f}) target tokens/s")
    ratios = [two / one for one, two in zip(ones, twos, strict=True)]
    print(f"ratio {statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f}); losses apart by at most {apart:.1e} of themselves")


if __name__ == "__main__":
    main()
