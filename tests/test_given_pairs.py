"""Which column and which file is which language: names say it, else the text, and what contradicts the text is refused."""

import re
import shlex
from pathlib import Path

import pytest

from mt.config_file import load_config
from mt.data.corpus import read_corpora
from mt.data.languages import language_called, look_at
from mt.proposal import MachineFacts
from tests.command_line import run_mt
from tests.tiny_pairs import SENTENCES, sentences, small_settings, write_table, write_text

KO_EN = (sentences("ko")[0], sentences("en")[0])


def first_pair(configuration: str) -> tuple[str, str, str, str]:
    """Languages of a configuration, and the first pair of its training data that was the corpus' first, or the very first."""
    config = load_config(configuration)
    [*corpora] = read_corpora(config.data.train, "train", config.source, config.target)
    pairs = [pair for corpus in corpora for pair in zip(corpus.sources, corpus.targets, strict=True)]
    wanted = {sentences(config.source)[0], sentences(config.target)[0]}
    return (config.source, config.target, *next((pair for pair in pairs if set(pair) & wanted), pairs[0]))


def init(*arguments: str) -> tuple[int, str, str]:
    outcome = run_mt("init", *arguments, "--output", "made.yaml", "--valid", "v.jsonl", "--test", "v.jsonl")
    return outcome.exit_code, outcome.stdout, outcome.stderr


@pytest.fixture(autouse=True)
def held_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Validation pairs, and a machine that need not be measured."""
    monkeypatch.setattr("mt.init_command.look_at_machine", lambda: MachineFacts("a machine", lambda shape, vocabulary: 1e4))
    lines = [f'{{"ko": "{ko}", "en": "{en}"}}\n' for ko, en in zip(sentences("ko", 20), sentences("en", 20), strict=True)]
    Path("v.jsonl").write_text("".join(lines), encoding="utf-8")


TABLES = {
    "numbered, Korean names": (("number", "ko", "en"), "SID\t원문\t번역문", [], "ko"),
    "numbered, no header": (("number", "ko", "en"), "", ["--source", "ko", "--target", "en"], "ko"),
    "two columns, no header": (("ko", "en"), "", [], "ko"),
    "the other way round, and asked for": (("ko", "en"), "", ["--source", "en", "--target", "ko"], "en"),
    "names of languages": (("en", "ko"), "English\tKorean", [], "en"),
    "capital codes, a space": (("ko", "en"), "KO \tEN", [], "ko"),
    "source and target": (("en", "ko"), "target\tsource", [], "ko"),
    "a word above numbers": (("number", "en", "ko"), "line\tfoo\tbar", [], "en"),
    "a column chosen by name": (("en", "ko", "en"), "a\tb\tc", ["--source-column", "b", "--target-column", "c"], "ko"),
    "a column chosen by number": (("number", "en", "ko", "en"), "SID\tx\ty\tz", ["--source-column", "3", "--target-column", "2"], "ko"),
    "a column of notes": (("number", "ko", "en", "ko"), "번호\t원문\t번역문\t비고", [], "ko"),
}


@pytest.mark.parametrize("ending", ["tsv", "csv"])
@pytest.mark.parametrize("case", TABLES)
def test_the_right_columns_are_found_and_stated(case: str, ending: str) -> None:
    columns, header, options, source = TABLES[case]
    if ending == "csv" and not header:
        pytest.skip("a CSV file has a header")
    write_table(f"p.{ending}", *columns, header=header)
    code, _, errors = init(f"p.{ending}", *options)
    assert code == 0, errors
    pair = KO_EN if source == "ko" else KO_EN[::-1]
    assert first_pair("made.yaml") == (source, "en" if source == "ko" else "ko", *pair)
    assert re.search(r"p\.\w+: column \d.* is \w+ \((ko|en)\), column \d.* is \w+ \((en|ko)\)", errors), errors


def test_the_statement_names_columns_and_languages() -> None:
    write_table("pairs.tsv", "number", "ko", "en", header="SID\t원문\t번역문")
    stated = "pairs.tsv: column 2 원문 is Korean (ko), column 3 번역문 is English (en); translating ko → en"
    assert stated in init("pairs.tsv")[2].splitlines()


CONTRADICTIONS = {
    "numbers are not Korean": (["n.tsv", "--source", "ko", "--target", "en", "--source-column", "SID", "--target-column", "번역문"],
                               "column 1 SID would be Korean (ko), but it is numbers or signs, hardly any words"),
    "Korean is not English": (["n.tsv", "--source", "en", "--target", "ko", "--source-column", "원문", "--target-column", "번역문"],
                              "column 2 원문 would be English (en), but it is Korean (ko)"),
    "a header that is wrong": (["wrong.tsv"], "column 1 en would be English (en), but it is Korean (ko)"),
    "files in the wrong order": (["a.txt", "b.txt", "--source", "en", "--target", "ko"],
                                 "a.txt would be English (en), but it is Korean (ko)"),
    "endings that are wrong": (["c.en", "c.ko"], "c.en would be English (en), but it is Korean (ko)"),
    "one script, exchanged": (["d.txt", "e.txt", "--source", "fr", "--target", "de"], "d.txt would be French (fr), but it is German (de)"),
    "a language that is not there": (["n.tsv", "--source", "ru", "--target", "en"], "no two columns are Russian (ru) and English (en)"),
}  # fmt: skip


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_what_the_text_contradicts_is_refused(case: str) -> None:
    write_table("n.tsv", "number", "ko", "en", header="SID\t원문\t번역문")
    write_table("wrong.tsv", "ko", "en", header="en\tko")
    for name, language in (("a.txt", "ko"), ("b.txt", "en"), ("c.en", "ko"), ("c.ko", "en"), ("d.txt", "de"), ("e.txt", "fr")):
        write_text(name, language)
    arguments, message = CONTRADICTIONS[case]
    code, _, errors = init(*arguments)
    assert code == 2 and message in errors and not Path("made.yaml").exists(), errors


ASKED = {
    "two languages of one script": (["d.txt", "e.txt"], "German (de)"),
    "the same in a table": (["d.tsv"], "German (de)"),
    "two columns of Korean": (["two.tsv"], "cannot tell which columns are the two sides"),
    "endings that are wrong": (["c.en", "c.ko"], "c.en would be English (en)"),
    "files in the wrong order": (["a.txt", "b.txt", "--source", "en", "--target", "ko"], "a.txt would be English (en)"),
    "a header that is wrong": (["wrong.tsv"], "would be English"),
}


@pytest.mark.parametrize("case", ASKED)
def test_what_a_question_recommends_works_when_it_is_typed(case: str) -> None:
    """The message ends in options, or in files in another order; with them the configuration is written."""
    write_text("d.txt", "de")
    write_text("e.txt", "fr")
    write_table("d.tsv", "de", "fr")
    write_table("wrong.tsv", "ko", "en", header="en\tko")
    write_table("two.tsv", "ko", "en", "ko", header="x\ty\tz")
    for name, language in (("a.txt", "ko"), ("b.txt", "en"), ("c.en", "ko"), ("c.ko", "en")):
        write_text(name, language)
    arguments, message = ASKED[case]
    code, _, errors = init(*arguments)
    assert code == 2 and message in errors, errors
    advised = shlex.split(errors.strip().rsplit(": ", 1)[1].removeprefix("give "))
    advised = [*arguments, *advised] if advised[0].startswith("-") else [*advised, *arguments[2:]]
    outcome = run_mt("init", *advised, "--output", "made.yaml")
    assert outcome.exit_code == 0, (advised, outcome.stderr)


def test_several_corpora_are_one_training_set() -> None:
    write_table("a.tsv", "number", "ko", "en", header="SID\t원문\t번역문", count=200)
    write_table("b.csv", "en", "ko", header="English\t한국어", count=150)
    write_text("c.ko", "ko", 120)
    write_text("c.en", "en", 120)
    code, _, errors = init("a.tsv", "c.ko", "c.en", "b.csv")
    assert code == 0, errors
    config = load_config("made.yaml")
    corpora = read_corpora(config.data.train, "train", config.source, config.target)
    assert [len(corpus) for corpus in corpora] == [200, 120, 150]
    for corpus in corpora:
        for source, target in zip(corpus.sources, corpus.targets, strict=True):
            assert re.search("[가-힣]", source) and "books" in target
    assert errors.count(" is Korean (ko)") == 5  # and the validation and test pairs


def test_train_takes_what_init_takes() -> None:
    write_table("a.tsv", "number", "ko", "en", header="SID\t원문\t번역문")
    outcome = run_mt("train", "--data", "a.tsv", "--source", "en", "--target", "ko", *small_settings())
    assert outcome.exit_code == 0, outcome.stderr
    assert "column 3 번역문 is English (en), column 2 원문 is Korean (ko); translating en → ko" in outcome.stderr
    assert first_pair("runs/a/config.yaml")[:2] == ("en", "ko")
    refused = run_mt("train", "--config", "demo", "--source", "ko")
    assert refused.exit_code == 2 and "--source belongs to --data" in refused.stderr


def test_check_looks_at_the_columns_that_training_would_take() -> None:
    write_table("a.tsv", "number", "ko", "en", header="SID\t원문\t번역문")
    outcome = run_mt("check", "a.tsv")
    assert outcome.exit_code == 0, outcome.stdout + outcome.stderr
    assert "column 2 원문 is Korean (ko)" in outcome.stderr and "nothing" in outcome.stdout


@pytest.mark.parametrize("language", SENTENCES)
def test_a_language_is_known_by_its_text(language: str) -> None:
    assert look_at(sentences(language)).language == language


def test_names_of_columns_that_are_languages() -> None:
    called = {"KO": "ko", "한국어": "ko", "translation.en": "en", "text_en": "en", "English": "en", "영문": "en", "원문": None, "SID": None,
              "sentence": None, "ko_en_similarity": None}  # fmt: skip
    assert {name: language_called(name) for name in called} == called


def test_a_lone_file_that_is_a_table_or_a_workbook_is_told_what_to_do() -> None:
    """As Excel's 'Unicode text' is written: UTF-16 with tabs, called .txt."""
    rows = "".join(f"{ko}\t{en}\r\n" for ko, en in zip(sentences("ko"), sentences("en"), strict=True))
    Path("export.txt").write_text(rows, encoding="utf-16", newline="")
    code, _, errors = init("export.txt")
    assert code == 2 and "if it is a table, call it export.tsv" in errors
    Path("export.txt").rename("export.tsv")
    advised = re.search(r"Add (--encoding utf-16)", run_mt("init", "export.tsv").stderr)
    outcome = run_mt("init", "export.tsv", *advised[1].split(), "--output", "made.yaml")
    assert outcome.exit_code == 0 and first_pair("made.yaml")[:2] == ("ko", "en"), outcome.stderr
    Path("book.xlsx").write_bytes(b"PK")
    assert "save it as 'CSV UTF-8'" in run_mt("init", "book.xlsx").stderr
