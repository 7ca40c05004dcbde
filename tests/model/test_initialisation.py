"""A fresh model's numbers follow the table in the docstring of `initialise`."""

import math

import pytest
import torch
from torch import nn

from mt.config import ModelConfig
from mt.data.special_ids import PAD
from mt.model.build import build_model
from mt.model.transformer import Transformer

D, F_WIDTH, VOCAB = 64, 96, 500


def fresh(**options: object) -> Transformer:
    torch.manual_seed(0)
    settings = {"d_model": D, "num_heads": 4, "d_ff": F_WIDTH, "encoder_layers": 1, "decoder_layers": 1}
    return build_model(ModelConfig(**(settings | options)), VOCAB, VOCAB)


def assert_uniform(weight: torch.Tensor, bound: float) -> None:
    assert float(weight.detach().abs().max()) == pytest.approx(bound, rel=0.02)
    assert float(weight.detach().abs().max()) <= bound
    assert float(weight.detach().std()) == pytest.approx(bound / math.sqrt(3), rel=0.05)


@pytest.mark.parametrize("tie", ["all", "decoder", "none"])
def test_token_embeddings_and_output_are_normal_and_the_pad_row_of_an_embedding_is_zero(tie: str) -> None:
    model = fresh(tie_embeddings=tie)
    for weight in (model.source_embedding.weight, model.target_embedding.weight, model.output_weight_VD):
        assert float(weight.detach().std()) == pytest.approx(D**-0.5, rel=0.03)
        assert abs(float(weight.detach().mean())) < 0.01
    assert not model.source_embedding.weight[PAD].any() and not model.target_embedding.weight[PAD].any()


def test_learned_positions_are_normal_in_every_row() -> None:
    weight = fresh(positions="learned", max_positions=300).positions.embedding.weight.detach()
    assert float(weight.std()) == pytest.approx(D**-0.5, rel=0.03)
    assert weight.any(dim=1).all()


def test_linear_maps_are_xavier_uniform_and_q_k_v_as_one_stacked_matrix() -> None:
    model = fresh(activation="swiglu", tie_embeddings="none")
    for name, module in model.named_modules():
        if not isinstance(module, nn.Linear) or name == "output":
            continue
        fan = sum(module.weight.shape)
        if name.endswith(("q_proj", "k_proj", "v_proj")):
            fan = D + 3 * D
        assert_uniform(module.weight, math.sqrt(6 / fan))
        assert not module.bias.any()


@pytest.mark.parametrize("norm", ["layernorm", "rmsnorm"])
def test_norms_start_as_the_identity(norm: str) -> None:
    model = fresh(norm=norm, norm_position="pre")
    norms = [module for module in model.modules() if isinstance(module, (nn.LayerNorm, nn.RMSNorm))]
    assert len(norms) == 2 + 3 + 2
    for module in norms:
        assert (module.weight == 1).all()
        assert norm == "rmsnorm" or not module.bias.any()


@pytest.mark.parametrize("norm_position", ["post", "pre"])
def test_a_fresh_model_knows_nothing(norm_position: str) -> None:
    """Its loss is near that of the uniform distribution, so training starts where it should."""
    model = fresh(norm_position=norm_position, tie_embeddings="none").eval()
    token_BT = torch.randint(4, VOCAB, (4, 12))
    with torch.inference_mode():
        log_probs_BTV = model(token_BT, token_BT).log_softmax(-1)
    loss = -log_probs_BTV.gather(-1, token_BT.unsqueeze(-1)).mean()
    assert float(loss) == pytest.approx(math.log(VOCAB), abs=1.0)


def test_the_same_seed_gives_the_same_model() -> None:
    one, other = fresh().state_dict(), fresh().state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
