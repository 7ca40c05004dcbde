"""What a run has recorded so far, as the doctor reads it: metrics.jsonl, projections.jsonl, the configuration, whether it has ended."""

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from mt.config import Config

YOUNG = 300
"""Updates before which nothing is said about translations: the first hundreds give the same few words for everything in any run."""
PLATEAU = 0.95
"""A valid loss above this share of the last one has stopped falling fast; a run that is learning quickly is left alone."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a run."""

    name: str
    """A few words, always the same ones, by which it is known: what was said once is not said again."""
    seen: str
    """What was seen: figures, and what they would be if all were well."""
    cause: str
    """What it usually comes from, the most probable first."""
    next: str
    """The next thing to do, with keys of the configuration and values."""
    since: int
    """The update from which on it has been so."""


@dataclass(frozen=True)
class History:
    """All that was recorded, oldest first; lines as dictionaries with at least "step"."""

    config: Config
    train: list[dict] = field(default_factory=list)
    """Every training.log_every updates: loss, negative_log_likelihood, learning_rate, gradient_norm, epoch."""
    valid: list[dict] = field(default_factory=list)
    """Every validation: loss, bleu, chrf and, in runs that recorded them, the figures of mt/training/outputs.py."""
    skipped: list[dict] = field(default_factory=list)
    """Every update that was left out because its loss or gradient was not finite."""
    projections: list[dict] = field(default_factory=list)
    """Attention's entropies and update ratios; empty where the run did not record them."""
    told: frozenset[str] = frozenset()
    """Names of the findings that were said while the run trained."""
    over: bool = False
    """Whether no more updates will be made."""
    summary: dict = field(default_factory=dict)
    """The content of summary.json; empty while the run is not finished."""

    @property
    def step(self) -> int:
        """The last update of which something is known."""
        steps = [line["step"] for kind in (self.train, self.valid, self.skipped) for line in kind]
        return max([self.summary.get("step", 0), *steps])

    @property
    def best_bleu(self) -> float | None:
        """The highest BLEU of a validation or of the final weights; None where nothing was validated."""
        found = [line["bleu"] for line in (*self.valid, self.summary.get("valid") or {}) if "bleu" in line]
        return max(found, default=None)

    @property
    def warm_step(self) -> int | None:
        """The update at which the warm-up was seen to be over: the learning rate has reached its peak, or falls. None: not yet.

        Told by the learning rates themselves, since training.max_hours stretches the schedule.
        """
        highest = 0.0
        for line in self.train:
            rate = line["learning_rate"]
            if rate >= 0.99 * self.config.training.learning_rate or rate < highest:
                return line["step"]
            highest = rate
        return None

    def late(self, share: float = 0.5) -> bool:
        """Whether that share of the run is behind it. Under a deadline steps tell nothing, and the learning rate is asked."""
        config = self.config.training
        if self.over:
            return True
        if not config.max_hours:
            return self.step >= share * config.max_steps
        falling = config.schedule in ("linear", "cosine") and self.warm_step is not None
        return falling and self.train[-1]["learning_rate"] <= (1.0 - share) * config.learning_rate

    def judged(self) -> list[dict]:
        """The validations whose translations may be judged: after the warm-up and the first hundreds of updates."""
        warm = self.warm_step
        return [] if warm is None else [line for line in self.valid if line["step"] >= max(warm, YOUNG)]

    def lasting(self, badness: Callable[[dict], float], threshold: float) -> list[dict]:
        """The last validations in a row in which badness was above the threshold; empty unless it is there to stay.

        It stays when three in a row have it and it does not shrink, or two and the valid loss has stopped falling fast or half of the run
        is over, or when the run has ended with it.
        """
        found: list[dict] = []
        for line in reversed(self.judged()):
            if not badness(line) > threshold:  # also when the figure is NaN
                break
            found.insert(0, line)
        if not found or self.over:
            return found
        shrinking = badness(found[-1]) < 0.8 * badness(found[0])
        stopped = len(found) >= 2 and not found[-1]["loss"] < PLATEAU * found[-2]["loss"]
        enough = len(found) >= 3 or (len(found) == 2 and (stopped or self.late()))
        return found if enough and not shrinking else []


def read_history(directory: Path, config: Config, over: bool) -> History:
    """The history of the run in this directory. Lines that were cut short, and files that are not there, are passed over."""
    kinds: dict[str, list[dict]] = {"train": [], "valid": [], "skipped": [], "doctor": []}
    for line in _lines(directory / "metrics.jsonl"):
        kinds.get(line.get("kind", ""), []).append(line)
    told = frozenset(line.get("finding", "") for line in kinds["doctor"])
    projections = [line for line in _lines(directory / "projections.jsonl") if line.get("attention")]  # rnn has none
    summary = _summary(directory / "summary.json") if over else {}
    return History(config, kinds["train"], kinds["valid"], kinds["skipped"], projections, told, over, summary)


def _summary(path: Path) -> dict:
    """The content of summary.json; empty where there is none."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _lines(path: Path) -> list[dict]:
    """The objects of a file of JSON lines that have a step."""
    if not path.is_file():
        return []
    found = []
    for text in path.read_text(encoding="utf-8").split("\n"):
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and "step" in line:
            found.append(line)
    return found


def middle(values: Iterable[float]) -> float:
    """The median of the finite values; NaN of none, so that no comparison with it is true."""
    finite = [value for value in values if math.isfinite(value)]
    return median(finite) if finite else math.nan


def percent(share: float) -> str:
    """0.97 as "97 %"; below one in a hundred with a decimal."""
    return f"{100 * share:.0f} %" if share >= 0.01 or share == 0 else f"{100 * share:.1f} %"
