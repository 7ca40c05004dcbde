"""The figures of the projections against the same computed plainly."""

import math

import pytest
import torch

from mt.config import ModelConfig
from mt.data.special_ids import EOS, PAD
from mt.inspection.projections import (
    Probe,
    ProjectionWeights,
    attention_figures,
    cosines,
    effective_rank,
    measure_attention,
    measure_weights,
    norms,
    score_figures,
    score_spectrum,
    singular_values,
)
from mt.model.build import build_model

TINY = ModelConfig(d_model=16, num_heads=2, d_ff=16, encoder_layers=1, decoder_layers=1, dropout=0.5)


def matrices(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("shape", [(3, 4, 16), (2, 8, 8), (2, 16, 4)])
def test_singular_values_are_those_of_a_full_decomposition(shape: tuple[int, ...]) -> None:
    matrix_NKD = matrices(*shape)
    torch.testing.assert_close(singular_values(matrix_NKD), torch.linalg.svdvals(matrix_NKD.double()), rtol=1e-9, atol=1e-9)


def test_the_spectrum_is_that_of_the_whole_product_of_w_q_and_w_k() -> None:
    q_NKD, k_NKD = matrices(3, 4, 16), matrices(3, 4, 16).flip(0)
    whole_NDD = q_NKD.double().mT @ k_NKD.double()
    torch.testing.assert_close(score_spectrum(q_NKD, k_NKD), torch.linalg.svdvals(whole_NDD)[:, :4], rtol=1e-9, atol=1e-9)


def test_the_effective_rank_counts_equal_directions_and_is_one_for_a_single_one() -> None:
    values_NC = torch.tensor([[2.0, 2.0, 2.0, 0.0], [5.0, 0.0, 0.0, 0.0]])
    torch.testing.assert_close(effective_rank(values_NC), torch.tensor([3.0, 1.0]))


def test_norm_and_cosine_are_of_a_matrix_taken_as_a_vector() -> None:
    matrix_NKD = torch.tensor([[[3.0, 0.0], [0.0, 4.0]]])
    assert norms(matrix_NKD).tolist() == [5.0]
    assert cosines(matrix_NKD, torch.tensor([[[0.0, 1.0], [1.0, 0.0]]])).tolist() == [0.0]
    assert cosines(matrix_NKD, -2 * matrix_NKD).tolist() == pytest.approx([-1.0])


def test_a_head_has_rows_of_w_q_and_columns_of_w_o() -> None:
    model = build_model(TINY, 20, 20)
    attention, name = model.decoder[0].cross_attention, "decoder.0.cross_attention"
    slices = ProjectionWeights.of(model).slices[name]
    width = TINY.d_model // TINY.num_heads
    assert torch.equal(slices["q"][1], attention.q_proj.weight[width : 2 * width])
    assert torch.equal(slices["o"][1], attention.out_proj.weight[:, width : 2 * width].T)


def test_the_update_ratio_and_the_gradient_are_of_the_update_just_made() -> None:
    torch.manual_seed(0)
    model = build_model(TINY, 20, 20)
    initial = ProjectionWeights.of(model)
    weight = model.encoder[0].self_attention.v_proj.weight
    weight.grad = torch.full_like(weight, 2.0)
    with torch.no_grad():
        weight.mul_(1.25)
    found = measure_weights(ProjectionWeights.of(model), initial, initial, ProjectionWeights.of(model, gradients=True))
    figures = found["encoder.0.self_attention"]["v"]
    heads, width = TINY.num_heads, TINY.d_model // TINY.num_heads
    assert figures["update_ratio"] == pytest.approx([0.25] * heads, rel=1e-3)
    assert figures["cosine"] == pytest.approx([1.0] * heads)
    assert figures["gradient_norm"] == pytest.approx([2.0 * math.sqrt(width * TINY.d_model)] * heads, rel=1e-3)
    assert found["encoder.0.self_attention"]["q"]["update_ratio"] == [0.0] * heads


def test_without_an_update_there_is_neither_gradient_nor_ratio() -> None:
    weights = ProjectionWeights.of(build_model(TINY, 20, 20))
    assert set(measure_weights(weights, weights, None, None)["decoder.0.self_attention"]["k"]) == {"norm", "cosine", "effective_rank"}


def test_an_even_look_has_the_whole_entropy_and_one_position_none() -> None:
    weights_BHQM = torch.zeros(1, 2, 3, 3)
    weights_BHQM[0, 0] = torch.ones(3, 3).tril() / torch.arange(1, 4)[:, None]
    weights_BHQM[0, 1] = torch.eye(3)
    visible_B1QM = torch.ones(1, 1, 3, 3, dtype=torch.bool).tril()
    figures = attention_figures(weights_BHQM, visible_B1QM, self_attention=True)
    assert figures["entropy_share"].tolist() == pytest.approx([1.0, 0.0])
    assert figures["entropy"].tolist() == pytest.approx([(math.log(2) + math.log(3)) / 3, 0.0])
    assert figures["largest_weight"].tolist() == pytest.approx([(1 + 1 / 2 + 1 / 3) / 3, 1.0])
    assert figures["distance"].tolist() == pytest.approx([(0 + 1 / 2 + 1) / 3, 0.0])


def test_cross_attention_along_the_diagonal_is_at_no_distance() -> None:
    weights_BHQM = torch.zeros(1, 1, 2, 3)
    weights_BHQM[0, 0, 0, 0] = weights_BHQM[0, 0, 1, 2] = 1.0
    visible_B1QM = torch.ones(1, 1, 2, 3, dtype=torch.bool)
    assert attention_figures(weights_BHQM, visible_B1QM, self_attention=False)["distance"].tolist() == [0.0]


def test_what_is_hidden_counts_nowhere() -> None:
    """Padding of the asking and of the asked side changes no figure."""
    weights_BHQM = torch.softmax(matrices(1, 2, 3, 4), dim=-1)
    visible_B1QM = torch.ones(1, 1, 3, 4, dtype=torch.bool)
    padded_BHQM, hidden_B1QM = torch.full((1, 2, 5, 6), 0.2), torch.zeros(1, 1, 5, 6, dtype=torch.bool)
    padded_BHQM[:, :, :3, :4], hidden_B1QM[:, :, :3, :4] = weights_BHQM, True
    for self_attention in (True, False):
        plain = attention_figures(weights_BHQM, visible_B1QM, self_attention)
        padded = attention_figures(padded_BHQM, hidden_B1QM, self_attention)
        for key, values_H in plain.items():
            torch.testing.assert_close(padded[key], values_H)
    scores_BHQM = matrices(1, 2, 5, 6)
    plain = score_figures(scores_BHQM[:, :, :3, :4], visible_B1QM, 4)["score_variance"]
    torch.testing.assert_close(score_figures(scores_BHQM, hidden_B1QM, 4)["score_variance"], plain)
    torch.testing.assert_close(plain, scores_BHQM[0, :, :3, :4].double().var(dim=2, correction=0).mean(dim=1))


def test_dividing_scores_by_the_root_of_the_width_divides_their_variance_by_the_width() -> None:
    figures = score_figures(matrices(1, 2, 3, 4), torch.ones(1, 1, 3, 4, dtype=torch.bool), 16)
    torch.testing.assert_close(figures["scaled_score_variance"], figures["score_variance"] / 16)


@pytest.mark.parametrize("architecture", ["transformer", "rnn-attention"])
def test_a_model_is_measured_as_it_translates(architecture: str) -> None:
    """The probe's padding changes nothing, dropout is off meanwhile, and the model is left as it was."""
    torch.manual_seed(1)
    recurrent = ModelConfig(architecture="rnn-attention", d_model=16, encoder_layers=1, decoder_layers=1)
    model = build_model(TINY if architecture == "transformer" else recurrent, 20, 20).train()
    short = Probe(torch.tensor([[5, 6, 7, EOS]]), torch.tensor([[8, 9, EOS]]))
    padded = Probe(torch.tensor([[5, 6, 7, EOS, PAD, PAD]]), torch.tensor([[8, 9, EOS, PAD]]))
    found, again = measure_attention(model, short), measure_attention(model, padded)
    assert model.training
    assert found.keys() == again.keys()
    assert all(name.endswith("attention") for name in found)
    for name, figures in found.items():
        for key, values in figures.items():
            assert again[name][key] == pytest.approx(values, rel=1e-3, abs=1e-5), (name, key)
