"""A run that goes on: its schedule continues, its scores stay comparable, its weights are the right ones, side effects are said."""

import json
import logging
import os
import random
import signal
import time
from dataclasses import dataclass, field

import pytest
import torch

from mt.config_file import load_config, replace_fields
from mt.errors import Interrupted, RunError
from mt.model.build import build_model
from mt.runs import RunDirectory, runs_root
from mt.stored_files import find_stored
from mt.stored_model import parameters_of
from mt.training import finish as finish_module
from mt.training import setup as begin_module
from mt.training import trainer as trainer_module
from mt.training.averaging import start_ema, update_ema
from mt.training.continuing import continue_schedule, place_in_schedule, train_longer, wants_more
from mt.training.optimizer import build_optimizer, learning_rate_at
from mt.training.state import TrainingState, best_steps
from mt.training.step import PendingStep, make_update
from mt.training.trainer import train
from mt.training.validation import Validation
from mt.training.verify import verify
from tests.command_line import run_mt
from tests.processes import sets
from tests.tiny import SETTINGS, tiny_config

LONG = ("training.max_steps=1000", "training.warmup_steps=100", "training.validate_every=100", "training.save_every=100",
        "training.learning_rate=0.001", "training.log_every=1")  # fmt: skip


def the_run() -> RunDirectory:
    return RunDirectory(runs_root() / "tiny")


@dataclass
class Clock:
    """A clock that only an update or a validation moves, and what was done by it."""

    update: float = 1.0
    validation: float = 0.0
    now: float = 1000.0
    validations: int = 0
    stop_at: int | None = None
    """The update during which Ctrl-C comes."""
    rates: dict[int, float] = field(default_factory=dict)
    """The learning rate of each update."""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Updates and validations that take their time and do nothing else."""
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)

    def step(model, optimizer, shares, number, rate, *_: object) -> PendingStep:
        clock.now += clock.update
        clock.rates[number] = rate
        if number == clock.stop_at:
            os.kill(os.getpid(), signal.SIGINT)
        return PendingStep(torch.ones(3), None, False, rate, sum(share.num_target_tokens for share in shares), 0.0)

    def validate(*_: object) -> Validation:
        clock.now += clock.validation
        clock.validations += 1
        return Validation(1.0 / clock.validations, 0.0, 0.0, [])

    monkeypatch.setattr(trainer_module, "train_step", step)
    monkeypatch.setattr(begin_module.Training, "every", lambda training, steps: steps)  # by this machine's real speed otherwise
    for module in (trainer_module, finish_module):
        monkeypatch.setattr(module, "validate", validate)
    return clock


def train_until(clock: Clock, step: int, *settings: str) -> None:
    """Train, and press Ctrl-C in that update."""
    clock.stop_at = step
    with pytest.raises(Interrupted):
        train(tiny_config(*LONG, *settings))
    clock.stop_at = None


def hours(seconds: float) -> str:
    return f"training.max_hours={seconds / 3600}"


def test_a_stop_under_a_deadline_moves_nothing_back(clock: Clock) -> None:
    """With long validations and half of the time over, the learning rate after the stop is that before it, and falls to the end."""
    clock.validation = 8.0
    train_until(clock, 120, hours(300), "training.schedule=linear")
    before = the_run().read_json("checkpoints/last/state.json")["progress"]
    train(tiny_config(*LONG, hours(300), "training.schedule=linear"))
    assert clock.rates[121] == pytest.approx(clock.rates[120], rel=0.01)
    rates = [clock.rates[number] for number in sorted(clock.rates)]
    peak = rates.index(max(rates))
    assert peak < 120 and all(later <= earlier for earlier, later in zip(rates[peak:], rates[peak + 1 :], strict=False))
    assert before > 0.3 and rates[-1] < 0.05 * max(rates), "the decay is complete"


@pytest.mark.parametrize("schedule", ["linear", "cosine", "inverse_sqrt"])
def test_a_run_by_steps_that_goes_on_under_a_deadline_continues_its_schedule(
    clock: Clock, schedule: str, caplog: pytest.LogCaptureFixture
) -> None:
    train_until(clock, 400, f"training.schedule={schedule}")
    train(tiny_config(*LONG, hours(460), f"training.schedule={schedule}"))
    assert clock.rates[401] == pytest.approx(clock.rates[400], rel=0.01)
    assert max(clock.rates.values()) == max(rate for number, rate in clock.rates.items() if number <= 400), "no second warm-up"
    assert 440 < max(clock.rates) <= 460, "done in the time that was left"
    at_the_end = learning_rate_at(1000, tiny_config(*LONG, f"training.schedule={schedule}").training)
    assert clock.rates[max(clock.rates)] == pytest.approx(at_the_end, abs=3e-5)
    [told] = [record.getMessage() for record in caplog.records if "training.max_hours" in record.getMessage()]
    assert "where steps decided before" in told and "as it was" in told and "60% of the schedule" in told


@pytest.mark.parametrize(("seconds", "step"), [(1600.0, 300), (200.0, 110)])
def test_a_run_under_a_deadline_that_goes_on_by_steps_continues_its_schedule(
    clock: Clock, seconds: float, step: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Whether its updates came faster or slower than max_steps says, it ends where the schedule does, and is finished then."""
    train_until(clock, step, hours(seconds), "training.schedule=linear")
    progress = the_run().read_json("checkpoints/last/state.json")["progress"]
    summary = train(tiny_config(*LONG, "training.schedule=linear"))
    assert clock.rates[step + 1] == pytest.approx(clock.rates[step], rel=0.012)
    assert summary["step"] == max(clock.rates) == pytest.approx(step + (1 - progress) * 1000, abs=1)
    assert clock.rates[summary["step"]] < 1e-5
    [told] = [record.getMessage() for record in caplog.records if "training.max_hours: not set" in record.getMessage()]
    assert f"{(1 - progress) * 1000:,.0f} more updates" in told
    assert train(tiny_config(*LONG, "training.schedule=linear")) == summary, "the schedule is over, whatever the number of updates"


def test_back_and_forth_between_steps_and_hours_never_leaves_the_schedule(clock: Clock) -> None:
    settings = "training.schedule=linear"
    train_until(clock, 200, settings)
    train_until(clock, 300, settings, hours(1000))
    train_until(clock, 350, settings)
    train_until(clock, 400, settings, hours(900))
    train(tiny_config(*LONG, settings))
    for stop in (200, 300, 350, 400):
        assert clock.rates[stop + 1] == pytest.approx(clock.rates[stop], rel=0.01)
    falling = [clock.rates[number] for number in sorted(clock.rates) if number > 100]
    assert falling == sorted(falling, reverse=True)


def test_more_hours_stretch_the_schedule_once(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    train_until(clock, 150, hours(300), "training.schedule=linear")
    progress = the_run().read_json("checkpoints/last/state.json")["progress"]
    train_until(clock, 151, hours(600), "training.schedule=linear")
    assert "stretched over the longer time" in caplog.text
    stretched = the_run().read_json("checkpoints/last/state.json")["progress"]
    assert stretched == pytest.approx(progress / 2, abs=0.01)
    caplog.clear()
    train_until(clock, 152, hours(600), "training.schedule=linear")
    assert the_run().read_json("checkpoints/last/state.json")["progress"] == pytest.approx(stretched, abs=0.01)
    assert "training.max_hours" not in caplog.text


def test_epochs_end_a_run_the_same_after_a_change_of_schedule(clock: Clock) -> None:
    train_until(clock, 30, "training.max_epochs=2")
    epoch = the_run().read_json("checkpoints/last/state.json")["epoch"]
    ended = train(tiny_config(*LONG, "training.max_epochs=2", hours(10_000)))
    assert epoch < 2 == ended["epochs"] and not ended["stopped_early"]
    assert train(tiny_config(*LONG, "training.max_epochs=2", hours(20_000))) == ended, "the epochs are over, however many hours"


def test_patience_goes_on_counting_and_more_of_it_goes_on_training(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, [5.0, *[6.0] * 40])
    patient = ("training.metric=loss", "training.validate_every=10")
    train_until(clock, 35, *patient)
    ended = train(tiny_config(*LONG, *patient, "training.patience=4", hours(1000)))
    assert ended["stopped_early"] and len(the_run().read_json("checkpoints/last/state.json")["scores"]) == 5
    assert train(tiny_config(*LONG, *patient, "training.patience=4", hours(1000))) == ended
    assert train_longer(ended, tiny_config(*LONG, *patient, "training.patience=4", hours(1000)).training) == {"training.patience": "8"}
    more = train(tiny_config(*LONG, *patient, "training.patience=6", hours(1000)))
    assert more["stopped_early"] and more["step"] > ended["step"], "more patience goes on, also under the same hours"


def test_a_finished_run_wants_more_only_where_its_schedule_is_not_over() -> None:
    steps, timed = tiny_config().training, tiny_config("training.max_hours=1").training
    summary = {"step": 10, "max_steps": 10, "max_epochs": 0, "max_hours": 0.0, "epochs": 1, "stopped_early": False, "seconds": 60.0}
    longer = tiny_config("training.max_steps=20").training
    assert not wants_more(summary, steps, steps) and wants_more(summary, steps, longer)
    assert not wants_more(summary, steps, timed) and wants_more(summary, steps, longer.model_copy(update={"max_hours": 1.0}))
    by_hours = summary | {"step": 7, "max_hours": 1.0}
    assert not wants_more(by_hours, timed, steps), "its whole schedule is over, in fewer updates"
    assert wants_more(by_hours, timed, longer) and wants_more(by_hours, timed, timed.model_copy(update={"max_hours": 2.0}))


def test_the_settings_advised_for_a_finished_run_train_on_whatever_ended_it() -> None:
    """Over drawn ends: several limits at once, hours after steps and steps after hours, settings changed since, older summaries."""
    draw = random.Random(5)
    changed = 0
    for _ in range(4000):
        drawn = {"max_steps": draw.choice([1, 60, 1000]), "max_epochs": draw.choice([0, 1, 7]), "patience": draw.choice([0, 1, 5]),
                 "max_hours": draw.choice([0.0, 0.0, 0.012, 3.0])}  # fmt: skip
        now = {key: draw.choice([value, value, 2 * value]) for key, value in drawn.items()}
        before = tiny_config().training.model_copy(update=now)
        share = draw.choice([0.3, 0.8, 1.0])
        summary = drawn | {
            "step": draw.choice([2, 60, 595]), "schedule_step": share * drawn["max_steps"], "epochs": draw.choice([0, 1, 3, 7, 8]),
            "seconds": draw.choice([1.0, share * drawn["max_hours"] * 3600, 9000.0]),
            "stopped_early": 0 < drawn["patience"] == draw.choice([1, 5]),
            "validations_without_gain": draw.choice([drawn["patience"], 9]),
        }  # fmt: skip
        for key in draw.sample(["schedule_step", "patience", "max_hours", "validations_without_gain"], draw.choice([0, 0, 1, 4])):
            del summary[key]
        advised = train_longer(summary, before)
        raised = {key.removeprefix("training."): float(value) if "hours" in key else int(value) for key, value in advised.items()}
        longer = before.model_copy(update=raised)
        assert wants_more(summary, before, longer), (summary, now, advised)
        for key, value in advised.items():
            assert float(value) > now[key.removeprefix("training.")] > 0, "a limit is raised, never set or lowered"
        changed += len(advised) > 1
        if before.max_hours:
            assert longer.max_hours * 3600 > summary["seconds"], "time is left"
    assert changed > 300


def test_only_the_limits_that_a_run_would_reach_are_raised() -> None:
    config = tiny_config("training.max_steps=1000", "training.patience=5", "training.max_epochs=50").training
    summary = {"step": 400, "max_steps": 1000, "max_hours": 0.0, "schedule_step": 400, "epochs": 9, "stopped_early": True, "patience": 5,
               "seconds": 60.0}  # fmt: skip
    assert train_longer(summary, config) == {"training.patience": "10"}
    timed = config.model_copy(update={"max_hours": 1.0})
    assert train_longer(summary | {"max_hours": 1.0}, timed) == {"training.patience": "10"}
    assert train_longer(summary | {"schedule_step": 1000}, config) == {"training.patience": "10", "training.max_steps": "2000"}
    unstopped = summary | {"stopped_early": False}
    assert train_longer(unstopped | {"step": 595, "schedule_step": 1000}, config) == {"training.max_steps": "2000"}, "not by its updates"
    assert train_longer(unstopped | {"epochs": 50}, config) == {"training.max_epochs": "100"}
    assert train_longer(unstopped | {"epochs": 50, "schedule_step": 700}, config) == {
        "training.max_epochs": "100", "training.max_steps": "1400"
    }  # fmt: skip
    assert train_longer(unstopped, config) == {}, "the settings in its folder ask for more already"


def test_patience_lowered_below_what_has_passed_is_raised_above_it(clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    """A run stopped at once by a lower patience goes on with the one advised."""
    scripted(monkeypatch, [5.0, *[6.0] * 40])
    patient = ("training.metric=loss", "training.validate_every=10")
    train_until(clock, 85, *patient)
    caplog.set_level("INFO")
    ended = train(tiny_config(*LONG, *patient, "training.patience=2"))
    assert ended["stopped_early"] and ended["validations_without_gain"] == 7
    train(tiny_config(*LONG, *patient, "training.patience=2"))
    assert "--set training.patience=14; to start over" in caplog.text
    assert train(tiny_config(*LONG, *patient, "training.patience=14"))["step"] > ended["step"]


def test_a_checkpoint_of_an_earlier_version_takes_its_hours_from_the_configuration() -> None:
    before = tiny_config(*LONG, "training.max_hours=1").training
    state = TrainingState.from_json({"step": 70, "progress": 0.5, "seconds": 1800.0})
    assert continue_schedule(state, before, before) == [] and state.progress == 0.5
    state = TrainingState.from_json({"step": 70, "progress": 0.5, "seconds": 1800.0})
    now = tiny_config(*LONG).training
    assert len(continue_schedule(state, before, now)) == 1 and place_in_schedule(state, now) == 500.0


def test_updates_made_under_a_deadline_are_not_verified(clock: Clock) -> None:
    train_until(clock, 20, hours(1000))
    train_until(clock, 30, hours(1000))
    with pytest.raises(RunError, match="were made under training.max_hours"):
        verify(tiny_config(*LONG))


def test_updates_made_by_steps_after_a_deadline_can_be_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    by_steps = ("training.schedule=linear", "training.max_steps=40", "training.validate_every=40", "training.save_every=5")
    real = trainer_module.train_step

    def stopping(model, optimizer, shares, number, *others):
        if number == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return real(model, optimizer, shares, number, *others)

    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(trainer_module, "train_step", stopping)
        train(tiny_config(*by_steps, hours(60)))
    train(tiny_config(*by_steps))
    assert verify(tiny_config(*by_steps))


@pytest.mark.slow
def test_a_run_by_steps_continues_under_a_deadline_in_two_processes() -> None:
    by_steps = ["training.schedule=linear", "training.max_steps=400", "training.warmup_steps=20", "training.save_every=20",
                "training.validate_every=400", "training.log_every=1", "name=pair"]  # fmt: skip
    train(tiny_config(*by_steps, "training.max_epochs=1"))
    run = RunDirectory(runs_root() / "pair")
    stopped = run.read_json("summary.json")["step"]
    seconds = run.read_json("summary.json")["seconds"] + 15
    outcome = run_mt("train", "--config", "copy", *sets([*SETTINGS, *by_steps, hours(seconds)]), "--processes", "2")
    assert outcome.exit_code == 0, outcome.stderr
    lines = [json.loads(line) for line in run.metrics_path.read_text(encoding="utf-8").splitlines()]
    rates = {line["step"]: line["learning_rate"] for line in lines if line["kind"] == "train"}
    assert rates[stopped + 1] == pytest.approx(rates[stopped], rel=0.2) and rates[max(rates)] < 0.2 * max(rates.values())


# ── weights and scores ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_finished_run_that_goes_on_is_translated_with_its_newer_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    steady = ("training.schedule=constant", "training.metric=loss")
    scripted(monkeypatch, [3.0, 2.0, 1.0])
    train(tiny_config(*steady, "training.max_steps=5"))
    final = the_run().weights_path
    assert find_stored(the_run().path).weights == final

    def stopped_at(step: int) -> None:
        config = tiny_config(*steady, "training.max_steps=100")
        with pytest.raises(Interrupted), pytest.MonkeyPatch.context() as patch:
            real = trainer_module.train_step

            def stopping(model, optimizer, shares, number, *others):
                if number == step:
                    os.kill(os.getpid(), signal.SIGINT)
                return real(model, optimizer, shares, number, *others)

            patch.setattr(trainer_module, "train_step", stopping)
            train(config)

    stopped_at(13)
    assert not the_run().finished()
    best = the_run().checkpoints_path / "best" / "model.safetensors"
    assert find_stored(the_run().path).weights == best and the_run().pointed("best") == 10
    best.resolve().write_bytes(best.read_bytes()[:-1] + b"\0")
    with pytest.raises(RunError, match="not as it was written"):
        find_stored(the_run().path)


def test_a_finished_run_keeps_its_final_weights_until_it_has_newer_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    train(tiny_config("training.schedule=constant"))
    before = the_run().read_json("summary.json")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(trainer_module, "train_step", killed)
    with pytest.raises(KeyboardInterrupt):
        train(tiny_config("training.schedule=constant", "training.max_steps=20"))
    assert the_run().finished() and the_run().read_json("summary.json") == before
    assert find_stored(the_run().path).weights == the_run().weights_path
    monkeypatch.undo()
    monkeypatch.setenv("MT_RUNS", str(the_run().path.parent))
    assert train(tiny_config("training.schedule=constant", "training.max_steps=20"))["step"] == 20


def test_a_folder_with_weights_alone_is_translated_with_them() -> None:
    train(tiny_config("training.save_every=100"))
    run = the_run()
    run.summary_path.unlink()
    for folder in run.checkpoints_path.iterdir():
        folder.rename(run.path / folder.name) if not folder.is_symlink() else folder.unlink()
    assert find_stored(run.path).weights == run.weights_path


def scripted(monkeypatch: pytest.MonkeyPatch, losses: list[float], bleus: list[float] | None = None) -> list[int]:
    """Validations with these losses, one after another (the last for all later ones); returns the numbers of sentences they were of."""
    sentences: list[int] = []

    def validate(model, tokenizer, valid, *others) -> Validation:
        number = len(sentences)
        sentences.append(valid.translated)
        return Validation(losses[min(number, len(losses) - 1)], bleus[min(number, len(bleus) - 1)] if bleus else 0.0, 0.0, [])

    for module in (trainer_module, finish_module):
        monkeypatch.setattr(module, "validate", validate)
    return sentences


def test_scores_of_another_number_of_sentences_are_not_compared(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """The best checkpoint is measured again, and a later one is compared with what it is worth now."""
    settings = ("training.schedule=constant", "training.save_every=5", "training.patience=2", "training.average=none")
    scripted(monkeypatch, [1.0], [30.0])
    train(tiny_config(*settings, "training.max_steps=5"))
    sentences = scripted(monkeypatch, [1.0], [20.0, 21.0, 22.0, 23.0])
    train(tiny_config(*settings, "training.max_steps=20", "training.validate_sentences=4"))
    assert sentences[:4] == [4, 4, 4, 4]
    state = the_run().read_json("checkpoints/last/state.json")
    assert state["scores"] == {"5": 20.0, "10": 21.0, "15": 22.0, "20": 23.0} and state["best_step"] == 20 and not state["stopped_early"]
    [told] = [record.getMessage() for record in caplog.records if "measures in another way" in record.getMessage()]
    assert "training.validate_sentences: 4 instead of 3" in told and "step 5" in told
    again = scripted(monkeypatch, [1.0], [24.0])
    train(tiny_config(*settings, "training.max_steps=25", "training.validate_sentences=4"))
    assert the_run().read_json("checkpoints/last/state.json")["scores"]["5"] == 20.0 and len(again) == 1, "nothing has changed this time"


@pytest.mark.parametrize("change", ["bleu", "decoding.max_length_extra=9"])
def test_scores_of_another_tokenizer_or_search_are_not_compared(monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    settings = ("training.schedule=constant", "training.average=none")
    train(tiny_config(*settings))
    if change == "bleu":
        monkeypatch.setattr("mt.training.validation.bleu_signature", lambda language: "tok:another")
    scripted(monkeypatch, [1.0], [0.5])
    train(tiny_config(*settings, "training.max_steps=15", *([] if change == "bleu" else [change])))
    scores = the_run().read_json("checkpoints/last/state.json")["scores"]
    assert set(scores.values()) == {0.5} and "15" in scores


def as_an_earlier_version(target: str) -> None:
    """Change the finished run's last checkpoint to what a version wrote that did not note how it measures."""
    folder = the_run().checkpoint_path(10)
    state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    del state["measure"]
    content = json.dumps(state)
    (folder / "state.json").write_text(content, encoding="utf-8")
    (folder / "SHA256SUMS").unlink()
    assert load_config(the_run().config_path).target == target


@pytest.mark.parametrize(("target", "again"), [("kor", True), ("yue", True), ("th", True), ("ko", False), ("zh-tw", False), ("de", False)])
def test_scores_of_an_earlier_version_with_another_tokenizer_are_not_compared(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, target: str, again: bool
) -> None:
    """Before checkpoints noted it, only the codes ko, ja and zh had a BLEU of their own."""
    settings = ("training.schedule=constant", "training.average=none", f"target={target}")
    train(tiny_config(*settings))
    as_an_earlier_version(target)
    scripted(monkeypatch, [1.0], [0.5])
    train(tiny_config(*settings, "training.max_steps=15"))
    scores = the_run().read_json("checkpoints/last/state.json")["scores"]
    assert (set(scores.values()) == {0.5}) == again and "15" in scores
    assert ("tok:13a" in caplog.text and "measures in another way" in caplog.text) == again


@pytest.mark.parametrize("metric", ["loss", "bleu"])
@pytest.mark.parametrize("noted", [False, True])
def test_scores_of_other_validation_pairs_are_not_compared(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, metric: str, noted: bool
) -> None:
    """A version that left no pair out, or other ones, measured something else."""
    settings = ("training.schedule=constant", "training.average=none", f"training.metric={metric}")
    train(tiny_config(*settings))
    if not noted:
        as_an_earlier_version(tiny_config().target)
    config = tiny_config(*settings)
    monkeypatch.setattr("mt.training.validation.FAR", 10 / config.data.max_length)
    training = begin_module.set_up(config, the_run(), continued=True)
    kept, given = len(training.valid.sources), training.valid.given
    assert training.measure_again and 0 < kept < given
    assert f"validation pairs: {kept} instead of {given}" in caplog.text


def test_the_way_of_measuring_is_written_down() -> None:
    summary = train(tiny_config())
    signature = summary["valid_measure"]["bleu"]
    assert "tok:13a" in signature and the_run().read_json("environment.json")["valid_bleu"] == signature
    assert summary["valid_measure"]["training.validate_sentences"] == 3


def test_a_first_score_that_is_no_number_is_not_the_best_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, [float("nan"), 3.0, 2.0])
    train(tiny_config("training.metric=loss", "training.max_steps=15", "training.average=none"))
    state = the_run().read_json("checkpoints/last/state.json")
    assert state["best_step"] == 15 and state["best_score"] == -2.0
    earlier = TrainingState(best_score=float("nan"), best_step=5)
    assert earlier.note_score(10, 0.0, 3.0) and earlier.best_step == 10


def test_final_weights_are_never_those_with_a_score_that_is_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    train(tiny_config("training.average=last"))
    scripted(monkeypatch, [float("nan"), 3.0])
    config = tiny_config("training.metric=loss")
    training = begin_module.set_up(tiny_config("training.average=last"), the_run(), continued=True)
    training.config = config
    name, _, figures = finish_module.choose(training, {"one": parameters_of(training.model), "two": parameters_of(training.model)})
    assert name == "two" and figures["loss"] == 3.0


def test_equal_scores_are_told_apart_by_the_loss() -> None:
    """A BLEU of 0.00 in the first validations is no reason to lose patience while the loss falls."""
    state = TrainingState()
    assert [state.note_score(step, 0.0, loss) for step, loss in ((1, 5.0), (2, 4.0), (3, 4.5), (4, 3.0))] == [True, True, False, True]
    assert state.best_step == 4 and state.validations_without_gain == 0
    assert not state.note_score(5, 0.0, 3.0) and state.validations_without_gain == 1
    assert best_steps(state, 2) == [4, 5]


def test_the_best_steps_are_those_that_were_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that goes on with average=best averages as many checkpoints as there are, not those that were never written."""
    scripted(monkeypatch, [1.0, 1.1, 1.2, 1.3, 2.0, 2.1, 2.2, 2.3])
    settings = ("training.metric=loss", "training.validate_every=2", "training.average_checkpoints=3", "training.schedule=constant")
    train(tiny_config(*settings, "training.average=last", "training.max_steps=8", "training.save_every=8"))
    summary = train(tiny_config(*settings, "training.average=best", "training.max_steps=12", "training.save_every=2"))
    saved = the_run().checkpoint_steps()
    training = begin_module.set_up(tiny_config(*settings, "training.average=best", "training.max_steps=12"), the_run(), continued=True)
    [average] = [name for name in finish_module.final_candidates(training) if name.startswith("average")]
    chosen = [int(step) for step in average.removeprefix("average of steps ").split(", ")]
    assert len(chosen) == 3 and set(chosen) <= set(saved), (average, saved, summary["final_weights"])


def test_an_epoch_without_a_batch_does_not_cancel_the_deadline(clock: Clock) -> None:
    """Pairs of small weights may give none for a while; the hours count all the same."""
    config = tiny_config("training.max_steps=100000", "training.save_every=100000", "training.validate_every=100000", hours(60))
    training = begin_module.set_up(config, the_run())
    real = training.encoder.pairs

    def pairs(epoch: int, block: int = 0):
        encoded = real(epoch, block)
        encoded.weights[:] = 1e-12 if epoch < 3 else 1.0
        return encoded

    training.encoder.pairs = pairs
    begin_module.look_ahead(training, clock.now)
    assert training.deadline is not None and training.forecast is not None and training.state.pieces == 1


# ── an update that is skipped ───────────────────────────────────────────────────────────────────────────────────────


class Careless(torch.optim.SGD):
    """An optimizer that, like the kernels of some devices, takes found_inf and moves the weights all the same."""


@pytest.mark.parametrize("kind", ["careless", "adam", "muon"])
def test_a_skipped_update_leaves_weights_and_average_as_they_were(kind: str) -> None:
    torch.manual_seed(1)
    config = tiny_config(*(["training.optimizer=muon"] if kind == "muon" else []))
    model = build_model(config.model, 30, 30)
    optimizer = Careless(model.parameters(), lr=0.1) if kind == "careless" else build_optimizer(model, config.training)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    assert make_update(optimizer, torch.ones(3)) is False
    ema = start_ema(model)
    kept = {name: tensor.clone() for name, tensor in parameters_of(model).items()}
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, float("nan"))
    skipped = make_update(optimizer, torch.tensor([1.0, 1.0, float("nan")]))
    assert skipped is True
    update_ema(ema, model, 0.9, 5, skipped)
    for name, tensor in parameters_of(model).items():
        assert torch.equal(tensor, kept[name]) and torch.equal(ema[name], kept[name]), name


def test_the_average_does_not_move_towards_what_is_not_finite_while_an_update_is_skipped() -> None:
    """On a GPU the answer is a tensor, and a rate of zero would not do: zero times NaN is NaN."""
    model = build_model(tiny_config().model, 30, 30)
    ema, kept = start_ema(model), start_ema(model)
    for tensor in parameters_of(model).values():
        tensor.fill_(float("nan"))
    update_ema(ema, model, 0.9, 5, torch.tensor(1.0))
    assert all(torch.equal(ema[name], kept[name]) for name in ema)
    other = start_ema(build_model(tiny_config().model, 30, 30))
    for name, tensor in parameters_of(model).items():
        tensor.copy_(other[name])
    expected = {name: torch.lerp(kept[name], other[name], 1 - 6 / 15) for name in kept}
    update_ema(ema, model, 0.9, 5, torch.tensor(0.0))
    for name, tensor in ema.items():
        torch.testing.assert_close(tensor, expected[name])


def test_what_goes_on_with_another_distance_between_validations_says_what_patience_means_now(caplog: pytest.LogCaptureFixture) -> None:
    state = TrainingState(step=20, max_hours=0.0, validations_without_gain=2)
    before = tiny_config("training.patience=5").training
    [told] = continue_schedule(state, before, replace_fields(tiny_config("training.patience=5"), {"training.validate_every": 1}).training)
    assert "training.validate_every: 1 instead of 5" in told and "2 without improvement" in told
    logging.getLogger("mt").info(told)
