"""Next steps in words that can be typed: learning rates as settings, and commands that show pairs side by side."""

import shlex

from mt.config import CorpusConfig
from mt.runs import shown
from mt.training.doctor.history import History

ANOTHER_NAME = "under another name (--set name=…)"
"""A run that goes on keeps its settings; this is how other ones are tried."""


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


def higher_rates(history: History) -> str:
    """Usual peak learning rates, as settings, for a run whose own are far below them."""
    muon = f"training.muon_learning_rate={HIGH_MUON_RATE:g} and " if history.config.training.optimizer == "muon" else ""
    return f"{muon}training.learning_rate=0.0007"


def longer_warm_up(history: History) -> str:
    """", and training.warmup_steps=…", twice as long but no more than a fifth of the run; nothing where it is as long already."""
    config = history.config.training
    steps = min(max(2 * config.warmup_steps, 500), config.max_steps // 5)
    return f", and training.warmup_steps={steps} (now {config.warmup_steps})" if steps > config.warmup_steps else ""


def side_by_side(history: History, split: str) -> str:
    """Advice to read pairs of `train` or `valid`, with the command that shows the last ones: a line lost anywhere shows at the end."""
    corpora = getattr(history.config.data, split)
    commands = [command for corpus in corpora if (command := _last_pairs(corpus))]
    told = f" ({commands[0]}{', and so for the other corpora' if len(corpora) > 1 else ''})" if commands else ""
    return f"read the last pairs of data.{split} side by side{told}"


def _last_pairs(corpus: CorpusConfig) -> str:
    """A shell command that shows the last pairs of a corpus of text files; nothing for other kinds."""
    if corpus.source is not None and corpus.target is not None:
        files = [shlex.quote(shown(path)) for path in (corpus.source, corpus.target)]
        if any(file.endswith(".gz") for file in files):
            files = [f"<({'zcat' if file.endswith('.gz') else 'cat'} {file})" for file in files]
        return f"paste {' '.join(files)} | tail -n 10"
    if corpus.file is not None and corpus.file.suffix in (".tsv", ".csv", ".jsonl"):
        return f"tail -n 10 {shlex.quote(shown(corpus.file))}"
    return ""
