"""Configurations: what is accepted, and every refusal with its file, line, key, value and hint."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mt.config import Config, CorpusConfig, DataConfig, DecodingConfig, ModelConfig, TokenizerConfig, TrainingConfig
from mt.config_file import dump_config, find_config, json_schema, load_config
from mt.errors import ConfigError

CONFIGS = Path(__file__).resolve().parent.parent / "configs"
SHIPPED = sorted(path.name for path in CONFIGS.glob("*.yaml"))
SECTIONS = (Config, DataConfig, CorpusConfig, TokenizerConfig, ModelConfig, TrainingConfig, DecodingConfig)


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a file into an otherwise empty current directory and return its name."""
    monkeypatch.chdir(tmp_path)

    def write_file(text: str | bytes, name: str = "x.yaml") -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return name

    return write_file


def refusal(reference: str, *overrides: str) -> str:
    """The message with which a configuration is refused."""
    with pytest.raises(ConfigError) as caught:
        load_config(reference, overrides)
    message = str(caught.value)
    assert "pydantic" not in message.lower()
    assert "http" not in message
    return message


# ── what is accepted ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_configuration_needs_only_its_data(write):
    """`data: demo` is a whole configuration; everything else has a default and the name comes from the file."""
    config = load_config(write("data: demo\n", "first-try.yaml"))
    assert config == Config(name="first-try", data=DataConfig(train="demo", valid="demo", test="demo"))
    assert (config.source, config.target, config.model.d_model) == ("ko", "en", 512)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_configuration_loads_and_is_written_back_exactly(name, tmp_path, monkeypatch):
    """Paths with MT_DATA are replaced, and the dump loads to an equal configuration without the variable."""
    monkeypatch.setenv("MT_DATA", str(tmp_path / "a $folder, 'quoted' #1"))
    config = load_config(CONFIGS / name)
    assert config.name == Path(name).stem
    monkeypatch.delenv("MT_DATA")
    (tmp_path / "dumped.yaml").write_text(dump_config(config), encoding="utf-8")
    assert load_config(tmp_path / "dumped.yaml") == config


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_configuration_names_its_schema(name):
    """Editors complete and check a configuration whose first line names the schema."""
    assert (CONFIGS / name).read_text(encoding="utf-8").startswith("# yaml-language-server: $schema=schema.json\n")


def test_base_is_the_paper():
    """The base model and its optimisation as in the paper; the peak rate is that of its formula."""
    config = load_config(CONFIGS / "base.yaml")
    assert config.training.learning_rate == pytest.approx(512**-0.5 * 4000**-0.5, rel=1e-3)
    assert config.model == ModelConfig()
    assert (config.training.betas, config.training.epsilon) == ((0.9, 0.98), 1e-9)


def test_yaml_is_version_1_2(write):
    """`no` is Norwegian, 1e-4 is a number, 010 is ten, a date is text, and a byte order mark is no obstacle."""
    text = "\ufeffname: 2020-01-01\nsource: no\ndata: demo\n"
    text += "training: {learning_rate: 1e-4, epsilon: 1, warmup_steps: 010}\n"
    config = load_config(write(text))
    assert (config.name, config.source) == ("2020-01-01", "no")
    assert (config.training.learning_rate, config.training.epsilon, config.training.warmup_steps) == (0.0001, 1.0, 10)


def test_shorthands_of_corpora(write):
    """A name, a file and a mapping stand for a list of one corpus, also inside a list; an empty split is empty."""
    config = load_config(
        write(
            "data:\n  train: [reverse, pairs.tsv.gz, {source: a/b.ko, target: a/b.en, weight: 2}]\n"
            "  valid: {dataset: d, split: validation}\n  test:\n"
        )
    )
    assert config.data.train == (
        CorpusConfig(builtin="reverse"),
        CorpusConfig(file=Path("pairs.tsv.gz")),
        CorpusConfig(source=Path("a/b.ko"), target=Path("a/b.en"), weight=2.0),
    )
    assert config.data.valid == (CorpusConfig(dataset="d", split="validation"),)
    assert config.data.test == ()
    assert [corpus.label for corpus in config.data.train + config.data.valid] == [
        "reverse",
        "pairs",
        "a/b",
        "d/validation",
    ]


def test_an_empty_section_keeps_its_defaults(write):
    """A heading whose keys are all commented out is no mistake."""
    assert load_config(write("data: demo\nmodel:\n  # d_model: 3\n")).model == ModelConfig()


def test_anchors_and_merge_keys_work(write):
    """YAML's own means of not repeating oneself."""
    text = "data:\n  train: &a {file: a.tsv, source_column: k}\n  valid:\n    <<: *a\n    file: b.tsv\n"
    assert load_config(write(text)).data.valid == (CorpusConfig(file=Path("b.tsv"), source_column="k"),)


def test_configurations_are_frozen():
    """A resolved configuration cannot change under a run."""
    with pytest.raises(Exception, match="frozen"):
        Config(data="demo").name = "other"  # type: ignore[misc]


# ── wrong values ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("model.d_model", "'8'", "expected a whole number, not the text '8'; write 8 without quotes"),
        ("model.d_model", "8.0", "expected a whole number, not the number 8.0; write 8"),
        ("model.d_model", "8.5", "expected a whole number, not the number 8.5"),
        ("training.max_steps", "5e3", "expected a whole number, not the number 5000.0; write 5000"),
        ("model.d_model", "true", "expected a whole number, not true"),
        ("model.d_model", "", "expected a whole number, not nothing (null); leave the line out for the default"),
        ("model.d_model", "[8]", "expected a whole number, not a list"),
        ("model.d_model", "{a: 8}", "expected a whole number, not a mapping"),
        ("model.d_model", "0", "must be at least 1, not 0"),
        ("model.dropout", "1", "must be below 1, not 1"),
        ("model.dropout", "'0.1'", "expected a number, not the text '0.1'; write 0.1 without quotes"),
        ("model.dropout", "false", "expected a number, not false"),
        ("model.activation", "geluu", "expected relu, gelu or swiglu, not the text 'geluu'; did you mean gelu?"),
        ("model.norm", "no", "expected layernorm or rmsnorm, not the text 'no'"),
        ("tokenizer.shared", "yes", "expected true or false, not the text 'yes'; write true"),
        ("tokenizer.shared", "1", "expected true or false, not the number 1"),
        ("tokenizer.character_coverage", "1.5", "must be at most 1, not 1.5"),
        ("training.learning_rate", "0", "must be above 0, not 0"),
        ("training.epsilon", ".inf", "must be finite, not inf"),
        ("training.betas", "0.9", "expected a list of two numbers, such as [0.9, 0.98], not the number 0.9"),
        ("training.betas", "[]", "expected a list of two numbers, such as [0.9, 0.98]"),
        ("training.seed", "4294967296", "must be below 4294967296, not 4294967296"),
        ("model.norm", "", "expected layernorm or rmsnorm, not nothing (null); leave the line out for the default"),
        ("training.betas", "[0.9]", "expected a list of two numbers, such as [0.9, 0.98]"),
        ("training.betas", "[0.9, 0.9, 0.9]", "expected a list of two numbers, such as [0.9, 0.98]"),
        (
            "training.device",
            "gpu",
            "the text 'gpu': expected auto, cpu, cuda, mps, or one GPU by its number such as cuda:1",
        ),
    ],
)
def test_a_wrong_value_is_told_with_place_key_and_expectation(write, key, value, sentence):
    """In a file and in a --set alike."""
    section, name = key.split(".")
    assert refusal(write(f"data: demo\n{section}:\n  # why\n  {name}: {value}\n")) == f"x.yaml, line 4: {key}: {sentence}"
    assert refusal(write("data: demo\n"), f"{key}={value}") == f"--set {key}={value}: {sentence}"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("name: 7", "name: expected text, not the number 7; write '7' with quotes"),
        (
            "name: a/b",
            "name: the text 'a/b': not a plain folder name: the run directory is called so; "
            "use letters, digits, '-', '_' and '.'",
        ),
        (
            "source: KO",
            "source: the text 'KO': not a language code: two or three lower-case letters, perhaps with a region (ko, en, pt-br)",
        ),
        ("tokenizer: 3", "tokenizer: expected keys and values below it, not the number 3"),
        ("training: {betas: [0.9, 1.5]}", "training.betas[1]: must be below 1, not 1.5"),
        ("modle: {d_model: 3}", "modle: unknown key; did you mean model?"),
        ("d_model: 3", "d_model: unknown key (value 3); did you mean model.d_model?"),
        ("model: {d_modle: 512}", "model.d_modle: unknown key (value 512); did you mean model.d_model?"),
        ("model: {dmodel: }", "model.dmodel: unknown key (value null); did you mean model.d_model?"),
        ("model: {lr: a}", "model.lr: unknown key (value 'a'); did you mean training.learning_rate?"),
        ("model: {lerning_rate: 1}", "model.lerning_rate: unknown key (value 1); did you mean training.learning_rate?"),
        ("decoding: {batch_size: 1}", "decoding.batch_size: unknown key (value 1); did you mean decoding.max_tokens?"),
        (
            "max_tokens: 1",
            "max_tokens: unknown key (value 1); did you mean training.max_tokens or decoding.max_tokens?",
        ),
        (
            "decoding: {1: 2}",
            "decoding.1: unknown key (value 2); the keys here are method, beam_size, length_penalty, max_length_ratio, "
            "max_length_extra, nbest, mbr, no_repeat_ngram, coverage_penalty, temperature, top_k, top_p, seed, max_tokens, shortlist, "
            "precision",
        ),
    ],
)
def test_names_sections_and_unknown_keys(write, line, sentence):
    """An unknown key comes with the nearest one, with the section it belongs to, or with all keys there are."""
    assert refusal(write(f"data: demo\n{line}\n")) == f"x.yaml, line 2: {sentence}"


@pytest.mark.parametrize("name", ["''", "'.'", "..", "a\\b", "' a'", "a:b", "누" * 100])
def test_a_name_is_a_plain_folder_name(write, name):
    """Names that some system cannot have as a folder are refused."""
    assert refusal(write(f"name: {name}\ndata: demo\n")).startswith("x.yaml, line 1: name: the text ")


@pytest.mark.parametrize(
    ("data", "line", "sentence"),
    [
        ("data: demoo", 1, "data: the text 'demoo': not a built-in corpus (demo, copy, reverse); files are named as "),
        ("data: [demo]", 1, "data: expected a built-in corpus, or keys and values below it, not a list"),
        ("data: {valid: demo}", 1, "data.train: missing; name a file of sentence pairs, or take `train: demo`"),
        ("data:\n  train: []", 2, "data.train: no corpus to learn from: name a file, or take `train: demo`"),
        (
            "data:\n  train: demoo",
            2,
            "data.train: the text 'demoo': neither a built-in corpus nor a file of pairs; did you mean demo?",
        ),
        (
            "data:\n  train: corpus.ko",
            2,
            "data.train: the text 'corpus.ko': neither a built-in corpus (demo, copy, reverse) nor a file ending in .tsv, "
            ".csv, .jsonl, .json (also .gz) or .parquet; two parallel text files are given as `source:` and `target:`",
        ),
        (
            "data:\n  train:\n    - demo\n    - 3",
            4,
            "data.train[1]: expected a file, a built-in corpus, or a corpus (keys and values below it), not the number 3",
        ),
        (
            "data:\n  train:\n    source: a",
            3,
            "data.train.source: source without target: parallel text needs a file for each side",
        ),
        (
            "data:\n  train:\n  - demo\n  - target: a",
            4,
            "data.train[1].target: target without source: parallel text needs a file for each side",
        ),
        (
            "data:\n  train:\n    file: a.tsv\n    dataset: b\n    split: train",
            3,
            "data.train.file: a corpus is one of builtin, source and target, file, or dataset; "
            "this one has file and dataset: remove all but one",
        ),
        (
            "data:\n  train:\n  - {weight: 2}",
            3,
            "data.train[0]: nothing says where the pairs are: give builtin, source and target, file, or dataset",
        ),
        (
            "data: {train: [{fil: a.tsv}]}",
            1,
            "data.train[0].fil: unknown key (value 'a.tsv'); did you mean data.train[0].file?",
        ),
        (
            "data: {train: {dataset: a}}",
            1,
            "data.train.dataset: dataset without split: add one, such as `split: train`",
        ),
        ("data: {train: {dataset: '', split: a}}", 1, "data.train.dataset: must not be empty"),
        (
            "data: {train: {builtin: demo, split: a}}",
            1,
            "data.train.split: split belongs to a dataset, and this corpus has none",
        ),
        (
            "data: {train: {builtin: demo, source_column: a}}",
            1,
            "data.train.source_column: source_column belongs to a file or a dataset, and this corpus has none",
        ),
        (
            "data: {train: demo, valid: [demo, {file: a.tsv, weight: 2}]}",
            1,
            "data.valid[1].weight: a weight is for training corpora: remove it",
        ),
        (
            "data: {train: demo, max_ratio: 0.5}",
            1,
            "data.max_ratio: the longer side divided by the shorter is never below 1; 0 sets no limit",
        ),
        ("data: {train: {file: [a.tsv]}}", 1, "data.train.file: expected text, not a list"),
        ("data: {train: {source: '', target: a}}", 1, "data.train.source: the text '': the path is empty"),
    ],
)
def test_wrong_corpora(write, data, line, sentence):
    """Each mistake in a corpus, under the key as the user wrote it."""
    assert refusal(write(data + "\n")).startswith(f"x.yaml, line {line}: {sentence}")


@pytest.mark.parametrize("text", ["", "# nothing\n", "tokenizer:\n"])
def test_missing_data(write, text):
    """An empty file lacks its data, and the message says what to write."""
    expected = "x.yaml: data: missing; name the sentence pairs, or take the built-in corpus with `data: demo`"
    assert refusal(write(text)) == expected


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["model.num_heads=7"],
            "--set model.num_heads=7: d_model (512) is not a multiple of num_heads (7): all heads have one width",
        ),
        (
            ["model.d_model=100"],
            "--set model.d_model=100: d_model (100) is not a multiple of num_heads (8): all heads have one width",
        ),
        (
            ["model.positions=rotary", "model.d_model=24"],
            "--set model.d_model=24: rotary positions need an even head width; d_model / num_heads is 3",
        ),
        (
            ["model={d_model: 9, num_heads: 3}"],
            "--set model={d_model: 9, num_heads: 3}: model.d_model: sinusoidal positions need an even d_model, not 9",
        ),
        (
            ["tokenizer.shared=false"],
            "--set tokenizer.shared=false: tie_embeddings: all needs one vocabulary for both sides: "
            "set tokenizer.shared to true, or model.tie_embeddings to decoder",
        ),
        (
            ["tokenizer.vocab_size=260"],
            "--set tokenizer.vocab_size=260: byte_fallback and the special pieces alone take 260 pieces: "
            "use more than 260, or `byte_fallback: false`",
        ),
        (
            ["model.positions=learned", "data.max_length=2000"],
            "--set data.max_length=2000: pairs of up to data.max_length (2000) tokens do not fit into "
            "1024 learned positions: raise max_positions or lower max_length",
        ),
        (
            ["training.average=best", "data.valid="],
            "--set training.average=best: the best checkpoints need validation pairs: give data.valid",
        ),
        (
            ["training.patience=3", "data.valid=[]"],
            "--set training.patience=3: patience needs validation pairs: give data.valid",
        ),
        (
            ["training.min_learning_rate=1"],
            "--set training.min_learning_rate=1: min_learning_rate (1) is above learning_rate (0.0007)",
        ),
        (["decoding.nbest=6"], "--set decoding.nbest=6: nbest (6) is above beam_size (5): a beam holds no more"),
        (
            ["decoding.method=greedy", "decoding.nbest=2"],
            "--set decoding.nbest=2: greedy search has one hypothesis, not 2: use method: beam",
        ),
    ],
)
def test_impossible_combinations(write, overrides, message):
    """Values that are fine one by one are refused together, at the place of the one that was written."""
    assert refusal(write("data: demo\n"), *overrides) == message


def test_what_is_possible_is_not_refused(write):
    """Short trial runs and searches that ignore the beam."""
    name = write("data: demo\n")
    assert load_config(name, ["training.max_steps=5"]).training.warmup_steps == 4000
    assert load_config(name, ["decoding={method: sampling, nbest: 9}"]).decoding.nbest == 9
    assert not load_config(name, ["tokenizer.shared=false", "model.tie_embeddings=decoder"]).tokenizer.shared


def test_all_problems_come_at_once(write):
    """One run tells every mistake: in order of the lines, with combinations whose own values are right."""
    text = (
        "source: KO\nmodel:\n  d_modle: 3\n  num_heads: 7\ntraining:\n  seed: -1\ntokenizer:\n  shared: false\n"
        "data:\n  train: {file: x.tsv, weight: 0}\n"
    )
    assert refusal(write(text), "lr=1", "data.valid").splitlines() == [
        "7 problems in the configuration:",
        "  --set data.valid: there is no '='; write it as --set section.key=value",
        "  x.yaml, line 1: source: the text 'KO': not a language code: two or three lower-case letters, "
        "perhaps with a region (ko, en, pt-br)",
        "  x.yaml, line 3: model.d_modle: unknown key (value 3); did you mean model.d_model?",
        "  x.yaml, line 6: training.seed: must be at least 0, not -1",
        "  x.yaml, line 8: tokenizer.shared: tie_embeddings: all needs one vocabulary for both sides: "
        "set tokenizer.shared to true, or model.tie_embeddings to decoder",
        "  x.yaml, line 10: data.train.weight: must be above 0, not 0",
        "  --set lr=1: unknown key (value 1); did you mean training.learning_rate?",
    ]


def test_a_refused_value_causes_no_second_problem(write):
    """A combination is not reported for the default that stands in for a refused value."""
    message = refusal(write("data: demo\nmodel: {d_model: '511', num_heads: 7}\ndecoding: {nbest: 9, beam_size: -1}\n"))
    assert message.splitlines() == [
        "2 problems in the configuration:",
        "  x.yaml, line 2: model.d_model: expected a whole number, not the text '511'; write 511 without quotes",
        "  x.yaml, line 3: decoding.beam_size: must be at least 1, not -1",
    ]


def test_long_values_are_cut(write):
    """A message stays readable whatever was pasted into the file."""
    assert len(refusal(write(f"data: demo\nmodel: {{d_model: {'a' * 5000}}}\n"))) < 200


ODD_VALUES = ["", "true", "0", "-1", "1.5", ".nan", "1e999", "x", "''", "demo", "a.tsv", "[]", "[3]", "[[]]", "{}", "{a: 1}"]


@pytest.mark.parametrize("section", ["", "data", "data.train[0]", "tokenizer", "model", "training", "decoding"])
def test_every_value_is_accepted_or_refused_in_words(write, section):
    """Odd values at every key: an equal configuration comes back from its dump, or each problem names the override."""
    name = write("data: {train: [a.tsv]}\n")
    classes = dict(zip(["data", "data.train[0]", "tokenizer", "model", "training", "decoding"], SECTIONS[1:], strict=True))
    for key in [*classes.get(section, Config).model_fields, "nothing.like.this"]:
        for value in ODD_VALUES:
            override = f"{section}.{key}={value}".removeprefix(".")
            try:
                config = load_config(name, [override])
            except ConfigError as error:
                problems = str(error).splitlines()
                assert len(set(problems)) == len(problems)
                assert all(f"--set {override}" in line for line in problems[1:] or problems), problems
            else:
                assert load_config(write(dump_config(config), "dump.yaml")) == config


# ── YAML ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data: demo\nmodel:\n\td_model: 3\n", "x.yaml, line 3, column 1: a tab; YAML is indented with spaces"),
        (
            "data: demo\nname: a\ndata: copy\n",
            "x.yaml, line 3, column 1: the key 'data' stands twice, first in line 1; remove one",
        ),
        (
            "data: demo\n name: a\n",
            "x.yaml, line 2, column 6: a ':' that cannot stand here: "
            "the line is indented too far, or text with ': ' needs quotes",
        ),
        ("data: demo\nname: 'a\n", "x.yaml, line 3, column 1: the text in quotes is never closed; it began in line 2"),
        (
            "data: demo\ntraining: {betas: [1, 2\n",
            "x.yaml, line 3, column 1: a bracket is never closed; it began in line 2",
        ),
        ("name: @a\n", "x.yaml, line 1, column 7: text that begins with '@' needs quotes"),
        (
            "data: demo\n---\ndata: copy\n",
            "x.yaml, line 2, column 1: a second document begins here ('---'); a configuration is one document",
        ),
        (b"data: demo\nname: \xed\xff\n", "x.yaml, line 2: not UTF-8 (byte 0xed); save the file as UTF-8"),
        ("data: demo\nname: a\x07\n", "x.yaml, line 2: the character U+0007 cannot stand in YAML; remove it"),
        ("- demo\n", "x.yaml: expected keys and values such as `data: demo`, not a list"),
        ("demo\n", "x.yaml: expected keys and values such as `data: demo`, not the text 'demo'"),
        ("data: !secret demo\n", "x.yaml, line 1: data: the tag !secret has no meaning here; remove it"),
    ],
)
def test_what_is_not_yaml(write, text, message):
    """File, line, column and what to do."""
    assert refusal(write(text)) == message


def test_unforeseen_syntax_errors_still_name_the_place(write):
    """Whatever else the YAML reader refuses comes with file and line."""
    assert refusal(write("data: *nowhere\n")).startswith("x.yaml, line 1, column 7: not YAML: ")
    assert refusal(write("data: demo\n]\n")).startswith("x.yaml, line 2, column 1: not YAML: ")


# ── --set ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_overrides_reach_everything(write):
    """Scalars, lists, mappings, whole sections, shorthands and items of lists; the last one wins."""
    name = write("data:\n  train: [a.tsv, b.tsv]\nmodel: {d_model: 64}\n")
    config = load_config(
        name,
        [
            "data.train.0.weight=2",
            "data.train[1]=demo",
            "training.betas=[0.9, 0.99]",
            "model.d_model=32",
            "model.d_model=128",
            "decoding={beam_size: 2}",
            "data.valid.weight=1.0",
            "data.valid.file=v.tsv",
            "name=other",
            "training.device=cuda:1",
        ],
    )
    assert config.data.train == (CorpusConfig(file=Path("a.tsv"), weight=2.0), CorpusConfig(builtin="demo"))
    assert config.data.valid == (CorpusConfig(file=Path("v.tsv")),)
    assert (config.training.betas, config.model.d_model, config.decoding.beam_size) == ((0.9, 0.99), 128, 2)
    assert (config.name, config.training.device) == ("other", "cuda:1")


def test_an_override_opens_a_shorthand(write):
    """`data: demo` keeps its splits when one key below it is set, and `data=copy` replaces the whole section."""
    name = write("data: demo\n")
    assert load_config(name, ["data.max_length=50"]).data == DataConfig(train="demo", valid="demo", test="demo", max_length=50)
    assert load_config(name, ["data.train[0].weight=3"]).data.train == (CorpusConfig(builtin="demo", weight=3.0),)
    assert load_config(name, ["data.max_length=50", "data=copy"]).data.max_length == 256


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("d_model", "there is no '='; write it as --set section.key=value"),
        ("=3", "the key before '=' is incomplete; write it as --set section.key=value"),
        ("model.=3", "the key before '=' is incomplete; write it as --set section.key=value"),
        ("model.d_modle=3", "unknown key (value 3); did you mean model.d_model?"),
        ("training.betas=[0.9", "the value: a bracket is never closed"),
        ("data.train[1].weight=2", "data.train is a list of 1 item, counted from 0: '1' is none of them"),
        ("data.train.weight=2", "data.train is a list of 1 item, counted from 0: 'weight' is none of them"),
        ("data.max_length.x=2", "data.max_length is the number 9: there is no 'x' in it"),
        ("model.d_model.x=2", "model.d_model: expected a whole number, not a mapping"),
    ],
)
def test_wrong_overrides(write, override, sentence):
    """Each says which --set it was and how to write it."""
    name = write("data: {train: [demo], max_length: 9}\n")
    assert refusal(name, override) == f"--set {override}: {sentence}"


# ── extends ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_extends_merges_mappings_and_replaces_the_rest(write):
    """Recursively, beside the file or by the name of a shipped one; the name of the run is not inherited."""
    write(
        "name: ground\nextends: base\nmodel: {d_model: 64, num_heads: 4}\ntraining: {betas: [0.8, 0.9]}\n",
        "a/ground.yaml",
    )
    write("extends: ground.yaml\nmodel: {d_model: 32}\ndata: {max_length: 20}\n", "a/middle.yaml")
    config = load_config(write("extends: a/middle.yaml\ndata: {train: {file: x.tsv}}\n", "top.yaml"))
    assert config.name == "top"
    assert (config.model.d_model, config.model.num_heads) == (32, 4)
    assert (config.training.betas, config.training.learning_rate) == ((0.8, 0.9), 0.000699)
    assert config.data == DataConfig(train=({"file": "x.tsv"},), valid="demo", test="demo", max_length=20)
    assert load_config(write("extends: a/middle.yaml\ndata: copy\n", "top.yaml")).data == Config(data="copy").data


def test_a_split_is_replaced_and_never_merged(write):
    """A corpus of the base file leaves nothing behind in the corpus that replaces it."""
    write("data: {train: {source: a, target: b}}\n", "ground.yaml")
    config = load_config(write("extends: ground.yaml\ndata: {train: {file: x.tsv}}\n"))
    assert config.data.train == (CorpusConfig(file=Path("x.tsv")),)


def test_problems_name_the_file_they_stand_in(write):
    """Each file of a chain with its own lines."""
    write("data: demo\nmodel:\n  d_model: a\n", "ground.yaml")
    assert refusal(write("extends: ground.yaml\n\nmodel: {num_heads: b}\n")).splitlines() == [
        "2 problems in the configuration:",
        "  ground.yaml, line 3: model.d_model: expected a whole number, not the text 'a'",
        "  x.yaml, line 3: model.num_heads: expected a whole number, not the text 'b'",
    ]


def test_wrong_extends(write):
    """A circle, a missing file and what is not a name."""
    write("extends: x.yaml\n", "y.yaml")
    circle = "x.yaml → y.yaml → x.yaml"
    assert refusal(write("extends: y.yaml\n")) == (
        f"y.yaml, line 1: extends: these files extend each other in a circle: {circle}"
    )
    assert refusal(write("extends: [a]\n")) == "x.yaml, line 1: extends: expected the file to start from, not a list"
    assert refusal(write("\nextends: bse\n")).startswith("x.yaml, line 2: extends: no configuration 'bse' in ")


# ── paths and finding ────────────────────────────────────────────────────────────────────────────────────────────────


def test_environment_variables_and_home_are_replaced_in_paths(write, monkeypatch):
    """`$NAME`, `${NAME}` and `~`; `$$` is a dollar sign; only in paths."""
    monkeypatch.setenv("PAIRS", "/p q")
    monkeypatch.setenv("HOME", "/home/me")
    text = "data:\n  train: ['${PAIRS}/a.tsv', $PAIRS/b.tsv, ~/c.tsv, {file: a$$PAIRS.tsv, name: $PAIRS}]\n"
    config = load_config(write(text))
    assert [str(corpus.file) for corpus in config.data.train] == [
        "/p q/a.tsv",
        "/p q/b.tsv",
        "/home/me/c.tsv",
        "a$PAIRS.tsv",
    ]
    assert config.data.train[3].name == "$PAIRS"


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("$NOWHERE/a.tsv", "the environment variable NOWHERE is not set; set it, or write the path out"),
        ("${NOWHERE}/a.tsv", "the environment variable NOWHERE is not set; set it, or write the path out"),
        ("${NOWHERE/a.tsv", "'${' must be followed by a variable's name and '}'; a dollar sign itself is written '$$'"),
        (
            "~nobody-here/a.tsv",
            "no such user's home folder; write the path out, or put './' before a name that begins with '~'",
        ),
    ],
)
def test_undefined_variables_are_named(write, monkeypatch, path, sentence):
    """With the key and the line they stand in."""
    monkeypatch.delenv("NOWHERE", raising=False)
    message = refusal(write(f"data:\n  train:\n    - demo\n    - file: {path}\n"))
    assert message == f"x.yaml, line 4: data.train[1].file: the text '{path}': {sentence}"


def test_a_configuration_is_found_by_path_by_name_and_among_the_shipped(write):
    """As a path first, then in configs/ here, then those that come with the program."""
    assert find_config("base") == find_config("base.yaml") == CONFIGS / "base.yaml"
    write("data: copy\n", "configs/base.yaml")
    assert find_config("base") == Path("configs/base.yaml")
    write("data: copy\n", "base/other.yaml")
    assert find_config("base") == Path("configs/base.yaml"), "a folder of that name is in nobody's way"
    write("data: copy\n", "base.yaml")
    assert find_config("base") == Path("base.yaml")
    assert find_config(Path("base/other")) == Path("base/other.yaml")


def test_what_is_not_found_is_told_with_the_names_there_are(write):
    """Where it looked, the nearest name first; folders are explained."""
    write("data: copy\n", "configs/mine.yaml")
    assert refusal("bse.yaml") == (
        f"no configuration 'bse.yaml' in this folder, configs and {CONFIGS}. Did you mean base? "
        "Give a path, or one of: base, copy, demo, ko-en, mine, multi30k-en-de, multi30k-en-de-tokenised, rnn, rnn-attention"
    )
    assert refusal("there/x.yaml").startswith("no configuration 'there/x.yaml' in there. Give a path, or one of: ")
    assert refusal("configs") == "configs is a folder, and a configuration is a file: give the YAML file in it"
    write("data: copy\n", "runs/a/config.yaml")
    assert refusal("runs/a") == "runs/a is a folder; the configuration in it is runs/a/config.yaml"


# ── writing and the schema ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_dump_reads_back_exactly_whatever_the_values(tmp_path):
    """Floats to the last bit, nothing as null, and text that YAML would take for something else."""
    config = Config(
        name="null",
        source="no",
        data={
            "train": [
                {"file": Path("a $b/~c: 'd' #e\\\"é\x7f\u2028😀.tsv"), "name": "- 1\n2", "weight": 0.1 + 0.2},
                {"file": Path("~x.tsv"), "name": "true", "source_column": "", "target_column": "0"},
                {"dataset": "a/b", "subset": "1e3", "split": "train[:10%]"},
            ]
        },
        training={"learning_rate": 1 / 3, "epsilon": 1e-38, "weight_decay": 100 / 3},
    )
    path = tmp_path / "x.yaml"
    path.write_text(dump_config(config), encoding="utf-8")
    assert load_config(path) == config


def test_a_dump_explains_every_key():
    """Above each key stands the first sentence of its docstring."""
    lines = dump_config(Config(name="a", data="demo")).splitlines()
    keys = [position for position, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#")]
    explained = [lines[position].split(":")[0].strip("- ") for position in keys if lines[position - 1].lstrip().startswith("#")]
    for section in SECTIONS:
        needed = {"builtin", "weight"} if section is CorpusConfig else set(section.model_fields)
        assert needed <= set(explained)
    assert "  # Attention heads in every layer; each has the width d_model / num_heads." in lines
    assert max(map(len, lines)) <= 120


def test_every_field_has_a_docstring():
    """The explanation under the field is the comment in dumps and the description in the schema."""
    for section in SECTIONS:
        assert section.__doc__
        for name, field in section.model_fields.items():
            assert field.description and field.description.endswith("."), f"{section.__name__}.{name}"


def test_the_shipped_schema_is_current():
    """configs/schema.json is what `python scripts/make_schema.py` writes."""
    assert json.loads((CONFIGS / "schema.json").read_text(encoding="utf-8")) == json_schema()


def test_the_schema_knows_shorthands_and_descriptions():
    """Editors accept `data: demo`, `train: pairs.tsv` and `extends:`, refuse unknown keys and show the explanations."""
    schema = json_schema()
    assert schema["additionalProperties"] is False
    assert "extends" in schema["properties"]
    assert {"enum": ["demo", "copy", "reverse"], "type": "string"} in schema["properties"]["data"]["anyOf"]
    assert {"type": "string"} in schema["$defs"]["DataConfig"]["properties"]["train"]["anyOf"]
    assert schema["$defs"]["ModelConfig"]["properties"]["d_model"]["description"].startswith("Width of the embeddings")


def test_reading_a_configuration_loads_nothing_heavy():
    """The command line reads configurations without waiting for torch."""
    program = (
        "import sys, mt.config_file; "
        "sys.exit(any(name in sys.modules for name in ('torch', 'datasets', 'sentencepiece', 'sacrebleu', 'numpy')))"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=CONFIGS.parent, check=False).returncode == 0
