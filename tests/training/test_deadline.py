"""A run with a deadline: the schedule is a function of time, the end fits, and validations do not eat it up."""

import json
import os
import signal
import time

import pytest

from mt.errors import TrainingError
from mt.runs import RunDirectory, runs_root
from mt.training import trainer
from mt.training.deadline import Deadline
from mt.training.trainer import train
from tests.command_line import run_mt
from tests.tiny import tiny_config


def test_progress_goes_from_where_the_run_was_to_one() -> None:
    deadline = Deadline(ends_at=200.0, begun_at=100.0, begun_progress=0.5)
    assert deadline.training_ends_at == 198.0  # a fiftieth is kept back while nothing is measured
    assert deadline.progress(100.0) == 0.5
    assert deadline.progress(149.0) == pytest.approx(0.75)
    assert deadline.progress(198.0) == deadline.progress(500.0) == 1.0


def test_what_the_end_needs_is_kept_back_once_a_validation_was_timed() -> None:
    deadline = Deadline(ends_at=200.0, begun_at=100.0, test_in_validations=5.0)
    deadline.note_validation(2.0)
    deadline.saving = 1.0
    assert deadline.training_ends_at == 200.0 - 1.25 * ((3 + 5) * 2.0 + 2 * 1.0)
    deadline.processes = 2
    assert deadline.training_ends_at == 200.0 - 1.25 * ((3 + 5) * 2.0 * 2 + 2 * 1.0), "the first process validates alone at the end"


def test_a_long_run_keeps_back_minutes_and_not_half_an_hour() -> None:
    deadline = Deadline(ends_at=24 * 3600.0, begun_at=0.0)
    assert deadline.training_ends_at == 24 * 3600.0 - 300.0
    deadline.note_validation(4.0)
    assert deadline.training_ends_at == 24 * 3600.0 - 1.25 * 3 * 4.0


def test_validations_take_at_most_a_tenth_of_the_time() -> None:
    deadline = Deadline(ends_at=1000.0, begun_at=0.0)
    assert deadline.can_validate(1.0), "the first is needed to know what one takes"
    deadline.note_validation(5.0)
    assert not deadline.can_validate(99.0)
    assert deadline.can_validate(100.0)


def test_no_time_left_is_no_division_by_zero() -> None:
    assert Deadline(ends_at=100.0, begun_at=100.0).progress(100.0) == 1.0


def test_a_run_ends_on_time_with_its_schedule_complete() -> None:
    """Warm-up, decay to zero, checkpoints, the average and the test score all fit into eight seconds."""
    begun = time.monotonic()
    seconds = 8.0
    settings = ["training.schedule=linear", f"training.max_hours={seconds / 3600}", "training.max_steps=1000", "training.warmup_steps=100",
                "training.validate_every=250", "training.save_every=100", "data.test=copy", "training.log_every=1"]  # fmt: skip
    summary = train(tiny_config(*settings))
    taken = time.monotonic() - begun
    assert taken < seconds * 1.15
    run = RunDirectory(runs_root() / "tiny")
    lines = [json.loads(line) for line in run.metrics_path.read_text(encoding="utf-8").splitlines()]
    rates = [line["learning_rate"] for line in lines if line["kind"] == "train"]
    peak = max(rates)
    assert peak == pytest.approx(tiny_config().training.learning_rate, rel=0.05)
    assert rates[0] < 0.3 * peak and rates[-1] < 0.05 * peak, "it rises and falls within the time"
    assert 0.02 < rates.index(peak) / len(rates) < 0.4
    assert summary["step"] == len(rates) > 20 and summary["test"] is not None
    assert 2 <= len(run.checkpoint_steps()) <= 12


def test_a_stopped_run_goes_on_with_the_time_and_the_schedule_that_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = ["training.schedule=linear", "training.max_hours=0.002", "training.max_steps=1000", "training.save_every=1000"]
    real = trainer.train_step

    def stopped_at(model, optimizer, shares, step, *others):
        if step == 10:
            os.kill(os.getpid(), signal.SIGINT)
        return real(model, optimizer, shares, step, *others)

    monkeypatch.setattr(trainer, "train_step", stopped_at)
    with pytest.raises(trainer.Interrupted):
        train(tiny_config(*settings))
    run = RunDirectory(runs_root() / "tiny")
    saved = run.read_json("checkpoints/last/state.json")
    assert 0 < saved["progress"] < 1
    monkeypatch.setattr(trainer, "train_step", real)
    begun = time.monotonic()
    summary = train(tiny_config(*settings))
    assert summary["step"] > 10
    assert time.monotonic() - begun < 7.2 * 1.15


def test_a_finished_run_goes_on_only_with_more_time(caplog: pytest.LogCaptureFixture) -> None:
    settings = ["training.max_steps=100000", "training.save_every=100000"]
    first = train(tiny_config(*settings, "training.max_hours=0.001"))
    caplog.set_level("INFO")
    assert train(tiny_config(*settings, "training.max_hours=0.001"))["step"] == first["step"]
    assert "is finished" in caplog.text
    more = train(tiny_config(*settings, "training.max_hours=0.0015"))
    assert more["step"] > first["step"] and more["max_hours"] == 0.0015


def test_time_that_has_passed_already_is_told() -> None:
    with pytest.raises(TrainingError, match=r"training.max_hours=1e-07: .* have passed already"):
        train(tiny_config("training.max_hours=1e-7"))


def test_the_command_takes_hours_or_minutes_but_not_both() -> None:
    result = run_mt("train", "--config", "copy", "--max-hours", "1", "--max-minutes", "3")
    assert result.exit_code == 2 and "give --max-hours or --max-minutes, not both" in result.stderr


def test_the_time_that_proposing_a_configuration_takes_is_taken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """`mt train --data`: what is left is the time from the command's begin on, and the schedule is fitted into that."""
    begun_with = []
    monkeypatch.setattr("mt.init_command.config_for", lambda *_: time.sleep(0.5) or "copy")
    monkeypatch.setattr("mt.training.trainer.train", lambda config, restart, begun: begun_with.append((begun, time.monotonic())))
    assert run_mt("train", "--data", "pairs.tsv", "--max-minutes", "2").exit_code == 0
    [(begun, then)] = begun_with
    assert 0.5 <= then - begun < 60
    monkeypatch.setenv("MT_TRAINING_BEGUN", repr(begun - 1000.0))
    assert run_mt("train", "--data", "pairs.tsv", "--max-minutes", "2").exit_code == 0
    assert begun_with[1][0] == begun - 1000.0, "a process of --processes counts from its launcher's begin"


def test_a_schedule_is_fitted_into_what_is_left_since_the_command_began() -> None:
    with pytest.raises(TrainingError, match=r"training.max_hours=0.02: .* have passed already, in measuring speed"):
        train(tiny_config("training.max_hours=0.02", "training.schedule=linear"), begun=time.monotonic() - 100)
    summary = train(tiny_config("training.max_hours=0.02", "training.schedule=linear"), begun=time.monotonic() - 68)
    assert summary["seconds"] < 10, "of 72 seconds 68 had passed"
