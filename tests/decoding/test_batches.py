"""translate_ids: order, batch sizes, length limits, empty sources, progress."""

import random

import pytest
import torch

from mt.config import DecodingConfig
from mt.data.special_ids import EOS
from mt.decoding.batches import length_batches, length_limit, translate_ids
from mt.decoding.search import search
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


def test_batches_hold_every_sentence_once_within_the_budget_longest_first() -> None:
    lengths = [random.Random(0).randint(1, 50) for _ in range(200)]
    batches = list(length_batches(range(200), lengths, 120))
    assert sorted(number for batch in batches for number in batch) == list(range(200))
    assert all(len(batch) * max(lengths[number] for number in batch) <= 120 for batch in batches)
    assert [lengths[number] for batch in batches for number in batch] == sorted(lengths, reverse=True)
    assert list(length_batches([0, 1], [500, 3], 120)) == [[0], [1]]


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
