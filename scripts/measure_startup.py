"""Measure what a person waits for, as whole processes: `mt --help`, and one sentence through `mt translate`.

    python scripts/measure_startup.py [--model RUN] [--runs 7] [--other CHECKOUT]

Prints the minimum, median and maximum of each in seconds, after one run that is not counted, and the median of the processor time, which
what else the machine does changes less. --other: a checkout to compare with, for example a `git worktree` of an older commit; both are
run in turn, and the ratios of this one to the other are printed.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent


def timed(command: Sequence[str], checkout: Path) -> tuple[float, float]:
    """Wall time and processor time of the command with the package of that checkout."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=os.environ | {"PYTHONPATH": str(checkout)})
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(command: Sequence[str], runs: int, other: Path | None) -> str:
    """The times of a command, and how they compare with the other checkout's."""
    checkouts = [HERE] if other is None else [HERE, other]
    times = [[timed(command, checkout) for checkout in checkouts] for _ in range(runs + 1)][1:]
    walls, processors = ([[one[place] for one in column] for column in zip(*times, strict=True)] for place in (0, 1))
    counted = walls[0]
    told = (
        f"median {statistics.median(counted):.3f} s  (min {min(counted):.3f}, max {max(counted):.3f}, {runs} runs), "
        f"processor {statistics.median(processors[0]):.3f} s"
    )
    if other is not None:
        ratios = [statistics.median(mine) / statistics.median(its) for mine, its in (walls, processors)]
        told += f"; to the other {ratios[0]:.3f}, processor {ratios[1]:.3f}"
    return told


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=None)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--other", type=Path, default=None)
    arguments = parser.parse_args()
    mt = [sys.executable, "-m", "mt"]
    model = ["--model", arguments.model] if arguments.model else []
    print("mt --help             ", measure([*mt, "--help"], arguments.runs, arguments.other))
    print("mt translate \"문장\"    ", measure([*mt, "translate", *model, "저는 어제 책을 읽었어요."], arguments.runs, arguments.other))


if __name__ == "__main__":
    main()
