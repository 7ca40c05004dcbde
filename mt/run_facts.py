"""What is known of a run without loading it: its small files and the headers of its weights, read in a few milliseconds.

Nothing here imports torch, and nothing raises for a damaged run: what is wrong with it is one of the facts.
"""

import json
import math
import os
import re
import struct
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mt.config_fields import SPLITS
from mt.config_problems import every_key
from mt.config_yaml import read_yaml
from mt.engine_record import read_checks
from mt.errors import MtError
from mt.run_lock import is_held
from mt.runs import RunDirectory, weights_of

_TAIL = 1 << 16
"""How much of the end of metrics.jsonl is read, in bytes: some two hundred lines."""
_KNOWN = frozenset(every_key())
_QUIET = 120.0
"""Seconds without a new figure before a run may be thought to have stopped; longer where its figures come more slowly."""


@dataclass(frozen=True)
class RunFacts:
    """A run as a list of runs tells it; None for what is not known."""

    path: Path
    state: str
    """finished, running (its lock is held; where that cannot be seen: its figures grew a moment ago), stopped, or damaged."""
    problems: tuple[str, ...] = ()
    """What is wrong with its files, and what that means."""
    config: Mapping[str, str] = field(default_factory=dict)
    """Its settings by dotted key, as they are written."""
    step: int | None = None
    max_steps: int | None = None
    progress: float | None = None
    """The share of its time that is over; of runs under training.max_hours."""
    parameters: int | None = None
    valid: Mapping[str, float] | None = None
    """loss, bleu and chrf on the validation pairs: of the final weights, or the best so far."""
    valid_step: int | None = None
    """The update at which they were measured; None for final weights that are an average."""
    test: Mapping[str, Any] | None = None
    """As in summary.json: scores with signatures."""
    seconds: float | None = None
    """Time trained; of an unfinished run up to its last checkpoint."""
    numpy: str = ""
    """Of a finished Transformer, whether `mt translate` translates short inputs in numpy, without loading torch: "yes", "no" with a reason,
    or "later" while the two have not been compared on these weights (mt/engine_record.py)."""
    changed: float = 0.0
    """When one of its files was last written, in seconds since 1970."""

    @property
    def name(self) -> str:
        """Its folder's."""
        return self.path.name

    def to_json(self) -> dict[str, Any]:
        """For a file: everything, and the settings under their keys, but for the corpora."""
        config = {key: value for key, value in self.config.items() if key.removeprefix("data.") not in SPLITS}
        return asdict(self) | {"name": self.name, "path": str(self.path), "config": config}


class _Reader:
    """Reads the files of one run and notes what is wrong with them."""

    def __init__(self, run: RunDirectory):
        self.run, self.problems = run, []

    def settings(self) -> dict[str, str]:
        """The run's configuration by dotted key."""
        if not self.run.config_path.is_file():
            self.problems.append("config.yaml is missing: no command can use this run")
            return {}
        try:
            settings = read_settings(self.run.config_path)
        except (MtError, OSError) as error:
            self.problems.append(str(error).replace(f"{self.run.config_path}", "config.yaml"))
            return {}
        unknown = [key for key in settings if key not in _KNOWN and not key.startswith("data.")]
        if unknown:
            self.problems.append(f"config.yaml: this version of mt has no {', '.join(unknown)}")
        elif "model.architecture" not in settings:
            self.problems.append("config.yaml is cut short: it has no model.architecture")
        return settings

    def json(self, name: str, expected: bool = True) -> dict[str, Any]:
        """A JSON file of the run; {} when it is not there, which is a problem where it is expected, or damaged."""
        path = self.run.path / name
        if not path.is_file():
            if expected:
                self.problems.append(f"{name} is missing")
            return {}
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            self.problems.append(f"{name} cannot be read ({error})")
            return {}
        if not isinstance(content, dict):
            self.problems.append(f"{name} holds something else than it should")
            return {}
        return content

    def weights(self, path: Path) -> int | None:
        """The number of parameters in a weights file, from its header; None when it is not whole, which is a problem."""
        try:
            return count_in_header(path)
        except (OSError, ValueError) as error:
            self.problems.append(f"{path.relative_to(self.run.path)}: {error}")
            return None


def read_facts(path: Path, now: float | None = None) -> RunFacts:
    """The facts of the run in this folder, whatever its state. now: the time to compare with; default: this moment."""
    run = RunDirectory(path)
    reader = _Reader(run)
    settings = reader.settings()
    summary = reader.json("summary.json", expected=False)
    for name in ("environment.json", "data.json"):
        reader.json(name, expected=bool(settings))
    if settings and not any((path / name).is_file() for name in ("tokenizer.model", "tokenizer.source.model")):
        reader.problems.append("tokenizer.model is missing: nothing can be translated")
    lines = [] if summary else tail_lines(run.metrics_path)
    facts = _finished(summary, reader) if summary else _unfinished(lines, reader)
    changed = max(_changed(file) for file in (run.config_path, run.summary_path, run.metrics_path, path))
    held = is_held(run)
    if held is None and not summary:
        held = _is_growing(lines, now or time.time())
    state = "running" if held else "finished" if summary else "stopped"
    return RunFacts(
        path, "damaged" if reader.problems else state, tuple(reader.problems), settings,
        max_steps=_whole(settings.get("training.max_steps")), changed=changed, numpy=_numpy(run, settings, summary), **facts,
    )


def _numpy(run: RunDirectory, settings: Mapping[str, str], summary: Mapping[str, Any]) -> str:
    """RunFacts.numpy."""
    weights_hash = summary.get("weights_sha256")
    if settings.get("model.architecture") != "transformer" or not isinstance(weights_hash, str):
        return ""
    if settings.get("model.activation") == "gelu":
        return "no: model.activation is gelu"
    checks = read_checks(run.weights_path, weights_hash)
    if any(check.differs for check in checks):
        return "no: it differs from torch"
    if any(check.passed for check in checks):
        return "yes"
    if any(check.unfinished for check in checks):
        return "later: the comparison goes on at the next use"
    return "no: too few certain translations" if checks else "later: from the second use on"


def _finished(summary: Mapping[str, Any], reader: _Reader) -> dict[str, Any]:
    """The facts that a summary tells."""
    weights = reader.run.weights_path
    if weights.is_file():
        counted = reader.weights(weights)
    else:
        counted = None
        reader.problems.append("summary.json is there, and model.safetensors is not: the final weights are gone")
    best = re.fullmatch(r"best \(step (\d+)\)", str(summary.get("final_weights")))
    step = summary.get("step")
    return {
        "step": step, "parameters": summary.get("parameters", counted), "valid": _mapping(summary.get("valid")),
        "test": _mapping(summary.get("test")), "seconds": summary.get("seconds"),
        "valid_step": int(best[1]) if best else step if summary.get("final_weights") == "last" else None,
    }


def _unfinished(lines: list[dict[str, Any]], reader: _Reader) -> dict[str, Any]:
    """The facts of a run without a summary: from its last figures and its last checkpoint."""
    run = reader.run
    state: dict[str, Any] = {}
    parameters = None
    last = run.checkpoints_path / "last"
    if (last / "state.json").is_file():
        state = reader.json("checkpoints/last/state.json")
        parameters = reader.weights(weights_of(last))
    elif last.is_symlink():
        reader.problems.append(f"checkpoints/last points to {os.readlink(last)}, which is not there")
    best = next((line for line in reversed(lines) if line.get("kind") == "valid" and line.get("best")), None)
    if best is None and state.get("best_step") is not None:
        best = next((line for line in tail_lines(run.metrics_path, None) if line.get("kind") == "valid"
                     and line.get("step") == state["best_step"]), None)  # fmt: skip
    steps = [line["step"] for line in lines if isinstance(line.get("step"), int)]
    return {
        "step": max([*steps, state.get("step", 0)], default=0), "progress": state.get("progress") or None, "parameters": parameters,
        "valid": {name: best[name] for name in ("loss", "perplexity", "bleu", "chrf") if name in best} if best else None,
        "valid_step": best.get("step") if best else None, "seconds": state.get("seconds"),
    }


def _mapping(value: Any) -> Mapping[str, Any] | None:
    """The value where it is a mapping."""
    return value if isinstance(value, dict) else None


def read_settings(path: Path) -> dict[str, str]:
    """The keys of a written configuration with one value each, dotted, with the text of their values; corpora are left out.

    `mt.config_file.dump_config` writes a key a line, which is read a hundred times as fast as YAML is; a file of another form is
    read as YAML. ConfigError when it is none.
    """
    settings: dict[str, str] = {}
    section = ""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        if not line or line.lstrip().startswith("#") or line.startswith("   "):
            continue
        match = re.fullmatch(r"(?:  )?(\w+):(?: ([^\s{&*!|>].*))?", line)
        if match is None or " #" in line:
            return _read_as_yaml(path)
        key, value = match[1], match[2] and match[2].strip('"')
        if line.startswith("  "):
            settings[f"{section}.{key}"] = value or ""
        elif value is None:
            section = key
        else:
            settings[key] = value
    return settings if "decoding.method" in settings else _read_as_yaml(path)


def _read_as_yaml(path: Path) -> dict[str, str]:
    """The same by the YAML reader; without a value for the data's keys."""
    values = read_yaml(path).values
    settings = {key: str(value) for key, value in values.items() if not isinstance(value, dict)}
    for section, inside in values.items():
        if isinstance(inside, dict):
            settings |= {f"{section}.{key}": str(value) for key, value in inside.items()}
    return settings


def tail_lines(path: Path, most: int | None = _TAIL) -> list[dict[str, Any]]:
    """The whole JSON lines at the end of a file, at most so many bytes (None: all); those that are cut short are passed over."""
    if not path.is_file():
        return []
    with open(path, "rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - most) if most is not None else 0)
        content = stream.read()
    found = []
    for text in content.splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict):
            found.append(line)
    return found


def count_in_header(path: Path) -> int:
    """The numbers that a safetensors file holds, by its header. ValueError when it is damaged, or the file is shorter than it says."""
    with open(path, "rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(0)
        start = stream.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 2 <= length <= size - 8:
            raise ValueError("damaged or cut short")
        content = stream.read(length)
    try:
        tensors = [tensor for name, tensor in json.loads(content).items() if name != "__metadata__"]
        end = 8 + length + max((tensor["data_offsets"][1] for tensor in tensors), default=0)
        total = sum(math.prod(tensor["shape"]) for tensor in tensors)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError("damaged") from error
    if size != end:
        raise ValueError(f"damaged or cut short: {size:,} bytes where its header says {end:,}")
    return total


def _is_growing(lines: list[dict[str, Any]], now: float) -> bool:
    """Whether the last figures are so young that the run is still at work: three intervals, or two minutes."""
    times = [line["time"] for line in lines if isinstance(line.get("time"), int | float)]
    if not times:
        return False
    gaps = sorted(later - earlier for earlier, later in zip(times, times[1:], strict=False))
    return now - times[-1] < max(_QUIET, 3 * gaps[-1] if gaps else 0.0)


def _changed(path: Path) -> float:
    """When a file was last changed; 0 when it is not there."""
    return path.stat().st_mtime if path.exists() else 0.0


def _whole(text: str | None) -> int | None:
    """A setting as a whole number."""
    return int(text) if text is not None and text.isdigit() else None


def is_run(path: Path) -> bool:
    """Whether a folder is a run, or what is left of one."""
    return any((path / name).exists() for name in ("config.yaml", "metrics.jsonl", "summary.json", "model.safetensors", "checkpoints"))


def all_facts(root: Path) -> list[RunFacts]:
    """The facts of every run in a folder, the one changed last first."""
    now = time.time()
    folders = [path for path in root.iterdir() if path.is_dir() and is_run(path)] if root.is_dir() else []
    return sorted((read_facts(path, now) for path in folders), key=lambda facts: facts.changed, reverse=True)


def duration(seconds: float) -> str:
    """A time for a person: 45 s, 12 min, 3.2 h, 2.1 d."""
    for limit, unit, name in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds / unit:.1f} {name}" if name == "h" else f"{seconds / unit:.0f} {name}"
    return f"{seconds / 86_400:.1f} d"
