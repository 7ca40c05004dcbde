"""Averages, bad losses, early stopping, which checkpoints stay, and damaged files: what training promises besides resuming."""

import json
import os
import shutil
from pathlib import Path

import numpy
import pytest
import torch

from mt.config import Config
from mt.data.tokenizer import Tokenizer, Vocabulary
from mt.errors import RunError, TokenizerError, TrainingError
from mt.model.build import build_model
from mt.runs import RunDirectory, find_model
from mt.stored_model import load_model, parameters_of, read_tensors
from mt.training import finish as finish_module
from mt.training import step as step_module
from mt.training import trainer as trainer_module
from mt.training.averaging import average_checkpoints
from mt.training.loss import LossSums
from mt.training.state import TrainingState, best_steps
from mt.training.trainer import train
from mt.training.weights import borrowed_weights
from mt.translator import Translator
from tests.command_line import run_mt
from tests.processes import sets
from tests.tiny import SETTINGS, tiny_config

Tensors = dict[str, torch.Tensor]


def the_run() -> RunDirectory:
    return RunDirectory(Path(os.environ["MT_RUNS"]) / "tiny")


def tensors_at(step: int, group: str = "model") -> Tensors:
    return read_tensors(the_run().checkpoint_path(step) / f"{group}.safetensors")


def numpy_mean(of: list[Tensors]) -> dict[str, numpy.ndarray]:
    return {
        name: numpy.mean([tensors[name].numpy() for tensors in of], axis=0, dtype=numpy.float64).astype(numpy.float32) for name in of[0]
    }


def assert_equal(tensors: Tensors, expected: dict[str, numpy.ndarray]) -> None:
    assert tensors.keys() == expected.keys()
    for name, tensor in tensors.items():
        assert tensor.dtype == torch.float32
        numpy.testing.assert_allclose(tensor.numpy(), expected[name], rtol=1e-7, atol=0, err_msg=name)


# ── averages ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_average_of_checkpoints_is_their_mean() -> None:
    train(tiny_config("training.save_every=2"))
    stamp = Tokenizer.load(the_run().path).fingerprint()
    averaged = average_checkpoints(the_run(), [4, 6, 10], stamp)
    assert_equal(averaged, numpy_mean([tensors_at(step) for step in (4, 6, 10)]))


def test_without_validation_pairs_the_final_weights_are_the_average_of_the_last_n_saved() -> None:
    summary = train(tiny_config("data.valid=[]", "training.average=last", "training.save_every=2", "training.average_checkpoints=3"))
    assert summary["final_weights"] == "average of steps 6, 8, 10" and summary["valid"] is None
    assert_equal(read_tensors(the_run().weights_path), numpy_mean([tensors_at(step) for step in (6, 8, 10)]))


def test_no_average_means_the_last_weights() -> None:
    assert train(tiny_config("data.valid=[]", "training.average=none"))["final_weights"] == "last"
    assert the_run().weights_path.read_bytes() == (the_run().checkpoint_path(10) / "model.safetensors").read_bytes()


def test_the_best_n_are_averaged_also_when_validation_comes_more_often_than_saving(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Tensors] = {}
    real = finish_module.choose
    monkeypatch.setattr(finish_module, "choose", lambda training, candidates: seen.update(candidates) or real(training, candidates))
    train(tiny_config("training.average=best", "training.average_checkpoints=3", "training.metric=loss", "training.validate_every=2",
                      "training.save_every=5", "training.learning_rate=0.05", "training.max_steps=16"))  # fmt: skip
    lines = [json.loads(line) for line in the_run().metrics_path.read_text().splitlines()]
    losses = {line["step"]: line["loss"] for line in lines if line["kind"] == "valid"}
    best = sorted(sorted(losses, key=losses.__getitem__)[:3])
    name = f"average of steps {', '.join(map(str, best))}"
    assert name in seen
    assert_equal(seen[name], numpy_mean([tensors_at(step) for step in best]))


def test_the_final_weights_are_the_candidate_that_validates_best(monkeypatch: pytest.MonkeyPatch) -> None:
    real = finish_module.validate
    losses: list[float] = []
    for module in (trainer_module, finish_module):  # after the last update the EMA is validated, at the end the others
        monkeypatch.setattr(module, "validate", lambda *parts: (losses.append((result := real(*parts)).loss), result)[1])
    summary = train(tiny_config("training.metric=loss", "training.ema_decay=0.9", "training.average=last", "training.save_every=2"))
    earlier, *candidates = losses
    assert len(candidates) == 3, "the EMA, the last weights, their average"
    assert summary["valid"]["loss"] == min(candidates)


def test_best_steps_are_the_highest_scores_first() -> None:
    state = TrainingState(scores={"5": 1.0, "10": 3.0, "15": 2.0, "20": 3.0})
    assert best_steps(state, 3) == [10, 20, 15]


def test_the_running_average_follows_its_formula() -> None:
    """ema ← d·ema + (1 − d)·w with d = min(decay, (1 + step)/(10 + step)), from the fresh weights on, in float64 here."""
    config = tiny_config("training.ema_decay=0.3", "training.save_every=1", "training.average_checkpoints=10")
    train(config)
    tokenizer = Tokenizer.load(the_run().path)
    torch.manual_seed(config.training.seed)
    fresh = build_model(config.model, len(tokenizer.source), len(tokenizer.target))
    expected = {name: tensor.double().numpy() for name, tensor in parameters_of(fresh).items()}
    for step in range(1, 11):
        decay = min(0.3, (1 + step) / (10 + step))
        weights = tensors_at(step)
        expected = {name: decay * old + (1 - decay) * weights[name].double().numpy() for name, old in expected.items()}
        for name, tensor in tensors_at(step, "ema").items():
            numpy.testing.assert_allclose(tensor.numpy(), expected[name], rtol=1e-5, atol=1e-7, err_msg=f"{name} at {step}")


def test_an_unfinished_run_with_a_running_average_translates_with_it() -> None:
    train(tiny_config("training.ema_decay=0.9"))
    the_run().summary_path.unlink()
    the_run().weights_path.unlink()
    for directory in (the_run().path, the_run().checkpoint_path(10)):
        loaded = load_model(directory)
        assert loaded.path.name == "ema.safetensors"
    ema = tensors_at(10, "ema")
    assert all(torch.equal(tensor, ema[name]) for name, tensor in parameters_of(loaded.model).items())


def test_borrowed_weights_are_given_back_bit_for_bit() -> None:
    torch.manual_seed(0)
    model = build_model(tiny_config().model, 20, 20)
    own = {name: tensor.clone() for name, tensor in parameters_of(model).items()}
    other = {name: torch.randn_like(tensor) for name, tensor in own.items()}
    with borrowed_weights(model, other):
        assert all(torch.equal(tensor, other[name]) for name, tensor in parameters_of(model).items())
    assert all(torch.equal(tensor, own[name]) for name, tensor in parameters_of(model).items())
    with pytest.raises(ZeroDivisionError), borrowed_weights(model, other):
        raise ZeroDivisionError
    assert all(torch.equal(tensor, own[name]) for name, tensor in parameters_of(model).items())
    with borrowed_weights(model, None):
        assert all(torch.equal(tensor, own[name]) for name, tensor in parameters_of(model).items())


# ── losses that are not finite ──────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def bad_calls(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """Fill it with numbers: the loss of those batches, counted from 1, becomes NaN."""
    bad: set[int] = set()
    calls = 0
    real = step_module.cross_entropy

    def sometimes_nan(*parts):
        nonlocal calls
        calls += 1
        sums = real(*parts)
        return LossSums(sums.loss * float("nan"), sums.negative_log_likelihood) if calls in bad else sums

    monkeypatch.setattr(step_module, "cross_entropy", sometimes_nan)
    monkeypatch.setattr(trainer_module, "look_ahead", lambda *_: None)  # the forecast's own batches would count
    return bad


EVERY_STEP = ("training.save_every=1", "training.log_every=1", "training.average_checkpoints=12", "training.ema_decay=0.9")


def test_an_update_whose_loss_is_not_finite_is_left_out_and_counted(bad_calls: set[int], capsys: pytest.CaptureFixture) -> None:
    bad_calls |= {4, 5, 8}
    summary = train(tiny_config(*EVERY_STEP))
    assert (summary["step"], summary["skipped_updates"]) == (10, 3)
    for step in (4, 5, 8):
        for group in ("model", "ema"):
            before, after = tensors_at(step - 1, group), tensors_at(step, group)
            assert all(torch.equal(before[name], after[name]) for name in before)
    assert any(not torch.equal(tensor, tensors_at(5)[name]) for name, tensor in tensors_at(6).items())
    lines = [json.loads(line, parse_constant=pytest.fail) for line in the_run().metrics_path.read_text().splitlines()]
    skipped = [(line["step"], line["in_a_row"]) for line in lines if line["kind"] == "skipped"]
    assert skipped == [(4, 1), (5, 2), (8, 1)]
    assert [line["step"] for line in lines if line["kind"] == "train"] == [1, 2, 3, 6, 7, 9, 10]
    assert "step 5: the loss is not finite; this update is skipped (2 in a row)" in capsys.readouterr().err


def test_the_figures_of_a_line_that_ends_with_a_skipped_update_are_finite(bad_calls: set[int]) -> None:
    bad_calls.add(4)
    train(tiny_config("training.log_every=2"))
    lines = [json.loads(line, parse_constant=pytest.fail) for line in the_run().metrics_path.read_text().splitlines()]
    assert [line["step"] for line in lines if line["kind"] == "train"] == [2, 4, 6, 8, 10]


def test_the_optimizers_memory_is_untouched_by_a_skipped_update(bad_calls: set[int]) -> None:
    bad_calls.add(10)
    train(tiny_config(*EVERY_STEP))
    before, after = tensors_at(9, "optimizer"), tensors_at(10, "optimizer")
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_one_bad_batch_of_an_accumulation_leaves_the_whole_update_out(bad_calls: set[int]) -> None:
    bad_calls.add(6)  # the second batch of the third update
    assert train(tiny_config(*EVERY_STEP, "training.accumulation=2"))["skipped_updates"] == 1
    before, after = tensors_at(2), tensors_at(3)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_too_many_in_a_row_stop_the_run_with_advice(bad_calls: set[int]) -> None:
    bad_calls |= {2, 4, 5, 6, 7}
    with pytest.raises(TrainingError) as caught:
        train(tiny_config("training.max_bad_steps=3", "training.save_every=3", "training.validate_every=9"))
    message = str(caught.value)
    assert "not finite in 3 updates in a row, up to step 6" in message
    for advice in ("training.learning_rate (0.003)", "training.warmup_steps (5)", "training.clip_norm", "--restart"):
        assert advice in message
    assert the_run().checkpoint_steps() == [3]
    assert not the_run().finished()


def test_an_absurd_learning_rate_ends_with_one_message() -> None:
    absurd = ["training.learning_rate=1000", "training.optimizer=adamw", "training.weight_decay=100", "training.warmup_steps=0",
              "training.max_bad_steps=3", "training.validate_every=100", "training.max_steps=50"]  # fmt: skip
    outcome = run_mt("train", "--config", "copy", *sets([*SETTINGS, *absurd]))
    assert outcome.exit_code == 2
    assert "error: the loss was not finite in 3 updates in a row" in outcome.stderr
    assert "Traceback" not in outcome.stderr


# ── early stopping ──────────────────────────────────────────────────────────────────────────────────────────────────

STANDING_STILL = ("training.learning_rate=1e-12", "training.validate_every=2", "training.max_steps=40")


def test_patience_ends_a_run_that_gets_no_better(capsys: pytest.CaptureFixture) -> None:
    summary = train(tiny_config(*STANDING_STILL, "training.patience=2"))
    assert summary["stopped_early"] is True
    assert (summary["step"], summary["best_step"]) == (6, 2)
    assert the_run().finished()
    assert "no better bleu in 2 validations; stopping (best at step 2)" in capsys.readouterr().err


def test_a_run_that_stopped_early_goes_on_only_with_more_patience() -> None:
    train(tiny_config(*STANDING_STILL, "training.patience=2"))
    assert train(tiny_config(*STANDING_STILL, "training.patience=2", "training.max_steps=50"))["step"] == 6
    assert train(tiny_config(*STANDING_STILL, "training.patience=3"))["step"] == 8
    assert train(tiny_config(*STANDING_STILL, "training.patience=0", "training.max_steps=11"))["step"] == 11


# ── which checkpoints stay ──────────────────────────────────────────────────────────────────────────────────────────


def test_the_last_n_the_best_and_the_newest_two_optimizers_stay() -> None:
    train(tiny_config(*STANDING_STILL, "training.max_steps=10", "training.save_every=1", "training.average_checkpoints=3"))
    assert the_run().checkpoint_steps() == [2, 8, 9, 10]
    complete = [step for step in the_run().checkpoint_steps() if (the_run().checkpoint_path(step) / "optimizer.safetensors").is_file()]
    assert complete == [9, 10]
    assert (the_run().pointed("best"), the_run().pointed("last")) == (2, 10)


def test_checkpoints_hold_what_the_run_directory_says() -> None:
    train(tiny_config("training.ema_decay=0.5"))
    assert {path.name for path in the_run().checkpoint_path(10).iterdir()} == {
        "model.safetensors", "optimizer.safetensors", "ema.safetensors", "state.json", "SHA256SUMS"
    }  # fmt: skip
    assert (the_run().checkpoints_path / "last").is_symlink()
    state = the_run().read_json("checkpoints/last/state.json")
    assert TrainingState.from_json(state).step == 10


# ── damaged and mixed-up files ──────────────────────────────────────────────────────────────────────────────────────


def test_weights_cut_short_are_refused_in_plain_words() -> None:
    train(tiny_config())
    the_run().summary_path.unlink()  # with its hash of the weights, which would tell first
    shutil.rmtree(the_run().checkpoints_path)  # without a summary they would be newer
    whole = the_run().weights_path.read_bytes()
    for length in (0, 5, 100, len(whole) - 1):
        the_run().weights_path.write_bytes(whole[:length])
        with pytest.raises(RunError, match=r"model\.safetensors: the weights are damaged or cut short"):
            load_model(the_run().path)
    the_run().weights_path.write_bytes(b"no weights at all" * 100)
    with pytest.raises(RunError, match="damaged or cut short"):
        load_model(the_run().path)
    metadata = whole.index(b'\\"format\\"')
    the_run().weights_path.write_bytes(whole[:metadata] + b"  oops  " + whole[metadata + 8 :])
    with pytest.raises(RunError, match="damaged or cut short"):
        load_model(the_run().path)


def test_a_damaged_checkpoint_is_told_when_the_run_goes_on() -> None:
    train(tiny_config("training.max_steps=5"))
    path = the_run().checkpoint_path(5) / "optimizer.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    outcome = run_mt("train", "--config", "copy", *sets(SETTINGS))
    assert outcome.exit_code == 2
    assert "step-00000005: optimizer.safetensors is not as it was written" in outcome.stderr
    assert "no checkpoint is whole that training could go on from (damaged: 1)" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_a_damaged_json_file_is_told() -> None:
    train(tiny_config("training.max_steps=5"))
    (the_run().checkpoint_path(5) / "state.json").write_text('{"step": 5')
    with pytest.raises(RunError, match="no checkpoint is whole"):
        train(tiny_config())


def train_other_tokenizer() -> bytes:
    """Another vocabulary of the same size."""
    from mt.data.tokenizer_training import train_tokenizer

    config: Config = tiny_config()
    made = train_tokenizer(config.tokenizer, ["be bi bo ba bu ka ki ko ku ke"] * 50, ["da di do du de ma mi mo mu me ba ki"] * 50)
    return made.tokenizer.source.model_bytes


def test_a_tokenizer_that_does_not_belong_to_the_weights_is_refused() -> None:
    train(tiny_config())
    own, other = the_run().path / "tokenizer.model", train_other_tokenizer()
    sizes = [len(Vocabulary.from_bytes(data, "")) for data in (own.read_bytes(), other)]
    theirs = Tokenizer.load(the_run().path).fingerprint()
    own.write_bytes(other)
    with pytest.raises(RunError) as caught:
        load_model(the_run().path)
    if sizes[0] == sizes[1]:  # otherwise the shapes tell it first
        assert "were trained with another tokenizer" in str(caught.value) and theirs[:12] in str(caught.value)
    outcome = run_mt("translate", "--model", "tiny", "ba")
    assert outcome.exit_code == 2 and "Traceback" not in outcome.stderr
    outcome = run_mt("train", "--config", "copy", *sets([*SETTINGS, "training.max_steps=12"]))
    assert outcome.exit_code == 2 and "Traceback" not in outcome.stderr


def test_a_damaged_or_missing_tokenizer_is_told() -> None:
    train(tiny_config())
    path = the_run().path / "tokenizer.model"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(TokenizerError, match=r"tokenizer\.model: this is not a SentencePiece model, or it is damaged"):
        Translator.load("tiny")
    path.unlink()
    with pytest.raises(TokenizerError, match="there is no tokenizer here"):
        Translator.load("tiny")


def test_weights_of_another_shape_are_refused() -> None:
    train(tiny_config())
    text = the_run().config_path.read_text(encoding="utf-8")
    the_run().config_path.write_text(text.replace("d_ff: 16", "d_ff: 24"), encoding="utf-8")
    with pytest.raises(RunError, match=r"do not belong to the configuration beside them: .* has the shape \(16,.*not \(24,"):
        load_model(the_run().path)


def test_what_is_no_run_directory_is_told() -> None:
    Path("folder").mkdir()
    with pytest.raises(RunError, match=r"folder: this is not a run directory of mt \(there is no config\.yaml\)"):
        load_model(Path("folder"))


def test_a_folder_called_like_a_run_does_not_hide_the_run() -> None:
    train(tiny_config("training.max_steps=1"))
    Path("tiny").mkdir()
    assert find_model("tiny") == the_run().path


def test_a_runs_folder_that_cannot_be_made_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("file").write_text("")
    monkeypatch.setenv("MT_RUNS", "file/runs")
    with pytest.raises(RunError, match="cannot be made .*set MT_RUNS"):
        train(tiny_config())
