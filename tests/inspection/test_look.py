"""`mt inspect attention`: weights that are the model's own, probabilities that are the search's, views that show them."""

import json
import re
import shutil
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


def test_a_row_of_the_decoder_is_named_by_what_it_reads_and_writes(trained_run: Path, tmp_path: Path) -> None:
    """The weights of a row were needed to write its second piece; the first is only what came before."""
    page = tmp_path / "look.html"
    done = run_mt("inspect", "attention", "ba de bo", "--model", str(trained_run), "--html", str(page))
    loaded = load_model(trained_run)
    look = look_at(loaded.model, loaded.tokenizer, "ba de bo", None, BEAM)
    rows = [f"{reads} → {step.piece}" for reads, step in zip(look.reads, look.steps, strict=True)]
    assert rows[0] == f"<s> → {look.steps[0].piece}" and rows[-1].endswith("→ </s>")
    table = done.stdout[done.stdout.index("asks: reads → writes") :].splitlines()
    assert [" ".join(line.split()[:3]) for line in table[1 : len(rows) + 1]] == rows
    data = json.loads(re.search(r'<script type="application/json" id="look">(.*?)</script>', page.read_text(), flags=re.DOTALL)[1])
    assert data["pieces"]["cross"] == [rows, list(look.source_pieces)] and data["pieces"]["decoder"] == [rows, list(look.reads)]
    assert data["pieces"]["encoder"] == [list(look.source_pieces)] * 2


def with_decoding(trained_run: Path, folder: Path, **settings: object) -> str:
    """A copy of the run with other decoding settings."""
    run = folder / "_".join(settings)
    shutil.copytree(trained_run, run, symlinks=True)
    text = (run / "config.yaml").read_text(encoding="utf-8")
    for key, value in settings.items():
        *before, after = re.split(rf"(?m)^  {key}: .*$", text)  # decoding is the last section
        text = f"  {key}: {value}".join(["".join(before), after])
        assert before, key
    (run / "config.yaml").write_text(text, encoding="utf-8")
    return str(run)


@pytest.mark.parametrize(
    ("settings", "note"),
    [
        ({"mbr": 4}, None),
        ({"method": "sampling"}, "decoding.method is sampling: this is what decoding.seed=1 draws"),
        ({"precision": "bf16"}, "decoding.precision is bf16"),
        ({"no_repeat_ngram": 1}, None),
    ],
    ids=str,
)
def test_what_is_looked_at_is_what_is_translated(settings: dict[str, object], note: str | None, trained_run: Path, tmp_path: Path) -> None:
    run = with_decoding(trained_run, tmp_path, **settings)
    for sentence in ("ba de ba de bo", "mu bi"):
        translated = run_mt("translate", sentence, "--model", run)
        looked = run_mt("inspect", "attention", sentence, "--model", run)
        assert looked.stdout.split("\n")[1].removeprefix("→ ").split("   log-prob")[0] == translated.stdout.rstrip("\n")
        assert note in looked.stderr if note else looked.stderr == ""


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"mbr": 4}, "decoding.mbr is 4: mt translate takes the candidate that agrees most with the other 3"),
        ({"method": "sampling"}, "decoding.method is sampling: mt translate draws, and this is beam search"),
        ({"precision": "bf16"}, "decoding.precision is bf16: mt translate calculates in it, and this search in fp32"),
        ({"coverage_penalty": 0.5}, "decoding.coverage_penalty is 0.5"),
        ({"shortlist": "true"}, "decoding.shortlist is on"),
    ],
    ids=str,
)
def test_an_explanation_says_why_mt_translate_may_give_another_translation_and_which(
    settings: dict[str, object], reason: str, trained_run: Path, tmp_path: Path
) -> None:
    run = with_decoding(trained_run, tmp_path, **settings)
    if "shortlist" in settings:
        assert run_mt("shortlist", run).exit_code == 0
    for sentence in ("ba de ba de bo", "mu bi"):
        told = run_mt("explain", sentence, "--model", run)
        assert told.exit_code == 0 and reason in told.stderr
        translated = run_mt("translate", sentence, "--model", run).stdout.rstrip("\n")
        shown = next(line for line in told.stdout.split("\n") if line.startswith("→ ")).removeprefix("→ ")
        another = f"mt translate gives another translation: {translated}"
        assert (another if shown != translated else "mt translate gives the same translation") in told.stderr
    assert run_mt("explain", "ba de", "--model", str(trained_run)).stderr == "", "nothing to say of plain beam search"


def test_a_line_that_mt_translate_cuts_is_named(trained_run: Path, tmp_path: Path) -> None:
    run = with_decoding(trained_run, tmp_path, max_length=8)
    for command in ("explain", "inspect attention"):
        done = run_mt(*command.split(), "ba de ba de bo ba de ba de bo", "--model", run)
        assert "11 tokens are more than the 8 of the longest training sentence: mt translate cuts such a line" in done.stderr


def test_no_text_moves_the_cursor_of_a_terminal_or_turns_a_page_around(trained_run: Path, tmp_path: Path) -> None:
    sentence, page, png = "ba \x1b[31m\u202ede\r", tmp_path / "a.html", tmp_path / "a.png"
    for command in (["inspect", "attention"], ["explain"], ["inspect", "shapes", "--source"]):
        more = ["--png", str(png)] if command[-1] == "attention" else []
        done = run_mt(*command, sentence, "--model", str(trained_run), "--html", str(page), *more)
        assert done.exit_code == 0, done.stderr
        html = page.read_text(encoding="utf-8")
        for text in (done.stdout, html, json.dumps(html)):
            assert not re.search("[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)
        assert command[-1] == "--source" or (r"\x1b[31m\u202ede" in done.stdout and r"\x1b[31m\u202ede" in html)
