"""How fast a trained model translates, in `mt` and in other programs with the same weights, on this machine.

    python scripts/bench_decoding.py --model RUN --input FILE [--beams 5 1] [--rounds 3]
                                     [--programs mt mt-numpy mt-bf16 mt-int8 mt-shortlist ctranslate2 ctranslate2-int8 hf]
                                     [--lines 1000] [--single 30]

All programs get the same token ids of the file's first lines and run in turn, each in a process of its own with all threads, warmed up on
100 sentences: then all lines at once, then some one by one. Shown: sentences per second and milliseconds for one sentence, the median of
the rounds with the least and the most; how many times as fast `mt` is, formed round by round; lines with the same translation as `mt`'s;
peak memory, without that of the processes that `mt` searches in. Every program divides by its own length penalty with --length-penalty as
exponent; `hf` is generate() of a Hugging Face M2M100 model that is given the weights (pre-norm, sinusoidal positions; its table of
positions is replaced by ours), from .bench-peers (scripts/bench_training.py --install-peers). CTranslate2 runs one translator with one
thread for each core, which is faster than one translator with all of them; for one sentence the better of the two is taken. `mt-numpy` is
what `mt translate` uses for a few sentences (mt/instant): one after the other, and those that it is not certain of, which torch would be
asked for, count as others. `mt-shortlist` needs the run's (`mt shortlist RUN`).

numpy's products are OpenBLAS's. Where OPENBLAS_CORETYPE names another processor than this one, they take twice as long: unset it.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from mt.text_table import text_table

HERE = Path(__file__).resolve().parent
PEER_PYTHON = HERE.parent / ".bench-peers" / "bin" / "python"
PROGRAMS = {
    "mt": "mt_decode.py", "mt-numpy": "mt_numpy_decode.py", "mt-bf16": "mt_decode.py", "mt-int8": "mt_decode.py",
    "mt-shortlist": "mt_decode.py", "ctranslate2": "ctranslate2_decode.py", "ctranslate2-int8": "ctranslate2_decode.py",
    "hf": "hf_decode.py",
}  # fmt: skip
PREFERRED = ("mt", "mt-numpy", "mt-bf16", "ctranslate2", "ctranslate2-int8")


def prepare(folder: Path, model: str, file: Path, lines: int, programs: list[str]) -> None:
    """Write the token ids, the weights by name, and CTranslate2's models, where every program can read them."""
    from safetensors.torch import save_file

    from mt.data.corpus import read_lines
    from mt.export import ctranslate2
    from mt.stored_model import parameters_of
    from mt.stored_shortlist import shortlist_file
    from mt.translator import Translator

    translator = Translator.load(model)
    sources = translator.tokenizer.encode_source(read_lines(file)[:lines])
    (folder / "sources.json").write_text(json.dumps([source for source in sources if len(source) > 1]), encoding="utf-8")
    config = translator.config.model.model_dump() | {"vocabulary": len(translator.tokenizer.target)}
    (folder / "shape.json").write_text(json.dumps(config), encoding="utf-8")
    save_file({name: weight.contiguous() for name, weight in parameters_of(translator.model).items()}, folder / "weights.safetensors")
    for program in programs:
        if program == "mt-shortlist":
            shutil.copy(shortlist_file(translator.path), folder / "shortlist.safetensors")
        if program.startswith("ctranslate2"):
            (folder / program).mkdir()
            ctranslate2.write(translator.model, translator.tokenizer, folder / program, "int8" if program.endswith("int8") else None)


def run_program(program: str, folder: Path, job: dict) -> dict:
    """One program in a process of its own; what it prints last is its figures as JSON."""
    python = str(PEER_PYTHON) if program == "hf" else sys.executable
    environment = os.environ | ({} if program == "hf" else {"PYTHONPATH": str(HERE.parent)})
    command = [python, str(HERE / "peers" / PROGRAMS[program]), json.dumps(job | {"folder": str(folder), "program": program})]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        sys.exit(f"{program} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def spread(values: list[float], digits: int) -> str:
    """The median, the least and the most."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def main() -> None:
    """Run the rounds and print a table for each beam."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--input", type=Path, required=True)
    parser.add_argument("--programs", nargs="+", choices=PROGRAMS, default=PREFERRED)
    parser.add_argument("--beams", nargs="+", type=int, default=[5])
    parser.add_argument("--length-penalty", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--lines", type=int, default=1000)
    parser.add_argument("--single", type=int, default=30, help="sentences that are translated one by one")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    results = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, arguments.model, arguments.input, arguments.lines, arguments.programs)
        for beam in arguments.beams:
            job = {"beam": beam, "penalty": arguments.length_penalty, "threads": arguments.threads, "single": arguments.single}
            figures: dict[str, list[dict]] = {program: [] for program in arguments.programs}
            for number in range(arguments.rounds):
                for program in arguments.programs:
                    figures[program].append(run_program(program, folder, job))
                    speed = figures[program][-1]["per_second"]
                    print(f"round {number + 1}, beam {beam}, {program}: {speed:.0f} sentences/s", file=sys.stderr)
            print(f"\nbeam {beam}, {arguments.threads} threads\n{table(figures)}")
            results[beam] = {program: [one | {"tokens": None} for one in found] for program, found in figures.items()}
    if arguments.out:
        arguments.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def table(figures: dict[str, list[dict]]) -> str:
    """A row for each program."""
    rows = []
    for program, found in figures.items():
        base = figures.get("mt", found)
        ratios = [mine["per_second"] / other["per_second"] for mine, other in zip(base, found, strict=True)]
        same = sum(one == other for one, other in zip(base[0]["tokens"], found[0]["tokens"], strict=True))
        rows.append((
            program, spread([one["per_second"] for one in found], 0), spread([one["single_ms"] for one in found], 1),
            spread(ratios, 2), f"{same} of {len(found[0]['tokens'])}", f"{max(one['peak_mb'] for one in found):.0f}",
        ))  # fmt: skip
    return text_table(("program", "sentences/s", "one sentence, ms", "mt is … times as fast", "same as mt", "peak MB"), rows)


if __name__ == "__main__":
    main()
