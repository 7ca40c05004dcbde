"""Weights as files, and a model from a run: safetensors with the tokenizer's hash in their metadata; nothing is pickled."""

import json
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load, save
from torch import Tensor

from mt.config import Config, ModelConfig
from mt.data.tokenizer import Tokenizer
from mt.decoding.precision import AFTER_DIVERGING, non_finite_weights
from mt.errors import RunError
from mt.model.build import build_model
from mt.model.interface import TranslationModel
from mt.runs import shown
from mt.stored_files import FORMAT, StoredModel, find_stored, opened_weights, read_held


def serialise(tensors: Mapping[str, Tensor], stamp: str) -> bytes:
    """Tensors as a safetensors file, with the format and the tokenizer's hash in its metadata."""
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    # One entry, because safetensors writes several in any order, and equal weights are to be equal files.
    return save(contiguous, metadata={"mt": json.dumps({"format": FORMAT, "tokenizer": stamp})})


def read_tensors(path: Path, stamp: str | None = None) -> dict[str, Tensor]:
    """The tensors of a safetensors file. RunError when it is missing, damaged, or made with another tokenizer than `stamp`."""
    with opened_weights(path, stamp, "pt") as stream:
        return {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118 - not a dict


def read_shapes(path: Path, stamp: str) -> dict[str, tuple[int, ...]]:
    """The shapes of the tensors in a safetensors file, which is read no further than that. RunError as read_tensors."""
    with opened_weights(path, stamp, "pt") as stream:
        return {name: tuple(stream.get_slice(name).get_shape()) for name in stream.keys()}  # noqa: SIM118 - not a dict


def parameters_of(model: TranslationModel) -> dict[str, Tensor]:
    """The trained tensors by name, tied ones once. What is written to them is known to who has prepared something from them.

    So they are detached: a parameter's `data` has a version counter of its own, and prepared weights would go on being used.
    """
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


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


def load_model(directory: Path) -> LoadedModel:
    """Load a run (its final weights, else its best, else its last checkpoint) or one checkpoint directory of a run.

    RunError when it is neither, is incomplete or damaged. What a stranger has put together cannot do harm: nothing in it is run, nothing
    outside the run's folder is read, and no more memory is taken than a few times what the weights' file has, and 64 MB.
    """
    return build_stored(find_stored(directory))


def build_stored(stored: StoredModel) -> LoadedModel:
    """The model of what `find_stored` has found. RunError as load_model."""
    weights, config, tokenizer = stored.weights, stored.config, stored.tokenizer
    sizes = config.model, len(tokenizer.source), len(tokenizer.target)
    held = None if stored.content is None else read_held(stored, load)
    shapes = read_shapes(weights, tokenizer.fingerprint()) if held is None else {name: tuple(one.shape) for name, one in held.items()}
    if config.model.encoder_layers + config.model.decoder_layers > len(shapes):
        raise RunError(
            f"{shown(weights)}: the weights do not belong to the configuration beside them: it has more layers than there are tensors"
        )
    size = weights.stat().st_size if stored.content is None else len(stored.content)  # of what is held, the file may be gone
    modest = 4 * _most_numbers(*sizes) <= 8 * size + 2**26
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
    tensors = read_tensors(weights, tokenizer.fingerprint()) if held is None else held
    broken = non_finite_weights(tensors)
    if broken is not None:
        raise RunError(f"{shown(weights)}: {broken} holds NaN or infinity: the training diverged before it was saved. {AFTER_DIVERGING}")
    load_parameters(model, tensors, weights)
    return LoadedModel(weights, config, tokenizer, model.eval())


def _most_numbers(config: ModelConfig, source_vocab: int, target_vocab: int) -> int:
    """About how many numbers a model of this configuration has at most, whatever its architecture."""
    rows = source_vocab + 2 * target_vocab + config.max_positions
    layers = config.encoder_layers + config.decoder_layers
    return rows * config.d_model + layers * (16 * config.d_model**2 + 3 * config.d_model * config.d_ff)
