"""A proof on one's own run that going on from a checkpoint is exact: the last updates are made once more and compared bit for bit."""

import logging

import torch
from torch import Tensor

from mt.config import Config
from mt.errors import ConfigError, RunError
from mt.run_lock import locked
from mt.runs import RunDirectory, runs_root, shown
from mt.stored_model import parameters_of, read_tensors
from mt.training.report import Silence
from mt.training.setup import check_same_settings, set_up
from mt.training.state import optimizer_tensors, resumable_steps
from mt.training.trainer import batches_from, settle, update

_log = logging.getLogger("mt")


def verify(config: Config) -> bool:
    """Replay from the last checkpoint but one to the last; say whether weights, optimizer and averages are equal, and where not.

    Nothing of the run is changed. RunError when there are no two checkpoints to go between, ConfigError where the clock decides the rates.
    """
    if config.training.max_hours:
        raise ConfigError("training.max_hours: under a deadline the clock decides the learning rates, so that no update can be made twice")
    run = RunDirectory(runs_root() / str(config.name))
    if not run.exists():
        raise RunError(f"{shown(run.path)}: there is no run to verify; train it first")
    check_same_settings(run, config)
    steps = resumable_steps(run)
    if len(steps) < 2:
        raise RunError(
            f"{shown(run.path)}: two checkpoints are needed to go from one to the other, and there are {len(steps)}; train on first"
        )
    first, last = steps[-2:]
    if run.read_json(f"checkpoints/{run.checkpoint_path(last).name}/state.json").get("max_hours"):
        raise RunError(
            f"{shown(run.path)}: the updates from step {first} to {last} were made under training.max_hours: the clock decided their "
            "learning rates, so that they cannot be made twice; train on without it for two more checkpoints"
        )
    with locked(run):
        training = set_up(config, run, continued=True, replay_from=first)
        training.model.train()
        batches, report = batches_from(training), Silence()
        while training.state.step < last:
            update(training, batches, report)
        settle(training, report)
        found = {"model": parameters_of(training.model), "optimizer": optimizer_tensors(training.model, training.optimizer)}
        if training.ema is not None:
            found["ema"] = training.ema
        folder = run.checkpoint_path(last)
        differing = [f"{name}: {key}" for name, tensors in found.items()
                     for key in different(tensors, read_tensors(folder / f"{name}.safetensors"))]  # fmt: skip
    count = sum(map(len, found.values()))
    if differing:
        _log.error(
            "%s: from step %d to %d: %d of %d tensors came out otherwise, such as %s. Usual causes: another number of threads or "
            "processes, another machine, another version of torch",
            shown(run.path),
            first,
            last,
            len(differing),
            count,
            differing[0],
        )
        return False
    _log.info(
        "%s: the updates from step %d to %d were made once more: all %d tensors are equal to the last bit",
        shown(run.path),
        first,
        last,
        count,
    )
    return True


def different(own: dict[str, Tensor], saved: dict[str, Tensor]) -> list[str]:
    """The names of tensors that are not equal, or that only one side has."""
    names = sorted(own.keys() | saved.keys())
    return [name for name in names if name not in own or name not in saved or not torch.equal(own[name].cpu(), saved[name])]
