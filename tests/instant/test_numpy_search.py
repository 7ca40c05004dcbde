"""The search in numpy finds what torch's finds, or says that it cannot be sure."""

import random
from contextlib import suppress

import numpy
import pytest
import torch

from mt.config import DecodingConfig, ModelConfig
from mt.data.special_ids import BOS, EOS, PAD
from mt.decoding.batches import translate_ids
from mt.decoding.hypothesis import length_limit
from mt.instant import search as numpy_search
from mt.instant.layers import BLOCK
from mt.instant.search import MARGIN, UncertainError, best_extensions, search
from mt.instant.transformer import Transformer
from mt.model.build import build_model
from mt.model.interface import TranslationModel
from mt.stored_model import parameters_of
from tests.drawn_models import VOCABULARIES, draw_model, draw_options, draw_sources, taught_model

VOCABULARY = 300


def both(seed: int, sharper: float = 6.0, ends: float = 0.0) -> tuple[TranslationModel, Transformer]:
    """A model with random weights, in torch and in numpy. ends: how much more probable it is that a translation ends."""
    config = ModelConfig(d_model=32, num_heads=4, d_ff=64, encoder_layers=1, decoder_layers=2, tie_embeddings="none")
    torch.manual_seed(seed)
    model = build_model(config, VOCABULARY, VOCABULARY).eval()
    with torch.no_grad():
        model.output_weight_VD.mul_(sharper)
        model.decoder[-1].feed_forward_residual.norm.bias.copy_(model.output_weight_VD[EOS] * ends)
    return model, Transformer(config, VOCABULARY, VOCABULARY, {name: tensor.numpy() for name, tensor in parameters_of(model).items()})


def sources(count: int) -> list[list[int]]:
    """Of 1 to 12 tokens."""
    draw = random.Random(1)
    return [[*draw.choices(range(4, VOCABULARY), k=draw.randint(1, 12)), EOS] for _ in range(count)]


@pytest.mark.parametrize(
    "options",
    [
        DecodingConfig(), DecodingConfig(method="greedy"), DecodingConfig(beam_size=1), DecodingConfig(beam_size=12, length_penalty=0.0),
        DecodingConfig(beam_size=3, length_penalty=2.0, max_length_ratio=3.0),
    ],
    ids=["default", "greedy", "one", "twelve", "long"],
)  # fmt: skip
def test_what_is_found_is_what_torch_finds(options: DecodingConfig) -> None:
    certain = 0
    for seed, ends in ((1, 0.2), (1, 0.25), (1, 0.3)):
        model, net = both(seed, ends=ends)
        given = sources(30)
        for source, [expected, *_] in zip(given, translate_ids(model, given, options), strict=True):
            try:
                found = search(net, source, options, length_limit(len(source) - 1, options))
            except UncertainError:
                continue
            certain += 1
            assert found.tokens == expected.tokens
            assert found.finished and expected.finished
            assert found.token_log_probs == pytest.approx(expected.token_log_probs, abs=1e-4)
            assert found.score == pytest.approx(expected.score, abs=1e-4)
    assert certain >= 40, "most of what ends before the limit is certain"


def test_nothing_is_certain_where_all_is_within_the_margin(monkeypatch: pytest.MonkeyPatch) -> None:
    _, net = both(1, ends=0.25)
    monkeypatch.setattr(numpy_search, "MARGIN", 1e9)
    with pytest.raises(UncertainError):
        search(net, sources(1)[0], DecodingConfig(), 20)


def test_a_translation_that_is_cut_off_is_left_to_torch() -> None:
    _, net = both(1, ends=-0.5)
    with pytest.raises(UncertainError):
        search(net, sources(1)[0], DecodingConfig(), 3)


def logits(rows: list[list[float]]) -> numpy.ndarray:
    """logits_IRG of a vocabulary of two blocks, -9 but where the numbers (of tokens 60, 61, …) are given."""
    found_RV = numpy.full((len(rows), 2 * BLOCK), -9.0, numpy.float32)
    for row, values in zip(found_RV, rows, strict=True):
        row[60 : 60 + len(values)] = values
    return numpy.ascontiguousarray(found_RV.reshape(len(rows), 2, BLOCK).transpose(1, 0, 2))


def test_the_best_extensions_are_those_of_all_rows_together() -> None:
    total_R = numpy.array([-1.0, -1.5], numpy.float32)
    given = logits([[5.0, 0.0, 0.0, 0.0, 4.0, 1.0], [0.0, 4.8, 0.0, 0.0, 0.0, 4.7]])
    expected_RV = torch.log_softmax(torch.tensor(given.transpose(1, 0, 2).reshape(2, -1)), dim=-1) + torch.tensor(total_R)[:, None]
    best_W, place_W = expected_RV.flatten().topk(3)
    found = best_extensions(given.copy(), total_R, 3)
    assert found.total == pytest.approx(best_W.tolist(), abs=1e-5)
    assert [row * 2 * BLOCK + token for row, token in zip(found.row, found.token, strict=True)] == place_W.tolist()
    assert [own + float(total_R[row]) for own, row in zip(found.own, found.row, strict=True)] == pytest.approx(found.total, abs=1e-5)


def test_padding_and_the_beginning_are_never_written() -> None:
    given = logits([[1.0]])
    given[0, 0, [PAD, BOS]] = 20.0
    given[0, 0, 5] = 2.0
    found = best_extensions(given, numpy.zeros(1, numpy.float32), 2)
    assert found.token == [5, 60]
    assert found.total[0] == pytest.approx(2.0 - 20.0 - numpy.log(2), abs=1e-4), "their probability is not dealt out to the others"


def test_the_next_best_must_be_further_than_the_margin() -> None:
    best_extensions(logits([[5.0, 4.0, 4.0 - 2 * MARGIN]]), numpy.zeros(1, numpy.float32), 2)
    with pytest.raises(UncertainError):
        best_extensions(logits([[5.0, 4.0, 4.0 - MARGIN / 2]]), numpy.zeros(1, numpy.float32), 2)


def test_totals_of_long_hypotheses_must_be_further_apart() -> None:
    """Each addition rounds, and so does torch's."""
    given = logits([[5.0, 4.0, 4.0 - 2 * MARGIN]])
    best_extensions(given.copy(), numpy.array([-20.0], numpy.float32), 2, 20)
    with pytest.raises(UncertainError):
        best_extensions(given.copy(), numpy.array([-600.0], numpy.float32), 2, 200)


@pytest.mark.parametrize("low", [-86.0, -95.0, -102.0, -300.0])
def test_rows_whose_exponentials_have_lost_digits_are_left_to_torch(low: float) -> None:
    given = logits([[5.0, 4.0, 2.0]]) + numpy.float32(low)
    with numpy.errstate(all="ignore"), pytest.raises(UncertainError):
        best_extensions(given, numpy.zeros(1, numpy.float32), 2)


@pytest.mark.parametrize("width", [62, 63, 64, 100, 125])
def test_a_beam_may_be_wider_than_a_block(width: int) -> None:
    given = torch.randn(1, 2 * BLOCK, generator=torch.Generator().manual_seed(1)) * 30
    given[0, [PAD, BOS]] = -torch.inf
    expected_W, token_W = torch.log_softmax(given[0], dim=-1).topk(width)
    found = best_extensions(given.view(1, 2, BLOCK).transpose(0, 1).contiguous().numpy(), numpy.zeros(1, numpy.float32), width)
    assert found.token == token_W.tolist()
    assert found.total == pytest.approx(expected_W.tolist(), abs=1e-4)


@pytest.mark.parametrize("width", [127, 128, 200])
def test_a_beam_wider_than_there_are_extensions_is_left_to_torch(width: int) -> None:
    given = torch.randn(2, 1, BLOCK, generator=torch.Generator().manual_seed(1)).numpy()
    with numpy.errstate(all="ignore"), pytest.raises(UncertainError):
        best_extensions(given, numpy.zeros(1, numpy.float32), width)


@pytest.mark.parametrize("number", range(12))
def test_of_a_drawn_model_what_is_certain_is_what_torch_finds(number: int) -> None:
    """Vocabularies are drawn too; a third of them are multiples of 64, whose last 64 pieces once were never produced."""
    draw = random.Random(number)
    config = draw_model(draw)
    target = draw.choice((64, 128, 192, 640)) if number % 3 == 0 else draw.choice(VOCABULARIES)
    source = target if config.tie_embeddings == "all" else draw.choice(VOCABULARIES)
    model, known = taught_model(config, (source, target), draw)
    net = Transformer(config, source, target, {name: tensor.numpy() for name, tensor in parameters_of(model).items()})
    given = draw_sources(draw, known, 20)
    for options in (DecodingConfig(), draw_options(draw), draw_options(draw, beam_size=64)):
        for tokens, [expected, *_] in zip(given, translate_ids(model, given, options), strict=True):
            with suppress(UncertainError):
                found = search(net, tokens, options, length_limit(len(tokens) - 1, options))
                assert (found.tokens, found.finished) == (expected.tokens, expected.finished)
                assert found.log_prob == pytest.approx(expected.log_prob, abs=MARGIN / 4)


@pytest.mark.parametrize("broken", [numpy.nan, numpy.inf])
def test_a_broken_model_is_left_to_torch(broken: float) -> None:
    with numpy.errstate(all="ignore"), pytest.raises(UncertainError):
        best_extensions(logits([[5.0, broken, 4.0]]), numpy.zeros(1, numpy.float32), 2)
