"""Multi-head attention by hand: project, split heads, scaled dot product, mask, softmax, weighted sum, merge.

Vaswani et al. 2017, section 3.2. Q asks, K is asked, V answers; in cross-attention Q comes from the decoder and K, V from the
encoder. Masks are made here as functions and passed in from outside; no layer makes its own.

Dimensions: B sentences, Q query positions, M memory positions, T target positions, D d_model, H heads, K width of a head (D = H·K).
"""

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from mt.data.special_ids import PAD
from mt.model.dropout import Dropout
from mt.model.linear import Linear
from mt.model.positions import RotaryPositions

_WIDTH = 32  # bf16 numbers in a 512-bit register
PIECE = 128
"""How many memory positions a sum is taken over at a time, on a CPU, in fp32 (`sum_in_pieces`)."""
LEAST_QUERIES = 4
"""How many query positions a product has at least, on a CPU, in fp32 (`round_up_queries`)."""
MOST_SCORES = 1 << 25
"""How many scores (B·H·Q·M) are held at once where nothing is learned: 128 MB in fp32. Query positions beyond take turns (`attend`)."""
HIDDEN = -30000.0
"""Added to the scores of what may not be seen: finite, representable in bf16 and fp16, and exp() of it is exactly zero."""


def memory_positions(count: int) -> int:
    """How many memory positions to read where `count` are wanted, so that a CPU adds in the same order however many more are read.

    At least 16; beyond the first piece of `sum_in_pieces` in 16s, since fewer are added in another order (docs/LOG.md, 2026-11-25).
    """
    return max(16, count) if count <= PIECE else -(-count // 16) * 16


def padding_mask(token_BM: Tensor) -> Tensor:
    """mask_B11M: True where a memory position holds a token, False where it is padding."""
    mask_B11M = (token_BM != PAD)[:, None, None, :]
    return mask_B11M


def causal_mask(length: int, device: torch.device) -> Tensor:
    """mask_11TT: True where target position t (row) may see position t' (column), that is t' ≤ t."""
    mask_11TT = torch.ones(length, length, dtype=torch.bool, device=device).tril()[None, None]
    return mask_11TT


def mask_bias(mask_B1QM: Tensor, dtype: torch.dtype) -> Tensor:
    """The mask as numbers that are added to the scores: 0 where visible, hugely negative where hidden.

    Made once per batch and shared by all layers.
    """
    bias_B1QM = torch.zeros(mask_B1QM.shape, dtype=dtype, device=mask_B1QM.device)
    return bias_B1QM.masked_fill_(~mask_B1QM, HIDDEN)


def split_heads(x_BQD: Tensor, num_heads: int) -> Tensor:
    """(B, Q, D) → (B, H, Q, K): each head sees its own K of the D features."""
    B, Q, D = x_BQD.shape
    x_BHQK = x_BQD.view(B, Q, num_heads, D // num_heads).transpose(1, 2)
    return x_BHQK


def merge_heads(x_BHQK: Tensor) -> Tensor:
    """(B, H, Q, K) → (B, Q, D): the heads side by side again."""
    B, H, Q, K = x_BHQK.shape
    x_BQD = x_BHQK.transpose(1, 2).reshape(B, Q, H * K)
    return x_BQD


def attend_with_weights(
    q_BHQK: Tensor, k_BHMK: Tensor, v_BHMK: Tensor, bias: Tensor, dropout: Dropout
) -> tuple[Tensor, Tensor]:
    """softmax(Q Kᵀ / √K + bias) V, and the softmax's weights_BHQM: the explicit path.

    bias: what `mask_bias` makes, of any shape that broadcasts to (B, 1, Q, M), hence no dimensions in its name.
    """
    scores_BHQM = (q_BHQK / math.sqrt(q_BHQK.shape[-1])) @ k_BHMK.transpose(-2, -1)
    weights_BHQM = torch.softmax(scores_BHQM + bias, dim=-1)
    if k_BHMK.shape[2] <= PIECE or k_BHMK.device.type != "cpu":
        context_BHQK = dropout(weights_BHQM) @ v_BHMK
    else:
        context_BHQK = sum_in_pieces(dropout(weights_BHQM), v_BHMK)
    return context_BHQK, weights_BHQM


def sum_in_pieces(weights_BHQM: Tensor, v_BHMK: Tensor) -> Tensor:
    """Weights · V, 128 memory positions at a time.

    A CPU's product over more of them adds in an order that depends on their number; hidden ones at the end would change the last bits.
    """
    pieces = zip(weights_BHQM.split(PIECE, dim=-1), v_BHMK.split(PIECE, dim=-2), strict=True)
    context_BHQK = sum(weights_BHQP @ v_BHPK for weights_BHQP, v_BHPK in pieces)
    return context_BHQK


def round_up_memory(k_BHMK: Tensor, v_BHMK: Tensor, bias: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Hidden positions added until M is a multiple of 32: on a CPU, torch's bf16 softmax is vectorised for whole 32s only.

    Changes nothing but rounding, since what is hidden has the weight zero.
    """
    missing = -k_BHMK.shape[2] % _WIDTH
    if missing == 0 or bias.shape[-1] != k_BHMK.shape[2]:
        return k_BHMK, v_BHMK, bias
    rows = (0, 0, 0, missing)
    return F.pad(k_BHMK, rows), F.pad(v_BHMK, rows), F.pad(bias, (0, missing), value=HIDDEN)


def round_up_queries(q_BHQK: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Query positions added until there are 4: for fewer, a CPU product adds in an order that depends on the number of memory positions."""
    missing = (0, 0, 0, LEAST_QUERIES - q_BHQK.shape[2])
    return F.pad(q_BHQK, missing), bias if bias.shape[-2] == 1 else F.pad(bias, missing)


def attend_in_turns(q_BHQK: Tensor, k_BHMK: Tensor, v_BHMK: Tensor, bias: Tensor, dropout: Dropout) -> Tensor:
    """The same as `attend_with_weights` without the weights, some query positions at a time.

    A single text of 30,000 tokens has 900 million scores in each head and layer; so they take as much memory as those of a usual batch.
    """
    B, H, Q, _ = q_BHQK.shape
    turns = -(-B * H * Q * k_BHMK.shape[2] // MOST_SCORES)
    turns = min(turns, max(1, Q // LEAST_QUERIES))
    biases = [bias] * turns if bias.shape[-2] == 1 else bias.tensor_split(turns, dim=-2)
    found = [
        attend_with_weights(q_BHPK, k_BHMK, v_BHMK, own, dropout)[0]
        for q_BHPK, own in zip(q_BHQK.tensor_split(turns, dim=2), biases, strict=True)
    ]
    context_BHQK = torch.cat(found, dim=2)
    return context_BHQK


def attend(q_BHQK: Tensor, k_BHMK: Tensor, v_BHMK: Tensor, bias: Tensor, dropout: Dropout) -> Tensor:
    """The same without the weights: the fast path. On a CPU that is the explicit product:

    with SDPA instead a training step on short sentences takes 1.97 times as long (docs/LOG.md, 2026-11-24).
    """
    if q_BHQK.device.type == "cpu":
        asking = q_BHQK.shape[2]
        if q_BHQK.dtype == torch.bfloat16:
            k_BHMK, v_BHMK, bias = round_up_memory(k_BHMK, v_BHMK, bias)
        elif asking < LEAST_QUERIES:
            q_BHQK, bias = round_up_queries(q_BHQK, bias)
        if not torch.is_grad_enabled() and q_BHQK.shape[:3].numel() * k_BHMK.shape[2] > MOST_SCORES:
            return attend_in_turns(q_BHQK, k_BHMK, v_BHMK, bias, dropout)[:, :, :asking]
        context_BHQK, _ = attend_with_weights(q_BHQK, k_BHMK, v_BHMK, bias, dropout)
        return context_BHQK[:, :, :asking]
    probability = dropout.probability if dropout.training else 0.0
    return F.scaled_dot_product_attention(
        q_BHQK, k_BHMK, v_BHMK, attn_mask=bias.to(q_BHQK.dtype), dropout_p=probability
    )


class MultiHeadAttention(nn.Module):
    """H heads that look from query positions into memory positions, each through its own slice of four D × D projections."""

    def __init__(self, d_model: int, num_heads: int, dropout: float, rotary: bool = False):
        super().__init__()
        assert d_model % num_heads == 0
        self.num_heads = num_heads
        self.q_proj = Linear(d_model, d_model)
        self.k_proj = Linear(d_model, d_model)
        self.v_proj = Linear(d_model, d_model)
        self.out_proj = Linear(d_model, d_model)
        self.dropout = Dropout(dropout)
        self.rotary = RotaryPositions(d_model // num_heads) if rotary else None

    def queries(self, x_BQD: Tensor, position_B: Tensor | None = None) -> Tensor:
        """q_BHQK of the asking positions: 0, 1, …, or all of a sentence at its position_B (rotary only)."""
        q_BHQK = split_heads(self.q_proj(x_BQD), self.num_heads)
        return q_BHQK if self.rotary is None else self.rotary(q_BHQK, position_B)

    def keys_values(self, memory_BMD: Tensor, position_B: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """k_BHMK and v_BHMK of the asked positions: same tokens, two projections."""
        k_BHMK = split_heads(self.k_proj(memory_BMD), self.num_heads)
        v_BHMK = split_heads(self.v_proj(memory_BMD), self.num_heads)
        return (k_BHMK if self.rotary is None else self.rotary(k_BHMK, position_B)), v_BHMK

    def look(self, q_BHQK: Tensor, k_BHMK: Tensor, v_BHMK: Tensor, bias: Tensor) -> Tensor:
        """The rest of attention once queries, keys and values are there: weighted sum, heads merged, output projection."""
        context_BHQK = attend(q_BHQK, k_BHMK, v_BHMK, bias, self.dropout)
        return self.out_proj(merge_heads(context_BHQK))

    def weights(self, x_BQD: Tensor, memory_BMD: Tensor, bias: Tensor) -> Tensor:
        """weights_BHQM: how much each asking position looks at each asked one; what `forward` does not keep."""
        k_BHMK, v_BHMK = self.keys_values(memory_BMD)
        _, weights_BHQM = attend_with_weights(self.queries(x_BQD), k_BHMK, v_BHMK, bias, self.dropout)
        return weights_BHQM

    def forward(self, x_BQD: Tensor, memory_BMD: Tensor, bias: Tensor) -> Tensor:
        """Positions x_BQD ask memory_BMD. Self-attention: both are the same tensor."""
        k_BHMK, v_BHMK = self.keys_values(memory_BMD)
        return self.look(self.queries(x_BQD), k_BHMK, v_BHMK, bias)
