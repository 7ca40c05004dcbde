"""The Transformer in numpy from a run's weights."""

import numpy

from mt.instant.layers import UnsuitedWeightsError
from mt.instant.transformer import Transformer
from mt.stored_files import StoredModel, read_held


def numpy_model(stored: StoredModel) -> Transformer:
    """The model of weights that are held. UnsuitedWeightsError for weights and architectures not computed here, RunError for damage."""
    tensors = read_held(stored)
    if any(tensor["dtype"] != "F32" for _, tensor in tensors):
        raise UnsuitedWeightsError("a type that numpy may not have")
    arrays = {name: numpy.frombuffer(tensor["data"], "<f4").reshape(tensor["shape"]) for name, tensor in tensors}
    return Transformer(stored.config.model, len(stored.tokenizer.source), len(stored.tokenizer.target), arrays)
