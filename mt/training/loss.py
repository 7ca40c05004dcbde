"""Label-smoothed cross-entropy, outside the model, without ever holding all logits.

The loss is a sum over target tokens; the trainer divides by the global number of target tokens, so that accumulation and ranks
do not change it. Dimensions: N target tokens without padding, C of them in a chunk, D d_model, V vocabulary.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from mt.data.special_ids import BOS, PAD

CHUNK_TOKENS = 512
"""Target tokens whose logits are held at once: with 10 k words 10 MB in bf16, which stays in a processor's last-level cache."""
GPU_CHUNK_TOKENS = 8192
"""The same on a GPU, where small products leave it idle."""


_TINY = torch.finfo(torch.float32).tiny  # a probability that underflows costs 87 nats instead of infinity


class LossSums(NamedTuple):
    """Sums over target tokens."""

    loss: Tensor
    """Label-smoothed cross-entropy, differentiable."""
    negative_log_likelihood: Tensor
    """Plain cross-entropy, for perplexity; not differentiable."""


def shift_right(target_BT: Tensor) -> Tensor:
    """The decoder's input under teacher forcing: BOS first, then the target without its last position.

    target (y₁ … y_n EOS PAD) becomes (BOS y₁ … y_n EOS); what stands on padding is never scored.
    """
    shifted_BT = target_BT.new_full(target_BT.shape, BOS)
    shifted_BT[:, 1:] = target_BT[:, :-1]
    return shifted_BT


def _chunk_tokens(x: Tensor) -> int:
    return CHUNK_TOKENS if x.device.type == "cpu" else GPU_CHUNK_TOKENS


def kept_positions(target_BT: Tensor) -> Tensor:
    """positions_N: where the flattened target holds a real token. On the CPU, because a GPU would have to be waited for."""
    positions_N = (target_BT != PAD).flatten().nonzero().squeeze(1)
    return positions_N


def _scaled(gradient_ND: Tensor, factor: Tensor) -> Tensor:
    """The gradient times a factor that is not rounded to bf16 first: 1 / tokens would be up to 0.4 % off, and the same way everywhere."""
    return (gradient_ND.float() * factor).to(gradient_ND.dtype)


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Σ over tokens of (1 − ε)·(−log p_target) + ε·mean over V of (−log p): value and gradients, chunk by chunk.

    Equals F.cross_entropy(x Wᵀ, target, label_smoothing=ε, reduction="sum"). Gradients are made in the forward pass, while a
    chunk's logits are at hand, and only one chunk's
    logits are held at a time; with whole logits a training step takes 1.13 times as long (docs/LOG.md, 2026-11-24).
    """

    @staticmethod
    def forward(ctx, x_ND: Tensor, weight_VD: Tensor, target_N: Tensor, smoothing: float):
        matrix_VD = weight_VD.to(x_ND.dtype)
        needs_gradient = ctx.needs_input_grad[0]
        gradient_x_ND = torch.empty_like(x_ND) if needs_gradient else None
        gradient_w_VD = torch.zeros_like(weight_VD) if needs_gradient else None
        target_logits_N = (x_ND * matrix_VD[target_N]).sum(dim=1, dtype=torch.float32)
        log_prob_N = torch.empty_like(target_logits_N)
        chunk = _chunk_tokens(x_ND)
        for first in range(0, x_ND.shape[0], chunk):
            here = slice(first, first + chunk)
            target_C1 = target_N[here].unsqueeze(1)
            probs_CV = torch.softmax(x_ND[here] @ matrix_VD.T, dim=-1)
            log_prob_N[here] = probs_CV.gather(1, target_C1).squeeze(1).float().clamp_min_(_TINY).log()
            if needs_gradient:
                # Not scatter_add_, which on a CPU passes over all the logits: 38 ms where this takes 0.02 (docs/LOG.md, 2026-11-24).
                row_C = torch.arange(len(probs_CV), device=probs_CV.device)
                probs_CV[row_C, target_N[here]] += smoothing - 1
                gradient_x_ND[here] = probs_CV @ matrix_VD
                gradient_w_VD += probs_CV.T @ x_ND[here]
        likelihood = -log_prob_N.sum()
        loss = likelihood.clone()  # not the same tensor, which is marked as not differentiable
        if smoothing:
            # The mass ε/V on every word is a rank-one part of loss and gradients: no pass over the logits is needed for it.
            vocabulary = weight_VD.shape[0]
            mean_w_D = weight_VD.mean(dim=0)
            normaliser_N = target_logits_N - log_prob_N
            mean_log_prob_N = x_ND.float() @ mean_w_D - normaliser_N
            loss = (1 - smoothing) * likelihood - smoothing * mean_log_prob_N.sum()
            if needs_gradient:
                gradient_x_ND -= (smoothing * mean_w_D).to(x_ND.dtype)
                gradient_w_VD -= (smoothing / vocabulary) * x_ND.sum(dim=0, dtype=torch.float32)
        ctx.save_for_backward(gradient_x_ND, gradient_w_VD)
        ctx.mark_non_differentiable(likelihood)
        return loss, likelihood

    @staticmethod
    def backward(ctx, gradient_loss: Tensor, _: Tensor):
        gradient_x_ND, gradient_w_VD = ctx.saved_tensors
        return _scaled(gradient_x_ND, gradient_loss), gradient_w_VD * gradient_loss, None, None


class _ChunkedRDrop(torch.autograd.Function):
    """The mean cross-entropy of two passes with different dropout, plus α/2 times the symmetric divergence of their predictions.

    R-Drop (Liang et al. 2021, equation 4, halved). x_PND holds the two passes (P = 2) over the same tokens. With p and q the two
    predictions and d = log p − log q the divergence is J = ½ Σ (p − q)·d, its gradient in the first pass's logits
    ½ [p·(d − Σ p·d) + p − q], and the same with p and q exchanged in the second's. Smoothing as in _ChunkedCrossEntropy.
    """

    @staticmethod
    def forward(ctx, x_PND: Tensor, weight_VD: Tensor, target_N: Tensor, smoothing: float, alpha: float):
        matrix_VD = weight_VD.to(x_PND.dtype)
        gradient_x_PND, gradient_w_VD = torch.empty_like(x_PND), torch.zeros_like(weight_VD)
        log_prob_PN = x_PND.new_empty(x_PND.shape[:2], dtype=torch.float32)
        target_logits_PN = (x_PND * matrix_VD[target_N]).sum(dim=2, dtype=torch.float32)
        divergence = log_prob_PN.new_zeros(())
        chunk = _chunk_tokens(x_PND) // 2
        for first in range(0, x_PND.shape[1], chunk):
            here = slice(first, first + chunk)
            target_C = target_N[here]
            row_C = torch.arange(len(target_C), device=target_C.device)
            logits_PCV = x_PND[:, here] @ matrix_VD.T
            probs_PCV = torch.softmax(logits_PCV, dim=-1)
            log_prob_PN[:, here] = probs_PCV[:, row_C, target_C].float().clamp_min_(_TINY).log()
            normaliser_PC = target_logits_PN[:, here] - log_prob_PN[:, here]
            # d = (log p − log q) on the first pass, its negative on the second.
            shift_C1 = (normaliser_PC[0] - normaliser_PC[1]).unsqueeze(1)
            d_CV = logits_PCV[0].sub_(logits_PCV[1]).sub_(shift_C1.to(logits_PCV.dtype))
            d_PCV = torch.stack([d_CV, -d_CV])
            mean_d_PC1 = (probs_PCV * d_PCV).sum(dim=2, keepdim=True, dtype=torch.float32)
            divergence += 0.5 * mean_d_PC1.sum()
            apart_PCV = probs_PCV - probs_PCV.flip(0)
            gradient_PCV = d_PCV.sub_(mean_d_PC1.to(d_PCV.dtype)).mul_(probs_PCV).add_(apart_PCV).mul_(0.5 * alpha)
            gradient_PCV += probs_PCV
            gradient_PCV[:, row_C, target_C] += smoothing - 1
            gradient_x_PND[:, here] = gradient_PCV @ matrix_VD
            gradient_w_VD += gradient_PCV.flatten(0, 1).T @ x_PND[:, here].flatten(0, 1)
        vocabulary, mean_w_D = weight_VD.shape[0], weight_VD.mean(dim=0)
        mean_log_prob_PN = x_PND.float() @ mean_w_D - (target_logits_PN - log_prob_PN)
        gradient_x_PND -= (smoothing * mean_w_D).to(x_PND.dtype)
        gradient_w_VD -= (smoothing / vocabulary) * x_PND.sum(dim=(0, 1), dtype=torch.float32)
        likelihood = -0.5 * log_prob_PN.sum()
        loss = (1 - smoothing) * likelihood - 0.5 * smoothing * mean_log_prob_PN.sum() + 0.5 * alpha * divergence
        ctx.save_for_backward(gradient_x_PND.mul_(0.5), gradient_w_VD.mul_(0.5))
        ctx.mark_non_differentiable(likelihood)
        return loss, likelihood

    @staticmethod
    def backward(ctx, gradient_loss: Tensor, _: Tensor):
        gradient_x_PND, gradient_w_VD = ctx.saved_tensors
        return _scaled(gradient_x_PND, gradient_loss), gradient_w_VD * gradient_loss, None, None, None


def r_drop(
    x_BTD: Tensor, weight_VD: Tensor, target_BT: Tensor, smoothing: float, alpha: float, positions_N: Tensor | None = None
) -> LossSums:
    """The loss of two passes over one batch: x_BTD has the states of 2B sentences, the batch twice; target_BT has B.

    R-Drop (Liang et al. 2021): the mean of both cross-entropies, plus α/2 times the mean of the two Kullback–Leibler divergences between
    the passes' predictions, summed over real target tokens. Training only. positions_N: as for cross_entropy.
    """
    positions_N = kept_positions(target_BT) if positions_N is None else positions_N
    kind = x_BTD.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x_BTD.dtype
    x_PND = x_BTD.unflatten(0, (2, -1)).flatten(1, 2).index_select(1, positions_N).to(dtype)
    target_N = target_BT.flatten().index_select(0, positions_N)
    with torch.autocast(kind, enabled=False):
        return LossSums(*_ChunkedRDrop.apply(x_PND, weight_VD, target_N, smoothing, alpha))


def cross_entropy(
    x_BTD: Tensor, weight_VD: Tensor, target_BT: Tensor, smoothing: float, positions_N: Tensor | None = None
) -> LossSums:
    """Label-smoothed cross-entropy (Szegedy et al. 2016, section 7) of the decoder's states, summed over real target tokens.

    The smoothing mass ε is spread over the whole vocabulary, the target included. Products run in x's dtype (autocast's under
    autocast); the softmax sums in fp32 and is rounded to that dtype. positions_N: the target's `kept_positions`, where they are
    known already.
    """
    positions_N = kept_positions(target_BT) if positions_N is None else positions_N
    kind = x_BTD.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x_BTD.dtype
    x_ND = x_BTD.flatten(0, 1).index_select(0, positions_N).to(dtype)
    target_N = target_BT.flatten().index_select(0, positions_N)
    with torch.autocast(kind, enabled=False):
        return LossSums(*_ChunkedCrossEntropy.apply(x_ND, weight_VD, target_N, smoothing))
