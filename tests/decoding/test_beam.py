"""Beam search against enumeration, a beam search in lists, greedy search and the model's own scores."""

import random

import pytest
import torch

from mt.config import DecodingConfig
from mt.data.special_ids import BOS, EOS, PAD
from mt.decoding.hypothesis import length_penalty
from mt.decoding.search import Hypothesis, search
from mt.errors import DecodingError
from tests.decoding.table_model import TableModel, Tokens, enumerated, source_tensor, textbook_beam

SOURCES: list[Tokens] = [(4, 5, 3), (5, 3), (4, 4, 4, 5, 3), (5, 5, 4, 3), (4, 3)]
LIMITS = [5, 3, 4, 5, 1]


def beam_options(alpha: float = 1.0, **values) -> DecodingConfig:
    """Options for beam search; alpha unchecked, so that negative ones can be tried."""
    return DecodingConfig(method="beam", **values).model_copy(update={"length_penalty": alpha})


def run(model: TableModel, options: DecodingConfig, sources=SOURCES, limits=LIMITS) -> list[list[Hypothesis]]:
    return search(model, source_tensor(sources), options, torch.tensor(limits))


def assert_found(hypotheses: list[Hypothesis], expected: list[tuple[Tokens, float]]) -> None:
    assert [tuple(h.tokens) for h in hypotheses] == [tokens for tokens, _ in expected]
    assert [h.score for h in hypotheses] == pytest.approx([score for _, score in expected], abs=1e-5)


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0, 2.0, -0.7])
@pytest.mark.parametrize("seed", range(4))
def test_a_beam_as_wide_as_there_are_prefixes_finds_the_best_of_all_sentences(seed: int, alpha: float) -> None:
    model = TableModel(vocab_size=6, seed=seed)
    found = run(model, beam_options(alpha, beam_size=350, nbest=20))
    for source, limit, hypotheses in zip(SOURCES, LIMITS, found, strict=True):
        assert_found(hypotheses, enumerated(model, source, limit, alpha, 20))


@pytest.mark.parametrize("alpha", [0.0, 1.0, 2.5, -0.7])
@pytest.mark.parametrize("beam_size", [1, 2, 3, 5])
def test_a_narrow_beam_equals_the_textbook_run_to_the_limit(beam_size: int, alpha: float) -> None:
    """Also the proof that stopping early changes nothing: the textbook never stops early."""
    for seed in range(8):
        model = TableModel(vocab_size=9, seed=seed)
        for nbest in {1, beam_size}:
            found = run(model, beam_options(alpha, beam_size=beam_size, nbest=nbest), limits=[9, 3, 12, 8, 1])
            for source, limit, hypotheses in zip(SOURCES, [9, 3, 12, 8, 1], found, strict=True):
                assert_found(hypotheses, textbook_beam(model, source, limit, alpha, beam_size)[:nbest])


def test_search_stops_when_nothing_live_can_win() -> None:
    """EOS is all but certain after two tokens; what lives on could not catch up before the limit of 50."""
    model = TableModel(8, logits=lambda source, prefix: [0.0] * 3 + [20.0 if len(prefix) == 2 else -20.0] + [0.0] * 4)
    run(model, beam_options(beam_size=3), limits=[50] * len(SOURCES))
    assert len(model.rows_per_step) < 8


def test_a_beam_of_one_is_greedy_search() -> None:
    for seed in range(20):
        model = TableModel(vocab_size=12, seed=seed)
        limits = [20, 3, 15, 9, 1]
        greedy = run(model, DecodingConfig(method="greedy"), limits=limits)
        assert run(model, DecodingConfig(beam_size=1), limits=limits) == greedy


def test_a_batch_gives_each_sentence_what_it_gets_alone_in_any_order() -> None:
    model = TableModel(vocab_size=9, seed=3)
    options = DecodingConfig(beam_size=4, nbest=4)
    limits = [9, 3, 12, 8, 1]
    together = run(model, options, limits=limits)
    for source, limit, hypotheses in zip(SOURCES, limits, together, strict=True):
        assert run(model, options, [source], [limit]) == [hypotheses]
    order = random.Random(0).sample(range(len(SOURCES)), len(SOURCES))
    shuffled = run(model, options, [SOURCES[at] for at in order], [limits[at] for at in order])
    assert shuffled == [together[at] for at in order]


def test_the_n_best_list_is_sorted_and_distinct() -> None:
    for hypotheses in run(TableModel(vocab_size=10, seed=1), DecodingConfig(beam_size=6, nbest=6), limits=[7] * 5):
        assert len(hypotheses) == 6
        assert len({(tuple(h.tokens), h.finished) for h in hypotheses}) == 6
        keys = [(h.finished, h.score) for h in hypotheses]
        assert keys == sorted(keys, reverse=True)


def test_scores_are_the_models_own_log_probabilities_over_the_length_penalty() -> None:
    model = TableModel(vocab_size=10, seed=2)
    found = run(model, beam_options(0.8, beam_size=5, nbest=5))
    for source, hypotheses in zip(SOURCES, found, strict=True):
        for h in hypotheses:
            whole = (*h.tokens, EOS) if h.finished else tuple(h.tokens)
            assert h.token_log_probs == pytest.approx(model.token_log_probs(source, whole), abs=1e-5)
            assert h.log_prob == sum(h.token_log_probs)
            assert h.score == h.log_prob / ((5 + len(whole)) / 6) ** 0.8


def test_the_length_limit_holds_and_what_it_cuts_is_unfinished() -> None:
    endless = TableModel(vocab_size=7, logits=lambda source, prefix: [0.0, 0.0, 0.0, -50.0, 1.0, 2.0, 3.0])
    for limit, hypotheses in zip(LIMITS, run(endless, DecodingConfig(beam_size=3, nbest=3)), strict=True):
        unfinished = [h for h in hypotheses if not h.finished]
        assert hypotheses[0] in unfinished
        assert all(len(h.tokens) == limit and len(h.token_log_probs) == limit for h in unfinished)
        assert hypotheses[0].score == hypotheses[0].log_prob / length_penalty(limit, 1.0)


def test_a_finished_hypothesis_precedes_unfinished_ones_of_better_score() -> None:
    """EOS is improbable, yet in the beam because there are three tokens in all."""
    model = TableModel(vocab_size=5, logits=lambda source, prefix: [0.0, 3.0, 0.0, 0.0, 4.0])
    best, *others = run(model, DecodingConfig(beam_size=3, nbest=3), [(4, 3)], [2])[0]
    assert best.finished
    assert max(h.score for h in others) > best.score


def test_padding_and_bos_are_never_produced_however_probable() -> None:
    model = TableModel(vocab_size=6, logits=lambda source, prefix: [9.0, 0.0, 9.0, 0.0, 1.0, 0.5])
    for method in ("beam", "greedy", "sampling"):
        for hypotheses in run(model, DecodingConfig(method=method)):
            assert not {PAD, BOS, EOS} & set(hypotheses[0].tokens)
            assert hypotheses[0].token_log_probs[0] < -8.0  # they do take their share of the probability


def test_a_beam_wider_than_the_vocabulary_works() -> None:
    model = TableModel(vocab_size=5, seed=5)
    found = run(model, DecodingConfig(beam_size=64, nbest=40))
    for source, limit, hypotheses in zip(SOURCES, LIMITS, found, strict=True):
        assert_found(hypotheses, enumerated(model, source, limit, 1.0, 40))


def test_finished_sentences_leave_the_batch() -> None:
    def logits(source: Tokens, prefix: Tokens) -> list[float]:
        """Ends after as many tokens as the source has."""
        return [0.0, 0.0, 0.0, 30.0 if len(prefix) == len(source) - 1 else -30.0, 5.0, 0.0]

    model = TableModel(vocab_size=6, logits=logits)
    for method, rows in (("greedy", 1), ("beam", 2), ("sampling", 2)):
        model.rows_per_step.clear()
        options = DecodingConfig(method=method, beam_size=2, nbest=rows if method == "sampling" else 1)
        found = run(model, options, [(4, 3), (4, 4, 4, 3), (4, 4, 3)], [20, 20, 20])
        assert [len(hypotheses[0].tokens) for hypotheses in found] == [1, 3, 2]
        assert model.rows_per_step == [3 * rows, 3 * rows, 2 * rows, rows]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("token", [PAD, EOS, 5])
@pytest.mark.parametrize("method", ["beam", "greedy", "sampling"])
def test_logits_that_are_not_finite_are_refused(method: str, token: int, bad: float) -> None:
    def logits(source: Tokens, prefix: Tokens) -> list[float]:
        """One bad value, at the second position."""
        return [bad if at == token and len(prefix) == 1 else 0.1 * at for at in range(6)]

    model = TableModel(vocab_size=6, logits=logits)
    with pytest.raises(DecodingError, match="NaN or infinite logits at target position 2"):
        run(model, DecodingConfig(method=method), [(5, 4, 3)], [9])


def test_log_probabilities_are_float32_for_a_bfloat16_model() -> None:
    model = TableModel(vocab_size=9, seed=4, dtype=torch.bfloat16)
    for source, hypotheses in zip(SOURCES, run(model, DecodingConfig(beam_size=3)), strict=True):
        best = hypotheses[0]
        whole = (*best.tokens, EOS) if best.finished else tuple(best.tokens)
        assert best.token_log_probs == pytest.approx(model.token_log_probs(source, whole), abs=1e-6)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"method": "sampling", "temperature": 0.0}, "decoding.temperature is 0.0; it must be above 0"),
        ({"method": "sampling", "top_p": 0.0}, "decoding.top_p is 0.0"),
        ({"method": "sampling", "top_k": -1}, "decoding.top_k is -1"),
        ({"method": "greedy", "nbest": 2}, "decoding.nbest is 2; it must be 1 with method greedy"),
        ({"nbest": 6}, "decoding.nbest is 6; it must be at most beam_size, 5"),
        ({"nbest": 0}, "decoding.nbest is 0"),
        ({"beam_size": 0}, "decoding.beam_size is 0"),
        ({"method": "astar"}, "decoding.method is 'astar'; it must be one of beam, greedy, sampling"),
    ],
)
def test_impossible_options_are_refused_by_key_and_value(values: dict, message: str) -> None:
    with pytest.raises(DecodingError, match=message):
        run(TableModel(), DecodingConfig().model_copy(update=values))
