"""The forecast: near the truth, without a trace in the run; batches that do not fit are cut, and the numbers stay."""

import json
import logging
import time

import pytest
import torch

from mt.data.batching import plan_batches
from mt.errors import TrainingError
from mt.runs import RunDirectory, runs_root
from mt.stored_model import parameters_of
from mt.training import forecast as module
from mt.training import setup
from mt.training.distributed import ALONE
from mt.training.forecast import Forecast, duration, pieces_that_fit
from mt.training.setup import look_ahead, set_up
from mt.training.trainer import train
from tests.tiny import tiny_config


@pytest.mark.parametrize(("seconds", "text"), [(48, "48 s"), (89.4, "89 s"), (720, "12 min"), (12_000, "3 h 20 min"), (5390, "1 h 30 min")])
def test_durations_read_well(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_two_lines_say_what_is_ahead() -> None:
    figures = Forecast(parameters=2_605_056, memory_mb=2365.4, tokens_per_second=18_000, seconds_per_update=0.2, updates_per_epoch=100)
    assert figures.lines(8000, None) == [
        "2,605,056 parameters, 2,365 MB of memory so far",
        "18,000 target tokens/s: 20 s an epoch; 8,000 updates (80.0 epochs) in about 27 min, validation not counted",
    ]
    assert figures.lines(8000, 900.0)[1].endswith("about 4,500 updates (45.0 epochs) fit into 15 min, validation not counted")


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_it_leaves_no_trace(optimizer: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    training = set_up(tiny_config(f"training.optimizer={optimizer}"), RunDirectory(runs_root() / "tiny"))
    before = {name: tensor.clone() for name, tensor in parameters_of(training.model).items()}
    look_ahead(training, time.monotonic())
    figures = training.forecast
    assert figures is not None and figures.tokens_per_second > 0 and figures.updates_per_epoch > 1
    assert all(torch.equal(tensor, before[name]) for name, tensor in parameters_of(training.model).items())
    assert all(parameter.grad is None for parameter in training.model.parameters())
    assert len(training.optimizer.state) == 0
    assert [group["lr"] for group in training.optimizer.param_groups] == pytest.approx(
        [group["scale"] * training.config.training.learning_rate for group in training.optimizer.param_groups]
    )
    assert (training.state.epoch, training.state.batch) == (0, 0)
    assert f"{figures.parameters:,} parameters" in caplog.text and "target tokens/s" in caplog.text


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "muon"])
def test_a_loss_that_is_not_finite_does_not_spoil_the_weights(optimizer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from mt.training import step
    from mt.training.loss import LossSums

    training = set_up(tiny_config(f"training.optimizer={optimizer}", "training.weight_decay=0.1"), RunDirectory(runs_root() / "tiny"))
    before = {name: tensor.clone() for name, tensor in parameters_of(training.model).items()}
    real = step.cross_entropy
    monkeypatch.setattr(step, "cross_entropy", lambda *parts: LossSums(real(*parts).loss * float("nan"), real(*parts)[1]))
    look_ahead(training, time.monotonic())
    assert all(torch.equal(tensor, before[name]) for name, tensor in parameters_of(training.model).items())


def test_its_speed_is_that_of_the_training() -> None:
    """Within a factor of ten on a machine that does other things too: the right order of magnitude."""
    training = set_up(tiny_config(), RunDirectory(runs_root() / "probe"))
    look_ahead(training, time.monotonic())
    figures = training.forecast
    assert figures is not None
    train(tiny_config("training.max_steps=40", "training.log_every=40", "training.validate_every=1000"))
    lines = (runs_root() / "tiny" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    measured = next(json.loads(line)["target_tokens_per_second"] for line in lines if '"train"' in line)
    assert measured / 10 < figures.tokens_per_second < measured * 10


def pieces(free_mb: float, monkeypatch: pytest.MonkeyPatch) -> int:
    training = set_up(tiny_config(), RunDirectory(runs_root() / f"pieces-{free_mb:g}"))
    pairs = training.encoder.pairs(0)
    plan = plan_batches(pairs.lengths_N2(), 500, 1, 0)
    monkeypatch.setattr(module, "available_memory_mb", lambda _: free_mb)
    return pieces_that_fit(training.model, pairs, plan, training.config.training, training.hardware, ALONE)


def test_a_batch_that_does_not_fit_is_cut_into_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pieces(1000.0, monkeypatch) == 1
    few, many = pieces(1.0, monkeypatch), pieces(0.3, monkeypatch)
    assert 1 < few < many
    assert pieces(0.0, monkeypatch) == 1, "a system that does not say is not doubted"
    with pytest.raises(TrainingError, match=r"a single pair of the longest ones needs about .* lower data.max_length"):
        pieces(0.001, monkeypatch)


def test_pieces_change_nothing_but_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = ["model.dropout=0", "training.max_steps=5", "training.log_every=1"]
    train(tiny_config(*settings, "name=one"))
    monkeypatch.setattr(setup, "pieces_that_fit", lambda *_: 3)
    train(tiny_config(*settings, "name=three"))
    assert losses("three") == pytest.approx(losses("one"), rel=1e-5)


def test_a_continued_run_keeps_its_pieces_unless_more_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    for fitting, steps, kept in ((3, 2, 3), (1, 4, 3), (4, 6, 4)):
        monkeypatch.setattr(setup, "pieces_that_fit", lambda *_, fitting=fitting: fitting)
        train(tiny_config("training.schedule=constant", f"training.max_steps={steps}"))
        assert RunDirectory(runs_root() / "tiny").read_json("checkpoints/last/state.json")["pieces"] == kept


def losses(name: str) -> list[float]:
    lines = (runs_root() / name / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [line["loss"] for line in map(json.loads, lines) if line["kind"] == "train"]
