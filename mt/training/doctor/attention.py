"""What the doctor reads from projections.jsonl: attention that has collapsed or never sharpened, updates too small or too large.

A line holds for every attention ("encoder.0.self_attention", "decoder.1.cross_attention", …) lists with one number per head.
"""

import math
from collections.abc import Callable

from mt.training.doctor.advice import ANOTHER_NAME, LOW_RATE, higher_rates, longer_warm_up, lower_rates, rates_now, side_by_side
from mt.training.doctor.history import Finding, History, middle

MATRICES = ("q", "k", "v", "o")
RECENT = 1 / 3
"""Records made before this share of the updates say nothing of the state now: on a slow machine two in a row can lie far apart."""


def updates(history: History) -> Finding | None:
    """Updates too small to learn from, or so large that they undo what was learnt.

    The ratio of an update's norm to its weights' norm is about 1e-3 in trainings that work (more with Muon). Thresholds, for the median
    over all heads and matrices in three records in a row: under 1e-5 where the learning rate is not near its end; over 0.1 after the
    warm-up.
    """
    config, warm = history.config.training, history.warm_step
    lines = [line for line in history.projections if warm is not None and line["step"] > warm][-3:]
    ratios = [middle(_ratios(line)) for line in lines]
    if len(lines) < 3:
        return None
    high_rate = all(_rate_at(history, line["step"]) > 0.3 * config.learning_rate for line in lines)
    if all(ratio < 1e-5 for ratio in ratios) and high_rate:
        name, low = "updates are too small", config.learning_rate < LOW_RATE
        cause = "too low" if low else "so high that the weights have grown out of reach, where softmax has no gradient"
    elif all(ratio > 0.1 for ratio in ratios):
        name, low, cause = "updates are too large", False, "too high"
    else:
        return None
    return Finding(
        name, f"an update changes the attention's matrices by {ratios[-1]:.1e} of their norm (usual: 1e-4 to 3e-2)",
        f"the learning rate ({rates_now(history)}) is {cause}",
        f"set {higher_rates(history) if low else lower_rates(history, 0.1)}, {ANOTHER_NAME}", lines[0]["step"],
    )


def _rate_at(history: History, step: int) -> float:
    """The learning rate as it was logged last up to that step."""
    return next((line["learning_rate"] for line in reversed(history.train) if line["step"] <= step), 0.0)


def _ratios(line: dict) -> list[float]:
    """All update ratios of a line."""
    found = []
    for record in _attentions(line).values():
        for matrix in MATRICES:
            found += _numbers((record.get(matrix) or {}).get("update_ratio"))
    return found


def collapsed(history: History) -> Finding | None:
    """Every head of an attention looks at one place only, and translations are poor.

    Threshold: under 0.02 of the highest possible entropy in all heads, in the last two records, and a BLEU under 5: a sharp attention is
    what a good model has too, in some layers.
    """
    poor = history.judged()[-1:] and history.judged()[-1].get("bleu", 100.0) < 5
    names = _attentions_where(history, _pointed) if poor else []
    if not names:
        return None
    return Finding(
        "attention has collapsed",
        f"all heads of {' and '.join(names)} put all their weight on one position (entropy under 2 % of the highest), and BLEU is "
        f"{history.judged()[-1]['bleu']:.1f}",
        "scores have grown so large that softmax has no gradient: the learning rate is too high or the warm-up too short",
        f"set {lower_rates(history, 0.3)}{longer_warm_up(history)}, {ANOTHER_NAME}",
        _since(history, names, _pointed),
    )


def never_sharpened(history: History) -> Finding | None:
    """Cross-attention still looks everywhere alike, late in the run, and nothing is translated.

    Threshold: over 0.95 of the highest possible entropy in all heads of all decoder layers, in the last two records, with half of the run
    or three validations after the warm-up behind it, and a BLEU under 2.
    """
    judged = history.judged()
    if not judged or not (history.late() or len(judged) >= 3) or not judged[-1].get("bleu", 100.0) < 2:
        return None
    names = _attentions_where(history, _flat, _is_cross)
    last = [name for name in _attentions(history.projections[-1]) if _is_cross(name)] if history.projections else []
    if not names or len(names) < len(last):
        return None
    return Finding(
        "cross-attention never sharpened",
        f"all heads of {', '.join(names)} still spread their weight over the whole source (entropy over 95 % of the highest), and BLEU is "
        f"{judged[-1]['bleu']:.1f}",
        "the decoder has found nothing in the source that helps: the lines of the two sides do not belong together, or source and target "
        "files are of different corpora",
        side_by_side(history, "train"), _since(history, names, _flat),
    )


def _is_cross(name: str) -> bool:
    """Whether an attention looks from the target to the source: a recurrent model's only one is called "attention"."""
    return name.endswith("cross_attention") or name == "attention"


def _attentions_where(
    history: History, holds: Callable[[list[float]], bool], chosen: Callable[[str], bool] = lambda _: True
) -> list[str]:
    """The attentions whose entropy shares fulfil a condition in both of the last two records; none where these are old."""
    recent = [line for line in history.projections[-2:] if line["step"] >= RECENT * history.step]
    names = [name for name in _attentions(recent[-1]) if chosen(name)] if len(recent) > 1 else []
    return [name for name in names if all(_holds(line, name, holds) for line in recent)]


def _since(history: History, names: list[str], holds: Callable[[list[float]], bool]) -> int:
    """The step of the first record from which on these attentions fulfil the condition."""
    since = history.projections[-1]["step"]
    for line in reversed(history.projections):
        if not all(_holds(line, name, holds) for name in names):
            break
        since = line["step"]
    return since


def _holds(line: dict, name: str, holds: Callable[[list[float]], bool]) -> bool:
    """Whether the entropy shares of one attention's heads fulfil the condition in one record."""
    shares = _numbers(_attentions(line).get(name, {}).get("entropy_share"))
    return bool(shares) and holds(shares)


def _pointed(shares: list[float]) -> bool:
    return max(shares) < 0.02


def _flat(shares: list[float]) -> bool:
    return min(shares) > 0.95


def _attentions(line: dict) -> dict[str, dict]:
    """The records of one line by attention; none where a line has another form."""
    attention = line.get("attention")
    return {name: record for name, record in attention.items() if isinstance(record, dict)} if isinstance(attention, dict) else {}


def _numbers(values: object) -> list[float]:
    """The finite numbers of a list, whatever else stands in it."""
    values = values if isinstance(values, list) else [values]
    return [value for value in values if isinstance(value, int | float) and math.isfinite(value)]
