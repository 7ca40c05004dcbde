"""What a training run must remember to go on exactly: weights, optimizer, averages, position, best score.

Randomness needs no state: dropout is a function of (seed, step), the batch plan of (seed, epoch, block).
"""

import math
from collections.abc import Collection
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import torch
from torch import Tensor

from mt.errors import RunError
from mt.model.interface import TranslationModel
from mt.runs import RunDirectory
from mt.stored_model import load_parameters, parameters_of, read_tensors, serialise
from mt.training.sharding import like, whole_tensors


@dataclass
class TrainingState:
    """The numbers of a run; written as state.json into each checkpoint."""

    step: int = 0
    """Updates made, skipped ones included."""
    epoch: int = 0
    """The epoch the next batch belongs to, from 0."""
    block: int = 0
    """The next batch's block in that epoch, from 0; there is one while all pairs are in memory."""
    batch: int = 0
    """The next batch in that block's plan, from 0."""
    target_tokens: int = 0
    """Target tokens seen, without padding."""
    progress: float = 0.0
    """The share of the schedule that is over, 0 to 1; used only under a deadline."""
    max_hours: float | None = None
    """The training.max_hours that `progress` is a share of; 0: the schedule goes by steps. None: an earlier version did not note it."""
    schedule_offset: float = 0.0
    """What is added to `step` for the place in a schedule by steps; not 0 when the run was under a deadline before."""
    pieces: int = 0
    """Into how many pieces each batch is cut to fit into memory; 0 before that was looked at."""
    seconds: float = 0.0
    """Time spent training and validating, over all sessions."""
    best_score: float | None = None
    """The best validation score so far, on the scale where more is better."""
    best_loss: float | None = None
    """The validation loss at that step: of two equal scores the one with the lower loss is better."""
    best_step: int | None = None
    """When it was reached."""
    validations_without_gain: int = 0
    """For early stopping."""
    bad_steps: int = 0
    """Updates skipped in a row, because the loss was not finite."""
    bad_steps_total: int = 0
    """The same over the whole run."""
    scores: dict[str, float] = field(default_factory=dict)
    """The validation score at each step that was validated; keys are step numbers as text."""
    losses: dict[str, float] = field(default_factory=dict)
    """The validation loss at each of them."""
    measure: dict[str, Any] | None = None
    """What `scores` depends on besides the weights (mt/training/validation.py); None: not measured yet, or by an earlier version."""
    scheduled: bool = True
    """Whether this checkpoint stands where training.save_every asks for one. Only such ones are averaged."""
    stopped_early: bool = False
    """Whether training.patience ended the run."""

    def note_score(self, step: int, score: float, loss: float) -> bool:
        """Take down a step's validation score; whether it is the best so far.

        A score that is no number is never the best. Equal scores, such as a BLEU of 0.00 at first, are told apart by the loss.
        """
        self.scores[str(step)], self.losses[str(step)] = score, loss
        best = not math.isnan(score) and (self.best_score is None or self._is_better(score, loss))
        if best:
            self.best_score, self.best_loss, self.best_step, self.validations_without_gain = score, loss, step, 0
        else:
            self.validations_without_gain += 1
        return best

    def _is_better(self, score: float, loss: float) -> bool:
        """Whether a score beats the best one."""
        if score != self.best_score:
            return not score < self.best_score  # also when the best one is NaN, as an earlier version could note it
        return self.best_loss is not None and loss < self.best_loss

    def forget_scores(self) -> None:
        """Begin to compare again: the scores so far are of another measure. best_step stays, since its checkpoint may still be the best."""
        self.best_score, self.best_loss, self.validations_without_gain = None, None, 0
        self.scores, self.losses = {}, {}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "TrainingState":
        """Read what to_json wrote, also an earlier version of it."""
        return cls(**{item.name: content[item.name] for item in fields(cls) if item.name in content})

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def optimizer_tensors(model: TranslationModel, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's memory by parameter: exp_avg.NAME, exp_avg_sq.NAME and step.NAME of Adam, momentum.NAME of Muon."""
    return {
        f"{key}.{name}": value
        for name, parameter in model.named_parameters()
        for key, value in optimizer.state.get(parameter, {}).items()
    }


def load_optimizer(model: TranslationModel, optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put back what optimizer_tensors gave."""
    for name, parameter in model.named_parameters():
        state = {key: tensors[f"{key}.{name}"] for key in ("step", "exp_avg", "exp_avg_sq", "momentum") if f"{key}.{name}" in tensors}
        if state:
            optimizer.state[parameter] = {key: like(value.to(parameter.device), parameter) for key, value in state.items()}


def save_state(
    run: RunDirectory,
    state: TrainingState,
    model: TranslationModel,
    optimizer: torch.optim.Optimizer,
    ema: dict[str, Tensor] | None,
    stamp: str,
    writes: bool = True,
) -> None:
    """Write the checkpoint of state.step and point `last` at it. writes False: only give the parts of divided tensors."""
    groups = {"model": parameters_of(model), "optimizer": optimizer_tensors(model, optimizer)}
    if ema is not None:
        groups["ema"] = ema
    groups = {name: whole_tensors(tensors, writes) for name, tensors in groups.items()}
    if not writes:
        return
    files = ((f"{name}.safetensors", serialise(tensors, stamp)) for name, tensors in groups.items())
    run.save_checkpoint(state.step, files, state.to_json())
    run.point("last", state.step)


def resumable_steps(run: RunDirectory) -> list[int]:
    """The steps of the checkpoints that training can go on from, since they still have the optimizer; ascending."""
    return [step for step in run.checkpoint_steps() if (run.checkpoint_path(step) / "optimizer.safetensors").is_file()]


def is_scheduled(run: RunDirectory, step: int) -> bool:
    """Whether a checkpoint stands where training.save_every asks for one; a damaged one does not count."""
    try:
        return bool(run.read_json(f"checkpoints/{run.checkpoint_path(step).name}/state.json")["scheduled"])
    except (RunError, KeyError, TypeError):
        return False


def load_state(
    run: RunDirectory, model: TranslationModel, optimizer: torch.optim.Optimizer, stamp: str, with_ema: bool, only: int | None = None
) -> tuple[TrainingState, dict[str, Tensor] | None] | None:
    """Restore the newest checkpoint that still has its optimizer: the state and the EMA. None when nothing was saved yet.

    only: that step's and no other.
    """
    for step in reversed(resumable_steps(run)):
        folder = run.checkpoint_path(step)
        if only not in (None, step):
            continue
        own = parameters_of(model)
        weights = read_tensors(folder / "model.safetensors", stamp)
        load_parameters(model, {name: like(tensor, own[name]) if name in own else tensor for name, tensor in weights.items()}, folder)
        load_optimizer(model, optimizer, read_tensors(folder / "optimizer.safetensors", stamp))
        ema = None
        if with_ema:
            averages = read_tensors(folder / "ema.safetensors", stamp)
            ema = {name: like(averages[name].to(parameter.device), parameter) for name, parameter in own.items()}
        return TrainingState.from_json(run.read_json(f"checkpoints/{folder.name}/state.json")), ema
    return None


def tidy_checkpoints(run: RunDirectory, state: TrainingState, keep_scheduled: int, best_steps: list[int]) -> None:
    """Delete the checkpoints nobody will ask for; drop the optimizer from all but the newest two.

    Kept: the last keep_scheduled scheduled ones, best_steps, the best, the last.
    """
    steps = run.checkpoint_steps()
    scheduled = [step for step in steps if is_scheduled(run, step)]
    kept = {*scheduled[-max(keep_scheduled, 1) :], *best_steps, state.best_step, *steps[-2:]}
    for step in steps:
        folder = run.checkpoint_path(step)
        if step not in kept:
            (folder / "state.json").unlink()  # first, so that a half-deleted folder is no checkpoint
            for path in folder.iterdir():
                path.unlink()
            folder.rmdir()
        elif step not in steps[-2:]:
            (folder / "optimizer.safetensors").unlink(missing_ok=True)


def best_steps(state: TrainingState, count: int, saved: Collection[int] | None = None) -> list[int]:
    """The steps of the best validations, best first. saved: only of these, since not every step that was validated has a checkpoint."""
    measured = [step for step, score in state.scores.items() if not math.isnan(score) and (saved is None or int(step) in saved)]
    return [int(step) for step in sorted(measured, key=lambda step: (-state.scores[step], state.losses.get(step, 0.0)))[:count]]
