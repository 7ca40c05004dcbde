"""Measure what a person waits for, as whole processes: `mt --help`, and one sentence through `mt translate`.

    python scripts/measure_startup.py [--model RUN] [--runs 7]

Prints the minimum, median and maximum of each in seconds, after one run that is not counted.
"""

import argparse
import statistics
import subprocess
import sys
import time


def measure(command: list[str], runs: int) -> str:
    """'median (minimum – maximum)' of the command's wall time."""
    times = []
    for _ in range(runs + 1):
        begun = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - begun)
    counted = times[1:]
    return f"median {statistics.median(counted):.3f} s  (min {min(counted):.3f}, max {max(counted):.3f}, {runs} runs)"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=None)
    parser.add_argument("--runs", type=int, default=7)
    arguments = parser.parse_args()
    mt = [sys.executable, "-m", "mt"]
    model = ["--model", arguments.model] if arguments.model else []
    print("mt --help             ", measure([*mt, "--help"], arguments.runs))
    print("mt translate \"문장\"    ", measure([*mt, "translate", *model, "저는 어제 책을 읽었어요."], arguments.runs))


if __name__ == "__main__":
    main()
