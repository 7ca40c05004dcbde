"""Writing and reading a configuration is the identity, whatever the values; a value is refused before anything runs, or it works."""

import inspect
import json
import re
import types
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
import typer
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from mt.config import Config, CorpusConfig, DataConfig, DecodingConfig, ModelConfig, TokenizerConfig, TrainingConfig
from mt.config_file import dump_config, load_config, replace_fields
from mt.config_problems import every_key
from mt.errors import ConfigError
from tests.command_line import run_mt

ODD_TEXT = st.text(st.sampled_from("aZ0~$ {}'\"\\#:-%&*!|>@`,[]?\t\n\r\x07\x85\u2028\ufeff가힣\u1100\u1161é😀/."), min_size=1, max_size=12)
NAMES = st.text(st.sampled_from("aZ0~$ {}'#-%&!@`,[]가é😀."), min_size=1, max_size=12)
PATHS = st.builds(lambda text, odd: Path(text + odd), ODD_TEXT, st.sampled_from(["", "\udcff"]))  # as Python has bytes that are not UTF-8
SECTIONS = {"tokenizer": TokenizerConfig, "model": ModelConfig, "training": TrainingConfig, "decoding": DecodingConfig}


def bounds(metadata: list[Any]) -> dict[str, Any]:
    """gt, ge, lt and le of a field."""
    flat = [inner for one in metadata for inner in (one.metadata if isinstance(one, FieldInfo) else [one])]
    return {name: getattr(one, name) for name in ("gt", "ge", "lt", "le") for one in flat if getattr(one, name, None) is not None}


def values(annotation: Any, metadata: list[Any]) -> st.SearchStrategy:
    """Values that a field of this type accepts."""
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *beside = get_args(annotation)
        return values(inner, [*metadata, *beside])
    if origin in (Union, types.UnionType):
        return st.one_of(*(values(part, metadata) for part in get_args(annotation)))
    if origin is Literal:
        return st.sampled_from(get_args(annotation))
    if origin is tuple:
        return st.tuples(*(values(part, []) for part in get_args(annotation)))
    limits = bounds(metadata)
    if annotation is int:
        return st.integers(limits.get("ge", 0), limits.get("le", limits.get("lt", 1) - 1))
    if annotation is float:
        return st.floats(limits.get("ge", limits.get("gt")), limits.get("le", limits.get("lt")), allow_nan=False,
                         exclude_min="gt" in limits, exclude_max="lt" in limits)  # fmt: skip
    if annotation is bool:
        return st.booleans()
    if annotation is type(None):
        return st.none()
    assert annotation is str, annotation
    return st.sampled_from(["cpu", "cuda:1"])  # training.device, the only text in these sections


@st.composite
def corpora(draw: st.DrawFn) -> CorpusConfig:
    """A corpus of any kind with odd names."""
    weight = draw(st.sampled_from([1.0, 0.1 + 0.2, 1000.0, 0.0001]))
    common = {"name": draw(st.none() | ODD_TEXT), "weight": weight}
    columns = {"source_column": draw(st.none() | ODD_TEXT | st.just("")), "target_column": draw(st.none() | ODD_TEXT)}
    kind = draw(st.sampled_from(["builtin", "sides", "file", "dataset"]))
    if kind == "builtin":
        return CorpusConfig(builtin=draw(st.sampled_from(["demo", "copy", "reverse"])), **common)
    if kind == "sides":
        return CorpusConfig(source=draw(PATHS), target=draw(PATHS), **common)
    if kind == "file":
        path = draw(PATHS)
        return CorpusConfig(file=path.with_name(f"{path.name}x.tsv") if path.name else Path("x.tsv"), **common, **columns)
    return CorpusConfig(dataset=draw(ODD_TEXT), subset=draw(st.none() | ODD_TEXT), split=draw(ODD_TEXT), **common, **columns)


@st.composite
def configs(draw: st.DrawFn) -> Config:
    """A valid configuration: some fields of each section drawn from all they accept, and one to three corpora."""
    sections = {}
    for name, section in SECTIONS.items():
        fields = draw(st.lists(st.sampled_from(list(section.model_fields)), unique=True, max_size=4))
        chosen = {field: draw(values(section.model_fields[field].annotation, section.model_fields[field].metadata)) for field in fields}
        try:
            sections[name] = section(**chosen)
        except ValidationError:
            sections[name] = section()  # a combination that is refused
    train = draw(st.lists(corpora(), min_size=1, max_size=3))
    try:
        return Config(name=draw(NAMES), source=draw(st.sampled_from(["ko", "no", "pt-br"])), target="en",
                      data=DataConfig(train=tuple(train), max_ratio=draw(st.sampled_from([0.0, 1.0, 1e6]))), **sections)  # fmt: skip
    except ValidationError:
        assume(False)
        raise


@settings(max_examples=150, deadline=None, phases=[Phase.explicit, Phase.generate],
          suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.function_scoped_fixture])  # fmt: skip
@given(config=configs())
def test_writing_and_reading_a_configuration_is_the_identity(config: Config, tmp_path: Path) -> None:
    """As YAML, as JSON, and when settings are replaced: a path that was expanded once is not expanded again."""
    path = tmp_path / "written.yaml"
    path.write_text(dump_config(config), encoding="utf-8")
    assert load_config(path) == config
    assert Config.model_validate(json.loads(json.dumps(config.model_dump(mode="json")))) == config
    assert Config.model_validate(config.model_dump()) == config
    assert replace_fields(config, {}) == config
    changed = replace_fields(config, {"training.seed": 7})
    assert changed.data == config.data
    assert replace_fields(changed, {"training.seed": config.training.seed}) == config


def test_a_dollar_in_the_value_of_a_variable_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder called `m$y` or `~x` is that folder in every later reading, whichever way its name came in."""
    monkeypatch.setenv("PAIRS", "m$y/~")
    meanings = {"m$$y/p.tsv": "m$y/p.tsv", "$PAIRS/p.tsv": "m$y/~/p.tsv", "./~x.tsv": "~x.tsv", "$$HOME.tsv": "$HOME.tsv"}
    for written, meant in meanings.items():
        config = load_config("demo", [f"data.train={{file: '{written}'}}"])
        for _ in range(3):
            assert config.data.train[0].file == Path(meant)
            config = replace_fields(config, {"decoding.beam_size": 3})
            (tmp_path / "c.yaml").write_text(dump_config(config), encoding="utf-8")
            config = load_config(tmp_path / "c.yaml")


def test_a_run_with_a_dollar_in_its_paths_ends_and_translates(tmp_path: Path) -> None:
    """Training writes its summary with test scores, and the run is usable afterwards."""
    folder = tmp_path / "m$y"
    folder.mkdir()
    for name, text in {"p.ko": "나는 간다.\n너는 온다.\n" * 20, "p.en": "I go.\nYou come.\n" * 20}.items():
        (folder / name).write_text(text, encoding="utf-8")
    pairs = '{source: "m$$y/p.ko", target: "m$$y/p.en"}'
    (tmp_path / "dollar.yaml").write_text(f"""
data: {{train: {pairs}, valid: {pairs}, test: {pairs}}}
tokenizer: {{vocab_size: 300}}
model: {{d_model: 16, num_heads: 2, d_ff: 16, encoder_layers: 1, decoder_layers: 1}}
training: {{max_steps: 2, validate_sentences: 2, device: cpu, threads: 1}}
decoding: {{max_length_extra: 3, max_length_ratio: 0.1}}
""", encoding="utf-8")  # fmt: skip
    train, translate = ["train", "--config", "dollar.yaml"], ["translate", "-m", "dollar", "나는 간다."]
    for command in (train, translate, train):
        outcome = run_mt(*command)
        assert outcome.exit_code == 0, outcome.stderr
    assert "bleu" in (tmp_path / "runs" / "dollar" / "summary.json").read_text(encoding="utf-8")


TOO_LARGE = {
    "decoding.length_penalty": "1000", "decoding.max_length_ratio": "1e308", "decoding.beam_size": "20000", "decoding.mbr": "20000",
    "decoding.nbest": "2000000", "decoding.temperature": "1e-300", "decoding.coverage_penalty": "1e308",
    "decoding.max_length_extra": "1000000000",
    "training.learning_rate": "1e300", "training.min_learning_rate": "1e300", "training.muon_learning_rate": "1e300",
    "training.epsilon": "1e-300", "training.weight_decay": "1e300", "training.r_drop": "1e300", "training.clip_norm": "1e300",
    "training.max_hours": "1e300", "training.max_steps": "10000000000000000000000", "training.threads": "1000000",
    "tokenizer.character_coverage": "0.5", "tokenizer.vocab_size": "10000000000", "model.d_model": "10000000000",
    "model.encoder_layers": "10000000", "data.max_ratio": "1e308", "data.train[0].weight": "1e308",
}  # fmt: skip


@pytest.mark.parametrize("key", TOO_LARGE)
def test_a_value_that_would_fail_later_is_refused_at_once(key: str) -> None:
    """With the key, the value and the bound."""
    with pytest.raises(ConfigError, match=r"must be (at least|at most|above|below) ") as refused:
        load_config("demo", [f"{key}={TOO_LARGE[key]}"])
    assert key in str(refused.value)


def test_every_number_has_a_range() -> None:
    """A field without a lower and an upper bound would pass values that fail in the middle of a training."""
    for key in every_key():
        section, _, name = key.rpartition(".")
        field = (SECTIONS | {"data": DataConfig, "": Config})[section].model_fields[name]
        if field.annotation in (int, float):
            limits = bounds(field.metadata)
            assert {"ge", "gt"} & set(limits) and {"le", "lt"} & set(limits), key


@pytest.mark.parametrize(
    ("command", "option"),
    [
        (["eval", "--reference", "a", "--source", "s", "--reference", "b"], "--reference"),
        (["translate", "--output", "a", "-o", "b", "x"], "--output/-o"),
        (["translate", "--shortlist", "--no-shortlist", "x"], "--shortlist/--no-shortlist"),
        (["tokenizer", "--config", "demo", "-c", "base"], "--config/-c"),
        (["config", "explain", "-c", "demo", "-c", "base"], "--config/-c"),
        (["inspect", "doctor", "a", "b"], "unexpected extra argument"),
    ],
)
def test_an_option_given_twice_is_refused(command: list[str], option: str) -> None:
    """The parser keeps the last value, so that the first would silently not count."""
    outcome = run_mt(*command)
    assert outcome.exit_code == 2
    assert option in outcome.stderr


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["translate", "--length-penalty", "1000", "ba"], "decoding.length_penalty: must be at most 10, not 1000"),
        (["translate", "--beam", "20000", "ba"], "decoding.beam_size: must be at most 5000, not 20000"),
        (["translate", "--mbr", "20000", "ba"], "decoding.mbr: must be at most 5000, not 20000"),
        (["translate", "--nbest", "2000000", "ba"], "decoding.nbest: must be at most 100000, not 2000000"),
        (["translate", "--method", "sampling", "--temperature", "1e-300", "ba"], "decoding.temperature: must be at least 1e-30, not"),
        (["eval", "--length-penalty", "1000"], "decoding.length_penalty: must be at most 10, not 1000"),
        (["explain", "--length-penalty", "-3", "ba"], "decoding.length_penalty: must be at least 0, not -3"),
        (["explain", "--beam", "20000", "ba"], "decoding.beam_size: must be at most 5000, not 20000"),
        (["selftest", "--beam", "20000"], "decoding.beam_size: must be at most 5000, not 20000"),
        (["score", "--length-penalty", "1000", "s.txt", "s.txt"], "decoding.length_penalty: must be at most 10, not 1000"),
        (["train", "--config", "copy", "--max-minutes", "0"], "--max-minutes 0: must be above 0; leave it out to train"),
        (["train", "--config", "copy", "--max-hours", "-1"], "--max-hours -1: must be above 0"),
        (["train", "--config", "copy", "--max-hours", "1", "--set", "training.max_hours=2"], "give --max-hours or --set"),
    ],
)
def test_every_command_refuses_what_is_out_of_range(command: list[str], message: str, trained_run: Path, tmp_path: Path) -> None:
    """Before anything runs, with key, value and bound, whichever command takes the option."""
    (tmp_path / "s.txt").write_text("ba\n", encoding="utf-8")
    outcome = run_mt(*command, *([] if command[0] == "train" else ["--model", str(trained_run)]))
    assert outcome.exit_code == 2, outcome.stdout
    assert message in outcome.stderr
    assert "Traceback" not in outcome.stderr


@pytest.mark.parametrize(
    ("command", "names"),
    [
        (["score", "a.ko", "a.en", "--output", "a.ko"], "SOURCE and --output are the same file, a.ko; choose another name for --output"),
        (["score", "a.ko", "a.en", "-o", "./a.en"], "TARGET and --output are the same file"),
        (["eval", "--source", "a.ko", "--reference", "a.en", "--output", "a.en"], "--reference and --output are the same file"),
        (["eval", "--output", "s", "--json", "s"], "--output and --json are the same file"),
        (["translate", "--input", "a.ko", "--output", "o", "--alignment", "o"], "--output and --alignment are the same file"),
        (["translate", "--input", "a.ko", "--output", "a.ko"], "--input and --output are the same file"),
        (["inspect", "attention", "ba", "--html", "x", "--png", "x"], "--html and --png are the same file"),
        (["check", "a.ko", "a.en", "--json", "a.en"], "FILES and --json are the same file"),
        (["init", "a.ko", "a.en", "--valid", "v.tsv", "--output", "v.tsv"], "--valid and --output are the same file"),
    ],
)
def test_no_command_writes_over_what_it_reads(command: list[str], names: str, tmp_path: Path) -> None:
    """Whatever the command: the files that are read stay, and two outputs never share a file."""
    for name in ("a.ko", "a.en"):
        (tmp_path / name).write_text("ba\n", encoding="utf-8")
    outcome = run_mt(*command)
    assert outcome.exit_code == 2
    assert names in outcome.stderr
    assert (tmp_path / "a.ko").read_text() == (tmp_path / "a.en").read_text() == "ba\n"
    assert not (tmp_path / "o").exists()


def test_every_path_that_a_command_writes_is_known_as_one() -> None:
    """By its help: a new option that writes a file must be among WRITTEN, or it could overwrite what is read."""
    from mt.cli import app
    from mt.cli_options import WRITTEN

    def callbacks(group: typer.Typer) -> list:
        return [command.callback for command in group.registered_commands] + [
            callback for inner in group.registered_groups for callback in callbacks(inner.typer_instance)]  # fmt: skip

    found = set()
    for callback in callbacks(app):
        for parameter in inspect.signature(callback, eval_str=True).parameters.values():
            kind, *information = get_args(parameter.annotation) if get_origin(parameter.annotation) is Annotated else [None]
            text = " ".join(str(getattr(one, "help", "")) for one in information)
            if Path in (kind, *get_args(kind)) and re.search(r"\b([Ww]rite|[Dd]raw|List the)", text):
                found.add(parameter.name)
    assert {"output", "html", "json_file", "fix"} <= found
    assert found - {"fix"} <= set(WRITTEN)  # the folder of --fix must be empty or new


def test_what_may_be_repeated_may(tmp_path: Path) -> None:
    """--set of two keys, and of one key the last; a flag."""
    outcome = run_mt("config", "show", "--config", "demo", "--set", "training.seed=5", "--set", "training.seed=6", "--changed", "--changed")
    assert outcome.exit_code == 0
    assert "seed: 6" in outcome.stdout
