"""The Transformer in numpy calculates what torch's does, for every choice of its parts; and refuses weights that are not its own."""

import itertools

import numpy
import pytest
import torch

from mt.config import ModelConfig
from mt.data.special_ids import BOS, EOS
from mt.instant.layers import BLOCK, Blocks, UnsuitedWeightsError, softmax_
from mt.instant.transformer import Transformer
from mt.model.build import build_model
from mt.model.interface import TranslationModel
from mt.stored_model import parameters_of

VOCABULARY = 150
SOURCE = [5, 9, 120, 7, 149, 31, EOS]
TARGET = [BOS, 17, 149, 4, 88, 4, 60, 17]
PARTS = [
    dict(zip(("positions", "activation", "norm", "norm_position", "tie_embeddings"), choice, strict=True))
    for choice in itertools.product(
        ("sinusoidal", "learned", "rotary", "none"), ("relu", "swiglu"), ("layernorm", "rmsnorm"), ("post", "pre"),
        ("all", "decoder", "none"),
    )  # fmt: skip
]


def built(**parts: object) -> tuple[ModelConfig, TranslationModel]:
    """A model with random weights, biases and norms too; wide enough for maps in blocks and in one piece."""
    config = ModelConfig(d_model=32, num_heads=4, d_ff=3200, encoder_layers=1, decoder_layers=2, max_positions=6, **parts)
    torch.manual_seed(1)
    model = build_model(config, VOCABULARY, VOCABULARY).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.3 * torch.randn_like(parameter))
    return config, model


def in_numpy(config: ModelConfig, model: TranslationModel) -> Transformer:
    """The same weights."""
    return Transformer(config, VOCABULARY, VOCABULARY, {name: tensor.numpy() for name, tensor in parameters_of(model).items()})


@pytest.mark.parametrize("parts", PARTS, ids=lambda parts: "-".join(parts.values()))
def test_logits_are_those_of_teacher_forcing_in_torch(parts: dict[str, str]) -> None:
    config, model = built(**parts)
    with torch.inference_mode():
        expected_TV = model(torch.tensor([SOURCE]), torch.tensor([TARGET]))[0].numpy()
    net = in_numpy(config, model)
    state = net.start(SOURCE)
    for token, expected_V in zip(TARGET, expected_TV, strict=True):
        logits_IRG = net.step([token], [0], state)
        assert logits_IRG.shape == (3, 1, BLOCK)
        assert logits_IRG[:, 0].ravel()[:VOCABULARY] == pytest.approx(expected_V, abs=2e-4)
        assert numpy.isneginf(logits_IRG[:, 0].ravel()[VOCABULARY:]).all()


def test_rows_see_their_own_past_alone_however_they_branch() -> None:
    config, model = built()
    net = in_numpy(config, model)
    state = net.start(SOURCE)
    paths = [[BOS]]
    steps = (([BOS], [0]), ([7, 8, 9], [0, 0, 0]), ([4, 5, 6, 7], [2, 0, 2, 1]), ([11], [1]), ([*range(4, 150)] * 3, [0] * 438))
    for tokens, parents in steps:
        logits_IRG = net.step(tokens, parents, state)
        paths = [[BOS]] if tokens == [BOS] else [[*paths[parent], token] for token, parent in zip(tokens, parents, strict=True)]
        with torch.inference_mode():
            expected_RV = model(torch.tensor([SOURCE] * len(paths)), torch.tensor(paths))[:, -1].numpy()
        found_RV = logits_IRG.transpose(1, 0, 2).reshape(len(paths), -1)[:, :VOCABULARY]
        assert found_RV == pytest.approx(expected_RV, abs=2e-4)


def test_there_is_room_for_any_number_of_positions() -> None:
    config, model = built()
    target = [BOS, *([10, 11, 12, 13] * 40)]
    with torch.inference_mode():
        expected_TV = model(torch.tensor([SOURCE]), torch.tensor([target]))[0].numpy()
    net = in_numpy(config, model)
    state = net.start(SOURCE)
    for token in target:
        logits_IRG = net.step([token], [0], state)
    assert logits_IRG[:, 0].ravel()[:VOCABULARY] == pytest.approx(expected_TV[-1], abs=2e-4)


@pytest.mark.parametrize("outputs", [1, BLOCK, BLOCK + 1, 1000])
def test_a_product_in_blocks_is_the_product(outputs: int) -> None:
    draw = numpy.random.default_rng(1)
    weight, x_RD = draw.normal(size=(outputs, 33)).astype("float32"), draw.normal(size=(5, 33)).astype("float32")
    found_IRG = Blocks(weight)(x_RD)
    assert found_IRG.transpose(1, 0, 2).reshape(5, -1)[:, :outputs] == pytest.approx(x_RD @ weight.T, abs=1e-4)
    assert not found_IRG[-1, :, outputs - len(found_IRG) * BLOCK or BLOCK :].any()


@pytest.mark.parametrize("vocabulary", [5, 8, 63, 64, 65, 127, 128, 129, 192, 640])
def test_every_piece_of_a_vocabulary_of_any_size_can_be_produced(vocabulary: int) -> None:
    config = ModelConfig(d_model=16, num_heads=2, d_ff=16, encoder_layers=1, decoder_layers=1)
    torch.manual_seed(1)
    model = build_model(config, vocabulary, vocabulary).eval()
    net = Transformer(config, vocabulary, vocabulary, {name: tensor.numpy() for name, tensor in parameters_of(model).items()})
    with torch.inference_mode():
        expected_V = model(torch.tensor([[4, EOS]]), torch.tensor([[BOS]]))[0, 0].numpy()
    logits_IG = net.step([BOS], [0], net.start([4, EOS]))[:, 0]
    assert logits_IG.shape == (-(-vocabulary // BLOCK), BLOCK)
    assert logits_IG.ravel()[:vocabulary] == pytest.approx(expected_V, abs=1e-4)
    assert numpy.isneginf(logits_IG.ravel()[vocabulary:]).all()


def test_the_last_block_knows_what_of_it_is_padding() -> None:
    for outputs in range(1, 2 * BLOCK + 2):
        blocks = Blocks(numpy.ones((outputs, 2), numpy.float32))
        assert 1 <= blocks.in_last <= BLOCK
        assert [*blocks(numpy.ones((1, 2), numpy.float32)).ravel()] == [2.0] * outputs + [0.0] * (BLOCK - blocks.in_last)


@pytest.mark.parametrize(("scores", "exact"), [((0.0, -1.0, -90.0), True), ((-80.0, -81.0), True), ((-90.0, -91.0), False),
                                               ((-99.0, -100.0), False), ((-200.0, -201.0), False), ((89.0, 0.0), False)])  # fmt: skip
def test_attention_weights_are_exact_or_not_finite(scores: tuple[float, ...], exact: bool) -> None:
    """Where exponentials have lost digits nothing may look as if it were right."""
    with numpy.errstate(all="ignore"):
        found = softmax_(numpy.array([scores], numpy.float32))
    expected = torch.softmax(torch.tensor([scores]), dim=-1).numpy()
    if exact:
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-12)
    else:
        assert not numpy.isfinite(found).all()


def test_weights_that_are_not_the_configurations_are_refused() -> None:
    config, model = built()
    tensors = {name: tensor.numpy() for name, tensor in parameters_of(model).items()}
    name = "decoder.1.cross_attention.k_proj.weight"
    wrong = (
        {key: value for key, value in tensors.items() if key != name},
        tensors | {"decoder.2.extra": tensors[name]},
        tensors | {name: tensors[name][:-1]},
        tensors | {name: tensors[name].astype("float16")},
    )
    for each in wrong:
        with pytest.raises(UnsuitedWeightsError):
            Transformer(config, VOCABULARY, VOCABULARY, each)
    for changes in ({"activation": "gelu"}, {"architecture": "rnn"}):
        with pytest.raises(UnsuitedWeightsError):
            Transformer(config.model_copy(update=changes), VOCABULARY, VOCABULARY, tensors)
