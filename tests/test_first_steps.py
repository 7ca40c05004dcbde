"""What a person types first, and what mt answers: a file for a sentence, a run in another folder, what a finished run advises."""

import re
import shlex
from pathlib import Path

import pytest

from mt.data.demo import demo_pairs
from mt.training.trainer import train
from tests.command_line import run_mt
from tests.tiny import tiny_config
from tests.tiny_pairs import small_settings, write_table


def test_a_file_that_is_given_as_a_sentence_is_refused_and_the_advised_command_translates_it(trained_run: Path) -> None:
    Path("a b.ko").write_text("ba da ga\n", encoding="utf-8")
    refused = run_mt("translate", "--model", str(trained_run), "a b.ko")
    assert refused.exit_code == 2 and not refused.stdout
    advised = shlex.split(refused.stderr.strip().split("what is in it: ")[1])[1:]
    assert advised == ["translate", "--input", "a b.ko"]
    noted = run_mt("translate", "--model", str(trained_run), "film.srt")
    assert noted.exit_code == 0 and "looks like a file's name, but there is no such file here" in noted.stderr


def test_a_run_is_read_in_another_folder_and_goes_on_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths of corpora are relative to where the run was begun; the run remembers them whole."""
    Path("begun").mkdir()
    monkeypatch.chdir("begun")
    pairs = demo_pairs("train")[:60]
    Path("p.tsv").write_text("".join(f"{korean}\t{english}\n" for korean, english in pairs), encoding="utf-8")
    settings = ["name=here", "source=ko", "target=en", "data={train: p.tsv, valid: p.tsv, test: p.tsv}", "tokenizer.byte_fallback=false",
                "tokenizer.vocab_size=280"]  # fmt: skip
    train(tiny_config(*settings))
    Path("../elsewhere").mkdir()
    monkeypatch.chdir("../elsewhere")
    for arguments in (["inspect", "shapes", "--model", "here"], ["eval", "--model", "here", "--split", "valid"],
                      ["tokenizer", "inspect", "--model", "here"], ["check", "--config", "../runs/here/config.yaml"]):  # fmt: skip
        outcome = run_mt(*arguments)
        assert outcome.exit_code in (0, arguments[0] == "check"), (arguments, outcome.stderr)
        assert "no such file" not in outcome.stderr + outcome.stdout
    assert re.search(r"^p\s", run_mt("eval", "--model", "here", "--split", "valid").stdout, re.MULTILINE), "it is called as in training"


def test_a_project_may_be_moved_while_its_pairs_stay_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("old").mkdir()
    monkeypatch.chdir("old")
    write_table("p.tsv", "ko", "en")
    settings = ["name=here", "data={train: p.tsv, valid: p.tsv}", "source=ko", "target=en", "tokenizer.vocab_size=380"]
    assert train(tiny_config(*settings))["step"] == 10
    monkeypatch.chdir("..")
    Path("old").rename("new")
    monkeypatch.chdir("new")
    assert train(tiny_config(*settings, "training.max_steps=12"))["step"] == 12
    write_table("p.tsv", "ko", "en", count=310)
    with pytest.raises(Exception, match="the training or validation data has changed"):
        train(tiny_config(*settings, "training.max_steps=14"))


@pytest.mark.parametrize(
    "limits",
    [
        ["max_steps=6"], ["max_epochs=1"], ["patience=1"], ["patience=2", "max_steps=6"], ["patience=2", "max_epochs=1"],
        ["max_hours=1", "max_epochs=1"],
    ],
)  # fmt: skip
def test_what_a_finished_run_advises_trains_on(limits: list[str], caplog: pytest.LogCaptureFixture) -> None:
    """The limits that ended the run are those to raise, all of them at once."""
    settings = ["training.max_steps=1000", "training.validate_every=2", "data.train=pairs.tsv", "training.max_tokens=150", "name=short"]
    settings += [f"training.{limit}" for limit in limits]
    settings += ["training.learning_rate=1e-9"] if "patience" in limits[0] else []
    words = [f"b{chr(97 + number % 20)} d{chr(97 + number % 7)}" for number in range(60)]
    Path("pairs.tsv").write_text("".join(f"{word}\t{word}\n" for word in words), encoding="utf-8")
    first = train(tiny_config(*settings))
    caplog.set_level("INFO")
    train(tiny_config(*settings))
    advised = shlex.split(re.search(r"To train on: mt (.*); to start over", caplog.text)[1])
    outcome = run_mt(*advised)
    assert outcome.exit_code == 0, outcome.stderr
    assert f"finished: {first['step']} steps" not in outcome.stderr and "is finished" not in outcome.stderr


def test_small_settings_are_settings() -> None:
    write_table("a.tsv", "ko", "en", header="ko\ten")
    outcome = run_mt("train", "--data", "a.tsv", *small_settings())
    assert outcome.exit_code == 0, outcome.stderr


@pytest.mark.parametrize("stdin", [False, True])
def test_text_without_a_letter_of_the_source_language_is_noted(trained_run: Path, tmp_path: Path, stdin: bool) -> None:
    """In arguments and pipes; the copy task's languages are those of its configuration."""
    lines = ["12345", "ba da"]
    piped = "\n".join(lines).encode() if stdin else None
    outcome = run_mt("translate", "--model", str(trained_run), *([] if stdin else lines), stdin=piped)
    assert outcome.exit_code == 0 and outcome.stdout.splitlines()[0] == "12345"
    assert "note: line 1 of 2: no letter of " in outcome.stderr
    assert "note: the text has no letter of" in run_mt("translate", "--model", str(trained_run), "!?").stderr


def test_a_table_is_evaluated_and_scored_by_its_columns(trained_run: Path) -> None:
    rows = "".join(f"{number}\tba da ga\tba da ga\n" for number in range(3))
    Path("t.tsv").write_text(f"SID\tfirst\tsecond\n{rows}", encoding="utf-8")
    columns = ["--source-column", "first", "--target-column", "3"]
    scored = run_mt("eval", "--model", str(trained_run), "--data", "t.tsv", *columns)
    assert scored.exit_code == 0 and re.search(r"\bt\s+3\b", scored.stdout), scored.stderr + scored.stdout
    probable = run_mt("score", "--model", str(trained_run), "t.tsv", *columns)
    assert probable.exit_code == 0 and len(probable.stdout.splitlines()) == 4, probable.stderr
    alone = run_mt("score", "--model", str(trained_run), "lonely.txt")
    assert alone.exit_code == 2 and "a text file is one side only" in alone.stderr
