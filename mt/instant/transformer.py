"""The Transformer in numpy, for one sentence at a time: the arithmetic of mt/model/transformer.py without training, batches and masks.

One sentence needs no padding, and a beam's hypotheses share their past as in mt/model/transformer_state.py: each has a slot for every
position, all may ask all slots, and a bias says which are a row's own past. numpy loads much sooner than torch and calls cost less, so
that a sentence is translated before torch would have been loaded.

Dimensions: S source positions, R rows (hypotheses), C slots, D d_model, H heads, K width of a head, F d_ff, V vocabulary,
T positions, I blocks of G = 64 outputs.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy
from numpy import ndarray

from mt.config import ModelConfig
from mt.instant.layers import Blocks, DecoderLayer, EncoderLayer, Norm, Source, Turn, UnsuitedWeightsError, Weights, has_no_mean

_FIRST_SLOTS = 128


class State:
    """What the decoder remembers of one sentence."""

    def __init__(self, sources: list[Source], heads: int, head_width: int):
        self.sources = sources
        """What each layer knows of the source."""
        self.slots = [numpy.empty((2, heads, _FIRST_SLOTS, head_width), numpy.float32) for _ in sources]
        """Each layer's keys and values of the target, x_PHCK."""
        self.filled = 0
        self.position = 0
        self.bias_RC = numpy.zeros((1, 0), numpy.float32)
        """0 for the slots of a row's own past, else -inf."""

    def open_position(self, parents: list[int]) -> ndarray:
        """One more position; each new row continues the row that parents names. Returns bias_RC with the new slots, each its own row's."""
        rows = len(parents)
        own_RR = numpy.full((rows, rows), -numpy.inf, numpy.float32)
        numpy.fill_diagonal(own_RR, 0.0)
        self.bias_RC = numpy.concatenate([self.bias_RC[parents], own_RR], axis=1)
        while self.filled + rows > self.slots[0].shape[2]:
            self.slots = [numpy.concatenate([slots_PHCK, numpy.empty_like(slots_PHCK)], axis=2) for slots_PHCK in self.slots]
        return self.bias_RC


class Transformer:
    """Encoder, decoder and output projection."""

    def __init__(self, config: ModelConfig, source_vocab: int, target_vocab: int, tensors: Mapping[str, ndarray]):
        """UnsuitedWeightsError for an architecture that is not computed here, and for weights that do not fit the configuration."""
        if config.architecture != "transformer" or config.activation == "gelu":  # numpy has no error function
            raise UnsuitedWeightsError(f"activation {config.activation}")
        weights = Weights(tensors)
        self.config = config
        self.source_embedding_VD = weights.take("source_embedding.weight", source_vocab, config.d_model)
        self.target_embedding_VD = self.source_embedding_VD
        if config.tie_embeddings != "all":
            self.target_embedding_VD = weights.take("target_embedding.weight", target_vocab, config.d_model)
        output_VD = self.target_embedding_VD
        if config.tie_embeddings == "none":
            output_VD = weights.take("output.weight", target_vocab, config.d_model)
        self.learned_TD = None
        if config.positions == "learned":
            self.learned_TD = weights.take("positions.embedding.weight", config.max_positions, config.d_model)
        self.encoder = [EncoderLayer(weights, f"encoder.{number}", config) for number in range(config.encoder_layers)]
        self.decoder = [DecoderLayer(weights, f"decoder.{number}", config) for number in range(config.decoder_layers)]
        pre = config.norm_position == "pre"
        self.encoder_norm, self.decoder_norm = (
            Norm(weights, name, config.norm, config.d_model) if pre else None for name in ("encoder_norm", "decoder_norm")
        )
        weights.finish()
        self.sines_TD = numpy.empty((0, config.d_model), numpy.float32)
        self.output = Blocks(output_VD)

    def start(self, source: list[int]) -> State:
        """Encode a sentence, and project it to each decoder layer's keys and values."""
        position_S = numpy.arange(len(source))
        x_SD, turn = self._embed(self.source_embedding_VD, source, position_S), self._turn(position_S)
        for layer in self.encoder:
            x_SD = layer(x_SD, turn)
        if self.encoder_norm is not None:
            x_SD = self.encoder_norm(x_SD)
        sources = [layer.cross.of_source(x_SD) for layer in self.decoder]
        return State(sources, self.config.num_heads, self.config.d_model // self.config.num_heads)

    def step(self, tokens: list[int], parents: list[int], state: State) -> ndarray:
        """Feed one token to each row, which continues the row of before that parents names. logits_IRG for the next; -inf beyond V."""
        bias_RC = state.open_position(parents)
        position_R = numpy.full(len(tokens), state.position)
        x_RD, turn = self._embed(self.target_embedding_VD, tokens, position_R), self._turn(position_R)
        for layer, slots_PHCK, source in zip(self.decoder, state.slots, state.sources, strict=True):
            x_RD = layer.step(x_RD, slots_PHCK, state.filled, source, bias_RC, turn)
        state.filled += len(tokens)
        state.position += 1
        if self.decoder_norm is not None:
            x_RD = self.decoder_norm(x_RD)
        logits_IRG = self.output(x_RD)
        logits_IRG[-1, :, self.output.in_last :] = -numpy.inf
        return logits_IRG

    def _embed(self, embedding_VD: ndarray, tokens: list[int], position_R: ndarray) -> ndarray:
        """Rows of the embedding times √D, plus positions."""
        x_RD = embedding_VD[tokens] * numpy.float32(math.sqrt(self.config.d_model))
        if self.config.positions == "sinusoidal":
            x_RD += self._sines(position_R[-1] + 1)[position_R]
        elif self.learned_TD is not None:
            x_RD += self.learned_TD[numpy.minimum(position_R, len(self.learned_TD) - 1)]
        return x_RD - x_RD.mean(axis=1, keepdims=True) if has_no_mean(self.config) else x_RD

    def _sines(self, length: int) -> ndarray:
        """The table of positions with at least so many rows."""
        if length > len(self.sines_TD):
            self.sines_TD = sines(numpy.arange(2 * length), self.config.d_model)
        return self.sines_TD

    def _turn(self, position_R: ndarray) -> Turn | None:
        """Rotary positions, if the model has them."""
        return Turn(position_R, self.config.d_model // self.config.num_heads) if self.config.positions == "rotary" else None


def sines(position_R: ndarray, d_model: int) -> ndarray:
    """Rows of the paper's table (Vaswani et al. 2017, section 3.5), computed in float64 and rounded once."""
    rate_J = numpy.exp(numpy.arange(0, d_model, 2, dtype=numpy.float64) * (-math.log(10000.0) / d_model))
    angle_RJ = position_R[:, None] * rate_J
    table: Any = numpy.empty((len(position_R), d_model), numpy.float32)
    table[:, 0::2], table[:, 1::2] = numpy.sin(angle_RJ), numpy.cos(angle_RJ)
    return table
