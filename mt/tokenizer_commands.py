"""What `mt tokenizer inspect` does once its options are parsed: read the corpora, count, print."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from mt.config import Config
from mt.config_file import load_config, replace_fields
from mt.data.corpus import read_corpora
from mt.data.store import Joined
from mt.data.tokenizer import Tokenizer
from mt.errors import ConfigError, RunError
from mt.output import terminal_width

MOST_PAIRS = 200_000
"""Pairs that are counted; of more so many are taken evenly."""


@dataclass(frozen=True)
class TokenizerRequest:
    """What `mt tokenizer inspect` was asked."""

    config: str | None
    overrides: Sequence[str]
    model: str | None
    sizes: Sequence[str]


def inspect_tokenizer(request: TokenizerRequest) -> None:
    """Print how a run's tokenizer, or that of a configuration, cuts the training pairs; compare vocabulary sizes if asked."""
    from mt.data.encode import Fit
    from mt.data.tokenizer_report import examine
    from mt.data.tokenizer_text import report_text, sizes_text
    from mt.data.vocabulary_sizes import compare_sizes
    from mt.training.prepare import tokenizer_for

    config, tokenizer = _asked(request)
    compared = [replace_fields(config, {"tokenizer.vocab_size": size}, f"--sizes {size}") for size in _sizes(request.sizes)]
    corpora = read_corpora(config.data.train, "train", config.source, config.target)
    if tokenizer is None:
        tokenizer = tokenizer_for(config, corpora)
    sources, targets = (Joined([getattr(corpus, side) for corpus in corpora]) for side in ("sources", "targets"))
    fit = Fit(config.data.max_length, config.data.max_ratio)
    report = examine(tokenizer, sources, targets, (config.source, config.target), fit, MOST_PAIRS)
    parts = [report_text(tokenizer, report, config, terminal_width())]
    if compared:
        if sys.stderr.isatty():
            print(f"training {len(compared)} vocabularies …", file=sys.stderr)
        reports = compare_sizes(config, compared, sources, targets, MOST_PAIRS)
        parts += ["", sizes_text(reports, config, terminal_width())]
    print("\n".join(parts))


def _asked(request: TokenizerRequest) -> tuple[Config, Tokenizer | None]:
    """The configuration, and the tokenizer of a run."""
    from mt.runs import find_run, shown

    if request.config is not None and request.model is not None:
        raise ConfigError("give --config or --model, not both")
    if request.config is not None:
        return load_config(request.config, request.overrides), None
    run = find_run(request.model)
    if not run.exists():
        raise RunError(f"{shown(run.path)}: this is not a run directory of mt (there is no config.yaml)")
    config = load_config(run.config_path, request.overrides)
    return config, Tokenizer.load(run.path)


def _sizes(texts: Sequence[str]) -> list[int]:
    """The sizes asked for, each once: 4000 8000, or 4000,8000."""
    sizes: list[int] = []
    for text in (part for whole in texts for part in whole.replace(",", " ").split()):
        if not text.isascii() or not text.isdigit():
            raise ConfigError(f"--sizes: '{text}' is not a whole number; write --sizes 4000 8000 16000")
        sizes.append(int(text))
    return sorted(set(sizes))
