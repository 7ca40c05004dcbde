"""What a search calculates in: fp32, bf16, or weights of 8 bits."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from mt.model.interface import TranslationModel, int8_products


@contextmanager
def calculating(model: TranslationModel, precision: str) -> Iterator[None]:
    """Inside, the model translates in this precision (decoding.precision); fp32 also means: as the caller's own autocast has it.

    bf16 by autocast, so that norms, softmax and log-probabilities stay in fp32 where autocast keeps them there. int8: every linear map in
    whole numbers of 8 bits, the rest in fp32. It is set for this thread, and for what is done in a copy of its context: other searches
    with the same model are not concerned. Raises DecodingError where the model or the machine cannot.
    """
    if precision == "bf16":
        with torch.autocast(model.output_weight_VD.device.type, dtype=torch.bfloat16):
            yield
        return
    if precision == "int8":
        model.check_int8()
    before = int8_products.set(precision == "int8")
    try:
        yield
    finally:
        int8_products.reset(before)


def cause_of_non_finite(model: TranslationModel, precision: str) -> str:
    """Why a model's logits are NaN or infinite, and what to do: it depends on the weights and on what was calculated in."""
    broken = non_finite_weights(dict(model.named_parameters()))
    if broken is not None:
        return f"{broken} holds NaN or infinity, since the training that made it diverged. {AFTER_DIVERGING}"
    if precision != "fp32" or torch.is_autocast_enabled(model.output_weight_VD.device.type):
        reduced = precision if precision != "fp32" else "bf16"
        return f"the weights are finite, but products overflow in {reduced}. Calculate in fp32: --precision fp32 (decoding.precision)"
    return f"the weights are finite, but so large that products overflow: the training diverged. {AFTER_DIVERGING}"


AFTER_DIVERGING = (
    "Use an earlier checkpoint (--model RUN/checkpoints/best), or train again with a lower training.learning_rate or more "
    "training.warmup_steps"
)
"""What to do about weights of a training that diverged; no precision helps."""


def non_finite_weights(tensors: Mapping[str, Tensor]) -> str | None:
    """The name of the first tensor, by name, that holds NaN or infinity; None when all are finite."""
    return next((name for name, tensor in sorted(tensors.items()) if not bool(tensor.isfinite().all())), None)
