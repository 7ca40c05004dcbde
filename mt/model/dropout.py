"""Dropout whose random numbers are cheap on a CPU and depend only on the seed and the step.

`torch.nn.functional.dropout` draws its numbers on one thread. Here a CPU draws whole 64-bit words (numpy's SFC64) and spends one
byte on each value. A GPU uses torch's own.
"""

import numpy
import torch
import torch.nn.functional as F  # noqa: N812 - the field's customary name
from torch import Tensor, nn

_LEVELS = 256


class _RandomBytes:
    """The source of dropout's random bytes on a CPU; reseeded before every training step."""

    def __init__(self) -> None:
        self.seed(0, 0)

    def seed(self, seed: int, step: int, rank: int = 0) -> None:
        """Start the stream that belongs to this seed, step and process."""
        entropy = [seed, step, rank] if rank else [seed, step]
        self._generator = numpy.random.Generator(numpy.random.SFC64(entropy))

    def draw(self, count: int) -> Tensor:
        """`count` fresh random bytes."""
        words = self._generator.integers(0, 2**64, size=(count + 7) // 8, dtype=numpy.uint64)
        return torch.from_numpy(words.view(numpy.uint8)[:count])


_random_bytes = _RandomBytes()


def hide_from_compiler() -> None:
    """To be called before anything is compiled: numpy's generators cannot be. Not done on import, since torch's compiler takes a second."""
    _RandomBytes.draw = torch.compiler.disable(_RandomBytes.draw)


def seed_dropout(seed: int, step: int, rank: int = 0) -> None:
    """Make all dropout that follows a function of (seed, step, rank): a resumed run needs no random state."""
    _random_bytes.seed(seed, step, rank)
    torch.manual_seed(seed * 1_000_003 + step + rank * 7_919_000_003)


class _KeepSome(torch.autograd.Function):
    """x · keep · scale, remembering one byte a value.

    A byte is converted to x's type before the product: torch multiplies bf16 by bool 2.9 times as slowly (docs/LOG.md, 2026-11-24).
    """

    @staticmethod
    def forward(ctx, x: Tensor, keep: Tensor, scale: float) -> Tensor:
        ctx.save_for_backward(keep)
        ctx.scale = scale
        return keep.to(x.dtype).mul_(x).mul_(scale)

    @staticmethod
    def backward(ctx, gradient: Tensor):
        (keep,) = ctx.saved_tensors
        return keep.to(gradient.dtype).mul_(gradient).mul_(ctx.scale), None, None


def cheap_dropout(x: Tensor, probability: float) -> Tensor:
    """Dropout on a CPU: with F.dropout instead a training step takes 1.30 times as long (docs/LOG.md, 2026-11-24).

    The probability is rounded to 1/256, and the scale is the exact inverse of the rounded one, so expectations are right.
    """
    dropped = min(round(probability * _LEVELS), _LEVELS - 1)
    if dropped == 0:
        return x
    keep = _random_bytes.draw(x.numel()).view(x.shape).ge_(dropped)  # in place: bytes of 0 and 1
    return _KeepSome.apply(x, keep, _LEVELS / (_LEVELS - dropped))


class Dropout(nn.Module):
    """Zeroes each value with the given probability while training and scales the rest up (Srivastava et al. 2014)."""

    def __init__(self, probability: float):
        super().__init__()
        self.probability = probability

    def forward(self, x: Tensor) -> Tensor:
        """x itself outside training."""
        if not self.training or self.probability == 0.0:
            return x
        if x.device.type == "cpu":
            return cheap_dropout(x, self.probability)
        return F.dropout(x, self.probability)
