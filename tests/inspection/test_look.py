"""`mt inspect attention`: weights that are the model's own, probabilities that are the search's, views that show them."""

import json
import re
from pathlib import Path

import pytest
import torch

from mt.config import DecodingConfig
from mt.config_file import load_config
from mt.data.corpus import read_corpora
from mt.data.special_ids import EOS
from mt.decoding.batches import translate_ids
from mt.errors import DataError
from mt.inspection.attention import joined_weights, recorded_attention
from mt.inspection.look import Look, look_at
from mt.inspection.look_text import shade
from mt.model.build import build_model
from mt.stored_model import load_model
from mt.training.loss import shift_right
from mt.training.prepare import tokenizer_for
from tests.command_line import run_mt

BEAM = DecodingConfig(beam_size=3)
RECURRENT = ("model.num_heads=8", "model.d_ff=2048", "model.norm_position=post")


def look_of(*settings: str) -> Look:
    """An untrained model's look at a sentence with a given translation."""
    config = load_config("copy", list(settings))
    tokenizer = tokenizer_for(config, read_corpora(config.data.train, "train", "en", "en"))
    torch.manual_seed(1)
    model = build_model(config.model, len(tokenizer.source), len(tokenizer.target))
    return look_at(model, tokenizer, "ba be bi", "da do", BEAM)


def test_probabilities_are_those_of_the_search(trained_run: Path) -> None:
    loaded = load_model(trained_run)
    look = look_at(loaded.model, loaded.tokenizer, "ba de bo mu", None, BEAM)
    with torch.inference_mode():
        [[best, *_]] = translate_ids(loaded.model, loaded.tokenizer.encode_source(["ba de bo mu"]), BEAM)
    assert look.translation == loaded.tokenizer.decode_target(best.tokens) == "ba de bo mu" and not look.given
    assert look.log_prob == pytest.approx(best.log_prob, abs=1e-4)
    for step, log_prob in zip(look.steps, best.token_log_probs, strict=True):
        assert step.probability == pytest.approx(2.718281828**log_prob, abs=1e-5)
        probabilities = [probability for _, probability in step.alternatives]
        assert len(probabilities) == 5 and probabilities == sorted(probabilities, reverse=True)
    assert look.reads[0] == "<s>" and look.reads[1:] == tuple(step.piece for step in look.steps[:-1])


@pytest.mark.parametrize(
    ("settings", "kinds"),
    [
        (("model.encoder_layers=2", "model.decoder_layers=3"), {"encoder": 2, "decoder": 3, "cross": 3}),
        ((*RECURRENT, "model.architecture=rnn-attention"), {"cross": 1}),
        ((*RECURRENT, "model.architecture=rnn"), {}),
    ],
)
def test_every_attention_is_there_with_rows_that_add_up_to_one(settings: tuple[str, ...], kinds: dict[str, int]) -> None:
    look = look_of(*settings)
    found = {kind: [each.layer for each in look.maps if each.kind == kind] for kind in {each.kind for each in look.maps}}
    assert found == {kind: list(range(1, layers + 1)) for kind, layers in kinds.items()}
    for each in look.maps:
        askers, asked = look.pieces_of(each.kind)
        for head in (*each.weights, each.mean()):
            assert len(head) == len(askers)
            for place, row in enumerate(head):
                assert len(row) == len(asked) and sum(row) == pytest.approx(1.0, abs=1e-5)
                if each.kind == "decoder":
                    assert not any(row[place + 1 :]), "nothing ahead is looked at"


def test_recording_changes_nothing_and_leaves_nothing_behind(trained_run: Path) -> None:
    loaded = load_model(trained_run)
    source_BS = torch.tensor(loaded.tokenizer.encode_source(["ba de bo mu"]))
    inputs = source_BS, shift_right(source_BS)
    before_BTV = loaded.model(*inputs)
    with recorded_attention(loaded.model) as found:
        torch.testing.assert_close(loaded.model(*inputs), before_BTV)
    weights = joined_weights(found)
    loaded.model(*inputs)
    assert {name: len(parts) for name, parts in found.items()} == dict.fromkeys(weights, 1)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in loaded.model.modules())


def test_the_recorded_weights_make_the_attentions_output(trained_run: Path) -> None:
    """Weights times values, through the output projection, is what the attention gave on the fast path."""
    loaded = load_model(trained_run)
    attention = loaded.model.decoder[0].cross_attention
    seen = []
    hook = attention.register_forward_hook(lambda _, inputs, output: seen.append((inputs[1], output)))
    source_BS = torch.tensor(loaded.tokenizer.encode_source(["ba de bo mu"]))
    loaded.model(source_BS, shift_right(source_BS))
    hook.remove()
    [(memory_BMD, output_BQD)] = seen
    with recorded_attention(loaded.model) as found:
        loaded.model(source_BS, shift_right(source_BS))
    weights_BHQM = found["decoder.0.cross_attention"][0]
    _, v_BHMK = attention.keys_values(memory_BMD)
    context_BQD = (weights_BHQM @ v_BHMK).transpose(1, 2).flatten(2)
    torch.testing.assert_close(attention.out_proj(context_BQD), output_BQD)


def test_a_trained_copier_looks_at_the_word_it_copies(trained_run: Path) -> None:
    done = run_mt("inspect", "attention", "ba de bo mu", "--model", str(trained_run))
    assert done.exit_code == 0, done.stderr
    assert "→ ba de bo mu" in done.stdout
    assert "cross-attention: the decoder asks, the encoder answers, layer 1, mean of 4 heads" in done.stdout
    assert re.search(r"^position +reads +writes +probability +else$", done.stdout, flags=re.MULTILINE)
    loaded = load_model(trained_run)
    look = look_at(loaded.model, loaded.tokenizer, "ba de bo mu", None, BEAM)
    assert look.steps[-1].piece == loaded.tokenizer.target.processor.id_to_piece(EOS)


def test_shades_grow_with_the_weight() -> None:
    assert [shade(weight) for weight in (0.0, 0.029, 0.03, 0.1, 0.3, 0.5, 0.79, 0.8, 1.0)] == [*"  ·░▒▓▓██"]


def test_the_page_holds_everything_and_loads_nothing(trained_run: Path, tmp_path: Path) -> None:
    page = tmp_path / "look.html"
    done = run_mt("inspect", "attention", "ba </script> <b>", "--model", str(trained_run), "--target", "ba da", "--html", str(page))
    assert done.exit_code == 0, done.stderr
    html = page.read_text(encoding="utf-8")
    assert not re.search(r"https?://|src=|<link|@import|url\(", html), "nothing is loaded from anywhere"
    data = json.loads(re.search(r'<script type="application/json" id="look">(.*?)</script>', html, flags=re.DOTALL)[1])
    assert [(each["kind"], each["layer"]) for each in data["maps"]] == [("encoder", 1), ("decoder", 1), ("cross", 1)]
    assert "ba &lt;/script&gt; &lt;b&gt;" in html and "(given)" in html


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--kind", "self"], "--kind: 'self' is none of cross, encoder, decoder"),
        (["--layer", "3"], "--layer 3: there are 1 layers, from 1"),
        (["--head", "9"], "--head 9: there are 4 heads, from 1"),
    ],
)
def test_mistakes_are_told(arguments: list[str], message: str, trained_run: Path) -> None:
    done = run_mt("inspect", "attention", "ba de", "--model", str(trained_run), *arguments)
    assert done.exit_code == 2 and message in done.stderr
    assert "no text" in run_mt("inspect", "attention", " ", "--model", str(trained_run)).stderr


def test_a_network_without_attention_says_so() -> None:
    with pytest.raises(DataError, match="this model has no such attention; it has none at all"):
        look_of(*RECURRENT, "model.architecture=rnn").map_of("cross", None)
    with pytest.raises(DataError, match="it has cross"):
        look_of(*RECURRENT, "model.architecture=rnn-attention").map_of("encoder", None)
