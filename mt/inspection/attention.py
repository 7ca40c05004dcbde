"""Attention's weights, which the fast path never holds: while a context is open, every attention takes the explicit path."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from mt.model import attention
from mt.model.attention import MultiHeadAttention, attend_with_weights
from mt.model.dropout import Dropout
from mt.model.recurrent import AdditiveAttention

Observer = Callable[[str, Tensor | None, Tensor | None, Tensor | None, Tensor], None]
"""Called with an attention's name, q_BHQK, k_BHMK, the bias and weights_BHQM; additive attention has only the name and the weights."""


@contextmanager
def explicit_attention() -> Iterator[None]:
    """Inside, `attend` computes scores and weights one after the other, as in the textbook, on every device."""
    with _attending(lambda q_BHQK, k_BHMK, bias, weights_BHQM: None):
        yield


@contextmanager
def _attending(seen: Callable[[Tensor, Tensor, Tensor, Tensor], None]) -> Iterator[None]:
    """Inside, `attend` is the explicit path, also of compiled layers; seen: called with what each attention makes."""
    fast = attention.attend

    def attend(q_BHQK: Tensor, k_BHMK: Tensor, v_BHMK: Tensor, bias: Tensor, dropout: Dropout) -> Tensor:
        context_BHQK, weights_BHQM = attend_with_weights(q_BHQK, k_BHMK, v_BHMK, bias, dropout)
        seen(q_BHQK, k_BHMK, bias, weights_BHQM)
        return context_BHQK

    attention.attend = attend
    try:
        with torch.compiler.set_stance("force_eager"):
            yield
    finally:
        attention.attend = fast


@contextmanager
def observed_attention(model: nn.Module, see: Observer) -> Iterator[None]:
    """Inside, every forward pass shows `see` each attention under its module's name, such as decoder.2.cross_attention."""
    now = [""]
    hooks = []
    for name, module in model.named_modules():
        if isinstance(module, MultiHeadAttention):
            hooks.append(module.register_forward_pre_hook(lambda *_, name=name: now.__setitem__(0, name)))
        elif isinstance(module, AdditiveAttention):
            hooks.append(module.register_forward_hook(
                lambda _module, _inputs, output, name=name: see(name, None, None, None, output[1].unsqueeze(1))
            ))  # fmt: skip
    try:
        with _attending(lambda *made: see(now[0], *made)):
            yield
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def recorded_attention(model: nn.Module) -> Iterator[dict[str, list[Tensor]]]:
    """Inside, every attention of the model leaves its weights_BHQM under its module's name.

    One entry for each forward pass; a recurrent model's attention leaves one for each target position (weights_BWS as (B, 1, W, S)).
    """
    found: dict[str, list[Tensor]] = {}
    with observed_attention(model, lambda name, _q, _k, _bias, weights_BHQM: found.setdefault(name, []).append(weights_BHQM.detach())):
        yield found


def kind_and_layer(name: str) -> tuple[str, int]:
    """encoder, decoder or cross, and the layer from 1, of an attention's name; a recurrent model's one attention is its cross-attention."""
    steps = name.split(".")
    kind = "cross" if steps[-1] in ("cross_attention", "attention") else steps[0]
    return kind, int(steps[1]) + 1 if len(steps) == 3 else 1


def joined_weights(found: dict[str, list[Tensor]]) -> dict[str, Tensor]:
    """The weights_BHQM of each attention: of one forward pass as they are, of a recurrent model's positions one below the other."""
    return {name: torch.cat(parts, dim=2) for name, parts in found.items()}
