"""What the doctor reads from losses, gradients and skipped updates: is the run learning at all, and does it keep what it has learnt."""

import math
from bisect import bisect_right

from mt.training.doctor.advice import (
    ANOTHER_NAME,
    LOW_RATE,
    higher_rates,
    longer,
    longer_warm_up,
    lower_rates,
    rates_now,
    shorter,
    side_by_side,
)
from mt.training.doctor.history import Finding, History, middle

SMOOTH = 3
"""Lines of the log whose median counts as one value: a single batch says little."""
FEW = 300
"""Updates before which a loss that has not fallen is no sign."""


BY_HEART = 3
"""Epochs after which a training loss may be low because pairs are known by heart."""


def no_fall(history: History) -> Finding | None:
    """The training loss is where it began.

    Threshold: less than a twentieth of the first value is gone after 300 updates. The first recorded value is an average over log_every
    updates and so already lower than the start; every training that worked, of those recorded while this was written, had lost
    a third by update 200.
    """
    lines, config = history.train, history.config.training
    if len(lines) < SMOOTH + 1 or lines[-1]["step"] < FEW:
        return None
    first, last = lines[0]["negative_log_likelihood"], _recent(history)
    if not last > 0.95 * first or first < 1.0:  # a run that goes on from good weights has little left to lose
        return None
    seen = f"the training loss per token is {last:.2f} after {history.step:,} updates; over the first {lines[0]['step']} it was {first:.2f}"
    if history.warm_step is None:
        cause = f"the warm-up is too long: the learning rate is only at {lines[-1]['learning_rate']:.1e} of {config.learning_rate:g}"
        advice = f"set training.warmup_steps={max(1, min(config.warmup_steps, config.max_steps) // 10)} (now {config.warmup_steps})"
    elif config.learning_rate < LOW_RATE:
        cause = f"the learning rate is too low ({rates_now(history)})"
        advice = f"set {higher_rates(history)}"
    else:
        cause = "the learning rate is too high, so that every update undoes the last"
        advice = f"set {lower_rates(history, 0.1)}{longer_warm_up(history)}"
    return Finding("the loss does not fall", seen, cause, f"{advice}, {ANOTHER_NAME}", lines[0]["step"])


def word_frequencies(history: History) -> Finding | None:
    """The valid loss is no better than knowing how frequent each piece is.

    Threshold: within 2 % of the entropy of the references' piece frequencies (recorded with each validation). A decoder that only
    continues its own sentence is already far below, so it is the optimisation that fails here, or the pieces have no order at all.
    """
    found = history.lasting(lambda line: line["loss"] / line.get("frequency_entropy", float("nan")), 0.98)
    if not found or not _recent(history) > 0.9 * found[-1]["frequency_entropy"]:  # else the valid pairs are the trouble, see valid_apart
        return None
    config, last = history.config.training, found[-1]
    seen = (f"the valid loss is {last['loss']:.2f}; knowing nothing but how frequent each piece is gives "
            f"{last['frequency_entropy']:.2f}, and so much is learnt in the first hundreds of updates")
    low = config.learning_rate < LOW_RATE
    cause = f"the learning rate is too low ({rates_now(history)})" if low else (
        f"the learning rate ({rates_now(history)}) is too high for this model, which has fallen back to the most frequent words; "
        "more rarely, the two sides' lines do not belong together")
    advice = f"set {higher_rates(history)}" if low else f"set {lower_rates(history, 0.1)}"
    if history.config.model.norm_position == "post" and history.config.model.architecture == "transformer":
        advice += " and model.norm_position=pre (trains at rates that post does not bear)"
    elif config.clip_norm == 0:
        advice += " and training.clip_norm=1"
    advice += f", {ANOTHER_NAME}; if that changes nothing, {side_by_side(history, 'train')}"
    return Finding("nothing but word frequencies is learnt", seen, cause, advice, found[0]["step"])


def jump(history: History) -> Finding | None:
    """The loss rose and has not come back.

    Threshold, in the run's own measure: a quarter of all that was learnt (first loss minus lowest) is lost in four of five of the last
    lines (all of three in a short log). Healthy logs go up and down by a twentieth of it.
    """
    if any(line["loss"] != line["loss"] for line in history.valid[-1:]):
        return _diverged(history, "the valid loss is not a number", history.valid[-1]["step"])
    blocks = _blocks(history.train)
    if len(blocks) < 2:
        return None
    levels = [_level(block) for block in blocks]
    first, lowest = history.train[0]["negative_log_likelihood"], min(levels)
    limit = lowest + max(0.25 * (first - lowest), 0.1)  # 0.1: an exact toy's loss of 0.001 may well become 0.01
    lost = [line for line in blocks[-1] if line["negative_log_likelihood"] > limit]
    if not lowest < first or len(lost) < 0.8 * len(blocks[-1]):  # a loss that never fell: see no_fall
        return None
    back = len(blocks) - 1
    while back > 0 and levels[back - 1] > limit:
        back -= 1
    since = next(line["step"] for line in blocks[back] if line["negative_log_likelihood"] > limit)
    best_step = blocks[levels.index(lowest)][-1]["step"]
    return _diverged(
        history,
        f"the training loss per token had come down to {lowest:.2f} by step {best_step:,}; since step {since:,} it is above {limit:.2f} "
        f"(now {levels[-1]:.2f})", since,
    )


def _diverged(history: History, seen: str, since: int) -> Finding:
    """A divergence, with advice that fits the settings."""
    config = history.config.training
    warm_up = longer_warm_up(history) if history.warm_step is None or since < 3 * history.warm_step else ""
    steps = [f"set {lower_rates(history, 0.3)}{warm_up}"]
    if config.clip_norm == 0:
        steps.append("training.clip_norm=1 (it is off)")
    if history.config.model.architecture == "transformer" and history.config.model.norm_position == "post":
        steps.append("model.norm_position=pre")
    return Finding(
        "the loss jumped and did not come back", seen,
        f"the training has diverged: its learning rate ({rates_now(history)}) is too high for this model and batch size",
        f"{', '.join(steps)}, and begin anew (--restart, or another name); what was best before the jump stays in checkpoints/best", since,
    )


def gradients_grow(history: History) -> Finding | None:
    """Gradient norms grow by orders of magnitude.

    Threshold: a hundred times the run's own median of the first half after the warm-up, over three lines, and ten at least: a norm
    below is harmless, however small it was before.
    """
    warm = history.warm_step
    lines = [line for line in history.train if warm is not None and line["step"] >= warm]
    earlier = middle(line["gradient_norm"] for line in lines[: len(lines) // 2])  # half: a growth that is slow must not hide itself
    recent = [line["gradient_norm"] for line in lines[-SMOOTH:]]
    limit = max(100 * earlier, 10.0)
    if len(lines) < 4 * SMOOTH or not all(norm > limit for norm in recent):
        return None
    since = lines[-SMOOTH]["step"]
    config = history.config.training
    clip = "set training.clip_norm=1 (it is off)" if config.clip_norm == 0 else f"set {lower_rates(history, 0.3)}"
    return Finding(
        "gradients grow by orders of magnitude",
        f"the gradient's norm before clipping is {middle(recent):.3g}; earlier in this run its median was {earlier:.3g}",
        f"the training is about to diverge: the learning rate ({rates_now(history)}) is too high, or some pairs are extreme "
        "(very long, garbled)",
        f"{clip}; look at the longest pairs, and lower data.max_length (now {history.config.data.max_length}) if they are no sentences",
        since,
    )


def skips(history: History) -> Finding | None:
    """Updates are left out, again and again.

    Threshold: more than one in a hundred of the last thousand updates, and three at least; a single overflow is nothing.
    """
    window = min(1000, history.step)
    recent = [line for line in history.skipped if line["step"] > history.step - window]
    if len(recent) < 3 or len(recent) <= 0.01 * window:
        return None
    config = history.config.training
    lower = "" if config.precision == "fp32" else "training.precision=fp32 first; if they stay, "
    return Finding(
        "updates are skipped",
        f"{len(recent)} of the last {window:,} updates had a loss or gradient that was not finite, and were left out",
        f"numbers overflow: the learning rate ({rates_now(history)}) is too high"
        + ("" if config.precision == "fp32" else ", or the precision too low for this model"),
        f"set {lower}{lower_rates(history, 0.3)}{longer_warm_up(history) if config.warmup_steps < 1000 else ''}",
        recent[0]["step"],
    )


def overfitting(history: History) -> Finding | None:
    """The measure that chooses the checkpoint gets worse while the training loss still falls.

    BLEU often goes on improving under a valid loss that rises, and then nothing is lost: whoever stopped there would lose. So the measure
    itself must have fallen: all of the last three validations lie 1 % below its best (training.metric), or it never came above 5 BLEU and
    has stopped rising. And with it, either the valid loss lies 2 % or more above its lowest in all three (10 % where training.patience
    watches over it already), or pairs are known by heart: the training loss (plain, as the valid loss is) is under a quarter of the valid
    loss. The training loss must have fallen by 0.02 nats since the lowest valid loss.
    """
    valid, metric = history.valid, history.config.training.metric
    if len(valid) < 4:
        return None
    best = min(range(len(valid)), key=lambda index: valid[index]["loss"])
    sign = -1 if metric == "loss" else 1
    chosen = max(range(len(valid)), key=lambda index: sign * valid[index][metric])
    lowest, last = valid[best]["loss"], valid[-1]["loss"]
    before, now = _train_near(history, valid[best]["step"]), _recent(history)
    if best >= len(valid) - 3 or not now < before - 0.02:
        return None
    limit = (1.1 if history.config.training.patience else 1.02) * lowest
    peak = valid[chosen][metric]
    fallen = all(sign * line[metric] < sign * peak - 0.01 * abs(peak) for line in valid[-3:])
    never_good = metric == "bleu" and peak < 5 and chosen < len(valid) - 3
    rises, by_heart = all(line["loss"] > limit for line in valid[-3:]), now < 0.25 * last and last - now > 1.5
    if not (fallen and (rises or by_heart)) and not (never_good and by_heart):
        return None
    step = valid[best]["step"]
    return Finding(
        "overfitting",
        f"the valid loss was lowest at step {step:,} ({lowest:.2f}) and is {last:.2f} now, while the training loss fell from "
        f"{before:.2f} to {now:.2f}; the best {metric} was at step {valid[chosen]['step']:,}",
        "the model learns the training pairs by heart: it is too large, or trains too long, for so few pairs",
        f"{_against_overfitting(history, valid[chosen]['step'])}; more pairs help most. The best weights so far are kept in "
        "checkpoints/best", step,
    )


def _against_overfitting(history: History, best_step: int) -> str:
    """The settings that counter it, with values."""
    config = history.config
    steps = []
    if config.model.dropout < 0.3:
        steps.append(f"model.dropout={min(0.3, config.model.dropout + 0.1):.2g} (now {config.model.dropout:g})")
    if not config.training.patience:
        steps.append("training.patience=5")
    else:
        steps.append(shorter(history, best_step))
    if config.tokenizer.sampling == 0:
        steps.append("tokenizer.sampling=0.1")
    return f"set {', '.join(steps)}, {ANOTHER_NAME}" if steps else "make the model smaller (model.d_model, model.encoder_layers)"


def valid_apart(history: History) -> Finding | None:
    """Valid loss far above training loss from the start, not by overfitting: see _apart for the threshold."""
    found = history.lasting(lambda line: _apart(history, line), 1.0)
    if not found:
        return None
    last = found[-1]
    train, ratio = _train_near(history, last["step"]), last.get("length_ratio", 1.0)
    seen = (f"the valid loss is {last['loss']:.2f} where the training loss is {train:.2f} (usually they are close), and BLEU is "
            f"{last['bleu']:.1f}")
    cause = "the valid files do not belong together line by line, their source and target are swapped, or they are another kind of text"
    if not 0.6 < ratio < 1.5:
        seen += f"; translations have {ratio:.2f} times the references' pieces"
        how = "shorter than in data.valid (cut off?)" if ratio < 1 else "longer than in data.valid (several sentences joined?)"
        cause = f"targets in data.train are much {how}; or {cause}"
    return Finding("valid pairs are unlike the training pairs", seen, cause,
                   f"{side_by_side(history, 'valid')}, and those of data.train, and set right what differs", found[0]["step"])


def _apart(history: History, line: dict) -> float:
    """How far a valid loss lies beyond what other text of the same languages costs (some tenths, or a nat): over 1 is too far.

    Both one and a half times and 1.5 nats above the training loss (plain, dropout on), in an epoch in which nothing can be known by heart
    yet or where the valid loss was last near its lowest; or never better than the frequencies of its pieces, which any decoder of the
    language beats. And only with a BLEU under 5, while the training loss has come below 3.5 nats.
    """
    now = _train_near(history, line["step"])
    if not (line["bleu"] < 5 and now < 3.5 and line["loss"] > now + 1.5):
        return 0.0
    lowest = min(other["loss"] for other in history.valid)
    near_lowest = [other for other in history.valid if other["loss"] <= 1.05 * lowest][-1:]
    early = [other for other in history.valid if _epoch_at(history, other["step"]) < BY_HEART]
    gaps = [(other["loss"], _train_near(history, other["step"])) for other in early + near_lowest]
    far = max(min(loss / (1.5 * train), (loss - train) / 1.5) for loss, train in gaps)
    return max(far, lowest / line.get("frequency_entropy", math.inf))


def ended_in_warm_up(history: History) -> Finding | None:
    """The run is over and the learning rate never reached its peak."""
    if not history.over or history.warm_step is not None or history.step < FEW or not history.train:
        return None
    config = history.config.training
    return Finding(
        "the run ended in its warm-up",
        f"the learning rate was still rising ({history.train[-1]['learning_rate']:.1e} of {config.learning_rate:g}) at the last update, "
        f"{history.step:,}",
        f"training.warmup_steps ({config.warmup_steps}) is not shorter than the run",
        f"set training.warmup_steps={max(1, history.step // 10)}, or train longer ({longer(history)})", 0,
    )


def too_few_updates(history: History) -> Finding | None:
    """The run is over before anything of it can be judged, and it translates nothing."""
    bleu = history.best_bleu
    if not history.over or not 0 < history.step < FEW or bleu is None or not bleu < 1:
        return None
    return Finding(
        "too few updates",
        f"This run ended after {history.step} update{'' if history.step == 1 else 's'}, far too few to learn from: BLEU {bleu:.2f} on the "
        "validation pairs",
        "the time, steps or epochs that were set are too few for this text and this machine",
        f"train longer, for thousands of updates; to begin with, twice as long: {longer(history)}", 0,
    )


def _blocks(lines: list[dict]) -> list[list[dict]]:
    """The log cut, from its end, into some thirty blocks of at least three lines: with log_every=1 a line is one noisy batch."""
    size = max(SMOOTH, len(lines) // 30)
    return [lines[max(0, end - size) : end] for end in range(len(lines), SMOOTH - 1, -size)][::-1]


def _level(lines: list[dict]) -> float:
    """The median training loss of some lines, plain: comparable with the valid loss."""
    return middle(line["negative_log_likelihood"] for line in lines)


def _recent(history: History) -> float:
    """The training loss now."""
    return _level(history.train[-max(SMOOTH, len(history.train) // 30) :])


def _epoch_at(history: History, step: int) -> int:
    """The epoch, from 0, that was logged last up to that step."""
    end = bisect_right(history.train, step, key=lambda line: line["step"])
    return history.train[end - 1].get("epoch", 0) if end else 0


def _train_near(history: History, step: int) -> float:
    """The training loss about that step: what was logged last up to it."""
    size = max(SMOOTH, len(history.train) // 30)
    end = bisect_right(history.train, step, key=lambda line: line["step"])
    return _level(history.train[max(0, end - size) : end])
