"""A run that was stopped, in whatever way, goes on as if it had not been: bit for bit."""

import json
import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest

from mt.data.toy import toy_pairs
from mt.errors import ConfigError, Interrupted, RunError
from mt.runs import RunDirectory
from mt.training import finish, trainer
from mt.training.trainer import train
from tests.command_line import run_mt
from tests.processes import mt_process, num_lines, sets, start_mt, wait_until
from tests.tiny import SETTINGS, tiny_config

EVERYTHING = (
    "data.train=[{file: pairs.tsv, weight: 1.5}]",
    "training.max_tokens=150",
    "training.accumulation=2",
    "training.ema_decay=0.9",
    "tokenizer.sampling=0.4",
    "training.label_smoothing=0.1",
)
"""All that has a state or draws at random, over several epochs of forty pairs."""
VARIANTS = {
    "plain": (),
    "subword sampling": ("tokenizer.sampling=0.4",),
    "BPE-dropout": ("tokenizer.sampling=0.4", "tokenizer.model_type=bpe"),
    "accumulation": ("training.accumulation=2",),
    "EMA": ("training.ema_decay=0.9",),
    "Muon": ("training.optimizer=muon", "training.weight_decay=0.01"),
    "R-Drop": ("training.r_drop=3", "training.optimizer=muon", "model.attention_dropout=0.1"),
    "several epochs": ("data.train=pairs.tsv", "training.max_tokens=150"),
    "everything": EVERYTHING,
    "everything with BPE": (*EVERYTHING, "tokenizer.model_type=bpe"),
}


@pytest.fixture(autouse=True)
def pairs(isolated: None) -> None:
    """A corpus that changes nothing from run to run: forty pairs of the toy."""
    write_pairs(40)


@pytest.fixture
def averaged(monkeypatch: pytest.MonkeyPatch) -> None:
    """The average becomes the final weights, however it validates."""
    take_average(monkeypatch)


def take_average(patch: pytest.MonkeyPatch) -> None:
    def choose(_: object, candidates: dict) -> tuple[str, dict, None]:
        name = next(name for name in candidates if name.startswith("average"))
        return name, candidates[name], None

    patch.setattr(finish, "choose", choose)


def write_pairs(count: int) -> None:
    Path("pairs.tsv").write_text("".join(f"{source}\t{target}\n" for source, target in toy_pairs("copy", "train")[:count]))


def run_called(name: str) -> RunDirectory:
    return RunDirectory(Path(os.environ["MT_RUNS"]) / name)


def saved(run: RunDirectory, step: int) -> dict:
    """A checkpoint byte for byte; of the state all but the time it took."""
    folder = run.checkpoint_path(step)
    state = json.loads((folder / "state.json").read_text()) | {"seconds": 0}
    return {path.name: path.read_bytes() for path in folder.glob("*.safetensors")} | {"state": state}


def assert_same_end(run: RunDirectory, reference: RunDirectory, step: int) -> None:
    """The last checkpoint, the final weights and the scores are the same to the last bit."""
    one, other = saved(run, step), saved(reference, step)
    assert one["state"] == other["state"]
    assert one.keys() == other.keys()
    assert [name for name in one if one[name] != other[name]] == []
    assert run.weights_path.read_bytes() == reference.weights_path.read_bytes()
    varying = ("seconds", "peak_memory_mb")
    summaries = [{key: value for key, value in each.read_json("summary.json").items() if key not in varying} for each in (run, reference)]
    assert summaries[0] == summaries[1]


def metrics(run: RunDirectory) -> list[dict]:
    """metrics.jsonl, read strictly: whole lines, and nothing that JSON has not."""
    text = run.metrics_path.read_text(encoding="utf-8")
    assert text.endswith("\n")
    return [json.loads(line, parse_constant=lambda word: pytest.fail(f"{word} is not JSON")) for line in text.splitlines()]


def assert_every_step_once(run: RunDirectory, last: int) -> None:
    """With training.log_every=1: one line for every update, and one for every validation."""
    lines = metrics(run)
    assert [line["step"] for line in lines if line["kind"] == "train"] == list(range(1, last + 1))
    validated = [line["step"] for line in lines if line["kind"] == "valid"]
    assert validated == sorted(set(validated))


@pytest.mark.parametrize("variant", VARIANTS)
def test_five_updates_and_five_more_equal_ten(variant: str) -> None:
    train(tiny_config(*VARIANTS[variant], "name=whole"))
    train(tiny_config(*VARIANTS[variant], "name=halves", "training.max_steps=5"))
    train(tiny_config(*VARIANTS[variant], "name=halves"))
    assert_same_end(run_called("halves"), run_called("whole"), 10)
    if "epoch" in variant or "every" in variant:
        assert run_called("whole").read_json("summary.json")["epochs"] >= 2
    assert ("ema.safetensors" in saved(run_called("whole"), 10)) == ("EMA" in variant or "every" in variant)


@pytest.mark.parametrize(
    "variant", [pytest.param("plain", marks=pytest.mark.slow), "everything", pytest.param("everything with BPE", marks=pytest.mark.slow)]
)
def test_five_updates_and_five_more_in_a_new_process_equal_ten(variant: str) -> None:
    train(tiny_config(*VARIANTS[variant], "name=whole"))
    train(tiny_config(*VARIANTS[variant], "name=halves", "training.max_steps=5"))
    process = mt_process("train", "--config", "copy", *sets([*SETTINGS, *VARIANTS[variant], "name=halves"]))
    assert process.returncode == 0, process.stderr
    assert "going on from step 5" in process.stderr
    assert_same_end(run_called("halves"), run_called("whole"), 10)


def test_another_seed_gives_other_weights() -> None:
    """The comparisons above would see a difference."""
    train(tiny_config("name=one"))
    train(tiny_config("name=other", "training.seed=2"))
    assert run_called("one").weights_path.read_bytes() != run_called("other").weights_path.read_bytes()


LONG = (
    *EVERYTHING, "training.max_steps=160", "training.save_every=9", "training.validate_every=40", "training.log_every=1",
    "training.average=last", "training.average_checkpoints=4",
)  # fmt: skip


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> RunDirectory:
    """LONG in one go."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MT_RUNS", str(folder))
        patch.setenv("MT_CACHE", str(cache))
        patch.chdir(folder)
        take_average(patch)
        write_pairs(40)
        train(tiny_config(*LONG, "name=long"))
    return RunDirectory(folder / "long")


def test_a_run_that_was_killed_goes_on_from_its_last_checkpoint(uninterrupted: RunDirectory, averaged: None) -> None:
    seed = random.randrange(10**6)
    pause = random.Random(seed).uniform(0.0, 0.7)
    run = run_called("long")
    process = start_mt("train", "--config", "copy", *sets([*SETTINGS, *LONG, "name=long"]))
    wait_until(lambda: len(run.checkpoint_steps()) > 0, process)
    time.sleep(pause)
    process.kill()
    process.communicate()
    assert not run.finished(), "the pause was too long for this machine"
    train(tiny_config(*LONG, "name=long"))
    assert_same_end(run, uninterrupted, 160)
    assert_every_step_once(run, 160)
    assert not [*run.path.rglob("*.part")], f"{seed=} {pause=}"


def test_a_line_cut_short_and_figures_after_the_last_checkpoint_are_dropped() -> None:
    train(tiny_config("training.log_every=1", "training.max_steps=5"))
    run = run_called("tiny")
    run.summary_path.unlink()
    with open(run.metrics_path, "a") as stream:
        stream.write('{"kind": "train", "step": 6, "loss": 1.0}\n{"kind": "train", "st')
    train(tiny_config("training.log_every=1"))
    assert_every_step_once(run, 10)


def test_what_a_crash_leaves_is_cleared_away() -> None:
    """Half a save, half a deletion, and a link that points nowhere."""
    train(tiny_config("name=whole"))
    train(tiny_config("training.max_steps=5"))
    run = run_called("tiny")
    run.summary_path.unlink()
    part = run.checkpoints_path / ".step-00000010.123.part"
    half = run.checkpoint_path(3)
    for folder in (part, half):
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(b"half")
    (run.checkpoints_path / "best").unlink()
    (run.checkpoints_path / "best").symlink_to("step-00000003")
    train(tiny_config())
    assert not part.exists() and not half.exists()
    assert run.pointed("best") in (5, 10)
    assert_same_end(run, run_called("whole"), 10)


@pytest.mark.parametrize(("name", "number"), [("SIGINT", signal.SIGINT), pytest.param("SIGTERM", signal.SIGTERM, marks=pytest.mark.slow)])
def test_a_signal_saves_stops_with_130_and_says_how_to_go_on(name: str, number: int, uninterrupted: RunDirectory, averaged: None) -> None:
    run = run_called("long")
    process = start_mt("train", "--config", "copy", *sets([*SETTINGS, *LONG, "name=long"]))
    wait_until(lambda: num_lines(run.metrics_path) >= 4, process)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    step = run.pointed("last")
    assert step == run.checkpoint_steps()[-1] and 4 <= step < 160
    assert f"stopped by {name} and saved at step {step}; go on with the same command" in stderr
    assert "mt train --config runs/long/config.yaml)" in stderr
    outcome = run_mt("train", "--config", "runs/long/config.yaml")
    assert outcome.exit_code == 0, outcome.stderr
    assert_same_end(run, uninterrupted, 160)
    assert_every_step_once(run, 160)


@pytest.mark.parametrize("at", [1, 5, 7, 10])
@pytest.mark.parametrize("average", ["last", "best"])
def test_wherever_it_was_stopped_the_average_is_that_of_an_uninterrupted_run(
    at: int, average: str, averaged: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ["training.save_every=3", "training.validate_every=2", "training.metric=loss", f"training.average={average}",
                "training.average_checkpoints=3"]  # fmt: skip
    train(tiny_config(*settings, "name=whole"))
    real = trainer.train_step

    def stopped_at(model, optimizer, shares, step, *others):
        if step == at:
            os.kill(os.getpid(), signal.SIGINT)
        return real(model, optimizer, shares, step, *others)

    monkeypatch.setattr(trainer, "train_step", stopped_at)
    with pytest.raises(Interrupted, match=f"saved at step {at};"):
        train(tiny_config(*settings, "name=stopped"))
    assert not run_called("stopped").finished()
    monkeypatch.setattr(trainer, "train_step", real)
    train(tiny_config(*settings, "name=stopped"))
    run, whole = run_called("stopped"), run_called("whole")
    assert run.weights_path.read_bytes() == whole.weights_path.read_bytes()
    names = [each.read_json("summary.json")["final_weights"] for each in (run, whole)]
    assert names[0] == names[1] and names[0].startswith("average of steps")


def test_a_second_signal_stops_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def impatient(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(trainer, "train_step", impatient)
    with pytest.raises(KeyboardInterrupt):
        train(tiny_config())
    assert run_called("tiny").checkpoint_steps() == []


def test_a_signal_before_the_first_step_also_gives_130() -> None:
    process = start_mt("train", "--config", "demo")
    time.sleep(1.2)  # among the imports, or in the data
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    # Python ends by the signal itself if it came while a module was compiled; a shell shows 130 for both.
    assert process.returncode in (130, -signal.SIGINT)
    assert "Traceback" not in stderr and "stopped" in stderr


def contents(path: Path) -> dict[str, tuple[int, bytes]]:
    return {str(file): (file.stat().st_mtime_ns, file.read_bytes()) for file in path.rglob("*") if file.is_file()}


def test_a_finished_run_started_again_does_nothing() -> None:
    first = train(tiny_config())
    before = contents(run_called("tiny").path)
    outcome = run_mt("train", "--config", "copy", *sets(SETTINGS))
    assert outcome.exit_code == 0
    assert "is finished (10 steps). To train on: mt train --config " in outcome.stderr
    assert contents(run_called("tiny").path) == before
    assert train(tiny_config("training.max_steps=7", "training.log_every=3")) == first


def test_a_finished_run_goes_on_when_more_is_asked_for() -> None:
    settings = ["data.train=pairs.tsv", "training.max_tokens=150", "training.max_steps=1000"]
    assert train(tiny_config(*settings, "training.max_epochs=1"))["epochs"] == 1
    assert train(tiny_config(*settings, "training.max_epochs=2"))["epochs"] == 2
    ended = train(tiny_config(*settings, "training.max_epochs=2"))["step"]
    unlimited = [*settings[:2], f"training.max_steps={ended + 3}"]
    assert train(tiny_config(*unlimited, "training.max_epochs=2"))["step"] == ended
    assert train(tiny_config(*unlimited, "training.max_epochs=0"))["step"] == ended + 3


def test_a_run_that_goes_on_stays_finished_until_it_has_a_newer_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until then its final weights are the newest there are; from then on it is unfinished until it ends."""
    train(tiny_config("training.max_steps=5"))
    monkeypatch.setattr(trainer, "train_to_the_end", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        train(tiny_config())
    run = run_called("tiny")
    assert run.finished() and run.weights_to_use() == run.weights_path


def test_changed_settings_are_refused_by_name_all_at_once() -> None:
    train(tiny_config())
    before = contents(run_called("tiny").path)
    outcome = run_mt("train", "--config", "copy", *sets([*SETTINGS, "model.d_ff=32", "training.seed=9", "tokenizer.sampling=0.1"]))
    assert outcome.exit_code == 2
    for changed in ("model.d_ff: begun with 16, now 32", "training.seed: begun with 1, now 9", "tokenizer.sampling"):
        assert changed in outcome.stderr
    assert "--restart" in outcome.stderr and "Traceback" not in outcome.stderr
    assert contents(run_called("tiny").path) == before


def test_settings_that_decide_nothing_may_change() -> None:
    train(tiny_config())
    train(tiny_config("training.max_steps=12", "training.save_every=2", "training.log_every=1", "decoding.beam_size=3",
                      "training.validate_sentences=2", "training.max_bad_steps=3", "training.average=last"))  # fmt: skip
    assert run_called("tiny").read_json("summary.json")["step"] == 12


def test_the_precision_that_is_asked_for_is_the_one_that_is_used() -> None:
    train(tiny_config("training.max_steps=2"))
    train(tiny_config("training.max_steps=3", "training.precision=auto"))
    assert run_called("tiny").read_json("environment.json")["precision"] == "fp32"
    train(tiny_config("training.max_steps=4", "training.precision=bf16"))
    assert run_called("tiny").read_json("environment.json")["precision"] == "bf16"
    train(tiny_config("training.max_steps=5", "training.precision=auto"))
    assert run_called("tiny").read_json("environment.json")["precision"] == "bf16"


def test_changed_data_is_refused() -> None:
    settings = ["data.train=pairs.tsv", "training.max_steps=5"]
    train(tiny_config(*settings))
    write_pairs(39)
    with pytest.raises(RunError, match=r"training or validation data has changed.*--restart"):
        train(tiny_config(*settings[:1], "training.max_steps=10"))
    write_pairs(40)
    train(tiny_config(*settings[:1], "training.max_steps=10"))
    assert run_called("tiny").read_json("summary.json")["step"] == 10


def test_restart_begins_anew_and_keeps_the_old_run_beside() -> None:
    train(tiny_config())
    weights = run_called("tiny").weights_path.read_bytes()
    for number in (1, 2):
        outcome = run_mt("train", "--config", "copy", "--restart", *sets([*SETTINGS, f"training.seed={number + 1}"]))
        assert outcome.exit_code == 0, outcome.stderr
        assert f"tiny.old-{number}" in outcome.stderr
    assert run_called("tiny.old-1").weights_path.read_bytes() == weights
    assert run_called("tiny.old-2").finished()
    assert run_called("tiny").weights_path.read_bytes() != weights


def test_restart_without_a_run_just_begins() -> None:
    train(tiny_config("training.max_steps=2"), restart=True)
    assert [path.name for path in run_called("tiny").path.parent.iterdir()] == ["tiny"]


def test_the_summary_says_what_was_done() -> None:
    summary = train(tiny_config("data.test=copy", "training.average=last", "training.average_checkpoints=2", "decoding.method=greedy"))
    run = run_called("tiny")
    assert summary == json.loads(run.summary_path.read_text(encoding="utf-8"))
    assert (summary["step"], summary["max_steps"], summary["epochs"], summary["skipped_updates"]) == (10, 10, 0, 0)
    assert summary["stopped_early"] is False and summary["best_step"] in (5, 10)
    assert summary["seconds"] > 0 and summary["target_tokens"] > 1000 and summary["peak_memory_mb"] > 50
    assert summary["final_weights"] in ("last", "best (step 5)", "average of steps 5, 10")
    assert summary["valid"].keys() == {"loss", "perplexity", "bleu", "chrf"}
    assert {"bleu", "chrf", "ter"} < summary["test"].keys() and summary["test"]["sentences"] == 100
    assert all(summary["test"][metric]["signature"].startswith("nrefs:1|") for metric in ("bleu", "chrf", "ter"))
    written = {path.name for path in run.path.iterdir()}
    assert written == {"config.yaml", "environment.json", "data.json", "tokenizer.model", "metrics.jsonl", "projections.jsonl",
                       "tensorboard", "checkpoints", "model.safetensors", "summary.json", "engines.json"}  # fmt: skip
    assert {"torch", "precision", "threads", "platform"} < run.read_json("environment.json").keys()


def test_a_configuration_without_a_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="name"):
        train(tiny_config().model_copy(update={"name": None}))


def test_an_epoch_that_happens_to_have_no_pair_is_passed_over() -> None:
    """A small corpus with a small weight: such an epoch must not stop the run."""
    shutil.copy("pairs.tsv", "all.tsv")
    write_pairs(2)
    tiny = train(tiny_config("data.train=[{file: pairs.tsv, weight: 0.05}]", "training.max_steps=3"))
    assert tiny["step"] == 3 and tiny["epochs"] > 3
