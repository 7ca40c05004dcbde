"""How the projections of attention stand at one moment of a training: W_Q, W_K, W_V, W_O of every head, and what attention does with them.

Everything is measured head by head, since a head is the unit that learns to look somewhere. Sizes, directions and ranks come from the
weights, the rest from one pass over a few fixed pairs without dropout. When to measure is decided in mt/training/recorder.py; what came
of it is told by reading.py.

Dimensions as in attention.py, and N matrices side by side, P probed positions, C singular values.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mt.data.special_ids import PAD
from mt.inspection.attention import observed_attention
from mt.model.attention import MultiHeadAttention
from mt.model.interface import TranslationModel
from mt.training.loss import shift_right

PROJECTIONS = {"q": "q_proj", "k": "k_proj", "v": "v_proj", "o": "out_proj"}
"""The letters of the record, and the modules they stand for."""
SPECTRUM = 32
"""Of the score's matrix so many of the largest singular values are kept."""


@dataclass(frozen=True)
class ProjectionWeights:
    """All four projections of every attention, by the attention's name and the projection's letter: (H, K, D), a slice for each head.

    W_Q, W_K and W_V map D features to a head's K, so that a head has some of their rows. Of W_O it has columns; they stand here as rows.
    """

    slices: dict[str, dict[str, Tensor]]

    @classmethod
    def of(cls, model: nn.Module, gradients: bool = False) -> "ProjectionWeights":
        """A copy, in fp32 on the CPU, of the weights or of their gradients (zeros where there is none)."""
        slices: dict[str, dict[str, Tensor]] = {}
        for name, module in model.named_modules():
            if isinstance(module, MultiHeadAttention):
                slices[name] = {}
                for letter, projection in PROJECTIONS.items():
                    weight = getattr(module, projection).weight
                    chosen = weight.grad if gradients else weight.detach()
                    matrix = torch.zeros_like(weight) if chosen is None else chosen
                    matrix = matrix.mT if letter == "o" else matrix
                    slices[name][letter] = matrix.to("cpu", torch.float32, copy=True).reshape(module.num_heads, -1, matrix.shape[1])
        return cls(slices)


def norms(matrix_NKD: Tensor) -> Tensor:
    """Frobenius norms."""
    return matrix_NKD.flatten(1).norm(dim=1)


def cosines(matrix_NKD: Tensor, other_NKD: Tensor) -> Tensor:
    """The cosine of the angle between each matrix and the other, both taken as vectors: 1 is the same direction, 0 nothing in common."""
    return torch.cosine_similarity(matrix_NKD.flatten(1), other_NKD.flatten(1), dim=1)


def effective_rank(values_NC: Tensor) -> Tensor:
    """e to the entropy of the singular values' shares (Roy and Vetterli 2007): between 1, one direction for all, and their number."""
    shares_NC = values_NC / values_NC.sum(dim=1, keepdim=True).clamp_min(1e-30)
    return torch.exp(torch.special.entr(shares_NC).sum(dim=1))


def singular_values(matrix_NKD: Tensor) -> Tensor:
    """Those of each matrix, largest first, by the eigenvalues of its small Gram matrix, in fp64."""
    wide_NKD = matrix_NKD.double()
    if wide_NKD.shape[1] > wide_NKD.shape[2]:
        wide_NKD = wide_NKD.mT
    return torch.linalg.eigvalsh(wide_NKD @ wide_NKD.mT).clamp_min(0).sqrt().flip(1)


def score_spectrum(q_NKD: Tensor, k_NKD: Tensor) -> Tensor:
    """The singular values of W_Qᵀ W_K, D × D of rank K at most: what a head's score x W_Qᵀ W_K y multiplies two positions by.

    From the K × K product of the two triangles of a QR decomposition, so that D × D is never made.
    """
    r_q, r_k = (torch.linalg.qr(matrix_NKD.double().mT, mode="r").R for matrix_NKD in (q_NKD, k_NKD))
    return torch.linalg.svdvals(r_q @ r_k.mT)


def measure_weights(
    now: ProjectionWeights, initial: ProjectionWeights, before: ProjectionWeights | None, gradients: ProjectionWeights | None
) -> dict[str, dict]:
    """For each attention and projection: norm, cosine to the initial weights, effective rank, and of the update just made the gradient's
    norm and the update's norm over the weights'; and the spectrum of W_Qᵀ W_K. One number for each head."""
    found: dict[str, dict] = {}
    for name, slices in now.slices.items():
        found[name] = {}
        for letter, weight_HKD in slices.items():
            figures = {
                "norm": norms(weight_HKD),
                "cosine": cosines(weight_HKD, initial.slices[name][letter]),
                "effective_rank": effective_rank(singular_values(weight_HKD)),
            }
            if before is not None and gradients is not None:
                was_HKD = before.slices[name][letter]
                figures["gradient_norm"] = norms(gradients.slices[name][letter])
                figures["update_ratio"] = norms(weight_HKD - was_HKD) / norms(was_HKD).clamp_min(1e-30)
            found[name][letter] = {key: _rounded(values_H) for key, values_H in figures.items()}
        spectrum_HC = score_spectrum(slices["q"], slices["k"])
        found[name]["score_spectrum"] = _rounded(spectrum_HC[:, :SPECTRUM])
        found[name]["score_effective_rank"] = _rounded(effective_rank(spectrum_HC))
    return found


@dataclass(frozen=True)
class Probe:
    """A few pairs of token ids that every measurement sends through the model."""

    source_BS: Tensor
    target_BT: Tensor

    def masks(self, name: str) -> tuple[Tensor, Tensor]:
        """asking_BQ and asked_BM of an attention: True where there is a token, not padding."""
        source_BS, target_BT = self.source_BS != PAD, self.target_BT != PAD
        if name.startswith("encoder"):
            return source_BS, source_BS
        return target_BT, target_BT if name.endswith("self_attention") else source_BS


@torch.inference_mode()
def measure_attention(model: TranslationModel, probe: Probe) -> dict[str, dict[str, list[float]]]:
    """What every attention does with the probe's pairs, without dropout; one number for each head (see `attention_figures`)."""
    seen: dict[str, list[tuple[Tensor | None, Tensor]]] = {}

    def see(name: str, q_BHQK: Tensor | None, k_BHMK: Tensor | None, _bias: Tensor | None, weights_BHQM: Tensor) -> None:
        scores_BHQM = None if q_BHQK is None else (q_BHQK.float() @ k_BHMK.float().mT).cpu()
        width = 1 if q_BHQK is None else q_BHQK.shape[-1]
        seen.setdefault(name, []).append((scores_BHQM, weights_BHQM.float().cpu(), width))

    training = model.training
    model.eval()
    with observed_attention(model, see):
        model.states(probe.source_BS, shift_right(probe.target_BT))
    model.train(training)
    figures = {}
    for name, parts in seen.items():
        asking_BQ, asked_BM = (mask.cpu() for mask in probe.masks(name))
        weights_BHQM = torch.cat([weights for _, weights, _ in parts], dim=2)  # additive attention comes position by position
        weights_BHQM = weights_BHQM[..., : asked_BM.shape[1]]
        visible_B1QM = (asking_BQ[:, :, None] & asked_BM[:, None, :])[:, None]
        if name.startswith("decoder") and name.endswith("self_attention"):
            visible_B1QM = visible_B1QM.tril()
        found = attention_figures(weights_BHQM, visible_B1QM, name.endswith("self_attention"))
        scores_BHQM, _, width = parts[0]
        if scores_BHQM is not None:
            found |= score_figures(scores_BHQM[..., : asked_BM.shape[1]], visible_B1QM, width)
        figures[name] = {key: _rounded(values_H) for key, values_H in found.items()}
    return figures


def attention_figures(weights_BHQM: Tensor, visible_B1QM: Tensor, self_attention: bool) -> dict[str, Tensor]:
    """Means over the asking positions, for each head.

    entropy: of the weights, in nats. entropy_share: divided by the greatest possible one, log of the number of visible positions (positions
    that see but one are left out): 1 is an even look at everything, 0 a look at one position. largest_weight: the softmax's saturation.
    distance: how many positions away it looks, in cross-attention from the diagonal, the source position that lies as far along.
    """
    asks_BQ = visible_B1QM.any(dim=3)[:, 0]
    weights_BHQM = weights_BHQM.double() * visible_B1QM
    entropy_BHQ = torch.special.entr(weights_BHQM).sum(dim=3)
    count_BQ = visible_B1QM.sum(dim=3)[:, 0]
    chooses_BQ = asks_BQ & (count_BQ > 1)
    share_BHQ = entropy_BHQ / count_BQ.clamp_min(2).log()[:, None]
    distance_BHQ = (weights_BHQM * _distances(visible_B1QM, self_attention)).sum(dim=3)
    return {
        "entropy": _mean(entropy_BHQ, asks_BQ),
        "entropy_share": _mean(share_BHQ, chooses_BQ),
        "largest_weight": _mean(weights_BHQM.amax(dim=3), asks_BQ),
        "distance": _mean(distance_BHQ, asks_BQ),
    }


def _distances(visible_B1QM: Tensor, self_attention: bool) -> Tensor:
    """How many positions lie between each asking position, or its place on the source's diagonal, and each asked one: (B, 1, Q, M)."""
    B, _, Q, M = visible_B1QM.shape
    place_BQ = torch.arange(Q, dtype=torch.float64).expand(B, Q)
    if not self_attention:
        targets_B1 = visible_B1QM.any(dim=3).sum(dim=2)
        sources_B1 = visible_B1QM.any(dim=2).sum(dim=2)
        place_BQ = place_BQ * ((sources_B1 - 1) / (targets_B1 - 1).clamp_min(1))
    return (place_BQ[:, :, None] - torch.arange(M)).abs()[:, None]


def score_figures(scores_BHQM: Tensor, visible_B1QM: Tensor, width: int) -> dict[str, Tensor]:
    """The variance of q·k over the visible pairs of positions, as it is and divided by √K, which divides it by K; for each head.

    Taken within each asking position: what is common to all its scores the softmax does not see.
    """
    scores_BHQM = scores_BHQM.double()
    count_B1Q1 = visible_B1QM.sum(dim=3, keepdim=True)
    mean_BHQ1 = (scores_BHQM * visible_B1QM).sum(dim=3, keepdim=True) / count_B1Q1.clamp_min(1)
    squares_BHQ = ((scores_BHQM - mean_BHQ1).square() * visible_B1QM).sum(dim=3) / count_B1Q1.squeeze(3).clamp_min(1)
    variance_H = _mean(squares_BHQ, (count_B1Q1 > 1)[:, 0, :, 0])
    return {"score_variance": variance_H, "scaled_score_variance": variance_H / width}


def _mean(values_BHQ: Tensor, chosen_BQ: Tensor) -> Tensor:
    """For each head the mean over the chosen positions."""
    return (values_BHQ * chosen_BQ[:, None]).sum(dim=(0, 2)) / chosen_BQ.sum().clamp_min(1)


def _rounded(values: Tensor) -> list:
    """For JSON: five significant digits, null where a number is none."""
    def one(value: float) -> float | None:
        return float(f"{value:.5g}") if math.isfinite(value) else None

    return [list(map(one, row)) for row in values.tolist()] if values.ndim == 2 else list(map(one, values.tolist()))
