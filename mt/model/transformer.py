"""The encoder–decoder Transformer (Vaswani et al. 2017), in the paper's words and order.

Encoder and decoder are stacks of equal layers that keep the shape (B, S, D). Post-norm is the paper's; pre-norm (Xiong et al. 2020)
adds one final norm to each stack. Loss and search are elsewhere, and so is what the decoder remembers from step to step
(transformer_state.py). Legend in mt/model/interface.py.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from mt.config import ModelConfig
from mt.data.special_ids import PAD
from mt.errors import DecodingError
from mt.model.attention import MultiHeadAttention, causal_mask, mask_bias, memory_positions, padding_mask
from mt.model.dropout import Dropout
from mt.model.interface import DecoderState, Encoded, TranslationModel, int8_products, output_rows, wanted_rows
from mt.model.linear import Arithmetic, Linear, has_int8, linear
from mt.model.positions import build_positions
from mt.model.prepared_decoder import PreparedDecoder
from mt.model.transformer_state import Position, TransformerState


class RMSNorm(nn.RMSNorm):
    """torch's RMSNorm (Zhang and Sennrich 2019) that takes autocast's dtype with its fp32 weight."""

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Each position divided by its root mean square, times the weight."""
        return F.rms_norm(x_BTD, self.normalized_shape, self.weight.to(x_BTD.dtype), self.eps)


def build_norm(kind: str, d_model: int) -> nn.Module:
    """LayerNorm (Ba et al. 2016) or RMSNorm over the features of each position."""
    return nn.LayerNorm(d_model) if kind == "layernorm" else RMSNorm(d_model, eps=1e-6)


class FeedForward(nn.Module):
    """Two linear maps with a non-linearity between, for each position alone (section 3.3); d_ff may be wider or narrower than D.

    swiglu (Shazeer 2020) has a third map that gates: (SiLU(x W_gate) ⊙ x W_in) W_out.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.activation = config.activation
        self.in_proj = Linear(config.d_model, config.d_ff)
        self.gate_proj = Linear(config.d_model, config.d_ff) if config.activation == "swiglu" else None
        self.out_proj = Linear(config.d_ff, config.d_model)
        self.dropout = Dropout(config.activation_dropout)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """(B, T, D) → (B, T, F) → (B, T, D)."""
        hidden_BTF = self.in_proj(x_BTD)
        if self.gate_proj is not None:
            hidden_BTF = F.silu(self.gate_proj(x_BTD)) * hidden_BTF
        else:
            hidden_BTF = F.relu(hidden_BTF) if self.activation == "relu" else F.gelu(hidden_BTF)
        return self.out_proj(self.dropout(hidden_BTF))


class Residual(nn.Module):
    """The connection around every sub-layer: post-norm Norm(x + f(x)), pre-norm x + f(Norm(x)), dropout on f's output."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.norm = build_norm(config.norm, config.d_model)
        self.dropout = Dropout(config.dropout)
        self.pre = config.norm_position == "pre"

    def before(self, x_BTD: Tensor) -> Tensor:
        """What the sub-layer reads."""
        return self.norm(x_BTD) if self.pre else x_BTD

    def after(self, x_BTD: Tensor, output_BTD: Tensor) -> Tensor:
        """What the next sub-layer gets: the input plus this sub-layer's output."""
        sum_BTD = x_BTD + self.dropout(output_BTD)
        return sum_BTD if self.pre else self.norm(sum_BTD)


class EncoderLayer(nn.Module):
    """Self-attention, then feed-forward, each inside a residual connection."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        rotary = config.positions == "rotary"
        self.self_attention = MultiHeadAttention(config.d_model, config.num_heads, config.attention_dropout, rotary)
        self.self_attention_residual = Residual(config)
        self.feed_forward = FeedForward(config)
        self.feed_forward_residual = Residual(config)

    def forward(self, x_BSD: Tensor, bias_B11S: Tensor) -> Tensor:
        """(B, S, D) → (B, S, D); bias_B11S hides the source's padding."""
        read_BSD = self.self_attention_residual.before(x_BSD)
        x_BSD = self.self_attention_residual.after(x_BSD, self.self_attention(read_BSD, read_BSD, bias_B11S))
        read_BSD = self.feed_forward_residual.before(x_BSD)
        return self.feed_forward_residual.after(x_BSD, self.feed_forward(read_BSD))


class DecoderLayer(nn.Module):
    """Masked self-attention, cross-attention into the encoder's output, feed-forward; each inside a residual connection."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        rotary = config.positions == "rotary"
        self.self_attention = MultiHeadAttention(config.d_model, config.num_heads, config.attention_dropout, rotary)
        self.self_attention_residual = Residual(config)
        self.cross_attention = MultiHeadAttention(config.d_model, config.num_heads, config.attention_dropout)
        self.cross_attention_residual = Residual(config)
        self.feed_forward = FeedForward(config)
        self.feed_forward_residual = Residual(config)

    def forward(self, x_BTD: Tensor, memory_BSD: Tensor, self_bias_B1TT: Tensor, cross_bias_B11S: Tensor) -> Tensor:
        """(B, T, D) → (B, T, D); self_bias_B1TT hides the future and padding, cross_bias_B11S the source's padding."""
        read_BTD = self.self_attention_residual.before(x_BTD)
        x_BTD = self.self_attention_residual.after(x_BTD, self.self_attention(read_BTD, read_BTD, self_bias_B1TT))
        read_BTD = self.cross_attention_residual.before(x_BTD)
        x_BTD = self.cross_attention_residual.after(x_BTD, self.cross_attention(read_BTD, memory_BSD, cross_bias_B11S))
        read_BTD = self.feed_forward_residual.before(x_BTD)
        return self.feed_forward_residual.after(x_BTD, self.feed_forward(read_BTD))

    def cross_weights(self, x_BTD: Tensor, memory_BSD: Tensor, self_bias_B1TT: Tensor, cross_bias_B11S: Tensor) -> Tensor:
        """weights_BHTS of the cross-attention in the same pass."""
        read_BTD = self.self_attention_residual.before(x_BTD)
        x_BTD = self.self_attention_residual.after(x_BTD, self.self_attention(read_BTD, read_BTD, self_bias_B1TT))
        return self.cross_attention.weights(self.cross_attention_residual.before(x_BTD), memory_BSD, cross_bias_B11S)

    def step(self, x_BWD: Tensor, number: int, position: Position) -> Tensor:
        """One new target position for all W rows of every sentence; number: which layer this is.

        A sentence's rows ask side by side: in self-attention the slots of all its hypotheses, of which each sees its own past, in
        cross-attention the same source. Nothing is copied W times.
        """
        read_BWD = self.self_attention_residual.before(x_BWD)
        new_PBHWK = torch.stack(self.self_attention.keys_values(read_BWD, position.position_B))
        k_BHCK, v_BHCK = position.remember(number, new_PBHWK)
        q_BHWK = self.self_attention.queries(read_BWD, position.position_B)
        output_BWD = self.self_attention.look(q_BHWK, k_BHCK, v_BHCK, position.tree_bias_B1WC)
        x_BWD = self.self_attention_residual.after(x_BWD, output_BWD)

        q_BHWK = self.cross_attention.queries(self.cross_attention_residual.before(x_BWD))
        output_BWD = self.cross_attention.look(q_BHWK, *position.source(number), position.cross_bias_B11S)
        x_BWD = self.cross_attention_residual.after(x_BWD, output_BWD)

        read_BWD = self.feed_forward_residual.before(x_BWD)
        return self.feed_forward_residual.after(x_BWD, self.feed_forward(read_BWD))


class Transformer(TranslationModel):
    """Embeddings times √D plus positions, an encoder stack, a decoder stack, and an output projection that may be tied."""

    def __init__(self, config: ModelConfig, source_vocab: int, target_vocab: int):
        super().__init__()
        self.config = config
        self.source_embedding = nn.Embedding(source_vocab, config.d_model, padding_idx=PAD)
        if config.tie_embeddings == "all":
            assert source_vocab == target_vocab
            self.target_embedding = self.source_embedding
        else:
            self.target_embedding = nn.Embedding(target_vocab, config.d_model, padding_idx=PAD)
        self.positions = build_positions(config.positions, config.d_model, config.max_positions)
        self.dropout = Dropout(config.dropout)
        self.word_dropout = Dropout(config.word_dropout)
        self.encoder = nn.ModuleList(EncoderLayer(config) for _ in range(config.encoder_layers))
        self.decoder = nn.ModuleList(DecoderLayer(config) for _ in range(config.decoder_layers))
        pre = config.norm_position == "pre"
        self.encoder_norm = build_norm(config.norm, config.d_model) if pre else nn.Identity()
        self.decoder_norm = build_norm(config.norm, config.d_model) if pre else nn.Identity()
        self._prepared: tuple[tuple, PreparedDecoder] | None = None
        self.output = None
        if config.tie_embeddings == "none":
            self.output = Linear(config.d_model, target_vocab, bias=False)
        for layer in self.encoder.modules():
            if isinstance(layer, Linear):
                layer.takes_int8 = True
        initialise(self)

    @property
    def output_weight_VD(self) -> Tensor:  # noqa: N802
        """The output projection; the target embedding itself when tied (Press and Wolf 2017)."""
        return self.target_embedding.weight if self.output is None else self.output.weight

    def embed(self, token_BT: Tensor, embedding: nn.Embedding) -> Tensor:
        """Rows of the embedding times √D, plus positions, with dropout (section 3.4).

        Under autocast the residual stream is of autocast's dtype from here on, so that no layer converts it again and again.
        """
        x_BTD = embedding(token_BT) * math.sqrt(self.config.d_model)
        if self.training and self.word_dropout.probability:
            x_BTD = x_BTD * self.word_dropout(x_BTD.new_ones(*token_BT.shape, 1))
        x_BTD = self.positions(x_BTD)
        return self.dropout(x_BTD.to(_score_dtype(x_BTD)))

    def source_length(self, longest: int) -> int:
        """Sources are memory positions."""
        return memory_positions(longest)

    def encode(self, source_BS: Tensor) -> Encoded:
        """Run the encoder stack over a padded batch of source sentences."""
        mask_B11S = padding_mask(source_BS)
        x_BSD = self.embed(source_BS, self.source_embedding)
        bias_B11S = mask_bias(mask_B11S, _score_dtype(x_BSD))
        for layer in self.encoder:
            x_BSD = layer(x_BSD, bias_B11S)
        return Encoded(memory_BSD=self.encoder_norm(x_BSD), mask_B11S=mask_B11S)

    def states(self, source_BS: Tensor, decoder_input_BT: Tensor) -> Tensor:
        """Teacher forcing over whole sentences: the decoder's last states x_BTD."""
        x_BTD, *others = self._decoder_inputs(source_BS, decoder_input_BT)
        for layer in self.decoder:
            x_BTD = layer(x_BTD, *others)
        return self.decoder_norm(x_BTD)

    def cross_attention(self, source_BS: Tensor, decoder_input_BT: Tensor, layer: int = -1) -> Tensor:
        """weights_BTS of one layer's cross-attention under teacher forcing, the mean of its heads."""
        count = len(self.decoder)
        if not -count <= layer < count:
            raise DecodingError(f"there is no decoder layer {layer}: there are {count}, counted from 0, or from the last one, -1, on")
        x_BTD, *others = self._decoder_inputs(source_BS, decoder_input_BT)
        for below in self.decoder[: layer % count]:
            x_BTD = below(x_BTD, *others)
        weights_BTS = self.decoder[layer].cross_weights(x_BTD, *others).mean(dim=1)
        return weights_BTS

    def _decoder_inputs(self, source_BS: Tensor, decoder_input_BT: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What the first decoder layer reads under teacher forcing: x_BTD, memory_BSD, self_bias_B1TT and cross_bias_B11S."""
        encoded = self.encode(source_BS)
        x_BTD = self.embed(decoder_input_BT, self.target_embedding)
        dtype = _score_dtype(x_BTD)
        cross_bias_B11S = mask_bias(encoded.mask_B11S, dtype)
        mask_B1TT = causal_mask(decoder_input_BT.shape[1], x_BTD.device) & padding_mask(decoder_input_BT)
        self_bias_B1TT = mask_bias(mask_B1TT, dtype)
        return x_BTD, encoded.memory_BSD, self_bias_B1TT, cross_bias_B11S

    def start(self, encoded: Encoded, beam_size: int) -> TransformerState:
        """Project the encoder's output to each layer's keys and values once; no target position has been read."""
        dtype = _score_dtype(encoded.memory_BSD)
        if torch.is_grad_enabled():
            prepared = None
            sources = [torch.stack(layer.cross_attention.keys_values(encoded.memory_BSD)) for layer in self.decoder]
        else:
            prepared = self._prepare(dtype)
            sources = prepared.sources(encoded.memory_BSD)
        lengths = encoded.mask_B11S.sum(dim=-1).flatten().tolist()
        return TransformerState(sources, mask_bias(encoded.mask_B11S, dtype), lengths, beam_size, prepared)

    def step(self, token_R: Tensor, state: DecoderState, wanted: Sequence[int] | None = None) -> Tensor:
        """One token per row through the decoder stack; logits_GV for the next of the wanted rows."""
        assert isinstance(state, TransformerState)
        position = state.open_position()
        x_BWD = self.target_embedding(token_R.view(-1, state.width)) * math.sqrt(self.config.d_model)
        x_BWD = self.positions.at(x_BWD, position.position_B, position.last)
        if state.prepared is not None:
            x_BWD = state.prepared.step(x_BWD.to(state.prepared.dtype), position)
            return state.prepared.logits(wanted_rows(x_BWD.flatten(0, 1), wanted), state.columns)
        x_BWD = x_BWD.to(_score_dtype(x_BWD))
        for number, layer in enumerate(self.decoder):
            x_BWD = layer.step(x_BWD, number, position)
        x_GD = wanted_rows(x_BWD.flatten(0, 1), wanted)
        logits_GV = linear(self.decoder_norm(x_GD), output_rows(self.output_weight_VD, state.columns))
        return logits_GV

    def _prepare(self, dtype: torch.dtype) -> PreparedDecoder:
        """The decoder as translating wants it; made again only when weights, dtype or arithmetic are others."""
        weights = [*self.decoder.parameters(), *self.decoder_norm.parameters(), self.output_weight_VD]
        arithmetic = Arithmetic(dtype, int8_products.get())
        versions = (arithmetic, *((weight.data_ptr(), weight._version) for weight in weights))
        prepared = self._prepared  # another thread may replace it
        if prepared is None or prepared[0] != versions:
            prepared = versions, PreparedDecoder(self.decoder, self.decoder_norm, self.output_weight_VD, arithmetic)
            self._prepared = prepared
        return prepared[1]

    def check_int8(self) -> None:
        """On a CPU that has it."""
        if not has_int8(self.output_weight_VD.device):
            super().check_int8()

    def train(self, mode: bool = True) -> "Transformer":
        """As nn.Module's; what was prepared for translating is forgotten, since training changes weights."""
        self._prepared = None
        return super().train(mode)


def _score_dtype(x_BTD: Tensor) -> torch.dtype:
    """The dtype attention scores will have: autocast's while it is on, the tensor's own otherwise."""
    kind = x_BTD.device.type
    if kind == "meta":  # a model without numbers, which knows no autocast
        return x_BTD.dtype
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x_BTD.dtype


def initialise(model: Transformer) -> None:
    """All initial values, in one place.

    | parameter                          | distribution                                            |
    |------------------------------------|---------------------------------------------------------|
    | token embeddings, output if untied | normal, standard deviation D^-0.5; the PAD row is zero  |
    | learned positions                  | normal, standard deviation D^-0.5                       |
    | every weight of a linear map       | Xavier uniform (Glorot and Bengio 2010)                 |
    | q, k and v weights                 | Xavier uniform of the stacked 3D × D matrix (gain 2^-½) |
    | biases                             | 0                                                       |
    | norms                              | 1 (and 0)                                               |

    The embedding is multiplied by √D on entry, so positions and tokens start with like sizes.
    """
    deviation = model.config.d_model**-0.5
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):
            gain = 2**-0.5 if name.endswith(("q_proj", "k_proj", "v_proj")) else 1.0
            nn.init.xavier_uniform_(module.weight, gain=gain)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=deviation)
            if module.padding_idx is not None:
                with torch.no_grad():
                    module.weight[module.padding_idx].zero_()
    if model.output is not None:
        nn.init.normal_(model.output.weight, std=deviation)
