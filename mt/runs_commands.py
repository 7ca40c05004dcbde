"""What `mt runs` and `mt diff` do once their options are parsed: read, call, print or write. Nothing heavy is imported."""

import json
import os
from pathlib import Path

from mt.errors import RunError
from mt.output import put_lines, refuse_unwritable, terminal_width
from mt.run_facts import all_facts
from mt.runs import RunDirectory, find_run, runs_root, shown


def list_runs(json_file: Path | None) -> None:
    """Print all runs as a table, the one changed last first; write everything known of them if asked."""
    from mt.run_table import run_table

    refuse_unwritable(json_file)
    root = runs_root()
    if os.environ.get("MT_RUNS") and not root.is_dir():
        raise RunError(f"MT_RUNS: there is no folder {root}; set it to the folder of runs")
    runs = all_facts(root)
    if runs:
        print(run_table(runs, terminal_width()))
    else:
        print(f"there are no runs in {shown(root)}; train a model with 'mt train --config demo'")
    if json_file is not None:
        put_lines([json.dumps([run.to_json() for run in runs], ensure_ascii=False, indent=2)], json_file)


def compare_runs(first: str, second: str) -> None:
    """Print what differs between two runs, and whether their scores can be compared."""
    from mt.run_diff import diff_text
    from mt.run_record import read_record

    runs = [_named_run(reference) for reference in (first, second)]
    if runs[0].path.resolve() == runs[1].path.resolve():
        raise RunError(f"both are one and the same run, {shown(runs[0].path)}; name two")
    print(diff_text(*(read_record(run) for run in runs), terminal_width()))


def _named_run(reference: str) -> RunDirectory:
    """The run of this name; RunError when there is none."""
    try:
        run = find_run(reference)
    except RunError as error:
        raise RunError(str(error).removeprefix("--model: ")) from error  # it was not given by an option
    if not run.exists():
        raise RunError(f"{shown(run.path)}: this is not a run directory of mt (there is no config.yaml)")
    return run
