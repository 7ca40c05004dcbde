"""Run the commands under several encodings and widths, and count tracebacks, lines wider than the screen, and broken words.

    python scripts/measure_output.py [--run RUN] [--step 10]

Commands run in this process, with COLUMNS set and streams of the encoding, as a pipe under PYTHONIOENCODING is; a small model of the
built-in copy task is trained first unless --run names one, and the training is one of the commands. A line may be wider than the screen
if it is a single word, and translations are data, which are never wrapped. A word is broken where the narrow output has one that the
output at 1000 columns has not.
"""

import argparse
import io
import os
import re
import sys
import tempfile
from collections import Counter
from pathlib import Path
from unittest import mock

from mt.cli import app, main
from mt.text_table import display_width

ENCODINGS = ("utf-8", "cp949", "latin-1", "ascii")
PAIRS = "ko\ten\n" + 2 * "저는 어제 책을 읽었어요.\tI read a “book” yesterday — really.\n" + "가\t\x1b[31mred\n"
TRAIN = ["train", "--config", "copy", "--restart", "--set", "training.max_steps=30", "--set", "training.validate_every=15", "--set",
         "training.log_every=1", "--set", "training.device=cpu", "--set", "training.precision=fp32", "--set", "name=narrow"]  # fmt: skip
CHANGING = re.compile(r"^\W*[\d.,:+%×−-]+\W*$")
"""Numbers, which two runs of a training or a clock need not have in common."""


def run(arguments: list[str], encoding: str, columns: int) -> tuple[int, str, str]:
    """A command's exit code, standard output and standard error."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True) for _ in range(2))
    with (
        mock.patch.dict(os.environ, {"COLUMNS": str(columns)}),
        mock.patch.object(sys, "argv", ["mt", *arguments]),
        mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO())),
        mock.patch.object(sys, "stdout", out),
        mock.patch.object(sys, "stderr", err),
    ):
        code = 0
        try:
            main()
        except SystemExit as leaving:
            code = leaving.code if isinstance(leaving.code, int) else 0
        except BaseException as error:  # what a person would see as a traceback
            code, _ = -1, err.write(f"{type(error).__name__}: {error}")
    return code, *(stream.buffer.getvalue().decode(encoding, "replace") for stream in (out, err))


def helps() -> list[list[str]]:
    """--help of the program and of every command."""
    import typer.main

    def below(command: object, path: list[str]) -> list[list[str]]:
        return [path, *(found for name, inner in getattr(command, "commands", {}).items() for found in below(inner, [*path, name]))]

    return [[*path, "--help"] for path in below(typer.main.get_command(app), [])]


def commands(model: str) -> list[list[str]]:
    """What is tried at every width."""
    sentence = "ba de bo"
    return [
        *helps(), ["runs"], ["check", "pairs.tsv"], ["config", "explain"], ["config", "explain", "training"],
        ["config", "explain", "corpus"], ["config", "explain", "decoding.beam_size"],
        ["explain", sentence, "-m", model, "--beam", "4", "--target", "da do"],
        ["explain", "저는 \x1b[31m책을", "-m", model], ["inspect", "attention", sentence, "-m", model], ["inspect", "doctor", model],
        ["inspect", "shapes", "-m", model, "--source", sentence], ["inspect", "projections", model], ["diff", "copy", "other"],
        ["translate", sentence, "-m", "no\x1bsuch run with a long name"], ["translate", "-i", "nothing.tsv", "-m", model],
        ["train", "--config", "copy", "--set", "model.d_model=30", "--set", "training.lerning_rate=1", "--set", "decoding.nbest=50"],
        ["translate"], ["nonsense"], ["eval", "-m", model, "--source", "pairs.tsv"], ["tokenizer", "inspect", "-m", model],
    ]  # fmt: skip


def faults(text: str, columns: int, words: set[str] | None) -> list[str]:
    """What is wrong with one output. words: those of the wide output; None where they change from run to run."""
    found = []
    for line in text.split("\n"):
        if display_width(line) > columns and len(line.split()) > 1:
            found.append(f"wider than the screen: {line!r}")
        if words is not None:
            broken = [word for word in line.split() if word.rstrip(":") not in words and "…" not in word and "..." not in word]
            found += [f"broken: {word!r} in {line!r}" for word in broken if not CHANGING.match(word)]
    return found


def measure(model: str, step: int) -> Counter:
    """Count over all commands, encodings and widths; print what is found."""
    counts: Counter = Counter()
    told: Counter = Counter()
    for encoding in ENCODINGS:
        for command in commands(model):
            _, *wide = run(command, encoding, 1000)
            words = {word.rstrip(":") for text in wide for word in text.split()}
            for columns in [*range(20, 200, step), 200]:
                code, *texts = run(command, encoding, columns)
                counts["outputs"] += 1
                common = None if command == ["runs"] else words  # only a narrow table says that it found no room
                problems = [problem for text in texts for problem in faults(text, columns, common)]
                problems += [f"traceback: {texts[1][-200:]}"] if code == -1 or "Traceback" in texts[1] else []
                for problem in problems:
                    counts[problem.split(":")[0]] += 1
                    told[" ".join(command[:3])] += 1
                    if told[" ".join(command[:3])] <= 3:
                        print(f"{encoding} {columns} mt {' '.join(command)!r}\n    {problem}", file=sys.__stderr__)
    for encoding in ENCODINGS:
        for columns in (20, 60, 100, 200):
            code, *texts = run(TRAIN, encoding, columns)
            counts["outputs"] += 1
            problems = [problem for text in texts for problem in faults(text, columns, None)] + (["traceback:"] if code else [])
            for problem in problems:
                counts[problem.split(":")[0]] += 1
                print(f"{encoding} {columns} mt train\n    {problem}", file=sys.__stderr__)
    return counts


def parse() -> argparse.Namespace:
    """The arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="a run to look into; default: a small one is trained")
    parser.add_argument("--step", type=int, default=20, help="columns from one width to the next")
    return parser.parse_args()


if __name__ == "__main__":
    arguments = parse()
    chosen = None if arguments.run is None else arguments.run.resolve()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["MT_RUNS"] = str(Path(folder) / "runs")
        Path("pairs.tsv").write_text(PAIRS, encoding="utf-8")
        for name in ("copy", "other"):
            code, _, told = run([*TRAIN[:-1], f"name={name}", "--set", f"training.seed={len(name)}"], "utf-8", 100)
            assert code == 0, told
        print(dict(measure(str(chosen or Path("runs/copy").resolve()), arguments.step)))
