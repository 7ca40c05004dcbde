"""The run directory: the interface between `mt train`, which writes it, and every other command, which reads it.

    runs/NAME/
      config.yaml          the resolved configuration          environment.json   versions, hardware, precision
      tokenizer.model      (or tokenizer.source/.target.model) data.json          what was read, what was left out and why
      metrics.jsonl        one JSON object a line              tensorboard/       the same, for TensorBoard
      projections.jsonl    how attention's weights changed, a line for each noted step (mt/training/recorder.py)
      checkpoints/step-00001000/{model,optimizer,ema}.safetensors, state.json       best, last -> step-…
      model.safetensors    the final weights                   summary.json       scores; both exist once the run is finished

Nothing is pickled. A checkpoint is written beside its place, synced and renamed. What a checkpoint's tensors mean is the
trainer's business (mt/training/state.py).
"""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from mt.config import Config
from mt.config_file import load_config
from mt.data.tokenizer import Tokenizer
from mt.errors import RunError
from mt.files import sync_directory, write_atomically
from mt.model.build import build_model
from mt.model.interface import TranslationModel

FORMAT = "mt-1"
"""Stands in the metadata of every weights file."""


def runs_root() -> Path:
    """The folder of all runs: $MT_RUNS, or `runs` in the current directory."""
    return Path(os.environ.get("MT_RUNS") or "runs")


def shown(path: Path) -> str:
    """A path as it is shown to a person: relative to the current directory when it lies below it."""
    try:
        return str(path.resolve().relative_to(Path.cwd().resolve()))
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
        """Written last: its presence says that the run is finished."""
        return self.path / "summary.json"

    @property
    def weights_path(self) -> Path:
        """The final weights."""
        return self.path / "model.safetensors"

    @property
    def checkpoints_path(self) -> Path:
        """The folder of checkpoints."""
        return self.path / "checkpoints"

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

    def save_checkpoint(self, step: int, tensors: Mapping[str, Mapping[str, Tensor]], state: Any, stamp: str) -> Path:
        """Write one checkpoint: a safetensors file for each entry of `tensors`, and state.json. `stamp`: the tokenizer's hash."""
        final = self.checkpoint_path(step)
        part = final.with_name(f".{final.name}.{os.getpid()}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        try:
            for name, group in tensors.items():
                write_atomically(part / f"{name}.safetensors", serialise(group, stamp))
            write_atomically(part / "state.json", json.dumps(state, indent=2))
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

    def remove_leftovers(self) -> None:
        """Delete what an interrupted save left: parts beside their places, and checkpoints that were being deleted."""
        half_deleted = [path for path in self.checkpoints_path.glob("step-*") if not (path / "state.json").is_file()]
        for path in [*self.path.glob(".*.part"), *self.checkpoints_path.glob(".*.part"), *half_deleted]:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def serialise(tensors: Mapping[str, Tensor], stamp: str) -> bytes:
    """Tensors as a safetensors file, with the format and the tokenizer's hash in its metadata."""
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    # One entry, because safetensors writes several in any order, and equal weights are to be equal files.
    return save(contiguous, metadata={"mt": json.dumps({"format": FORMAT, "tokenizer": stamp})})


def read_tensors(path: Path, stamp: str | None = None) -> dict[str, Tensor]:
    """The tensors of a safetensors file. RunError when it is missing, damaged, or made with another tokenizer than `stamp`."""
    try:
        with safe_open(path, framework="pt") as stream:
            metadata = json.loads((stream.metadata() or {}).get("mt", "{}"))
            if stamp is not None and metadata.get("tokenizer") != stamp:
                raise RunError(
                    f"{shown(path)}: these weights were trained with another tokenizer (theirs begins "
                    f"{metadata.get('tokenizer', '?')[:12]}, the one beside them {stamp[:12]}); put the run's own tokenizer "
                    "back, or translate with the run that belongs to it"
                )
            return {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118 - not a dict
    except FileNotFoundError as error:
        raise RunError(f"{shown(path)}: there are no weights here") from error
    except (SafetensorError, OSError, ValueError) as error:
        raise RunError(f"{shown(path)}: the weights are damaged or cut short ({error})") from error


def parameters_of(model: TranslationModel) -> dict[str, Tensor]:
    """The trained tensors by name, tied ones once."""
    return {name: parameter.data for name, parameter in model.named_parameters()}


def load_parameters(model: TranslationModel, tensors: Mapping[str, Tensor], origin: Path) -> None:
    """Copy tensors into the model's parameters. RunError when names or shapes do not fit the configuration beside them."""
    own = parameters_of(model)
    problems = [f"{name} is missing" for name in own.keys() - tensors.keys()]
    problems += [f"{name} is not part of the model" for name in tensors.keys() - own.keys()]
    problems += [
        f"{name} has the shape {tuple(tensors[name].shape)}, not {tuple(own[name].shape)}"
        for name in own.keys() & tensors.keys()
        if own[name].shape != tensors[name].shape
    ]
    if problems:
        raise RunError(f"{shown(origin)}: the weights do not belong to the configuration beside them: {sorted(problems)[0]}")
    with torch.no_grad():
        for name, tensor in tensors.items():
            own[name].copy_(tensor)
    model.train(model.training)  # what was prepared from the old weights is forgotten


@dataclass(frozen=True)
class LoadedModel:
    """All that is needed to translate."""

    path: Path
    """The weights file."""
    config: Config
    tokenizer: Tokenizer
    model: TranslationModel
    """In evaluation mode, on the CPU, fp32."""


def _all_runs() -> list[RunDirectory]:
    """Every run below the runs folder, the one changed last first."""
    root = runs_root()
    found = [RunDirectory(path.parent) for path in root.glob("*/config.yaml")] if root.is_dir() else []
    return sorted(found, key=lambda run: max(_changed(run.summary_path), _changed(run.config_path)), reverse=True)


def _changed(path: Path) -> float:
    """When a file was last changed; 0 when there is none."""
    return path.stat().st_mtime if path.is_file() else 0.0


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
            return candidates[0]
        names = ", ".join(run.path.name for run in _all_runs()) or "none"
        raise RunError(
            f"{where}: there is no run '{asked}' (looked for {shown(Path(asked))} and {shown(runs_root() / asked)}); "
            f"runs here: {names}"
        )
    runs = _all_runs()
    for run in runs:
        if run.finished():
            return run.path
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
    return runs[0]


def _weights_of(checkpoint: Path) -> Path:
    """The weights of a checkpoint to translate with: where there is a running average, that is what was validated."""
    ema = checkpoint / "ema.safetensors"
    return ema if ema.is_file() else checkpoint / "model.safetensors"


def load_model(directory: Path) -> LoadedModel:
    """Load a run (its final weights, else its best, else its last checkpoint) or one checkpoint directory of a run.

    RunError when it is neither, is incomplete or damaged.
    """
    if (directory / "state.json").is_file():
        run, weights = RunDirectory(directory.resolve().parent.parent), _weights_of(directory)
    else:
        run = RunDirectory(directory)
        choices = [run.weights_path, *(_weights_of(run.checkpoints_path / name) for name in ("best", "last"))]
        weights = next((path for path in choices if path.is_file()), choices[0])
    if not run.exists():
        raise RunError(f"{shown(directory)}: this is not a run directory of mt (there is no config.yaml)")
    config = load_config(run.config_path)
    if not weights.is_file():
        raise RunError(f"{shown(run.path)}: this run has saved no weights yet; go on with 'mt train --config {shown(run.config_path)}'")
    tokenizer = Tokenizer.load(run.path)
    model = build_model(config.model, len(tokenizer.source), len(tokenizer.target))
    load_parameters(model, read_tensors(weights, tokenizer.fingerprint()), weights)
    return LoadedModel(weights, config, tokenizer, model.eval())
