"""What a run that goes on takes over from before, and what a setting that has changed since does to it: said, not left to be found out.

The schedule of learning rates continues where it is, whether steps or training.max_hours decided before or decide now. Scores of another
measure are not compared with new ones.
"""

import math
from typing import Any

from mt.config import TrainingConfig
from mt.training.forecast import duration
from mt.training.optimizer import learning_rate_at
from mt.training.state import TrainingState

_SAME_RATE = 0.01
"""Learning rates that differ by less than this share count as equal."""


def place_in_schedule(state: TrainingState, config: TrainingConfig) -> float:
    """Where the schedule is after the last update, in steps of the configuration: the learning rate is a function of it."""
    return state.progress * config.max_steps if config.max_hours else state.step + state.schedule_offset


def continue_schedule(state: TrainingState, before: TrainingConfig, now: TrainingConfig) -> list[str]:
    """Let the schedule go on where it is under settings that may have changed; returns what that does, for a person.

    before: the settings of the session that wrote the checkpoint. More hours than before stretch what is over as well as what is left;
    fewer hours, and a change between hours and steps, leave the place in the schedule as it is.
    """
    hours = before.max_hours if state.max_hours is None else state.max_hours
    before = before.model_copy(update={"max_hours": hours})
    place = place_in_schedule(state, before)
    if now.max_hours and not hours:
        state.progress = min(1.0, place / now.max_steps)
    elif hours and not now.max_hours:
        state.progress, state.schedule_offset = 0.0, place - state.step
    elif now.max_hours > hours:
        state.progress *= hours / now.max_hours
    state.max_hours = now.max_hours
    if not state.step:
        return []
    rates = [learning_rate_at(max(1.0, where), config) for where, config in ((place, before), (place_in_schedule(state, now), now))]
    return _told(state, hours, before, now, *rates)


def _told(
    state: TrainingState, hours: float, before: TrainingConfig, now: TrainingConfig, rate_before: float, rate: float
) -> list[str]:
    """The side effects of settings that have changed, a sentence each."""
    same = abs(rate - rate_before) <= _SAME_RATE * rate_before
    goes_on = f"the learning rate goes on from {rate:.3g}" + (", as it was" if same else f" instead of {rate_before:.3g}")
    told = []
    if now.max_hours and not hours:
        left = now.max_hours * 3600 - state.seconds
        told.append(
            f"training.max_hours: {now.max_hours:g}, where steps decided before: {goes_on}, and the remaining {1 - state.progress:.0%} of "
            f"the schedule are fitted into the {duration(max(0.0, left))} that are left (time trained before counts)"
        )
    elif hours and not now.max_hours:
        left = max(0.0, now.max_steps - state.step - state.schedule_offset)
        told.append(
            f"training.max_hours: not set, where {hours:g} hours decided before: {goes_on}, and the rest of the schedule takes "
            f"{left:,.0f} more updates, up to step {state.step + left:,.0f}"
        )
    elif now.max_hours > hours:
        told.append(
            f"training.max_hours: {now.max_hours:g} instead of {hours:g}: the schedule is stretched over the longer time, and {goes_on}"
        )
    elif now.max_hours < hours:
        told.append(f"training.max_hours: {now.max_hours:g} instead of {hours:g}: the rest of the schedule runs faster, and {goes_on}")
    if before.max_steps != now.max_steps and (now.max_hours or now.schedule in ("linear", "cosine")):
        told.append(
            f"training.max_steps: {now.max_steps} instead of {before.max_steps}: the {now.schedule} schedule now ends there, so "
            f"the learning rate goes on from another value ({rate:.3g} instead of {rate_before:.3g})"
        )
    if now.patience and before.validate_every != now.validate_every and state.validations_without_gain:
        told.append(
            f"training.validate_every: {now.validate_every} instead of {before.validate_every}: training.patience={now.patience} counts "
            f"validations, {state.validations_without_gain} without improvement so far at the old distance"
        )
    return told


def wants_more(summary: dict[str, Any], before: TrainingConfig, now: TrainingConfig) -> bool:
    """Whether a finished run is asked for more than it made: steps, epochs, hours, or patience if it stopped for lack of that.

    before: the settings in the run's folder. A summary of an earlier version does not say where in its schedule the run ended.
    """
    return not _reached(summary, before, now)


def _reached(summary: dict[str, Any], before: TrainingConfig, now: TrainingConfig) -> list[str]:
    """The settings of `now`, by key, that leave a finished run nothing to do; there can be several."""
    hours, max_steps, place = summary.get("max_hours", 0), summary.get("max_steps", before.max_steps), _end_of(summary, before)
    reached = []
    if summary["stopped_early"] and 0 < now.patience <= _patience_of(summary, before):
        reached.append("training.patience")
    if 0 < now.max_epochs <= summary["epochs"]:
        reached.append("training.max_epochs")
    if now.max_hours and hours:
        if now.max_hours <= hours and not (place < max_steps and now.max_hours * 3600 > summary["seconds"]):
            reached.append("training.max_hours")
    elif now.max_steps <= place:
        reached.append("training.max_steps")
    return reached


def _end_of(summary: dict[str, Any], before: TrainingConfig) -> float:
    """Where in its schedule a finished run ended, in steps of the configuration."""
    max_steps = summary.get("max_steps", before.max_steps)
    return summary.get("schedule_step", max_steps if summary.get("max_hours", 0) else summary["step"])


def _patience_of(summary: dict[str, Any], before: TrainingConfig) -> int:
    """The highest training.patience that would have stopped a run which stopped early: the validations without a better score."""
    return max(summary.get("validations_without_gain", 0), summary.get("patience", before.patience))


def train_longer(summary: dict[str, Any], before: TrainingConfig) -> dict[str, str]:
    """The settings, by key and as they are written, that let a finished run train about twice as long when all of them are given together.

    They raise every limit that the run has reached (for its settings `before` in its folder), since each by itself ends it; and, unless
    patience alone ended it, every limit that it would reach before it is twice as long. Empty when `before` already asks for more.
    """
    place, hours_trained = _end_of(summary, before), summary["seconds"] / 3600
    hours = max(summary.get("max_hours", 0), before.max_hours)
    twice: dict[str, float] = {
        "training.patience": 2 * _patience_of(summary, before),
        "training.max_epochs": 2 * max(summary["epochs"], before.max_epochs),
        "training.max_hours": 2 * max(hours, hours_trained),
        "training.max_steps": math.ceil(2 * place),
    }
    limits = _reached(summary, before, before)
    if set(limits) - {"training.patience"}:
        if 0 < before.max_epochs < 2 * (summary["epochs"] + 1):
            limits.append("training.max_epochs")
        if before.max_hours and summary.get("max_hours", 0):
            if place > summary.get("max_steps", before.max_steps) / 2:
                limits.append("training.max_hours")
        elif before.max_steps < 2 * place:
            limits.append("training.max_steps")
    if 0 < before.max_hours <= hours_trained:
        limits.append("training.max_hours")
    return {key: f"{value:g}" if key == "training.max_hours" else str(value) for key, value in twice.items() if key in limits}
