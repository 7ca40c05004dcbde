"""Cross-attention of given translations against the weights recorded in the model, and ranking by coverage against the formula."""

import math
import random

import pytest
import torch
from torch import Tensor

from mt.config import DecodingConfig, ModelConfig
from mt.data.special_ids import BOS, EOS
from mt.decoding.batches import translate_ids
from mt.decoding.constraints import NONE, Constraints
from mt.decoding.cross_attention import coverage, cross_attention_weights
from mt.decoding.hypothesis import Hypothesis, length_penalty
from mt.decoding.phrases import Spelling, compile_phrase
from mt.errors import DecodingError
from mt.inspection.attention import joined_weights, recorded_attention
from mt.inspection.shapes import trace_shapes
from mt.model.build import build_model
from mt.model.interface import TranslationModel

SOURCES = [[5, 9, 12, 7, EOS], [8, EOS], [14, 15, 4, 4, 9, 11, 20, EOS], [6, 10, EOS]]
TARGETS = [[4, 9, EOS], [7, 7, 8, 20, 21, EOS], [EOS], [5, 6]]


def made(architecture: str = "transformer", **values) -> TranslationModel:
    torch.manual_seed(3)
    shape = {"num_heads": 2, "d_ff": 32} if architecture == "transformer" else {}
    config = ModelConfig(architecture=architecture, d_model=16, encoder_layers=1, decoder_layers=3, **shape | values)
    model = build_model(config, 25, 25).eval()
    with torch.no_grad():
        model.output_weight_VD.mul_(2.0)
    return model


def recorded(model: TranslationModel, source: list[int], target: list[int], name: str) -> Tensor:
    """weights_TS of one pair, alone, as the inspection records them."""
    with torch.inference_mode(), recorded_attention(model) as found:
        model(torch.tensor([source]), torch.tensor([[BOS, *target[:-1]]]))
    return joined_weights(found)[name][0].mean(dim=0)


@pytest.mark.parametrize("values", [{}, {"norm_position": "pre", "positions": "rotary", "norm": "rmsnorm"}, {"positions": "learned"}])
@pytest.mark.parametrize("max_tokens", [1, 2048])
def test_a_transformers_weights_are_those_that_its_layers_have(values: dict, max_tokens: int) -> None:
    model, counts = made(**values), []
    for layer, name in ((-1, 2), (0, 0), (1, 1), (-3, 0)):
        found = cross_attention_weights(model, SOURCES, TARGETS, layer, max_tokens, counts.append)
        for source, target, weights_TS in zip(SOURCES, TARGETS, found, strict=True):
            assert weights_TS.shape == (len(target), len(source)) and weights_TS.dtype == torch.float32
            assert torch.allclose(weights_TS.sum(dim=1), torch.ones(len(target)), atol=1e-5)
            assert torch.allclose(weights_TS, recorded(model, source, target, f"decoder.{name}.cross_attention"), atol=1e-5)
    assert sum(counts) == 4 * len(SOURCES)


def test_a_recurrent_models_weights_are_those_of_its_attention() -> None:
    model = made("rnn-attention")
    for source, target, weights_TS in zip(SOURCES, TARGETS, cross_attention_weights(model, SOURCES, TARGETS), strict=True):
        assert weights_TS.shape == (len(target), len(source))
        assert torch.allclose(weights_TS, recorded(model, source, target, "attention"), atol=1e-5)


def test_what_does_not_exist_is_refused() -> None:
    for layer in (3, -4):
        with pytest.raises(DecodingError, match=f"no decoder layer {layer}: there are 3"):
            cross_attention_weights(made(), SOURCES, TARGETS, layer)
    with pytest.raises(DecodingError, match="a recurrent model has one"):
        cross_attention_weights(made("rnn-attention"), SOURCES, TARGETS, 1)
    with pytest.raises(DecodingError, match="no cross-attention.*decoding.coverage_penalty"):
        cross_attention_weights(made("rnn"), SOURCES, TARGETS)
    with pytest.raises(DecodingError, match="no cross-attention"):
        translate_ids(made("rnn"), SOURCES, DecodingConfig(coverage_penalty=0.1))
    with pytest.raises(DecodingError, match="decoding.coverage_penalty is -1.0; it must be at least 0"):
        translate_ids(made(), SOURCES, DecodingConfig().model_copy(update={"coverage_penalty": -1.0}))
    assert cross_attention_weights(made(), [], []) == []


def test_coverage_is_the_formula() -> None:
    weights_TS = torch.tensor([[0.5, 0.25, 0.25], [0.7, 0.05, 0.25]])
    assert coverage(weights_TS) == pytest.approx(math.log(0.3) + math.log(0.5))
    assert coverage(torch.eye(4)) == 0.0
    assert math.isfinite(coverage(torch.tensor([[1.0, 0.0]])))


def covered(model: TranslationModel, source: list[int], hypothesis: Hypothesis) -> float:
    """Σ log min(Σ p, 1), number by number, of recorded weights."""
    weights = recorded(model, source, [*hypothesis.tokens, EOS], "decoder.2.cross_attention").tolist()
    return sum(math.log(min(sum(row[at] for row in weights), 1.0)) for at in range(len(source)))


@pytest.mark.parametrize("beta", [0.2, 3.0])
def test_the_hypotheses_of_the_whole_beam_are_ranked_by_score_plus_coverage(beta: float) -> None:
    model, moved = made(), 0
    with torch.no_grad():  # so unsure of everything that many hypotheses end
        model.output_weight_VD.mul_(0.1)
        model.output_weight_VD[EOS] *= 3.0
    plain = DecodingConfig(beam_size=6, nbest=6, length_penalty=0.6, max_length_ratio=1.0, max_length_extra=8)
    for source, all_six in zip(SOURCES, translate_ids(model, SOURCES, plain), strict=True):
        expected = [h.score + beta * covered(model, source, h) for h in all_six if h.finished]
        order = sorted(range(len(expected)), key=lambda at: -expected[at])
        for nbest in (1, 6):
            chosen = plain.model_copy(update={"coverage_penalty": beta, "nbest": nbest})
            [found] = translate_ids(model, [source], chosen)
            ranked = [*(all_six[at] for at in order), *(h for h in all_six if not h.finished)][:nbest]
            assert [(h.tokens, h.finished, h.log_prob) for h in found] == [(h.tokens, h.finished, h.log_prob) for h in ranked]
            for hypothesis in found:
                score = hypothesis.log_prob / length_penalty(len(hypothesis.token_log_probs), 0.6)
                score += beta * covered(model, source, hypothesis) if hypothesis.finished else 0.0
                assert hypothesis.score == pytest.approx(score, abs=1e-4)
        moved += order != [*range(len(order))]
    assert moved or beta < 1


def test_greedy_search_and_sampling_do_not_rank_by_coverage() -> None:
    for method in ("greedy", "sampling"):
        plain = DecodingConfig(method=method)
        assert translate_ids(made(), SOURCES, plain.model_copy(update={"coverage_penalty": 2.0})) == translate_ids(made(), SOURCES, plain)


def test_scores_with_coverage_are_the_same_to_the_last_bit_whatever_is_in_the_batch() -> None:
    draw, model = random.Random(0), made()
    sources = [[*draw.choices(range(4, 25), k=draw.randint(1, 30)), EOS] for _ in range(30)]
    chosen = DecodingConfig(beam_size=4, nbest=2, coverage_penalty=1.0)
    together = translate_ids(model, sources, chosen)
    assert translate_ids(model, sources, chosen.model_copy(update={"max_tokens": 50})) == together
    assert translate_ids(model, sources[::-1], chosen) == together[::-1]
    assert translate_ids(model, sources[4:5], chosen) == together[4:5]
    torch.set_num_threads(2)
    assert translate_ids(model, sources, chosen) == together
    assert translate_ids(model, sources[4:5], chosen) == together[4:5]


def test_every_name_in_a_search_with_rules_and_coverage_tells_the_truth() -> None:
    spelling = Spelling([b"", b"", b"", b"", b" a", *(bytes([byte]) for byte in range(ord("a"), ord("u")))])
    forbidden, required = ([compile_phrase(text, spelling) for text in texts] for texts in (("bc*", "d"), ("ab", "c*", "a a")))
    kinds = [NONE, Constraints(prefix=(4, 5)), Constraints((), tuple(forbidden)), Constraints((9,), tuple(forbidden), tuple(required))]
    with trace_shapes() as trace:
        for method, asked in (("beam", kinds), ("greedy", kinds[:3] * 2), ("sampling", kinds[:3] * 2)):
            chosen = DecodingConfig(method=method, beam_size=3, nbest=1, no_repeat_ngram=2, coverage_penalty=0.5)
            translate_ids(made(), SOURCES, chosen, constraints=asked[:4])
        cross_attention_weights(made("rnn-attention"), SOURCES, TARGETS)
    assert trace.violations == []
    reached = {record.function for record in trace.records}
    assert {
        "mt.decoding.banks.deal",
        "mt.decoding.rules.History.repeating",
        "mt.decoding.phrase_states.ForbiddenPhrases.exclude",
    } <= reached
