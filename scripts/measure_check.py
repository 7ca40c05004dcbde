"""How long `mt check` takes, and how much memory, for 100,000 and 1,000,000 made-up pairs with planted faults.

    python scripts/measure_check.py [--pairs 100000 1000000] [--rounds 3]

Pairs are drawn from the built-in corpus with a number of their own, so that nearly all are different; one in a hundred is spoiled. Each
check is a process of its own; memory is the largest resident size of it or of one of its processes, times the number of processes.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mt.data.demo import demo_pairs
from mt.text_table import text_table

FAULTS = (
    lambda source, target: (source, source), lambda source, target: (source + "\x07", target), lambda source, target: (source, ""),
    lambda source, target: (source, target + " &amp; more"), lambda source, target: (source, target * 12),
)  # fmt: skip


def write_corpus(folder: Path, count: int) -> None:
    """Two files of so many pairs."""
    draw, pairs = random.Random(1), demo_pairs("train")
    with (folder / "train.ko").open("w", encoding="utf-8") as korean, (folder / "train.en").open("w", encoding="utf-8") as english:
        for number in range(count):
            source, target = draw.choice(pairs)
            source, target = f"{number}번: {source}", f"No. {number}: {target}"
            if draw.random() < 0.01:
                source, target = draw.choice(FAULTS)(source, target)
            korean.write(f"{source}\n")
            english.write(f"{target}\n")


def measured(folder: Path) -> tuple[float, float, dict]:
    """Seconds, megabytes and findings of one check."""
    begun = time.monotonic()
    code = (
        "import os, resource, sys, mt.cli\n"
        f"sys.argv[1:] = ['check', {str(folder / 'train.ko')!r}, {str(folder / 'train.en')!r}, '--json', {str(folder / 'found.json')!r}]\n"
        "try:\n    mt.cli.main()\nexcept SystemExit:\n    pass\n"
        "own, theirs = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))\n"
        "print((own + (os.cpu_count() or 1) * theirs) / 1024)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=True)
    seconds = time.monotonic() - begun
    return seconds, float(done.stdout.splitlines()[-1]), json.loads((folder / "found.json").read_text(encoding="utf-8"))


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", nargs="+", type=int, default=[100_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    rows, medians = [], []
    for count in arguments.pairs:
        with tempfile.TemporaryDirectory() as name:
            write_corpus(Path(name), count)
            runs = [measured(Path(name)) for _ in range(arguments.rounds)]
        seconds, memory = [run[0] for run in runs], [run[1] for run in runs]
        medians.append((statistics.median(seconds), statistics.median(memory)))
        kinds = {finding["kind"]: finding["count"] for finding in runs[0][2]["findings"]}
        spreads = [f"{statistics.median(values):.1f} ({min(values):.1f}–{max(values):.1f})" for values in (seconds, memory)]
        rows.append([f"{count:,}", *spreads, " ".join(f"{kind} {number}" for kind, number in kinds.items())])
    print(text_table(["pairs", "seconds", "MB, all processes", "found"], rows))
    print(f"largest against smallest: {medians[-1][0] / medians[0][0]:.2f} times the time, {medians[-1][1] / medians[0][1]:.2f} the memory")


if __name__ == "__main__":
    main()
