"""The plan of an epoch: pure, complete, within its budget, with little padding; and the tensors made from it."""

import numpy
import pytest
import torch

from mt.data.batching import epoch_pairs, make_batch, pad, plan_batches
from mt.data.pairs import EncodedPairs
from mt.data.special_ids import EOS, PAD


def realistic_lengths(count: int) -> numpy.ndarray:
    """Log-normal source lengths of about 25 tokens, with correlated target lengths; 2 to 256."""
    generator = numpy.random.default_rng(3)
    source = generator.normal(3.1, 0.6, count)
    target = source + generator.normal(0.1, 0.25, count)
    return numpy.clip(numpy.exp(numpy.stack([source, target], axis=1)).astype(numpy.int64), 2, 256)


LENGTHS_N2 = realistic_lengths(20_000)


def as_lists(batches: list[numpy.ndarray]) -> list[list[int]]:
    return [batch.tolist() for batch in batches]


def larger_side(lengths_N2: numpy.ndarray, batch: numpy.ndarray) -> int:
    """Positions of the padded batch, on its larger side."""
    return int(lengths_N2[batch].max()) * len(batch)


def test_the_plan_is_a_function_of_its_arguments() -> None:
    before = LENGTHS_N2[:2000].copy()
    plan = as_lists(plan_batches(LENGTHS_N2[:2000], 1000, seed=5, epoch=2))
    numpy.random.seed(0)  # global state does not matter
    torch.manual_seed(0)
    assert as_lists(plan_batches(LENGTHS_N2[:2000], 1000, seed=5, epoch=2)) == plan
    assert (LENGTHS_N2[:2000] == before).all()


def test_another_epoch_or_seed_gives_another_plan_of_the_same_pairs() -> None:
    plan = as_lists(plan_batches(LENGTHS_N2[:2000], 1000, seed=5, epoch=2))
    for seed, epoch in ((5, 3), (6, 2), (2, 5)):
        other = as_lists(plan_batches(LENGTHS_N2[:2000], 1000, seed, epoch))
        assert {frozenset(batch) for batch in other} != {frozenset(batch) for batch in plan}
        assert sorted(sum(other, [])) == sorted(sum(plan, []))


def test_batches_come_in_no_order_of_length() -> None:
    longest = [LENGTHS_N2[batch].max() for batch in plan_batches(LENGTHS_N2, 2048, seed=1, epoch=1)]
    assert abs(numpy.corrcoef(longest, numpy.arange(len(longest)))[0, 1]) < 0.2


@pytest.mark.parametrize(("max_tokens", "most_padding"), [(256, 0.05), (1000, 0.08), (2048, 0.1), (4096, 0.1), (10**9, 1.0)])
def test_each_pair_stands_once_and_no_batch_is_over_budget_or_padded_much(max_tokens: int, most_padding: float) -> None:
    """Of 20 000 pairs a batch of 4096 tokens is every 130th: so many alike are not always there."""
    batches = plan_batches(LENGTHS_N2, max_tokens, seed=1, epoch=1)
    assert sorted(numpy.concatenate(batches).tolist()) == list(range(len(LENGTHS_N2)))
    assert all(larger_side(LENGTHS_N2, batch) <= max_tokens for batch in batches)
    positions = sum(int(LENGTHS_N2[batch].max(axis=0).sum()) * len(batch) for batch in batches)
    assert 1 - LENGTHS_N2.sum() / positions < most_padding


def test_weight_two_is_twice_weight_a_half_every_second_epoch_and_zero_never() -> None:
    weights = numpy.array([1.0, 2.0, 0.5, 0.0, 1.5])
    counts = numpy.zeros(5)
    num_epochs = 400
    for epoch in range(num_epochs):
        [batch] = plan_batches(numpy.full((5, 2), 3), 10**6, seed=1, epoch=epoch, weights=weights)
        count = numpy.bincount(batch, minlength=5)
        assert count[0] == 1 and count[1] == 2 and count[2] in (0, 1) and count[3] == 0 and count[4] in (1, 2)
        counts += count
    assert counts[2] / num_epochs == pytest.approx(0.5, abs=0.1)
    assert counts[4] / num_epochs == pytest.approx(1.5, abs=0.1)
    assert set(epoch_pairs(weights, 1, 7).tolist()) <= {0, 1, 2, 4}


def test_a_pair_longer_than_the_budget_is_a_batch_of_its_own() -> None:
    lengths_N2 = numpy.array([[3, 3], [50, 4], [4, 60], [3, 4], [4, 3]])
    batches = as_lists(plan_batches(lengths_N2, 20, seed=1, epoch=1))
    assert [1] in batches and [2] in batches
    assert sorted(sum(batches, [])) == [0, 1, 2, 3, 4]


def test_a_batch_may_fill_its_budget_to_the_last_token() -> None:
    assert len(plan_batches(numpy.full((12, 2), 5), 20, seed=1, epoch=1)) == 3


def test_no_pairs_no_batches() -> None:
    assert plan_batches(numpy.empty((0, 2), dtype=numpy.int64), 100, seed=1, epoch=1) == []
    assert plan_batches(numpy.full((3, 2), 5), 100, seed=1, epoch=1, weights=numpy.zeros(3)) == []
    assert EncodedPairs([], [], numpy.ones(0)).lengths_N2().shape == (0, 2)


def test_a_batchs_tensors_hold_the_tokens_padded_on_the_right_and_count_them() -> None:
    sources = [numpy.array(ids, dtype=numpy.int32) for ids in ([5, 6, 7, EOS], [8, EOS], [9, 9, EOS])]
    targets = [numpy.array(ids, dtype=numpy.int32) for ids in ([4, EOS], [5, 6, 7, 8, EOS], [EOS])]
    pairs = EncodedPairs(sources, targets, numpy.ones(3))
    assert pairs.lengths_N2().tolist() == [[4, 2], [2, 5], [3, 1]]
    batch = make_batch(pairs, numpy.array([2, 0]))
    assert batch.source_BS.tolist() == [[9, 9, EOS, PAD], [5, 6, 7, EOS]]
    assert batch.target_BT.tolist() == [[EOS, PAD], [4, EOS]]
    assert batch.source_BS.dtype == batch.target_BT.dtype == torch.int64
    assert batch.num_target_tokens == 3
    assert batch.padding == pytest.approx(2 / 12)
    assert pad([[1, 2], [3]]).tolist() == [[1, 2], [3, PAD]]
