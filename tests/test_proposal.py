"""What is proposed is a configuration that trains, fits the corpus and the machine, and says why."""

import itertools
import json
from pathlib import Path

import pytest

from mt.config_file import load_config
from mt.data.demo import demo_pairs
from mt.data.tokenizer_training import train_tokenizer
from mt.export.export import PROGRAMS
from mt.proposal import SHAPES, CorpusFacts, MachineFacts, Shape, as_yaml, corpus_facts, estimated_tokens, propose
from tests.command_line import run_mt


def machine(gflops: float) -> MachineFacts:
    """One that makes a third of so many billion operations a second."""

    def speed(shape: Shape, vocabulary: int) -> float:
        parameters = vocabulary * shape.d_model + shape.layers * (12 * shape.d_model**2 + 4 * shape.d_model * shape.d_ff)
        return gflops * 1e9 / 3 / (6 * parameters)

    return MachineFacts("a machine", speed)


LAPTOP, FARM = machine(400.0), machine(400_000.0)


def facts(target_tokens: int, dense: bool = False) -> CorpusFacts:
    return CorpusFacts(max(300, target_tokens // 15), target_tokens, target_tokens, 60, dense)


def proposed(tokens: int, machine: MachineFacts = LAPTOP, hours: float = 1.0) -> dict[str, object]:
    return {setting.key: setting.value for setting in propose(facts(tokens), machine, hours)}


@pytest.mark.parametrize(
    ("tokens", "machine", "hours"), [*itertools.product((3_000, 200_000, 10**6, 10**7, 10**9), (LAPTOP, FARM), (0.2, 30.0))]
)
def test_every_proposal_is_a_configuration(tokens: int, machine: MachineFacts, hours: float, tmp_path: Path) -> None:
    settings = propose(facts(tokens), machine, hours)
    path = tmp_path / "proposed.yaml"
    path.write_text(as_yaml(["a head"], [("source", "ko"), ("target", "en")], ["train: demo", "valid: demo"], settings), encoding="utf-8")
    config = load_config(path)
    for setting in settings:
        section, name = setting.key.split(".")
        assert getattr(getattr(config, section), name) == setting.value
        assert setting.reason and f"# {setting.reason}" in path.read_text(encoding="utf-8")


def test_more_text_gets_a_wider_network_and_a_larger_vocabulary_and_less_dropout() -> None:
    rows = [proposed(tokens, FARM, 1000.0) for tokens in (10**5, 5 * 10**5, 2 * 10**6, 10**7, 5 * 10**7, 10**9)]
    for key, ascending in (("model.d_model", True), ("tokenizer.vocab_size", True), ("model.dropout", False)):
        values = [row[key] for row in rows[1:]]  # the least text has its own measured shape
        assert values == sorted(values, reverse=not ascending)
    assert [row["model.d_model"] for row in rows] == [shape.d_model for shape in SHAPES]


def test_a_slow_machine_gets_a_smaller_network_and_a_deadline() -> None:
    large, small = proposed(10**9, FARM, 1000.0), proposed(10**9, LAPTOP, 1.0)
    assert large["model.d_model"] == 512 and small["model.d_model"] < 256
    assert small["training.max_hours"] == 1.0 and "training.max_hours" not in large
    assert "training.r_drop" in proposed(500_000, LAPTOP, 10.0) and "training.r_drop" not in proposed(500_000, LAPTOP, 0.1)


def test_long_sentences_get_no_penalty_that_lengthens_and_little_text_sooner() -> None:
    for pairs, length, penalty in ((30_000, 12, 1.4), (30_000, 40, 1.0), (1000, 12, 1.4), (1000, 18, 1.0), (10_000, 18, 1.4)):
        settings = propose(CorpusFacts(pairs, pairs * length, pairs * length, 90, True), LAPTOP, 1.0)
        assert {setting.key: setting.value for setting in settings}["decoding.length_penalty"] == penalty


def test_tokens_are_estimated_by_script() -> None:
    assert estimated_tokens("저는 책을 읽었어요") > estimated_tokens("abc defg hijklmno")
    counted = corpus_facts(["가나다라", "마바사"], ["abcd", "efg"], 200)
    assert counted.pairs == 200 and counted.dense and counted.source_tokens > counted.target_tokens
    assert not corpus_facts(["abc"], ["def"], 1).dense


# ── the command ─────────────────────────────────────────────────────────────────────────────────────────────────────


def write_pairs(count: int = 600) -> None:
    pairs = demo_pairs("train")[:count]
    rows = "".join(f"{korean}\t{english}\n" for korean, english in pairs)
    Path("letters.tsv").write_text("ko\ten\n" + rows, encoding="utf-8")
    for ending, side in (("ko", 0), ("en", 1)):
        Path(f"train.{ending}").write_text("".join(f"{pair[side]}\n" for pair in pairs), encoding="utf-8")


def test_init_writes_a_configuration_and_divided_pairs() -> None:
    write_pairs()
    outcome = run_mt("init", "letters.tsv", "--hours", "0.2")
    assert outcome.exit_code == 0, outcome.stderr
    assert "model.d_model" in outcome.stdout and "mt train --config letters.yaml" in outcome.stdout
    config = load_config("letters.yaml")
    assert (config.name, config.source, config.target) == ("letters", "ko", "en")
    splits = {split: [json.loads(line) for line in Path(f"letters-data/{split}.jsonl").read_text(encoding="utf-8").splitlines()]
              for split in ("train", "valid", "test")}  # fmt: skip
    written = sorted((pair["ko"], pair["en"]) for pairs in splits.values() for pair in pairs)
    assert written == sorted(demo_pairs("train")[:600]), "every pair went somewhere, once"
    assert len(splits["valid"]) == len(splits["test"]) == 50
    again = run_mt("init", "letters.tsv")
    assert again.exit_code == 2 and "there is a configuration already" in again.stderr
    assert run_mt("init", "letters.tsv", "--force").exit_code == 0


def test_the_vocabulary_proposed_is_one_that_the_text_can_give() -> None:
    """So that training does not say that it takes a smaller one; the tokens are counted with it."""
    write_pairs(400)
    outcome = run_mt("init", "letters.tsv", "--hours", "0.2")
    assert outcome.exit_code == 0, outcome.stderr
    config = load_config("letters.yaml")
    assert config.tokenizer.vocab_size < 4000 and "their text gives no more pieces" in Path("letters.yaml").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in Path("letters-data/train.jsonl").read_text(encoding="utf-8").splitlines()]
    sources, targets = ([row[side] for row in rows] for side in ("ko", "en"))
    trained = train_tokenizer(config.tokenizer, sources, targets)
    assert len(trained.tokenizer.source) == config.tokenizer.vocab_size and not trained.notices
    tokens = sum(map(len, trained.tokenizer.encode_target(targets)))
    assert f"about {tokens:,} target tokens" in Path("letters.yaml").read_text(encoding="utf-8")


def test_given_pairs_are_named_and_not_copied() -> None:
    write_pairs()
    for split in ("valid", "test"):
        for ending, word in (("ko", "문장"), ("en", "sentence")):
            Path(f"{split}.{ending}").write_text("".join(f"{split} {number} {word}\n" for number in range(20)), encoding="utf-8")
    options = ["--valid", "valid.ko", "--valid", "valid.en", "--test", "test.ko", "--test", "test.en"]
    outcome = run_mt("init", "train.ko", "train.en", *options, "--output", "mine.yaml")
    assert outcome.exit_code == 0, outcome.stderr
    config = load_config("mine.yaml")
    assert str(config.data.train[0].source) == "train.ko" and str(config.data.test[0].target) == "test.en"
    assert not Path("mine-data").exists()


def test_pairs_are_trained_on_in_one_command() -> None:
    write_pairs(400)
    small = ["model.d_model=16", "model.num_heads=2", "model.d_ff=16", "model.encoder_layers=1", "model.decoder_layers=1",
             "training.max_steps=2", "training.validate_sentences=2", "decoding.max_length_ratio=0.1",
             "decoding.method=greedy"]  # fmt: skip
    arguments = ["train", "--data", "letters.tsv", *[part for setting in small for part in ("--set", setting)]]
    outcome = run_mt(*arguments)
    assert outcome.exit_code == 0, outcome.stderr
    assert "finished: 2 steps" in outcome.stderr and Path("runs/letters/summary.json").is_file()
    again = run_mt(*arguments, "--restart")
    assert again.exit_code == 0 and "using letters.yaml, which was written for these pairs before" in again.stderr


BAD = {
    "no languages": (["plain.tsv"], "Add --target, for example: --target en"),
    "three text files": (["train.ko", "letters.tsv", "train.en"], "give one table of pairs"),
    "twice the same": (["letters.tsv", "letters.tsv"], "letters.tsv is given twice"),
    "one text file": (["train.ko"], "give one table of pairs"),
    "no such file": (["nonesuch.tsv", "--source", "ko", "--target", "en"], "there is no such file"),
    "too few": (["few.tsv"], "3 pairs are too few"),
    "all alike": (["alike.tsv"], "hardly any pair is like no other"),
    "bad ending": (["letters.tsv", "--output", "mine.json"], "a configuration is a .yaml file"),
    "not a language": (["letters.tsv", "--source", "Korean"], "not a language code"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_proposed_for_is_told(case: str) -> None:
    write_pairs()
    Path("plain.tsv").write_text("가\ta\n" * 300, encoding="utf-8")
    Path("few.tsv").write_text("ko\ten\n" + "가\ta\n" * 3, encoding="utf-8")
    Path("alike.tsv").write_text("ko\ten\n" + "가\ta\n" * 300, encoding="utf-8")
    arguments, message = BAD[case]
    outcome = run_mt("init", *arguments)
    assert outcome.exit_code == 2 and message in outcome.stderr, outcome.stderr
    assert not list(Path().glob("*.yaml")) and not list(Path().glob("*-data"))


def test_train_wants_a_configuration_or_pairs() -> None:
    write_pairs()
    for arguments in ([], ["--config", "copy", "--data", "letters.tsv"]):
        outcome = run_mt("train", *arguments)
        assert outcome.exit_code == 2 and "give --config (a configuration) or --data (pairs)" in outcome.stderr


@pytest.mark.parametrize("export", ["ctranslate2", "marian", "onnx"])
@pytest.mark.parametrize("tokens", [3_000, 300_000, 10**9])
def test_the_proposal_for_an_export_is_a_model_that_it_accepts(export: str, tokens: int, tmp_path: Path) -> None:
    settings = propose(facts(tokens), LAPTOP, 1.0, export)
    path = tmp_path / "proposed.yaml"
    path.write_text(as_yaml([], [("source", "ko"), ("target", "en")], ["train: demo"], settings), encoding="utf-8")
    assert PROGRAMS[export].refusal(load_config(path).model) is None
    reasons = {setting.key: setting.reason for setting in propose(facts(tokens), LAPTOP, 1.0)}
    assert "mt init --export marian" in reasons["model.norm_position"], "the default says what it costs"
    plain = proposed(tokens)
    changed = {setting.key for setting in settings if plain[setting.key] != setting.value}
    assert changed == ({"model.norm_position", "training.warmup_steps"} if export == "marian" else set())


def test_init_takes_the_export_and_refuses_an_unknown_one() -> None:
    rows = [f"{source}\t{target}" for source, target in demo_pairs("train")[:600]]
    Path("my.tsv").write_text("\n".join(["ko\ten", *rows]) + "\n", encoding="utf-8")
    refused = run_mt("init", "my.tsv", "--export", "tensorflow")
    assert refused.exit_code == 2 and "--export: 'tensorflow' is none of ctranslate2, marian, onnx" in refused.stderr
    outcome = run_mt("init", "my.tsv", "--export", "marian")
    assert outcome.exit_code == 0, outcome.stderr
    assert load_config(Path("my.yaml")).model.norm_position == "post"
