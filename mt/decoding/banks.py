"""Which candidates a beam takes on the way to required phrases: dynamic beam allocation (Post and Vilar 2018).

The W best of all would hardly ever be on the way: a word that the model would not have chosen costs probability, and hypotheses without
it are ahead until the end. So the candidates of a sentence are put into banks, by how many steps towards its phrases are done, and every
bank gets its share of the beam. Here the places are dealt like cards: the best of each bank, the bank with the most progress first, then
the second best of each, and so on until the beam is full. A bank that has no more candidates leaves its places to the others.

Dimensions besides those of mt/model/interface.py: X candidates of a sentence, W for each row and the guides of each row together.
"""

import torch
from torch import Tensor


def deal(total_BX: Tensor, progress_BX: Tensor, width: int) -> Tensor:
    """candidate_BW: the places of the candidates taken, the most probable first; those that do not exist (-inf) last.

    total_BX: the log-probabilities of the candidates. progress_BX: their banks, at least 0.
    """
    total_BX, first_BX = total_BX.sort(dim=1, descending=True, stable=True)
    bank_BX = progress_BX.gather(1, first_BX).masked_fill(total_BX == -torch.inf, -1)
    bank_BX, second_BX = bank_BX.sort(dim=1, descending=True, stable=True)
    at_X = torch.arange(total_BX.shape[1], device=total_BX.device)
    begins_BX = torch.ones_like(bank_BX, dtype=torch.bool)
    begins_BX[:, 1:] = bank_BX[:, 1:] != bank_BX[:, :-1]
    rank_BX = at_X - torch.where(begins_BX, at_X, 0).cummax(dim=1).values
    rank_BX = rank_BX.masked_fill(bank_BX < 0, len(at_X))
    taken_BW = rank_BX.sort(dim=1, stable=True).indices[:, :width]  # of equal rank the bank with more progress comes first
    by_total_BW = second_BX.gather(1, taken_BW).sort(dim=1).values
    return first_BX.gather(1, by_total_BW)
