"""Training is not lost: to a second process, to damaged files, to a full disk; and going on can be proved on one's own run."""

import errno
import json
import os
import random
import shutil
import time
from pathlib import Path

import pytest
import torch

import mt.runs
from mt.errors import ConfigError, RunError
from mt.run_lock import locked
from mt.runs import RunDirectory, checkpoint_damage
from mt.stored_model import load_model
from mt.training import trainer as trainer_module
from mt.training.report import Report
from mt.training.trainer import train
from mt.training.verify import different, verify
from tests.command_line import run_mt
from tests.processes import mt_process, sets, start_mt, wait_until
from tests.tiny import SETTINGS, tiny_config

STEADY = ("training.schedule=constant",)
"""So that more updates bend nothing."""


def run_called(name: str = "tiny") -> RunDirectory:
    return RunDirectory(Path(os.environ["MT_RUNS"]) / name)


def flip(path: Path, draw: random.Random) -> None:
    """One bit of a file."""
    content = bytearray(path.read_bytes())
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    path.write_bytes(content)


# ── one process at a time ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_second_process_on_a_run_is_refused_and_the_first_is_named() -> None:
    long = ["training.max_steps=100000", "training.validate_every=100000"]
    first = start_mt("train", "--config", "copy", *sets([*SETTINGS, *long]))
    wait_until(lambda: len(run_called().checkpoint_steps()) > 0, first)
    second = mt_process("train", "--config", "copy", *sets([*SETTINGS, *long]))
    assert second.returncode == 2 and f"process {first.pid} on " in second.stderr and "--set name=" in second.stderr
    assert "Traceback" not in second.stderr
    first.kill()
    first.communicate()
    assert train(tiny_config("training.max_steps=3", "name=other"))["step"] == 3
    with locked(run_called()):
        pass  # the system took the lock back


def test_the_lock_goes_with_the_run_that_holds_it() -> None:
    with locked(run_called()):
        with pytest.raises(RunError, match=f"process {os.getpid()} on .* is training this run"), locked(run_called()):
            pass
        with locked(run_called("another")):
            pass
    with locked(run_called()):
        pass
    assert not list(run_called().path.parent.glob(".*.lock"))


# ── damaged files ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_flipped_bit_and_every_cut_of_a_checkpoint_is_noticed() -> None:
    train(tiny_config("training.ema_decay=0.9"))
    folder = run_called().checkpoint_path(10)
    assert checkpoint_damage(folder) is None
    draw = random.Random(seed := random.randrange(10**6))
    for path in sorted(folder.iterdir()):
        whole = path.read_bytes()
        for _ in range(12):
            flip(path, draw)
            assert checkpoint_damage(folder) is not None, (path.name, seed)
            path.write_bytes(whole[: draw.randrange(len(whole))])
            assert checkpoint_damage(folder) is not None, (path.name, seed)
            path.write_bytes(whole)
    assert checkpoint_damage(folder) is None
    shutil.move(folder / "optimizer.safetensors", "elsewhere")
    assert checkpoint_damage(folder) is None, "what was tidied away is not missed"


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "state.json"])
def test_training_goes_on_from_the_checkpoint_before_a_damaged_one(name: str) -> None:
    train(tiny_config(*STEADY, "training.max_steps=15", "name=whole"))
    train(tiny_config(*STEADY, "name=hurt"))
    flip(run_called("hurt").checkpoint_path(10) / name, random.Random(3))
    outcome = run_mt("train", "--config", "copy", *sets([*SETTINGS, *STEADY, "training.max_steps=15", "name=hurt"]))
    assert outcome.exit_code == 0, outcome.stderr
    assert "step-00000010: " in outcome.stderr and "kept as runs/hurt/checkpoints/damaged-step-00000010" in outcome.stderr
    assert "going on from step 5" in outcome.stderr
    assert run_called("hurt").weights_path.read_bytes() == run_called("whole").weights_path.read_bytes()


def test_a_damaged_checkpoint_is_left_out_of_the_average(capsys: pytest.CaptureFixture) -> None:
    train(tiny_config(*STEADY, "training.save_every=2", "training.validate_every=100"))
    flip(run_called().checkpoint_path(4) / "model.safetensors", random.Random(5))
    outcome = run_mt("train", "--config", "copy", *sets([*SETTINGS, *STEADY, "training.save_every=2", "training.validate_every=100",
                                                         "training.max_steps=12", "training.average_checkpoints=5"]))  # fmt: skip
    assert outcome.exit_code == 0, outcome.stderr
    assert (
        "step-00000004: model.safetensors is not as it was written" in outcome.stderr and "left out of the final weights" in outcome.stderr
    )


def test_final_weights_and_checkpoints_that_were_damaged_are_not_translated_with() -> None:
    train(tiny_config())
    run = run_called()
    weights = run.weights_path.read_bytes()
    run.weights_path.write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    with pytest.raises(RunError, match="not as they were written"):
        load_model(run.path)
    run.weights_path.write_bytes(weights)
    load_model(run.path)
    path = run.checkpoint_path(5) / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(RunError, match="model.safetensors is not as it was written"):
        load_model(path.parent)


# ── a full disk ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_on_a_full_disk_training_waits_and_then_goes_on(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    train(tiny_config("name=undisturbed"))
    write, failures = mt.runs.write_atomically, []

    def full(path: Path, data: bytes | str) -> None:
        if path.name == "optimizer.safetensors" and "step-00000010" in str(path) and len(failures) < 3:
            failures.append(path)
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        write(path, data)

    monkeypatch.setattr(mt.runs, "write_atomically", full)
    monkeypatch.setattr(trainer_module, "FULL_DISK_WAIT", 0)
    train(tiny_config())
    assert len(failures) == 3
    [told] = [record.getMessage() for record in caplog.records if "the disk is full" in record.getMessage()]
    assert "the checkpoint of step 10 could not be written, the one of step 5 is whole" in told
    assert run_called().weights_path.read_bytes() == run_called("undisturbed").weights_path.read_bytes()
    assert not list(run_called().path.rglob("*.part"))


def test_another_failure_of_a_save_ends_the_run_with_the_checkpoint_before_intact(monkeypatch: pytest.MonkeyPatch) -> None:
    write = mt.runs.write_atomically

    def broken(path: Path, data: bytes | str) -> None:
        if path.name == "optimizer.safetensors" and "step-00000010" in str(path):
            raise OSError(errno.EIO, "Input/output error", str(path))
        write(path, data)

    monkeypatch.setattr(mt.runs, "write_atomically", broken)
    outcome = run_mt("train", "--config", "copy", *sets(SETTINGS))
    assert outcome.exit_code == 2 and "Input/output error" in outcome.stderr and "Traceback" not in outcome.stderr
    assert run_called().checkpoint_steps() == [5] and checkpoint_damage(run_called().checkpoint_path(5)) is None


def test_a_folder_that_vanishes_or_cannot_be_written_ends_the_run_with_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    write = mt.runs.write_atomically

    def gone(path: Path, data: bytes | str) -> None:
        if path.name == "optimizer.safetensors" and "step-00000010" in str(path):
            shutil.rmtree(run_called().path)
        write(path, data)

    def read_only(path: Path, data: bytes | str) -> None:
        if path.name == "optimizer.safetensors":
            raise OSError(errno.EROFS, "Read-only file system", str(path))
        write(path, data)

    for instead, words in ((gone, "No such file or directory"), (read_only, "Read-only file system")):
        monkeypatch.setattr(mt.runs, "write_atomically", instead)
        outcome = run_mt("train", "--config", "copy", *sets(SETTINGS))
        assert outcome.exit_code == 2 and words in outcome.stderr and "Traceback" not in outcome.stderr, outcome.stderr


def test_a_clock_that_was_set_back_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    train(tiny_config("name=undisturbed"))
    train(tiny_config("training.max_steps=5"))
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() - 400 * 86_400)
    train(tiny_config())
    run = run_called()
    assert run.weights_path.read_bytes() == run_called("undisturbed").weights_path.read_bytes()
    assert run.checkpoint_steps()[-1] == 10
    for path in (run.path, *run.path.rglob("*")):  # the system's clock too: what was made last seems to be the oldest
        os.utime(path, (1, 1))
    assert run_mt("translate", "--model", "tiny", "ba").exit_code == 0 and run_mt("runs").exit_code == 0


def test_figures_that_could_not_be_written_are_kept_until_they_can() -> None:
    run = run_called()
    (run.path / "tensorboard").mkdir(parents=True)
    with Report(run, 0, 10, 1) as report:
        run.metrics_path.symlink_to("/dev/full")
        report._write("train", 1, {"loss": 2.0})
        report._write("train", 2, {"loss": 1.5})
        run.metrics_path.unlink()
        report._write("train", 3, {"loss": 1.0})
    assert [json.loads(line)["step"] for line in run.metrics_path.read_text(encoding="utf-8").splitlines()] == [1, 2, 3]


# ── the proof ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_last_updates_can_be_made_again_and_compared() -> None:
    everything = ("training.ema_decay=0.9", "training.optimizer=muon", "tokenizer.sampling=0.3", "training.accumulation=2")
    train(tiny_config(*everything))
    before = {path: path.read_bytes() for path in sorted(run_called().path.rglob("*")) if path.is_file()}
    assert verify(tiny_config(*everything))
    assert {path: path.read_bytes() for path in sorted(run_called().path.rglob("*")) if path.is_file()} == before, "nothing was changed"


def test_an_update_that_comes_out_otherwise_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    train(tiny_config())
    outcome = run_mt("train", "--config", "copy", *sets(SETTINGS), "--verify-resume")
    assert outcome.exit_code == 0 and "from step 5 to 10 were made once more: all" in outcome.stderr
    step = trainer_module.train_step

    def careless(model: torch.nn.Module, *rest: object) -> object:
        result = step(model, *rest)
        with torch.no_grad():
            next(model.parameters()).view(-1)[7] += 1e-6
        return result

    monkeypatch.setattr(trainer_module, "train_step", careless)
    outcome = run_mt("train", "--config", "copy", *sets(SETTINGS), "--verify-resume")
    assert outcome.exit_code == 1 and "tensors came out otherwise" in outcome.stderr


def test_what_cannot_be_verified_is_told() -> None:
    with pytest.raises(ConfigError, match="under a deadline"):
        verify(tiny_config("training.max_hours=1"))
    with pytest.raises(RunError, match="there is no run to verify"):
        verify(tiny_config())
    train(tiny_config("training.max_steps=5"))
    with pytest.raises(RunError, match="two checkpoints are needed to go from one to the other, and there are 1"):
        verify(tiny_config("training.max_steps=5"))


def test_tensors_differ_by_value_and_by_name() -> None:
    one = {"a": torch.ones(2), "b": torch.zeros(2)}
    assert different(one, {"a": torch.ones(2), "b": torch.zeros(2)}) == []
    assert different(one, {"a": torch.ones(2), "b": torch.tensor([0.0, 1e-9])}) == ["b"]
    assert different(one, {"a": torch.ones(2), "c": torch.zeros(2)}) == ["b", "c"]
