"""Weights as files, and a model from a run: safetensors with the tokenizer's hash in their metadata; nothing is pickled."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from mt.config import Config, ModelConfig
from mt.config_file import load_config
from mt.data.tokenizer import Tokenizer
from mt.errors import RunError
from mt.model.build import build_model
from mt.model.interface import TranslationModel
from mt.runs import RunDirectory, checkpoint_damage, file_hash, shown, weights_of

FORMAT = "mt-1"
"""Stands in the metadata of every weights file."""


def serialise(tensors: Mapping[str, Tensor], stamp: str) -> bytes:
    """Tensors as a safetensors file, with the format and the tokenizer's hash in its metadata."""
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    # One entry, because safetensors writes several in any order, and equal weights are to be equal files.
    return save(contiguous, metadata={"mt": json.dumps({"format": FORMAT, "tokenizer": stamp})})


def read_tensors(path: Path, stamp: str | None = None) -> dict[str, Tensor]:
    """The tensors of a safetensors file. RunError when it is missing, damaged, or made with another tokenizer than `stamp`."""
    with _opened(path, stamp) as stream:
        return {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118 - not a dict


def read_shapes(path: Path, stamp: str) -> dict[str, tuple[int, ...]]:
    """The shapes of the tensors in a safetensors file, which is read no further than that. RunError as read_tensors."""
    with _opened(path, stamp) as stream:
        return {name: tuple(stream.get_slice(name).get_shape()) for name in stream.keys()}  # noqa: SIM118 - not a dict


@contextmanager
def _opened(path: Path, stamp: str | None) -> Iterator[Any]:
    """A safetensors file of mt; what is wrong with it inside is a RunError."""
    try:
        with safe_open(path, framework="pt") as stream:
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


def parameters_of(model: TranslationModel) -> dict[str, Tensor]:
    """The trained tensors by name, tied ones once."""
    return {name: parameter.data for name, parameter in model.named_parameters()}


def load_parameters(model: TranslationModel, tensors: Mapping[str, Tensor], origin: Path) -> None:
    """Copy tensors into the model's parameters. RunError when names or shapes do not fit the configuration beside them."""
    own = parameters_of(model)
    refuse_other_shapes(own, {name: tuple(tensor.shape) for name, tensor in tensors.items()}, origin)
    with torch.no_grad():
        for name, tensor in tensors.items():
            own[name].copy_(tensor)
    model.train(model.training)  # what was prepared from the old weights is forgotten


def refuse_other_shapes(own: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]], origin: Path) -> None:
    """RunError when names or shapes are not those of the model's own tensors."""
    problems = [f"{name} is missing" for name in own.keys() - shapes.keys()]
    problems += [f"{name} is not part of the model" for name in shapes.keys() - own.keys()]
    problems += [
        f"{name} has the shape {shapes[name]}, not {tuple(own[name].shape)}"
        for name in own.keys() & shapes.keys()
        if tuple(own[name].shape) != shapes[name]
    ]
    if problems:
        raise RunError(
            f"{shown(origin)}: the weights do not belong to the configuration beside them: {sorted(problems)[0]}; put back the config.yaml "
            "that they were trained with"
        )


@dataclass(frozen=True)
class LoadedModel:
    """All that is needed to translate."""

    path: Path
    """The weights file."""
    config: Config
    tokenizer: Tokenizer
    model: TranslationModel
    """In evaluation mode, on the CPU, fp32."""


def refuse_damaged(run: RunDirectory, weights: Path) -> None:
    """RunError when weights are not, bit for bit, what training wrote; what has no hash is taken as it is."""
    advice = f"copy it again, or take another checkpoint of {shown(run.checkpoints_path)} with --model"
    if weights != run.weights_path:
        damage = checkpoint_damage(weights.parent, weights.name)
        if damage is not None:
            raise RunError(f"{shown(weights.parent)}: {damage}: damaged since; {advice}")
    elif run.summary_path.is_file() and run.read_json("summary.json").get("weights_sha256") not in (None, file_hash(weights)):
        raise RunError(f"{shown(weights)}: the weights are not as they were written: damaged since; {advice}")


def load_model(directory: Path) -> LoadedModel:
    """Load a run (its final weights, else its best, else its last checkpoint) or one checkpoint directory of a run.

    RunError when it is neither, is incomplete or damaged. What a stranger has put together cannot do harm: nothing in it is run, nothing
    outside the run's folder is read, and no more memory is taken than a few times what the weights' file has, and 64 MB.
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
    tokenizer = Tokenizer.load(run.path)
    sizes = config.model, len(tokenizer.source), len(tokenizer.target)
    shapes = read_shapes(weights, tokenizer.fingerprint())
    if config.model.encoder_layers + config.model.decoder_layers > len(shapes):
        raise RunError(
            f"{shown(weights)}: the weights do not belong to the configuration beside them: it has more layers than there are tensors"
        )
    modest = 4 * _most_numbers(*sizes) <= 8 * weights.stat().st_size + 2**26
    try:
        # The meta device takes no memory, however large the configuration says the model is, but loads torch's compiler: a second.
        with nullcontext() if modest else torch.device("meta"):
            model = build_model(*sizes)
    except (RuntimeError, OverflowError) as error:
        raise RunError(
            f"{shown(weights)}: the weights do not belong to the configuration beside them: {str(error).splitlines()[0]}"
        ) from error
    refuse_other_shapes(parameters_of(model), shapes, weights)
    model = model if modest else build_model(*sizes)
    load_parameters(model, read_tensors(weights, tokenizer.fingerprint()), weights)
    return LoadedModel(weights, config, tokenizer, model.eval())


def _most_numbers(config: ModelConfig, source_vocab: int, target_vocab: int) -> int:
    """About how many numbers a model of this configuration has at most, whatever its architecture."""
    rows = source_vocab + 2 * target_vocab + config.max_positions
    layers = config.encoder_layers + config.decoder_layers
    return rows * config.d_model + layers * (16 * config.d_model**2 + 3 * config.d_model * config.d_ff)
