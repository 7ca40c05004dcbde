"""Attention by hand equals torch's own, on every path, with every mask.

Dimensions: legend in mt/model/attention.py.
"""

import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from mt.data.special_ids import PAD
from mt.model.attention import (
    MultiHeadAttention,
    attend,
    attend_with_weights,
    causal_mask,
    mask_bias,
    merge_heads,
    padding_mask,
    round_up_memory,
    split_heads,
)
from mt.model.dropout import Dropout, seed_dropout

B, Q, M, D, H = 3, 5, 7, 16, 4
TOKEN_BM = torch.tensor([[5] * 7, [5] * 4 + [PAD] * 3, [5] + [PAD] * 6])


def torch_attention(ours: MultiHeadAttention) -> nn.MultiheadAttention:
    """torch's module with the weights of ours."""
    theirs = nn.MultiheadAttention(D, ours.num_heads, batch_first=True)
    projections = (ours.q_proj, ours.k_proj, ours.v_proj)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([projection.weight for projection in projections]))
        theirs.in_proj_bias.copy_(torch.cat([projection.bias for projection in projections]))
        theirs.out_proj.weight.copy_(ours.out_proj.weight)
        theirs.out_proj.bias.copy_(ours.out_proj.bias)
    return theirs


def weights_of(ours: MultiHeadAttention, x_BQD: Tensor, memory_BMD: Tensor, bias: Tensor) -> Tensor:
    k_BHMK, v_BHMK = ours.keys_values(memory_BMD)
    _, weights_BHQM = attend_with_weights(ours.queries(x_BQD), k_BHMK, v_BHMK, bias, ours.dropout)
    return weights_BHQM


@pytest.mark.parametrize("num_heads", [1, 4])
@pytest.mark.parametrize("causal", [False, True])
def test_self_attention_equals_torchs_in_outputs_weights_and_gradients(num_heads: int, causal: bool) -> None:
    torch.manual_seed(0)
    ours = MultiHeadAttention(D, num_heads, dropout=0.0)
    theirs = torch_attention(ours)
    x_BMD = torch.randn(B, M, D, requires_grad=True)
    mask_B1MM = padding_mask(TOKEN_BM) & (causal_mask(M, x_BMD.device) if causal else torch.tensor(True))
    bias = mask_bias(mask_B1MM, torch.float32)
    hidden_MM = ~causal_mask(M, x_BMD.device)[0, 0] if causal else None
    expected_BMD, expected_weights_BHMM = theirs(
        x_BMD, x_BMD, x_BMD, key_padding_mask=TOKEN_BM == PAD, attn_mask=hidden_MM, average_attn_weights=False
    )
    output_BMD = ours(x_BMD, x_BMD, bias)
    torch.testing.assert_close(output_BMD, expected_BMD, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(weights_of(ours, x_BMD, x_BMD, bias), expected_weights_BHMM, atol=1e-6, rtol=1e-5)
    direction_BMD = torch.randn(B, M, D)
    [gradient_BMD] = torch.autograd.grad((output_BMD * direction_BMD).sum(), x_BMD)
    [expected_gradient_BMD] = torch.autograd.grad((expected_BMD * direction_BMD).sum(), x_BMD)
    torch.testing.assert_close(gradient_BMD, expected_gradient_BMD, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("num_heads", [1, 4])
def test_cross_attention_equals_torchs_in_outputs_and_weights(num_heads: int) -> None:
    """Queries from one tensor, keys and values from another of a different length."""
    torch.manual_seed(1)
    ours = MultiHeadAttention(D, num_heads, dropout=0.0)
    x_BQD, memory_BMD = torch.randn(B, Q, D), torch.randn(B, M, D)
    bias = mask_bias(padding_mask(TOKEN_BM), torch.float32)
    expected_BQD, expected_weights_BHQM = torch_attention(ours)(
        x_BQD, memory_BMD, memory_BMD, key_padding_mask=TOKEN_BM == PAD, average_attn_weights=False
    )
    torch.testing.assert_close(ours(x_BQD, memory_BMD, bias), expected_BQD, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(weights_of(ours, x_BQD, memory_BMD, bias), expected_weights_BHQM, atol=1e-6, rtol=1e-5)


def random_heads(dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    torch.manual_seed(2)
    q_BHQK = torch.randn(B, H, Q, D // H, dtype=dtype)
    k_BHMK, v_BHMK = torch.randn(2, B, H, M, D // H, dtype=dtype)
    return q_BHQK, k_BHMK, v_BHMK, mask_bias(padding_mask(TOKEN_BM), dtype)


def test_the_fast_path_equals_the_explicit_one_and_torchs_fused_function() -> None:
    q_BHQK, k_BHMK, v_BHMK, bias = random_heads()
    context_BHQK, weights_BHQM = attend_with_weights(q_BHQK, k_BHMK, v_BHMK, bias, Dropout(0.0))
    torch.testing.assert_close(attend(q_BHQK, k_BHMK, v_BHMK, bias, Dropout(0.0)), context_BHQK)
    fused_BHQK = F.scaled_dot_product_attention(q_BHQK, k_BHMK, v_BHMK, attn_mask=bias)
    torch.testing.assert_close(context_BHQK, fused_BHQK, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(weights_BHQM.sum(-1), torch.ones(B, H, Q))


def test_the_fused_branch_takes_a_bias_of_another_dtype() -> None:
    """On a device that is no CPU `attend` calls the fused function: run for shapes and dtypes only."""
    q_BHQK, k_BHMK, v_BHMK, bias = (tensor.to("meta") for tensor in random_heads(torch.bfloat16))
    context_BHQK = attend(q_BHQK, k_BHMK, v_BHMK, bias.float(), Dropout(0.1).train())
    assert context_BHQK.shape == q_BHQK.shape and context_BHQK.dtype == torch.bfloat16


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_hidden_positions_have_a_weight_of_exactly_zero(dtype: torch.dtype) -> None:
    q_BHQK, k_BHMK, v_BHMK, bias = random_heads(dtype)
    assert bias.isfinite().all()
    _, weights_BHQM = attend_with_weights(50 * q_BHQK, k_BHMK, v_BHMK, bias, Dropout(0.0))
    hidden_BHQM = ~padding_mask(TOKEN_BM).expand_as(weights_BHQM)
    assert weights_BHQM.isfinite().all() and (weights_BHQM[hidden_BHQM] == 0).all()


def test_masks_say_what_their_names_say() -> None:
    assert padding_mask(TOKEN_BM).shape == (B, 1, 1, M)
    assert padding_mask(TOKEN_BM).sum(-1).flatten().tolist() == [7, 4, 1]
    mask_TT = causal_mask(4, torch.device("cpu"))[0, 0]
    assert [[t2 <= t for t2 in range(4)] for t in range(4)] == mask_TT.tolist()


def test_heads_split_and_merge_without_loss_and_take_consecutive_features() -> None:
    x_BQD = torch.randn(B, Q, D)
    x_BHQK = split_heads(x_BQD, H)
    assert torch.equal(merge_heads(x_BHQK), x_BQD)
    assert torch.equal(x_BHQK[:, 1], x_BQD[:, :, D // H : 2 * D // H])


def test_attention_dropout_falls_on_the_weights_only_while_training() -> None:
    q_BHQK, k_BHMK, _, bias = random_heads()
    v_BHMK = torch.eye(M).expand(B, H, M, M)  # the context is then the dropped weights themselves
    dropout = Dropout(0.25)
    seed_dropout(1, 1)
    context_BHQM, weights_BHQM = attend_with_weights(q_BHQK, k_BHMK, v_BHMK, bias, dropout)
    visible_BHQM = padding_mask(TOKEN_BM).expand_as(weights_BHQM)
    ratio_N = (context_BHQM / weights_BHQM)[visible_BHQM]
    assert set(ratio_N.mul(3).round().tolist()) == {0.0, 4.0}, "each weight is dropped or multiplied by 4/3"
    dropout.eval()
    assert torch.equal(attend(q_BHQK, k_BHMK, v_BHMK, bias, dropout), weights_BHQM @ v_BHMK)


def test_scores_are_divided_by_the_root_of_the_head_width() -> None:
    q_BHQK, k_BHMK, v_BHMK, bias = random_heads()
    _, weights_BHQM = attend_with_weights(q_BHQK, k_BHMK, v_BHMK, torch.zeros_like(bias), Dropout(0.0))
    scores_M = torch.stack([q_BHQK[0, 1, 2].dot(k_BHMK[0, 1, m]) / math.sqrt(D // H) for m in range(M)])
    torch.testing.assert_close(weights_BHQM[0, 1, 2], scores_M.softmax(0))


@pytest.mark.parametrize("positions", [1, 13, 31, 32, 33])
def test_hidden_positions_that_round_up_the_memory_change_nothing(positions: int) -> None:
    """In fp32, where the sums can be compared exactly enough: output and gradients; what is added has the weight zero."""
    generator = torch.Generator().manual_seed(positions)
    q_BHQK, k_BHMK, v_BHMK = (torch.randn(2, 3, length, 8, generator=generator, requires_grad=True) for length in (5, positions, positions))
    mask_B11M = torch.ones(2, 1, 1, positions, dtype=torch.bool)
    mask_B11M[1, ..., positions // 2 + 1 :] = False
    bias_B11M = mask_bias(mask_B11M, torch.float32)
    plain_BHQK, weights_BHQM = attend_with_weights(q_BHQK, k_BHMK, v_BHMK, bias_B11M, Dropout(0.0))
    rounded_BHQK, wide_BHQM = attend_with_weights(q_BHQK, *round_up_memory(k_BHMK, v_BHMK, bias_B11M), Dropout(0.0))
    assert wide_BHQM.shape[-1] % 32 == 0
    assert wide_BHQM[..., positions:].count_nonzero() == 0
    torch.testing.assert_close(wide_BHQM[..., :positions], weights_BHQM)
    torch.testing.assert_close(rounded_BHQK, plain_BHQK)
    wanted = torch.autograd.grad(plain_BHQK.square().sum(), (q_BHQK, k_BHMK, v_BHMK))
    found = torch.autograd.grad(rounded_BHQK.square().sum(), (q_BHQK, k_BHMK, v_BHMK))
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
