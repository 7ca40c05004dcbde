"""`mt train --processes N`: the processes of one training, with one voice, and no traceback whatever happens."""

import os
import signal
from pathlib import Path

import pytest

from mt.runs import RunDirectory, runs_root
from tests.processes import mt_process, num_lines, sets, start_mt, wait_until
from tests.tiny import SETTINGS


def children_of(process: int) -> dict[str, int]:
    """Process numbers by RANK."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if folder.joinpath("stat").read_text().split()[3] == str(process):
                entries = folder.joinpath("environ").read_bytes().split(b"\0")
                found[next(entry[5:].decode() for entry in entries if entry.startswith(b"RANK="))] = int(folder.name)
        except (OSError, StopIteration):
            continue
    return found


def test_it_trains_and_speaks_once() -> None:
    done = mt_process("train", "--processes", "2", "--config", "copy", *sets(SETTINGS))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("finished: 10 steps") == 1 and "in 2 processes" in done.stderr
    assert RunDirectory(runs_root() / "tiny").finished()


@pytest.mark.slow
def test_a_deadline_holds_for_all_of_them() -> None:
    """Clocks differ a little; what the processes do together must not."""
    settings = [*SETTINGS, "training.max_steps=1000", "training.validate_every=100", "training.save_every=100"]
    done = mt_process("train", "--processes", "2", "--max-minutes", "0.15", "--config", "copy", *sets(settings))
    assert done.returncode == 0, done.stderr
    assert RunDirectory(runs_root() / "tiny").read_json("summary.json")["step"] > 20


def test_a_users_mistake_is_one_message() -> None:
    done = mt_process("train", "--processes", "2", "--config", "copy", *sets([*SETTINGS, "data.train=missing.tsv"]))
    assert done.returncode == 2
    assert done.stderr.count("error") == 1 and "missing.tsv: there is no such file" in done.stderr
    assert "Traceback" not in done.stderr


def test_sigterm_saves_and_exits_with_130() -> None:
    run = RunDirectory(runs_root() / "tiny")
    process = start_mt("train", "--processes", "2", "--config", "copy", *sets([*SETTINGS, "training.max_steps=9000"]))
    wait_until(lambda: num_lines(run.metrics_path) > 3, process)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stderr.count("saved at step") == 1 and "nothing that was finished is lost" not in stderr


def test_a_killed_process_is_named() -> None:
    run = RunDirectory(runs_root() / "tiny")
    process = start_mt("train", "--processes", "2", "--config", "copy", *sets([*SETTINGS, "training.max_steps=9000"]))
    wait_until(lambda: num_lines(run.metrics_path) > 3, process)
    os.kill(children_of(process.pid)["1"], signal.SIGKILL)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "process 1 of 2 was ended by SIGKILL" in stderr and "Traceback" not in stderr
