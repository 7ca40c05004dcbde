"""What a Transformer's decoder remembers while it translates: keys and values in slots that are written once and never reordered.

The W hypotheses of a sentence share most of their past. So a sentence has W slots for every target position, one for each row, and all its
rows may ask all its slots; a bias says which of them are a row's own past. When a hypothesis continues another, only its line of the bias
is replaced, not its keys and values. Every so often the slots that no row sees any more are closed up. Sentences need not stand at the
same position, and a new sentence takes the place of one that has ended.

Dimensions besides those of mt/model/interface.py: P parts stacked (keys, values), C slots of a sentence, A and E places there is room for
(sentences, slots), L some of the sentences, I slots of a sentence that are kept, N rows of the caches, Y some of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mt.model.attention import HIDDEN, memory_positions
from mt.model.interface import DecoderState, longer

if TYPE_CHECKING:
    from mt.model.prepared_decoder import PreparedDecoder

_FIRST_ROOM = 16
"""Target positions that there are slots for at first."""
_CLOSING = 8
"""After so many positions the slots that are seen no more are closed up: a matter of a sentence alone, whatever is beside it."""


class TransformerState(DecoderState):
    """The caches of all layers, the biases that say what each row may see, and where every sentence stands."""

    def __init__(
        self, sources: Sequence[Tensor], bias_B11S: Tensor, lengths: list[int], width: int, prepared: "PreparedDecoder | None" = None
    ):
        """A state that has read nothing.

        sources: each layer's keys and values of the source, x_PBHSK. lengths: of the sources without padding. width: rows of a sentence
        (W). prepared: what computes the steps, if not the model's own layers.
        """
        self.prepared = prepared
        self.width = width
        self._device = bias_B11S.device
        self._source_lengths = lengths
        self._positions = [0] * len(lengths)
        """How many target positions of each sentence have been read."""
        self._fills = [0] * len(lengths)
        """How many slots of each sentence are filled, in units of W."""
        self._source_PAHSK = [*sources]
        self._target_PAHEK = [x_PBHSK.new_empty(*x_PBHSK.shape[:3], 0, x_PBHSK.shape[4]) for x_PBHSK in sources]
        self._cross_bias_A11S = bias_B11S
        self._tree_bias_AWE = bias_B11S.new_empty(len(lengths), width, 0)
        self._own_WW = bias_B11S.new_full((width, width), HIDDEN).fill_diagonal_(0.0)

    def open_position(self) -> "Position":
        """One more target position for every sentence, in which each row sees its own slot."""
        self._close_slots([place for place, position in enumerate(self._positions) if position and position % _CLOSING == 0])
        self._make_room(max(self._fills) + 1)
        sentences, fill = len(self._fills), max(self._fills)
        position_B = torch.tensor(self._positions, device=self._device)
        if min(self._fills) == fill:
            slots, row_N = slice(fill * self.width, (fill + 1) * self.width), None
            self._tree_bias_AWE[:sentences, :, slots] = self._own_WW
        else:
            slots, fill_B = None, torch.tensor(self._fills, device=self._device)
            place_W = torch.arange(self.width, device=self._device)
            self._tree_bias_AWE[:sentences].scatter_(2, (fill_B[:, None] * self.width + place_W)[:, :, None], 0.0)
            row_N = self._rows(range(sentences), fill_B[:, None], self._room())
        used = memory_positions((fill + 1) * self.width)
        longest = memory_positions(max(self._source_lengths))
        position = Position(
            self._target_PAHEK, self._source_PAHSK, sentences, position_B, max(self._positions), slots, row_N, used, longest,
            self._tree_bias_AWE[:sentences, None, :, :used], self._cross_bias_A11S[:sentences, :, :, :longest],
        )  # fmt: skip
        self._positions = [position + 1 for position in self._positions]
        self._fills = [fill + 1 for fill in self._fills]
        return position

    def reorder(self, rows_R: Tensor, sentences_B: Tensor | None = None) -> None:
        """Rows continue others of their sentence: their lines of the bias change. Caches move only where a sentence changes its place."""
        used = max(self._fills) * self.width
        lines_RC = self._tree_bias_AWE[: len(self._fills), :, :used].flatten(0, 1).index_select(0, rows_R)
        if sentences_B is not None:
            kept = sentences_B.tolist()
            self._positions, self._fills, self._source_lengths = (
                [numbers[place] for place in kept] for numbers in (self._positions, self._fills, self._source_lengths)
            )
            moves = [(at, place) for at, place in enumerate(kept) if at != place]
            if moves:
                to_L, origin_L = torch.tensor(moves, device=self._device).unbind(dim=1)
                self._cross_bias_A11S[to_L] = self._cross_bias_A11S[origin_L]
                self._tree_bias_AWE[to_L] = HIDDEN
                for x_PAHXK in (*self._target_PAHEK, *self._source_PAHSK):
                    x_PAHXK[:, to_L] = x_PAHXK[:, origin_L]
        self._tree_bias_AWE[: len(self._fills), :, :used] = lines_RC.view(-1, self.width, used)

    def put(self, places: Sequence[int], other: DecoderState, others: Sequence[int]) -> None:
        """Sentences of a state that has read nothing begin in these places; what stood there stays in the slots, hidden."""
        assert isinstance(other, TransformerState) and not any(other._positions)
        longest = other._cross_bias_A11S.shape[3]
        self._widen(max(places) + 1, longest)
        missing = max(places) + 1 - len(self._positions)
        for numbers in (self._positions, self._fills, self._source_lengths):
            numbers.extend([0] * missing)
        for place, number in zip(places, others, strict=True):
            self._positions[place] = self._fills[place] = 0
            self._source_lengths[place] = other._source_lengths[number]
        places_L, others_L = (torch.tensor(list(numbers), device=self._device) for numbers in (places, others))
        self._tree_bias_AWE[places_L] = HIDDEN
        self._cross_bias_A11S[places_L] = HIDDEN
        self._cross_bias_A11S[places_L, :, :, :longest] = other._cross_bias_A11S[others_L]
        for own_PAHSK, new_PAHSK in zip(self._source_PAHSK, other._source_PAHSK, strict=True):
            own_PAHSK[:, places_L, :, :longest] = new_PAHSK[:, others_L]

    def _close_slots(self, places: list[int]) -> None:
        """Keep only the slots that a row of these sentences sees, in their order."""
        if not places or self.width == 1:
            return
        places_L = torch.tensor(places, device=self._device)
        used = max(self._fills[place] for place in places) * self.width
        lines_LWC = self._tree_bias_AWE[places_L, :, :used]
        seen_LC = (lines_LWC == 0).any(dim=1)
        order_LC = seen_LC.to(torch.int8).argsort(dim=1, descending=True, stable=True)
        filled = [-(-count // self.width) for count in seen_LC.sum(dim=1).tolist()]
        kept = max(filled) * self.width
        order_LI = order_LC[:, :kept]
        self._tree_bias_AWE[places_L] = HIDDEN
        self._tree_bias_AWE[places_L, :, :kept] = lines_LWC.gather(2, order_LI[:, None].expand(-1, self.width, -1))
        origin_Y = self._rows(places, order_LI, self._room() * self.width)
        to_Y = self._rows(places, torch.arange(kept, device=self._device).expand(len(places), -1), self._room() * self.width)
        for x_PAHEK in self._target_PAHEK:
            x_NK = x_PAHEK.view(-1, x_PAHEK.shape[4])
            x_NK.index_copy_(0, to_Y, x_NK.index_select(0, origin_Y))
        for place, fill in zip(places, filled, strict=True):
            self._fills[place] = fill

    def _rows(self, places: Sequence[int], slot_LC: Tensor, per_head: int) -> Tensor:
        """row_N: where these slots of these sentences stand, for each part and head, in a cache seen as one list of slots."""
        _, room, heads, _, _ = self._target_PAHEK[0].shape
        part_P111 = torch.arange(2, device=self._device)[:, None, None, None] * room
        place_L11 = torch.tensor(list(places), device=self._device)[:, None, None]
        head_H1 = torch.arange(heads, device=self._device)[:, None]
        row_PLHC = ((part_P111 + place_L11) * heads + head_H1) * per_head + slot_LC[:, None]
        return row_PLHC.flatten()

    def _room(self) -> int:
        """For how many target positions there are slots."""
        return self._tree_bias_AWE.shape[2] // self.width

    def _make_room(self, positions: int) -> None:
        """Slots for so many target positions, in doublings. Empty ones are zero: hidden, but read, so that they must be finite."""
        room = self._room()
        if positions > room:
            more = max(_FIRST_ROOM, room) * self.width
            self._tree_bias_AWE = longer(self._tree_bias_AWE, 2, more, HIDDEN)
            _replace(self._target_PAHEK, lambda x_PAHEK: longer(x_PAHEK, 3, more))

    def _widen(self, sentences: int, longest: int) -> None:
        """Places for so many sentences, and for sources of that length."""
        places = sentences - len(self._cross_bias_A11S)
        if places > 0:
            self._cut(longest)
        more = longest - self._cross_bias_A11S.shape[3]
        if more > 0:
            self._cross_bias_A11S = longer(self._cross_bias_A11S, 3, more, HIDDEN)
            _replace(self._source_PAHSK, lambda x_PAHSK: longer(x_PAHSK, 3, more))
        if places > 0:
            self._tree_bias_AWE = longer(self._tree_bias_AWE, 0, places, HIDDEN)
            self._cross_bias_A11S = longer(self._cross_bias_A11S, 0, places, HIDDEN)
            for caches in (self._source_PAHSK, self._target_PAHEK):
                _replace(caches, lambda x_PAHXK: longer(x_PAHXK, 1, places))

    def _cut(self, longest: int) -> None:
        """Without the slots and source positions that no sentence has now: few long sentences come first, many short ones last.

        longest: a source that is to come.
        """
        length = max(longest, memory_positions(max(self._source_lengths)))
        self._cross_bias_A11S = self._cross_bias_A11S[:, :, :, :length]
        _replace(self._source_PAHSK, lambda x_PAHSK: x_PAHSK[:, :, :, :length])
        room = _FIRST_ROOM
        while room < max(self._fills):
            room *= 2
        self._tree_bias_AWE = self._tree_bias_AWE[:, :, : room * self.width]
        _replace(self._target_PAHEK, lambda x_PAHEK: x_PAHEK[:, :, :, : room * self.width])


def _replace(caches: list[Tensor], change: Callable[[Tensor], Tensor]) -> None:
    """One layer after another, so that only one of them is there twice."""
    for number, cache in enumerate(caches):
        caches[number] = change(cache)


@dataclass
class Position:
    """The target position that is read now: where its keys and values go, and what may be seen from it."""

    target_PAHEK: list[Tensor]
    source_PAHSK: list[Tensor]
    sentences: int
    position_B: Tensor
    """Each sentence's target position, from 0."""
    last: int
    """The largest of them."""
    slots: slice | None
    """The slots that are written, where they are the same for all sentences."""
    row_N: Tensor | None
    """Elsewhere: the rows of W slots that are written, in a cache seen as one list of them."""
    used: int
    """How many slots of each sentence are read."""
    longest: int
    """How many source positions are read."""
    tree_bias_B1WC: Tensor
    """0 where a slot holds a row's own past, hugely negative elsewhere."""
    cross_bias_B11S: Tensor
    """0 where there is a source token, hugely negative on padding."""

    def remember(self, layer: int, new_PBHWK: Tensor) -> tuple[Tensor, Tensor]:
        """Write a layer's keys and values of this position; returns those of all positions so far, k_BHCK and v_BHCK."""
        x_PAHEK = self.target_PAHEK[layer]
        if self.slots is not None:
            x_PAHEK[:, : self.sentences, :, self.slots] = new_PBHWK
        else:
            written_NF = new_PBHWK.reshape(len(self.row_N), -1)
            x_PAHEK.view(-1, written_NF.shape[1]).index_copy_(0, self.row_N, written_NF)
        k_BHCK, v_BHCK = x_PAHEK[:, : self.sentences, :, : self.used].unbind()
        return k_BHCK, v_BHCK

    def source(self, layer: int) -> tuple[Tensor, Tensor]:
        """A layer's keys and values of the source, k_BHSK and v_BHSK."""
        k_BHSK, v_BHSK = self.source_PAHSK[layer][:, : self.sentences, :, : self.longest].unbind()
        return k_BHSK, v_BHSK
