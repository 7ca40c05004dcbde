"""A trained Transformer as a CTranslate2 model, written with CTranslate2's own specification (its TransformerSpec).

CTranslate2 (https://github.com/OpenNMT/CTranslate2) is an inference engine in C++; what is written here needs neither torch nor mt. Its
table of positions has a fixed length: what is longer on a side is refused there. Recurrent models have no counterpart.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy
import torch
from torch import Tensor, nn

from mt.config import DecodingConfig, ModelConfig
from mt.data.special_ids import BOS, EOS, PAD
from mt.data.tokenizer import Tokenizer
from mt.export.engine import pieces, require_ctranslate2
from mt.model.positions import sinusoidal_table
from mt.model.transformer import FeedForward, Transformer

if TYPE_CHECKING:
    from ctranslate2.specs import TransformerSpec

SEARCH = "its search is not mt's"
"""What finds the translations of the check's other side."""
POSITIONS = 2048
"""Rows of the table of positions at least, where positions are not learned."""
QUANTIZATIONS = ("int8", "int8_float32", "int8_float16", "int8_bfloat16", "int16", "float16", "bfloat16")
"""What CTranslate2 can store weights as, besides fp32."""
_BATCH = 64


def refusal(config: ModelConfig) -> str | None:
    """Why a model of this configuration cannot become a CTranslate2 model; None if it can."""
    if config.architecture != "transformer":
        return f"which requires model.architecture: transformer (this run has {config.architecture})"
    return None


def require() -> None:
    """ExportError when CTranslate2 is not installed, or too old."""
    require_ctranslate2()


def write(model: Transformer, tokenizer: Tokenizer, folder: Path, quantization: str | None = None, positions: int = POSITIONS) -> None:
    """Write the model into a folder that exists.

    quantization: None keeps fp32, otherwise one of QUANTIZATIONS. positions: the longest text in tokens, end included, where positions are
    computed (learned ones have their own number).
    """
    spec = build_spec(model, positions)
    spec.register_source_vocabulary(pieces(tokenizer.source))
    spec.register_target_vocabulary(pieces(tokenizer.target))
    spec.config.bos_token, spec.config.eos_token, spec.config.unk_token = (
        tokenizer.target.processor.id_to_piece(token) for token in (BOS, EOS, tokenizer.target.processor.unk_id())
    )
    spec.config.add_source_eos = True
    spec.validate()
    spec.optimize(quantization=quantization)
    spec.save(str(folder))


class Exported:
    """A CTranslate2 model beside the tokenizer it was written with: the other side of the check, in token ids."""

    def __init__(self, folder: Path, tokenizer: Tokenizer, threads: int):
        import ctranslate2

        before = torch.get_num_threads()
        self._translator = ctranslate2.Translator(str(folder), inter_threads=threads, intra_threads=1)
        torch.set_num_threads(before)  # making it sets OpenMP's number for this thread, and with it torch's, to one
        self._source_pieces, self._target_pieces = pieces(tokenizer.source), pieces(tokenizer.target)
        self._target_ids = {piece: token for token, piece in enumerate(self._target_pieces)}
        self._never = [[self._target_pieces[token]] for token in (PAD, BOS)]

    def translate(self, sources: Sequence[Sequence[int]], options: DecodingConfig, limit: int) -> list[list[int]]:
        """The best translation of each source, without EOS. limit: the most tokens of any; of `options` beam size and penalty are read.

        CTranslate2 divides by a power of the length, and refills a beam: at a beam above 1 its search is not mt's.
        """
        found = self._translator.translate_batch(
            self._source(sources), max_batch_size=_BATCH, beam_size=options.beam_size, length_penalty=options.length_penalty,
            max_decoding_length=limit, min_decoding_length=0, max_input_length=0, suppress_sequences=self._never,
        )  # fmt: skip
        return [[self._target_ids[piece] for piece in result.hypotheses[0]] for result in found]

    def score(self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]) -> list[list[float]]:
        """The log-probability of each target token, EOS included."""
        given = [[self._target_pieces[token] for token in target if token != EOS] for target in targets]
        found = self._translator.score_batch(self._source(sources), given, max_batch_size=_BATCH, max_input_length=0)
        return [result.log_probs for result in found]

    def _source(self, sources: Sequence[Sequence[int]]) -> list[list[str]]:
        """Pieces without EOS, which CTranslate2 adds by itself."""
        return [[self._source_pieces[token] for token in source if token != EOS] for source in sources]


def build_spec(model: Transformer, positions: int) -> "TransformerSpec":
    """The specification that holds the model's weights, and a table of that many positions where they are not learned."""
    from ctranslate2.specs import common_spec, transformer_spec

    config = model.config
    activations = common_spec.Activation
    shared = {
        "num_heads": config.num_heads, "pre_norm": config.norm_position == "pre", "rms_norm": config.norm == "rmsnorm",
        "activation": {"relu": activations.RELU, "gelu": activations.GELU, "swiglu": activations.SWISH}[config.activation],
        "ffn_glu": config.activation == "swiglu",
    }  # fmt: skip
    if config.positions == "rotary":
        shared |= {"rotary_dim": config.d_model // config.num_heads, "rotary_interleave": False}
    encoder = transformer_spec.TransformerEncoderSpec(config.encoder_layers, **shared)
    decoder = transformer_spec.TransformerDecoderSpec(config.decoder_layers, **shared)
    encoder.embeddings[0].weight = _array(model.source_embedding.weight)
    decoder.embeddings.weight = _array(model.target_embedding.weight)
    decoder.projection.weight = _array(model.output_weight_VD)
    encoder.scale_embeddings = decoder.scale_embeddings = True
    if config.positions != "rotary":
        encoder.position_encodings.encodings = decoder.position_encodings.encodings = _positions(model, positions)
    if config.norm_position == "pre":
        _set_norm(encoder.layer_norm, model.encoder_norm)
        _set_norm(decoder.layer_norm, model.decoder_norm)
    for spec, layer in zip(encoder.layer, model.encoder, strict=True):
        _set_layer(spec, layer)
    for spec, layer in zip(decoder.layer, model.decoder, strict=True):
        _set_layer(spec, layer)
        attention = layer.cross_attention
        _set_linear(spec.attention.linear[0], [attention.q_proj])
        _set_linear(spec.attention.linear[1], [attention.k_proj, attention.v_proj])
        _set_linear(spec.attention.linear[2], [attention.out_proj])
        _set_norm(spec.attention.layer_norm, layer.cross_attention_residual.norm)
    return transformer_spec.TransformerSpec(encoder, decoder)


def _array(weight: Tensor) -> numpy.ndarray:
    """A weight in fp32, as a copy: CTranslate2 quantises in place, and would change the model itself."""
    return weight.detach().float().cpu().numpy().copy()


def _positions(model: Transformer, positions: int) -> numpy.ndarray:
    """What is added to the embeddings, a row for each position."""
    config = model.config
    if config.positions == "learned":
        return _array(model.positions.embedding.weight)
    table_TD = sinusoidal_table(positions, config.d_model)
    return _array(table_TD if config.positions == "sinusoidal" else torch.zeros_like(table_TD))


def _set_layer(spec, layer: nn.Module) -> None:
    """What encoder and decoder layers have in common: self-attention and feed-forward."""
    attention, feed_forward = layer.self_attention, layer.feed_forward
    _set_linear(spec.self_attention.linear[0], [attention.q_proj, attention.k_proj, attention.v_proj])
    _set_linear(spec.self_attention.linear[1], [attention.out_proj])
    _set_norm(spec.self_attention.layer_norm, layer.self_attention_residual.norm)
    _set_feed_forward(spec.ffn, feed_forward)
    _set_norm(spec.ffn.layer_norm, layer.feed_forward_residual.norm)


def _set_norm(spec, norm: nn.Module) -> None:
    """LayerNorm or RMSNorm."""
    spec.gamma = _array(norm.weight)
    if isinstance(norm, nn.LayerNorm):
        spec.beta = _array(norm.bias)


def _set_linear(spec, layers: Sequence[nn.Linear]) -> None:
    """One linear map, or several side by side."""
    spec.weight = numpy.concatenate([_array(layer.weight) for layer in layers])
    spec.bias = numpy.concatenate([_array(layer.bias) for layer in layers])


def _set_feed_forward(spec, feed_forward: FeedForward) -> None:
    """The gate is the map with the activation."""
    if feed_forward.gate_proj is None:
        _set_linear(spec.linear_0, [feed_forward.in_proj])
    else:
        _set_linear(spec.linear_0, [feed_forward.gate_proj])
        _set_linear(spec.linear_0_noact, [feed_forward.in_proj])
    _set_linear(spec.linear_1, [feed_forward.out_proj])
