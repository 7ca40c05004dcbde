"""Attention's weights, which the fast path never holds: while a context is open, every attention takes the explicit path."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor

from mt.model import attention
from mt.model.attention import attend_with_weights
from mt.model.dropout import Dropout


@contextmanager
def explicit_attention() -> Iterator[None]:
    """Inside, `attend` computes scores and weights one after the other, as in the textbook, on every device."""
    fast = attention.attend

    def attend(q_BHQK: Tensor, k_BHMK: Tensor, v_BHMK: Tensor, bias: Tensor, dropout: Dropout) -> Tensor:
        context_BHQK, _ = attend_with_weights(q_BHQK, k_BHMK, v_BHMK, bias, dropout)
        return context_BHQK

    attention.attend = attend
    try:
        yield
    finally:
        attention.attend = fast
