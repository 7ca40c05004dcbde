"""Linear maps by the faster of two libraries when nothing is to be differentiated on a CPU.

torch multiplies fp32 matrices with MKL, which keeps to 256-bit registers on AMD's processors; oneDNN, which torch brings along as well,
uses all there is. On 2 Zen 5 cores one thread gets 97 GFLOP/s from the one and 217 to 245 from the other (docs/LOG.md, 2026-11-25). Both
give a row the same bits however many rows there are beside it (beyond the few that TranslationModel.least_rows is for).
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from mt.model.interface import int8_products

_FEW_ROWS = 32
_SHORT_SUM = 128
"""Up to this many terms both libraries add in the same order, and for few rows MKL is called in half the time."""
_SMALL = 256 * 256
"""Weights of up to so many numbers are small."""
_USUAL_ROWS = 256
_LARGEST = 127.0
_ZERO = 128
"""What 0 is in a row of whole numbers: oneDNN multiplies unsigned rows fast with VNNI and with AMX, signed ones with AMX alone."""
_TINY = 1e-30
"""The scale of numbers that are all zero."""
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

    takes_int8 = False
    """Whether it multiplies by whole numbers of 8 bits while `int8_products` is set and nothing is to be differentiated."""
    _whole: "tuple[tuple, Int8Linear] | None" = None

    def forward(self, x: Tensor) -> Tensor:
        """x · Wᵀ + b."""
        if self.takes_int8 and not torch.is_grad_enabled() and not torch.compiler.is_compiling() and int8_products.get():
            return self._in_whole_numbers()(x)
        return linear(x, self.weight, self.bias)

    def _in_whole_numbers(self) -> "Int8Linear":
        """This map in 8 bits; made again only when the weights have changed since."""
        versions = tuple((weight.data_ptr(), weight._version) for weight in self.parameters())
        whole = self._whole  # another thread may replace it
        if whole is None or whole[0] != versions:
            whole = versions, Int8Linear(self.weight.detach(), None if self.bias is None else self.bias.detach())
            self._whole = whole
        return whole[1]

    def train(self, mode: bool = True) -> "Linear":
        """As nn.Module's; the map in 8 bits is forgotten, since training changes weights."""
        self._whole = None
        return super().train(mode)


class PreparedLinear:
    """A linear map whose weight also lies as oneDNN wants it."""

    def __init__(self, weight: Tensor, bias: Tensor | None):
        self.weight, self.bias = weight, bias
        self.packed = None
        self._numbers_of_few = 0
        if _ONEDNN and weight.device.type == "cpu" and weight.dtype in (torch.float32, torch.bfloat16):
            self.packed = torch.ops.mkldnn._reorder_linear_weight(weight, _USUAL_ROWS)
            if weight.shape[1] <= _SHORT_SUM and weight.numel() <= _SMALL and weight.dtype == torch.float32:
                self._numbers_of_few = _FEW_ROWS * weight.shape[1]

    def __call__(self, x: Tensor) -> Tensor:
        """x · Wᵀ + b; x may have any shape."""
        if self.packed is None or x.numel() < self._numbers_of_few:
            return F.linear(x, self.weight, self.bias)
        return torch.ops.mkldnn._linear_pointwise(x, self.packed, self.bias, "none", [], "")


class Int8Linear:
    """A linear map in whole numbers of 8 bits: one scale for each output, and one for each row of x, found as it comes.

    So a row's result does not depend on the rows beside it, to the last bit. The weights are off by at most half a step of a 127th of the
    largest of their output. Only where `has_int8`.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None):
        weight_OI = weight.float()
        self.bias = bias
        self.scale_O = (weight_OI.abs().amax(dim=1) / _LARGEST).clamp_min(_TINY)
        self.zero_O = torch.zeros(len(weight_OI), dtype=torch.int32)
        whole_OI = (weight_OI / self.scale_O[:, None]).round().to(torch.int8)
        self.packed = torch.ops.onednn.qlinear_prepack(whole_OI, [_USUAL_ROWS, weight_OI.shape[1]])

    def __call__(self, x: Tensor) -> Tensor:
        """x · Wᵀ + b in fp32; x may have any shape."""
        x_RI = x.flatten(0, -2)
        scale_R1 = x_RI.abs().amax(dim=1, keepdim=True).div_(_LARGEST).clamp_min_(_TINY)
        whole_RI = x_RI.div(scale_R1).add_(_ZERO + 0.5).to(torch.uint8)
        result_RO = torch.ops.onednn.qlinear_pointwise(
            whole_RI, 1.0, _ZERO, self.packed, self.scale_O, self.zero_O, None, 1.0, 0, torch.float32, "none", [], ""
        ).mul_(scale_R1)
        if self.bias is not None:
            result_RO.add_(self.bias)
        return result_RO.view(*x.shape[:-1], -1)


class Arithmetic(NamedTuple):
    """What translating calculates in."""

    dtype: torch.dtype
    """Of everything but int8 products."""
    int8: bool = False
    """Whether linear maps are of whole numbers."""

    def prepare(self, layers: Sequence[nn.Linear], scales: Sequence[float] | None = None) -> PreparedLinear | Int8Linear:
        """Several maps of one input side by side, each times a scale (None: as they are)."""
        parts = [*zip(layers, scales or [1.0] * len(layers), strict=True)]
        weight = torch.cat([layer.weight.detach() * scale for layer, scale in parts])
        bias = torch.cat([layer.bias.detach() * scale for layer, scale in parts])
        return self.prepare_weight(weight, bias)

    def prepare_weight(self, weight: Tensor, bias: Tensor | None = None) -> PreparedLinear | Int8Linear:
        """One map."""
        if self.int8:
            return Int8Linear(weight, bias)
        return PreparedLinear(weight.detach().to(self.dtype), None if bias is None else bias.to(self.dtype))


def has_int8(device: torch.device) -> bool:
    """Whether this machine multiplies whole numbers of 8 bits faster than others: a CPU with VNNI or AMX, and torch with oneDNN."""
    known = _ONEDNN and hasattr(torch.ops.onednn, "qlinear_prepack") and hasattr(torch.ops.onednn, "qlinear_pointwise")
    return known and device.type == "cpu" and torch.cpu._is_vnni_supported()
