"""When memory runs out in a training, smaller pieces go on; else it is saved, said once, and the same command goes on."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from mt.data.batching import Batch
from mt.data.tokenizer import Tokenizer
from mt.errors import MemoryShortageError, NonFiniteError, TrainingError
from mt.runs import RunDirectory
from mt.training import finish as finish_module
from mt.training import step as step_module
from mt.training import trainer as trainer_module
from mt.training.trainer import train
from tests.command_line import run_mt
from tests.processes import sets
from tests.tiny import SETTINGS, tiny_config

STEADY = ("training.schedule=constant", "model.dropout=0.0", "training.average=none", "training.validate_every=5")
TORCH = "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 6405280128 bytes."


def run_called(name: str = "tiny") -> RunDirectory:
    return RunDirectory(Path(os.environ["MT_RUNS"]) / name)


def short_of_memory(monkeypatch: pytest.MonkeyPatch, fails: Callable[[int, list[Batch]], bool]) -> list[int]:
    """Let the gradients of an update fail as torch does; returns the sizes of the batches that were computed. fails: update, batches."""
    sizes: list[int] = []
    real, seed, update = step_module.accumulate_gradients, step_module.seed_dropout, [0]

    def noting(number: int, step: int, rank: int) -> None:
        update[0] = step
        seed(number, step, rank)

    def failing(model, batches, *others):
        if fails(update[0], batches):
            raise RuntimeError(TORCH)
        sizes.extend(len(batch.source_BS) for batch in batches)
        return real(model, batches, *others)

    monkeypatch.setattr(step_module, "seed_dropout", noting)
    monkeypatch.setattr(step_module, "accumulate_gradients", failing)
    return sizes


def same_training(first: RunDirectory, second: RunDirectory) -> bool:
    """Whether the last checkpoints have the same weights, to the last bit."""
    weights = [(run.checkpoint_path(10) / "model.safetensors").read_bytes() for run in (first, second)]
    return weights[0] == weights[1]


def test_a_batch_that_does_not_fit_is_computed_in_pieces(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    whole = train(tiny_config(*STEADY, "name=undisturbed"))
    sizes = short_of_memory(monkeypatch, lambda step, batches: max(len(batch.source_BS) for batch in batches) > 20)
    in_pieces = train(tiny_config(*STEADY))
    assert in_pieces["step"] == 10 and max(sizes) <= 20
    assert in_pieces["valid"]["loss"] == pytest.approx(whole["valid"]["loss"], abs=1e-3)
    assert "from now on a batch of training.max_tokens=500 is computed in" in caplog.text
    assert run_called().read_json("checkpoints/last/state.json")["pieces"] > 1


def test_what_fits_in_no_pieces_is_saved_and_the_same_command_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a pair is lost or learned twice, and the pieces that did not help are forgotten."""
    train(tiny_config(*STEADY, "name=undisturbed"))
    with monkeypatch.context() as patch:
        short_of_memory(patch, lambda step, batches: step == 8)
        outcome = run_mt("train", "--config", "copy", *sets([*SETTINGS, *STEADY]))
    assert outcome.exit_code == 2 and "Traceback" not in outcome.stderr, outcome.stderr
    assert "error: memory ran out in update 8, and a pair by itself does not fit ([enforce fail" in outcome.stderr
    assert "data.max_length (" in outcome.stderr and "the training is saved at step 7" in outcome.stderr
    state = run_called().read_json("checkpoints/last/state.json")
    assert state["step"] == 7 and state["pieces"] == 1
    train(tiny_config(*STEADY))
    assert same_training(run_called(), run_called("undisturbed"))


@pytest.mark.parametrize("error", [RuntimeError(TORCH), MemoryError(), MemoryShortageError("a process of the search was ended")])
def test_a_validation_without_memory_ends_with_everything_saved(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    train(tiny_config(*STEADY, "name=undisturbed"))

    def failing(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(trainer_module, "validate", failing)
        outcome = run_mt("train", "--config", "copy", *sets([*SETTINGS, *STEADY, "training.save_every=100"]))
    assert outcome.exit_code == 2 and "Traceback" not in outcome.stderr, outcome.stderr
    assert "the training is saved at step 5" in outcome.stderr
    if not isinstance(error, MemoryShortageError):
        assert "memory ran out in validation" in outcome.stderr and "training.validate_sentences (3)" in outcome.stderr
    changed = ("training.validate_sentences=2", "decoding.max_tokens=100")  # as the message says
    assert train(tiny_config(*STEADY, *changed))["step"] == 10
    assert same_training(run_called(), run_called("undisturbed"))


def test_an_update_that_may_be_half_made_is_not_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    real = step_module.make_update

    def failing(*parts: object, **others: object) -> object:
        if run_called().pointed("last") == 5:
            raise MemoryError
        return real(*parts, **others)

    monkeypatch.setattr(step_module, "make_update", failing)
    outcome = run_mt("train", "--config", "copy", *sets([*SETTINGS, *STEADY]))
    assert outcome.exit_code == 2 and "memory ran out in update 6 (MemoryError); the training is saved at step 5" in outcome.stderr
    assert run_called().checkpoint_steps() == [5]


def test_a_finished_training_keeps_its_weights_when_there_is_no_memory_for_its_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> None:
        raise RuntimeError(TORCH)

    with monkeypatch.context() as patch:
        patch.setattr(finish_module, "test_scores", failing)
        outcome = run_mt("train", "--config", "copy", *sets([*SETTINGS, "data.test=copy"]))
    assert outcome.exit_code == 2 and "Traceback" not in outcome.stderr
    assert "the training is finished and its weights are saved (runs/tiny/model.safetensors)" in outcome.stderr
    assert run_called().finished() and run_called().read_json("summary.json")["test"] is None
    command = outcome.stderr.strip().rsplit("mt eval ", 1)[1]
    later = run_mt("eval", *command.split())
    assert later.exit_code == 0 and "BLEU" in later.stdout, later.stderr
    again = run_mt("train", "--config", "copy", *sets([*SETTINGS, "data.test=copy"]))
    assert again.exit_code == 0 and "mt eval --model runs/tiny" in again.stderr, "the same command says how to get the scores"


# ── what is not finite ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_training_that_diverged_is_told_so_and_its_checkpoints_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights that are NaN are not advised to be decoded in fp32, and replace no checkpoint."""
    real = trainer_module.train_step

    def diverging(model, optimizer, shares, step, *others):
        pending = real(model, optimizer, shares, step, *others)
        if step == 7:
            next(model.parameters()).data.view(-1)[3] = float("inf")
        return pending

    monkeypatch.setattr(trainer_module, "train_step", diverging)
    for settings in (["training.save_every=100"], ["training.validate_every=100", "training.save_every=2", "name=unvalidated"]):
        outcome = run_mt("train", "--config", "copy", *sets([*SETTINGS, *STEADY, *settings]))
        assert outcome.exit_code == 2 and "error: the training has diverged: at step" in outcome.stderr, outcome.stderr
        assert "fp32" not in outcome.stderr.split("error:")[1] and "training.learning_rate (now 0.003)" in outcome.stderr
        last = outcome.stderr.strip().splitlines()[-1]
        use = last.split("mt translate --model ")[1].split(".")[0]
        assert run_mt("translate", "--model", use, "ba ma").exit_code == 0
    assert run_called().checkpoint_steps() == [5] and run_called("unvalidated").checkpoint_steps()[-1] == 6


def test_products_that_overflow_in_bf16_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> None:
        raise NonFiniteError("the model produces NaN or infinite logits at target position 3")

    with monkeypatch.context() as patch:
        patch.setattr(trainer_module, "validate", failing)
        with pytest.raises(TrainingError, match="products overflow in bf16; the training is saved at step 5. Go on in fp32"):
            train(tiny_config(*STEADY, "training.precision=bf16"))
    assert train(tiny_config(*STEADY, "training.precision=fp32"))["step"] == 10, "what the message says works"


def test_a_candidate_that_cannot_be_translated_with_is_not_chosen(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(*_: object) -> None:
        raise NonFiniteError("the model produces NaN or infinite logits at target position 3")

    monkeypatch.setattr(finish_module, "validate", failing)  # the last weights were validated after the last update
    assert train(tiny_config("training.average=last", "training.validate_every=100"))["final_weights"] == "last"
    assert "final weights: not average of steps 5, 10" in caplog.text


def test_weights_that_are_not_finite_are_refused_with_what_helps() -> None:
    train(tiny_config())
    run = run_called()
    tensors = load_file(run.weights_path)
    metadata = {"mt": json.dumps({"format": "mt-1", "tokenizer": Tokenizer.load(run.path).fingerprint()})}
    next(iter(tensors.values())).view(-1)[0] = float("nan")
    run.summary_path.unlink()
    save_file(tensors, run.checkpoint_path(10) / "model.safetensors", metadata)
    (run.checkpoint_path(10) / "SHA256SUMS").unlink()
    for command in (["translate", "--model", str(run.checkpoint_path(10)), "ba ma"], ["export", str(run.checkpoint_path(10))],
                    ["eval", "--model", str(run.checkpoint_path(10)), "--split", "valid"]):  # fmt: skip
        outcome = run_mt(*command)
        assert outcome.exit_code == 2, outcome.stdout
        assert "holds NaN or infinity: the training diverged before it was saved" in outcome.stderr
        assert "training.learning_rate" in outcome.stderr and "fp32" not in outcome.stderr
