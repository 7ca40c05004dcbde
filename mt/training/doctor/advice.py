"""Next steps in words that can be typed: learning rates as settings, and commands that show pairs side by side."""

import math
import shlex
from pathlib import Path

from mt.config import CorpusConfig
from mt.runs import shown
from mt.training.continuing import train_longer
from mt.training.doctor.history import History
from mt.training.state import TrainingState

ANOTHER_NAME = "under another name (--set name=…)"
"""A run that goes on keeps its settings; this is how other ones are tried."""


LOW_RATE = 5e-5
"""A peak learning rate below this learns nothing in a usual number of updates: the settings that are published lie at 1e-4 to 5e-3."""
HIGH_RATE = 0.005
"""The highest learning rate (Adam's, or of what Muon leaves to AdamW) of the configurations that come with mt."""
HIGH_MUON_RATE = 0.02
"""Muon's, likewise."""


def rates_now(history: History) -> str:
    """The peak learning rates as they are set."""
    config = history.config.training
    muon = f"muon_learning_rate {config.muon_learning_rate:g}, " if config.optimizer == "muon" else ""
    return f"{muon}learning_rate {config.learning_rate:g}"


def lower_rates(history: History, factor: float) -> str:
    """The peak learning rates times a factor, as settings; no higher than any that trained well here, however far off they are."""
    config = history.config.training
    rate = f"training.learning_rate={min(config.learning_rate * factor, HIGH_RATE):.2g}"
    if config.optimizer != "muon":
        return rate
    return f"training.muon_learning_rate={min(config.muon_learning_rate * factor, HIGH_MUON_RATE):.2g} and {rate}"


def unusually_high(history: History) -> bool:
    """Whether a peak learning rate is above twice the highest of the configurations that come with mt."""
    config = history.config.training
    muon = config.optimizer == "muon" and config.muon_learning_rate > 2 * HIGH_MUON_RATE
    return muon or config.learning_rate > 2 * HIGH_RATE


def higher_rates(history: History) -> str:
    """Usual peak learning rates, as settings, for a run whose own are far below them."""
    muon = f"training.muon_learning_rate={HIGH_MUON_RATE:g} and " if history.config.training.optimizer == "muon" else ""
    return f"{muon}training.learning_rate=0.0007"


def longer_warm_up(history: History) -> str:
    """", and training.warmup_steps=…", twice as long but no more than a fifth of the run; nothing where it is as long already."""
    config = history.config.training
    steps = min(max(2 * config.warmup_steps, 500), config.max_steps // 5)
    return f", and training.warmup_steps={steps} (now {config.warmup_steps})" if steps > config.warmup_steps else ""


def longer(history: History) -> str:
    """The settings, with values, that let a run like this one train twice as long: those of all limits that ended it."""
    config = history.config.training
    epochs = history.train[-1].get("epoch", 0) + 1 if history.train else 0
    stopped = 0 < config.patience <= _without_gain(history)
    by_time = config.max_hours and not stopped and not 0 < config.max_epochs <= epochs
    summary = {
        "step": history.step, "max_steps": config.max_steps, "max_hours": config.max_hours, "epochs": epochs, "stopped_early": stopped,
        "schedule_step": (config.max_steps if by_time else 0) if config.max_hours else history.step, "seconds": 0.0,
    }  # fmt: skip
    found = train_longer(summary, config) or {"training.max_steps": str(2 * config.max_steps)}
    now = {"training.max_hours": f"{config.max_hours:g}", "training.max_epochs": config.max_epochs, "training.max_steps": config.max_steps,
           "training.patience": config.patience}  # fmt: skip
    return ", ".join(f"{key}={value}, now {now[key]}" for key, value in found.items())


def _without_gain(history: History) -> int:
    """How many of the last validations in a row had no better score than one before them."""
    metric, state = history.config.training.metric, TrainingState()
    for line in history.valid:
        state.note_score(line["step"], -line["loss"] if metric == "loss" else line.get(metric, math.nan), line["loss"])
    return state.validations_without_gain


def shorter(history: History, step: int) -> str:
    """The setting, with a value, that ends such a run about this update."""
    config = history.config.training
    if config.max_hours:
        hours = config.max_hours * step / max(1, history.step)
        return f"training.max_hours={max(0.01, hours):.2g} (now {config.max_hours:g})"
    return f"training.max_steps={step} (now {config.max_steps})"


def side_by_side(history: History, split: str) -> str:
    """Advice to read pairs of `train` or `valid`, with the command that shows the last ones: a line lost anywhere shows at the end."""
    return f"read the last pairs of data.{split} side by side{_command(history, split, 'tail -n 10')}"


def equal_sides(history: History) -> str:
    """Advice to take out the training pairs whose two sides are equal, with the command that counts them."""
    counted = _command(history, "train", "awk -F'\\t' '$1 == $2'", " | wc -l")
    return f"count the pairs of data.train whose two sides are equal, and take them out{counted}"


def _command(history: History, split: str, program: str, rest: str = "") -> str:
    """" (program FILE rest)" for the first corpus of a split that is tab-separated or plain text; nothing where none is."""
    corpora = getattr(history.config.data, split)
    commands = [command for corpus in corpora if (command := _on_pairs(corpus, program))]
    return f" ({commands[0]}{rest}{', and so for the other corpora' if len(corpora) > 1 else ''})" if commands else ""


def _on_pairs(corpus: CorpusConfig, program: str) -> str:
    """A shell command that gives a program source, tab, target of every pair; nothing where that takes more than a line."""
    if corpus.source is not None and corpus.target is not None:
        files = (corpus.source, corpus.target)
        if any(file.suffix == ".gz" for file in files):
            return f"paste {' '.join(f'<({_reader(file)} {_quoted(file)})' for file in files)} | {program}"
        return f"paste {' '.join(map(_quoted, files))} | {program}"
    if corpus.file is not None and corpus.file.name.endswith(".tsv.gz"):
        return f"zcat {_quoted(corpus.file)} | {program}"
    return f"{program} {_quoted(corpus.file)}" if corpus.file is not None and corpus.file.suffix == ".tsv" else ""


def _reader(file: Path) -> str:
    """What writes a text file's content."""
    return "zcat" if file.suffix == ".gz" else "cat"


def _quoted(file: Path) -> str:
    """A path for a shell."""
    return shlex.quote(shown(file))
