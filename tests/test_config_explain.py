"""`mt config`: what is said of a setting is true, and what is shown reads back to the same configuration."""

import ast
import os
import re
from pathlib import Path
from unittest import mock

import pytest

import mt.config
from mt.config_advice import LOG, REFUSALS, USUAL, Refusal, refusals_of
from mt.config_explain import Resolved, all_keys, changed_yaml, explain_section, explain_setting, find_setting, sections
from mt.config_file import default_config, load_config
from mt.config_kinds import kind_in_words
from mt.config_problems import every_key
from mt.errors import ConfigError
from mt.text_table import display_width
from tests.command_line import run_mt

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = sorted(path.stem for path in (ROOT / "configs").glob("*.yaml"))


# ── what is known beyond the docstrings ──────────────────────────────────────────────────────────────────────────────


def test_advice_is_about_settings_there_are() -> None:
    named = {key for refusal in REFUSALS for key in refusal.keys} | USUAL.keys()
    assert named <= {*all_keys()}


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: " ".join(refusal.example))
def test_every_refusal_is_one(refusal: Refusal) -> None:
    """Its example is refused, with a message that names one of its keys."""
    with pytest.raises(ConfigError) as caught:
        default_config(refusal.example)
    assert any(key.split(".")[-1] in str(caught.value) for key in refusal.keys)


def test_every_combination_that_the_configuration_refuses_is_listed() -> None:
    """Read from the source: the keys that stand in a `Combination`, each in its section."""
    names = {kind.__name__: name for name, kind in sections().items()}
    missing = []
    for section in ast.parse(Path(mt.config.__file__).read_text(encoding="utf-8")).body:
        if not isinstance(section, ast.ClassDef):
            continue
        for call in ast.walk(section):
            if not (isinstance(call, ast.Call) and ast.unparse(call.func) == "Combination" and isinstance(call.args[0], ast.Tuple)):
                continue
            keys = [item.value for item in call.args[0].elts if isinstance(item, ast.Constant)]
            keys = [key if section.name == "Config" else f"{names[section.name]}.{key}" for key in keys]
            if not any({*keys} <= {*refusal.keys} for refusal in REFUSALS):
                missing.append((section.name, keys))
    assert missing == []


def test_figures_that_are_said_to_stand_in_the_log_stand_there() -> None:
    texts = [(ROOT / "docs/LOG.md").read_text(encoding="utf-8"), (ROOT / "configs/multi30k-en-de.yaml").read_text(encoding="utf-8")]
    joined = [re.sub(r"(?<=\d) (?=\d{3})", "", text) for text in texts]
    known = {number.rstrip(".").replace(",", "") for text in joined for number in re.findall(r"\d[\d.,]*", text)}
    for key, usual in USUAL.items():
        for words in (one.words for one in usual if one.source.startswith(LOG)):
            numbers = {number.rstrip(".,").replace(",", "") for number in re.findall(r"\d[\d.,]*", re.sub(r"Multi30k", "", words))}
            assert numbers <= known, (key, numbers - known)


# ── types and ranges ─────────────────────────────────────────────────────────────────────────────────────────────────

KINDS = {
    "training.seed": "a whole number, at least 0, below 4294967296",
    "training.learning_rate": "a number, above 0, at most 1000",
    "training.betas": "2 numbers in a list, each at least 0, below 1",
    "training.device": "auto, cpu, cuda, cuda:N or mps",
    "training.compile": "true or false",
    "model.cell": "lstm or gru",
    "tokenizer.character_coverage": "a number, at least 0.98, at most 1",
    "corpus.file": "a file ending in .tsv, .csv, .jsonl, .json, .parquet, .tsv.gz, .csv.gz, .jsonl.gz, .json.gz",
    "corpus.split": "text, not empty",
    "name": "a plain folder name",
    "data.train": "a built-in corpus (demo, copy, reverse), a file, a corpus's keys, or a list of those",
}


@pytest.mark.parametrize("key", KINDS)
def test_types_and_ranges_are_told_in_words(key: str) -> None:
    setting = find_setting(key)
    assert not isinstance(setting, str)
    assert kind_in_words(setting.information) == KINDS[key]


def test_a_range_that_is_told_is_the_range_that_is_kept() -> None:
    """At its lower end a number is accepted or refused as the words say, and below it refused."""
    checked = 0
    for key in (key for key in every_key() if "." in key):
        setting = find_setting(key)
        assert not isinstance(setting, str)
        if not (match := re.fullmatch(r"a (whole )?number, (above|at least) (\d+)(, .*)?", kind_in_words(setting.information))):
            continue
        checked += 1
        lowest = int(match[3])
        for value, bad in ((lowest - 1, True), (lowest, match[2] == "above")):
            try:
                default_config([f"{key}={value}"])
                refused = False
            except ConfigError as error:
                refused = f"must be {match[2]} {lowest}" in str(error)
            assert refused == bad, (key, value)
    assert checked > 30


# ── mt config explain ────────────────────────────────────────────────────────────────────────────────────────────────


def explained(*arguments: str) -> str:
    """In a terminal of a hundred columns, whatever the one at hand has."""
    with mock.patch.dict(os.environ, COLUMNS="100"):
        outcome = run_mt("config", "explain", *arguments)
    assert outcome.exit_code == 0, outcome.stderr
    return outcome.stdout


def test_a_value_is_told_with_the_line_it_was_written_in() -> None:
    text = explained("training.learning_rate", "--config", "demo")
    match = re.search(r"value +0\.004 \((\S+demo\.yaml), line (\d+)\)", text)
    assert match is not None, text
    assert Path(match[1]).read_text(encoding="utf-8").splitlines()[int(match[2]) - 1].startswith("  learning_rate: 0.004")
    assert "The peak learning rate" in text and "a number, above 0" in text and "default   0.0007" in text
    assert re.search(r"0\.000699: base", text) and re.search(r"0\.004: demo, ko-en", text)
    assert "a min_learning_rate above learning_rate (now training.min_learning_rate is 0.0)" in text


def test_a_value_that_was_set_on_the_command_line_says_so() -> None:
    text = explained("warmup_steps", "--config", "demo", "--set", "training.warmup_steps=7")
    assert "training.warmup_steps" in text and re.search(r"value +7 \(--set training\.warmup_steps=7\)", text)


def test_a_value_of_an_extended_file_names_that_file(tmp_path: Path) -> None:
    Path("mine.yaml").write_text("extends: copy\ntraining:\n  seed: 5\n")
    assert re.search(r"value +5 \(mine\.yaml, line 3\)", explained("training.seed", "--config", "mine.yaml"))
    assert re.search(r"value +64 \(\S*copy\.yaml, line \d+\)", explained("model.d_model", "--config", "mine.yaml"))
    assert re.search(r"value +0 \(default\)", explained("training.max_epochs", "--config", "mine.yaml"))
    assert re.search(r"value +mine \(the name of the file\)", explained("name", "--config", "mine.yaml"))


def test_without_a_configuration_there_is_a_default_and_no_value() -> None:
    text = explained("dropout")
    assert text.startswith("model.dropout\n") and "\nvalue" not in text and "default   0.1" in text
    assert "none; it must be given" in explained("data.train")


def test_the_keys_of_a_corpus_are_explained_too(tmp_path: Path) -> None:
    Path("mine.yaml").write_text("data:\n  train:\n    - demo\n    - {builtin: copy, weight: 3}\n")
    text = explained("weight", "--config", "mine.yaml")
    assert "1.0 (data.train[0].weight, default)" in text and "3.0 (data.train[1].weight, mine.yaml, line 4)" in text
    assert "3.0" in explained("data.train[1].weight", "--config", "mine.yaml")
    assert "a number, above 0, at most 1000000" in explained("data.train[7].weight", "--config", "mine.yaml")


@pytest.mark.parametrize("name", sections())
def test_a_section_is_a_table_of_all_its_keys(name: str) -> None:
    text = explained(name, "--config", "copy")
    assert {line.split()[0] for line in text.splitlines() if line[:1].strip()} == {"key", *sections()[name].model_fields}


def test_nothing_asked_is_answered_with_the_sections() -> None:
    text = explained()
    assert all(f"{name} …" in text for name in sections())


@pytest.mark.parametrize(
    ("key", "parts"),
    [
        ("learning_rte", ["there is no setting 'learning_rte'", "training.learning_rate"]),
        ("training.learningrate", ["training.learning_rate"]),
        ("model.seed", ["training.seed", "decoding.seed"]),
        ("lr", ["training.learning_rate"]),
        ("heads", ["did you mean model.num_heads?"]),
        ("batch_size", ["max_tokens"]),
        ("layers", ["model.encoder_layers", "model.decoder_layers"]),
        ("seed", ["could be training.seed or decoding.seed"]),
        ("max_tokens", ["training.max_tokens or decoding.max_tokens"]),
        ("qqqq", ["data, tokenizer, model, training, decoding"]),
        ("trainig", ["did you mean training"]),
        ("a.b.c.d", ["there is no setting"]),
        ("data.train[0].nonesuch", ["there is no setting"]),
    ],
)
def test_an_unknown_or_ambiguous_key_is_refused_with_the_nearest(key: str, parts: list[str]) -> None:
    outcome = run_mt("config", "explain", key)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert all(part in outcome.stderr for part in parts), outcome.stderr


def test_a_configuration_that_is_wrong_is_refused() -> None:
    outcome = run_mt("config", "explain", "training.seed", "--config", "demo", "--set", "training.seed=-1")
    assert outcome.exit_code == 2 and "must be at least 0" in outcome.stderr


@pytest.mark.parametrize("width", [60, 140, *(pytest.param(width, marks=pytest.mark.slow) for width in (80, 100))])
def test_everything_can_be_explained_and_keeps_to_the_width(width: int) -> None:
    resolved = Resolved.read("demo", ())
    for key in (*all_keys(), "name", "source", "target"):
        setting = find_setting(key)
        assert not isinstance(setting, str), key
        text = explain_setting(setting, resolved, width)
        assert setting.key in text
        for line in text.splitlines():
            assert display_width(line) <= width or len(line.split()) <= 4, line  # a long path has nowhere to break
        concerned = [refusal for refusal in REFUSALS if setting.key in refusal.keys]
        assert len(refusals_of(setting.key)) == sum(refusal.words in " ".join(text.split()) for refusal in concerned)
    for name in ("", *sections()):
        assert all(display_width(line) <= max(width, 80) for line in explain_section(name, resolved, width).splitlines()), name


# ── mt config show ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", SHIPPED)
def test_what_is_shown_reads_back_to_the_same_configuration(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MT_DATA", str(tmp_path / "a folder"))
    config = load_config(name, ["training.seed=9"])
    for options in ([], ["--changed"]):
        outcome = run_mt("config", "show", "--config", name, "--set", "training.seed=9", *options)
        assert outcome.exit_code == 0, outcome.stderr
        Path("shown.yaml").write_text(outcome.stdout, encoding="utf-8")
        assert load_config("shown.yaml") == config


def test_what_is_changed_has_its_origin_and_nothing_else_is_shown() -> None:
    text = changed_yaml(Resolved.read("demo", ["training.seed=9", "training.log_every=50"]))
    assert "  seed: 9  # --set training.seed=9" in text
    assert "log_every" not in text and "source: ko" not in text  # as the default has it, whoever wrote it
    lines = re.findall(r"^ *(\w+): .*# (\S+), line (\d+)$", text, flags=re.MULTILINE)
    assert len(lines) > 15
    for key, file, number in lines:
        written = Path(file).read_text(encoding="utf-8").splitlines()[int(number) - 1]
        assert written.strip().startswith((f"{key}:", "data: demo"))


def test_the_configuration_of_a_run_is_shown(trained_run: Path) -> None:
    shown = run_mt("config", "show", "--model", str(trained_run))
    assert shown.exit_code == 0 and "  max_steps: 300" in shown.stdout
    changed = run_mt("config", "show", "--model", str(trained_run), "--changed")
    assert "  max_steps: 300  # " in changed.stdout and "log_every" not in changed.stdout


def test_one_configuration_must_be_asked_for(trained_run: Path) -> None:
    for arguments in ([], ["--config", "demo", "--model", str(trained_run)], ["--model", "nonesuch"], ["--config", "nonesuch"]):
        outcome = run_mt("config", "show", *arguments)
        assert (outcome.exit_code, outcome.stdout) == (2, ""), arguments
