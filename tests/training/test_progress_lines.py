"""Where there is no terminal: a line of progress about every minute, for a log file."""

from types import SimpleNamespace

import pytest

from mt.runs import RunDirectory, runs_root
from mt.training import report as module
from mt.training.report import Report
from mt.training.step import StepResult


def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, seconds: float, ends_at: float | None = None) -> list[str]:
    """The lines of a hundred updates of so many seconds, of a thousand, with 500 target tokens each."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now, time=lambda: clock.now))
    run = RunDirectory(runs_root() / "progress")
    run.path.mkdir(parents=True, exist_ok=True)
    with Report(run, 0, 1000, 7, ends_at) as report:
        for step in range(1, 101):
            clock.now += seconds
            report.step(step, StepResult(2.5, 2.0, 1.0, 1e-3, 500, 0.1, True), 0)
    return capsys.readouterr().err.splitlines()


def test_a_line_a_minute_and_none_in_the_first(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    assert said(monkeypatch, capsys, 0.5) == []
    assert said(monkeypatch, capsys, 2.0) == [
        "step 30: loss 2.500, 250 target tokens/s, 32 min left",
        "step 60: loss 2.500, 250 target tokens/s, 31 min left",
        "step 90: loss 2.500, 250 target tokens/s, 30 min left",
    ]


def test_under_a_time_limit_the_time_left_is_the_limits(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    assert said(monkeypatch, capsys, 2.0, ends_at=1210.0)[-1] == "step 90: loss 2.500, 250 target tokens/s, 30 s left"


def test_a_terminal_has_its_bar_alone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert not any("target tokens/s" in line for line in said(monkeypatch, capsys, 2.0))
