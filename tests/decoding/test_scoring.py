"""Forced decoding gives what the search reports."""

import pytest
import torch

from mt.config import DecodingConfig, ModelConfig
from mt.data.special_ids import EOS
from mt.decoding.batches import translate_ids
from mt.decoding.scoring import score_ids
from mt.model.build import build_model

SOURCES = [[5, 9, 12, 7, EOS], [8, EOS], [EOS], [14, 15, 4, 4, 9, 11, 20, EOS], [6, 10, EOS]]


@pytest.mark.parametrize("architecture", ["transformer", "rnn", "rnn-attention"])
@pytest.mark.parametrize("max_tokens", [1, 20, 2048])
def test_a_found_translation_is_scored_as_the_search_scored_it_in_the_order_given(architecture: str, max_tokens: int) -> None:
    torch.manual_seed(3)
    shape = {"num_heads": 2, "d_ff": 32} if architecture == "transformer" else {}
    model = build_model(ModelConfig(architecture=architecture, d_model=16, encoder_layers=1, decoder_layers=2, **shape), 25, 25).eval()
    for options in (DecodingConfig(beam_size=3, length_penalty=0.7), DecodingConfig(beam_size=2, max_length_ratio=0.0, max_length_extra=3)):
        found = [best for best, *_ in translate_ids(model, [source for source in SOURCES if source != [EOS]], options)]
        targets = [[*best.tokens, *([EOS] if best.finished else [])] for best in found]
        counts: list[int] = []
        sources = [source for source in SOURCES if source != [EOS]]
        scored = score_ids(model, sources, targets, options.length_penalty, max_tokens, counts.append)
        assert [(one.tokens, one.finished) for one in scored] == [(one.tokens, one.finished) for one in found]
        assert [one.score for one in scored] == pytest.approx([one.score for one in found], abs=1e-4)
        assert sum(counts) == len(found)


def test_a_translation_of_nothing_and_an_empty_one_have_a_score() -> None:
    model = build_model(ModelConfig(d_model=16, num_heads=2, d_ff=32, encoder_layers=1, decoder_layers=1), 25, 25).eval()
    [first, second] = score_ids(model, [[EOS], [7, EOS]], [[5, EOS], [EOS]], 1.0)
    assert (first.tokens, second.tokens) == ([5], []) and first.finished and second.finished
    assert first.log_prob < 0 and second.log_prob < 0
    assert score_ids(model, [], [], 1.0) == []
