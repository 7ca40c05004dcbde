"""The Transformer's decoder as translating wants it: the arithmetic of DecoderLayer.step with the least possible number of calls.

Equal to the layers of transformer.py but for rounding (a test holds both side by side). What differs is only how: Q, K and V of the
self-attention are one product, 1/√K is part of Q's weights, sums go into what is there already, and no module is called. On one sentence
with a beam of 5 the calls, not the arithmetic, are what takes the time.

Legend in mt/model/interface.py and transformer_state.py; N is sentences times heads here.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from mt.model.attention import LEAST_QUERIES, PIECE, round_up_queries, sum_in_pieces
from mt.model.interface import Columns, output_rows
from mt.model.linear import Arithmetic
from mt.model.positions import RotaryPositions
from mt.model.transformer_state import Position


@dataclass
class PreparedNorm:
    """LayerNorm or RMSNorm."""

    weight: Tensor
    bias: Tensor | None
    eps: float

    @classmethod
    def of(cls, norm: nn.Module, dtype: torch.dtype) -> "PreparedNorm":
        """The weights of a norm."""
        bias = norm.bias.detach().to(dtype) if isinstance(norm, nn.LayerNorm) else None
        return cls(norm.weight.detach().to(dtype), bias, norm.eps)

    def __call__(self, x: Tensor) -> Tensor:
        """Each row normalised; x may have any shape."""
        if self.bias is None:
            return F.rms_norm(x, self.weight.shape, self.weight, self.eps)
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)


class PreparedLayer:
    """One decoder layer."""

    def __init__(self, layer: nn.Module, arithmetic: Arithmetic):
        own, cross, feed_forward = layer.self_attention, layer.cross_attention, layer.feed_forward
        self.num_heads = own.num_heads
        self.rotary: RotaryPositions | None = own.rotary
        self.pre = layer.self_attention_residual.pre
        scale = 1.0 / math.sqrt(own.q_proj.weight.shape[0] // own.num_heads)
        self.own_qkv = arithmetic.prepare([own.q_proj, own.k_proj, own.v_proj], scales=(scale, 1.0, 1.0))
        self.own_out = arithmetic.prepare([own.out_proj])
        self.cross_q = arithmetic.prepare([cross.q_proj], scales=(scale,))
        self.cross_kv = arithmetic.prepare([cross.k_proj, cross.v_proj])
        self.cross_out = arithmetic.prepare([cross.out_proj])
        self.activation = feed_forward.activation
        self.hidden = arithmetic.prepare([feed_forward.in_proj])
        self.gate = None if feed_forward.gate_proj is None else arithmetic.prepare([feed_forward.gate_proj])
        self.feed_forward_out = arithmetic.prepare([feed_forward.out_proj])
        residuals = (layer.self_attention_residual, layer.cross_attention_residual, layer.feed_forward_residual)
        self.own_norm, self.cross_norm, self.feed_forward_norm = (
            PreparedNorm.of(residual.norm, arithmetic.dtype) for residual in residuals
        )

    def step(self, x_BWD: Tensor, number: int, position: Position) -> Tensor:
        """One new target position for all W rows of every sentence; number: which layer this is. x_BWD is overwritten."""
        read_BWD = self.own_norm(x_BWD) if self.pre else x_BWD
        q_BHWK, new_PBHWK = self._own_parts(read_BWD, position.position_B)
        context_BWD = look(q_BHWK, *position.remember(number, new_PBHWK), position.tree_bias_B1WC)
        x_BWD = x_BWD.add_(self.own_out(context_BWD))
        x_BWD, read_BWD = (x_BWD, self.cross_norm(x_BWD)) if self.pre else (self.own_norm(x_BWD),) * 2

        q_BHWK = self.cross_q(read_BWD).unflatten(2, (self.num_heads, -1)).transpose(1, 2)
        context_BWD = look(q_BHWK, *position.source(number), position.cross_bias_B11S)
        x_BWD = x_BWD.add_(self.cross_out(context_BWD))
        x_BWD, read_BWD = (x_BWD, self.feed_forward_norm(x_BWD)) if self.pre else (self.cross_norm(x_BWD),) * 2

        x_BWD = x_BWD.add_(self.feed_forward_out(self._hidden(read_BWD)))
        return x_BWD if self.pre else self.feed_forward_norm(x_BWD)

    def _own_parts(self, read_BWD: Tensor, position_B: Tensor) -> tuple[Tensor, Tensor]:
        """q_BHWK, and keys and values stacked, new_PBHWK."""
        x_PBHWK = self.own_qkv(read_BWD).unflatten(2, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        if self.rotary is None:
            return x_PBHWK[0], x_PBHWK[1:]
        q_BHWK, k_BHWK, v_BHWK = x_PBHWK.unbind()
        return self.rotary(q_BHWK, position_B), torch.stack([self.rotary(k_BHWK, position_B), v_BHWK])

    def _hidden(self, read_BWD: Tensor) -> Tensor:
        """The feed-forward's hidden layer, after its non-linearity."""
        hidden_BWF = self.hidden(read_BWD)
        if self.gate is not None:
            return F.silu(self.gate(read_BWD)).mul_(hidden_BWF)
        return hidden_BWF.relu_() if self.activation == "relu" else F.gelu(hidden_BWF)


class PreparedDecoder:
    """All layers, the last norm and the output projection."""

    def __init__(self, layers: Sequence[nn.Module], norm: nn.Module, output_weight_VD: Tensor, arithmetic: Arithmetic):
        self.dtype = arithmetic.dtype
        """Of its input."""
        self.layers = [PreparedLayer(layer, arithmetic) for layer in layers]
        self.norm = None if isinstance(norm, nn.Identity) else PreparedNorm.of(norm, arithmetic.dtype)
        self.output = arithmetic.prepare_weight(output_weight_VD)
        self._arithmetic, self._output_weight_VD = arithmetic, output_weight_VD

    def sources(self, memory_BSD: Tensor) -> list[Tensor]:
        """Each layer's keys and values of the source, x_PBHSK."""
        memory_BSD = memory_BSD.to(self.dtype)
        parts = ((layer.cross_kv(memory_BSD).unflatten(2, (2, layer.num_heads, -1))) for layer in self.layers)
        return [x_BSPHK.permute(2, 0, 3, 1, 4).contiguous() for x_BSPHK in parts]

    def step(self, x_BWD: Tensor, position: Position) -> Tensor:
        """The embedded tokens through all layers; x_BWD is overwritten."""
        for number, layer in enumerate(self.layers):
            x_BWD = layer.step(x_BWD, number, position)
        return x_BWD

    def logits(self, x_GD: Tensor, columns: Columns | None = None) -> Tensor:
        """logits_GV of the decoder's last states; with columns, of these alone."""
        x_GD = x_GD if self.norm is None else self.norm(x_GD)
        logits_GV = self.output(x_GD) if columns is None else self._to_columns(columns)(x_GD)
        return logits_GV

    def _to_columns(self, columns: Columns) -> Callable[[Tensor], Tensor]:
        """The output projection to these columns, prepared once for each choice of them."""
        if id(self) not in columns.prepared:
            columns.prepared[id(self)] = self._arithmetic.prepare_weight(output_rows(self._output_weight_VD.detach(), columns))
        return columns.prepared[id(self)]


def look(q_BHQK: Tensor, k_BHMK: Tensor, v_BHMK: Tensor, bias: Tensor) -> Tensor:
    """Scaled queries ask: softmax(Q Kᵀ + bias) V, heads merged. bias has any shape that broadcasts to (B, 1, Q, M)."""
    B, H, Q, K = q_BHQK.shape
    if Q < LEAST_QUERIES and q_BHQK.dtype == torch.float32 and q_BHQK.device.type == "cpu":
        more, bias = round_up_queries(q_BHQK, bias)
        # Contiguous, or torch would not see that all sentences can be multiplied at once, and few rows alone add in another order.
        return look(more, k_BHMK, v_BHMK, bias)[:, :Q].contiguous()
    k_NMK, v_NMK = k_BHMK.flatten(0, 1), v_BHMK.flatten(0, 1)
    scores_NQM = torch.bmm(q_BHQK.reshape(B * H, Q, K), k_NMK.transpose(1, 2))
    scores_NQM.view(B, H, Q, -1).add_(bias)
    weights_NQM = torch.softmax(scores_NQM, dim=-1)
    if k_NMK.shape[1] <= PIECE or weights_NQM.device.type != "cpu":
        context_NQK = torch.bmm(weights_NQM, v_NMK)
    else:
        context_NQK = sum_in_pieces(weights_NQM, v_NMK)
    context_BQD = context_NQK.view(B, H, Q, K).transpose(1, 2).reshape(B, Q, H * K)
    return context_BQD
