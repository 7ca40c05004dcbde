"""What the length of a file costs `mt translate --input`: lines per second and peak memory, of a long file and a short one drawn from it.

    python scripts/measure_long_file.py --model RUN --input FILE [--lines 1000 100000] [--rounds 1] [--beam 5]

The longest file is FILE again and again, each time with a number of its own before every line, so that none stands there twice; a shorter
one is lines of it, taken at even distances. Each translation is a whole process. Memory is what the process and its children hold together
(proportional set size: a page that two of them share counts once), read twice a second. Speed is given with and without the start, which
is measured with a file of one line. The lines that two files share must have the same translation: those that differ are counted.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from measure_corpus_size import process_tree

from mt.text_table import text_table


class Translated(NamedTuple):
    """One process."""

    seconds: float
    peak_mb: float
    lines: list[str]


def shared_out_mb(process: int) -> float:
    """Its own memory and its part of what it shares; zero when it has ended."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((float(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)


def translate(lines: list[str], model: str, beam: int) -> Translated:
    """These lines through `mt translate --input`."""
    with tempfile.TemporaryDirectory() as name:
        source, target = Path(name) / "lines.txt", Path(name) / "translations.txt"
        source.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        command = [sys.executable, "-m", "mt", "translate", "--model", model, "--beam", str(beam), "--input", str(source)]
        begun, peak = time.perf_counter(), 0.0
        with (Path(name) / "log").open("w+") as log:
            child = subprocess.Popen([*command, "--output", str(target)], stdout=log, stderr=log)
            while child.poll() is None:
                peak = max(peak, sum(map(shared_out_mb, process_tree(child.pid))))
                time.sleep(0.5 if len(lines) > 1 else 0.02)
            seconds = time.perf_counter() - begun
            log.seek(0)
            if child.returncode:
                sys.exit(log.read())
        return Translated(seconds, peak, target.read_text(encoding="utf-8").split("\n")[:-1])


def main() -> None:
    """Rounds in turn, then the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--input", type=Path, required=True)
    parser.add_argument("--lines", type=int, nargs="+", default=[1000, 100_000])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--beam", type=int, default=5)
    arguments = parser.parse_args()
    given = arguments.input.read_text(encoding="utf-8").splitlines()
    most = max(arguments.lines)
    longest = [f"{number // len(given)} {given[number % len(given)]}" for number in range(most)]
    drawn = {count: [number * most // count for number in range(count)] for count in sorted(arguments.lines)}
    start = statistics.median(translate(longest[:1], arguments.model, arguments.beam).seconds for _ in range(3))
    found: dict[int, list[Translated]] = {count: [] for count in drawn}
    for _ in range(arguments.rounds):
        for count, numbers in drawn.items():
            done = translate([longest[number] for number in numbers], arguments.model, arguments.beam)
            if len(done.lines) != count:
                sys.exit(f"{count} lines went in and {len(done.lines)} came out")
            found[count].append(done)
            print(f"{count:,} lines: {done.seconds:.1f} s, {done.peak_mb:,.0f} MB", flush=True)
    rows = []
    for count, numbers in drawn.items():
        every = [count / done.seconds for done in found[count]], [count / (done.seconds - start) for done in found[count]]
        peaks = [done.peak_mb for done in found[count]]
        whole = found[most][0].lines
        apart = sum(whole[number] != line for number, line in zip(numbers, found[count][0].lines, strict=True))
        cells = [f"{statistics.median(one):,.0f} ({min(one):,.0f}–{max(one):,.0f})" for one in (*every, peaks)]
        rows.append([f"{count:,}", *cells, str(apart)])
    print(f"start and one line: {start:.2f} s")
    print(text_table(["lines", "lines/s, whole process", "lines/s without the start", "peak MB", "other translations"], rows))


if __name__ == "__main__":
    main()
