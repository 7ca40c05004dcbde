"""Other weights in a model for a moment: an average is measured without disturbing the training."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor

from mt.model.interface import TranslationModel
from mt.stored_model import parameters_of


@contextmanager
def borrowed_weights(model: TranslationModel, weights: dict[str, Tensor] | None) -> Iterator[None]:
    """Inside, the model computes with `weights` (None: with its own); afterwards with its own again, bit for bit."""
    if weights is None:
        yield
        return
    own = {name: tensor.clone() for name, tensor in parameters_of(model).items()}
    try:
        for name, tensor in parameters_of(model).items():
            tensor.copy_(weights[name])
        yield
    finally:
        for name, tensor in parameters_of(model).items():
            tensor.copy_(own[name])
