"""Translating in bf16 and int8: nearly the same, the same whatever is beside it, and fp32 again afterwards."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest
import torch
from torch import nn

from mt.config import DecodingConfig, ModelConfig
from mt.data.special_ids import EOS
from mt.decoding import batches
from mt.decoding.batches import translate_ids
from mt.decoding.precision import calculating
from mt.decoding.scoring import score_ids
from mt.errors import DecodingError
from mt.export.check import check
from mt.model import transformer
from mt.model.build import build_model
from mt.model.ensemble import Ensemble
from mt.model.interface import TranslationModel, int8_products
from mt.model.linear import Int8Linear, Linear, has_int8
from mt.stored_model import load_parameters, parameters_of
from mt.training.trainer import train
from mt.training.weights import borrowed_weights
from mt.translator import Translator
from tests.command_line import run_mt
from tests.tiny import tiny_config

needs_int8 = pytest.mark.skipif(not has_int8(torch.device("cpu")), reason="this CPU has neither VNNI nor AMX")
SOURCES = [[4 + (7 * number + place) % 50 for place in range(1 + number % 9)] + [EOS] for number in range(40)]


def random_model(seed: int = 3, **shape: object) -> TranslationModel:
    torch.manual_seed(seed)
    sizes = {"d_model": 64, "num_heads": 4, "d_ff": 96, "encoder_layers": 2, "decoder_layers": 2}
    return build_model(ModelConfig(**(sizes | shape)), 60, 60).eval()


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@needs_int8
@pytest.mark.parametrize("bias", [True, False])
def test_a_map_of_8_bits_is_near_and_a_row_knows_nothing_of_its_neighbours(bias: bool) -> None:
    torch.manual_seed(1)
    layer = nn.Linear(96, 200, bias=bias)
    whole = Int8Linear(layer.weight.detach(), layer.bias.detach() if bias else None)
    x_BTI = torch.randn(3, 17, 96) * torch.logspace(-4, 4, 51).view(3, 17, 1)
    x_BTI[1, 5] = 0.0
    with torch.inference_mode():
        exact, near = layer(x_BTI), whole(x_BTI)
        assert near.shape == exact.shape
        assert ((near - exact).norm(dim=-1) <= 0.02 * exact.norm(dim=-1) + 1e-6).all()
        for row in range(17):
            assert torch.equal(whole(x_BTI[:, row : row + 1]), near[:, row : row + 1])


@needs_int8
@pytest.mark.parametrize("rows", [1, 5, 64])
def test_no_map_of_8_bits_falls_back_to_onednns_reference_which_takes_a_thousand_times_as_long(rows: int) -> None:
    code = (
        "import torch; from mt.model.linear import Int8Linear\n"
        f"with torch.inference_mode(): Int8Linear(torch.randn(128, 64), None)(torch.randn({rows}, 64))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ | {"ONEDNN_VERBOSE": "1"}
    )
    [product] = [line for line in found.stdout.splitlines() if ",exec,cpu,matmul," in line or ",exec,cpu,inner_product," in line]
    assert "ref" not in product.split(",exec,cpu,")[1].split(",")[1], product


@needs_int8
def test_a_map_whose_weights_change_is_made_anew() -> None:
    layer = Linear(8, 8)
    layer.takes_int8 = True
    x = torch.randn(2, 8)
    with torch.no_grad(), calculating(random_model(), "int8"):
        first = layer(x)
        layer.weight.mul_(-1.0)
        layer.bias.mul_(-1.0)
        assert torch.allclose(layer(x), -first, atol=1e-6)
    assert layer(x).requires_grad, "training is not touched"


@pytest.mark.parametrize("name", ["bf16", pytest.param("int8", marks=needs_int8)])
@pytest.mark.parametrize("shape", [{}, {"norm_position": "post", "activation": "swiglu", "positions": "rotary"}])
def test_scores_are_near_those_of_fp32_which_come_back_to_the_last_bit(name: str, shape: dict) -> None:
    model = random_model(**shape)
    exact = translate_ids(model, SOURCES, DecodingConfig(beam_size=3))
    near = translate_ids(model, SOURCES, DecodingConfig(beam_size=3, precision=name))
    pairs = [(one[0], other[0]) for one, other in zip(exact, near, strict=True) if one[0].tokens == other[0].tokens]
    assert len(pairs) >= 10, "near-ties are many in a model that has learnt nothing"
    assert all(abs(one.log_prob - other.log_prob) < 0.05 * len(one.token_log_probs) for one, other in pairs)
    assert any(one.log_prob != other.log_prob for one, other in pairs), "it was calculated in another way"
    assert translate_ids(model, SOURCES, DecodingConfig(beam_size=3)) == exact


@needs_int8
@pytest.mark.usefixtures("two_threads")
def test_in_8_bits_too_nothing_depends_on_what_is_translated_beside() -> None:
    """Whole numbers add up exactly, and every row has its own scale."""
    model, options = random_model(), DecodingConfig(beam_size=3, precision="int8")
    together = translate_ids(model, SOURCES * 3, options)  # in two processes, where there are forks
    torch.set_num_threads(1)
    assert translate_ids(model, SOURCES[::-1], options)[::-1] == together[:40]
    for source, found in zip(SOURCES[:8], together, strict=False):
        assert translate_ids(model, [source], options) == [found]


@needs_int8
def test_an_ensemble_translates_in_8_bits() -> None:
    model = random_model()
    alone = translate_ids(model, SOURCES[:5], DecodingConfig(method="greedy", precision="int8"))
    both = translate_ids(Ensemble([model, model]).eval(), SOURCES[:5], DecodingConfig(method="greedy", precision="int8"))
    assert [found[0].tokens for found in alone] == [found[0].tokens for found in both]


def test_where_there_is_no_int8_it_is_said_and_nothing_is_left_on(monkeypatch: pytest.MonkeyPatch) -> None:
    options = DecodingConfig(precision="int8")
    with pytest.raises(DecodingError, match=r"decoding\.precision=int8 needs"):
        translate_ids(build_model(ModelConfig(architecture="rnn", d_model=16), 60, 60).eval(), SOURCES[:2], options)
    monkeypatch.setattr(transformer, "has_int8", lambda device: False)
    model = random_model()
    exact = translate_ids(model, SOURCES[:2], DecodingConfig())
    with pytest.raises(DecodingError, match="VNNI or AMX"):
        translate_ids(model, SOURCES[:2], options)
    assert translate_ids(model, SOURCES[:2], DecodingConfig()) == exact


def test_a_configuration_that_could_not_translate_is_refused_before_it_trains() -> None:
    outcome = run_mt("train", "--config", "rnn", "--set", "data=copy", "--set", "decoding.precision=int8")
    assert outcome.exit_code == 2 and "int8 is for the transformer" in outcome.stderr


@needs_int8
def test_a_failure_inside_leaves_the_model_in_fp32() -> None:
    model = random_model()
    with pytest.raises(RuntimeError, match="inside"), calculating(model, "int8"):
        raise RuntimeError("inside")
    assert not int8_products.get()


@needs_int8
def test_an_fp32_search_inside_leaves_the_outer_one_in_8_bits() -> None:
    model = random_model()
    with calculating(model, "int8"):
        with calculating(model, "fp32"):
            assert not int8_products.get()
        assert int8_products.get()


@needs_int8
@pytest.mark.usefixtures("two_threads")
def test_the_threads_of_a_search_calculate_in_its_precision() -> None:
    """Outside the main thread there are no forks."""
    model, options = random_model(), DecodingConfig(beam_size=3, precision="int8")
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(translate_ids, model, SOURCES, options).result() == translate_ids(model, SOURCES, options)


@needs_int8
def test_searches_in_two_threads_share_a_model_and_not_its_precision() -> None:
    model = random_model()
    options = {name: DecodingConfig(beam_size=3, precision=name) for name in ("int8", "fp32", "bf16")}
    alone = {name: translate_ids(model, SOURCES, one) for name, one in options.items()}
    with ThreadPoolExecutor(3) as pool:
        jobs = [(name, pool.submit(translate_ids, model, SOURCES, options[name])) for _ in range(4) for name in options]
        for name, job in jobs:
            assert job.result() == alone[name], name


@needs_int8
@pytest.mark.parametrize("how", ["loaded", "borrowed"])
def test_weights_that_are_written_into_a_model_are_those_that_translate(how: str) -> None:
    """In every precision, also where the old ones had been prepared; and what was borrowed is given back."""
    model, other = random_model(3), random_model(4)
    expected = {name: translate_ids(other, SOURCES[:5], DecodingConfig(precision=name)) for name in ("fp32", "bf16", "int8")}
    own = {name: translate_ids(model, SOURCES[:5], DecodingConfig(precision=name)) for name in expected}
    new = {name: tensor.clone() for name, tensor in parameters_of(other).items()}
    with nullcontext() if how == "loaded" else borrowed_weights(model, new):
        if how == "loaded":
            load_parameters(model, new, Path("elsewhere"))
        for name in ("int8", "fp32", "bf16"):
            assert translate_ids(model, SOURCES[:5], DecodingConfig(precision=name)) == expected[name], name
    if how == "borrowed":
        assert {name: translate_ids(model, SOURCES[:5], DecodingConfig(precision=name)) for name in own} == own


@pytest.mark.parametrize("name", ["bf16", pytest.param("int8", marks=needs_int8)])
def test_the_command_takes_a_precision(name: str, trained_run: Path) -> None:
    outcome = run_mt("translate", "--model", str(trained_run), "--precision", name, "ba be bi bo")
    assert outcome.exit_code == 0, outcome.stderr
    assert outcome.stdout == "ba be bi bo\n"


def test_an_unknown_precision_is_refused(trained_run: Path) -> None:
    outcome = run_mt("translate", "--model", str(trained_run), "--precision", "int4", "ba")
    assert outcome.exit_code == 2
    assert "decoding.precision" in outcome.stderr and "int8" in outcome.stderr


@pytest.fixture
def calculated_in(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The precision of every search from here on."""
    seen: list[str] = []

    def watching(model: TranslationModel, precision: str) -> AbstractContextManager[None]:
        seen.append(precision)
        return calculating(model, precision)

    monkeypatch.setattr(batches, "calculating", watching)
    return seen


def test_validation_calculates_in_fp32_whatever_the_configuration_translates_in(calculated_in: list[str]) -> None:
    train(tiny_config("decoding.precision=bf16"))
    assert len(calculated_in) >= 2 and {*calculated_in} == {"fp32"}, "validated after 5 and 10 updates"


def test_an_export_is_compared_with_fp32_whatever_the_configuration_translates_in(trained_run: Path, calculated_in: list[str]) -> None:
    loaded = Translator.load(trained_run)
    loaded.config = loaded.config.model_copy(update={"decoding": loaded.config.decoding.model_copy(update={"precision": "bf16"})})

    class Itself:
        """The model on the other side: what it is compared with must be the same to the last token."""

        def translate(self, sources: Sequence[Sequence[int]], options: DecodingConfig, limit: int) -> list[list[int]]:
            return [best.tokens for best, *_ in translate_ids(loaded.model, sources, options.model_copy(update={"precision": "fp32"}))]

        def score(self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]) -> list[list[float]]:
            return [one.token_log_probs for one in score_ids(loaded.model, sources, targets, 1.0)]

    found = check(loaded, Itself(), ["ba be bi", "da di"], ["ba be bi", "da di"])
    assert {*calculated_in} == {"fp32"} and found.greedy_equal == 2
