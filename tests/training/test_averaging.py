"""Averages of weights equal their formulas, computed here with numpy from the files."""

import json
from pathlib import Path

import numpy
import pytest
import safetensors.numpy
import torch

from mt.data.special_ids import SPECIAL_IDS
from mt.model.build import build_model
from mt.model.interface import TranslationModel
from mt.runs import RunDirectory, runs_root
from mt.stored_model import parameters_of
from mt.training.averaging import average_checkpoints, start_ema, update_ema
from mt.training.trainer import train
from tests.tiny import tiny_config

AVERAGING = ("training.max_steps=12", "training.save_every=2", "training.validate_every=3", "training.average_checkpoints=3")


def tiny_model() -> TranslationModel:
    torch.manual_seed(3)
    return build_model(tiny_config().model, len(SPECIAL_IDS) + 20, len(SPECIAL_IDS) + 20)


def weights_at(run: RunDirectory, step: int) -> dict[str, numpy.ndarray]:
    return safetensors.numpy.load_file(run.checkpoint_path(step) / "model.safetensors")


def assert_is_mean(weights: dict[str, numpy.ndarray], run: RunDirectory, steps: list[int]) -> None:
    """The weights are the arithmetic mean of the checkpoints', to the last place of fp32."""
    checkpoints = [weights_at(run, step) for step in steps]
    assert weights.keys() == checkpoints[0].keys()
    for name, weight in weights.items():
        mean = numpy.mean([checkpoint[name].astype(numpy.float64) for checkpoint in checkpoints], axis=0)
        numpy.testing.assert_allclose(weight, mean, rtol=1.2e-7, atol=0)


def test_the_last_n_scheduled_checkpoints_are_averaged() -> None:
    summary = train(tiny_config(*AVERAGING, "training.average=last", "data.valid=[]"))
    run = RunDirectory(runs_root() / "tiny")
    assert run.checkpoint_steps() == [8, 10, 12]
    assert summary["final_weights"] == "average of steps 8, 10, 12"
    assert_is_mean(safetensors.numpy.load_file(run.weights_path), run, [8, 10, 12])


def test_the_best_n_validated_checkpoints_are_averaged(monkeypatch: pytest.MonkeyPatch) -> None:
    losses = {3: 5.0, 6: 1.0, 9: 3.0, 12: 4.0, 15: 2.0, 18: 7.0}
    scripted_losses(monkeypatch, losses)
    settings = ("training.max_steps=18", "training.save_every=18", "training.average=best", "training.metric=loss")
    train(tiny_config(*AVERAGING, *settings))
    run = RunDirectory(runs_root() / "tiny")
    stamp = json.loads(safetensors.safe_open(run.weights_path, "np").metadata()["mt"])["tokenizer"]
    assert {6, 9, 15, 18} <= set(run.checkpoint_steps()), "the three best and the last are there to be averaged"
    averaged = average_checkpoints(run, [6, 9, 15], stamp)
    assert_is_mean({name: tensor.numpy() for name, tensor in averaged.items()}, run, [6, 9, 15])


def scripted_losses(monkeypatch: pytest.MonkeyPatch, losses: dict[int, float]) -> None:
    """Validation during training says these losses, in this order; at the end the average is the best."""
    from mt.training import finish, trainer
    from mt.training.validation import Validation

    told = iter(losses.values())
    monkeypatch.setattr(trainer, "validate", lambda *_: Validation(next(told), 0.0, 0.0, []))
    final = iter([0.5, 2.0])  # average, best; the last has just been validated
    monkeypatch.setattr(finish, "validate", lambda *_: Validation(next(final), 0.0, 0.0, []))


def test_the_average_of_the_best_becomes_the_final_weights_when_it_is_better(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted_losses(monkeypatch, {3: 5.0, 6: 1.0, 9: 3.0, 12: 4.0})
    summary = train(tiny_config(*AVERAGING, "training.average=best", "training.metric=loss"))
    run = RunDirectory(runs_root() / "tiny")
    assert summary["final_weights"] == "average of steps 6, 9, 12"
    assert summary["valid"]["loss"] == 0.5
    assert (summary["best_step"], run.pointed("best"), run.pointed("last")) == (6, 6, 12)
    assert_is_mean(safetensors.numpy.load_file(run.weights_path), run, [6, 9, 12])


def test_no_average_takes_the_better_of_best_and_last(monkeypatch: pytest.MonkeyPatch) -> None:
    from mt.training import finish
    from mt.training.validation import Validation

    scripted_losses(monkeypatch, {3: 5.0, 6: 1.0, 9: 3.0, 12: 4.0})
    final = iter([1.0])
    monkeypatch.setattr(finish, "validate", lambda *_: Validation(next(final), 0.0, 0.0, []))
    summary = train(tiny_config(*AVERAGING, "training.average=none", "training.metric=loss"))
    run = RunDirectory(runs_root() / "tiny")
    assert summary["final_weights"] == "best (step 6)"
    assert run.weights_path.read_bytes() == (run.checkpoint_path(6) / "model.safetensors").read_bytes()


@pytest.mark.parametrize("ema", [False, True], ids=["weights", "ema"])
def test_what_was_validated_after_the_last_update_is_not_validated_again(ema: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    from mt.training import finish

    others = []
    real = finish.validate
    monkeypatch.setattr(finish, "validate", lambda *asked: others.append(real(*asked)) or others[-1])
    settings = ("training.max_steps=6", "training.validate_every=6", "training.average=none", "training.metric=loss")
    summary = train(tiny_config(*settings, f"training.ema_decay={0.5 if ema else 0}"))
    lines = [json.loads(line) for line in RunDirectory(runs_root() / "tiny").metrics_path.read_text(encoding="utf-8").splitlines()]
    [measured] = [line["loss"] for line in lines if line["kind"] == "valid"]
    assert len(others) == ema, "under an EMA the weights themselves were not yet"
    assert summary["valid"]["loss"] == min([measured, *(other.loss for other in others)])


def test_the_running_average_follows_its_formula() -> None:
    model, decay = tiny_model(), 0.6
    ema = start_ema(model)
    expected = {name: tensor.double().numpy().copy() for name, tensor in parameters_of(model).items()}
    generator = torch.Generator().manual_seed(1)
    for step in range(1, 20):
        for tensor in parameters_of(model).values():
            tensor.add_(torch.randn(tensor.shape, generator=generator))
        update_ema(ema, model, decay, step)
        rate = min(decay, (1 + step) / (10 + step))
        for name, tensor in parameters_of(model).items():
            expected[name] = rate * expected[name] + (1 - rate) * tensor.double().numpy()
    for name, average in ema.items():
        numpy.testing.assert_allclose(average.numpy(), expected[name], rtol=1e-4, atol=1e-5)


def test_a_running_average_starts_as_a_copy_and_leaves_the_weights_alone() -> None:
    model = tiny_model()
    before = {name: tensor.clone() for name, tensor in parameters_of(model).items()}
    ema = start_ema(model)
    for average in ema.values():
        average.zero_()
    update_ema(ema, model, 0.9, 1)
    assert all(torch.equal(tensor, before[name]) for name, tensor in parameters_of(model).items())


def test_with_a_running_average_that_is_what_is_validated_and_what_best_means(tmp_path: Path) -> None:
    settings = ("training.ema_decay=0.5", "training.max_steps=6", "training.validate_every=6", "training.metric=loss")
    train(tiny_config(*settings, "training.average=none"))
    run = RunDirectory(runs_root() / "tiny")
    lines = [json.loads(line) for line in run.metrics_path.read_text(encoding="utf-8").splitlines()]
    summary = run.read_json("summary.json")
    measured = next(line["loss"] for line in lines if line["kind"] == "valid")
    assert summary["best_step"] == 6
    if summary["final_weights"] == "ema":
        assert summary["valid"]["loss"] == measured
        assert run.weights_path.read_bytes() == (run.checkpoint_path(6) / "ema.safetensors").read_bytes()
    else:
        assert summary["final_weights"] == "last" and summary["valid"]["loss"] < measured
