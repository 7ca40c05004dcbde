"""`mt inspect shapes`: the whole path of a batch, true to the model, for a terminal and as a page that needs no network."""

import re
from pathlib import Path

import pytest
import torch

from mt.config_file import load_config
from mt.data.corpus import read_corpora
from mt.inspection.attention import explicit_attention
from mt.inspection.path import BatchPath, make_path, model_without_weights
from mt.model.attention import MultiHeadAttention, mask_bias, padding_mask
from mt.model.build import build_model, count_parameters
from mt.training.prepare import tokenizer_for
from tests.command_line import run_mt

ATTENTION = ("q_BH{0}K", "k_BH{1}K", "v_BH{1}K", "scores_BH{0}{1}", "weights_BH{0}{1}", "context_BH{0}K")
"""Of positions {0} that ask positions {1}."""
SIDES = {"encoder.*.self_attention": "SS", "decoder.*.self_attention": "TT", "decoder.*.cross_attention": "TS"}
RECURRENT = ("model.num_heads=8", "model.d_ff=2048", "model.norm_position=post")


def path_of(*settings: str) -> BatchPath:
    config = load_config("copy", list(settings))
    tokenizer = tokenizer_for(config, read_corpora(config.data.train, "train", "en", "en"))
    return make_path(model_without_weights(config.model, tokenizer), tokenizer, ["ba be bi bo", "da"], ["ba be bi bo", "da"])


def test_every_tensor_of_every_attention_is_named_with_its_sizes() -> None:
    path = path_of("model.encoder_layers=3")
    shapes = {(line.module, line.name): line.shape for line in path.lines}
    for module, sides in SIDES.items():
        for name in ATTENTION:
            assert len(shapes[module, name.format(*sides)]) == 4
    (S,), (K,), (H,) = path.sizes["S"], path.sizes["K"], path.sizes["H"]
    assert shapes["encoder.*.self_attention", "scores_BHSS"] == (2, H, S, S)
    assert shapes["encoder.*.self_attention", "q_BHSK"] == (2, H, S, K) and (H, K) == (4, 16)
    assert shapes["", "logits_BTV"][2] == path.sizes["V"][0]
    [weights] = [line for line in path.lines if (line.module, line.name) == ("encoder.*.self_attention", "weights_BHSS")]
    assert (weights.function, weights.times) == ("attend_with_weights", 3), "the layers are counted"


@pytest.mark.parametrize("settings", [(), ("model.encoder_layers=2",), (*RECURRENT, "model.architecture=rnn-attention"),
                                      (*RECURRENT, "model.architecture=rnn")])  # fmt: skip
@pytest.mark.parametrize("target", ["da do", "da do du", "ba be bi bo", "ba be bi bo ba be"])
def test_a_letter_has_one_size_and_one_meaning(settings: tuple[str, ...], target: str) -> None:
    """Also where source and target are equally long."""
    config = load_config("copy", list(settings))
    tokenizer = tokenizer_for(config, read_corpora(config.data.train, "train", "en", "en"))
    path = make_path(model_without_weights(config.model, tokenizer), tokenizer, ["ba be bi bo"], [target])
    [sentence] = path.sentences
    assert path.sizes["S"] == (len(sentence.source),) and path.sizes["T"] == (len(sentence.target),)
    assert {len(sizes) for sizes in path.sizes.values()} == {1} and not {"Q", "M"} & set(path.sizes)
    for line in path.lines:
        letters = line.name.rpartition("_")[2]
        expected = tuple(1 if letter == "1" else path.sizes[letter][0] for letter in letters if letter != "X")
        assert tuple(size for letter, size in zip(letters, line.shape, strict=True) if letter != "X") == expected, line
        assert not line.module.startswith("encoder") or "T" not in letters


def test_what_a_module_is_given_stands_before_what_it_makes() -> None:
    names = [line.name for line in path_of().lines if line.module == "decoder.*.cross_attention"]
    assert names[:2] == ["x_BTD", "memory_BSD"]
    assert names.index("k_BHSK") < names.index("q_BHTK") < names.index("scores_BHTS") < names.index("weights_BHTS")


def test_sentences_show_the_shifted_target_and_both_masks() -> None:
    short = path_of().sentences[1]
    assert short.decoder_input[0] == "<s>" and short.decoder_input[1:] == short.target[:-1]
    length = short.target.index("</s>") + 1
    assert short.target[length:] == ("<pad>",) * (len(short.target) - length)
    assert short.sees_source == tuple(piece != "<pad>" for piece in short.source)
    for place, row in enumerate(short.sees_target):
        assert row == tuple(other <= place and short.decoder_input[other] != "<pad>" for other in range(len(row)))


@pytest.mark.parametrize(
    "settings",
    [(), ("model.tie_embeddings=none", "model.positions=learned"), (*RECURRENT, "model.architecture=rnn-attention"),
     (*RECURRENT, "model.architecture=rnn", "model.cell=gru", "model.tie_embeddings=decoder")],
)  # fmt: skip
def test_the_parts_add_up_to_the_whole(settings: tuple[str, ...]) -> None:
    path = path_of(*settings)
    assert sum(part.parameters for part in path.parts) == path.parameters
    assert len({part.name for part in path.parts}) == len(path.parts)
    output = next(part for part in path.parts if part.name.startswith("output"))
    sentences, positions, vocabulary = next(line.shape for line in path.lines if line.name == "logits_BTV")
    assert output.flops == 2 * sentences * positions * 64 * vocabulary
    assert all(part.flops >= 0 for part in path.parts)


def test_feed_forward_costs_what_arithmetic_says() -> None:
    path = path_of("model.encoder_layers=2")
    [part] = [part for part in path.parts if part.name == "encoder: feed forward"]
    positions = 2 * path.sizes["S"][0]
    assert part.flops == 2 * (2 * positions * 64 * 128 * 2) and part.parameters == 2 * (2 * 64 * 128 + 64 + 128)


def test_recurrent_cells_cost_what_arithmetic_says() -> None:
    path = path_of(*RECURRENT, "model.architecture=rnn")
    costs = {part.name: part.flops for part in path.parts}
    read = sum(piece != "<pad>" for sentence in path.sentences for piece in sentence.source)
    assert costs["encoder: layers"] == 2 * read * 4 * 64 * (64 + 64)
    assert costs["decoder: cells"] == 2 * 2 * len(path.sentences[0].target) * 4 * 64 * (128 + 64)


def test_the_model_has_no_weights_and_the_same_parameters() -> None:
    config = load_config("copy")
    tokenizer = tokenizer_for(config, read_corpora(config.data.train, "train", "en", "en"))
    model = model_without_weights(config.model, tokenizer)
    assert {parameter.device.type for parameter in model.parameters()} == {"meta"}
    assert count_parameters(model) == count_parameters(build_model(config.model, len(tokenizer.source), len(tokenizer.target)))


def test_the_explicit_path_gives_what_the_fast_one_gives_and_goes_away_again() -> None:
    torch.manual_seed(3)
    attention = MultiHeadAttention(16, 4, 0.0).eval()
    x_BQD, bias = torch.randn(2, 5, 16), mask_bias(padding_mask(torch.tensor([[5, 6, 7, 0, 0], [5, 6, 7, 8, 9]])), torch.float32)
    before_BQD = attention(x_BQD, x_BQD, bias)
    with explicit_attention():
        torch.testing.assert_close(attention(x_BQD, x_BQD, bias), before_BQD)
    assert torch.equal(attention(x_BQD, x_BQD, bias), before_BQD)


def test_the_command_prints_and_writes_a_page_without_a_network(tmp_path: Path, trained_run: Path) -> None:
    page = tmp_path / "shapes.html"
    done = run_mt("inspect", "shapes", "--model", str(trained_run), "--source", "ba de bo", "--html", str(page))
    assert done.exit_code == 0, done.stderr
    for expected in ("scores_BHTS", "The decoder reads the target shifted right", "■", "MFLOP forward", "Most parameters:"):
        assert expected in done.stdout
    html = page.read_text(encoding="utf-8")
    assert html.startswith("<!doctype html>") and "weights_BHTS" in html and "prefers-color-scheme: dark" in html
    assert not re.search(r"https?://|src=|<link|@import|url\(", html), "nothing is loaded from anywhere"


def test_the_command_takes_a_configuration_with_validation_pairs_of_its_own() -> None:
    done = run_mt("inspect", "shapes", "--config", "copy", "--set", "model.d_model=1024", "--set", "model.num_heads=16")
    assert done.exit_code == 0, done.stderr
    assert "a batch of 2 sentences" in done.stdout and "copy: transformer" in done.stdout and "1024" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config", "copy", "--source", "ba"], "1 of --source, 0 of --target: give as many of the one as of the other"),
        (["--config", "copy", "--target", "ba"], "--target needs its --source"),
        (["--config", "copy", "--model", "copy"], "give --config or --model, not both"),
    ],
)
def test_mistakes_are_told(arguments: list[str], message: str) -> None:
    done = run_mt("inspect", "shapes", *arguments)
    assert done.exit_code == 2 and message in done.stderr
