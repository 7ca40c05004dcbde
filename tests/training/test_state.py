"""Checkpoints: whole or not there, tidied as promised, and refused in plain words when they do not fit."""

import json
import shutil
from pathlib import Path

import pytest
import safetensors.torch
import torch

from mt import files, runs
from mt.config import TokenizerConfig
from mt.data.special_ids import SPECIAL_IDS
from mt.data.tokenizer import Tokenizer
from mt.data.tokenizer_training import train_tokenizer
from mt.errors import RunError
from mt.model.build import build_model
from mt.model.interface import TranslationModel
from mt.runs import RunDirectory
from mt.stored_model import load_model, parameters_of, read_tensors
from mt.training.optimizer import build_optimizer
from mt.training.state import TrainingState, load_state, save_state, tidy_checkpoints
from tests.tiny import tiny_config

STAMP = "f" * 64


def tiny_model(seed: int = 1) -> TranslationModel:
    torch.manual_seed(seed)
    return build_model(tiny_config().model, len(SPECIAL_IDS) + 20, len(SPECIAL_IDS) + 20)


def updated(seed: int = 1) -> tuple[TranslationModel, torch.optim.Optimizer]:
    """A model and its optimizer after one update."""
    model = tiny_model(seed)
    optimizer = build_optimizer(model, tiny_config().training)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    return model, optimizer


def run_with(tmp_path: Path, *steps: int, unscheduled: tuple[int, ...] = (), ema: bool = False) -> RunDirectory:
    """A run directory with these checkpoints, all of the same weights."""
    run = RunDirectory(tmp_path / "run")
    model, optimizer = updated()
    for step in steps:
        state = TrainingState(step=step, scheduled=step not in unscheduled)
        save_state(run, state, model, optimizer, parameters_of(model) if ema else None, STAMP)
    return run


def copied(trained_run: Path, tmp_path: Path) -> Path:
    """A run to be damaged."""
    return Path(shutil.copytree(trained_run, tmp_path / "copy", symlinks=True))


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    run, (model, optimizer) = RunDirectory(tmp_path / "run"), updated(1)
    ema = {name: tensor + 1 for name, tensor in parameters_of(model).items()}
    state = TrainingState(step=7, epoch=2, batch=3, target_tokens=99, seconds=1.5, best_score=-0.25, best_step=5, scores={"5": -0.25})
    save_state(run, state, model, optimizer, ema, STAMP)

    other, other_optimizer = tiny_model(2), None
    other_optimizer = build_optimizer(other, tiny_config().training)
    loaded = load_state(run, other, other_optimizer, STAMP, with_ema=True)
    assert loaded is not None
    assert loaded[0] == state
    assert loaded[1] is not None and all(torch.equal(loaded[1][name], average) for name, average in ema.items())
    for parameter, twin in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(parameter, twin)
        assert optimizer.state[parameter].keys() == other_optimizer.state[twin].keys() == {"step", "exp_avg", "exp_avg_sq"}
        assert all(torch.equal(value, other_optimizer.state[twin][key]) for key, value in optimizer.state[parameter].items())


def test_nothing_saved_is_nothing_loaded(tmp_path: Path) -> None:
    model, optimizer = updated()
    assert load_state(RunDirectory(tmp_path / "run"), model, optimizer, STAMP, with_ema=False) is None


def test_equal_weights_are_equal_files(tmp_path: Path) -> None:
    one, two = run_with(tmp_path / "a", 1), run_with(tmp_path / "b", 1)
    for name in ("model", "optimizer"):
        first, second = (run.checkpoint_path(1) / f"{name}.safetensors" for run in (one, two))
        assert first.read_bytes() == second.read_bytes()


def test_tidying_keeps_the_last_the_best_and_two_optimizers(tmp_path: Path) -> None:
    run = run_with(tmp_path, 1, 2, 3, 4, 5, 6, 7, 8, unscheduled=(3, 7, 8))
    tidy_checkpoints(run, TrainingState(step=8, best_step=3), keep_scheduled=2, best_steps=[1])
    assert run.checkpoint_steps() == [1, 3, 5, 6, 7, 8]  # 5, 6: the last two scheduled; 7, 8: the newest
    assert [step for step in run.checkpoint_steps() if (run.checkpoint_path(step) / "optimizer.safetensors").exists()] == [7, 8]
    assert sorted(path.name for path in run.checkpoints_path.iterdir() if not path.is_symlink()) == [
        f"step-{step:08d}" for step in (1, 3, 5, 6, 7, 8)
    ]


def test_the_newest_checkpoint_that_can_be_trained_on_is_taken(tmp_path: Path) -> None:
    run = run_with(tmp_path, 1, 2, 3)
    (run.checkpoint_path(3) / "optimizer.safetensors").unlink()
    loaded = load_state(run, *updated(2), STAMP, with_ema=False)
    assert loaded is not None and loaded[0].step == 2


@pytest.mark.parametrize("failing", ["model.safetensors", "optimizer.safetensors", "state.json"])
def test_a_save_that_fails_midway_leaves_nothing(tmp_path: Path, failing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_with(tmp_path, 1)
    write = files.write_atomically

    def full_disk(path: Path, data: bytes | str) -> None:
        if path.name == failing:
            raise OSError(28, "No space left on device")
        write(path, data)

    monkeypatch.setattr(runs, "write_atomically", full_disk)
    with pytest.raises(OSError, match="No space left"):
        save_state(run, TrainingState(step=2), *updated(), None, STAMP)
    assert run.checkpoint_steps() == [1] and run.pointed("last") == 1
    assert sorted(path.name for path in run.checkpoints_path.iterdir()) == ["last", "step-00000001"]


def test_a_process_that_vanishes_midway_leaves_no_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_with(tmp_path, 1)
    with monkeypatch.context() as patch:
        patch.setattr(runs.os, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        patch.setattr(runs.shutil, "rmtree", lambda *_, **__: None)  # nobody is there to clean up
        patch.setattr(runs, "write_atomically", lambda path, data: path.write_bytes(data if isinstance(data, bytes) else data.encode()))
        with pytest.raises(KeyboardInterrupt):
            save_state(run, TrainingState(step=2), *updated(), None, STAMP)
    assert [path for path in run.checkpoints_path.iterdir() if path.name.endswith(".part")]
    (run.checkpoint_path(9)).mkdir()  # one that was being deleted: without state.json it is no checkpoint
    assert run.checkpoint_steps() == [1]
    run.remove_leftovers()
    assert sorted(path.name for path in run.checkpoints_path.iterdir()) == ["last", "step-00000001"]


def test_saving_a_step_again_replaces_it(tmp_path: Path) -> None:
    run = run_with(tmp_path, 1)
    save_state(run, TrainingState(step=1, epoch=4), *updated(2), None, STAMP)
    assert run.checkpoint_steps() == [1]
    assert run.read_json("checkpoints/step-00000001/state.json")["epoch"] == 4


def test_another_tokenizers_weights_are_refused(tmp_path: Path) -> None:
    run = run_with(tmp_path, 1)
    with pytest.raises(RunError, match=r"trained with another tokenizer \(theirs begins ffffffffffff, the one beside them 0000"):
        load_state(run, *updated(), "0" * 64, with_ema=False)


def test_weights_that_mt_did_not_write_are_refused(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.safetensors"
    safetensors.torch.save_file({"x": torch.ones(1)}, foreign)
    with pytest.raises(RunError, match="another tokenizer"):
        read_tensors(foreign, STAMP)
    safetensors.torch.save_file({"x": torch.ones(1)}, foreign, metadata={"mt": "no JSON"})
    with pytest.raises(RunError, match="damaged"):
        read_tensors(foreign, STAMP)


def test_weights_with_a_layer_more_or_less_are_refused(tmp_path: Path, trained_run: Path) -> None:
    run = copied(trained_run, tmp_path)
    config = run / "config.yaml"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("encoder_layers: 1", "encoder_layers: 2"), encoding="utf-8")
    with pytest.raises(RunError, match="is missing"):
        load_model(run)
    config.write_text(text.replace("decoder_layers: 1", "decoder_layers: 0"), encoding="utf-8")
    with pytest.raises(Exception, match="decoder_layers|is not part of the model"):
        load_model(run)


def test_a_tokenizer_swapped_under_the_weights_is_refused(tmp_path: Path, trained_run: Path) -> None:
    run = copied(trained_run, tmp_path)
    lines = ["ba bo bi", "ke ki ko", "da du de"] * 20
    train_tokenizer(TokenizerConfig(vocab_size=20, byte_fallback=False), lines, lines).tokenizer.save(run)
    assert Tokenizer.load(run).fingerprint() != Tokenizer.load(trained_run).fingerprint()
    with pytest.raises(RunError, match="with another tokenizer|do not belong to the configuration"):
        load_model(run)


def test_a_damaged_state_is_told_with_its_file(tmp_path: Path) -> None:
    run = run_with(tmp_path, 1)
    state = run.checkpoint_path(1) / "state.json"
    state.write_text(json.dumps({"step": 1})[:-3], encoding="utf-8")
    with pytest.raises(RunError, match=r"step-00000001/state\.json: cannot be read"):
        load_state(run, *updated(), STAMP, with_ema=False)
