"""All runs in one table (`mt runs`), as wide as the terminal: the least telling columns give way first."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from mt.run_facts import RunFacts, duration
from mt.text_table import cut, display_width, text_table, wrap

_NAME, _SHORT_NAME = 28, 12
"""Columns that a run's name may take, and that it keeps where the terminal is narrow."""


class _Column(NamedTuple):
    """One column of the table."""

    header: str
    cell: Callable[[RunFacts], str]
    rank: int
    """The columns with the highest rank give way first; 0: never."""
    number: bool = True
    """Whether it is aligned to the right."""


def run_table(runs: Sequence[RunFacts], width: int) -> str:
    """The table, what is wrong with damaged runs below it, and which columns found no room."""
    columns = [*_COLUMNS]
    left_out: list[str] = []
    while True:
        cells = [[column.cell(run) for column in columns] for run in runs]
        table = _aligned(columns, cells)
        if max(display_width(line) for line in table.split("\n")) <= width:
            break
        if not any(column.rank for column in columns):
            table = _narrow(columns, cells, table, width)
            break
        rank = max(column.rank for column in columns)
        left_out += [column.header for column in columns if column.rank == rank]
        columns = [column for column in columns if column.rank != rank]
    parts = [table]
    damaged = [run for run in runs if run.problems]
    if damaged:
        lines = [line for run in damaged for problem in run.problems for line in _hanging(f"{run.name}: {problem}", width)]
        parts.append("\n".join(["damaged:", *lines]))
    if left_out:
        order = [column.header for column in _COLUMNS if column.header in left_out]
        parts.append("\n".join(wrap(f"No room for {', '.join(order)}: a wider terminal shows them, --json F writes everything.", width)))
    return "\n\n".join(parts)


def _narrow(columns: Sequence[_Column], cells: Sequence[Sequence[str]], table: str, width: int) -> str:
    """The table with shorter names, or each run as a paragraph where even those find no room."""
    over = max(map(display_width, table.split("\n"))) - width
    widest = max(display_width(row[0]) for row in cells)
    if widest - over >= _SHORT_NAME:
        return _aligned(columns, [[cut(row[0], widest - over), *row[1:]] for row in cells])
    return text_table([column.header for column in columns], cells, width=width, text_last=False)


def _hanging(text: str, width: int) -> list[str]:
    """A text in lines, those after the first set in."""
    return [f"{'  ' if number == 0 else '    '}{line}" for number, line in enumerate(wrap(text, width - 4))]


def _aligned(columns: Sequence[_Column], cells: Sequence[Sequence[str]]) -> str:
    """The cells under their headers; columns that are empty everywhere are left out; texts left, numbers right."""
    kept = [number for number, column in enumerate(columns) if column.rank == 0 or any(row[number] for row in cells)]
    rows = [[row[number] for number in kept] for row in cells]
    header = [columns[number].header for number in kept]
    for place, number in enumerate(kept):
        if not columns[number].number:  # what is not a number is filled up on its right
            widest = max(display_width(line[place]) for line in [header, *rows])
            for line in [header, *rows]:
                line[place] += " " * (widest - display_width(line[place]))
    return text_table(header, rows, numbers_from=1)


def _updates(run: RunFacts) -> str:
    """How far it is: 6800, or 3787/16000, or 1200, 45 % of its time."""
    if run.step is None:
        return ""
    hours = run.config.get("training.max_hours", "0")
    if run.state == "finished" or run.max_steps is None:
        return str(run.step)
    if hours not in ("0", "0.0"):
        return f"{run.step} ({run.progress:.0%})" if run.progress else str(run.step)
    return f"{run.step}/{run.max_steps}"


def _model(run: RunFacts) -> str:
    """transformer 3+3×192."""
    shape = [run.config.get(f"model.{name}") for name in ("encoder_layers", "decoder_layers", "d_model")]
    architecture = run.config.get("model.architecture", "")
    return f"{architecture} {shape[0]}+{shape[1]}×{shape[2]}" if architecture and all(shape) else architecture


def parameters_in_words(count: int | None) -> str:
    """2.61 M, 950 k."""
    if count is None:
        return ""
    return f"{count / 1e6:.2f} M" if count >= 1e6 else f"{count / 1e3:.0f} k" if count >= 1e3 else str(count)


def score_of(figures: Mapping[str, Any] | None, name: str) -> float | None:
    """A score among a run's figures on the validation pairs (numbers) or the test pairs (mappings with a score)."""
    value = (figures or {}).get(name)
    value = value.get("score") if isinstance(value, Mapping) else value
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _score(split: str, name: str, digits: int) -> Callable[[RunFacts], str]:
    """A column's cells: one score."""

    def cell(run: RunFacts) -> str:
        value = score_of(getattr(run, split), name)
        return "" if value is None else f"{value:.{digits}f}"

    return cell


def _languages(run: RunFacts) -> str:
    """ko→en."""
    source, target = (run.config.get(side, "") for side in ("source", "target"))
    return f"{source}→{target}" if source or target else ""


def _changed(run: RunFacts) -> str:
    """When it was last written, in local time."""
    then = time.localtime(run.changed)
    return time.strftime("%m-%d %H:%M" if then.tm_year == time.localtime().tm_year else "%Y-%m-%d", then)


_COLUMNS = (
    _Column("run", lambda run: cut(run.name, _NAME), 0, False),
    _Column("state", lambda run: run.state, 0, False),
    _Column("updates", _updates, 0),
    _Column("model", _model, 5, False),
    _Column("weights", lambda run: parameters_in_words(run.parameters), 3),
    _Column("pair", _languages, 4, False),
    _Column("valid BLEU", _score("valid", "bleu", 2), 0),
    _Column("chrF", _score("valid", "chrf", 2), 7),
    _Column("loss", _score("valid", "loss", 3), 6),
    _Column("test BLEU", _score("test", "bleu", 2), 1),
    _Column("test chrF", _score("test", "chrf", 2), 7),
    _Column("trained", lambda run: duration(run.seconds) if run.seconds else "", 2),
    _Column("numpy", lambda run: run.numpy.split(":")[0], 6, False),
    _Column("changed", _changed, 0),
)
