"""Measure what the size of a corpus costs: memory, time to the first step, and disk, on synthetic pairs.

    python scripts/measure_corpus_size.py [--pairs 100000 10000000] [--steps 60] [--folder DIR]

For each number of pairs it writes two files of made-up sentences (words drawn by Zipf's law), trains a tiny model on them for a few steps
in a fresh cache, and again with the cache full; meanwhile the memory of the whole process tree is read ten times a second. 'anonymous' is
memory that only the processes themselves hold; 'resident' counts mapped files too, which the system may drop at any time. Prints a table
and, last, one line of JSON.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy

SETTINGS = (
    "source=xx", "target=yy", "data.valid=[]", "data.test=[]", "tokenizer.vocab_size=8000",
    "model.d_model=128", "model.num_heads=4", "model.d_ff=256", "model.encoder_layers=4", "model.decoder_layers=4",
    "training.max_tokens=4096", "training.log_every=10", "training.precision=bf16",
)  # fmt: skip


def write_pairs(folder: Path, count: int) -> int:
    """Two files of `count` lines each, the same on every machine; returns their size in bytes."""
    generator = numpy.random.default_rng(1)
    syllables = [consonant + vowel for consonant in "bcdfghjklmnprstvz" for vowel in ("a", "e", "i", "o", "u", "an", "er")]
    words = numpy.array(["".join(syllables[i] for i in generator.integers(len(syllables), size=generator.integers(1, 5)))
                         for _ in range(50_000)])  # fmt: skip
    with (folder / "source.txt").open("w") as source, (folder / "target.txt").open("w") as target:
        for first in range(0, count, 100_000):
            rows = min(100_000, count - first)
            for file in (source, target):
                lengths = generator.integers(3, 20, size=rows)
                drawn = words[(generator.zipf(1.2, size=lengths.sum()) - 1) % len(words)].tolist()
                ends = numpy.cumsum(lengths).tolist()
                file.write("".join(" ".join(drawn[end - length : end]) + "\n" for end, length in zip(ends, lengths.tolist(), strict=True)))
    return sum((folder / name).stat().st_size for name in ("source.txt", "target.txt"))


def process_tree(root: int) -> list[int]:
    """The process and all its descendants."""
    found = [root]
    for process in found:
        try:
            children = Path(f"/proc/{process}/task/{process}/children").read_text()
        except OSError:
            continue
        found += map(int, children.split())
    return found


def memory_mb(process: int) -> tuple[float, float]:
    """Resident and anonymous memory now; zeros when it has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0.0, 0.0
    found = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith("Rss") or line.startswith("VmRSS")}
    return float(found.get("VmRSS", 0)) / 1e3, float(found.get("RssAnon", 0)) / 1e3


def train(folder: Path, name: str, steps: int, cache: Path) -> dict:
    """One training as a whole command: peak memory, and when its first lines came."""
    settings = [*SETTINGS, f"name={name}", f"training.max_steps={steps}", f"training.save_every={steps}",
                f"data.train={{source: {folder / 'source.txt'}, target: {folder / 'target.txt'}}}"]  # fmt: skip
    command = [sys.executable, "-m", "mt", "train", "--config", "base", *(part for setting in settings for part in ("--set", setting))]
    begun = time.perf_counter()
    environment = os.environ | {"MT_CACHE": str(cache), "MT_RUNS": str(folder / "runs")}
    peaks = {"resident": 0.0, "anonymous": 0.0, "main resident": 0.0, "main anonymous": 0.0}
    with (folder / f"{name}.log").open("w+") as log:
        child = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        until_training = None
        while child.poll() is None:
            each = [memory_mb(process) for process in process_tree(child.pid)]
            now = {"resident": sum(pair[0] for pair in each), "anonymous": sum(pair[1] for pair in each),
                   "main resident": each[0][0], "main anonymous": each[0][1]}  # fmt: skip
            peaks = {key: max(value, now[key]) for key, value in peaks.items()}
            if until_training is None and "target tokens/s" in (folder / f"{name}.log").read_text():
                until_training = time.perf_counter() - begun
            time.sleep(0.1)
        if child.returncode:
            log.seek(0)
            sys.exit(log.read())
    return {"until_training_s": until_training, "seconds": time.perf_counter() - begun} | peaks


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, nargs="+", default=[100_000, 10_000_000])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--folder", type=Path, default=None, help="where the files are written (default: a temporary folder)")
    arguments = parser.parse_args()
    results = []
    print(f"{'pairs':>12} {'cache':>6} {'text':>8} {'on disk':>8} {'resident':>9} {'anonymous':>10} {'main':>12} {'to training':>12}")
    for count in arguments.pairs:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
            folder = Path(name)
            size = write_pairs(folder, count)
            for cache in ("empty", "full"):
                figures = train(folder, cache, arguments.steps, folder / "cache")
                disk = sum(path.stat().st_size for path in (folder / "cache").rglob("*") if path.is_file())
                results.append({"pairs": count, "cache": cache, "text_mb": size / 1e6, "disk_mb": disk / 1e6} | figures)
                print(
                    f"{count:12,} {cache:>6} {size / 1e6:6,.0f}MB {disk / 1e6:6,.0f}MB {figures['resident']:7,.0f}MB "
                    f"{figures['anonymous']:8,.0f}MB {figures['main anonymous']:10,.0f}MB {figures['until_training_s']:11.1f}s", flush=True,
                )
    print(json.dumps(results))


if __name__ == "__main__":
    main()
