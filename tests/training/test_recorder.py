"""A training's notes of its attention: at which steps, at what cost, also after a stop, and without any effect on what is trained."""

import json
from pathlib import Path

import pytest
import torch

from mt.data.pairs import EncodedPairs
from mt.data.special_ids import EOS, PAD
from mt.errors import Interrupted
from mt.model.build import build_model
from mt.runs import RunDirectory
from mt.training import recorder as recording
from mt.training import trainer
from mt.training.recorder import RECORD, Recorder, make_probe
from mt.training.trainer import train
from tests.tiny import tiny_config


@pytest.fixture(autouse=True)
def _generous(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten updates of a tiny model would afford no notes."""
    monkeypatch.setattr(recording, "_SHARE", 1e6)


def noted(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / RECORD).read_text(encoding="utf-8").splitlines()]


def made_recorder(path: Path) -> tuple[Recorder, torch.nn.Module]:
    config = tiny_config()
    model = build_model(config.model, 20, 20)
    pairs = EncodedPairs([[5, 6, EOS]], [[7, EOS]], torch.ones(1).numpy())
    return Recorder(path, model, make_probe(pairs, torch.device("cpu"))), model


def test_steps_are_close_at_first_and_spread_by_their_logarithm(tmp_path: Path) -> None:
    recorder, model = made_recorder(tmp_path / "notes")
    recorder.begin(model, 0, 1000, 60.0)
    steps = []
    for step in range(1, 1001):
        if recorder.due(step):
            recorder.before(model)
            recorder.after(model, step)
            steps.append(step)
    assert steps[:9] == [1, 2, 3, 5, 8, 12, 17, 25, 36]
    assert all(1.41 < late / early < 1.5 for early, late in zip(steps[6:], steps[7:], strict=False))


def test_notes_that_cost_much_are_few_and_those_that_cost_too_much_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "_SHARE", 0.015)
    for seconds, expected in ((1000.0, range(5, 11)), (100.0, (0,))):
        recorder, model = made_recorder(tmp_path / f"notes-{seconds}")
        recorder.begin(model, 0, 100_000, seconds)
        count = 0
        for step in range(1, 100_001):
            recorder._cost = 2.0  # 1.5 % of a thousand seconds are seven of them
            if recorder.due(step):
                recorder._last = step
                count += 1
        assert count in expected


def test_a_run_notes_its_beginning_some_steps_and_its_end() -> None:
    train(tiny_config())
    lines = noted(Path("runs/tiny"))
    assert [line["step"] for line in lines] == [0, 1, 2, 3, 5, 8, 10]
    first, second = lines[0]["attention"], lines[1]["attention"]
    assert set(first) == {"encoder.0.self_attention", "decoder.0.self_attention", "decoder.0.cross_attention"}
    assert first["encoder.0.self_attention"]["q"]["cosine"] == [1.0, 1.0]
    assert "update_ratio" not in first["encoder.0.self_attention"]["q"]
    assert all(0 < ratio < 0.1 for ratio in second["decoder.0.cross_attention"]["v"]["update_ratio"])
    assert all(line["seconds"] > 0 for line in lines)


def test_notes_change_nothing_of_what_is_trained() -> None:
    train(tiny_config("name=with"))
    train(tiny_config("name=without", "training.record=false"))
    weights = [(RunDirectory(Path("runs") / name).weights_path).read_bytes() for name in ("with", "without")]
    assert weights[0] == weights[1]
    assert not Path("runs/without", RECORD).exists()


def test_a_continued_run_has_the_notes_of_an_uninterrupted_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The initial weights, to which the cosine is taken, are the same; what was noted after the last checkpoint is noted again."""
    train(tiny_config("name=whole"))
    update = trainer.update

    def stopping(training: trainer.Training, *rest: object) -> None:
        if training.state.step == 8:
            raise Interrupted("as if killed")
        update(training, *rest)

    monkeypatch.setattr(trainer, "update", stopping)
    with pytest.raises(Interrupted):
        train(tiny_config("name=parts"))
    assert noted(Path("runs/parts"))[-1]["step"] == 8  # the newest checkpoint is that of step 5
    monkeypatch.setattr(trainer, "update", update)
    train(tiny_config("name=parts"))
    whole, parts = noted(Path("runs/whole")), noted(Path("runs/parts"))
    assert [line["step"] for line in parts] == [line["step"] for line in whole]
    assert [line["attention"] for line in parts] == [line["attention"] for line in whole]


def test_the_probe_takes_the_first_pairs_that_are_not_very_long() -> None:
    long = [5] * 100 + [EOS]
    pairs = EncodedPairs([long, [5, EOS], [6, 7, EOS]], [[8, EOS], [8, EOS], [9, EOS]], torch.ones(3).numpy())
    probe = make_probe(pairs, torch.device("cpu"))
    assert probe.source_BS.tolist() == [[5, EOS, PAD], [6, 7, EOS]]
    only_long = make_probe(EncodedPairs([long], [long], torch.ones(1).numpy()), torch.device("cpu"))
    assert only_long.source_BS.shape == (1, 64)
    assert only_long.source_BS[0, -1] == EOS
