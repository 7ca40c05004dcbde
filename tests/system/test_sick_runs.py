"""The training doctor through the command line: real runs that are broken on purpose, and healthy ones."""

import json
import logging
import random
from pathlib import Path

import pytest

from mt.data.toy import toy_pairs
from mt.runs import runs_root
from mt.training.report import Report, Silence
from mt.training.trainer import train
from tests.command_line import Outcome, run_mt
from tests.processes import sets
from tests.tiny import tiny_config

SETTINGS = (
    "source=en", "target=de", "name=patient", "data.test=[]", "training.max_steps=400", "training.max_tokens=400", "training.device=cpu",
    "training.threads=1", "training.precision=fp32", "training.log_every=20", "training.validate_every=100",
    "training.validate_sentences=50", "training.warmup_steps=50",
)  # fmt: skip
"""The toy copy's model on letters whose translation is the capital letter."""


def letters(split: str) -> list[tuple[str, str]]:
    return [(source, source.upper()) for source, _ in toy_pairs("copy", split)]


def written(name: str, pairs: list[tuple[str, str]]) -> Path:
    path = Path(name).resolve()
    path.write_text("".join(f"{source}\t{target}\n" for source, target in pairs), encoding="utf-8")
    return path


def trained(train_pairs: list[tuple[str, str]], valid_pairs: list[tuple[str, str]], *settings: str) -> Outcome:
    files = [f"data.train={written('train.tsv', train_pairs)}", f"data.valid={written('valid.tsv', valid_pairs)}"]
    outcome = run_mt("train", "--config", "copy", *sets([*SETTINGS, *files, *settings]))
    assert outcome.exit_code == 0, outcome.stderr
    return outcome


def doctor_lines(name: str = "patient") -> list[dict]:
    lines = [json.loads(line) for line in (runs_root() / name / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line["kind"] == "doctor"]


def shuffled(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    targets = [target for _, target in pairs]
    random.Random(5).shuffle(targets)
    return [(source, target) for (source, _), target in zip(pairs, targets, strict=True)]


def test_nothing_is_said_of_a_healthy_run() -> None:
    outcome = trained(letters("train"), letters("valid"))
    assert "doctor" not in outcome.stderr and doctor_lines() == []
    asked = run_mt("inspect", "doctor")
    assert asked.exit_code == 0
    assert asked.stdout.startswith("patient: nothing wrong was found in 400 updates, 4 validations"), asked.stdout


PAIRS = {
    "shuffled targets": lambda: (shuffled(letters("train")), letters("valid")),
    # Some pairs are right, so that the vocabulary knows the capitals.
    "the target is the source": lambda: ([(source, source) for source, _ in letters("train")] + letters("train")[:40], letters("valid")),
    "a learning rate a hundred times too high": lambda: (letters("train"), letters("valid")),
    "shuffled references": lambda: (letters("train"), shuffled(letters("valid"))),
}
BROKEN = {
    "shuffled targets": ("the decoder ignores the source", ()),
    "the target is the source": ("the source is copied", ()),
    # With notes of its attention, whose steps depend on the machine's speed, the finding would be that it has collapsed.
    "a learning rate a hundred times too high": ("the decoder ignores the source", ("training.learning_rate=0.3", "training.record=false")),
    "shuffled references": ("valid pairs are unlike the training pairs", ()),
}
LONG = ("the target is the source", "shuffled references", "a learning rate a hundred times too high")
"""Tried by make test-all alone."""


@pytest.mark.parametrize("what", [pytest.param(one, marks=pytest.mark.slow) if one in LONG else one for one in BROKEN])
def test_a_run_that_is_broken_gets_its_finding_once_and_again_at_the_end(what: str) -> None:
    name, settings = BROKEN[what]
    outcome = trained(*PAIRS[what](), *settings)
    assert [line["finding"] for line in doctor_lines()] == [name], outcome.stderr
    assert outcome.stderr.count(f"doctor: {name}: ") == 1, "said once"
    assert outcome.stderr.count("causes and next steps: mt inspect doctor patient") == 1
    asked = run_mt("inspect", "doctor", "patient")
    assert asked.exit_code == 0
    for word in (name, "seen", "cause", "next"):
        assert word in asked.stdout


def test_a_run_of_another_program_state_is_judged_as_far_as_it_goes() -> None:
    """Figures that an older version did not record are named as not judged; an unfinished run is accepted."""
    train(tiny_config())
    path = runs_root() / "tiny" / "metrics.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    kept = ("kind", "step", "time", "loss", "bleu", "chrf", "perplexity", "negative_log_likelihood", "learning_rate", "gradient_norm")
    path.write_text("".join(json.dumps({key: line[key] for key in kept if key in line}) + "\n" for line in lines))
    (runs_root() / "tiny" / "summary.json").unlink()
    asked = run_mt("inspect", "doctor", "tiny")
    assert asked.exit_code == 0 and "nothing wrong was found in 10 updates" in asked.stdout
    assert "not judged: translations" in asked.stdout


def test_a_run_without_figures_and_a_run_that_is_not_there_are_told_in_one_message() -> None:
    none = run_mt("inspect", "doctor")
    assert none.exit_code == 2 and "there is no run" in none.stderr
    train(tiny_config())
    (runs_root() / "tiny" / "metrics.jsonl").write_text("")
    empty = run_mt("inspect", "doctor")
    assert empty.exit_code == 2 and "no figures yet" in empty.stderr and "training.log_every" in empty.stderr
    unknown = run_mt("inspect", "doctor", "elsewhere")
    assert unknown.exit_code == 2 and "there is no run 'elsewhere'" in unknown.stderr and "tiny" in unknown.stderr


@pytest.fixture
def sick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A doctor who always finds the same."""
    from mt.training import finish, report
    from mt.training.doctor.history import Finding

    for module in (report, finish):
        monkeypatch.setattr(module, "examine", lambda _: [Finding("a name", "1 seen", "a cause", "a step", 3)])


def test_what_was_said_is_not_said_again_when_a_run_goes_on(sick: None, capsys: pytest.CaptureFixture) -> None:
    train(tiny_config("training.max_steps=5"))
    assert capsys.readouterr().err.count("doctor: a name: 1 seen\n    next: a step") == 1
    train(tiny_config("training.max_steps=10"))
    assert "doctor" not in capsys.readouterr().err
    [line] = doctor_lines("tiny")
    assert (line["step"], line["finding"], line["since"], line["cause"], line["next"]) == (5, "a name", 3, "a cause", "a step")


def test_the_end_of_a_training_names_what_remains(sick: None, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "mt")
    train(tiny_config())
    assert [record.getMessage() for record in caplog.records if "doctor" in record.getMessage()] == [
        "doctor: a name (since step 3)  ·  causes and next steps: mt inspect doctor tiny"
    ]


def test_a_run_without_validation_pairs_is_watched_too(sick: None) -> None:
    train(tiny_config("data.valid=[]"))
    assert [line["step"] for line in doctor_lines("tiny")] == [5]


def test_only_the_first_process_speaks(sick: None, capsys: pytest.CaptureFixture) -> None:
    assert Silence.diagnose is not Report.diagnose
    Silence().diagnose(5, tiny_config(), over=True)
    assert capsys.readouterr() == ("", "")


def test_every_validation_records_what_the_doctor_reads() -> None:
    train(tiny_config())
    lines = [json.loads(line) for line in (runs_root() / "tiny" / "metrics.jsonl").read_text().splitlines()]
    for line in lines:
        if line["kind"] == "valid":
            assert {"length_ratio", "cut_off", "identical_outputs", "copied_references", "unknown_source"} <= line.keys()
