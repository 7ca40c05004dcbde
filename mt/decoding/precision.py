"""What a search calculates in: fp32, bf16, or weights of 8 bits."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

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
