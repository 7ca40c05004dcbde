"""Throw thousands of inputs at `mt check`, `mt translate`, configurations and model folders, and count what they do not survive.

    python scripts/fuzz.py [--inputs 20000] [--subjects check translate config model] [--seed 1] [--processes 2] [--keep DIR]

What is thrown and what must hold stands in tests/fuzz. Inputs are drawn in processes of their own, so that a crash of a library is counted
too, and so is a process that does not answer. The smallest input of each failure is told; the files of a crash are kept.
"""

import argparse
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.fuzz.subjects import MOST_SECONDS, SUBJECTS  # noqa: E402 - found through the line above

BATCH = 250
"""Inputs that one process throws."""


def train_a_model(folder: Path) -> Path:
    """A run that has learned to copy: seconds."""
    from mt.config_file import load_config
    from mt.training.trainer import train

    os.environ["MT_RUNS"], os.environ["MT_CACHE"] = str(folder / "runs"), str(folder / "cache")
    steps = ["training.max_steps=300", "training.validate_every=150", "training.save_every=150"]
    train(load_config("copy", [*steps, "training.precision=fp32", "training.device=cpu", "training.threads=1"]))
    return folder / "runs" / "copy"


def throw(name: str, seed: int, folder: Path, run: Path, done: "multiprocessing.Value", told: "multiprocessing.Queue") -> None:
    """A process: so many inputs of one subject; what fails goes into the queue."""
    import torch
    from hypothesis import HealthCheck, given, settings
    from hypothesis import seed as seeded
    from hypothesis import strategies as st

    folder.mkdir(parents=True)
    os.chdir(folder)
    os.environ |= {"MT_RUNS": str(folder / "runs"), "MT_CACHE": str(folder / "cache")}
    torch.set_num_threads(1)
    subject = SUBJECTS[name](folder, run)

    @seeded(seed)
    @settings(max_examples=BATCH, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def one(data: st.DataObject) -> None:
        subject.throw(data)
        done.value += 1

    try:
        one()
    except BaseException as error:
        told.put((name, seed, "".join(traceback.format_exception(error, limit=-6)) + "\n".join(getattr(error, "__notes__", ()))))
        sys.exit(3)


def main() -> None:
    """Throw all, and say how many were survived."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--subjects", nargs="+", choices=SUBJECTS, default=list(SUBJECTS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--keep", type=Path, default=Path("fuzz-crashes"), help="where the files of crashes and hangs are kept")
    arguments = parser.parse_args()
    begun, context = time.monotonic(), multiprocessing.get_context("spawn")
    told, survived, failures = context.Queue(), Counter(), Counter()
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = train_a_model(folder)
        a_subject = -(-arguments.inputs // (BATCH * len(arguments.subjects)))
        waiting = [(subject, arguments.seed * 100_000 + number) for number in range(a_subject) for subject in arguments.subjects]
        running = {}
        while waiting or running:
            while waiting and len(running) < arguments.processes:
                subject, seed = waiting.pop(0)
                place, done = folder / f"{subject}-{seed}", context.Value("i", 0)
                process = context.Process(target=throw, args=(subject, seed, place, run, done, told))
                process.start()
                running[process] = [subject, seed, place, done, 0, time.monotonic()]
            time.sleep(0.2)
            while not told.empty():
                subject, seed, text = told.get()
                print(f"\n=== {subject}, seed {seed}\n{text}", flush=True)
            for process, state in list(running.items()):
                subject, seed, place, done, before, since = state
                if done.value != before:
                    state[4:] = [done.value, time.monotonic()]
                hangs = process.is_alive() and time.monotonic() - since > 10 * MOST_SECONDS
                if hangs:
                    process.kill()
                    process.join()
                if process.is_alive():
                    continue
                process.join()
                del running[process]
                survived[subject] += done.value
                if process.exitcode:
                    what = "hang" if hangs else "failure" if process.exitcode == 3 else f"exit code {process.exitcode}"
                    failures[subject, what] += 1
                    if what != "failure":
                        kept = arguments.keep / place.name
                        shutil.copytree(place, kept, dirs_exist_ok=True)
                        print(f"\n=== {subject}, seed {seed}: {what}; its files are in {kept}", flush=True)
                shutil.rmtree(place, ignore_errors=True)
                bad, seconds = sum(failures.values()), time.monotonic() - begun
                print(f"{sum(survived.values()):,} inputs survived, {bad} batches with failures, {seconds:.0f} s", flush=True)
    for subject in arguments.subjects:
        found = ", ".join(f"{what} {count}" for (name, what), count in failures.items() if name == subject) or "none"
        print(f"{subject}: {survived[subject]:,} inputs survived; failures: {found}")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
