"""A run on the disk as translating needs it: which file has the weights, whether it is whole, and what belongs to it.

What a stranger has put together cannot do harm: nothing in it is run, and nothing outside the run's folder is read. Nothing heavy is
imported here.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, deserialize, safe_open

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
    weights_hash: str
    """The sha256 of the weights file, in hexadecimal."""
    content: bytes | None = None
    """The weights file itself, where it is held."""


def find_stored(directory: Path, hold: bool = False) -> StoredModel:
    """What a run (its final weights, else its best, else its last checkpoint) or one checkpoint directory of a run holds.

    hold: keep the content of the weights file, so that whatever is made of it later is made of these weights, also where a training
    replaces the file in the meantime. RunError when it is neither, is incomplete or damaged, or has links that lead out of it.
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
    content = weights.read_bytes() if hold else None
    weights_hash = file_hash(weights) if content is None else sha256(content).hexdigest()
    refuse_damaged(run, weights, weights_hash)
    return StoredModel(weights, config, Tokenizer.load(run.path), weights_hash, content)


def refuse_damaged(run: RunDirectory, weights: Path, weights_hash: str) -> None:
    """RunError when weights are not, bit for bit, what training wrote; what has no hash is taken as it is."""
    advice = f"copy it again, or take another checkpoint of {shown(run.checkpoints_path)} with --model"
    if weights != run.weights_path:
        damage = checkpoint_damage(weights.parent, weights.name, weights_hash)
        if damage is not None:
            raise RunError(f"{shown(weights.parent)}: {damage}: damaged since; {advice}")
    elif run.summary_path.is_file() and run.read_json("summary.json").get("weights_sha256") not in (None, weights_hash):
        raise RunError(f"{shown(weights)}: the weights are not as they were written: damaged since; {advice}")


@contextmanager
def opened_weights(path: Path, stamp: str | None, framework: str) -> Iterator[Any]:
    """A safetensors file of mt, whose tensors come as the framework's (pt or np); what is wrong with it inside is a RunError.

    stamp: the fingerprint of the tokenizer that it must have been made with, if any.
    """
    with _damage_told(path), safe_open(path, framework=framework) as stream:
        _refuse_other_tokenizer(path, stream.metadata(), stamp)
        yield stream


def read_held(stored: StoredModel, read: Callable[[bytes], Any] = deserialize) -> Any:
    """What `read` makes of weights that are held. RunError as above.

    safetensors' own `deserialize` gives a list of names, each with dtype (as safetensors names it), shape and data (bytes).
    """
    assert stored.content is not None
    with _damage_told(stored.weights):
        found = read(stored.content)  # looks at the header first
        header = json.loads(stored.content[8 : 8 + int.from_bytes(stored.content[:8], "little")])
        _refuse_other_tokenizer(stored.weights, header.get("__metadata__"), stored.tokenizer.fingerprint())
    return found


@contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    """Inside, what is wrong with a weights file is a RunError."""
    try:
        yield
    except FileNotFoundError as error:
        raise RunError(f"{shown(path)}: there are no weights here") from error
    except (SafetensorError, OSError, ValueError) as error:
        raise RunError(f"{shown(path)}: the weights are damaged or cut short ({error})") from error


def _refuse_other_tokenizer(path: Path, metadata: dict[str, str] | None, stamp: str | None) -> None:
    """RunError when weights were made with another tokenizer than that of this fingerprint (None: any)."""
    own = json.loads((metadata or {}).get("mt", "{}")).get("tokenizer")
    if stamp is not None and own != stamp:
        raise RunError(
            f"{shown(path)}: these weights were trained with another tokenizer (theirs begins "
            f"{str(own or '?')[:12]}, the one beside them {stamp[:12]}); put the run's own tokenizer "
            "back, or translate with the run that belongs to it"
        )
