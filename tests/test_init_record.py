"""A configuration is used again for the very same pairs alone: files, order, languages, columns and content are compared."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from mt.config_file import load_config
from mt.data.corpus import read_corpora
from mt.init_record import read_record
from mt.proposal import MachineFacts
from tests.command_line import Outcome, run_mt
from tests.tiny_pairs import small_settings, write_table, write_text


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that need not be measured."""
    monkeypatch.setattr("mt.init_command.look_at_machine", lambda: MachineFacts("a machine", lambda shape, vocabulary: 1e4))


def train(*arguments: str) -> Outcome:
    return run_mt("train", *arguments, *small_settings(), "--set", "training.max_epochs=1")


def trained_on(run: str) -> tuple[str, str, int]:
    """Languages and number of training pairs of a run."""
    config = load_config(f"runs/{run}/config.yaml")
    return config.source, config.target, sum(map(len, read_corpora(config.data.train, "train", config.source, config.target)))


def quoted_commands(message: str) -> list[list[str]]:
    """The commands in a message, as words."""
    return [shlex.split(text)[1:] for text in re.findall(r"'(mt [^']*)'", message)]


def test_the_same_pairs_again_use_the_configuration_again() -> None:
    write_text("news.ko", "ko")
    write_text("news.en", "en")
    assert train("--data", "news.ko", "--data", "news.en").exit_code == 0
    before = Path("news.yaml").read_text(encoding="utf-8")
    again = train("--data", "news.ko", "--data", "news.en", "--restart")
    assert again.exit_code == 0 and "using news.yaml, which was written for these pairs before" in again.stderr
    assert Path("news.yaml").read_text(encoding="utf-8") == before and not list(Path().glob("news-*.yaml"))


def test_the_other_direction_is_trained_under_a_name_of_its_own() -> None:
    write_text("news.ko", "ko")
    write_text("news.en", "en")
    assert train("--data", "news.ko", "--data", "news.en").exit_code == 0
    assert train("--data", "news.en", "--data", "news.ko").exit_code == 0
    assert trained_on("news")[:2] == ("ko", "en") and trained_on("news-en-ko")[:2] == ("en", "ko")


def test_other_languages_under_the_same_name() -> None:
    for language in ("ko", "en", "de", "fr"):
        write_text(f"news.{language}", language)
    assert train("--data", "news.ko", "--data", "news.en").exit_code == 0
    assert train("--data", "news.de", "--data", "news.fr").exit_code == 0
    assert trained_on("news-de-fr")[:2] == ("de", "fr")


def test_a_folder_of_the_same_name_elsewhere() -> None:
    for folder, count in (("a", 300), ("x/a", 310), ("y/a", 320)):
        write_text(f"{folder}/train.ko", "ko", count)
        write_text(f"{folder}/train.en", "en", count)
        assert train("--data", f"{folder}/train.ko", "--data", f"{folder}/train.en").exit_code == 0
    assert [trained_on(run)[2] + 100 for run in ("a", "a-ko-en", "a-ko-en-2")] == [300, 310, 320]  # 100 are held out


@pytest.mark.parametrize("kind", ["files", "table"])
def test_pairs_that_have_grown_are_refused_and_both_advised_ways_work(kind: str) -> None:
    given = ["--data", "news.tsv"] if kind == "table" else ["--data", "news.ko", "--data", "news.en"]

    def write(count: int) -> None:
        if kind == "table":
            write_table("news.tsv", "number", "ko", "en", header="SID\t원문\t번역문", count=count)
        else:
            write_text("news.ko", "ko", count)
            write_text("news.en", "en", count)

    write(250)
    assert train(*given).exit_code == 0
    write(320)
    grown = train(*given)
    assert grown.exit_code == 2 and "the pairs have changed since it was written (250 pairs then, 320 now)" in grown.stderr
    again, then, as_it_is = quoted_commands(grown.stderr)
    went_on = run_mt(*as_it_is, *small_settings())
    assert went_on.exit_code == 0 and trained_on("news")[2] == 150
    assert run_mt(*again).exit_code == 0
    trained = run_mt(*then, *small_settings())
    assert trained.exit_code == 0, trained.stderr
    assert trained_on("news")[2] == 220
    assert train(*given).exit_code == 0, "and now they are the same again"


def test_divided_pairs_that_were_changed_are_noticed() -> None:
    write_table("news.tsv", "ko", "en")
    assert train("--data", "news.tsv").exit_code == 0
    path = Path("news-data/train.jsonl")
    path.write_text("".join(path.read_text(encoding="utf-8").splitlines(keepends=True)[:-5]), encoding="utf-8")
    refused = train("--data", "news.tsv")
    assert refused.exit_code == 2 and "news-data/train.jsonl: not as it was when news.yaml was written" in refused.stderr
    again, then, _ = quoted_commands(refused.stderr)
    assert run_mt(*again).exit_code == 0 and run_mt(*then, *small_settings()).exit_code == 0


def test_what_init_would_write_over_is_kept() -> None:
    write_table("news.tsv", "ko", "en")
    Path("news-data").mkdir()
    Path("news-data/train.jsonl").write_text("mine\n", encoding="utf-8")
    refused = train("--data", "news.tsv")
    assert refused.exit_code == 2 and "news-data/train.jsonl: this file exists and holds something else" in refused.stderr
    assert Path("news-data/train.jsonl").read_text(encoding="utf-8") == "mine\n" and not Path("news.yaml").exists()
    [advised] = [shlex.split(refused.stderr.strip().rsplit("place: ", 1)[1])[1:]]
    assert run_mt(*advised).exit_code == 0
    assert Path("news-data/train.jsonl").read_text(encoding="utf-8") == "mine\n"


def test_half_an_init_is_finished_by_the_same_command() -> None:
    write_table("news.tsv", "ko", "en")
    assert run_mt("init", "news.tsv").exit_code == 0
    Path("news.yaml").unlink()  # as after a power cut: the pairs were written first
    assert run_mt("init", "news.tsv").exit_code == 0


def test_a_configuration_that_nobody_can_compare_is_not_used() -> None:
    write_table("news.tsv", "ko", "en")
    assert run_mt("init", "news.tsv").exit_code == 0
    text = Path("news.yaml").read_text(encoding="utf-8")
    lines = [line.replace("320 pairs", "321 pairs") for line in text.splitlines() if "mt init record" not in line]
    for content, message in (("\n".join(lines), "an earlier version of mt"), ("data: demo", "was not written for --data")):
        Path("news.yaml").write_text(content + "\n", encoding="utf-8")
        refused = train("--data", "news.tsv")
        assert refused.exit_code == 2 and message in refused.stderr
        for command in quoted_commands(refused.stderr):
            small = small_settings() if command[0] == "train" else []
            assert run_mt(*command, *small).exit_code == 0, command
        shutil.rmtree("runs")
        Path("news-2.yaml").unlink()
        shutil.rmtree("news-2-data")


def test_another_time_is_stated_with_the_command_for_a_proposal_of_its_own() -> None:
    write_table("news.tsv", "ko", "en")
    assert train("--data", "news.tsv", "--max-minutes", "30").exit_code == 0
    other = train("--data", "news.tsv", "--max-hours", "2", "--restart")
    assert other.exit_code == 0 and "were chosen for 0.5 h, and the schedule is now fitted into 2 h" in other.stderr
    [line] = [line for line in other.stderr.splitlines() if "a proposal for that time: " in line]
    advised = shlex.split(line.split("a proposal for that time: ")[1].rstrip(")"))[1:]
    assert run_mt(*advised).exit_code == 0
    assert train("--data", "news.tsv", "--max-minutes", "30", "--restart").stderr.count("were chosen for") == 0


def test_a_configuration_of_an_earlier_version_is_used_for_the_files_that_it_names() -> None:
    """It has no record: the files, their number of pairs and the languages that it names are compared."""
    write_text("news.ko", "ko")
    write_text("news.en", "en")
    given = ["--data", "news.ko", "--data", "news.en"]
    assert train(*given).exit_code == 0
    path = Path("news.yaml")
    lines = path.read_text(encoding="utf-8").split("\n")
    earlier = "\n".join(line for line in lines if "mt init record" not in line)
    path.write_text(earlier, encoding="utf-8")
    again = train(*given, "--restart")
    assert again.exit_code == 0, again.stderr
    assert "warning: news.yaml does not note which pairs it was written for, but it names exactly these files" in again.stderr
    assert path.read_text(encoding="utf-8") == earlier
    reverse = train("--data", "news.en", "--data", "news.ko")
    assert reverse.exit_code == 2 and "written by an earlier version of mt" in reverse.stderr
    write_text("news.ko", "ko", 300)
    write_text("news.en", "en", 300)
    grown = train(*given)
    assert grown.exit_code == 2 and "written by an earlier version of mt" in grown.stderr


@pytest.mark.parametrize("mark", ["\x85", "\u2028", "\u2029", "\x0b", "\ufeff", "\U000e0001"])
def test_any_character_in_a_column_name_is_written_so_that_it_is_read(mark: str) -> None:
    name = f"ko{mark}text"
    write_table("news.tsv", "ko", "en", header=f"{name}\ten")
    options = ["news.tsv", "--source", "ko", "--target", "en", "--source-column", name, "--target-column", "en"]
    outcome = run_mt("init", *options, "--valid", "news.tsv", "--test", "news.tsv", "--output", "made.yaml")
    assert outcome.exit_code == 0, outcome.stderr
    config = load_config("made.yaml")
    assert config.data.train[0].source_column == name
    record = read_record(Path("made.yaml"))
    assert record is not None and record.corpora["train"][0]["source_column"] == name


def test_a_configuration_that_cannot_be_read_back_replaces_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    write_table("news.tsv", "ko", "en")
    Path("news.yaml").write_text("name: mine\n", encoding="utf-8")
    monkeypatch.setattr("mt.init_command.as_yaml", lambda *parts: "name: [\n")
    outcome = run_mt("init", "news.tsv", "--force")
    assert outcome.exit_code == 2 and Path("news.yaml").read_text(encoding="utf-8") == "name: mine\n"
    assert not list(Path().glob(".news*"))
