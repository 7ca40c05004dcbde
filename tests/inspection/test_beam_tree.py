"""The traced search is the shipped one, and what it says became of every hypothesis is true."""

import itertools

import pytest
import torch

from mt.config import DecodingConfig
from mt.data.special_ids import BOS, EOS, PAD
from mt.decoding.hypothesis import length_penalty
from mt.decoding.search import search
from mt.errors import DecodingError
from mt.inspection.beam_tree import ROOT, BeamTree, Fate, trace_beam
from tests.decoding.table_model import TableModel, Tokens, source_tensor

SOURCE: Tokens = (4, 5, 4, 3)


def options(beam_size: int, nbest: int = 1, alpha: float = 1.0) -> DecodingConfig:
    """Alpha unchecked, so that negative ones can be tried."""
    return DecodingConfig(beam_size=beam_size, nbest=nbest).model_copy(update={"length_penalty": alpha})


def trace(model: TableModel, chosen: DecodingConfig, limit: int = 9) -> BeamTree:
    return trace_beam(model, SOURCE, chosen, limit)


def tokens_of(tree: BeamTree, entry: int) -> Tokens:
    return tuple(node.token for node in tree.path(entry))


def whole(tokens: list[int], finished: bool) -> Tokens:
    """With EOS if it is there."""
    return (*tokens, EOS) if finished else tuple(tokens)


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0, 2.5, -0.7])
@pytest.mark.parametrize(("beam_size", "nbest"), [(1, 1), (2, 1), (3, 3), (5, 1), (5, 2), (8, 8), (40, 5)])
@pytest.mark.parametrize("vocab_size", [6, 9, 30])
def test_the_traced_search_finds_exactly_what_beam_search_finds(vocab_size: int, beam_size: int, nbest: int, alpha: float) -> None:
    """Tokens and scores to the last bit, and as many steps of the model."""
    for seed in range(6):
        for limit in (1, 4, 12):
            traced, searched = TableModel(vocab_size, seed), TableModel(vocab_size, seed)
            chosen = options(beam_size, nbest, alpha)
            tree = trace(traced, chosen, limit)
            [expected] = search(searched, source_tensor([SOURCE]), chosen, torch.tensor([limit]))
            assert list(tree.hypotheses) == expected
            assert traced.rows_per_step == searched.rows_per_step and len(tree.steps) == len(searched.rows_per_step)
            for rank, hypothesis in enumerate(tree.hypotheses, 1):
                [node] = [node for node in tree.nodes.values() if node.rank == rank]
                assert tokens_of(tree, node.entry) == whole(hypothesis.tokens, hypothesis.finished)
                assert node.score == pytest.approx(hypothesis.score, abs=1e-5)


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.7])
def test_each_step_takes_the_best_of_all_extensions_and_the_first_not_taken_come_next(alpha: float) -> None:
    for seed in range(8):
        model = TableModel(9, seed)
        tree = trace(model, options(4, 1, alpha))
        live: list[Tokens] = [()]
        for number, step in enumerate(tree.steps, 1):
            extensions = sorted(
                (-sum(model.token_log_probs(SOURCE, (*prefix, token))), (*prefix, token))
                for prefix in live for token in range(9) if token not in (PAD, BOS)
            )  # fmt: skip
            held = [node for node in tree.nodes.values() if node.step == number]
            assert [tokens_of(tree, node.entry) for node in held] == [tokens for _, tokens in extensions[:4]]
            assert [node.total for node in held] == pytest.approx([-total for total, _ in extensions[:4]], abs=1e-5)
            below = [(*tokens_of(tree, each.parent), each.token) for each in step.not_taken]
            assert below == [tokens for _, tokens in extensions[4:6]]
            assert step.worst == held[-1].total and step.taken == len(held) == 4
            live = [tokens_of(tree, node.entry) for node in held if node.token != EOS]


@pytest.mark.parametrize("nbest", [1, 3])
def test_every_fate_is_what_the_numbers_say(nbest: int) -> None:
    met = set()
    for seed, limit in itertools.product(range(20), (3, 12)):
        tree = trace(TableModel(9, seed), options(3, nbest), limit)
        children, last = tree.children(), len(tree.steps)
        scores = sorted((node.score for node in tree.nodes.values() if node.fate is Fate.FINISHED), reverse=True)
        for node in tree.nodes.values():
            met.add(node.fate)
            assert bool(children.get(node.entry)) == (node.fate is Fate.WENT_ON)
            assert (node.token == EOS) == (node.fate is Fate.FINISHED)
            assert (node.rank is not None) == (node.fate in (Fate.FINISHED, Fate.CUT))
            if node.fate is Fate.PRUNED:
                assert node.step < last
                assert node.at_best <= node.bound == min(each.total for each in tree.nodes.values() if each.step == node.step + 1)
                extension = dict(tree.steps[node.step].continuations[node.entry])[node.at_best_token]
                assert node.at_best == node.total + extension <= node.total
            if node.fate is Fate.OUTDONE:
                assert node.step == last < limit and node.bound == scores[nbest - 1]
                assert node.at_best == pytest.approx(node.total / length_penalty(limit, 1.0)) and node.at_best <= node.bound + 1e-6
            if node.fate is Fate.CUT:
                assert node.step == last == limit
        ranks = sorted(node.rank for node in tree.nodes.values() if node.rank is not None)
        assert ranks == list(range(1, len(ranks) + 1))
    assert met == set(Fate), "the random tables bring about every fate"


def test_a_negative_penalty_reaches_its_best_score_at_the_next_step() -> None:
    found = []
    for seed in range(30):
        tree = trace(TableModel(9, seed), options(3, alpha=-0.7), 12)
        found += [(node, len(tree.steps)) for node in tree.nodes.values() if node.fate is Fate.OUTDONE]
    assert found
    for node, steps in found:
        assert node.at_best == pytest.approx(node.total / length_penalty(steps + 1, -0.7)) and node.at_best <= node.bound + 1e-6


def test_alternatives_are_the_most_probable_tokens_after_the_prefix() -> None:
    model = TableModel(9, seed=2)
    tree = trace(model, options(3))
    for number, step in enumerate(tree.steps):
        live = {node.entry for node in tree.nodes.values() if node.step == number and node.token != EOS} or {ROOT}
        assert set(step.continuations) == live
        for entry, found in step.continuations.items():
            prefix = tokens_of(tree, entry)
            allowed = [token for token in range(9) if token not in (PAD, BOS)]
            expected = sorted((-model.token_log_probs(SOURCE, (*prefix, token))[-1], token) for token in allowed)[:5]
            assert [token for token, _ in found] == [token for _, token in expected]
            assert [log_prob for _, log_prob in found] == pytest.approx([-log_prob for log_prob, _ in expected], abs=1e-5)


def test_follow_goes_as_far_as_the_search_held_the_tokens() -> None:
    tree = trace(TableModel(9, seed=1), options(3))
    tokens = tokens_of(tree, tree.best.entry)
    assert tree.follow(tokens) == tree.path(tree.best.entry)
    assert tree.follow((*tokens[:-1], BOS)) == tree.path(tree.best.entry)[:-1]
    assert tree.follow((BOS,)) == []


def test_impossible_options_are_refused() -> None:
    with pytest.raises(DecodingError, match="decoding.nbest"):
        trace(TableModel(9), options(2).model_copy(update={"nbest": 3}))
