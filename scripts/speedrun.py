"""Train a configuration to a target on its validation pairs, once for each seed, and keep what was measured as a record.

    MT_DATA=… python scripts/speedrun.py --name muon --target 39.5 [--config multi30k-en-de] [--seeds 1 2 3] [--minutes 14] \
        [--set KEY=VALUE]… [--test REFERENCE.tok-lc.de [RAW_REFERENCE.de]]

Each seed is one `mt train` as a user would start it, timed as a whole process. Reported for each: wall time, the minutes after which a
validation during training first reached the target (greedy BLEU), the finished model's validation BLEU with the configured beam,
target tokens per second. With --test the finished models also translate the test pairs, once, scored as sacreBLEU does by itself and on
the published scale (scripts/score_published_scale.py; without a raw reference the model's output is on it already). Writes
docs/records/DATE_NAME/ (config, environment, metrics, summary of each seed, result.json) and makes docs/records/README.md anew from all
records, after every seed. Further seeds of a record are added to it: the same --name, --date and settings, other --seeds.
"""

import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RECORDS = ROOT / "docs" / "records"
KEPT = ("config.yaml", "environment.json", "metrics.jsonl", "summary.json")


def mt(*arguments: str) -> None:
    """Run `mt` in a process of its own; its words go to the terminal."""
    subprocess.run([sys.executable, "-m", "mt", *arguments], check=True, cwd=ROOT)


def evaluate(run: str, split: str, output: Path | None = None) -> dict:
    """What `mt eval --json` writes."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "scores.json"
        extra = ["--output", str(output)] if output else []
        mt("eval", "--model", run, "--split", split, "--json", str(file), *extra)
        return json.loads(file.read_text(encoding="utf-8"))


def run_seed(seed: int, arguments: argparse.Namespace) -> dict:
    """Train, evaluate, and the figures of one seed."""
    from mt.runs import RunDirectory, runs_root

    name = f"speedrun-{arguments.name}-{seed}"
    chosen = [f"name={name}", f"training.seed={seed}", "data.test=[]", *arguments.set]
    settings = [word for setting in chosen for word in ("--set", setting)]
    limit = ["--max-minutes", str(arguments.minutes)] if arguments.minutes else []
    begun, clock = time.time(), time.monotonic()
    mt("train", "--config", arguments.config, "--restart", *settings, *limit)
    wall = time.monotonic() - clock
    run = RunDirectory(ROOT / runs_root() / name)
    lines = [json.loads(line) for line in run.metrics_path.read_text(encoding="utf-8").splitlines()]
    reached = next((line["time"] for line in lines if line["kind"] == "valid" and line["bleu"] >= arguments.target), None)
    summary = run.read_json("summary.json")
    result = {
        "seed": seed,
        "wall_minutes": wall / 60,
        "minutes_to_target": None if reached is None else (reached - begun) / 60,
        "updates": summary["step"],
        "parameters": summary["parameters"],
        "tokens_per_second": summary["target_tokens"] / summary["seconds"],
        "valid_bleu": evaluate(str(run.path), "valid")["bleu"]["score"],
    }
    if arguments.test:
        result |= score_test(run.path, arguments)
    folder = record_folder(arguments) / f"seed-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    for file in KEPT:  # where the data lies on this machine is nobody's business
        text = (run.path / file).read_text(encoding="utf-8").replace(os.environ.get("MT_DATA") or "\0", "${MT_DATA}")
        (folder / file).write_text(text, encoding="utf-8")
    return result


def score_test(run: Path, arguments: argparse.Namespace) -> dict:
    """The test pairs, once: the configuration's own, which the run was not told of."""
    from mt.config_file import load_config

    [corpus] = load_config(arguments.config, arguments.set).data.test
    reference, *raw = arguments.test
    with tempfile.TemporaryDirectory() as folder:
        output, file = Path(folder) / "hypotheses", Path(folder) / "scores.json"
        mt("eval", "--model", str(run), "--source", str(corpus.source), "--reference", str(corpus.target), "--output", str(output),
           "--json", str(file))  # fmt: skip
        command = [sys.executable, str(ROOT / "scripts" / "score_published_scale.py"), str(output), reference,
                   *(["--raw-reference", raw[0]] if raw else ["--tokenised"])]  # fmt: skip
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        published = float(printed.split("BLEU ")[1].split()[0])
        return {"test_bleu": json.loads(file.read_text(encoding="utf-8"))["bleu"]["score"], "test_published_scale": published}


def record_folder(arguments: argparse.Namespace) -> Path:
    """docs/records/DATE_NAME."""
    return RECORDS / f"{arguments.date}_{arguments.name}"


def check_same_record(record: dict, path: Path) -> None:
    """Stop before an hour of training when the record that stands there is of other settings."""
    if path.is_file():
        there = json.loads(path.read_text(encoding="utf-8"))
        for key, value in record.items():
            if there.get(key) != value:
                sys.exit(f"{path}: its seeds had {key} {there.get(key)!r}, now {value!r}; give another --name or --date")


def add_seed(record: dict, parameters: int, seed: dict, path: Path) -> None:
    """Write the record with that seed beside those it has already, and the table."""
    there = json.loads(path.read_text(encoding="utf-8"))["seeds"] if path.is_file() else []
    seeds = sorted([*(other for other in there if other["seed"] != seed["seed"]), seed], key=lambda one: one["seed"])
    path.write_text(json.dumps({**record, "parameters": parameters, "seeds": seeds}, indent=2) + "\n", encoding="utf-8")
    write_table()


def write_table() -> None:
    """docs/records/README.md from every record's result.json."""
    rows = []
    for path in sorted(RECORDS.glob("*/result.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        seeds = record["seeds"]

        def cell(key: str, digits: int, seeds: list[dict] = seeds) -> str:
            values = [seed[key] for seed in seeds if seed.get(key) is not None]
            if not values:
                return "–"
            spread = f" ({min(values):.{digits}f}–{max(values):.{digits}f})" if len(values) > 1 else ""
            return f"{statistics.mean(values):.{digits}f}{spread}"

        rows.append(
            f"| [{path.parent.name}]({path.parent.name}) | {record['parameters']:,} | {len(seeds)} | {cell('wall_minutes', 1)} | "
            f"{record['target']:g} in {cell('minutes_to_target', 1)} | {cell('valid_bleu', 2)} | {cell('test_bleu', 2)} | "
            f"{cell('test_published_scale', 2)} | {record['machine']} |"
        )
    head = (
        "# Records\n\nWritten by `scripts/speedrun.py`; each folder holds the configuration, the environment and the figures of every\n"
        "seed. Mean over the seeds (least–most). Minutes are wall time of the whole `mt train`. BLEU is sacreBLEU's, cased, 13a, with\n"
        "the configured beam; the published scale is tokenised and lower-cased (`scripts/score_published_scale.py`); the target is\n"
        "greedy BLEU on the validation pairs.\n\n"
        "| record | parameters | seeds | minutes | target, minutes to it | valid BLEU | test BLEU | test, published | machine |\n"
        "|---|---|---|---|---|---|---|---|---|\n"
    )
    (RECORDS / "README.md").write_text(head + "\n".join(rows) + "\n", encoding="utf-8")


def main() -> None:
    """All seeds, the record, the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", required=True)
    parser.add_argument("--target", type=float, required=True, help="validation BLEU, greedy")
    parser.add_argument("--config", default="multi30k-en-de")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--minutes", type=float, help="the deadline of each run")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--test", nargs="+", metavar="REFERENCE")
    parser.add_argument("--date", default=datetime.date.today().isoformat())
    parser.add_argument("--machine", default="2 cores, no GPU")
    arguments = parser.parse_args()
    record = {"config": arguments.config, "settings": arguments.set, "minutes": arguments.minutes, "target": arguments.target,
              "machine": arguments.machine}  # fmt: skip
    path = record_folder(arguments) / "result.json"
    check_same_record(record, path)
    for number in arguments.seeds:
        seed = run_seed(number, arguments)
        add_seed(record, seed.pop("parameters"), seed, path)
        print(json.dumps(seed, indent=2))


if __name__ == "__main__":
    main()
