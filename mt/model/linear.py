"""Linear maps by the faster of two libraries when nothing is to be differentiated on a CPU.

torch multiplies fp32 matrices with MKL, which keeps to 256-bit registers on AMD's processors; oneDNN, which torch brings along as well,
uses all there is. On 2 Zen 5 cores one thread gets 97 GFLOP/s from the one and 217 to 245 from the other (docs/LOG.md, 2026-11-25). Both
give a row the same bits however many rows there are beside it (beyond the few that TranslationModel.least_rows is for).
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

_FEW_ROWS = 32
_SHORT_SUM = 128
"""Up to this many terms both libraries add in the same order, and for few rows MKL is called in half the time."""
_SMALL = 256 * 256
"""Weights of up to so many numbers are small."""
_USUAL_ROWS = 256
_ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """F.linear, through oneDNN where that is faster. x may have any shape, hence no dimensions in the names."""
    if not _ONEDNN or torch.is_grad_enabled() or x.dtype != torch.float32 or x.device.type != "cpu":
        return F.linear(x, weight, bias)
    if torch.is_autocast_enabled("cpu") or torch.compiler.is_compiling():
        return F.linear(x, weight, bias)
    if x.shape[-1] <= _SHORT_SUM and x.numel() < _FEW_ROWS * x.shape[-1] and weight.numel() <= _SMALL:
        return F.linear(x, weight, bias)
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


class Linear(nn.Linear):
    """nn.Linear through `linear`: same parameters, same values, in training the same arithmetic."""

    def forward(self, x: Tensor) -> Tensor:
        """x · Wᵀ + b."""
        return linear(x, self.weight, self.bias)


class PreparedLinear:
    """A linear map, of several side by side if need be, whose weight also lies as oneDNN wants it."""

    def __init__(self, weight: Tensor, bias: Tensor | None):
        self.weight, self.bias = weight, bias
        self.packed = None
        self._numbers_of_few = 0
        if _ONEDNN and weight.device.type == "cpu" and weight.dtype in (torch.float32, torch.bfloat16):
            self.packed = torch.ops.mkldnn._reorder_linear_weight(weight, _USUAL_ROWS)
            if weight.shape[1] <= _SHORT_SUM and weight.numel() <= _SMALL and weight.dtype == torch.float32:
                self._numbers_of_few = _FEW_ROWS * weight.shape[1]

    @classmethod
    def of(cls, layers: Sequence[nn.Linear], dtype: torch.dtype, scales: Sequence[float] | None = None) -> "PreparedLinear":
        """Several maps of one input side by side, each times a scale (None: as they are)."""
        parts = [*zip(layers, scales or [1.0] * len(layers), strict=True)]
        weight = torch.cat([layer.weight.detach() * scale for layer, scale in parts])
        bias = torch.cat([layer.bias.detach() * scale for layer, scale in parts])
        return cls(weight.to(dtype), bias.to(dtype))

    def __call__(self, x: Tensor) -> Tensor:
        """x · Wᵀ + b; x may have any shape."""
        if self.packed is None or x.numel() < self._numbers_of_few:
            return F.linear(x, self.weight, self.bias)
        return torch.ops.mkldnn._linear_pointwise(x, self.packed, self.bias, "none", [], "")
