"""`train(config)`: the whole of training, from a configuration to a finished run directory.

Continues an unfinished run exactly: bit for bit on one machine. The beginning is in setup.py, the update in step.py, the end in
finish.py; several processes in distributed.py, a run that must end on time in deadline.py.
"""

import errno
import logging
import math
import shlex
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext

import numpy

from mt.config import Config
from mt.config_file import load_config
from mt.data.batching import Share, make_share, plan_batches
from mt.data.pairs import EncodedPairs
from mt.errors import ConfigError, Interrupted, MemoryShortageError, NonFiniteError
from mt.memory import give_back_freed_memory
from mt.run_lock import locked
from mt.runs import RunDirectory, checkpoint_damage, runs_root, shown, weights_of
from mt.stored_model import read_tensors
from mt.training.averaging import update_ema
from mt.training.continuing import place_in_schedule, train_longer, wants_more
from mt.training.distributed import joined_ranks, speak_only_as_first
from mt.training.divergence import after_overflow, refuse_diverged, too_many_skipped
from mt.training.finish import finish
from mt.training.hardware import choose_device
from mt.training.interrupt import StopRequest
from mt.training.optimizer import learning_rate_at
from mt.training.report import Report, Silence
from mt.training.setup import Training, changed_settings, check_same_settings, look_ahead, move_aside, set_up
from mt.training.sharding import whole_tensors
from mt.training.shortage import saved_when_memory_runs_out, step_in_pieces
from mt.training.state import best_steps, save_state, tidy_checkpoints
from mt.training.step import PendingStep, train_step
from mt.training.validation import validate
from mt.training.weights import borrowed_weights

_log = logging.getLogger("mt")
FULL_DISK_WAIT = 10
"""Seconds between two tries to save on a full disk."""


def train(config: Config, restart: bool = False, begun: float | None = None) -> dict:
    """Train as configured, or go on with the unfinished run of that name; returns the content of summary.json.

    restart: move an existing run of that name aside and begin anew. begun: when the command was called, on time.monotonic, for
    training.max_hours; default: now. Started by torchrun, this is one of the processes of a training.
    Raises Interrupted after Ctrl-C or SIGTERM (everything is saved), RunError when the run of that name was begun with other
    settings, TrainingError when it cannot go on, and what the data and the tokenizer raise.
    """
    begun = time.monotonic() if begun is None else begun
    if config.name is None:
        raise ConfigError("name: a configuration that was not read from a file needs one: Config(name=…)")
    run = RunDirectory(runs_root() / config.name)
    with joined_ranks(choose_device(config.training.device)) as ranks, locked(run) if ranks.first else nullcontext():
        speak_only_as_first(ranks)
        if restart and ranks.first and run.path.exists():
            _log.info("the run that was here is kept as %s", shown(move_aside(run.path)))
        ranks.wait()
        continued = run.exists()
        if continued:
            check_same_settings(run, config)
            before = load_config(run.config_path)
            if run.finished() and not wants_more(run.read_json("summary.json"), before.training, config.training):
                return _already_finished(run, before, config)
        ranks.wait()  # nobody writes before everybody has looked
        training = set_up(config, run, ranks, continued)
        look_ahead(training, begun)
        with StopRequest() as stop:
            train_to_the_end(training, stop)
        if training.recorder is not None:
            training.recorder.end(training.model, training.state.step)
        if training.sharded:
            training.ema = whole_tensors(training.ema) if training.ema is not None else None
            with training.undivided() as training.model:
                pass
        if ranks.first:
            finish(training)
        ranks.wait()
    return run.read_json("summary.json")


def _already_finished(run: RunDirectory, before: Config, now: Config) -> dict:
    """Say so, and what of the settings therefore stays as it was; return its summary."""
    summary = run.read_json("summary.json")
    longer = " ".join(f"--set {key}={value}" for key, value in train_longer(summary, before.training).items())
    _log.info(
        "%s is finished (%d steps). To train on: %s; to start over: --restart, or another name (--set name=…)",
        shown(run.path), summary["step"], f"mt train --config {shlex.quote(shown(run.config_path))} {longer}".rstrip(),
    )
    changed = [key for key in changed_settings(before, now) if key != "name"]
    if changed:
        _log.warning("nothing is trained, so the run keeps its own settings in %s; yours differ in %s", shown(run.config_path),
                     ", ".join(changed))  # fmt: skip
    if summary["test"] is None and before.data.test:
        _log.info("its test pairs are not scored yet: mt eval --model %s", shown(run.path))
    return summary


def train_to_the_end(training: Training, stop: StopRequest) -> None:
    """Make updates until max_steps, max_epochs, max_hours or patience ends the run, or until a stop is asked for (then: save, raise)."""
    config, state, ranks = training.config.training, training.state, training.ranks
    batches = batches_from(training)
    # The processes' clocks differ a little; what they do together must not.
    validate_every, save_every = (int(ranks.agree(training.every(steps))) for steps in (config.validate_every, config.save_every))
    with _open_report(training) as report:

        def save_now() -> None:
            settle(training, report)
            save(training, False, stop)

        if training.measure_again:
            _measure_again(training)
        while not is_over(training):
            begun = time.monotonic()
            with saved_when_memory_runs_out(training, f"update {state.step + 1}", save_now):
                update(training, batches, report)
            validating, due = (state.step % every == 0 or is_over(training) for every in (validate_every, save_every))
            if validating or due:
                settle(training, report)
            if validating:
                with saved_when_memory_runs_out(training, "validation", save_now):
                    _validate(training, report)
                report.diagnose(state.step, training.config, is_over(training))
                report.pause()
            state.seconds += time.monotonic() - begun
            due = due or is_over(training)
            measured = str(state.step) in state.scores and config.average == "best"  # any of them may be averaged
            stopping = ranks.agree(bool(stop.requested))
            if stopping:
                settle(training, report)
            if due or stopping or measured or state.best_step == state.step:
                save(training, due, stop)
                report.pause()
            if stopping:
                raise Interrupted(
                    f"stopped by {stop.requested or 'another process'} and saved at step {state.step}; go on with the same command "
                    f"(or: mt train --config {shown(training.run.config_path)})"
                )


def _open_report(training: Training) -> Report:
    """The report of the first process; the others are silent. Under a deadline the bar has no known end, but shows the time left."""
    config, state = training.config.training, training.state
    if not training.ranks.first:
        return Silence()
    ends_at = training.deadline.ends_at if training.deadline else None
    return Report(training.run, state.step, math.ceil(config.max_steps - state.schedule_offset), config.log_every, ends_at)


def is_over(training: Training) -> bool:
    """Whether no more updates are to be made."""
    config, state = training.config.training, training.state
    epochs_done = config.max_epochs > 0 and state.epoch >= config.max_epochs
    time_or_steps = state.progress >= 1.0 if training.deadline else place_in_schedule(state, config) >= config.max_steps
    return time_or_steps or epochs_done or state.stopped_early


def batches_from(training: Training) -> Iterator[Share]:
    """This process's share of every batch from the state's position on, block after block. Moves the position when one is taken."""
    state, ranks = training.state, training.ranks
    with _Blocks(training) as blocks:
        while True:
            pairs, plan = blocks.at(state.epoch, state.block)
            while state.batch < len(plan):
                share = make_share(pairs, plan[state.batch], ranks.number, ranks.count, max(1, state.pieces), training.sharded)
                state.batch += 1
                last = state.batch == len(plan)
                if last:
                    state.epoch, state.block, state.batch = *blocks.after(state.epoch, state.block), 0
                yield share
                if last:
                    break
            if not plan:  # few pairs with small weights may give none
                state.epoch, state.block = blocks.after(state.epoch, state.block)


class _Blocks:
    """The blocks of the training pairs and their plans; where an epoch has several, the next one is made ready meanwhile."""

    def __init__(self, training: Training):
        self._encoder, self._config = training.encoder, training.config.training
        self._thread = ThreadPoolExecutor(1) if self._encoder.num_blocks > 1 else None
        self._next: tuple[tuple[int, int], Future] | None = None

    def __enter__(self) -> "_Blocks":
        """Nothing is read yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give the thread up."""
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)

    def after(self, epoch: int, block: int) -> tuple[int, int]:
        """The next block's epoch and number."""
        return (epoch, block + 1) if block + 1 < self._encoder.num_blocks else (epoch + 1, 0)

    def at(self, epoch: int, block: int) -> tuple[EncodedPairs, list[numpy.ndarray]]:
        """The pairs and the plan of a block."""
        if self._thread is None:
            return self._make(epoch, block)
        ready = self._next is not None and self._next[0] == (epoch, block)
        made = self._next[1].result() if ready else self._make(epoch, block)
        following = self.after(epoch, block)
        self._next = following, self._thread.submit(self._make, *following)
        return made

    def _make(self, epoch: int, block: int) -> tuple[EncodedPairs, list[numpy.ndarray]]:
        pairs = self._encoder.pairs(epoch, block)
        return pairs, plan_batches(pairs.lengths_N2(), self._config.max_tokens, self._config.seed, epoch, pairs.weights, block)


def _learning_rate(training: Training) -> float:
    """Of the next update: by its number, or under a deadline by the time that has passed."""
    config, state, deadline = training.config.training, training.state, training.deadline
    if deadline is None:
        return learning_rate_at(max(1.0, state.step + 1 + state.schedule_offset), config)
    now = training.ranks.agree(deadline.progress(time.monotonic()))
    state.progress = max(state.progress, now)
    return learning_rate_at(max(1.0, state.progress * config.max_steps), config)


def update(training: Training, batches: Iterator[Share], report: Report) -> None:
    """One update, skipped ones included; TrainingError when too many in a row are not finite."""
    config, state = training.config.training, training.state
    epoch, place = state.epoch, (state.epoch, state.block, state.batch)
    taken = [next(batches) for _ in range(config.accumulation)]
    noting = training.recorder is not None and training.recorder.due(state.step + 1)
    if noting:
        training.recorder.before(training.model)
    try:
        pending = _make_update(training, taken)
    except MemoryShortageError:
        state.epoch, state.block, state.batch = place  # its pairs were not learned
        raise
    state.step += 1
    state.target_tokens += pending.num_target_tokens
    if noting:
        training.recorder.after(training.model, state.step)
    if training.ema is not None:
        update_ema(training.ema, training.model, config.ema_decay, state.step, pending.skipped)
    settle(training, report)  # the update before: while it is told, a GPU computes this one
    training.unsettled = state.step, epoch, pending
    if pending.ready is None:
        settle(training, report)


def _make_update(training: Training, taken: Sequence[Share]) -> PendingStep:
    """The next update from these batches, in as many pieces as memory asks for."""
    rate = _learning_rate(training)

    def step(shares: Sequence[Share]) -> PendingStep:
        return train_step(training.model, training.optimizer, shares, training.state.step + 1, rate, training.config.training,
                          training.hardware, training.ranks)  # fmt: skip

    return step_in_pieces(training, taken, step)


def settle(training: Training, report: Report) -> None:
    """Read the figures of the last update and tell them; TrainingError when too many in a row were not finite."""
    if training.unsettled is None:
        return
    config, state = training.config.training, training.state
    (step, epoch, pending), training.unsettled = training.unsettled, None
    result = pending.result()
    if result.finite:
        state.bad_steps = 0
    else:
        state.bad_steps += 1
        state.bad_steps_total += 1
        report.skipped(step, state.bad_steps)
        if state.bad_steps >= config.max_bad_steps:
            raise too_many_skipped(training, step)
    report.step(step, result, epoch)


def _validate(training: Training, report: Report) -> None:
    """Measure, and note whether this is the best so far; patience counts here."""
    if training.valid is None:
        return
    config, state, deadline, begun = training.config.training, training.state, training.deadline, time.monotonic()
    if deadline and not training.ranks.agree(deadline.can_validate(begun)):
        return
    ema = whole_tensors(training.ema) if training.ema is not None else None
    try:
        with training.undivided() as model, borrowed_weights(model, ema):
            result = validate(model, training.data.tokenizer, training.valid, training.config, training.hardware, training.ranks)
    except NonFiniteError as error:
        raise after_overflow(training, error, lambda: save(training, False)) from None
    give_back_freed_memory()
    training.validated = state.step, result
    if deadline:
        deadline.note_validation(time.monotonic() - begun)
    best = state.note_score(state.step, result.score(config.metric), result.loss)
    state.stopped_early = 0 < config.patience <= state.validations_without_gain
    report.validation(state.step, result, best)
    if state.stopped_early:
        report.say(f"no better {config.metric} in {config.patience} validations; stopping (best at step {state.best_step})")
    report.pause()


def _measure_again(training: Training) -> None:
    """Take the scores of the best checkpoints by the measure that counts from now on, so that later ones can be compared with them."""
    config, state, run, begun = training.config.training, training.state, training.run, time.monotonic()
    saved = run.checkpoint_steps()
    steps = {state.best_step, *(best_steps(state, config.average_checkpoints, saved) if config.average == "best" else [])}
    state.forget_scores()
    for step in sorted(steps & {*saved}):
        if checkpoint_damage(run.checkpoint_path(step)) is not None:
            continue
        weights = read_tensors(weights_of(run.checkpoint_path(step)), training.stamp)
        with training.undivided() as model, borrowed_weights(model, weights):
            result = validate(model, training.data.tokenizer, training.valid, training.config, training.hardware, training.ranks)
        state.note_score(step, result.score(config.metric), result.loss)
        _log.info("step %d, measured again: valid loss %.3f, BLEU %.2f, chrF %.2f (greedy)", step, result.loss, result.bleu, result.chrf)
    state.validations_without_gain, state.stopped_early = 0, False
    if training.deadline:
        training.deadline.note_validation((time.monotonic() - begun) / max(1, len(steps)))


def save(training: Training, scheduled: bool, stop: StopRequest | None = None) -> None:
    """Write a checkpoint; while the disk is full, wait and try again until a stop is asked for (then OSError, as for other failures)."""
    refuse_diverged(training)
    told = False
    while True:
        begun = time.monotonic()
        try:
            _save(training, scheduled)
            if training.deadline:
                training.deadline.saving = time.monotonic() - begun
            return
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT) or stop is None or stop.requested:
                raise
            if not told:
                last = training.run.pointed("last")
                kept = f"the one of step {last} is whole" if last is not None else "there is none before it"
                _log.warning(
                    "%s: the disk is full: the checkpoint of step %d could not be written, %s. Free some space: it is tried again every "
                    "%d s, and training goes on (Ctrl-C gives up)",
                    shown(training.run.checkpoints_path),
                    training.state.step,
                    kept,
                    FULL_DISK_WAIT,
                )
                told = True
            time.sleep(FULL_DISK_WAIT)


def _save(training: Training, scheduled: bool) -> None:
    """Write a checkpoint, point `last` and `best`, and tidy up; the first process does."""
    state, config = training.state, training.config.training
    state.scheduled = scheduled
    first = training.ranks.first
    if first or training.sharded:
        save_state(training.run, state, training.model, training.optimizer, training.ema, training.stamp, writes=first)
    if not first:
        return
    training.run.summary_path.unlink(missing_ok=True)  # a finished run that goes on is unfinished once it has newer weights
    if state.best_step is not None and training.run.checkpoint_path(state.best_step).is_dir():
        training.run.point("best", state.best_step)
    averaged = best_steps(state, config.average_checkpoints, training.run.checkpoint_steps()) if config.average == "best" else []
    tidy_checkpoints(training.run, state, config.average_checkpoints, averaged)
