"""The beginning of a run: may it go on, what does it need, where did it stop. The loop is in trainer.py, the end in finish.py."""

import logging
from dataclasses import dataclass, field
from pathlib import Path

import torch

from mt.config import Config
from mt.config_file import dump_config, load_config
from mt.data.tokenizer import Tokenizer
from mt.errors import RunError
from mt.files import write_atomically
from mt.model.build import build_model, count_parameters
from mt.model.interface import TranslationModel
from mt.runs import RunDirectory, shown
from mt.training.averaging import start_ema
from mt.training.hardware import Hardware, choose_hardware, environment, keep_freed_memory
from mt.training.optimizer import build_optimizer
from mt.training.prepare import PreparedData, prepare_data
from mt.training.state import TrainingState, load_state
from mt.training.validation import ValidationPairs

_log = logging.getLogger("mt")

FREE_TO_CHANGE = (
    "name",
    "data.test",
    "decoding",
    "training.max_steps",
    "training.max_epochs",
    "training.validate_every",
    "training.save_every",
    "training.log_every",
    "training.validate_sentences",
    "training.patience",
    "training.average",
    "training.average_checkpoints",
    "training.threads",
    "training.device",
    "training.precision",
    "training.max_bad_steps",
)
"""The settings that a continued run may have otherwise than it began; all others decide what is being trained."""


@dataclass
class Training:
    """Everything one training process holds."""

    config: Config
    run: RunDirectory
    data: PreparedData
    hardware: Hardware
    model: TranslationModel
    optimizer: torch.optim.Optimizer
    stamp: str
    """The tokenizer's hash."""
    valid: ValidationPairs | None
    state: TrainingState = field(default_factory=TrainingState)
    ema: dict[str, torch.Tensor] | None = None


def check_same_settings(run: RunDirectory, config: Config) -> None:
    """RunError naming every setting that differs from those the run was begun with, except the ones free to change."""
    begun = _flat(load_config(run.config_path).model_dump(mode="json"))
    now = _flat(config.model_dump(mode="json"))
    changed = [
        key for key in sorted(begun.keys() | now.keys())
        if begun.get(key) != now.get(key) and not any(key == free or key.startswith(f"{free}.") for free in FREE_TO_CHANGE)
    ]
    if changed:
        listed = "\n".join(f"  {key}: begun with {begun.get(key)!r}, now {now.get(key)!r}" for key in changed)
        raise RunError(
            f"{shown(run.path)} was begun with other settings:\n{listed}\n"
            "put them back to go on with it, give the new run another name (--set name=…), or begin anew with --restart "
            "(the old run is kept beside)"
        )


def tell_new_end(run: RunDirectory, config: Config) -> None:
    """Say that another max_steps bends the schedules that end there: the learning rate does not go on where it was."""
    begun = load_config(run.config_path).training
    if begun.max_steps != config.training.max_steps and config.training.schedule in ("linear", "cosine"):
        _log.warning(
            "training.max_steps: %d instead of %d: the %s schedule now ends there, so the learning rate goes on from another value",
            config.training.max_steps, begun.max_steps, config.training.schedule,
        )


def _flat(content: dict, prefix: str = "") -> dict:
    """Nested mappings as dotted keys; a list is one value."""
    flat = {}
    for key, value in content.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def wants_more(run: RunDirectory, config: Config) -> bool:
    """Whether a finished run is asked for more than it made: more steps or epochs, or more patience if it stopped for lack of that."""
    summary, asked = run.read_json("summary.json"), config.training
    if summary["stopped_early"]:
        begun = load_config(run.config_path).training
        if 0 < asked.patience <= begun.patience:
            return False
    return asked.max_steps > summary["step"] and (not asked.max_epochs or asked.max_epochs > summary["epochs"])


def move_aside(path: Path) -> Path:
    """Rename a run to NAME.old-1, -2, …"""
    number = 1
    while (aside := path.with_name(f"{path.name}.old-{number}")).exists():
        number += 1
    path.rename(aside)
    return aside


def set_up(config: Config, run: RunDirectory) -> Training:
    """Read the data, build the model, restore the newest checkpoint when there is one, and write the run's opening files."""
    keep_freed_memory()
    continued = run.exists()
    settled = run.read_json("environment.json")["precision"] if continued and (run.path / "environment.json").is_file() else None
    hardware = choose_hardware(config.training, settled)
    data = prepare_data(config, Tokenizer.load(run.path) if continued else None)
    if continued and run.read_json("data.json")["fingerprint"] != data.fingerprint:
        raise RunError(
            f"{shown(run.path)}: the training or validation data has changed since this run began; put the old data back, "
            "or begin anew with --restart (the old run is kept beside) or another name (--set name=…)"
        )
    torch.manual_seed(config.training.seed)
    model = build_model(config.model, len(data.tokenizer.source), len(data.tokenizer.target)).to(hardware.device)
    valid = ValidationPairs.build(data.valid, data.tokenizer, config.training.validate_sentences) if data.valid else None
    training = Training(
        config, run, data, hardware, model, build_optimizer(model, config.training), data.tokenizer.fingerprint(), valid
    )
    if config.training.ema_decay:
        training.ema = start_ema(model)
    if continued:
        _restore(training)
    _write_opening(training)
    return training


def _restore(training: Training) -> None:
    """Go back to the newest checkpoint, or say that there is none and the run begins again."""
    run = training.run
    run.remove_leftovers()
    restored = load_state(run, training.model, training.optimizer, training.stamp, training.ema is not None)
    if restored is None:
        _log.info("%s: nothing was saved yet; beginning at step 0", shown(run.path))
        return
    training.state, training.ema = restored
    patience = training.config.training.patience  # may have been raised
    training.state.stopped_early = 0 < patience <= training.state.validations_without_gain
    _log.info("%s: going on from step %d", shown(run.path), training.state.step)


def _write_opening(training: Training) -> None:
    """config.yaml last, because it says that a run exists."""
    run, data = training.run, training.data
    try:
        run.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{shown(run.path)}: cannot be made ({error.strerror}); set MT_RUNS to a folder for runs") from error
    data.tokenizer.save(run.path)
    run.write_json("environment.json", environment(training.hardware))
    run.write_json("data.json", {"fingerprint": data.fingerprint, "train": [report.to_json() for report in data.left_out]})
    write_atomically(run.config_path, dump_config(training.config))
    pairs = len(data.train.sources)
    _log.info(
        "%s: %s parameters, %s training pairs, %s on %s (%s)",
        shown(run.path), f"{count_parameters(training.model):,}", f"{pairs:,}",
        training.hardware.precision, training.hardware.device, training.hardware.reason,
    )
