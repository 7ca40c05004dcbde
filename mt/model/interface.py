"""The interface between a model and everything else, and the key to the dimensions in tensor names.

Training calls `states` (or `forward`); decoding calls `encode`, `start`, `step` and `DecoderState.reorder`. Every architecture
implements them, so that one loss and one beam search serve all. This file holds no arithmetic.

The dimension key (a tensor's name ends in its dimensions, `x_BSD` is sentences × source positions × d_model):

    B  sentences in the batch        H  attention heads           R  decoder rows, B·W (beam-major within a sentence)
    S  source positions              K  width of one head, D = H·K  V  vocabulary
    T  target positions              D  d_model                   W  beam width (rows per sentence)
    Q  query positions               M  memory positions          F  d_ff
    N  tokens without padding        P  parts stacked (q, k, v)   1  a dimension that is broadcast
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass
class Encoded:
    """What the encoder leaves for the decoder: one row per sentence."""

    memory_BSD: Tensor
    """The encoder's output."""
    mask_B11S: Tensor
    """True where a source position holds a token, False where it is padding."""


class DecoderState(ABC):
    """What the decoder remembers between two steps (keys and values, or a recurrent state): R = B·W rows."""

    @abstractmethod
    def reorder(self, rows_R: Tensor, sentences_B: Tensor | None = None) -> None:
        """Keep the given rows in the given order, in place.

        rows_R: for each row afterwards, the index of the row it continues (long). sentences_B: when sentences have left the
        batch, the indices of those that stay, in order; rows_R then has len(sentences_B)·W entries. None: all sentences stay and
        each row continues one of its own sentence.
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

    @abstractmethod
    def encode(self, source_BS: Tensor) -> Encoded:
        """Run the encoder once for a padded batch of source sentences."""

    @abstractmethod
    def start(self, encoded: Encoded, beam_size: int) -> DecoderState:
        """The state before the first target token, with beam_size (W) rows for each sentence."""

    @abstractmethod
    def step(self, token_R: Tensor, state: DecoderState) -> Tensor:
        """Feed one token to each row, advance the state in place, return logits_RV for the next token."""
