"""Several models that translate together: at every step the mean of their probabilities.

The search sees one model. All must read and write the same tokens. Legend in mt/model/interface.py.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mt.model.interface import DecoderState, Encoded, TranslationModel


@dataclass
class EncodedByEach(Encoded):
    """What every member's encoder leaves; the fields of Encoded are the first one's."""

    each: list[Encoded]


class EnsembleState(DecoderState):
    """The members' states, side by side."""

    def __init__(self, each: Sequence[DecoderState]):
        self.each = each

    def reorder(self, rows_R: Tensor, sentences_B: Tensor | None = None) -> None:
        """All alike."""
        for state in self.each:
            state.reorder(rows_R, sentences_B)

    def put(self, places: Sequence[int], other: DecoderState, others: Sequence[int]) -> None:
        """All alike."""
        assert isinstance(other, EnsembleState)
        for state, its in zip(self.each, other.each, strict=True):
            state.put(places, its, others)


class Ensemble(TranslationModel):
    """The members' mean; its logits are the logarithms of mean probabilities. For translating and scoring, not for training."""

    def __init__(self, members: Sequence[TranslationModel]):
        super().__init__()
        assert members
        self.members = nn.ModuleList(members)

    @property
    def output_weight_VD(self) -> Tensor:  # noqa: N802 - the name carries the shape
        """The first member's: device and vocabulary are the same for all."""
        return self.members[0].output_weight_VD

    @property
    def least_rows(self) -> int:
        """Enough for each member."""
        return max(member.least_rows for member in self.members)

    def source_length(self, longest: int) -> int:
        """Enough for each member."""
        return max(member.source_length(longest) for member in self.members)

    def check_int8(self) -> None:
        """Every member must."""
        for member in self.members:
            member.check_int8()

    def states(self, source_BS: Tensor, decoder_input_BT: Tensor) -> Tensor:
        """There are none: members may differ in width, and only probabilities can be averaged."""
        raise TypeError("an ensemble has no states of its own; train its members one by one")

    def forward(self, source_BS: Tensor, decoder_input_BT: Tensor) -> Tensor:
        """Logits_BTV for every target position, under teacher forcing."""
        return _mean([member(source_BS, decoder_input_BT) for member in self.members])

    def cross_attention(self, source_BS: Tensor, decoder_input_BT: Tensor, layer: int = -1) -> Tensor:
        """weights_BTS, the mean of the members'."""
        looks = [member.cross_attention(source_BS, decoder_input_BT, layer) for member in self.members]
        return torch.stack([weights_BTS.float() for weights_BTS in looks]).mean(dim=0)

    def encode(self, source_BS: Tensor) -> EncodedByEach:
        """Every member's encoder reads the batch."""
        each = [member.encode(source_BS) for member in self.members]
        return EncodedByEach(each[0].memory_BSD, each[0].mask_B11S, each)

    def start(self, encoded: Encoded, beam_size: int) -> EnsembleState:
        """The members' states before the first target token."""
        assert isinstance(encoded, EncodedByEach)
        return EnsembleState([member.start(its, beam_size) for member, its in zip(self.members, encoded.each, strict=True)])

    def step(self, token_R: Tensor, state: DecoderState, wanted: Sequence[int] | None = None) -> Tensor:
        """One token for each row, read by every member."""
        assert isinstance(state, EnsembleState)
        for its in state.each:
            its.columns = state.columns
        each = [member.step(token_R, its, wanted) for member, its in zip(self.members, state.each, strict=True)]
        if state.columns is not None and state.columns.hidden_GU is not None:
            each = [logits_GU.masked_fill(state.columns.hidden_GU, -torch.inf) for logits_GU in each]
        logits_GV = _mean(each)
        return logits_GV


def _mean(logits: Sequence[Tensor]) -> Tensor:
    """The logarithm of the members' mean probability; of any shape, the vocabulary last, hence no dimensions in the name."""
    log_probs = torch.stack([torch.log_softmax(one.float(), dim=-1) for one in logits])
    return torch.logsumexp(log_probs, dim=0) - math.log(len(logits))
