"""Search with a real Transformer: what incremental search reports is what teacher forcing gives."""

import random
from pathlib import Path

import pytest
import torch

from mt.config import DecodingConfig, ModelConfig
from mt.data.special_ids import BOS, EOS
from mt.decoding.batches import translate_ids
from mt.decoding.next_tokens import top_k
from mt.errors import DecodingError
from mt.model.build import build_model
from mt.model.interface import TranslationModel
from mt.stored_model import load_parameters, parameters_of

SOURCES = [[5, 9, 12, 7, EOS], [8, EOS], [14, 15, 4, 4, 9, 11, 20, EOS], [6, 10, EOS]]


@pytest.fixture
def model() -> TranslationModel:
    torch.manual_seed(3)
    config = ModelConfig(d_model=16, num_heads=2, d_ff=32, encoder_layers=2, decoder_layers=2)
    model = build_model(config, 25, 25).eval()
    with torch.no_grad():
        model.output_weight_VD.mul_(2.0)  # less uniform than a fresh model, so that hypotheses differ and some end
    return model


@pytest.mark.parametrize("method", ["beam", "greedy", "sampling"])
def test_the_reported_log_probs_are_those_of_teacher_forcing(model: TranslationModel, method: str) -> None:
    options = DecodingConfig(method=method, beam_size=4, nbest=1 if method == "greedy" else 4)
    for source, hypotheses in zip(SOURCES, translate_ids(model, SOURCES, options), strict=True):
        for hypothesis in hypotheses:
            whole = [*hypothesis.tokens, EOS] if hypothesis.finished else hypothesis.tokens
            with torch.inference_mode():
                logits_BTV = model(torch.tensor([source]), torch.tensor([[BOS, *whole[:-1]]]))
            log_probs_T = logits_BTV.log_softmax(-1)[0].gather(1, torch.tensor(whole)[:, None])[:, 0]
            assert hypothesis.token_log_probs == pytest.approx(log_probs_T.tolist(), abs=1e-4)


def test_one_sentence_alone_gets_what_it_gets_in_a_batch_and_beam_one_is_greedy(model: TranslationModel) -> None:
    options = DecodingConfig(beam_size=4, nbest=2)
    together = translate_ids(model, SOURCES, options)
    for source, hypotheses in zip(SOURCES, together, strict=True):
        [alone] = translate_ids(model, [source], options)
        assert [h.tokens for h in alone] == [h.tokens for h in hypotheses]
        assert [h.score for h in alone] == pytest.approx([h.score for h in hypotheses], abs=1e-5)
    greedy = translate_ids(model, SOURCES, DecodingConfig(method="greedy"))
    assert translate_ids(model, SOURCES, DecodingConfig(beam_size=1)) == greedy


def many_sources(count: int, vocabulary: int) -> list[list[int]]:
    """Of 1 to 40 tokens."""
    draw = random.Random(0)
    return [[*draw.choices(range(4, vocabulary), k=draw.randint(1, 40)), EOS] for _ in range(count)]


@pytest.mark.parametrize(
    "positions", ["sinusoidal", "rotary", *(pytest.param(one, marks=pytest.mark.slow) for one in ("learned", "none"))]
)
@pytest.mark.parametrize(
    "options",
    [
        DecodingConfig(beam_size=5, nbest=3), pytest.param(DecodingConfig(beam_size=2), marks=pytest.mark.slow),
        DecodingConfig(method="greedy"),
        DecodingConfig(method="sampling", nbest=2),
    ],
    ids=lambda options: f"{options.method}-{options.beam_size}",
)  # fmt: skip
def test_tokens_and_scores_are_the_same_to_the_last_bit_whatever_is_in_the_batch(positions: str, options: DecodingConfig) -> None:
    """Batch size, order, padding, and the number of threads; sentences leave, come and move in flight."""
    torch.manual_seed(3)
    config = ModelConfig(d_model=32, num_heads=2, d_ff=48, encoder_layers=1, decoder_layers=2, positions=positions)
    model = build_model(config, 300, 300).eval()
    with torch.no_grad():
        model.output_weight_VD.mul_(2.0)
    sources = many_sources(40, 300)
    together = translate_ids(model, sources, options)
    for max_tokens in (1, 150, 1000):
        assert translate_ids(model, sources, options.model_copy(update={"max_tokens": max_tokens})) == together
    assert translate_ids(model, sources[::-1], options) == together[::-1]
    assert translate_ids(model, sources[7:8], options) == together[7:8]
    torch.set_num_threads(2)
    assert translate_ids(model, sources, options) == together
    assert translate_ids(model, sources[7:8], options) == together[7:8]


def test_one_failing_search_of_several_ends_all_with_its_message() -> None:
    torch.set_num_threads(2)
    model = build_model(ModelConfig(d_model=16, num_heads=2, d_ff=32, encoder_layers=1, decoder_layers=1), 25, 25).eval()
    with torch.no_grad():
        model.output_weight_VD.fill_(float("nan"))
    with pytest.raises(DecodingError, match="NaN or infinite"):
        translate_ids(model, many_sources(12, 25), DecodingConfig())
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("vocabulary", [5, 640, 1024, 1500, 10001])
@pytest.mark.parametrize("count", [1, 5])
def test_the_best_tokens_found_by_groups_are_those_of_topk(vocabulary: int, count: int) -> None:
    x_RV = torch.randn(20, vocabulary)
    x_RV[3, 7:] = -torch.inf  # fewer than a group has
    x_RV[5, -1] = 9.0
    expected_RC, token_RC = x_RV.topk(min(count, vocabulary))
    found_RC, found_token_RC = top_k(x_RV, min(count, vocabulary))
    assert torch.equal(found_RC, expected_RC)
    finite_RC = expected_RC > -torch.inf
    assert torch.equal(found_token_RC[finite_RC], token_RC[finite_RC]) and (found_token_RC < vocabulary).all()


def test_weights_that_have_changed_are_prepared_anew(model: TranslationModel) -> None:
    before = translate_ids(model, SOURCES, DecodingConfig())
    assert translate_ids(model, SOURCES, DecodingConfig()) == before
    with torch.no_grad():
        model.decoder[0].feed_forward.out_proj.weight.mul_(-3.0)
    changed = translate_ids(model, SOURCES, DecodingConfig())
    assert changed != before
    load_parameters(model, {name: -weight for name, weight in parameters_of(model).items()}, Path("somewhere"))
    assert translate_ids(model, SOURCES, DecodingConfig()) not in (before, changed)
