"""`train(config)`: the whole of training, from a configuration to a finished run directory.

Continues an unfinished run exactly: bit for bit on one machine. One process. The beginning is in setup.py, the update in step.py,
the end in finish.py.
"""

import logging
import time
from collections.abc import Iterator

from mt.config import Config
from mt.data.batching import Batch, make_batch, plan_batches
from mt.errors import ConfigError, Interrupted, TrainingError
from mt.runs import RunDirectory, runs_root, shown
from mt.training.averaging import update_ema
from mt.training.finish import finish
from mt.training.interrupt import StopRequest
from mt.training.prepare import EpochEncoder
from mt.training.report import Report
from mt.training.setup import Training, check_same_settings, move_aside, set_up, tell_new_end, wants_more
from mt.training.state import best_steps, save_state, tidy_checkpoints
from mt.training.step import train_step
from mt.training.validation import validate
from mt.training.weights import borrowed_weights

_log = logging.getLogger("mt")


def train(config: Config, restart: bool = False) -> dict:
    """Train as configured, or go on with the unfinished run of that name; returns the content of summary.json.

    restart: move an existing run of that name aside and begin anew. Raises Interrupted after Ctrl-C or SIGTERM (everything is saved),
    RunError when the run of that name was begun with other settings, and what the data and the tokenizer raise.
    """
    if config.name is None:
        raise ConfigError("name: a configuration that was not read from a file needs one: Config(name=…)")
    run = RunDirectory(runs_root() / config.name)
    if restart and run.path.exists():
        _log.info("the run that was here is kept as %s", shown(move_aside(run.path)))
    if run.exists():
        check_same_settings(run, config)
        if run.finished() and not wants_more(run, config):
            summary = run.read_json("summary.json")
            _log.info(
                "%s is finished (%d steps). To train on, raise training.max_steps; to begin anew: --restart, or another name "
                "(--set name=…)", shown(run.path), summary["step"],
            )
            return summary
        tell_new_end(run, config)
    training = set_up(config, run)
    run.summary_path.unlink(missing_ok=True)  # from here on the run is unfinished, also when it was finished and goes on
    with StopRequest() as stop:
        train_to_the_end(training, stop)
    return finish(training)


def train_to_the_end(training: Training, stop: StopRequest) -> None:
    """Make updates until max_steps, max_epochs or patience ends the run, or until a stop is asked for (then: save and raise)."""
    config, state = training.config.training, training.state
    batches = batches_from(training)
    with Report(training.run, state.step, config.max_steps, config.log_every) as report:
        while not is_over(training):
            begun = time.monotonic()
            _update(training, batches, report)
            if state.step % config.validate_every == 0 or state.step == config.max_steps:
                _validate(training, report)
            state.seconds += time.monotonic() - begun
            due = state.step % config.save_every == 0 or is_over(training)
            measured = str(state.step) in state.scores and config.average == "best"  # any of them may be averaged
            if due or stop.requested or measured or state.best_step == state.step:
                save(training, scheduled=due)
                report.pause()
            if stop.requested:
                raise Interrupted(
                    f"stopped by {stop.requested} and saved at step {state.step}; go on with the same command "
                    f"(or: mt train --config {shown(training.run.config_path)})"
                )


def is_over(training: Training) -> bool:
    """Whether no more updates are to be made."""
    config, state = training.config.training, training.state
    epochs_done = config.max_epochs > 0 and state.epoch >= config.max_epochs
    return state.step >= config.max_steps or epochs_done or state.stopped_early


def batches_from(training: Training) -> Iterator[Batch]:
    """All batches from the state's position on, epoch after epoch. Moves the position when a batch is taken."""
    config, data, state = training.config, training.data, training.state
    encoder = EpochEncoder(config, data.tokenizer, data.train)
    while True:
        pairs = encoder.pairs(state.epoch)
        plan = plan_batches(pairs.lengths_N2(), config.training.max_tokens, config.training.seed, state.epoch, pairs.weights)
        if not plan:  # an epoch of few pairs with small weights may have none
            state.epoch += 1
        while state.batch < len(plan):
            indices = plan[state.batch]
            state.batch += 1
            if state.batch == len(plan):
                state.epoch, state.batch = state.epoch + 1, 0
                yield make_batch(pairs, indices)
                break
            yield make_batch(pairs, indices)


def _update(training: Training, batches: Iterator[Batch], report: Report) -> None:
    """One update, skipped ones included; TrainingError when too many in a row are not finite."""
    config, state = training.config.training, training.state
    epoch = state.epoch
    taken = [next(batches) for _ in range(config.accumulation)]
    result = train_step(training.model, training.optimizer, taken, state.step + 1, config, training.hardware)
    state.step += 1
    state.target_tokens += result.num_target_tokens
    if result.finite:
        state.bad_steps = 0
        if training.ema is not None:
            update_ema(training.ema, training.model, config.ema_decay, state.step)
    else:
        state.bad_steps += 1
        state.bad_steps_total += 1
        report.skipped(state.step, state.bad_steps)
        if state.bad_steps >= config.max_bad_steps:
            raise TrainingError(
                f"the loss was not finite in {state.bad_steps} updates in a row, up to step {state.step}; weights saved before "
                f"that stay in {shown(training.run.checkpoints_path)}. Usual causes: training.learning_rate ({config.learning_rate:g}) too "
                f"high or training.warmup_steps ({config.warmup_steps}) too few; also try training.clip_norm=1, "
                "model.norm_position=pre, or training.precision=fp32, with --restart"
            )
    report.step(state.step, result, epoch)


def _validate(training: Training, report: Report) -> None:
    """Measure, and note whether this is the best so far; patience counts here."""
    if training.valid is None:
        return
    config, state = training.config.training, training.state
    with borrowed_weights(training.model, training.ema):
        result = validate(training.model, training.data.tokenizer, training.valid, training.config, training.hardware)
    score = result.score(config.metric)
    state.scores[str(state.step)] = score
    best = state.best_score is None or score > state.best_score
    if best:
        state.best_score, state.best_step, state.validations_without_gain = score, state.step, 0
    else:
        state.validations_without_gain += 1
        if config.patience and state.validations_without_gain >= config.patience:
            state.stopped_early = True
    report.validation(state.step, result, best)
    if state.stopped_early:
        report.say(f"no better {config.metric} in {config.patience} validations; stopping (best at step {state.best_step})")
    report.pause()


def save(training: Training, scheduled: bool) -> None:
    """Write a checkpoint, point `last` and `best`, and tidy up."""
    state, config = training.state, training.config.training
    state.scheduled = scheduled
    save_state(training.run, state, training.model, training.optimizer, training.ema, training.stamp)
    if state.best_step is not None and training.run.checkpoint_path(state.best_step).is_dir():
        training.run.point("best", state.best_step)
    tidy_checkpoints(training.run, state, config.average_checkpoints, best_steps(state, config.average_checkpoints)
                     if config.average == "best" else [])
