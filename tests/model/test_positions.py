"""Positions: the paper's table, growth, the last learned vector, and rotary's dependence on distance alone."""

import math

import pytest
import torch

from mt.config import ModelConfig
from mt.data.special_ids import EOS
from mt.model.build import build_model
from mt.model.positions import (
    LearnedPositions,
    NoAddedPositions,
    RotaryPositions,
    SinusoidalPositions,
    build_positions,
    sinusoidal_table,
)


def test_the_sinusoidal_table_has_the_papers_values() -> None:
    table_TD = sinusoidal_table(1001, 8)
    assert table_TD.shape == (1001, 8) and table_TD.dtype == torch.float32
    assert table_TD[0].tolist() == [0, 1] * 4
    for t, i in [(1, 0), (7, 1), (1000, 0), (1000, 3)]:
        angle = t / 10000 ** (2 * i / 8)
        assert table_TD[t, 2 * i : 2 * i + 2].tolist() == pytest.approx([math.sin(angle), math.cos(angle)], abs=1e-7)


def test_the_table_grows_and_its_first_rows_stay() -> None:
    positions = SinusoidalPositions(8, initial_length=4)
    short_BTD, long_BTD = torch.zeros(1, 3, 8), torch.zeros(1, 50, 8)
    before_BTD = positions(short_BTD)
    after_BTD = positions(long_BTD)
    assert torch.equal(after_BTD[0], sinusoidal_table(50, 8))
    assert torch.equal(positions(short_BTD), before_BTD)
    assert positions.state_dict() == {}, "a table that can be computed has no place in a checkpoint"


@pytest.mark.parametrize("positions", [SinusoidalPositions(8, 4), LearnedPositions(8, 100), RotaryPositions(8)])
def test_every_row_at_its_sentences_position_gets_what_it_gets_in_the_whole(positions: torch.nn.Module) -> None:
    """Two sentences, three rows each, at the positions 7 and 2."""
    x_BWD, position_B = torch.randn(2, 3, 8), torch.tensor([7, 2])
    rotary = isinstance(positions, RotaryPositions)
    found_BWD = positions(x_BWD[:, None], position_B)[:, 0] if rotary else positions.at(x_BWD, position_B, last=7)
    for sentence, position in enumerate(position_B.tolist()):
        for row in range(3):
            x_TD = x_BWD[sentence, row].expand(9, 8)
            whole_TD = positions(x_TD[None, None])[0, 0] if rotary else positions(x_TD[None])[0]
            torch.testing.assert_close(found_BWD[sentence, row], whole_TD[position])


def test_a_table_that_grew_during_inference_can_be_trained_with_and_moved() -> None:
    torch.manual_seed(0)
    config = ModelConfig(d_model=8, num_heads=2, d_ff=8, encoder_layers=1, decoder_layers=1, norm_position="pre")
    model = build_model(config, 9, 9)
    long_BS = torch.full((1, 600), 5)
    long_BS[:, -1] = EOS
    with torch.inference_mode():
        model.eval().encode(long_BS)
    table_TD = model.positions.table_TD
    assert table_TD.shape[0] >= 600
    assert not table_TD.is_inference()
    model.train()
    model.states(long_BS, long_BS).sum().backward()
    table_TD.mul_(1.0)  # what an inference tensor refuses
    model.to(torch.float64)


def test_learned_positions_beyond_the_last_share_its_vector() -> None:
    positions = LearnedPositions(8, max_positions=5)
    added_BTD = positions(torch.zeros(1, 9, 8))
    assert torch.equal(added_BTD[0, :5], positions.embedding.weight)
    assert torch.equal(added_BTD[0, 5:], positions.embedding.weight[4].expand(4, 8))
    assert torch.equal(positions.at(torch.zeros(1, 1, 8), torch.tensor([100]), 100)[0, 0], positions.embedding.weight[4])


def test_learned_positions_keep_a_model_alive_beyond_max_positions() -> None:
    config = ModelConfig(
        d_model=8, num_heads=2, d_ff=8, encoder_layers=1, decoder_layers=1, positions="learned", max_positions=3
    )
    model = build_model(config, 9, 9).eval()
    token_BT = torch.tensor([[4, 5, 6, 7, 8, EOS]])
    with torch.inference_mode():
        expected_BTV = model(token_BT, token_BT)
        state = model.start(model.encode(token_BT), 1)
        for t in range(6):
            torch.testing.assert_close(model.step(token_BT[:, t], state), expected_BTV[:, t], atol=1e-5, rtol=1e-5)


def test_rotary_products_depend_on_distance_only_and_lengths_stay() -> None:
    torch.manual_seed(1)
    rotary = RotaryPositions(8)
    q_K, k_K = torch.randn(2, 8)

    def product(query_position: int, key_position: int) -> float:
        q_BHTK = rotary(q_K.view(1, 1, 1, 8), torch.tensor([query_position]))
        k_BHTK = rotary(k_K.view(1, 1, 1, 8), torch.tensor([key_position]))
        return float((q_BHTK * k_BHTK).sum())

    assert product(3, 1) == pytest.approx(product(12, 10), abs=1e-5) == pytest.approx(product(202, 200), abs=1e-4)
    assert product(3, 1) != pytest.approx(product(3, 2), abs=1e-3)
    assert product(5, 5) == pytest.approx(float(q_K @ k_K), abs=1e-5)
    turned_BHTK = rotary(q_K.expand(1, 1, 40, 8))
    torch.testing.assert_close(turned_BHTK.norm(dim=-1), q_K.norm().expand(1, 1, 40))
    assert torch.equal(turned_BHTK[0, 0, 0], q_K)


def test_rotary_turns_feature_i_with_feature_i_plus_half_by_the_papers_angle() -> None:
    x_BHTK = torch.zeros(1, 1, 1, 8)
    x_BHTK[..., 1] = 1.0
    angle = 6 / 10000 ** (2 * 1 / 8)
    turned_K = RotaryPositions(8)(x_BHTK, torch.tensor([6])).flatten()
    expected = [0, math.cos(angle), 0, 0, 0, math.sin(angle), 0, 0]
    assert turned_K.tolist() == pytest.approx(expected, abs=1e-6)


def test_without_positions_an_encoder_reads_a_bag_of_words_and_with_them_it_does_not() -> None:
    """Words in another order get the same states in that other order."""
    order = torch.tensor([3, 1, 4, 0, 2])
    token_BS = torch.tensor([[4, 5, 6, 7, 8]])
    for kind in ("none", "sinusoidal", "learned", "rotary"):
        torch.manual_seed(0)
        config = ModelConfig(d_model=8, num_heads=2, d_ff=8, encoder_layers=2, decoder_layers=1, positions=kind)
        model = build_model(config, 9, 9).eval()
        with torch.inference_mode():
            memory_BSD = model.encode(token_BS).memory_BSD[:, order]
            reordered_BSD = model.encode(token_BS[:, order]).memory_BSD
        assert torch.allclose(memory_BSD, reordered_BSD, atol=1e-5) == (kind == "none"), kind


def test_each_kind_builds_its_module_and_rotary_and_none_add_nothing() -> None:
    assert isinstance(build_positions("sinusoidal", 8, 4), SinusoidalPositions)
    assert isinstance(build_positions("learned", 8, 4), LearnedPositions)
    x_BTD = torch.randn(1, 2, 8)
    for kind in ("rotary", "none"):
        nothing = build_positions(kind, 8, 4)
        assert isinstance(nothing, NoAddedPositions) and nothing(x_BTD) is x_BTD is nothing.at(x_BTD, torch.tensor([3]), 3)
