"""The run directory: the interface between `mt train`, which writes it, and every other command, which reads it.

    runs/NAME/
      config.yaml          the resolved configuration          environment.json   versions, hardware, precision
      tokenizer.model      (or tokenizer.source/.target.model) data.json          what was read, what was left out and why
      metrics.jsonl        one JSON object a line              tensorboard/       the same, for TensorBoard
      projections.jsonl    how attention's weights changed, a line for each noted step (mt/training/recorder.py)
      checkpoints/step-00001000/{model,optimizer,ema}.safetensors, state.json       best, last -> step-…
      model.safetensors    the final weights                   summary.json       scores; both exist once the run is finished

Nothing is pickled. A checkpoint is written beside its place, synced and renamed. What a checkpoint's tensors mean is the
trainer's business (mt/training/state.py), how weights become a file and a model stored_model.py's: here nothing heavy is imported.
"""

import hashlib
import json
import logging
import os
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from mt.errors import RunError
from mt.files import sync_directory, write_atomically
from mt.visible import undecodable

_log = logging.getLogger("mt")


def runs_root() -> Path:
    """The folder of all runs: $MT_RUNS, or `runs` in the current directory."""
    return Path(os.environ.get("MT_RUNS") or "runs")


def shown(path: Path) -> str:
    """A path as it is shown to a person: relative to the current directory when it lies below it. A link keeps its own name."""
    try:
        return str((path.parent.resolve() / path.name).relative_to(Path.cwd().resolve()))
    except ValueError:
        return str(path)


@dataclass(frozen=True)
class RunDirectory:
    """The paths inside one run directory, and the few ways in which it is written."""

    path: Path

    @property
    def config_path(self) -> Path:
        """The resolved configuration."""
        return self.path / "config.yaml"

    @property
    def metrics_path(self) -> Path:
        """One JSON object a line: training and validation figures."""
        return self.path / "metrics.jsonl"

    @property
    def summary_path(self) -> Path:
        """Its presence says that the run is finished; it goes when a finished run that goes on saves its first checkpoint."""
        return self.path / "summary.json"

    @property
    def weights_path(self) -> Path:
        """The final weights."""
        return self.path / "model.safetensors"

    @property
    def checkpoints_path(self) -> Path:
        """The folder of checkpoints."""
        return self.path / "checkpoints"

    def weights_to_use(self) -> Path:
        """The file of the final weights, else of the best checkpoint's, else of the last one's; the final weights' when there is none.

        The final weights of a run that was finished and then went on are older than its checkpoints: without a summary they come last.
        """
        choices = [self.weights_path, *(weights_of(self.checkpoints_path / name) for name in ("best", "last"))]
        if not self.summary_path.is_file():
            choices = [*choices[1:], self.weights_path]
        return next((path for path in choices if path.is_file()), self.weights_path)

    def exists(self) -> bool:
        """Whether a run was begun here."""
        return self.config_path.is_file()

    def finished(self) -> bool:
        """Whether training has ended and the final weights were written."""
        return self.summary_path.is_file() and self.weights_path.is_file()

    def write_json(self, name: str, content: Any) -> None:
        """Write a JSON file of the run, whole or not at all."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_atomically(self.path / name, json.dumps(content, ensure_ascii=False, indent=2) + "\n")

    def read_json(self, name: str) -> Any:
        """Read a JSON file of the run. RunError when it is damaged."""
        try:
            return json.loads((self.path / name).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunError(f"{shown(self.path / name)}: cannot be read ({error})") from error

    def checkpoint_path(self, step: int) -> Path:
        """Where the checkpoint of a step stands."""
        return self.checkpoints_path / f"step-{step:08d}"

    def checkpoint_steps(self) -> list[int]:
        """The steps of all whole checkpoints, ascending."""
        found = self.checkpoints_path.glob("step-*/state.json") if self.checkpoints_path.is_dir() else []
        return sorted(int(path.parent.name.removeprefix("step-")) for path in found if not path.parent.is_symlink())

    def save_checkpoint(self, step: int, files: Iterable[tuple[str, bytes]], state: dict) -> Path:
        """Write one checkpoint: files by name, asked for one after the other, state.json, and the hashes of all."""
        final = self.checkpoint_path(step)
        part = final.with_name(f".{final.name}.{os.getpid()}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        try:
            hashes = {}
            for name, content in chain(files, [("state.json", json.dumps(state, indent=2).encode())]):
                write_atomically(part / name, content)
                hashes[name] = hashlib.sha256(content).hexdigest()
            write_atomically(part / HASHES, _with_own_hash("".join(f"{digest}  {name}\n" for name, digest in hashes.items())))
            if final.exists():
                shutil.rmtree(final)
            os.replace(part, final)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
        sync_directory(final.parent)
        return final

    def point(self, name: str, step: int) -> None:
        """Make checkpoints/NAME (best, last) a link to the checkpoint of a step, in one rename."""
        link = self.checkpoints_path / name
        beside = link.with_name(f".{name}.{os.getpid()}.part")
        beside.unlink(missing_ok=True)
        os.symlink(self.checkpoint_path(step).name, beside)
        os.replace(beside, link)

    def pointed(self, name: str) -> int | None:
        """The step that checkpoints/NAME points to, or None."""
        link = self.checkpoints_path / name
        if not (link / "state.json").is_file():
            return None
        return int(link.resolve().name.removeprefix("step-"))

    def set_aside(self, step: int) -> Path:
        """Rename a damaged checkpoint, so that nobody takes it for one; where it is now."""
        folder = self.checkpoint_path(step)
        aside = folder.with_name(f"damaged-{folder.name}")
        shutil.rmtree(aside, ignore_errors=True)
        os.replace(folder, aside)
        return aside

    def remove_leftovers(self) -> None:
        """Delete what an interrupted save left: parts beside their places, and checkpoints that were being deleted."""
        half_deleted = [path for path in self.checkpoints_path.glob("step-*") if not (path / "state.json").is_file()]
        for path in [*self.path.glob(".*.part"), *self.checkpoints_path.glob(".*.part"), *half_deleted]:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


HASHES = "SHA256SUMS"
"""The file of a checkpoint with the hash of every other, as sha256sum reads it, and of itself in its last line."""


def _with_own_hash(lines: str) -> str:
    return f"{lines}# {hashlib.sha256(lines.encode()).hexdigest()}\n"


def file_hash(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def checkpoint_damage(folder: Path, only: str | None = None, only_hash: str | None = None) -> str | None:
    """What of a checkpoint is not as it was written, bit for bit; None when all is.

    only: look at this file alone; only_hash: its sha256, where it is known already.
    Files that were meant to go (the optimizer of an older checkpoint) are not missed. What an earlier version of mt wrote has no hashes.
    """
    if not (folder / HASHES).is_file():
        return None
    content = (folder / HASHES).read_bytes()
    lines = content[: content.rfind(b"#")]
    if content != _with_own_hash(lines.decode("utf-8", "replace")).encode():
        return f"{HASHES} is not as it was written"
    for line in lines.decode().splitlines():
        digest, name = line.split("  ", 1)
        path = folder / name
        if only in (None, name) and path.is_file() and (only_hash or file_hash(path)) != digest:
            return f"{name} is not as it was written"
    return None


def weights_of(checkpoint: Path) -> Path:
    """The weights of a checkpoint to translate with: where there is a running average, that is what was validated."""
    ema = checkpoint / "ema.safetensors"
    return ema if ema.is_file() else checkpoint / "model.safetensors"


def _all_runs() -> list[RunDirectory]:
    """Every run below the runs folder, the one changed last first."""
    root = runs_root()
    found = [RunDirectory(path.parent) for path in root.glob("*/config.yaml")] if root.is_dir() else []
    return sorted(found, key=lambda run: max(_changed(run.summary_path), _changed(run.config_path)), reverse=True)


def _changed(path: Path) -> float:
    """When a file was last changed; 0 when there is none."""
    return path.stat().st_mtime if path.is_file() else 0.0


def _readable(path: Path) -> Path:
    """The path. RunError where it holds bytes that are not text, since weights and vocabularies cannot be opened there."""
    if undecodable(str(path)):
        raise RunError(f"{shown(path)}: this path is not valid {sys.getfilesystemencoding().upper()}; rename the folder")
    return path


def find_model(reference: str | None = None) -> Path:
    """The run or checkpoint directory to translate with: the reference, $MT_MODEL, or the latest finished run.

    A reference is a path, or the name of a run. RunError says what was looked for and what there is.
    """
    asked = reference or os.environ.get("MT_MODEL")
    if asked:
        where = "--model" if reference else "MT_MODEL"
        candidates = [path for path in (Path(asked).expanduser(), runs_root() / asked) if path.is_dir()]
        # A folder that happens to be called like a run does not hide the run.
        candidates.sort(key=lambda path: not any((path / name).is_file() for name in ("config.yaml", "state.json")))
        if candidates:
            return _readable(candidates[0])
        names = ", ".join(run.path.name for run in _all_runs()) or "none"
        if Path(asked).expanduser().is_file():
            raise RunError(
                f"{where}: {shown(Path(asked))} is a file; give the folder of a run or a checkpoint, with its config.yaml and tokenizer. "
                f"Pickled weights (.pt, .bin, .ckpt) are never loaded, since they can run code. Runs here: {names}"
            )
        raise RunError(
            f"{where}: there is no run '{asked}' (looked for {shown(Path(asked))} and {shown(runs_root() / asked)}); "
            f"runs here: {names}"
        )
    runs = _all_runs()
    for run in runs:
        if run.finished():
            path = _readable(run.path)
            _log.info("using %s, the latest finished run", shown(path))
            return path
    if runs:
        raise RunError(
            f"no finished run in {shown(runs_root())}, but {len(runs)} unfinished; go on with one "
            f"('mt train --config {shown(runs[0].config_path)}') or use its best checkpoint so far "
            f"('--model {shown(runs[0].path)}')"
        )
    raise RunError(
        f"there is no trained model in {shown(runs_root())}; train one first ('mt train --config demo'), "
        "or name one with --model RUN or MT_MODEL"
    )


def find_run(reference: str | None = None) -> RunDirectory:
    """The run to look into, finished or not: the reference (a path, a name, a checkpoint), $MT_MODEL, or the one changed last."""
    if reference or os.environ.get("MT_MODEL"):
        directory = find_model(reference)
        return RunDirectory(directory.resolve().parent.parent if (directory / "state.json").is_file() else directory)
    runs = sorted(_all_runs(), key=lambda run: max(_changed(run.metrics_path), _changed(run.config_path)), reverse=True)
    if not runs:
        raise RunError(f"there is no run in {shown(runs_root())}; train one first ('mt train --config demo'), or name one")
    _log.info("using %s, the run changed last", shown(_readable(runs[0].path)))
    return runs[0]
