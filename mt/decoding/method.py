"""What a search method is to the loop that feeds it (search.py): it chooses the next token of every row, and says which sentences are done.

It knows sentences and tokens, not the model. Its rows lie sentence after sentence, `width` for each; a sentence keeps its place until it
leaves, and a waiting one takes it.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor

from mt.decoding.constraints import NONE, Constraints
from mt.decoding.hypothesis import Hypothesis
from mt.decoding.next_tokens import top_k


@dataclass(frozen=True)
class Sentence:
    """A source sentence that is to be translated."""

    number: int
    """Its place among the results."""
    source: list[int]
    """Token ids, EOS at the end."""
    limit: int
    """The most tokens, EOS included, of its hypotheses; at least 1."""
    is_company: bool = False
    """It is decoded a second time, only to make up the number (TranslationModel.least_rows)."""
    constraints: Constraints = NONE
    """What its hypotheses must begin with, must not contain, and must contain."""


class Method(ABC):
    """Beam, greedy or sampling search over the sentences in flight."""

    width: int
    """Rows (W) of each sentence."""
    token_R: Tensor
    """The last token of every row: what the model reads next."""
    ids_U: Tensor | None = None
    """The tokens that the columns of the logits stand for; None: all, in their order."""

    def tokens(self, column: Tensor) -> Tensor:
        """The token ids of columns, in any shape."""
        return column if self.ids_U is None else self.ids_U[column]

    def best_tokens(self, log_probs_RV: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """The `count` (C) best log-probabilities of each row and their tokens, best first."""
        best_RC, column_RC = top_k(log_probs_RV, count)
        return best_RC, self.tokens(column_RC)

    @abstractmethod
    def put(self, places: Sequence[int], sentences: Sequence[Sentence]) -> None:
        """These sentences take these places and begin. Places from the present count on are new."""

    @abstractmethod
    def keep(self, places: Sequence[int]) -> None:
        """Only the sentences in these places go on, in this order; a place may stand there several times."""

    def live_rows(self) -> list[int] | None:
        """The rows whose logits `advance` wants, ascending; None: all."""
        return None

    @abstractmethod
    def advance(self, logits_GV: Tensor, wanted: Sequence[int] | None) -> Tensor | None:
        """Choose the next token of every row. Returns rows_R, which row each one continues; None when every row continues itself.

        wanted: the rows whose logits these are, the live ones first, or (None) all. Raises DecodingError when they are not finite.
        """

    @abstractmethod
    def done(self) -> list[int]:
        """The places of the sentences that have ended with this step, ascending."""

    @abstractmethod
    def hypotheses(self, place: int) -> list[Hypothesis]:
        """What was found for a sentence that is done, best first."""


def put_rows(x: Tensor | None, places: Sequence[int], new: Tensor) -> Tensor:
    """Something of every sentence with that of some replaced, or added at the end where a place is beyond it.

    The first dimension is the sentences; the others may be any, hence no dimensions in the names.
    """
    if x is None:
        return new
    missing = max(places) + 1 - len(x)
    if missing > 0:
        x = torch.cat([x, x.new_zeros(missing, *x.shape[1:])])
    x[torch.tensor(places, device=x.device)] = new
    return x


def put_items(items: list, places: Sequence[int], new: Sequence) -> None:
    """The same for a list, in place."""
    items.extend([None] * (max(places) + 1 - len(items)))
    for place, item in zip(places, new, strict=True):
        items[place] = item


def keep_items(items: Sequence, places: Sequence[int]) -> list:
    """The items of these places; where a place stands there again, a copy, since what two sentences write into would be wrong for both."""
    first = {place: at for at, place in reversed([*enumerate(places)])}
    return [items[place] if first[place] == at else deepcopy(items[place]) for at, place in enumerate(places)]


def continued(x: Tensor, rows_R: Tensor | None) -> Tensor:
    """Something of every row, as the rows that each one continues have it (None: themselves)."""
    return x if rows_R is None else x[rows_R]


def to_host(*tensors: Tensor) -> list[list]:
    """Tensors of one shape as lists; from a device in one transfer (token ids are exact in double precision)."""
    if tensors[0].device.type == "cpu":
        return [tensor.tolist() for tensor in tensors]
    return torch.stack([tensor.double() for tensor in tensors]).tolist()
