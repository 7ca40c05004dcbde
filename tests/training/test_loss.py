"""The chunked loss equals torch's cross-entropy in value and gradients, and adds up.

Dimensions: legend in mt/model/interface.py.
"""

import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from mt.config import ModelConfig
from mt.data.batching import pad
from mt.data.special_ids import BOS, EOS, PAD
from mt.model.build import build_model
from mt.training import loss as loss_module
from mt.training.loss import cross_entropy, shift_right

B, T, D, V = 4, 9, 16, 37


def problem(scale: float = 1.0) -> tuple[Tensor, Tensor, Tensor]:
    """States, weights and targets with padding at the end of some rows."""
    torch.manual_seed(0)
    x_BTD = (torch.randn(B, T, D) * scale).requires_grad_()
    weight_VD = (torch.randn(V, D) * D**-0.5).requires_grad_()
    target_BT = torch.randint(4, V, (B, T))
    for row, length in enumerate((9, 4, 1, 7)):
        target_BT[row, length:] = PAD
    return x_BTD, weight_VD, target_BT


def reference(x_BTD: Tensor, weight_VD: Tensor, target_BT: Tensor, smoothing: float) -> Tensor:
    logits_BTV = x_BTD @ weight_VD.T
    return F.cross_entropy(
        logits_BTV.flatten(0, 1), target_BT.flatten(), ignore_index=PAD, label_smoothing=smoothing, reduction="sum"
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("chunk", [1, 4, 7, 21, 1024])
def test_value_and_gradients_are_torchs_whatever_the_chunk(
    smoothing: float, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loss_module, "CHUNK_TOKENS", chunk)
    x_BTD, weight_VD, target_BT = problem()
    sums = cross_entropy(x_BTD, weight_VD, target_BT, smoothing)
    expected = reference(x_BTD, weight_VD, target_BT, smoothing)
    plain = reference(x_BTD, weight_VD, target_BT, 0.0)
    torch.testing.assert_close(sums.loss, expected, atol=1e-4, rtol=1e-6)
    torch.testing.assert_close(sums.negative_log_likelihood, plain.detach(), atol=1e-4, rtol=1e-6)
    assert not sums.negative_log_likelihood.requires_grad
    found = torch.autograd.grad(sums.loss / 3, (x_BTD, weight_VD))
    wanted = torch.autograd.grad(expected / 3, (x_BTD, weight_VD))
    for gradient, expected_gradient in zip(found, wanted, strict=True):
        torch.testing.assert_close(gradient, expected_gradient, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_under_bf16_autocast_it_is_torchs_within_bf16(smoothing: float) -> None:
    x_BTD, weight_VD, target_BT = problem()
    with torch.autocast("cpu", torch.bfloat16):
        sums = cross_entropy(x_BTD, weight_VD, target_BT, smoothing)
    expected = reference(x_BTD, weight_VD, target_BT, smoothing)
    assert sums.loss.dtype == torch.float32
    torch.testing.assert_close(sums.loss, expected, atol=0.0, rtol=5e-3)
    found = torch.autograd.grad(sums.loss, (x_BTD, weight_VD))
    wanted = torch.autograd.grad(expected, (x_BTD, weight_VD))
    for gradient, expected_gradient in zip(found, wanted, strict=True):
        assert gradient.dtype == torch.float32
        assert float((gradient - expected_gradient).norm() / expected_gradient.norm()) < 0.01


def test_padding_counts_for_nothing() -> None:
    x_BTD, weight_VD, target_BT = problem()
    garbage_BTD = torch.where((target_BT == PAD)[..., None], 1e6, x_BTD.detach()).requires_grad_()
    loss = cross_entropy(x_BTD, weight_VD, target_BT, 0.1).loss
    garbage_loss = cross_entropy(garbage_BTD, weight_VD, target_BT, 0.1).loss
    assert loss == garbage_loss
    [gradient_BTD] = torch.autograd.grad(garbage_loss, garbage_BTD)
    assert not gradient_BTD[target_BT == PAD].any() and gradient_BTD[target_BT != PAD].any(dim=1).all()


def test_a_batch_of_padding_alone_has_a_loss_of_zero() -> None:
    x_BTD, weight_VD, target_BT = problem()
    loss = cross_entropy(x_BTD, weight_VD, torch.full_like(target_BT, PAD), 0.1).loss
    loss.backward()
    assert loss.item() == 0.0 and not weight_VD.grad.any()


def test_it_can_be_measured_without_gradients() -> None:
    x_BTD, weight_VD, target_BT = problem()
    expected = cross_entropy(x_BTD, weight_VD, target_BT, 0.1)
    with torch.inference_mode():
        sums = cross_entropy(x_BTD, weight_VD, target_BT, 0.1)
    assert not sums.loss.requires_grad
    torch.testing.assert_close(tuple(sums), tuple(expected.loss.detach() if i == 0 else v for i, v in enumerate(expected)))


def test_a_uniform_model_loses_log_v_per_token_whatever_the_smoothing() -> None:
    _, weight_VD, target_BT = problem()
    tokens = int((target_BT != PAD).sum())
    sums = cross_entropy(torch.zeros(B, T, D), weight_VD, target_BT, 0.3)
    assert float(sums.loss.detach()) / tokens == pytest.approx(math.log(V), rel=1e-6)
    assert float(sums.negative_log_likelihood) / tokens == pytest.approx(math.log(V), rel=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_very_sure_and_very_wrong_states_keep_the_loss_finite(smoothing: float) -> None:
    """The target's probability underflows in fp32 (a gap of some 104 between logits); torch's own stays finite."""
    x_BTD, weight_VD, target_BT = problem(scale=200.0)
    assert reference(x_BTD, weight_VD, target_BT, smoothing).isfinite()
    sums = cross_entropy(x_BTD, weight_VD, target_BT, smoothing)
    assert sums.loss.isfinite() and sums.negative_log_likelihood.isfinite()


def test_shift_right_puts_bos_first_and_drops_the_last_position() -> None:
    target_BT = torch.tensor([[7, 8, 9, EOS], [7, EOS, PAD, PAD]])
    assert shift_right(target_BT).tolist() == [[BOS, 7, 8, 9], [BOS, 7, EOS, PAD]]
    assert target_BT.tolist() == [[7, 8, 9, EOS], [7, EOS, PAD, PAD]], "the target itself stays"


def test_a_batch_split_in_two_has_the_loss_and_the_gradient_of_the_whole() -> None:
    """Sums over tokens, divided by the tokens of both halves: whatever the halves' padding and number of tokens."""
    torch.manual_seed(1)
    config = ModelConfig(d_model=16, num_heads=2, d_ff=16, encoder_layers=1, decoder_layers=1, dropout=0.0)
    model = build_model(config, V, V)
    sources = [[5, 6, 7, EOS], [8, EOS], [9, 10, 11, 12, 13, EOS], [4, 5, EOS]]
    targets = [[4, EOS], [5, 6, EOS], [7, 8, 9, 10, 11, 12, EOS], [EOS]]
    num_tokens = sum(len(target) for target in targets)

    def loss_and_gradients(parts: list[slice]) -> tuple[float, list[Tensor]]:
        model.zero_grad()
        total = 0.0
        for part in parts:
            source_BS, target_BT = pad(sources[part]), pad(targets[part])
            x_BTD = model.states(source_BS, shift_right(target_BT))
            loss = cross_entropy(x_BTD, model.output_weight_VD, target_BT, 0.1).loss / num_tokens
            loss.backward()
            total += loss.item()
        return total, [parameter.grad.clone() for parameter in model.parameters()]

    whole, whole_gradients = loss_and_gradients([slice(0, 4)])
    halves, half_gradients = loss_and_gradients([slice(0, 2), slice(2, 4)])
    assert halves == pytest.approx(whole, rel=1e-6)
    torch.testing.assert_close(half_gradients, whole_gradients, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("alpha", [0.0, 5.0])
def test_r_drop_is_two_cross_entropies_and_two_divergences(smoothing: float, alpha: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Value and gradients against torch's own cross_entropy and kl_div, over several chunks and with padding."""
    monkeypatch.setattr(loss_module, "CHUNK_TOKENS", 8)
    generator = torch.Generator().manual_seed(2)
    target_BT = torch.randint(4, 30, (5, 6), generator=generator)
    target_BT[1, 3:] = target_BT[4, 1:] = PAD
    x_BTD = torch.randn(10, 6, 16, generator=generator, requires_grad=True)
    weight_VD = torch.randn(30, 16, generator=generator, requires_grad=True)
    found = loss_module.r_drop(x_BTD, weight_VD, target_BT, smoothing, alpha)
    (0.5 * found.loss).backward()
    got = x_BTD.grad.clone(), weight_VD.grad.clone()
    x_BTD.grad = weight_VD.grad = None

    kept_BT = target_BT != PAD
    log_p_NV, log_q_NV = (torch.log_softmax(x_BTD[part][kept_BT] @ weight_VD.T, -1) for part in (slice(0, 5), slice(5, 10)))
    crosses = [
        F.cross_entropy(x_BTD[part][kept_BT] @ weight_VD.T, target_BT[kept_BT], label_smoothing=smoothing, reduction="sum")
        for part in (slice(0, 5), slice(5, 10))
    ]
    divergences = [
        F.kl_div(one, other, log_target=True, reduction="sum") for one, other in ((log_p_NV, log_q_NV), (log_q_NV, log_p_NV))
    ]
    expected = sum(crosses) / 2 + alpha / 2 * sum(divergences) / 2
    assert found.loss.item() == pytest.approx(expected.item(), rel=1e-5)
    (0.5 * expected).backward()
    torch.testing.assert_close(got[0], x_BTD.grad, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(got[1], weight_VD.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("tokens", [999, 3001, 4095])
def test_the_divisor_of_the_loss_is_not_rounded_to_bf16(tokens: int) -> None:
    """1 / tokens in bf16 would scale the states' gradient by up to 0.4 %, and not the output matrix's."""
    torch.manual_seed(tokens)
    x_BTD, weight_VD, target_BT = torch.randn(8, 16, 32), torch.randn(50, 32), torch.randint(5, 50, (8, 16))
    norms = []
    for divisor in (tokens, 1024):  # a power of two is exact
        own_BTD = x_BTD.clone().requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = cross_entropy(own_BTD, weight_VD, target_BT, 0.1).loss
        (loss / divisor).backward()
        norms.append(own_BTD.grad.double().norm().item() * divisor)
    assert norms[0] == pytest.approx(norms[1], rel=3e-4)
