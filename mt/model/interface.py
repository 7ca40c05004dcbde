"""The interface between a model and everything else, and the key to the dimensions in tensor names.

Training calls `states` (or `forward`); decoding calls `encode`, `start`, `step` and `DecoderState.reorder`. Every architecture
implements them, so that one loss and one beam search serve all. This file holds no arithmetic.

The dimension key (a tensor's name ends in its dimensions, `x_BSD` is sentences × source positions × d_model):

    B  sentences in the batch        H  attention heads           R  decoder rows, B·W (beam-major within a sentence)
    S  source positions              K  width of one head, D = H·K  V  vocabulary
    T  target positions              D  d_model                   W  beam width (rows per sentence)
    Q  query positions               M  memory positions          F  d_ff
    N  tokens without padding        P  parts stacked (q, k, v)   G  rows whose logits are wanted
    1  a dimension that is broadcast
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from mt.errors import DecodingError

int8_products: ContextVar[bool] = ContextVar("int8_products", default=False)
"""Whether linear maps that can multiply by whole numbers of 8 bits do so; set by mt/decoding/precision.py. It belongs to a search, not to a
model: searches in several threads may share a model and calculate in different precisions."""


@dataclass
class Encoded:
    """What the encoder leaves for the decoder: one row per sentence."""

    memory_BSD: Tensor
    """The encoder's output."""
    mask_B11S: Tensor
    """True where a source position holds a token, False where it is padding."""


@dataclass
class Columns:
    """Some pieces of the vocabulary, when no others are wanted (mt/decoding/shortlist.py): U columns of the logits."""

    ids_U: Tensor
    """Their token ids."""
    prepared: dict[int, Callable[[Tensor], Tensor]] = field(default_factory=dict)
    """The output projection to these columns as models have prepared it, by the model's id."""
    hidden_GU: Tensor | None = None
    """Which of them do not belong to a wanted row's sentence: the search gives them no probability. A model that normalises by itself
    leaves them out, or what is decoded beside a sentence would change its probabilities."""


class DecoderState(ABC):
    """What the decoder remembers between two steps (keys and values, or a recurrent state): R = B·W rows."""

    columns: Columns | None = None
    """The pieces whose logits `step` gives; None: all."""

    @abstractmethod
    def reorder(self, rows_R: Tensor, sentences_B: Tensor | None = None) -> None:
        """Keep the given rows in the given order, in place.

        rows_R: for each row afterwards, the index of the row it continues (long). sentences_B: when sentences have left the
        batch, the indices of those that stay, in order; rows_R then has len(sentences_B)·W entries. None: all sentences stay and
        each row continues one of its own sentence. A sentence may stand in sentences_B several times.
        """

    @abstractmethod
    def put(self, places: Sequence[int], other: "DecoderState", others: Sequence[int]) -> None:
        """Sentences of another state that has read no token yet begin in these places.

        places: those of sentences that are done, or from the present count of sentences on. others: which of the other's.
        """


class TranslationModel(nn.Module, ABC):
    """An encoder–decoder model over token ids."""

    @abstractmethod
    def states(self, source_BS: Tensor, decoder_input_BT: Tensor) -> Tensor:
        """Teacher forcing: the decoder's last states x_BTD for the gold target shifted right."""

    @property
    @abstractmethod
    def output_weight_VD(self) -> Tensor:  # noqa: N802 - the name carries the shape
        """The output projection's weight: logits = x · Wᵀ. The loss reads it to avoid holding all logits at once."""

    def forward(self, source_BS: Tensor, decoder_input_BT: Tensor) -> Tensor:
        """Logits_BTV for every target position, under teacher forcing."""
        logits_BTV = torch.nn.functional.linear(self.states(source_BS, decoder_input_BT), self.output_weight_VD)
        return logits_BTV

    @property
    def least_rows(self) -> int:
        """With fewer decoder rows than this a row's result is not, to the last bit, what it is among many.

        On a CPU the product of a matrix with few rows adds in another order: with fewer than 4 in one thread, and with some counts up
        to 12 in several (measured, docs/LOG.md, 2026-11-25). Elsewhere nothing is promised.
        """
        if self.output_weight_VD.device.type != "cpu":
            return 1
        return 4 if torch.get_num_threads() == 1 else 16

    def check_int8(self) -> None:
        """Raise DecodingError where the model cannot translate with linear maps of 8 bits (`int8_products`)."""
        raise DecodingError(
            "decoding.precision=int8 needs a model of architecture transformer, on a CPU that multiplies whole numbers of 8 bits fast "
            "(VNNI or AMX): take fp32, or bf16"
        )

    def source_length(self, longest: int) -> int:
        """To what length sources are padded for `encode`, the longest having that many tokens."""
        return longest

    @abstractmethod
    def encode(self, source_BS: Tensor) -> Encoded:
        """Run the encoder once for a padded batch of source sentences."""

    @abstractmethod
    def start(self, encoded: Encoded, beam_size: int) -> DecoderState:
        """The state before the first target token, with beam_size (W) rows for each sentence."""

    @abstractmethod
    def step(self, token_R: Tensor, state: DecoderState, wanted: Sequence[int] | None = None) -> Tensor:
        """Feed one token to each row, advance the state in place, return logits_GV for the next token of the wanted rows (None: all).

        Where the state has `columns`, only of these pieces: logits_GU.
        """

    def cross_attention(self, source_BS: Tensor, decoder_input_BT: Tensor, layer: int = -1) -> Tensor:
        """weights_BTS under teacher forcing: how much each target position looks at each source position, the mean of the heads.

        layer: of the decoder, as a list is indexed. Each row adds up to 1; padding gets nothing. Raises DecodingError for a layer that does
        not exist, and for a model whose decoder does not look at the source.
        """
        raise DecodingError(
            "this model has no cross-attention: its decoder reads one vector of the whole source. Leave decoding.coverage_penalty at 0, "
            "or use a model of architecture transformer or rnn-attention"
        )


def longer(x: Tensor, dimension: int, more: int, value: float = 0.0) -> Tensor:
    """A tensor with so much more of one dimension, filled with a value: for states that grow.

    Of any shape, hence no dimensions in its name.
    """
    shape = [*x.shape]
    shape[dimension] = more
    return torch.cat([x, x.new_full(shape, value)], dim=dimension)


def output_rows(output_weight_VD: Tensor, columns: Columns | None) -> Tensor:
    """The rows of the output projection whose logits are wanted."""
    return output_weight_VD if columns is None else output_weight_VD.index_select(0, columns.ids_U)


def wanted_rows(x_RD: Tensor, wanted: Sequence[int] | None) -> Tensor:
    """x_GD: the rows whose logits are wanted; None: all."""
    if wanted is None:
        return x_RD
    x_GD = x_RD.index_select(0, torch.tensor(wanted, device=x_RD.device))
    return x_GD
