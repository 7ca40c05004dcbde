"""The Transformer's ancestors: a recurrent encoder–decoder with one context vector, and one with additive attention.

`rnn` (Sutskever et al. 2014; Cho et al. 2014): the encoder's last state is all that the decoder gets to know of the source; it sets the
decoder's first state and is read again at every step. `rnn-attention` (Bahdanau et al. 2015): every step reads a weighted sum of all
encoder states, with weights that are a function of the decoder's state and of each encoder state. LSTM or GRU cells. The interface,
and with it the loss, the trainer and the search, is the Transformer's. Legend in mt/model/interface.py; here also G gates stacked in one
matrix (4 or 3 times D), L decoder layers.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from mt.config import ModelConfig
from mt.data.special_ids import PAD
from mt.errors import DecodingError
from mt.model.attention import HIDDEN, mask_bias, padding_mask
from mt.model.dropout import Dropout
from mt.model.interface import DecoderState, Encoded, TranslationModel, longer, output_rows, wanted_rows
from mt.model.linear import Linear, linear

State = tuple[Tensor, ...]
"""One decoder layer's memory: (h_RD, c_RD) of an LSTM, (h_RD,) of a GRU."""


class RecurrentEncoder(nn.Module):
    """Stacked LSTM or GRU layers over the source, padding left out; backwards too when there is attention.

    With both directions each has half the width, so that a state still has D numbers.
    """

    def __init__(self, config: ModelConfig, both_directions: bool):
        super().__init__()
        kind = nn.LSTM if config.cell == "lstm" else nn.GRU
        width = config.d_model // (2 if both_directions else 1)
        self.layers = nn.ModuleList(
            kind(config.d_model, width, batch_first=True, bidirectional=both_directions) for _ in range(config.encoder_layers)
        )
        self.dropout = Dropout(config.dropout)

    def forward(self, x_BSD: Tensor, lengths_B: Tensor) -> Tensor:
        """(B, S, D) → (B, S, D): the last layer's state at every source position. What stands on padding is zero."""
        for number, layer in enumerate(self.layers):
            packed = pack_padded_sequence(self.dropout(x_BSD) if number else x_BSD, lengths_B, batch_first=True, enforce_sorted=False)
            x_BSD, _ = pad_packed_sequence(layer(packed)[0], batch_first=True, total_length=x_BSD.shape[1])
        return x_BSD


class AdditiveAttention(nn.Module):
    """e = vᵀ tanh(W s + U h), a softmax over the source, and the weighted sum of the encoder states (Bahdanau et al. 2015, section 3.1)."""

    def __init__(self, d_model: int):
        super().__init__()
        self.query_proj = Linear(d_model, d_model)
        self.key_proj = Linear(d_model, d_model, bias=False)
        self.energy_proj = Linear(d_model, 1, bias=False)

    def keys(self, memory_BSD: Tensor) -> Tensor:
        """U h of every encoder state, computed once for a sentence."""
        return self.key_proj(memory_BSD)

    def forward(self, query_BWD: Tensor, key_BSD: Tensor, memory_BSD: Tensor, bias_B1S: Tensor) -> tuple[Tensor, Tensor]:
        """context_BWD and the weights_BWS that made it; the W rows of a sentence ask the same memory."""
        energy_BWS = self.energy_proj(torch.tanh(self.query_proj(query_BWD).unsqueeze(2) + key_BSD.unsqueeze(1))).squeeze(3)
        weights_BWS = torch.softmax(energy_BWS + bias_B1S, dim=2)
        context_BWD = weights_BWS @ memory_BSD
        return context_BWD, weights_BWS


class RecurrentState(DecoderState):
    """What a recurrent decoder remembers: each layer's state, and what it may look at of the source."""

    def __init__(self, layers: list[State], context_BD: Tensor, key_BSD: Tensor | None, encoded: Encoded):
        self.layers = layers
        self.context_BD = context_BD
        self.key_BSD = key_BSD
        self.memory_BSD = encoded.memory_BSD
        self.bias_B1S = mask_bias(encoded.mask_B11S, encoded.memory_BSD.dtype).squeeze(1)

    def reorder(self, rows_R: Tensor, sentences_B: Tensor | None = None) -> None:
        """Keep the given rows; what belongs to a sentence moves only when sentences leave the batch."""
        self.layers = [tuple(part_RD.index_select(0, rows_R) for part_RD in layer) for layer in self.layers]
        if sentences_B is not None:
            self.context_BD, self.memory_BSD, self.bias_B1S = (
                part.index_select(0, sentences_B) for part in (self.context_BD, self.memory_BSD, self.bias_B1S)
            )
            self.key_BSD = None if self.key_BSD is None else self.key_BSD.index_select(0, sentences_B)

    def put(self, places: Sequence[int], other: DecoderState, others: Sequence[int]) -> None:
        """Sentences of a state that has read nothing begin in these places."""
        assert isinstance(other, RecurrentState)
        places_L, others_L = (torch.tensor(list(numbers), device=self.context_BD.device) for numbers in (places, others))
        B, W = len(self.context_BD), len(self.layers[0][0]) // len(self.context_BD)
        rows_L, others_rows_L = ((x_L[:, None] * W + torch.arange(W, device=x_L.device)).flatten() for x_L in (places_L, others_L))
        more = max(0, max(places) + 1 - B)
        self.layers = [
            tuple(_put(own_RD, rows_L, new_RD[others_rows_L], more * W) for own_RD, new_RD in zip(*layers, strict=True))
            for layers in zip(self.layers, other.layers, strict=True)
        ]
        self.context_BD = _put(self.context_BD, places_L, other.context_BD[others_L], more)
        self.memory_BSD = _put(self.memory_BSD, places_L, other.memory_BSD[others_L], more)
        self.bias_B1S = _put(self.bias_B1S, places_L, other.bias_B1S[others_L], more, dimension=2, value=HIDDEN)
        if self.key_BSD is not None:
            self.key_BSD = _put(self.key_BSD, places_L, other.key_BSD[others_L], more)


def _put(own: Tensor, rows_L: Tensor, new: Tensor, more: int, dimension: int = 1, value: float = 0.0) -> Tensor:
    """`own` with `more` rows added and some replaced by the new ones; the shorter of both (along a dimension) is filled with a value."""
    longest = max(own.shape[dimension], new.shape[dimension])
    own, new = (longer(x, dimension, longest - x.shape[dimension], value) for x in (own, new))
    own = longer(own, 0, more, value) if more else own.clone()
    return own.index_copy_(0, rows_L, new)


class Recurrent(TranslationModel):
    """Both ancestors: with `attention` the decoder looks at every encoder state, without it at the last one."""

    def __init__(self, config: ModelConfig, source_vocab: int, target_vocab: int):
        super().__init__()
        self.config = config
        D = config.d_model
        self.source_embedding = nn.Embedding(source_vocab, D, padding_idx=PAD)
        self.target_embedding = self.source_embedding
        if config.tie_embeddings != "all":
            self.target_embedding = nn.Embedding(target_vocab, D, padding_idx=PAD)
        self.dropout = Dropout(config.dropout)
        self.word_dropout = Dropout(config.word_dropout)
        attention = config.architecture == "rnn-attention"
        self.encoder = RecurrentEncoder(config, both_directions=attention)
        cell = nn.LSTMCell if config.cell == "lstm" else nn.GRUCell
        # The first layer reads the word and the context, the others the layer below.
        self.decoder = nn.ModuleList(cell(2 * D if layer == 0 else D, D) for layer in range(config.decoder_layers))
        self.first_proj = Linear(D, config.decoder_layers * D)
        self.attention = AdditiveAttention(D) if attention else None
        self.readout_proj = Linear(3 * D, D)
        self.output = Linear(D, target_vocab, bias=False) if config.tie_embeddings == "none" else None
        initialise(self)

    @property
    def output_weight_VD(self) -> Tensor:  # noqa: N802
        """The output projection; the target embedding itself when tied (Press and Wolf 2017)."""
        return self.target_embedding.weight if self.output is None else self.output.weight

    def embed(self, token_BT: Tensor, embedding: nn.Embedding) -> Tensor:
        """Rows of the embedding times √D, with dropout. No positions: the order of reading is the order of the words."""
        x_BTD = embedding(token_BT) * math.sqrt(self.config.d_model)
        if self.training and self.word_dropout.probability:
            x_BTD = x_BTD * self.word_dropout(x_BTD.new_ones(*token_BT.shape, 1))
        return self.dropout(x_BTD)

    def encode(self, source_BS: Tensor) -> Encoded:
        """Read the source; the recurrence itself always runs in fp32."""
        with torch.autocast(source_BS.device.type, enabled=False):
            lengths_B = (source_BS != PAD).sum(dim=1)
            memory_BSD = self.encoder(self.embed(source_BS, self.source_embedding), lengths_B.cpu())
        return Encoded(memory_BSD=memory_BSD, mask_B11S=padding_mask(source_BS))

    def start(self, encoded: Encoded, beam_size: int) -> RecurrentState:
        """The decoder's first states, made from the context vector: the encoder's last state, or, with attention, the mean of all."""
        with torch.autocast(encoded.memory_BSD.device.type, enabled=False):
            return self._start(encoded, beam_size)

    def _start(self, encoded: Encoded, beam_size: int) -> RecurrentState:
        mask_BS = encoded.mask_B11S[:, 0, 0]
        lengths_B1 = mask_BS.sum(dim=1, keepdim=True)
        if self.attention is None:
            last_B1D = (lengths_B1 - 1).unsqueeze(2).expand(-1, -1, encoded.memory_BSD.shape[2])
            context_BD = encoded.memory_BSD.gather(1, last_B1D).squeeze(1)
            key_BSD = None
        else:
            context_BD = encoded.memory_BSD.sum(dim=1) / lengths_B1  # padding is zero
            key_BSD = self.attention.keys(encoded.memory_BSD)
        first_RX = torch.tanh(self.first_proj(context_BD)).repeat_interleave(beam_size, dim=0)
        layers = []
        for h_RD in first_RX.chunk(self.config.decoder_layers, dim=1):
            layers.append((h_RD, torch.zeros_like(h_RD)) if self.config.cell == "lstm" else (h_RD,))
        return RecurrentState(layers, context_BD, key_BSD, encoded)

    def states(self, source_BS: Tensor, decoder_input_BT: Tensor) -> Tensor:
        """Teacher forcing, one target position after another: the readouts x_BTD."""
        encoded = self.encode(source_BS)
        with torch.autocast(source_BS.device.type, enabled=False):
            state = self.start(encoded, 1)
            x_BTD = self.embed(decoder_input_BT, self.target_embedding)
            readouts = [self.advance(x_BD, state) for x_BD in x_BTD.unbind(dim=1)]
        return torch.stack(readouts, dim=1)

    def cross_attention(self, source_BS: Tensor, decoder_input_BT: Tensor, layer: int = -1) -> Tensor:
        """weights_BTS of the one attention there is, under teacher forcing."""
        if self.attention is None:
            return super().cross_attention(source_BS, decoder_input_BT, layer)
        if layer not in (0, -1):
            raise DecodingError(f"there is no attention {layer}: a recurrent model has one, 0 or -1")
        with torch.autocast(source_BS.device.type, enabled=False):
            state = self.start(self.encode(source_BS), 1)
            looks = []
            for x_BD in self.embed(decoder_input_BT, self.target_embedding).unbind(dim=1):
                looks.append(self._look(state)[1])
                self.advance(x_BD, state)
        weights_BTS = torch.cat(looks, dim=1)
        return weights_BTS

    def _look(self, state: RecurrentState) -> tuple[Tensor, Tensor]:
        """context_BWD and weights_BWS of the state before the next token (Bahdanau et al. 2015, equation 5)."""
        B, (R, D) = len(state.memory_BSD), state.layers[-1][0].shape
        query_BWD = state.layers[-1][0].view(B, R // B, D)
        return self.attention(query_BWD, state.key_BSD, state.memory_BSD, state.bias_B1S)

    def advance(self, x_RD: Tensor, state: RecurrentState) -> Tensor:
        """Read one target token a row: look at the source, move every layer's state, give the readout_RD.

        The look is taken with the state before the token (Bahdanau et al. 2015, equation 5); the readout sees state, word and context.
        """
        B, R, D = state.memory_BSD.shape[0], *x_RD.shape
        if self.attention is None:
            context_RD = state.context_BD.repeat_interleave(R // B, dim=0)
        else:
            context_BWD, _ = self._look(state)
            context_RD = context_BWD.reshape(R, D)
        below_RD = torch.cat([x_RD, context_RD], dim=1)
        layers = []
        for number, (cell, layer) in enumerate(zip(self.decoder, state.layers, strict=True)):
            moved = cell(self.dropout(below_RD) if number else below_RD, layer if len(layer) == 2 else layer[0])
            layers.append(moved if isinstance(moved, tuple) else (moved,))
            below_RD = layers[-1][0]
        state.layers = layers
        readout_RD = torch.tanh(self.readout_proj(torch.cat([below_RD, x_RD, context_RD], dim=1)))
        return self.dropout(readout_RD)

    def step(self, token_R: Tensor, state: DecoderState, wanted: Sequence[int] | None = None) -> Tensor:
        """One token per row; logits_GV for the next of the wanted rows."""
        assert isinstance(state, RecurrentState)
        with torch.autocast(token_R.device.type, enabled=False):
            x_RD = self.embed(token_R.unsqueeze(1), self.target_embedding).squeeze(1)
            logits_GV = linear(wanted_rows(self.advance(x_RD, state), wanted), output_rows(self.output_weight_VD, state.columns))
        return logits_GV


def initialise(model: Recurrent) -> None:
    """All initial values, in one place.

    | parameter                          | distribution                                           |
    |------------------------------------|--------------------------------------------------------|
    | token embeddings, output if untied | normal, standard deviation D^-0.5; the PAD row is zero |
    | weights from the input of a cell   | Xavier uniform (Glorot and Bengio 2010), gate by gate  |
    | weights from the state of a cell   | orthogonal, gate by gate (Saxe et al. 2014)            |
    | every weight of a linear map       | Xavier uniform                                         |
    | biases                             | 0; an LSTM's forget gate 1 (Jozefowicz et al. 2015)    |
    """
    deviation = model.config.d_model**-0.5
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=deviation)
            with torch.no_grad():
                module.weight[module.padding_idx].zero_()
        elif isinstance(module, nn.RNNBase | nn.RNNCellBase):
            _initialise_cell(module, lstm=isinstance(module, nn.LSTM | nn.LSTMCell))
    if model.output is not None:
        nn.init.normal_(model.output.weight, std=deviation)


def _initialise_cell(module: nn.Module, lstm: bool) -> None:
    """The gates lie one below the other in each matrix; an LSTM's second is the forget gate, and torch adds two biases."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            for number, gate in enumerate(parameter.chunk(4 if lstm else 3)):
                if name.startswith("weight_ih"):
                    nn.init.xavier_uniform_(gate)
                elif name.startswith("weight_hh"):
                    nn.init.orthogonal_(gate)
                else:
                    gate.fill_(1.0 if lstm and number == 1 and name.startswith("bias_ih") else 0.0)
