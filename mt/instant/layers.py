"""The layers of the Transformer in numpy: maps, norms, attention, feed-forward, for one sentence at a time.

What does not change between steps is multiplied once: norms are part of the maps that follow them, a source's keys and values of the
projections. Dimensions: those of transformer.py, and E places of all heads in the source, H · S.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy
from numpy import ndarray

from mt.config import ModelConfig

BLOCK = 64
"""Outputs of a large map that are computed together."""
_LARGE = 100_000
"""Numbers from which a map is large."""
_LAYER_NORM_EPS, _RMS_NORM_EPS = numpy.float32(1e-5), numpy.float32(1e-6)
"""torch's default, and what build_norm of mt/model/transformer.py gives."""


class UnsuitedWeightsError(Exception):
    """The weights are not those of the configuration, or of a kind that is not computed here. Whoever can say more should load them."""


class Weights:
    """The tensors of a run, each taken once under its name, in the shape that the configuration says."""

    def __init__(self, tensors: Mapping[str, ndarray]):
        self._left = dict(tensors)

    def take(self, name: str, *shape: int) -> ndarray:
        """The tensor of that name. UnsuitedWeightsError when it is not there, or is of another shape or type."""
        tensor = self._left.pop(name, None)
        if tensor is None or tensor.shape != shape or tensor.dtype != numpy.float32:
            raise UnsuitedWeightsError(name)
        return tensor

    def finish(self) -> None:
        """UnsuitedWeightsError when something is left over."""
        if self._left:
            raise UnsuitedWeightsError(min(self._left))


class Blocks:
    """x Wᵀ with W cut into blocks of 64 outputs, each as the product wants it.

    A BLAS library brings a large matrix into another order before it multiplies, which for a few rows takes longer than the product; small
    ones it takes as they are. 5 rows times (512, 2048) take 0.13 ms instead of 0.34, times (128, 10000) 0.15 instead of 0.34
    (docs/LOG.md, 2026-11-27).
    """

    def __init__(self, weight: ndarray):
        """weight: (outputs, inputs), as torch has it."""
        self.outputs, inputs = weight.shape
        blocks = -(-self.outputs // BLOCK)
        self.in_last = self.outputs - (blocks - 1) * BLOCK
        """Outputs of the last block, 1 to 64; its other columns are padding."""
        whole = numpy.zeros((blocks * BLOCK, inputs), numpy.float32)
        whole[: self.outputs] = weight
        self.weight_IDG = numpy.ascontiguousarray(whole.reshape(blocks, BLOCK, inputs).transpose(0, 2, 1))

    def __call__(self, x_RD: ndarray) -> ndarray:
        """(R, D) → (I, R, G); the padding of the last block is 0."""
        return x_RD @ self.weight_IDG


class LinearMap:
    """x Wᵀ + b."""

    def __init__(self, weight: ndarray, bias: ndarray):
        self.bias = bias
        self.blocks = Blocks(weight) if weight.size >= _LARGE else None
        self.weight_DF = None if self.blocks else numpy.ascontiguousarray(weight.T)

    def product(self, x_RD: ndarray) -> ndarray:
        """x Wᵀ."""
        if self.blocks is None:
            return x_RD @ self.weight_DF
        return self.blocks(x_RD).transpose(1, 0, 2).reshape(len(x_RD), -1)[:, : self.blocks.outputs]

    def __call__(self, x_RD: ndarray) -> ndarray:
        """Each row mapped."""
        mapped_RF = self.product(x_RD)
        mapped_RF += self.bias
        return mapped_RF


class NormedMap(LinearMap):
    """Norm(x) Wᵀ + b, in half the calls: what follows the norm's division, its weight, its bias and √D, is part of W and b.

    The mean that LayerNorm takes off is not there: see `without_mean`.
    """

    def __init__(self, weight: ndarray, bias: ndarray, norm: "Norm"):
        if norm.bias is not None:
            bias = bias + weight @ norm.bias
        super().__init__(weight * norm.weight, bias)
        self.epsilon = norm.epsilon

    def __call__(self, x_RD: ndarray) -> ndarray:
        """Each row normalised and mapped."""
        mapped_RF = self.product(x_RD)
        mapped_RF /= lengths(x_RD, self.epsilon)
        mapped_RF += self.bias
        return mapped_RF


def lengths(x_RD: ndarray, epsilon: numpy.float32) -> ndarray:
    """√(|x|² + ε) of each row, in a column."""
    length_R = numpy.einsum("rd,rd->r", x_RD, x_RD)
    length_R += epsilon
    return numpy.sqrt(length_R, out=length_R)[:, None]


class Norm:
    """LayerNorm or RMSNorm over the features of each row; divided by its length, not the root of its mean square: √D is in the weight."""

    def __init__(self, weights: Weights, name: str, kind: str, d_model: int):
        self.weight = weights.take(f"{name}.weight", d_model) * numpy.float32(math.sqrt(d_model))
        self.bias = weights.take(f"{name}.bias", d_model) if kind == "layernorm" else None
        self.epsilon = numpy.float32(_RMS_NORM_EPS if self.bias is None else _LAYER_NORM_EPS) * numpy.float32(d_model)
        self.mean_D = numpy.full(d_model, 1 / d_model, numpy.float32)

    def __call__(self, x_RD: ndarray) -> ndarray:
        """Each row normalised. A mean is a product with 1/D: the shortest call there is."""
        if self.bias is None:
            return x_RD / lengths(x_RD, self.epsilon) * self.weight
        centred_RD = x_RD - (x_RD @ self.mean_D)[:, None]
        centred_RD /= lengths(centred_RD, self.epsilon)
        centred_RD *= self.weight
        centred_RD += self.bias
        return centred_RD


def without_mean(weight: ndarray, bias: ndarray) -> tuple[ndarray, ndarray]:
    """The map whose outputs are this one's less their mean.

    In a pre-norm network with LayerNorm all that reads a sum of such outputs takes its mean off first. So it may as well not be there.
    """
    return weight - weight.mean(axis=0), bias - bias.mean()


def softmax_(scores: ndarray) -> ndarray:
    """Softmax over the last dimension, in place, without taking the largest score off first.

    Scores are small numbers. Where exp overflows (above 88), or all scores of a row are so low that their exponentials have lost digits
    (below -87), a sum or its reciprocal is infinite. Then the result is infinite or NaN, and so are the logits, which the search sees.
    """
    numpy.exp(scores, out=scores)
    sums = numpy.add.reduce(scores, axis=-1, keepdims=True)
    scores *= numpy.reciprocal(sums, out=sums)
    return scores


def relu(x: ndarray) -> ndarray:
    """max(x, 0)."""
    return numpy.maximum(x, numpy.float32(0))


def silu(x: ndarray) -> ndarray:
    """x · sigmoid(x)."""
    return x / (numpy.float32(1) + numpy.exp(-x))


class Sublayer:
    """What attention and feed-forward share: how they read the residual stream and what they add to it.

    Pre-norm is x + f(Norm(x)), where the norm is part of f's first map, post-norm Norm(x + f(x)).
    """

    def __init__(self, weights: Weights, layer: str, name: str, config: ModelConfig):
        """layer: its name, "encoder.0"; name: the sub-layer's."""
        self._weights = weights
        self._name = f"{layer}.{name}"
        self._width = config.d_model
        self._norm = Norm(weights, f"{self._name}_residual.norm", config.norm, config.d_model)
        self._pre = config.norm_position == "pre"
        self._without_mean = has_no_mean(config)

    def take(self, parts: tuple[str, ...], outputs: int, inputs: int, scale: float = 1.0) -> tuple[ndarray, ndarray]:
        """Weight and bias of a map that gives several maps' outputs side by side; the first one's are multiplied by the scale."""
        found = [self._weights.take(f"{self._name}.{part}.weight", outputs, inputs) for part in parts]
        biases = [self._weights.take(f"{self._name}.{part}.bias", outputs) for part in parts]
        if scale != 1.0:
            found[0], biases[0] = found[0] * numpy.float32(scale), biases[0] * numpy.float32(scale)
        return numpy.concatenate(found), numpy.concatenate(biases)

    def take_out(self, inputs: int) -> tuple[ndarray, ndarray]:
        """Weight and bias of the map whose outputs are added to the residual stream."""
        out = self.take(("out_proj",), self._width, inputs)
        return without_mean(*out) if self._without_mean else out

    def reading(self, weight: ndarray, bias: ndarray) -> LinearMap:
        """A map of the residual stream."""
        return NormedMap(weight, bias, self._norm) if self._pre else LinearMap(weight, bias)

    def add(self, x_RD: ndarray, change_RD: ndarray) -> ndarray:
        """The residual connection. change_RD is written to."""
        change_RD += x_RD
        return change_RD if self._pre else self._norm(change_RD)


def has_no_mean(config: ModelConfig) -> bool:
    """Whether the residual stream is kept without its mean: `without_mean`."""
    return config.norm_position == "pre" and config.norm == "layernorm"


class FeedForward(Sublayer):
    """Two linear maps with a non-linearity between; swiglu's has a third that gates."""

    def __init__(self, weights: Weights, layer: str, config: ModelConfig):
        super().__init__(weights, layer, "feed_forward", config)
        parts = ("gate_proj", "in_proj") if config.activation == "swiglu" else ("in_proj",)
        self.hidden = self.reading(*self.take(parts, config.d_ff, config.d_model))
        self.gates = config.d_ff if config.activation == "swiglu" else 0
        self.out = LinearMap(*self.take_out(config.d_ff))

    def __call__(self, x_RD: ndarray) -> ndarray:
        """(R, D) → (R, F) → (R, D)."""
        hidden_RF = self.hidden(x_RD)
        activated_RF = silu(hidden_RF[:, : self.gates]) * hidden_RF[:, self.gates :] if self.gates else relu(hidden_RF)
        return self.add(x_RD, self.out(activated_RF))


class SelfAttention(Sublayer):
    """Softmax(Q Kᵀ) V. 1/√K is part of the queries' projection, and the three are one."""

    def __init__(self, weights: Weights, layer: str, config: ModelConfig):
        super().__init__(weights, layer, "self_attention", config)
        width = config.d_model
        self.heads = config.num_heads
        self.qkv = self.reading(*self.take(("q_proj", "k_proj", "v_proj"), width, width, 1.0 / math.sqrt(width // self.heads)))
        self.out = LinearMap(*self.take_out(width))

    def project(self, x_RD: ndarray, turn: "Turn | None") -> tuple[ndarray, ndarray, ndarray]:
        """q_HRK, k_HRK and v_HRK."""
        q_HRK, k_HRK, v_HRK = split_heads(self.qkv(x_RD), 3, self.heads)
        return (q_HRK, k_HRK, v_HRK) if turn is None else (turn(q_HRK), turn(k_HRK), v_HRK)

    def look(self, x_RD: ndarray, q_HRK: ndarray, k_HCK: ndarray, v_HCK: ndarray, bias_RC: ndarray | None = None) -> ndarray:
        """Softmax(Q Kᵀ + bias) V, heads merged and projected."""
        scores_HRC = q_HRK @ k_HCK.transpose(0, 2, 1)
        if bias_RC is not None:
            scores_HRC += bias_RC
        context_HRK = softmax_(scores_HRC) @ v_HCK
        return self.add(x_RD, self.out(context_HRK.transpose(1, 0, 2).reshape(x_RD.shape)))


def split_heads(x: ndarray, parts: int, heads: int) -> ndarray:
    """(R, parts · D) → (parts, H, R, K)."""
    return x.reshape(len(x), parts, heads, -1).transpose(1, 2, 0, 3)


class Source(NamedTuple):
    """What a decoder layer's cross-attention knows of a sentence. E is H · S: each head's source positions, one head after the other."""

    scores: LinearMap
    """From the residual stream to every head's scores: Q's projection times Kᵀ."""
    values_ED: ndarray
    """From the weights of every head's positions to the residual stream: V times the output projection."""


class CrossAttention(Sublayer):
    """Softmax(Q Kᵀ) V over a source that does not change: Q's projection and the keys are multiplied once, so are values and output.

    Two products are left of a step's four, of (D, E) and (E, D), smaller ones than (D, D) twice while the source has up to K tokens.
    """

    def __init__(self, weights: Weights, layer: str, config: ModelConfig):
        super().__init__(weights, layer, "cross_attention", config)
        width, self.heads = config.d_model, config.num_heads
        q_weight, q_bias = self.take(("q_proj",), width, width, 1.0 / math.sqrt(width // self.heads))
        self.q_HKD, self.q_bias_HK1 = q_weight.reshape(self.heads, -1, width), q_bias.reshape(self.heads, -1, 1)
        self.kv = LinearMap(*self.take(("k_proj", "v_proj"), width, width))
        out_weight, self.out_bias = self.take_out(width)
        self.out_HKD = numpy.ascontiguousarray(out_weight.T).reshape(self.heads, -1, width)

    def of_source(self, memory_SD: ndarray) -> Source:
        """Project the encoder's output."""
        k_HSK, v_HSK = split_heads(self.kv(memory_SD), 2, self.heads)
        weight_ED = (k_HSK @ self.q_HKD).reshape(-1, memory_SD.shape[1])
        return Source(self.reading(weight_ED, (k_HSK @ self.q_bias_HK1).ravel()), (v_HSK @ self.out_HKD).reshape(weight_ED.shape))

    def look(self, x_RD: ndarray, source: Source) -> ndarray:
        """Softmax(Q Kᵀ) V, heads merged and projected."""
        scores_RE = source.scores(x_RD)
        softmax_(scores_RE.reshape(len(x_RD), self.heads, -1))
        change_RD = scores_RE @ source.values_ED
        change_RD += self.out_bias
        return self.add(x_RD, change_RD)


class EncoderLayer:
    """Self-attention, then feed-forward."""

    def __init__(self, weights: Weights, name: str, config: ModelConfig):
        self.own = SelfAttention(weights, name, config)
        self.feed_forward = FeedForward(weights, name, config)

    def __call__(self, x_SD: ndarray, turn: "Turn | None") -> ndarray:
        """(S, D) → (S, D). turn: rotary positions."""
        return self.feed_forward(self.own.look(x_SD, *self.own.project(x_SD, turn)))


class DecoderLayer:
    """Self-attention over the hypotheses' slots, cross-attention into the source, feed-forward."""

    def __init__(self, weights: Weights, name: str, config: ModelConfig):
        self.own = SelfAttention(weights, name, config)
        self.cross = CrossAttention(weights, name, config)
        self.feed_forward = FeedForward(weights, name, config)

    def step(self, x_RD: ndarray, slots_PHCK: ndarray, filled: int, source: Source, bias_RC: ndarray, turn: "Turn | None") -> ndarray:
        """One new position for all rows. slots_PHCK: keys and values, of which `filled` slots are read before this one's are written."""
        q_HRK, k_HRK, v_HRK = self.own.project(x_RD, turn)
        here = slice(filled, filled + len(x_RD))
        slots_PHCK[0, :, here], slots_PHCK[1, :, here] = k_HRK, v_HRK
        x_RD = self.own.look(x_RD, q_HRK, *slots_PHCK[:, :, : here.stop], bias_RC)
        return self.feed_forward(self.cross.look(x_RD, source))


class Turn:
    """Rotary positions (Su et al. 2021, section 3.2.2), for given positions: pairs of features (i, i + K/2) are turned."""

    def __init__(self, position_T: ndarray, head_width: int):
        rate_J = numpy.exp(numpy.arange(0, head_width, 2, dtype=numpy.float64) * (-math.log(10000.0) / head_width)).astype(numpy.float32)
        angle_TJ = position_T[:, None].astype(numpy.float32) * rate_J
        self.cos_TJ, self.sin_TJ = numpy.cos(angle_TJ), numpy.sin(angle_TJ)

    def __call__(self, x_HTK: ndarray) -> ndarray:
        """x_HTK turned."""
        left_HTJ, right_HTJ = numpy.split(x_HTK, 2, axis=-1)
        turned = (left_HTJ * self.cos_TJ - right_HTJ * self.sin_TJ, right_HTJ * self.cos_TJ + left_HTJ * self.sin_TJ)
        return numpy.concatenate(turned, axis=-1)
