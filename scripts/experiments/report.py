"""What an experiment is told and what it leaves: options, a JSON file of all raw numbers, a figure, a table."""

import argparse
import importlib.util
import io
import json
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from mt.text_table import text_table

Rows = list[list[str]]
"""A table: its first row is the heading."""
Runs = list[dict[str, Any]]
"""The raw numbers, one entry for each training."""

Tables = dict[str, Callable[[dict[str, Any]], Rows]]
"""An experiment's tables, each under the name by which the documentation asks for it."""

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's, which the colour-blind can tell apart."""
MARKERS = "os^Dv*"
LINES = ("-", "-", "--", "-.", "-", "--")
"""So that a line shows under another that lies on it."""


@dataclass(frozen=True)
class Options:
    """What an experiment was asked for."""

    steps: int
    """Updates of each training."""
    seeds: tuple[int, ...]
    """One training of each condition for each."""
    quick: bool
    """A tiny setting that shows only that everything works."""
    out: Path
    """The folder of the JSON file and the figure."""
    redraw: bool
    """Draw the figure anew from the numbers that are there, and train nothing."""


def options(description: str, steps: int, seeds: int, arguments: Sequence[str] | None = None) -> Options:
    """The command line's, with an experiment's own number of updates and seeds as the defaults."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/figures"), help="folder of figure and numbers (default: docs/figures)")
    parser.add_argument("--steps", type=_positive, help=f"updates of each training (default: {steps})")
    parser.add_argument("--seeds", type=_positive, help=f"trainings of each condition (default: {seeds})")
    parser.add_argument("--quick", action="store_true", help="a tiny setting, only to see that everything works")
    parser.add_argument("--redraw", action="store_true", help="train nothing: draw and print what the numbers in --out say")
    found = parser.parse_args(arguments)
    if importlib.util.find_spec("matplotlib") is None:
        parser.error("the figure is drawn with matplotlib, which is not installed: pip install '.[plots]'")
    steps, seeds = (3, 1) if found.quick else (steps, seeds)
    return Options(found.steps or steps, tuple(range(1, (found.seeds or seeds) + 1)), found.quick, found.out, found.redraw)


def _positive(text: str) -> int:
    """An option's whole number above zero."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


class Stopwatch:
    """Says what is done as it is done, and how long it took of one core; what other programs take does not count."""

    def __init__(self) -> None:
        self.begun = time.process_time()

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.process_time() - self.begun

    def say(self, text: str) -> None:
        """A line with the time."""
        print(f"[{self.seconds:5.0f} s] {text}", flush=True)


def write_results(name: str, asked: Options, watch: Stopwatch, settings: dict[str, Any], **numbers: Any) -> dict[str, Any]:
    """Write OUT/name.json and return its content. settings: what a reader must know to repeat it; numbers: everything measured."""
    import torch

    import mt

    results = {
        "experiment": name, "steps": asked.steps, "seeds": list(asked.seeds), "settings": settings, "minutes": watch.seconds / 60,
        "made_with": {"mt": mt.__version__, "torch": torch.__version__, "threads": torch.get_num_threads()},
    } | numbers  # fmt: skip
    asked.out.mkdir(parents=True, exist_ok=True)
    path = asked.out / f"{name}.json"
    path.write_text(json.dumps(_rounded(results), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(f"{path}, {watch.seconds / 60:.1f} minutes")
    return json.loads(path.read_text(encoding="utf-8"))


def read_results(name: str, folder: Path) -> dict[str, Any]:
    """What `write_results` wrote; a message and the exit code 2 when it is not there."""
    path = folder / f"{name}.json"
    if not path.is_file():
        print(f"{path} is not there; run without --redraw first, or name its folder with --out", file=sys.stderr)
        sys.exit(2)
    return json.loads(path.read_text(encoding="utf-8"))


def _rounded(value: Any) -> Any:
    """Floats with four significant digits."""
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(part) for part in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def of(runs: Runs, value: Callable[[dict[str, Any]], float], **condition: Any) -> list[float]:
    """A value of each run that has these entries."""
    found = [value(run) for run in runs if all(run[key] == wanted for key, wanted in condition.items())]
    assert found, condition
    return found


def spread(values: Sequence[float], digits: int = 1) -> str:
    """The mean, and the lowest and highest of several: `81.2 (80.4–82.0)`."""
    mean = f"{fmean(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def spreads(runs: Runs, columns: Sequence[tuple[str, int]], **condition: Any) -> list[str]:
    """Several values of one condition's runs, each with its number of digits."""
    return [spread(of(runs, lambda run, key=key: run[key], **condition), digits) for key, digits in columns]


def print_table(rows: Rows) -> None:
    """For a terminal."""
    print(text_table(rows[0], rows[1:]), end="\n\n")


def show(results: dict[str, Any], asked: Options, draw: Callable[[dict[str, Any], Options], None], tables: Tables) -> None:
    """The figure as a file, the tables in the terminal."""
    draw(results, asked)
    for table in tables.values():
        print_table(table(results))


def figure(columns: int, rows: int = 1, height: float = 4.2) -> tuple[Any, Any]:
    """A figure of several panels, and its axes as one flat list; large letters, light background, two panels side by side at most.

    Letters stay letters in the file, which makes it a third as large, and are drawn with the reader's own sans-serif font.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcdefaults()
    plt.rcParams.update({
        "font.size": 13, "font.sans-serif": ["DejaVu Sans", "Arial"], "axes.titlesize": 14, "axes.spines.top": False,
        "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.25, "lines.linewidth": 2.2, "lines.markersize": 6,
        "svg.hashsalt": "mt", "svg.fonttype": "none", "figure.facecolor": "white", "legend.frameon": False, "legend.fontsize": 12,
    })  # fmt: skip
    drawn, axes = plt.subplots(rows, columns, figsize=(5.6 * columns, height * rows), layout="constrained", squeeze=False)
    drawn.get_layout_engine().set(w_pad=0.12, h_pad=0.12)
    return drawn, list(axes.flat)


def band(axes: Any, x: Sequence[float], values: Sequence[Sequence[float]], number: int, label: str) -> None:
    """A line of means over x with the range over seeds behind it. values: a row for each seed."""
    columns = list(zip(*values, strict=True))
    colour = COLOURS[number % len(COLOURS)]
    axes.fill_between(x, [min(column) for column in columns], [max(column) for column in columns], color=colour, alpha=0.18, linewidth=0)
    shown = {"marker": MARKERS[number % len(MARKERS)], "markevery": -(-len(columns) // 10), "linestyle": LINES[number % len(LINES)]}
    axes.plot(x, [fmean(column) for column in columns], color=colour, label=label, **shown)


def learning_curves(axes: Any, results: dict[str, Any], runs: Runs, number: int, label: str, **condition: Any) -> None:
    """The loss of each twentieth of the updates."""
    losses = of(runs, lambda run: run["curve"], **condition)
    band(axes, [results["steps"] * (piece + 1) / len(losses[0]) for piece in range(len(losses[0]))], losses, number, label)
    axes.set(xlabel="update", ylabel="loss per token", yscale="log")
    plain_log(axes.yaxis)


def plain_log(axis: Any) -> None:
    """Ticks of a logarithmic axis as people write them: 0.1, 0.2, 0.5, 1, 2."""
    from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FormatStrFormatter("%g"))
    axis.set_minor_formatter(NullFormatter())


def dots(axes: Any, labels: Sequence[str], values: Sequence[Sequence[float]], numbers: Sequence[int] | None = None) -> None:
    """One place for each condition: every seed a hollow dot, their mean a full one."""
    for place, found in enumerate(values):
        colour = COLOURS[(place if numbers is None else numbers[place]) % len(COLOURS)]
        axes.plot([place] * len(found), found, "o", mfc="none", mec=colour, ms=9)
        axes.plot([place], [fmean(found)], "D", color=colour, ms=7)
    axes.set_xticks(range(len(labels)), labels)
    axes.set_xlim(-0.5, len(labels) - 0.5)


def save_figure(drawn: Any, path: Path) -> None:
    """As SVG, the same bytes for the same numbers; coordinates are cut to tenths of a point, which makes it a third smaller."""
    import matplotlib.pyplot as plt

    written = io.StringIO()
    drawn.savefig(written, format="svg", metadata={"Date": None})
    plt.close(drawn)
    shorter = re.sub(r"\n +", "\n", re.sub(r"(\d\.\d)\d{4,}", r"\1", written.getvalue()))
    path.write_text(shorter, encoding="utf-8")
    print(path)
