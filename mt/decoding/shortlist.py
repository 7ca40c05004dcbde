"""A shortlist: of a large vocabulary only the pieces that a sentence's own words are likely to be translated by.

The output's product and the softmax take the larger part of a step when the vocabulary is large. What a piece is translated by is
counted in the training pairs (mt/data/lexicon.py), as Marian and its forebears do (Schwenk et al. 2007; L'Hostis et al. 2016).

The sentences in flight share one product, with the columns of them all; what is another's is hidden from a sentence, so that it
chooses among its own pieces whatever is beside it, with probabilities that add up to 1 over these.

Dimensions besides those of mt/model/interface.py: U columns, L some of the sentences, N pieces for each source piece, C frequent ones.
"""

from collections.abc import Sequence

import numpy
import torch
from torch import Tensor

from mt.data.lexicon import lexicon
from mt.data.special_ids import EOS
from mt.decoding.hypothesis import NEVER_PRODUCED
from mt.decoding.method import Sentence
from mt.model.interface import Columns

_FREQUENT = 100
"""The most frequent pieces of the targets, which every sentence may write."""
_ROUND = 512
"""What the number of columns is rounded up to a multiple of: oneDNN makes a kernel for every new number."""


class Shortlist:
    """For each source piece the target pieces it may become, and those that are always possible."""

    def __init__(self, piece_VN: Tensor, frequent_C: Tensor, shared: bool):
        """piece_VN: token ids, -1 where there are fewer than N. shared: a source piece may be copied, both sides having one vocabulary."""
        self.piece_VN = piece_VN
        self.frequent_C = frequent_C
        self.shared = shared

    @classmethod
    def learn(
        cls, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]], sizes: tuple[int, int], best: int, shared: bool
    ) -> "Shortlist":
        """From pairs of token ids. sizes: of the source and target vocabularies."""
        piece_VN = lexicon(sources, targets, *sizes, best)
        counts_V = numpy.bincount(numpy.concatenate([*map(numpy.asarray, targets), [EOS]]).astype(numpy.int64), minlength=sizes[1])
        counts_V[[*NEVER_PRODUCED]] = 0
        frequent = [piece for piece in numpy.argsort(-counts_V, kind="stable")[:_FREQUENT].tolist() if counts_V[piece]]
        return cls(torch.from_numpy(piece_VN), torch.tensor(sorted({*frequent, EOS}), dtype=torch.int32), shared)

    def tensors(self) -> dict[str, Tensor]:
        """What is to be stored."""
        return {"pieces": self.piece_VN, "frequent": self.frequent_C, "shared": torch.tensor(self.shared)}

    @classmethod
    def of(cls, tensors: dict[str, Tensor]) -> "Shortlist":
        """What was stored."""
        return cls(tensors["pieces"], tensors["frequent"], bool(tensors["shared"]))

    def pieces(self, source: Sequence[int]) -> Tensor:
        """The token ids that a translation of this source may have, ascending."""
        source_S = torch.tensor(source)
        parts = [self.piece_VN[source_S].flatten(), self.frequent_C, *([source_S.to(torch.int32)] if self.shared else [])]
        found = torch.cat(parts).unique()
        never = torch.tensor([-1, *NEVER_PRODUCED])
        return found[~torch.isin(found, never)].long()


class FlightVocabulary:
    """The columns of the logits that the sentences in flight need, and which of them are a sentence's own."""

    def __init__(self, shortlist: Shortlist, width: int, device: torch.device):
        self._shortlist, self._width, self._device = shortlist, width, device
        self._own: list[Tensor] = []
        """Each place's pieces."""
        self._coming: dict[int, Tensor] = {}
        """The pieces of sentences that have no place yet, by their number."""
        self.columns = Columns(torch.empty(0, dtype=torch.long, device=device))
        self._used = 0
        """How many of the columns are somebody's, the first ones; their ids ascend."""
        self._hidden_BU = torch.empty(0, 0, dtype=torch.bool, device=device)

    def expect(self, sentences: Sequence[Sentence]) -> None:
        """These come next: choose the columns anew, for them and those that are here."""
        self._coming = {sentence.number: self._shortlist.pieces(sentence.source) for sentence in sentences}
        ids_U = torch.cat([*self._own, *self._coming.values()]).unique()
        self._used = len(ids_U)
        ids_U = torch.cat([ids_U, ids_U.new_full((-len(ids_U) % _ROUND,), EOS)])
        self.columns = Columns(ids_U.to(self._device))
        self._hidden_BU = torch.ones(len(self._own), len(ids_U), dtype=torch.bool, device=self._device)
        self._show(range(len(self._own)))

    def put(self, places: Sequence[int], sentences: Sequence[Sentence]) -> None:
        """Expected sentences take these places."""
        missing = max(places) + 1 - len(self._own)
        if missing > 0:
            self._own.extend([torch.empty(0, dtype=torch.long)] * missing)
            self._hidden_BU = torch.cat([self._hidden_BU, self._hidden_BU.new_ones(missing, self._hidden_BU.shape[1])])
        for place, sentence in zip(places, sentences, strict=True):
            self._own[place] = self._coming[sentence.number]
        self._show(places)

    def keep(self, places: Sequence[int]) -> None:
        """Only these stay, in this order."""
        self._own = [self._own[place] for place in places]
        self._hidden_BU = self._hidden_BU[torch.tensor(places, device=self._device)]

    def _show(self, places: Sequence[int]) -> None:
        """Hide all but their own columns from these places. The columns that fill up the number are nobody's."""
        if not places:
            return
        place_L = torch.tensor(list(places), device=self._device)
        own = [self._own[place] for place in places]
        counts_L = torch.tensor([len(pieces) for pieces in own], device=self._device)
        column = torch.searchsorted(self.columns.ids_U[: self._used], torch.cat(own).to(self._device))
        self._hidden_BU[place_L] = True
        self._hidden_BU[place_L.repeat_interleave(counts_L), column] = False

    def hidden(self, wanted: Sequence[int] | None) -> Tensor:
        """hidden_GU: which columns are not the own of a row's sentence. wanted: the rows; None: all."""
        if wanted is None:
            return self._hidden_BU.repeat_interleave(self._width, dim=0)
        return self._hidden_BU[torch.tensor(wanted, device=self._device) // self._width]
