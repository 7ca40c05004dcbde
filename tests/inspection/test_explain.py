"""`mt explain`: what it says of the search, of greedy search and of a reference is what the model and the search gave."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mt.config import Config, DecodingConfig
from mt.config_file import load_config
from mt.data.corpus import read_corpora
from mt.data.special_ids import BOS, EOS, PAD
from mt.data.tokenizer import Tokenizer
from mt.decoding.batches import translate_ids
from mt.errors import DataError
from mt.inspection.beam_tree import Fate
from mt.inspection.explain import Explanation, Verdict, beam_options, explain, score_target
from mt.inspection.explain_page import explain_page
from mt.inspection.explain_text import branches, explain_text, tree_text
from mt.inspection.explain_words import greedy_words, place_of, two
from mt.model.build import build_model
from mt.model.interface import TranslationModel
from mt.stored_model import load_model
from mt.text_table import display_width
from mt.training.prepare import tokenizer_for
from tests.command_line import run_mt
from tests.decoding.table_model import TableModel

SIZES = ("model.num_heads=8", "model.d_ff=2048", "model.norm_position=post")


class TaughtTable(TableModel):
    """A table that can be asked under teacher forcing too: its states are the logits, its output projection the identity."""

    def states(self, source_BS: Tensor, decoder_input_BT: Tensor) -> Tensor:
        source = tuple(token for token in source_BS[0].tolist() if token != PAD)
        read = decoder_input_BT[0].tolist()
        assert read[0] == BOS
        return torch.stack([self.row(source, tuple(read[1 : at + 1])) for at in range(len(read))])[None]

    @property
    def output_weight_VD(self) -> Tensor:
        return torch.eye(self.vocab_size)


def tokenizer_of(*settings: str) -> tuple[Tokenizer, Config]:
    config = load_config("copy", list(settings))
    return tokenizer_for(config, read_corpora(config.data.train, "train", "en", "en")), config


def garden_path(tokenizer: Tokenizer) -> tuple[TranslationModel, str, str]:
    """A model whose likelier first word leads nowhere good: the word that tempts, and the word that is right."""
    tempting, right = tokenizer.encode_target(["ba"])[0][:-1], tokenizer.encode_target(["do"])[0][:-1]
    assert tempting[0] != right[0] or tempting[1:2] != right[1:2]
    size = len(tokenizer.target)

    def logits(source: tuple[int, ...], prefix: tuple[int, ...]) -> list[float]:
        values = [0.0] * size
        if list(prefix) == right:
            values[EOS] = 20.0
        elif list(prefix) == tempting:
            values[EOS] = 3.0  # the best, and still improbable
        elif list(prefix) == right[: len(prefix)] == tempting[: len(prefix)]:
            values[tempting[len(prefix)]], values[right[len(prefix)]] = 20.5, 20.0
        else:
            for path in (tempting, right):
                if list(prefix) == path[: len(prefix)] and len(prefix) < len(path):
                    values[path[len(prefix)]] = 20.0
        return values

    return TaughtTable(size, logits=logits), "ba", "do"


@pytest.fixture
def trained(trained_run: Path) -> Explanation:
    """A trained copier's explanation of four words."""
    loaded = load_model(trained_run)
    return explain(loaded.model, loaded.tokenizer, "ba de bo mu", None, DecodingConfig(beam_size=4))


def test_it_explains_the_translation_that_mt_translate_gives(trained_run: Path, trained: Explanation) -> None:
    loaded = load_model(trained_run)
    with torch.inference_mode():
        [[best, *_]] = translate_ids(loaded.model, loaded.tokenizer.encode_source(["ba de bo mu"]), DecodingConfig(beam_size=4))
    assert trained.best == best and trained.look.translation == "ba de bo mu"
    path = trained.tree.path(trained.tree.best.entry)
    assert [trained.pieces[node.token] for node in path] == [step.piece for step in trained.look.steps]
    for node, step in zip(path, trained.look.steps, strict=True):
        assert step.probability == pytest.approx(2.718281828**node.log_prob, abs=1e-4)
    assert trained.texts[trained.tree.best.entry] == "ba de bo mu"


@pytest.mark.parametrize("beam", [1, 4])
@pytest.mark.parametrize(
    "settings",
    [("model.decoder_layers=2",), (*SIZES, "model.architecture=rnn-attention"), (*SIZES, "model.architecture=rnn")],
)
def test_every_architecture_can_be_explained(settings: tuple[str, ...], beam: int) -> None:
    tokenizer, config = tokenizer_of(*settings)
    torch.manual_seed(1)
    model = build_model(config.model, len(tokenizer.source), len(tokenizer.target))
    explanation = explain(model, tokenizer, "ba be bi", "da do", DecodingConfig(beam_size=beam, max_length_extra=5))
    text, html = explain_text(explanation), explain_page(explanation)
    assert ("looks at" in text) == ("looks at" in html) == ("model.architecture=rnn" not in settings)
    assert explanation.reference.hypothesis.log_prob == pytest.approx(
        score_target(model, tokenizer.encode_source(["ba be bi"])[0], tokenizer.encode_target(["da do"])[0], 1.0).log_prob
    )


def test_a_reference_that_the_beam_missed_is_a_search_error_and_a_wider_beam_finds_it() -> None:
    tokenizer, _ = tokenizer_of()
    model, tempting, right = garden_path(tokenizer)
    narrow = explain(model, tokenizer, "mu", right, DecodingConfig(beam_size=1))
    assert narrow.look.translation != right and narrow.reference.verdict is Verdict.SEARCH_ERROR
    ids = tokenizer.encode_target([right])[0]
    lost = len(narrow.tree.follow(ids))
    assert narrow.reference.held == lost < len(ids)
    assert narrow.reference.total_at_loss < narrow.tree.steps[lost].worst
    assert narrow.reference.hypothesis.score > narrow.best.score or not narrow.best.finished
    words = explain_text(narrow)
    assert "A search error: the model ranks the reference before" in words and f"lost it at step {lost + 1}" in words
    wide = explain(model, tokenizer, "mu", right, DecodingConfig(beam_size=4))
    assert wide.look.translation == right and wide.reference.verdict is Verdict.FOUND
    assert "it is what the search found" in explain_text(wide)
    behind = explain(model, tokenizer, "mu", tempting, DecodingConfig(beam_size=4))
    assert behind.reference.verdict is Verdict.MODEL_ERROR and behind.reference.hypothesis.score < wide.best.score
    assert behind.reference.held == len(behind.reference.pieces) and "The beam held it to its end." in explain_text(behind)


def test_what_the_length_limit_cuts_is_told(trained_run: Path) -> None:
    loaded = load_model(trained_run)
    options = DecodingConfig(beam_size=3, max_length_ratio=0.0, max_length_extra=2)
    explanation = explain(loaded.model, loaded.tokenizer, "ba de bo mu", "ba de bo mu", options)
    assert explanation.tree.max_length == 2 and not explanation.best.finished
    text = explain_text(explanation)
    assert "cut at the length limit of 2 pieces" in text and "→ ba de (cut)" in text and "the translation is cut" in text
    assert explanation.reference.verdict is Verdict.SEARCH_ERROR, "what has ended ranks before what was cut"
    assert "held its first 2 pieces, all that the length limit allows; it has 5" in text
    assert "✂" in explain_page(explanation)


def test_a_greedy_search_that_does_better_is_said_to() -> None:
    tokenizer, _ = tokenizer_of()
    model, _, _ = garden_path(tokenizer)
    wide = explain(model, tokenizer, "mu", None, DecodingConfig(beam_size=4))
    swapped = replace(wide, greedy=replace(wide.greedy, hypothesis=replace(wide.greedy.hypothesis, score=wide.best.score + 1)))
    assert "greedy search's is better, and the beam had pruned it" in greedy_words(swapped)


def test_greedy_search_is_told_where_it_leaves_the_beam() -> None:
    tokenizer, _ = tokenizer_of()
    model, _, right = garden_path(tokenizer)
    wide = explain(model, tokenizer, "mu", None, DecodingConfig(beam_size=4))
    [greedy] = translate_ids(model, tokenizer.encode_source(["mu"]), DecodingConfig(method="greedy"))[0]
    assert wide.greedy.hypothesis == greedy and wide.greedy.text != right
    at = wide.greedy.differs_at - 1
    ours, best = greedy.tokens + [EOS] * greedy.finished, wide.best.tokens + [EOS]
    assert ours[:at] == best[:at] and ours[at] != best[at] and wide.greedy.piece == wide.pieces[ours[at]]
    assert wide.departures() == [at + 1]
    assert "by the model's own score the beam's is better" in explain_text(wide)
    alone = explain(model, tokenizer, "mu", None, DecodingConfig(beam_size=1))
    assert alone.best == greedy and alone.greedy.differs_at is None


def test_a_reference_counts_as_scored_by_teacher_forcing(trained_run: Path) -> None:
    loaded = load_model(trained_run)
    explanation = explain(loaded.model, loaded.tokenizer, "ba de bo mu", "ba de", DecodingConfig(beam_size=4))
    assert explanation.reference.verdict is Verdict.MODEL_ERROR
    look = run_mt("inspect", "attention", "ba de bo mu", "--model", str(trained_run), "--target", "ba de").stdout
    assert float(re.search(r"log-probability (-[\d.]+)", look)[1]) == pytest.approx(explanation.reference.hypothesis.log_prob, abs=0.011)


def test_the_branches_hold_every_node_once_and_the_left_edge_is_the_best(trained: Explanation) -> None:
    found = []

    def gather(branch) -> None:
        found.extend(node.entry for node in branch.chain)
        for below in (*branch.sides, *([branch.heir] if branch.heir else [])):
            gather(below)

    forks = branches(trained.tree)
    for fork in forks:
        gather(fork)
    assert sorted(found) == sorted(trained.tree.nodes)
    edge, branch = [], forks[-1]
    while branch is not None:
        edge.extend(branch.chain)
        branch = branch.heir
    assert edge == trained.tree.path(trained.tree.best.entry)


def test_the_drawn_tree_is_aligned_and_every_dead_end_says_why(trained: Explanation) -> None:
    lines = tree_text(trained).splitlines()
    column = lines[0].index("log-prob") + len("log-prob")
    numbered = [line for line in lines[1:] if re.search(r"-?\d+\.\d\d", line[:column + 1])]
    assert all(re.fullmatch(r".*-?\d+\.\d\d", line[:column]) for line in numbered)
    assert max(map(display_width, lines)) < 150
    ends = [node for node in trained.tree.nodes.values() if node.fate is not Fate.WENT_ON]
    told = "\n".join(lines)
    for fate, words in ((Fate.PRUNED, "pruned at step"), (Fate.FINISHED, "finished, score"), (Fate.OUTDONE, "alive at the end")):
        assert told.count(words) == sum(node.fate is fate for node in ends)
    assert told.count(": the best\n") + told.endswith(": the best") == 1


def test_numbers_are_told_apart_and_ranks_are_words() -> None:
    assert two(-1.234, -1.236) == ("-1.23", "-1.24")
    assert two(-1.23401, -1.23409) == ("-1.2340", "-1.2341")
    assert two(-1.0, -1.0)[0] == two(-1.0, -1.0)[1]
    assert [place_of(rank) for rank in (1, 2, 5, 11)] == ["the best", "second best", "fifth best", "number 11"]


def test_the_options_are_the_runs_unless_asked_otherwise() -> None:
    run = DecodingConfig(beam_size=6, nbest=3, length_penalty=0.6)
    assert beam_options(run, None, None) == run
    asked = beam_options(run, 2, 0.0)
    assert (asked.beam_size, asked.nbest, asked.length_penalty) == (2, 2, 0.0)
    assert beam_options(DecodingConfig(method="greedy", beam_size=5), None, None).beam_size == 1
    assert beam_options(DecodingConfig(method="sampling", beam_size=5), None, None).method == "beam"


def test_the_page_tells_of_every_node_and_loads_nothing(trained_run: Path, tmp_path: Path) -> None:
    page = tmp_path / "explain.html"
    done = run_mt("explain", "ba </script> <b>", "--model", str(trained_run), "--beam", "3", "--target", "ba da", "--html", str(page))
    assert done.exit_code == 0, done.stderr
    html = page.read_text(encoding="utf-8")
    assert not re.search(r"https?://|src=|<link|@import|url\(", html), "nothing is loaded from anywhere"
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', html, flags=re.DOTALL)[1])
    drawn = re.findall(r'<button class="([^"]*)" data-node="([^"]*)"', html)
    assert sorted(key for _, key in drawn) == sorted(data) and len(drawn) == len(set(drawn)) > 6
    assert sum(kind.endswith(" end") for kind, _ in drawn) == 1
    for told in data.values():
        assert told["fate"] and told["text"].endswith(told["piece"]) and len(told["others"]) == 5
        assert told["parent"] in data or told["parent"] == "-1"
    assert "ba &lt;/script&gt; &lt;b&gt;" in html and "The reference" in html


def test_the_command_tells_mistakes_and_takes_a_beam_of_one(trained_run: Path, tmp_path: Path) -> None:
    model = ("--model", str(trained_run))
    for sentence in ("", "  "):
        done = run_mt("explain", sentence, *model)
        assert done.exit_code == 2 and "there is no text in the sentence" in done.stderr
    done = run_mt("explain", "ba", *model, "--html", str(tmp_path))
    assert done.exit_code == 2 and "it is a folder" in done.stderr
    assert run_mt("explain", "ba", *model, "--beam", "0").exit_code == 2
    done = run_mt("explain", "ba de", *model, "--beam", "1", "--length-penalty", "0")
    assert done.exit_code == 0 and "→ ba de" in done.stdout and "Greedy search (a beam of 1), length penalty 0" in done.stdout
    assert "The cut at each step" not in done.stdout
    assert "The cut at each step" in run_mt("explain", "ba de", *model, "--beam", "3").stdout
    with pytest.raises(DataError):
        loaded = load_model(trained_run)
        explain(loaded.model, loaded.tokenizer, "", None, DecodingConfig())


def test_a_piece_that_was_forbidden_is_not_called_a_worse_way(trained_run: Path) -> None:
    """With no_repeat_ngram the most probable piece may not be written; that is no choice of the beam."""
    loaded = load_model(trained_run)
    options = DecodingConfig(beam_size=1, no_repeat_ngram=1)
    explanation = explain(loaded.model, loaded.tokenizer, "ba ba", None, options)
    written = [step.piece for step in explanation.look.steps]
    likelier = [[piece for piece, share in step.alternatives if share > step.probability] for step in explanation.look.steps]
    forbidden = [place for place, pieces in enumerate(likelier, 1) if pieces and set(pieces) <= set(written[: place - 1])]
    assert forbidden and explanation.forbidden() == forbidden
    text, html = explain_text(explanation), explain_page(explanation)
    assert "† every more probable piece was forbidden: it would have repeated 1 pieces in a row (decoding.no_repeat_ngram)" in text
    assert f"{written[forbidden[0] - 1]} †" in text and "the whole scores higher this way" not in text + html
    assert explain(loaded.model, loaded.tokenizer, "ba ba", None, DecodingConfig(beam_size=1)).forbidden() == []
