"""The beginning of a run: may it go on, what does it need, where did it stop. The loop is in trainer.py, the end in finish.py."""

import logging
import math
import shlex
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy
import torch

from mt.config import Config
from mt.config_file import dump_config, load_config, located
from mt.data.batching import make_share, plan_batches
from mt.data.pairs import EncodedPairs
from mt.data.tokenizer import Tokenizer
from mt.errors import RunError, TrainingError
from mt.export.export import ways_out
from mt.files import write_atomically
from mt.memory import keep_freed_memory
from mt.model.build import build_model, compile_layers
from mt.model.interface import TranslationModel
from mt.runs import RunDirectory, checkpoint_damage, shown
from mt.training.averaging import start_ema
from mt.training.continuing import continue_schedule
from mt.training.deadline import Deadline
from mt.training.distributed import ALONE, Ranks
from mt.training.forecast import Forecast, duration, forecast, pieces_that_fit
from mt.training.hardware import Hardware, choose_hardware, environment
from mt.training.optimizer import build_optimizer
from mt.training.prepare import EpochEncoder, PreparedData, prepare_data
from mt.training.recorder import RECORD, Recorder, make_probe
from mt.training.sharding import is_sharded, shard, undivided
from mt.training.state import TrainingState, load_state, resumable_steps
from mt.training.step import PendingStep, accumulate_gradients
from mt.training.validation import Validation, ValidationPairs

_log = logging.getLogger("mt")

FREE_TO_CHANGE = (
    "name",
    "data.test",
    "decoding",
    "training.max_steps",
    "training.max_epochs",
    "training.max_hours",
    "training.validate_every",
    "training.save_every",
    "training.log_every",
    "training.validate_sentences",
    "training.patience",
    "training.average",
    "training.average_checkpoints",
    "training.threads",
    "training.device",
    "training.compile",
    "training.record",
    "training.shard",
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
    encoder: EpochEncoder
    """The training pairs as token ids."""
    ranks: Ranks = ALONE
    state: TrainingState = field(default_factory=TrainingState)
    ema: dict[str, torch.Tensor] | None = None
    deadline: Deadline | None = None
    forecast: Forecast | None = None
    recorder: Recorder | None = None
    """What notes how the projections change; the first process's alone, and none when the weights are divided."""
    measure: dict[str, Any] | None = None
    """What validation scores depend on besides the weights; None without validation pairs."""
    measure_again: bool = False
    """Whether the scores taken over from before are of another measure, so that the best checkpoint must be measured again."""
    validated: tuple[int, Validation] | None = None
    """The last validation of this process and the step it was made at: of the EMA where there is one, else of the weights."""
    unsettled: tuple[int, int, PendingStep] | None = None
    """The last update's number, epoch and figures, while nobody has read them yet."""

    @property
    def sharded(self) -> bool:
        """Whether the weights are divided among the processes."""
        return is_sharded(self.config.training, self.ranks)

    def undivided(self) -> AbstractContextManager[TranslationModel]:
        """The model, or a whole copy of it for a moment when it is divided; all processes must ask."""
        vocabularies = len(self.data.tokenizer.source), len(self.data.tokenizer.target)
        return undivided(self.model, self.config, vocabularies, self.hardware.device, self.sharded)

    def every(self, steps: int) -> int:
        """A number of updates from the configuration; under a deadline the same share of the updates that fit."""
        if self.deadline is None or self.forecast is None:
            return steps
        seconds = self.deadline.training_ends_at - self.deadline.begun_at
        fitting = seconds / self.forecast.seconds_per_update / max(1.0 - self.deadline.begun_progress, 1e-3)
        return max(1, round(steps * fitting / self.config.training.max_steps))


def changed_settings(before: Config, now: Config) -> list[str]:
    """The keys of all settings that differ, in order.

    The folders of corpora may be others: their content is compared later, and a project may have moved.
    """
    sides = [_flat(located(config).model_dump(mode="json")) for config in (before, now)]
    first, second = sides
    return [key for key in sorted(first.keys() | second.keys()) if _without_folders(first.get(key)) != _without_folders(second.get(key))]


def check_same_settings(run: RunDirectory, config: Config) -> None:
    """RunError naming every setting that differs from those the run was begun with, except the ones free to change."""
    before = load_config(run.config_path)
    changed = [
        key for key in changed_settings(before, config) if not any(key == free or key.startswith(f"{free}.") for free in FREE_TO_CHANGE)
    ]
    if changed:
        begun, now = (_flat(located(settings).model_dump(mode="json")) for settings in (before, config))
        listed = "\n".join(f"  {key}: begun with {_written(begun.get(key))}, now {_written(now.get(key))}" for key in changed)
        raise RunError(
            f"{shown(run.path)} was begun with other settings:\n{listed}\n"
            "put them back to go on with it, give the new run another name (--set name=…), or begin anew with --restart "
            "(the old run is kept beside)"
        )


def _without_folders(value: object) -> object:
    """A setting; of corpora the files' names alone."""
    if not isinstance(value, list) or not all(isinstance(corpus, dict) for corpus in value):
        return value
    keys = ("source", "target", "file")
    return [{key: Path(part).name if key in keys and part else part for key, part in corpus.items() if key != "name"} for corpus in value]


def _written(value: object) -> str:
    """A setting as a person would have written it: of a corpus only what is not the default."""
    if isinstance(value, list) and value and all(isinstance(corpus, dict) for corpus in value):
        given = [{key: part for key, part in corpus.items() if part is not None and (key, part) != ("weight", 1.0)} for corpus in value]
        return ", ".join("{" + ", ".join(f"{key}: {part}" for key, part in corpus.items()) + "}" for corpus in given)
    return repr(value)


def _flat(content: dict, prefix: str = "") -> dict:
    """Nested mappings as dotted keys; a list is one value."""
    flat = {}
    for key, value in content.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def move_aside(path: Path) -> Path:
    """Rename a run to NAME.old-1, -2, …"""
    number = 1
    while (aside := path.with_name(f"{path.name}.old-{number}")).exists():
        number += 1
    path.rename(aside)
    return aside


def set_up(
    config: Config, run: RunDirectory, ranks: Ranks = ALONE, continued: bool | None = None, replay_from: int | None = None
) -> Training:
    """Read the data, build the model, restore the newest checkpoint when there is one, and write the run's opening files.

    continued: whether the run was begun before; None: look. replay_from: instead restore that step's checkpoint, and write nothing.
    """
    keep_freed_memory()
    continued = run.exists() if continued is None else continued
    before = load_config(run.config_path) if continued else config  # read before it is written anew
    settled = run.read_json("environment.json")["precision"] if continued and (run.path / "environment.json").is_file() else None
    hardware = choose_hardware(config.training, settled)
    if ranks.agree(hardware.precision == "fp32"):
        hardware = replace(hardware, precision="fp32")  # a close measurement must not split the processes
    data = _prepare_in_turn(config, run, ranks, continued)
    if continued:
        _refuse_other_data(run, data)
    torch.manual_seed(config.training.seed)
    model = build_model(config.model, len(data.tokenizer.source), len(data.tokenizer.target))
    if is_sharded(config.training, ranks):
        shard(model, hardware.device, ranks)  # also moves each layer to its device
    else:
        model.to(hardware.device)
        if config.training.compile:
            compile_layers(model)
    valid = None
    if data.valid:
        valid = ValidationPairs.build(data.valid, data.tokenizer, config.training.validate_sentences, config.data.max_length)
    training = Training(
        config, run, data, hardware, model, build_optimizer(model, config.training), data.tokenizer.fingerprint(), valid,
        EpochEncoder(config, data.tokenizer, data.train), ranks,
    )
    training.measure = valid.measure(config) if valid else None
    if config.training.ema_decay:
        training.ema = start_ema(model)
    if config.training.record and ranks.first and not training.sharded and replay_from is None:
        pairs = valid.pairs if valid else training.encoder.pairs(0, 0)
        training.recorder = Recorder(run.path / RECORD, model, make_probe(pairs, hardware.device))
    if replay_from is not None:
        training.state, training.ema = load_state(run, model, training.optimizer, training.stamp, training.ema is not None, replay_from)
        continue_schedule(training.state, before.training, config.training)
        return training
    if continued:
        _restore(training, before)
    training.state.max_hours, training.state.measure = config.training.max_hours, training.measure
    if ranks.first:
        _write_opening(training)
    return training


def _prepare_in_turn(config: Config, run: RunDirectory, ranks: Ranks, continued: bool) -> PreparedData:
    """The first process prepares, and caches the tokenizer; then the others find it there."""
    for turn in ("first", "others"):
        if (turn == "first") == ranks.first:
            data = prepare_data(config, Tokenizer.load(run.path) if continued else None, shlex.quote(shown(run.config_path)))
        ranks.wait()
    return data


def start_deadline(training: Training, begun: float) -> Deadline:
    """The deadline of training.max_hours. begun: when the command was called; the time of earlier sessions is taken off.

    TrainingError when nothing is left.
    """
    config, state = training.config, training.state
    left = config.training.max_hours * 3600 - state.seconds
    now = time.monotonic()
    if begun + left <= now:
        raise TrainingError(
            f"training.max_hours={config.training.max_hours:g}: {duration(state.seconds + now - begun)} have passed already, "
            "in measuring speed, in reading data and in earlier sessions; give it more time"
        )
    tested = sum(len(corpus) for corpus in training.data.test)
    translated = training.valid.translated if training.valid else 0
    beam = max(config.decoding.beam_size, config.decoding.mbr) if config.decoding.method == "beam" else max(1, config.decoding.mbr)
    in_validations = tested * beam / translated if translated else 0.0
    return Deadline(begun + left, now, state.progress, in_validations, training.ranks.count)


def look_ahead(training: Training, begun: float) -> None:
    """Measure what is ahead and say it in two lines; cut batches into pieces when they would not fit into memory; set the deadline.

    begun: when the command was called.
    """
    config, state = training.config.training, training.state
    pairs, plan = _next_plan(training)
    if config.compile:
        _compile_now(training, pairs, plan)
    # A continued run keeps its number, so that its rounding and dropout stay the same, unless there is too little memory for that now.
    # That holds too for a number that grew when memory ran out: with more memory now it would be slower than it must be, but lowering it
    # would give other weights than the run without the stop. Only a pair that did not fit by itself takes its cuts back (shortage.py).
    state.pieces = max(state.pieces, pieces_that_fit(training.model, pairs, plan, config, training.hardware, training.ranks))
    if state.pieces > 1:
        _log.info("a batch of training.max_tokens=%d does not fit into memory; its gradient is summed over %d pieces",
                  config.max_tokens, state.pieces)
    blocks = training.encoder.num_pairs / len(pairs.weights)
    figures = forecast(training.model, training.optimizer, pairs, plan, state.pieces, config, training.hardware, training.ranks, blocks)
    training.forecast = figures
    ahead = max(0, math.ceil(config.max_steps - state.schedule_offset) - state.step)
    if config.max_epochs:
        ahead = min(ahead, math.ceil((config.max_epochs - state.epoch) * figures.updates_per_epoch))
    if config.max_hours:
        training.deadline = start_deadline(training, begun)
    seconds = config.max_hours * 3600 or config.max_steps * figures.seconds_per_update
    if training.recorder is not None:
        training.recorder.begin(training.model, state.step, config.max_steps, seconds)
    for line in figures.lines(ahead, training.deadline.training_ends_at - time.monotonic() if training.deadline else None):
        _log.info(line)


def _next_plan(training: Training) -> tuple[EncodedPairs, list[numpy.ndarray]]:
    """The pairs and batches of the first block from the state's on that has any: few pairs of small weights may give none for a while."""
    config, epoch, block = training.config.training, training.state.epoch, training.state.block
    while True:
        pairs = training.encoder.pairs(epoch, block)
        plan = plan_batches(pairs.lengths_N2(), config.max_tokens, config.seed, epoch, pairs.weights, block)
        if plan:
            return pairs, plan
        epoch, block = (epoch, block + 1) if block + 1 < training.encoder.num_blocks else (epoch + 1, 0)


def _compile_now(training: Training, pairs: EncodedPairs, plan: Sequence[numpy.ndarray]) -> None:
    """Compute two batches of different shapes, so that compiling is over before anything is timed. TrainingError when it fails."""
    begun = time.monotonic()
    try:
        for indices in sorted(plan, key=len)[:: max(1, len(plan) - 1)]:
            share = make_share(pairs, indices)
            accumulate_gradients(training.model, share.batches, share.num_target_tokens, training.config.training, training.hardware)
    except torch._dynamo.exc.TorchDynamoException as error:
        reason = str(error).strip().splitlines()[0]
        raise TrainingError(f"training.compile: torch.compile does not work here ({reason}); set training.compile=false") from error
    training.model.zero_grad(set_to_none=True)
    _log.info("training.compile: the layers were compiled in %s", duration(time.monotonic() - begun))


def _restore(training: Training, before: Config) -> None:
    """Go back to the newest checkpoint, or say that there is none and the run begins again. before: the settings it was trained with."""
    run = training.run
    if training.ranks.first:  # another process would take away what the first one is writing
        run.remove_leftovers()
        _set_damaged_aside(run)
    training.ranks.wait()
    restored = load_state(run, training.model, training.optimizer, training.stamp, training.ema is not None)
    if restored is None:
        _log.info("%s: nothing was saved yet; beginning at step 0", shown(run.path))
        return
    training.state, training.ema = restored
    patience = training.config.training.patience  # may have been raised
    training.state.stopped_early = 0 < patience <= training.state.validations_without_gain
    _log.info("%s: going on from step %d", shown(run.path), training.state.step)
    for text in continue_schedule(training.state, before.training, training.config.training):
        _log.warning(text)
    _compare_measures(training, before)


def _compare_measures(training: Training, before: Config) -> None:
    """Have the best checkpoint measured again when the scores so far are of another measure; say which part of it has changed."""
    state, now = training.state, training.measure
    if now is None:
        return
    # A checkpoint of an earlier version does not say how it was measured: its settings do, but not whether MeCab was installed.
    then = state.measure or training.valid.measure_of_an_earlier_version(before)
    then = {"validation pairs": training.valid.given} | then  # the first that noted anything did not note their number
    changed = [f"{key}: {now.get(key)} instead of {then.get(key)}" for key in now if now.get(key) != then.get(key)]
    training.measure_again = bool(changed and state.scores)
    if training.measure_again:
        _log.warning(
            "validation measures in another way than before (%s): the scores so far are not compared with new ones. The best checkpoint "
            "(step %s) is measured again, and training.patience counts from here", ", ".join(changed), state.best_step,
        )


def _set_damaged_aside(run: RunDirectory) -> None:
    """The newest checkpoint that can be gone on from is whole afterwards; RunError when there were some and none is."""
    damaged = []
    for step in reversed(resumable_steps(run)):
        damage = checkpoint_damage(run.checkpoint_path(step))
        if damage is None:
            return
        damaged.append(damage)
        _log.warning("%s: %s: damaged since it was saved, kept as %s", shown(run.checkpoint_path(step)), damage, shown(run.set_aside(step)))
    if damaged:
        raise RunError(
            f"{shown(run.path)}: no checkpoint is whole that training could go on from (damaged: {len(damaged)}); begin anew: --restart "
            "(the old run is kept beside)"
        )


def _refuse_other_data(run: RunDirectory, data: PreparedData) -> None:
    """RunError when the corpora are not those that the run began with, naming those that have changed."""
    begun = run.read_json("data.json")
    if begun["fingerprint"] == data.fingerprint:
        return
    then, now = begun.get("fingerprints", {}), data.fingerprints  # a run of an earlier version knows only all of them together
    changed = [name for name in {**then, **now} if then.get(name) != now.get(name)] if then else []
    raise RunError(
        f"{shown(run.path)}: the training or validation data has changed since this run began{': ' * bool(changed)}{', '.join(changed)}; "
        "put the old data back, or begin anew with --restart (the old run is kept beside) or another name (--set name=…)"
    )


def _write_opening(training: Training) -> None:
    """config.yaml last, because it says that a run exists."""
    run, data = training.run, training.data
    try:
        run.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{shown(run.path)}: cannot be made ({error.strerror}); set MT_RUNS to a folder for runs") from error
    data.tokenizer.save(run.path)
    measured = {} if training.measure is None else {"valid_bleu": training.measure.get("bleu")}
    run.write_json("environment.json", environment(training.hardware) | measured)
    run.write_json("data.json", {
        "fingerprint": data.fingerprint, "fingerprints": data.fingerprints, "train": [report.to_json() for report in data.left_out],
    })  # fmt: skip
    write_atomically(run.config_path, dump_config(located(training.config)))
    processes = f" in {training.ranks.count} processes" if training.ranks.count > 1 else ""
    _log.info(
        "%s: %s training pairs, %s on %s%s (%s)",
        shown(run.path), f"{len(data.train):,}",
        training.hardware.precision, training.hardware.device, processes, training.hardware.reason,
    )
    if not training.state.step:
        _log.info("%s", ways_out(training.config.model))
