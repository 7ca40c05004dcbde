"""What a training run says: the progress bar, the lines above it, metrics.jsonl and TensorBoard."""

import errno
import json
import logging
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

from mt.config import Config
from mt.output import progress_bar, say_above_bars
from mt.runs import RunDirectory
from mt.training.doctor.examine import examine, said_while_training
from mt.training.doctor.history import read_history
from mt.training.forecast import duration
from mt.training.step import StepResult
from mt.training.validation import Validation

_log = logging.getLogger("mt")
_LINE_EVERY = 60.0
"""Seconds between two lines of progress where there is no terminal to show a bar."""


class Report:
    """Tells a person and the run's files how training goes. Use as a context manager.

    ends_at: the deadline on time.monotonic; then the bar counts updates without a total and shows the time that is left.
    """

    def __init__(self, run: RunDirectory, first_step: int, max_steps: int, log_every: int, ends_at: float | None = None):
        self._run, self._log_every, self._step = run, log_every, first_step
        forget_after(run.metrics_path, first_step)
        self._unwritten, self._told = b"", set[str]()
        self._board = _board(run.path / "tensorboard", first_step)
        self._bar = progress_bar(
            total=None if ends_at else max_steps, initial=first_step, unit="step", disable=not sys.stderr.isatty(), smoothing=0.05
        )
        self._ends_at, self._first_step, self._max_steps = ends_at, first_step, max_steps
        self._tokens, self._begun = 0, time.monotonic()
        self._opened = self._said_at = self._begun
        self._loss, self._likelihood, self._padding, self._gradient_norm, self._steps = 0.0, 0.0, 0.0, 0.0, 0

    def __enter__(self) -> "Report":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()
        with suppress(OSError):
            self._board.close()

    def pause(self) -> None:
        """Forget the time since the last line: validation and saving are not training speed."""
        self._begun, self._tokens = time.monotonic(), 0

    def say(self, text: str) -> None:
        """A line above the bar."""
        say_above_bars(text)

    def step(self, step: int, result: StepResult, epoch: int) -> None:
        """One update: moves the bar; every log_every steps writes a line of figures, averaged since the last."""
        self._step = step
        self._tokens += result.num_target_tokens
        if result.finite:
            self._loss += result.loss
            self._likelihood += result.negative_log_likelihood
            self._padding += result.padding
            self._gradient_norm = result.gradient_norm
            self._steps += 1
        self._bar.update(1)
        if self._bar.disable and self._steps and time.monotonic() - self._said_at >= _LINE_EVERY:
            self._say_progress(step)
        if step % self._log_every == 0 and self._steps:
            speed = self._tokens / max(time.monotonic() - self._begun, 1e-9)
            figures = {
                "loss": self._loss / self._steps,
                "negative_log_likelihood": self._likelihood / self._steps,
                "learning_rate": result.learning_rate,
                "gradient_norm": self._gradient_norm,  # of the last update that was made: JSON has no NaN
                "target_tokens_per_second": speed,
                "padding": self._padding / self._steps,
            }
            self._write("train", step, figures | {"epoch": epoch})
            left = f", {duration(max(0.0, self._ends_at - time.monotonic()))} left" if self._ends_at else ""
            self._bar.set_postfix_str(f"loss {figures['loss']:.3f}, lr {result.learning_rate:.2e}, {speed:,.0f} tok/s{left}")
            self._loss, self._likelihood, self._padding, self._steps = 0.0, 0.0, 0.0, 0
            self.pause()

    def _say_progress(self, step: int) -> None:
        """A line for a log file, about every minute: loss and speed since the last line of figures, and the time that is left."""
        now = time.monotonic()
        self._said_at = now
        speed = self._tokens / max(now - self._begun, 1e-9)
        an_update = (now - self._opened) / max(1, step - self._first_step)
        left = self._ends_at - now if self._ends_at else an_update * (self._max_steps - step)
        self.say(f"step {step}: loss {self._loss / self._steps:.3f}, {speed:,.0f} target tokens/s, {duration(max(0.0, left))} left")

    def skipped(self, step: int, in_a_row: int) -> None:
        """An update that was left out."""
        self.say(f"step {step}: the loss is not finite; this update is skipped ({in_a_row} in a row)")
        self._write("skipped", step, {"in_a_row": in_a_row})

    def validation(self, step: int, result: Validation, best: bool) -> None:
        """One validation, with its samples."""
        self._write("valid", step, result.figures() | result.outputs | {"best": best})
        for number, sample in enumerate(result.samples):
            text = f"{sample.source}\n\n{sample.reference}\n\n{sample.translation}"
            self._draw("add_text", f"valid/sample {number + 1}", text, step)
        self.say(
            f"step {step}: valid loss {result.loss:.3f}, perplexity {result.perplexity:.2f}, "
            f"BLEU {result.bleu:.2f}, chrF {result.chrf:.2f} (greedy){'  best so far' if best else ''}"
        )
        for sample in result.samples:
            self.say(f"    source      {sample.source}\n    reference   {sample.reference}\n    translation {sample.translation}")

    def diagnose(self, step: int, config: Config, over: bool) -> None:
        """What the doctor finds in the figures so far and has not said before. over: no more updates will be made."""
        history = read_history(self._run.path, config, over)
        for finding in examine(history):
            if finding.name not in history.told:
                said = said_while_training(finding, self._run.path.name)
                self.say(said)
                self._draw("add_text", f"doctor/{finding.name}", said, step)
                line = {"kind": "doctor", "step": step, "time": time.time(), "finding": finding.name, "since": finding.since,
                        "seen": finding.seen, "cause": finding.cause, "next": finding.next}
                self._note(line)

    def _write(self, kind: str, step: int, figures: dict[str, float]) -> None:
        """A line of metrics.jsonl and the same figures for TensorBoard."""
        self._note({"kind": kind, "step": step, "time": time.time(), **figures})
        for name, value in figures.items():
            self._draw("add_scalar", f"{kind}/{name}", float(value), step)

    def _note(self, line: dict) -> None:
        """A line of metrics.jsonl; on a full disk it waits in memory for the next one."""
        self._unwritten += json.dumps(line, ensure_ascii=False).encode() + b"\n"
        try:
            with open(self._run.metrics_path, "ab", buffering=0) as stream:
                begin = stream.tell()
                try:
                    if stream.write(self._unwritten) != len(self._unwritten):
                        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                except OSError:
                    stream.truncate(begin)  # never a part of a line
                    raise
            self._unwritten = b""
        except OSError as error:
            self._tell_once(f"{self._run.metrics_path}: cannot be written ({error.strerror}); its lines are kept until it can")

    def _draw(self, method: str, *values: object) -> None:
        """A figure or a text for TensorBoard, which training does not need to go on."""
        try:
            getattr(self._board, method)(*values)
        except OSError as error:
            self._tell_once(f"{self._run.path / 'tensorboard'}: cannot be written ({error.strerror}); figures for TensorBoard are lost")

    def _tell_once(self, text: str) -> None:
        """Say it, unless it was said."""
        if text not in self._told:
            self._told.add(text)
            self.say(text)


class Silence(Report):
    """The report of a process that is not the first one: says and writes nothing."""

    def __init__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass

    def pause(self) -> None:
        """Nothing."""

    def say(self, text: str) -> None:
        """Nothing."""

    def step(self, step: int, result: StepResult, epoch: int) -> None:
        """Nothing."""

    def skipped(self, step: int, in_a_row: int) -> None:
        """Nothing."""

    def validation(self, step: int, result: Validation, best: bool) -> None:
        """Nothing."""

    def diagnose(self, step: int, config: Config, over: bool) -> None:
        """Nothing."""


def _board(directory: Path, first_step: int):
    """A TensorBoard writer that forgets what was written after first_step."""
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(directory), purge_step=first_step + 1 if first_step else None)


def forget_after(path: Path, step: int) -> list[dict]:
    """Drop the lines of updates that a stopped run made after its last checkpoint: they will be made again. Returns the others."""
    from mt.files import write_atomically

    if not path.is_file():
        return []
    kept, lines = [], []
    for line in path.read_text(encoding="utf-8").split("\n"):
        try:
            content = json.loads(line)
            if content["step"] <= step:
                kept.append(content)
                lines.append(line + "\n")
        except (ValueError, KeyError):
            continue  # a line cut short when the process was killed
    write_atomically(path, "".join(lines))
    return kept
