"""A run on the disk as translating needs it: which file has the weights, whether it is whole, and what belongs to it.

What a stranger has put together cannot do harm: nothing in it is run, and nothing outside the run's folder is read. Nothing heavy is
imported here.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from mt.config import Config
from mt.config_file import load_config
from mt.data.tokenizer import Tokenizer
from mt.errors import RunError
from mt.runs import RunDirectory, checkpoint_damage, file_hash, shown, weights_of

FORMAT = "mt-1"
"""Stands in the metadata of every weights file."""


@dataclass(frozen=True)
class StoredModel:
    """What lies in a run's folder."""

    weights: Path
    config: Config
    tokenizer: Tokenizer


def find_stored(directory: Path) -> StoredModel:
    """What a run (its final weights, else its best, else its last checkpoint) or one checkpoint directory of a run holds.

    RunError when it is neither, is incomplete or damaged, or has links that lead out of it.
    """
    if (directory / "state.json").is_file():
        run, weights = RunDirectory(directory.resolve().parent.parent), weights_of(directory)
    else:
        run = RunDirectory(directory)
        weights = run.weights_to_use()
    if not run.exists():
        raise RunError(f"{shown(directory)}: this is not a run directory of mt (there is no config.yaml)")
    for path in (run.config_path, weights, *run.path.glob("tokenizer*.model")):
        if path.exists() and not path.resolve().is_relative_to(run.path.resolve()):
            raise RunError(
                f"{shown(path)}: this is a link that leads out of the run's folder, and is not followed; put the file itself there"
            )
    config = load_config(run.config_path)
    if not weights.is_file():
        raise RunError(f"{shown(run.path)}: this run has saved no weights yet; go on with 'mt train --config {shown(run.config_path)}'")
    refuse_damaged(run, weights)
    return StoredModel(weights, config, Tokenizer.load(run.path))


def refuse_damaged(run: RunDirectory, weights: Path) -> None:
    """RunError when weights are not, bit for bit, what training wrote; what has no hash is taken as it is."""
    advice = f"copy it again, or take another checkpoint of {shown(run.checkpoints_path)} with --model"
    if weights != run.weights_path:
        damage = checkpoint_damage(weights.parent, weights.name)
        if damage is not None:
            raise RunError(f"{shown(weights.parent)}: {damage}: damaged since; {advice}")
    elif run.summary_path.is_file() and run.read_json("summary.json").get("weights_sha256") not in (None, file_hash(weights)):
        raise RunError(f"{shown(weights)}: the weights are not as they were written: damaged since; {advice}")


@contextmanager
def opened_weights(path: Path, stamp: str | None, framework: str) -> Iterator[Any]:
    """A safetensors file of mt, whose tensors come as the framework's (pt or np); what is wrong with it inside is a RunError.

    stamp: the fingerprint of the tokenizer that it must have been made with, if any.
    """
    try:
        with safe_open(path, framework=framework) as stream:
            metadata = json.loads((stream.metadata() or {}).get("mt", "{}"))
            if stamp is not None and metadata.get("tokenizer") != stamp:
                raise RunError(
                    f"{shown(path)}: these weights were trained with another tokenizer (theirs begins "
                    f"{metadata.get('tokenizer', '?')[:12]}, the one beside them {stamp[:12]}); put the run's own tokenizer "
                    "back, or translate with the run that belongs to it"
                )
            yield stream
    except FileNotFoundError as error:
        raise RunError(f"{shown(path)}: there are no weights here") from error
    except (SafetensorError, OSError, ValueError) as error:
        raise RunError(f"{shown(path)}: the weights are damaged or cut short ({error})") from error
