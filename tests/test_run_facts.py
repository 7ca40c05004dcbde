"""`mt runs`: what is told of a run is what its files hold, and a damaged run is told, never raised."""

import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file

from mt.config import DecodingConfig
from mt.config_file import dump_config, load_config
from mt.config_yaml import read_yaml
from mt.engine_record import EngineCheck, add_check, settings_that_matter
from mt.run_facts import count_in_header, duration, read_facts, read_settings, tail_lines
from mt.run_lock import is_held, locked
from mt.run_table import run_table
from mt.runs import RunDirectory, file_hash
from mt.text_table import display_width
from tests.command_line import run_mt


@pytest.fixture
def run(trained_run: Path, tmp_path: Path) -> Path:
    """A finished run of one's own."""
    shutil.copytree(trained_run, tmp_path / "runs" / "copy", symlinks=True)
    return tmp_path / "runs" / "copy"


def unfinish(run: Path) -> None:
    """As a training leaves it that is still under way, or was stopped."""
    (run / "summary.json").unlink()
    (run / "model.safetensors").unlink()


# ── what is read ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_facts_of_a_finished_run(run: Path) -> None:
    facts, summary = read_facts(run), json.loads((run / "summary.json").read_text())
    weights = sum(tensor.numel() for tensor in load_file(run / "model.safetensors").values())
    assert (facts.name, facts.state, facts.problems) == ("copy", "finished", ())
    assert (facts.step, facts.max_steps, facts.parameters) == (300, 300, weights) == (summary["step"], 300, summary["parameters"])
    assert (facts.valid, facts.test, facts.seconds) == (summary["valid"], summary["test"], summary["seconds"])
    assert facts.config["model.architecture"] == "transformer" and facts.config["source"] == "en"
    assert facts.changed >= (run / "summary.json").stat().st_mtime


def test_the_facts_of_an_unfinished_run_are_those_of_its_last_checkpoint_and_best_validation(run: Path) -> None:
    unfinish(run)
    state = json.loads((run / "checkpoints/last/state.json").read_text())
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    best = max((line for line in lines if line["kind"] == "valid"), key=lambda line: (line["bleu"], -line["step"]))
    facts = read_facts(run, now=lines[-1]["time"] + 10_000)
    assert (facts.state, facts.problems, facts.step) == ("stopped", (), 300)
    assert facts.valid == {name: best[name] for name in ("loss", "perplexity", "bleu", "chrf")} and facts.valid_step == best["step"]
    assert facts.seconds == state["seconds"] and facts.test is None
    weights = load_file(run / "checkpoints/last/model.safetensors")
    assert facts.parameters == sum(tensor.numel() for tensor in weights.values())
    assert read_facts(run, now=lines[-1]["time"] + 10).state == "stopped", "the figures are young, but nobody holds the lock"


def test_a_run_is_running_while_its_lock_is_held_and_not_a_moment_longer(run: Path) -> None:
    for change in (lambda: None, lambda: unfinish(run)):  # a finished run may be trained further
        change()
        with locked(RunDirectory(run)):
            assert read_facts(run).state == "running"
        assert read_facts(run).state in ("finished", "stopped")
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    young, old = (lines[-1]["time"] + later for later in (10, 10_000))
    lock = run.with_name(f".{run.name}.lock")
    lock.write_text(json.dumps({"process": 1, "host": socket.gethostname(), "since": "now"}))
    assert read_facts(run, now=young).state == "stopped", "its process was killed, and the system has taken the lock back"
    lock.write_text(json.dumps({"process": 1, "host": "another-machine", "since": "now"}))
    states = [read_facts(run, now=now).state for now in (young, old)]
    assert states == ["running", "stopped"], "the locks of another machine may not be seen here: its figures tell"


def test_who_asks_for_the_lock_keeps_nobody_from_training(run: Path) -> None:
    lock = run.with_name(f".{run.name}.lock")
    lock.touch()
    with open(lock, "rb") as stream:
        fcntl.flock(stream, fcntl.LOCK_SH)
        threading.Timer(0.03, lambda: fcntl.flock(stream, fcntl.LOCK_UN)).start()
        with locked(RunDirectory(run)):
            assert is_held(RunDirectory(run))


def test_whether_numpy_translates_with_a_run_is_known(run: Path) -> None:
    assert read_facts(run).numpy == "yes" and " yes " in run_table([read_facts(run)], 160)
    (run / "engines.json").unlink()
    assert read_facts(run).numpy == "later: from the second use on"
    settings, weights = settings_that_matter(DecodingConfig()), run / "model.safetensors"
    for wrong, told in (({"certain": 3}, "no: too few certain translations"), ({"different": 1}, "no: it differs from torch")):
        fields = {"sentences": 48, "certain": 40, "different": 0, "other_probabilities": 0, "largest_difference": 0.0, "origin": "valid"}
        add_check(weights, file_hash(weights), EngineCheck(settings=settings, **fields | wrong))
        assert read_facts(run).numpy == told
    unfinish(run)
    assert read_facts(run).numpy == ""


def test_a_run_that_has_saved_nothing_is_a_run(run: Path) -> None:
    unfinish(run)
    shutil.rmtree(run / "checkpoints")
    (run / "metrics.jsonl").unlink()
    facts = read_facts(run)
    assert (facts.state, facts.problems, facts.step, facts.valid, facts.parameters) == ("stopped", (), 0, None, None)


@pytest.mark.parametrize("name", ["copy", "demo", "base"])
def test_settings_are_read_as_yaml_has_them(name: str, tmp_path: Path) -> None:
    """The quick reader against the YAML reader, on what `mt train` writes."""
    path = tmp_path / "config.yaml"
    path.write_text(dump_config(load_config(name, ["target=no", "training.schedule=linear"])), encoding="utf-8")
    values, settings = read_yaml(path).values, read_settings(path)
    expected = {key: value for key, value in values.items() if not isinstance(value, dict)}
    sections = {section: inside for section, inside in values.items() if isinstance(inside, dict)}
    expected |= {f"{section}.{key}": value for section, inside in sections.items() for key, value in inside.items()}
    assert settings.keys() == expected.keys()
    for key, value in expected.items():
        if not key.startswith("data.") and not isinstance(value, list):
            written = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
            assert settings[key] == written, key
    assert settings["target"] == "no"


def test_settings_of_another_form_are_read_too(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("data: demo\nmodel: {architecture: rnn}\ntraining:\n  max_steps: 5  # few\ndecoding:\n  method: greedy\n")
    assert read_settings(path) == {"data": "demo", "model.architecture": "rnn", "training.max_steps": "5", "decoding.method": "greedy"}


def test_only_whole_lines_at_the_end_of_a_file_are_read(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b"".join(b'{"step": %d}\n' % step for step in range(1000)) + b'\xff\n[1]\n{"step": 1000, "lo')
    assert tail_lines(path, 60) == [{"step": 998}, {"step": 999}]
    assert len(tail_lines(path, None)) == 1000 and tail_lines(tmp_path / "nonesuch") == []


def test_weights_are_counted_by_their_header(run: Path, tmp_path: Path) -> None:
    content = (run / "model.safetensors").read_bytes()
    for number, damaged in enumerate((b"", b"abc", content[:5], content[:100], content[:-1], content + b"x", b"\xff" * 100)):
        path = tmp_path / f"{number}.safetensors"
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="damaged"):
            count_in_header(path)


@pytest.mark.parametrize(("seconds", "words"),
                         [(0, "0 s"), (119, "119 s"), (120, "2 min"), (3500, "58 min"), (7200, "2.0 h"), (200_000, "2.3 d")])  # fmt: skip
def test_times_for_a_person(seconds: float, words: str) -> None:
    assert duration(seconds) == words


# ── damage ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def cut(name: str, size: int = 30) -> Callable[[Path], None]:
    return lambda run: (run / name).write_bytes((run / name).read_bytes()[:size])


def remove(name: str) -> Callable[[Path], None]:
    return lambda run: (run / name).unlink()


def put(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda run: (run / name).write_bytes(content)


def hang(run: Path) -> None:
    unfinish(run)
    (run / "checkpoints/last").unlink()
    (run / "checkpoints/last").symlink_to("step-99999999")


def other_version(run: Path) -> None:
    path = run / "config.yaml"
    path.write_text(path.read_text().replace("  d_ff:", "  d_gg: 5\n  d_ff:"))


DAMAGE = {
    "a summary cut short": (cut("summary.json"), "summary.json cannot be read"),
    "a summary of another kind": (put("summary.json", b"[1, 2]"), "summary.json holds something else"),
    "weights cut short": (cut("model.safetensors", 5000), "model.safetensors: "),
    "weights that are gone": (remove("model.safetensors"), "summary.json is there, and model.safetensors is not: the final weights"),
    "no configuration": (remove("config.yaml"), "config.yaml is missing"),
    "an empty configuration": (put("config.yaml", b""), ""),
    "a configuration that is no YAML": (put("config.yaml", b"data: [copy\n"), "config.yaml"),
    "a configuration in no encoding": (put("config.yaml", b"\xff\xfe\x00data"), "config.yaml"),
    "a configuration cut short": (cut("config.yaml", 400), "config.yaml"),
    "a configuration of another version": (other_version, "config.yaml: this version of mt has no model.d_gg"),
    "no tokenizer": (remove("tokenizer.model"), "tokenizer.model is missing"),
    "an environment cut short": (cut("environment.json"), "environment.json cannot be read"),
    "no data.json": (remove("data.json"), "data.json is missing"),
    "a checkpoint that is gone": (hang, "checkpoints/last points to step-99999999"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_run_is_listed_with_what_is_wrong(case: str, run: Path) -> None:
    shutil.copytree(run, run.with_name("whole"), symlinks=True)
    damage, words = DAMAGE[case]
    damage(run)
    outcome = run_mt("runs")
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    table, problems = outcome.stdout.split("damaged:\n")
    states = {line.split()[0]: line.split()[1] for line in table.splitlines()[1:] if line}
    assert states == {"copy": "damaged", "whole": "finished"}
    assert f"copy: {words}" in " ".join(problems.split()) if words else "copy: " in problems


def test_figures_that_were_cut_short_are_no_damage(run: Path) -> None:
    unfinish(run)
    path = run / "metrics.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    assert read_facts(run).problems == ()
    path.write_bytes(os.urandom(3000))
    assert read_facts(run).problems == ()


def test_values_of_another_kind_do_not_matter(run: Path) -> None:
    (run / "summary.json").write_text(json.dumps({"step": None, "valid": "good", "test": [3], "seconds": None, "parameters": None}))
    assert "copy" in run_mt("runs").stdout


# ── the table ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_run_changed_last_stands_first_and_other_folders_are_none(run: Path) -> None:
    for number, name in enumerate(("older", "newer")):
        shutil.copytree(run, run.with_name(name), symlinks=True)
        for path in (run.with_name(name), *run.with_name(name).iterdir()):
            os.utime(path, (1000 + number, 1000 + number), follow_symlinks=False)
    (run.parent / "notes").mkdir()
    (run.parent / "a file").write_text("")
    assert [line.split()[0] for line in run_mt("runs").stdout.splitlines()[:4]] == ["run", "copy", "newer", "older"]


def test_scores_model_and_languages_stand_in_the_table(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    summary = json.loads((run / "summary.json").read_text())
    header, row = run_mt("runs").stdout.splitlines()[:2]
    for part in ("finished", "300", "transformer 1+1×64", "en→en", f"{summary['valid']['bleu']:.2f}", f"{summary['valid']['loss']:.3f}"):
        assert part in row
    assert "valid BLEU" in header and "test BLEU" in header
    assert f"{summary['test']['bleu']['score']:.2f}" in row


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_the_table_keeps_to_the_width_and_its_columns_to_their_places(width: int, run: Path) -> None:
    names = ("가나다 실험", "日本", "a-very-long-name-of-a-run-that-somebody-gave", "x")
    runs = []
    for name in names:
        shutil.copytree(run, run.with_name(name), symlinks=True)
        runs.append(read_facts(run.with_name(name)))
    table = run_table(runs, width).split("\n\n")[0]
    assert all(display_width(line) <= max(width, 75) for line in table.split("\n"))
    places = {display_width(line[: line.index("finished")]) for line in table.split("\n")[1:]}
    assert len(places) == 1
    assert {"run", "state", "updates", "changed"} <= {*table.split("\n")[0].split()}
    left_out = run_table(runs, width).split("\n\n")[1:]
    assert bool(left_out) == (width < 160) and all("No room for" in text for text in left_out)


def test_everything_is_written_as_json(run: Path) -> None:
    outcome = run_mt("runs", "--json", "all/runs.json")
    assert outcome.exit_code == 0, outcome.stderr
    [written] = json.loads(Path("all/runs.json").read_text(encoding="utf-8"))
    assert (written["name"], written["state"], written["step"], written["problems"]) == ("copy", "finished", 300, [])
    assert "data.train" not in written["config"]
    assert written["config"]["training.max_steps"] == "300" and written["valid"]["bleu"] == read_facts(run).valid["bleu"]


def test_no_runs_and_no_folder_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "runs").mkdir()
    assert run_mt("runs").stdout == "there are no runs in runs; train a model with 'mt train --config demo'\n"
    monkeypatch.setenv("MT_RUNS", "nonesuch")
    outcome = run_mt("runs")
    assert (outcome.exit_code, outcome.stdout) == (2, "") and "MT_RUNS: there is no folder nonesuch" in outcome.stderr
    monkeypatch.delenv("MT_RUNS")
    assert run_mt("runs").exit_code == 0
    outcome = run_mt("runs", "--json", "runs")
    assert outcome.exit_code == 2 and "cannot be written" in outcome.stderr


@pytest.mark.parametrize("command", [["runs"], ["diff", "copy", "other"], ["config", "explain", "seed", "--config", "demo"],
                                     ["config", "show", "--model", "copy"], ["config", "explain", "training.seed"]])  # fmt: skip
def test_no_torch_is_loaded(command: list[str], run: Path) -> None:
    shutil.copytree(run, run.with_name("other"), symlinks=True)
    code = ("import sys; from mt.cli import main\ntry: main()\nexcept SystemExit: pass\n"
            "print([n for n in ('torch', 'datasets') if n in sys.modules])")  # fmt: skip
    outcome = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=True)
    assert outcome.stdout.splitlines()[-1] == "[]"
