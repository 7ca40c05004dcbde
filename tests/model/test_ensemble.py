"""An ensemble's probabilities are the mean of its members', in the search and under teacher forcing."""

import itertools

import pytest
import torch

from mt.config import DecodingConfig, ModelConfig
from mt.data.special_ids import EOS
from mt.decoding.batches import translate_ids
from mt.decoding.scoring import score_ids
from mt.model.build import build_model
from mt.model.ensemble import Ensemble
from mt.model.interface import TranslationModel

SOURCES = [[5, 6, 7, EOS], [8, EOS], [9, 10, 11, 12, 5, 6, EOS], [4, 4, EOS]]
TRANSFORMER = ModelConfig(d_model=16, num_heads=2, d_ff=24, encoder_layers=1, decoder_layers=2)
WIDER = ModelConfig(d_model=24, num_heads=3, d_ff=16, encoder_layers=2, decoder_layers=1, norm_position="pre")
RECURRENT = ModelConfig(architecture="rnn-attention", d_model=16, encoder_layers=1, decoder_layers=1)


def member(config: ModelConfig, seed: int) -> TranslationModel:
    torch.manual_seed(seed)
    model = build_model(config, 14, 14).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return model


def test_the_ensembles_probabilities_are_the_mean_of_its_members() -> None:
    members = [member(TRANSFORMER, 1), member(WIDER, 2), member(RECURRENT, 3)]
    source_BS = torch.tensor([SOURCES[0], SOURCES[3] + [0]])
    input_BT = torch.tensor([[2, 7, 8], [2, 9, 4]])
    with torch.inference_mode():
        expected_BTV = torch.stack([model(source_BS, input_BT).softmax(-1) for model in members]).mean(0)
        found_BTV = Ensemble(members).eval()(source_BS, input_BT).softmax(-1)
    torch.testing.assert_close(found_BTV, expected_BTV)


@pytest.mark.parametrize(
    "options", [DecodingConfig(beam_size=3, nbest=3), DecodingConfig(method="greedy", beam_size=1)], ids=["beam", "greedy"]
)
@pytest.mark.parametrize("configs", [*itertools.combinations([TRANSFORMER, WIDER, RECURRENT], 2)])
def test_what_the_search_reports_is_what_forced_decoding_gives(configs: tuple[ModelConfig, ...], options: DecodingConfig) -> None:
    ensemble = Ensemble([member(config, 4 + number) for number, config in enumerate(configs)]).eval()
    for source, hypotheses in zip(SOURCES, translate_ids(ensemble, SOURCES, options), strict=True):
        for hypothesis in hypotheses:
            tokens = [*hypothesis.tokens, *([EOS] if hypothesis.finished else [])]
            [scored] = score_ids(ensemble, [source], [tokens], options.length_penalty)
            assert scored.token_log_probs == pytest.approx(hypothesis.token_log_probs, abs=1e-4)


def test_a_model_with_itself_translates_as_it_does_alone() -> None:
    model = member(TRANSFORMER, 9)
    options = DecodingConfig(beam_size=4, nbest=2)
    alone, twice = translate_ids(model, SOURCES, options), translate_ids(Ensemble([model, model]).eval(), SOURCES, options)
    for one, other in zip(alone, twice, strict=True):
        assert [hypothesis.tokens for hypothesis in one] == [hypothesis.tokens for hypothesis in other]
        assert [hypothesis.log_prob for hypothesis in one] == pytest.approx([hypothesis.log_prob for hypothesis in other], abs=1e-4)


def test_batches_do_not_change_an_ensembles_translations() -> None:
    ensemble = Ensemble([member(TRANSFORMER, 11), member(WIDER, 12)]).eval()
    options = DecodingConfig(beam_size=3)
    together = translate_ids(ensemble, SOURCES, options)
    assert together == [translate_ids(ensemble, [source], options)[0] for source in SOURCES]


def test_an_ensemble_has_no_states_to_train() -> None:
    with pytest.raises(TypeError, match="train its members"):
        Ensemble([member(TRANSFORMER, 1)]).states(torch.tensor([[5, EOS]]), torch.tensor([[2]]))
