"""From a run to a folder that another program translates with, checked before it is called done.

The folder is written beside its place and renamed when its check has passed; what does not pass leaves nothing behind. Beside the other
program's own files it holds the tokenizer and mt-export.json: what it was made from, how to decode, and the check's figures.
"""

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from mt.config import Config, ModelConfig
from mt.data.corpus import read_corpora
from mt.decoding.hypothesis import length_limit
from mt.errors import ExportError, MtError
from mt.export import ctranslate2, marian, onnx
from mt.export.check import ExportCheck, check
from mt.export.decoding import carry
from mt.export.manifest import MANIFEST
from mt.files import sync_directory, write_atomically
from mt.model.transformer import Transformer
from mt.runs import file_hash
from mt.translator import Translator

PROGRAMS = {"ctranslate2": ctranslate2, "marian": marian, "onnx": onnx}
"""What models can be exported to, and the module that writes for each."""
_CANDIDATES = 20
"""For each pair of the check, how many are looked at for one that fits."""
_MOST_POSITIONS = 1 << 14
"""Rows of a table of positions at most, where only translations of the longest source could need them."""


@dataclass(frozen=True)
class ExportResult:
    """A finished export."""

    folder: Path
    bytes: int
    """Of all its files together."""
    check: ExportCheck
    notes: list[str]
    """What of the run's decoding settings was left behind."""


def export(
    translator: Translator,
    program: str,
    quantization: str | None,
    folder: Path,
    lines: int,
    progress: Callable[[str], None] = lambda text: None,
) -> ExportResult:
    """Write the model for `program` into `folder`, which is replaced when it is an export already, and check it on so many pairs.

    ExportError when the model has no counterpart there, the package is missing, the place is taken, or the check fails.
    """
    if program not in PROGRAMS:
        raise ExportError(f"--to: '{program}' is none of {', '.join(PROGRAMS)}")
    if quantization is not None and program != "ctranslate2":
        raise ExportError(f"--quantization: weights for {program} are written in fp32; leave it out")
    if quantization is not None and quantization not in ctranslate2.QUANTIZATIONS:
        raise ExportError(f"--quantization: '{quantization}' is none of {', '.join(ctranslate2.QUANTIZATIONS)}")
    writer = PROGRAMS[program]
    reason = writer.refusal(translator.config.model)
    if reason is not None:
        others = ", ".join(name for name, other in PROGRAMS.items() if other.refusal(translator.config.model) is None)
        raise ExportError(f"this model cannot be exported to {program}, {reason}{f'; it can be exported to {others}' if others else ''}")
    if not isinstance(translator.model, Transformer):
        raise ExportError("an ensemble is exported run by run")
    writer.require()
    if folder.exists() and not (folder / MANIFEST).is_file():
        raise ExportError(f"{folder}: there is something else already; choose another place with --output")
    sources, references = pairs_to_check(translator, lines)
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        progress("writing")
        carried = carry(translator.config.decoding, program)
        written: dict[str, Any] = {"positions": positions_needed(translator.config, writer.POSITIONS)}
        if quantization is not None:
            written["quantization"] = quantization
        if program == "marian":
            written["settings"] = carried.settings
        writer.write(translator.model, translator.tokenizer, part, **written)
        translator.tokenizer.save(part)
        progress(f"checking on {len(sources)} pairs")
        side = writer.Exported(part, translator.tokenizer, torch.get_num_threads())
        positions = _positions(translator.config.model, written["positions"])
        found = check(translator, side, sources, references, positions)
        refused = found.refusal(quantization is not None)
        if refused is not None:
            raise ExportError(f"the export does not translate as the model does, and was not kept: {refused}")
        manifest = _manifest(translator, program, quantization, found) | {"positions": positions, "decoding": carried.settings}
        write_atomically(part / MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=2) + "\n")
        size = sum(path.stat().st_size for path in part.iterdir())
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(part, folder)
        sync_directory(folder.parent)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return ExportResult(folder, size, found, carried.notes)


def ways_out(config: ModelConfig) -> str:
    """What a training should know before it begins: which programs a model of this configuration can be exported to, which not, and why."""
    refused = {name: writer.refusal(config) for name, writer in PROGRAMS.items()}
    able = [name for name, reason in refused.items() if reason is None]
    unable = [f"Not {name}, {reason}." for name, reason in refused.items() if reason is not None]
    return " ".join([f"Can be exported to: {', '.join(able) or 'no other program'}.", *unable])


def positions_needed(config: Config, usual: int) -> int:
    """How many positions a table has: the usual number, or more where the run's longest texts and their translations need more."""
    longest = config.data.max_length
    return max(usual, longest, min(length_limit(longest - 1, config.decoding), _MOST_POSITIONS))


def _positions(config: ModelConfig, computed: int) -> int | None:
    """The most tokens of a side that the export can read or write; None: no limit."""
    return {"learned": config.max_positions, "rotary": None}.get(config.positions, computed)


def pairs_to_check(translator: Translator, lines: int) -> tuple[Sequence[str], Sequence[str]]:
    """That many of the run's validation pairs (its training pairs where there are none), evenly over all.

    Pairs with an empty side, or one that is longer than any in training, are left out. ExportError when no others are there.
    """
    config, tokenizer = translator.config, translator.tokenizer
    split = "valid" if config.data.valid else "train"
    try:
        corpora = read_corpora(getattr(config.data, split), split, config.source, config.target)
    except MtError as error:
        raise ExportError(f"the run's own pairs are needed to check the export, and cannot be read: {error}") from error
    pairs = [pair for corpus in corpora for pair in zip(corpus.sources, corpus.targets, strict=True)]
    pairs = pairs[:: max(1, len(pairs) // (_CANDIDATES * lines))]
    encoded = [encode([pair[side] for pair in pairs]) for side, encode in enumerate((tokenizer.encode_source, tokenizer.encode_target))]
    longest = config.data.max_length
    fitting = [pair for pair, *sides in zip(pairs, *encoded, strict=True) if all(1 < len(tokens) <= longest for tokens in sides)]
    if not fitting:
        raise ExportError(f"none of the run's {split} pairs can check the export: each has an empty side, or one of over {longest} tokens")
    count = min(lines, len(fitting))
    chosen = [fitting[number * len(fitting) // count] for number in range(count)]
    return [source for source, _ in chosen], [target for _, target in chosen]


def _manifest(translator: Translator, program: str, quantization: str | None, found: ExportCheck) -> dict:
    """What the folder says of itself."""
    config = translator.config
    return {
        "format": 1,
        "mt": version("mt-trainer"),
        "to": program,
        "quantization": quantization or "float32",
        "run": config.name,
        "weights": file_hash(translator.path) if translator.path is not None else None,
        "source": config.source,
        "target": config.target,
        "tokenizer": translator.tokenizer.fingerprint(),
        "max_length": config.data.max_length,
        "check": found.as_json(),
    }
