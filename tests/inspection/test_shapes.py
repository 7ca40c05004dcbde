"""The shape tracer finds names that lie, and finds none in the package."""

import itertools
import sys
from pathlib import Path

import numpy
import pytest
import torch
from torch import Tensor

from mt.config import DecodingConfig, ModelConfig
from mt.data.batching import make_batch, plan_batches
from mt.data.pairs import EncodedPairs
from mt.data.special_ids import EOS
from mt.decoding.batches import translate_ids
from mt.inspection.shapes import ShapeRecord, ShapeTrace, format_trace, trace_shapes
from mt.model.build import build_model
from mt.training import loss as loss_module
from mt.training.loss import cross_entropy, shift_right

HERE = Path(__file__).parent
VOCAB = 19
SOURCES = [[5, 9, 12, 7, EOS], [8, EOS], [14, 15, 4, 4, 9, 11, 16, EOS]]
TARGETS = [[5, EOS], [8, 9, 10, 11, 12, 13, EOS], [EOS]]
PAIRS = EncodedPairs([numpy.array(ids) for ids in SOURCES], [numpy.array(ids) for ids in TARGETS], numpy.ones(3))


def truthful(x_BSD: Tensor) -> Tensor:
    B, S, D = x_BSD.shape
    mask_B11S = torch.ones(B, 1, 1, S)
    merged_RD = x_BSD.reshape(B * S, D)
    table_S2 = numpy.zeros((S, 2))
    a_list_is_not_looked_at_AB = [mask_B11S, table_S2]
    return merged_RD if a_list_is_not_looked_at_AB else x_BSD


def wrong_rank(x_BD: Tensor) -> None:
    """x_BD has three dimensions."""


def two_sizes(x_BSD: Tensor) -> None:
    y_BTD = x_BSD[:, 1:, 1:]
    assert y_BTD is not None


def not_one(x_B1D: Tensor) -> None:
    """The dimension called 1 is larger."""


def wrong_number(x_BSD: Tensor) -> None:
    B, D, S = x_BSD.shape
    assert B and D and S


def wrong_array(lengths_N2: numpy.ndarray) -> None:
    """An array counts as well as a tensor, and 2 means 2."""


def nested(x_BSD: Tensor) -> Tensor:
    y_BSD = truthful(x_BSD).view(x_BSD.shape)
    return y_BSD


X_BSD = torch.zeros(2, 3, 4)


def test_true_names_are_recorded_and_not_reproached() -> None:
    with trace_shapes(HERE) as trace:
        truthful(X_BSD)
    assert trace.violations == []
    found = {record.name: record.shape for record in trace.records}
    assert found == {"x_BSD": (2, 3, 4), "mask_B11S": (2, 1, 1, 3), "merged_RD": (6, 4), "table_S2": (3, 2)}


@pytest.mark.parametrize(
    ("function", "argument", "sentence"),
    [
        (wrong_rank, X_BSD, "x_BD has the shape (2, 3, 4): 3 dimensions, but its name says 2"),
        (two_sizes, X_BSD, "y_BTD has the shape (2, 2, 3): its D is 3, but x_BSD has the shape (2, 3, 4)"),
        (not_one, X_BSD, "x_B1D has the shape (2, 3, 4): its 1 is 3, but 1 means 1"),
        (wrong_number, X_BSD, "x_BSD has the shape (2, 3, 4): its S is 3, but S is 4"),
        (wrong_array, numpy.zeros((5, 3)), "lengths_N2 has the shape (5, 3): its 2 is 3, but 2 means 2"),
    ],
)
def test_a_name_that_lies_is_reported_once_with_file_and_function(function, argument, sentence: str) -> None:
    with trace_shapes(HERE) as trace:
        function(argument)
        function(argument)
    [violation] = trace.violations
    assert violation == f"test_shapes.py:{function.__code__.co_firstlineno}, {function.__qualname__}: {sentence}"


def test_records_come_in_the_order_of_the_calls_not_of_the_returns() -> None:
    with trace_shapes(HERE) as trace:
        nested(X_BSD)
    outer, inner = f"{__name__}.nested", f"{__name__}.truthful"
    assert [(record.call, record.function) for record in trace.records] == [(1, outer)] * 2 + [(2, inner)] * 4
    assert trace.records[0] == ShapeRecord(outer, 1, "x_BSD", "BSD", (2, 3, 4))


def test_only_the_folder_is_watched_and_the_profiler_before_comes_back() -> None:
    seen = []

    def profiler(frame: object, event: str, argument: object) -> None:
        seen.append(event)

    before = sys.getprofile()
    sys.setprofile(profiler)
    try:
        with pytest.raises(ValueError), trace_shapes() as trace:
            truthful(X_BSD)
            raise ValueError
        assert sys.getprofile() is profiler
    finally:
        sys.setprofile(before)
    assert trace.records == []


def test_the_table_joins_equal_lines_and_names_a_function_once() -> None:
    with trace_shapes(HERE) as trace:
        for _ in range(3):
            nested(X_BSD)
    lines = [line.split() for line in format_trace(trace).splitlines()]
    assert lines[0] == ["function", "tensor", "shape", "seen"]
    assert lines[1] == [f"{__name__}.nested", "x_BSD", "2", "×", "3", "×", "4", "3×"]
    assert lines[2] == ["y_BSD", "2", "×", "3", "×", "4", "3×"]
    assert len(lines) == 1 + 2 + 4


COMBINATIONS = list(
    itertools.product(
        ("sinusoidal", "learned", "rotary", "none"),
        ("relu", "gelu", "swiglu"),
        ("layernorm", "rmsnorm"),
        ("post", "pre"),
        ("all", "decoder", "none"),
    )
)


def train_and_search(model: torch.nn.Module) -> None:
    """Every function between token ids and loss, and between token ids and hypotheses."""
    [indices] = plan_batches(PAIRS.lengths_N2(), 1000, seed=1, epoch=1)
    batch = make_batch(PAIRS, indices)
    model.train()
    model(batch.source_BS, shift_right(batch.target_BT))
    x_BTD = model.states(batch.source_BS, shift_right(batch.target_BT))
    cross_entropy(x_BTD, model.output_weight_VD, batch.target_BT, 0.1).loss.backward()
    model.eval()
    extra = {"max_length_extra": 2, "max_length_ratio": 0.5}
    for options in (
        DecodingConfig(beam_size=3, nbest=2, **extra),
        DecodingConfig(method="greedy", **extra),
        DecodingConfig(method="sampling", nbest=3, **extra),
        DecodingConfig(method="sampling", nbest=1, top_k=5, top_p=0.9, **extra),
    ):
        translate_ids(model, SOURCES, options)


def trace_of(combination: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> ShapeTrace:
    positions, activation, norm, norm_position, tie = combination
    monkeypatch.setattr(loss_module, "CHUNK_TOKENS", 4)
    torch.manual_seed(2)
    with trace_shapes() as trace:
        config = ModelConfig(
            d_model=12, num_heads=3, d_ff=10, encoder_layers=1, decoder_layers=2, attention_dropout=0.1,
            activation_dropout=0.1, positions=positions, activation=activation, norm=norm,
            norm_position=norm_position, tie_embeddings=tie,
        )  # fmt: skip
        train_and_search(build_model(config, VOCAB, VOCAB))
    return trace


@pytest.mark.parametrize("combination", COMBINATIONS, ids="-".join)
def test_every_name_in_model_loss_and_search_tells_the_truth(
    combination: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = trace_of(combination, monkeypatch)
    assert trace.violations == []
    assert len(trace.records) > 1000


def test_the_trace_reaches_every_part(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = trace_of(("rotary", "swiglu", "rmsnorm", "pre", "all"), monkeypatch)
    reached = {record.function.rsplit(".", 1)[0] for record in trace.records}
    for module in ("attention", "positions.RotaryPositions", "transformer.DecoderLayer", "transformer.Transformer"):
        assert f"mt.model.{module}" in reached
    assert {"mt.training.loss", "mt.training.loss._ChunkedCrossEntropy", "mt.data.batching"} <= reached
    assert {"mt.decoding.beam.BeamSearch", "mt.decoding.greedy.GreedySearch", "mt.decoding.sampling"} <= reached
    assert {"mt.decoding.next_tokens", "mt.model.prepared_decoder.PreparedLayer", "mt.model.transformer_state.TransformerState"} <= reached
    assert len({(record.function, record.name) for record in trace.records}) > 100
