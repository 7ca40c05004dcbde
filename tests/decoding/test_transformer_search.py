"""Search with a real Transformer: what incremental search reports is what teacher forcing gives."""

import pytest
import torch

from mt.config import DecodingConfig, ModelConfig
from mt.data.special_ids import BOS, EOS
from mt.decoding.batches import translate_ids
from mt.model.build import build_model
from mt.model.interface import TranslationModel

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
