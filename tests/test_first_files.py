"""The files that people have first: tables from spreadsheets in other encodings and with other separators, wrong languages, wrong codes."""

import json
import re
import shlex
from pathlib import Path

import pytest

from mt.data.demo import demo_pairs
from mt.documents.parts import Source
from mt.documents.tables import csv_parts
from mt.errors import DataError
from mt.training.trainer import train
from tests.command_line import run_mt
from tests.tiny import tiny_config

PAIRS = demo_pairs("train")[:80]


def _csv(name: str, encoding: str) -> None:
    rows = "".join(f'"{korean}","{english}"\r\n' for korean, english in PAIRS)
    Path(name).write_bytes(f"한국어,영어\r\n{rows}".encode(encoding))


@pytest.mark.parametrize("encoding", ["cp949", "utf-16", "utf-16-le"])
def test_check_names_the_encoding_and_writes_every_pair(encoding: str) -> None:
    _csv("excel.csv", encoding)
    outcome = run_mt("check", "excel.csv", "--fix", "out")
    said = " ".join(outcome.stdout.split())
    assert f"--encoding {encoding}" in said and "cannot tell which" not in said
    written = [json.loads(line) for line in Path("out/train/excel.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(pair["ko"], pair["en"]) for pair in written] == PAIRS
    advised = run_mt("check", "excel.csv", "--encoding", encoding)
    assert advised.exit_code == 0 and "in 80 pairs" in advised.stdout


def test_a_file_that_cannot_be_read_gives_no_copy() -> None:
    Path("semi.csv").write_text("ko;en\n" + "".join(f"{korean};{english}\n" for korean, english in PAIRS), encoding="utf-8")
    refused = run_mt("check", "semi.csv", "--fix", "out")
    assert refused.exit_code == 2 and "nothing is written" in refused.stderr and not Path("out").exists()


@pytest.mark.parametrize("command", [["check"], ["init"], ["train", "--data"]])
def test_semicolons_are_named(command: list[str]) -> None:
    Path("semi.csv").write_text("ko;en\n" + "".join(f"{korean};{english}\n" for korean, english in PAIRS), encoding="utf-8")
    outcome = run_mt(*command, "semi.csv")
    assert outcome.exit_code in (1, 2)
    said = " ".join((outcome.stdout + outcome.stderr).split())
    assert "is separated by semicolons; save it again with commas, or with tabs as .tsv (renaming is not enough)" in said


@pytest.mark.parametrize("header", ["", "ko\ten\n"])
def test_check_refuses_languages_that_the_text_is_not_in(header: str) -> None:
    Path("pairs.tsv").write_text(header + "".join(f"{korean}\t{english}\n" for korean, english in PAIRS), encoding="utf-8")
    options = ["pairs.tsv", "--source", "en", "--target", "fr"]
    checked, initialised = run_mt("check", *options), run_mt("init", *options)
    assert checked.exit_code == initialised.exit_code == 2
    assert checked.stderr == initialised.stderr and "Korean (ko)" in checked.stderr
    exchanged = run_mt("check", "pairs.tsv", "--source", "en", "--target", "ko")
    assert exchanged.exit_code in (0, 1), "exchanged sides are a finding"


@pytest.mark.parametrize(("code", "meant"), [("kr", "ko"), ("jp", "ja")])
@pytest.mark.parametrize("command", [["check"], ["init"], ["train", "--data"]])
def test_codes_of_countries_are_no_languages(command: list[str], code: str, meant: str) -> None:
    Path("pairs.tsv").write_text("".join(f"{korean}\t{english}\n" for korean, english in PAIRS), encoding="utf-8")
    refused = run_mt(*command, "pairs.tsv", "--source", code, "--target", "en")
    assert refused.exit_code == 2 and f"did you mean --source {meant}?" in refused.stderr


def test_pairs_without_data_are_told_how_to_train() -> None:
    Path("pairs.tsv").write_text("".join(f"{korean}\t{english}\n" for korean, english in PAIRS), encoding="utf-8")
    bare, config = run_mt("train", "pairs.tsv"), run_mt("train", "--config", "pairs.tsv")
    assert bare.exit_code == config.exit_code == 2
    assert "to train on this file: mt train --data pairs.tsv" in bare.stderr
    assert "this is a table of pairs; to train on it: mt train --data pairs.tsv" in config.stderr
    assert "mt train --config my.yaml" in run_mt("train", "my.yaml").stderr


@pytest.mark.parametrize("name", ["letter.hwp", "letter.docx", "letter.odt", "letter.pdf"])
def test_documents_of_word_processors_are_to_be_saved_as_text(trained_run: Path, name: str) -> None:
    Path(name).write_text("ba da ga\n", encoding="utf-8")
    as_argument, as_input = (run_mt("translate", "--model", str(trained_run), *given) for given in ([name], ["--input", name]))
    assert as_argument.exit_code == as_input.exit_code == 2
    assert as_argument.stderr == as_input.stderr
    assert "save it as plain text (UTF-8) in your word processor" in as_input.stderr and "--format" not in as_input.stderr


def test_a_file_named_as_another_language_says_which_the_model_reads(trained_run: Path) -> None:
    Path("mine.fr").write_text("ba da ga\n", encoding="utf-8")
    refused = run_mt("translate", "--model", str(trained_run), "--input", "mine.fr")
    assert refused.exit_code == 2 and "mine.fr is named as French (fr), but this model translates from " in refused.stderr
    assert run_mt("translate", "--model", str(trained_run), "--input", "mine.fr", "--format", "text").exit_code == 0


def test_what_the_end_of_training_advises_can_be_typed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    Path("pairs.tsv").write_text("".join(f"b{a} d{b}\tb{a} d{b}\n" for a in "aeiou" for b in "aeioubcdfg"), encoding="utf-8")
    train(tiny_config("data={train: pairs.tsv, valid: pairs.tsv}", "name=try", "training.max_steps=2"))
    advised = shlex.split(re.search(r"try: mt (.*)", caplog.text)[1])
    outcome = run_mt(*advised)
    assert outcome.exit_code == 0 and len(advised) == 4 and advised[3] == "ba da"
    checked = re.search(r"more: mt (.*)", caplog.text)
    assert checked is not None, "every validation pair is in the training pairs"
    assert run_mt(*shlex.split(checked[1])).exit_code == 1


def test_a_wrong_column_is_answered_with_one_of_the_source_language() -> None:
    Path("t.csv").write_text("no,first,second\n" + "".join(f'{number},"{one}","{two}"\n' for number, (two, one) in enumerate(PAIRS)),
                             encoding="utf-8")  # fmt: skip
    source = Source(Path("t.csv"))
    with pytest.raises(DataError, match="or count it from 1: --column 3$"):
        list(csv_parts(source, "ko", "nonesuch", None))
