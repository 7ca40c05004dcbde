"""`mt diff`: every difference is shown, nothing else is, and scores are called comparable only where they are."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from mt.config import Config, CorpusConfig
from mt.config_file import load_config
from mt.run_diff import comparability, config_rows, data_rows, diff_text, score_rows
from mt.run_record import Record, flat_config, read_record
from mt.runs import RunDirectory
from mt.text_table import display_width
from tests.command_line import run_mt


@pytest.fixture
def pair(trained_run: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Two equal runs."""
    folders = tmp_path / "runs" / "one", tmp_path / "runs" / "two"
    for folder in folders:
        shutil.copytree(trained_run, folder, symlinks=True)
    return folders


def edit(run: Path, name: str, **changes: object) -> None:
    content = json.loads((run / name).read_text(encoding="utf-8"))
    (run / name).write_text(json.dumps(content | changes), encoding="utf-8")


def records(pair: tuple[Path, Path]) -> tuple[Record, Record]:
    first, second = (read_record(RunDirectory(path)) for path in pair)
    return first, second


def test_equal_runs_say_so(pair: tuple[Path, Path]) -> None:
    outcome = run_mt("diff", "one", "two")
    assert outcome.exit_code == 0, outcome.stderr
    assert "Nothing differs" in outcome.stdout
    assert not any(part in outcome.stdout for part in ("configuration\n", "tokenizer\n", "scores\n"))


def test_every_setting_that_differs_is_shown_with_both_values_and_no_other(pair: tuple[Path, Path]) -> None:
    path = pair[1] / "config.yaml"
    text = path.read_text(encoding="utf-8")
    for before, after in (("  d_ff: 128", "  d_ff: 256"), ("  seed: 1", "  seed: 4"), ("name: copy", "name: other")):
        assert before in text
        text = text.replace(before, after)
    path.write_text(text, encoding="utf-8")
    assert config_rows(*records(pair)) == [["model.d_ff", "128", "256"], ["training.seed", "1", "4"], ["decoding.seed", "1", "4"]]
    outcome = run_mt("diff", "one", "two")
    assert [line.split() for line in outcome.stdout.splitlines() if "d_ff" in line] == [["model.d_ff", "128", "256"]]
    assert "\n\ntokenizer\n" not in outcome.stdout and "\n\nscores\n" not in outcome.stdout and "\n  name " not in outcome.stdout


def test_data_tokenizer_versions_and_scores_are_compared(pair: tuple[Path, Path]) -> None:
    edit(pair[1], "environment.json", torch="2.9.0", gpu="H100")
    edit(pair[1], "data.json", fingerprint="feed" * 16, train=[{"name": "copy", "pairs": 3900, "too_long": [4, 5], "lopsided": [6]}])
    (pair[1] / "tokenizer.model").unlink()
    made = run_mt("tokenizer", "--config", "copy", "--set", "tokenizer.model_type=bpe", "--output", str(pair[1]))
    assert made.exit_code == 0, made.stderr
    edit(pair[1], "summary.json", valid={"loss": 1.5, "bleu": 20.25, "chrf": 30.0}, seconds=7200)
    text = run_mt("diff", "one", "two").stdout
    for part in ("torch", "2.9.0", "H100", "fingerprint", "feedfeedfeed", "4,000 pairs", "3,900 pairs, 3 left out", "hash", "valid BLEU",
                 "20.25", "2.0 h"):  # fmt: skip
        assert part in text, part
    bleu = json.loads((pair[0] / "summary.json").read_text())["valid"]["bleu"]
    [row] = [row for row in score_rows(*records(pair)) if row[0] == "valid BLEU"]
    assert row[1:] == [f"{bleu:.2f}", "20.25", f"{20.25 - bleu:+.2f}"]


def test_a_corpus_is_compared_by_its_name(pair: tuple[Path, Path]) -> None:
    first = replace(records(pair)[0], config={"data.train": "kss, pydocs", "data.train[kss].weight": 3.0, "data.train[pydocs].weight": 1.0})
    second = replace(first, config={"data.train": "tatoeba, kss", "data.train[tatoeba].weight": 1.0, "data.train[kss].weight": 2.0})
    assert config_rows(first, second) == [["data.train", "kss, pydocs", "tatoeba, kss"], ["data.train[kss].weight", "3", "2"]]
    assert config_rows(first, replace(first, config=first.config | {"data.train": ""})) == [["data.train", "kss, pydocs", "none"]]


# ── what may be compared ─────────────────────────────────────────────────────────────────────────────────────────────


def told(first: Record, second: Record) -> str:
    return " ".join(comparability(first, second))


def with_config(record: Record, **changes: object) -> Record:
    return replace(record, config={**record.config} | {key.replace("__", "."): value for key, value in changes.items()})


def with_test(record: Record, **changes: object) -> Record:
    return replace(record, facts=replace(record.facts, test={**record.facts.test} | changes))


def test_scores_are_comparable_only_where_they_are(pair: tuple[Path, Path]) -> None:
    one, two = records(pair)
    same = told(one, two)
    assert "Valid BLEU and chrF: yes" in same and "Valid loss: yes" in same and "Test scores: yes" in same and " no," not in same
    assert "Valid loss and perplexity: no" in told(one, replace(two, tokenizer="another"))
    assert "Valid BLEU and chrF: yes" in told(one, replace(two, tokenizer="another"))
    assert "Valid scores: no, these are other validation pairs" in told(one, with_config(two, data__valid="kss"))
    assert "is another" in told(one, replace(two, fingerprint="another"))
    assert "not exactly; 100 of the pairs" in told(one, with_config(two, training__validate_sentences=7))
    assert "Test scores: no, these are other test pairs" in told(one, with_config(two, data__test="kss"))
    assert "Test scores: no, of 500 sentences and of 7" in told(with_test(one, sentences=500), with_test(two, sentences=7))
    other = {"score": 1.0, "signature": "tok:zh"}
    assert "Test BLEU: no, of the same" in told(one, with_test(two, bleu=other)) and "tok:zh" in told(one, with_test(two, bleu=other))
    assert "decoding.beam_size 1 and 5" in told(one, with_config(two, decoding__beam_size=5))
    assert "Only the seed differs" in told(one, with_config(two, training__seed=5))
    assert told(one, replace(two, facts=replace(two.facts, valid=None, test=None))) == ""


def test_an_unfinished_run_says_whose_scores_these_are(pair: tuple[Path, Path]) -> None:
    for name in ("summary.json", "model.safetensors"):
        (pair[1] / name).unlink()
    text = run_mt("diff", "one", "two").stdout
    assert "its valid scores are those of its best checkpoint so far" in " ".join(text.split())
    assert "Test scores" not in text


# ── mistakes and damage ──────────────────────────────────────────────────────────────────────────────────────────────


def test_mistakes_are_told(pair: tuple[Path, Path]) -> None:
    Path("folder").mkdir()
    for arguments, part in ((["one"], "second"), (["one", "nonesuch"], "no run 'nonesuch'"),
                            (["one", str(pair[0])], "one and the same run"), (["one", "folder"], "not a run directory")):  # fmt: skip
        outcome = run_mt("diff", *arguments)
        assert (outcome.exit_code, outcome.stdout) == (2, ""), arguments
        assert part.lower() in outcome.stderr.lower() and "--model" not in outcome.stderr, outcome.stderr


@pytest.mark.parametrize("name", ["summary.json", "environment.json", "data.json", "tokenizer.model", "model.safetensors", "metrics.jsonl"])
def test_what_cannot_be_read_of_a_run_is_noted(name: str, pair: tuple[Path, Path]) -> None:
    (pair[1] / name).write_bytes(b"\x00\x01")
    outcome = run_mt("diff", "one", "two")
    assert outcome.exit_code == 0, outcome.stderr
    assert name == "metrics.jsonl" or "note: two: " in outcome.stdout


def test_a_configuration_of_another_version_is_compared_as_it_is_written(pair: tuple[Path, Path]) -> None:
    path = pair[1] / "config.yaml"
    path.write_text(path.read_text().replace("  d_ff: 128", "  d_gg: 5\n  d_ff: 128"))
    outcome = run_mt("diff", "one", "two")
    assert outcome.exit_code == 0 and "compared as it is written" in outcome.stdout
    assert ["model.d_gg", "—", "5"] in [line.split() for line in outcome.stdout.splitlines()]


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_tables_keep_to_the_width(width: int, pair: tuple[Path, Path]) -> None:
    one, two = records(pair)
    two = with_config(two, data__train="a corpus with quite a long name, and another one, and a third of them, as some have", model__d_ff=7)
    for line in diff_text(one, two, width).splitlines()[3:]:
        assert display_width(line) <= width or "a corpus with" in line or len(line.split()) == 1


def test_corpora_of_one_name_are_told_apart(pair: tuple[Path, Path]) -> None:
    """Two files a/kss/train.tsv and b/kss/train.tsv are both called kss/train; neither hides the other."""
    first, second = (flat_config(two_corpora(weight)) for weight in (5.0, 1.0))
    assert first["data.train"] == "kss/train, kss/train (2)"
    assert {key for key in first if first[key] != second[key]} == {"data.train[kss/train].weight"}
    for path, pairs in zip(pair, (10, 30), strict=True):
        parts = [{"name": "kss/train", "pairs": pairs, "too_long": [], "lopsided": []},
                 {"name": "kss/train", "pairs": 20, "too_long": [1], "lopsided": []}]  # fmt: skip
        edit(path, "data.json", train=parts)
    one, two = records(pair)
    assert {name: corpus.pairs for name, corpus in one.corpora.items()} == {"kss/train": 10, "kss/train (2)": 20}
    assert data_rows(one, two) == [["kss/train", "10 pairs", "30 pairs"]]


def two_corpora(weight: float) -> Config:
    """A configuration with two training corpora of one name, the first of that weight."""
    corpora = [CorpusConfig(file=Path(f"{folder}/kss/train.tsv"), weight=w) for folder, w in (("a", weight), ("b", 1.0))]
    config = load_config("copy")
    return config.model_copy(update={"data": config.data.model_copy(update={"train": tuple(corpora)})})
