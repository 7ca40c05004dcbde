"""translate_ids: order, batch sizes, length limits, empty sources, progress."""

import random

import pytest
import torch

from mt.config import DecodingConfig
from mt.data.special_ids import EOS
from mt.decoding.batches import translate_ids
from mt.decoding.hypothesis import length_limit
from mt.decoding.method import Sentence
from mt.decoding.search import Waiting, search
from tests.decoding.table_model import TableModel, source_tensor


def random_sources(count: int, seed: int) -> list[list[int]]:
    draw = random.Random(seed)
    return [[*draw.choices(range(4, 9), k=draw.randint(1, 7)), EOS] for _ in range(count)]


@pytest.mark.parametrize("method", ["beam", "greedy", "sampling"])
def test_results_stand_in_the_order_asked_and_equal_those_of_each_sentence_alone(method: str) -> None:
    model = TableModel(vocab_size=9, seed=2)
    sources = random_sources(40, seed=1)
    options = DecodingConfig(method=method, beam_size=3, max_tokens=60)
    together = translate_ids(model, sources, options)
    for source, hypotheses in zip(sources, together, strict=True):
        limit = torch.tensor([length_limit(len(source) - 1, options)])
        assert search(model, source_tensor([tuple(source)]), options, limit) == [hypotheses]
    assert translate_ids(model, sources, options.model_copy(update={"max_tokens": 1})) == together
    assert translate_ids(model, sources[::-1], options) == together[::-1]


def test_waiting_sentences_are_taken_once_in_order_as_many_as_fit() -> None:
    sentences = [Sentence(number, [4] * length, 9) for number, length in enumerate([500, 60, 60, 30, 30, 30, 30, 5])]
    waiting = Waiting(sentences, max_tokens=120)
    taken = []
    while waiting:
        taken.append([sentence.number for sentence in waiting.take(lambda fitting: fitting)])
    assert taken == [[0], [1, 2], [3, 4, 5, 6], [7]]
    assert waiting.take(lambda fitting: fitting) == []


def test_a_place_that_is_left_is_taken_and_shorter_sentences_come_in_greater_number() -> None:
    model = TableModel(vocab_size=9, seed=2)
    sources = [[4] * 11 + [EOS]] * 6 + [[4, 5, EOS]] * 60
    translate_ids(model, sources, DecodingConfig(beam_size=2, max_tokens=96))
    assert model.rows_per_step[0] == 2 * 4
    assert max(model.rows_per_step) == 2 * 16
    fullest = model.rows_per_step.index(32)
    emptying = [rows for rows in model.rows_per_step[fullest:] if rows < 32]
    assert model.rows_per_step[fullest:] == [32] * (len(model.rows_per_step) - fullest - len(emptying)) + emptying


def test_the_batch_budget_counts_source_tokens_times_rows() -> None:
    model = TableModel(vocab_size=9)
    translate_ids(model, [[4, 5, 6, EOS]] * 10, DecodingConfig(beam_size=5, max_tokens=60))
    assert max(model.rows_per_step) == 15


def test_a_source_without_tokens_has_an_empty_translation_and_the_model_is_not_asked() -> None:
    model = TableModel(vocab_size=9)
    options = DecodingConfig()
    [[first], [second]] = translate_ids(model, [[], [EOS]], options)
    assert first == second
    assert (first.tokens, first.score, first.finished) == ([], 0.0, True)
    assert model.rows_per_step == []
    source = [4, 5, EOS]
    assert translate_ids(model, [[EOS], source, []], options)[1] == translate_ids(model, [source], options)[0]
    assert translate_ids(model, [], options) == []


def test_the_length_limit_is_ratio_times_source_tokens_plus_extra() -> None:
    assert length_limit(7, DecodingConfig(max_length_ratio=1.5, max_length_extra=4)) == 14
    endless = TableModel(vocab_size=6, logits=lambda source, prefix: [0.0, 0.0, 0.0, -60.0, 1.0, 0.0])
    options = DecodingConfig(beam_size=2, max_length_ratio=1.5, max_length_extra=4)
    found = translate_ids(endless, [[4] * 7 + [EOS], [4, EOS]], options)
    assert [len(hypotheses[0].tokens) for hypotheses in found] == [14, 5]


def test_progress_counts_every_sentence_once() -> None:
    counts: list[int] = []
    translate_ids(TableModel(vocab_size=9), [*random_sources(30, 3), []], DecodingConfig(max_tokens=50), counts.append)
    assert sum(counts) == 31
    assert len(counts) > 3


def test_a_model_in_training_mode_is_not_searched() -> None:
    model = TableModel().train()
    with pytest.raises(AssertionError, match="model.eval"):
        translate_ids(model, [[4, EOS]], DecodingConfig())
