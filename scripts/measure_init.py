"""Whether `mt init` proposes as good a training as a configuration written by hand, in equal time.

    MT_DATA=… python scripts/measure_init.py [--minutes 10] [--corpora kss multi30k] [--seeds 1] [--folder DIR]

For each corpus `mt init --hours` writes a configuration; what is written by hand is the shipped one for that language pair (ko-en or
multi30k-en-de), its data and its vocabulary put in place of its own. Proposals are trained as written, and end before the time is over
where they say so; the others use all of it. Two trainings run side by side, each with one thread, so that what disturbs one disturbs the
other.
Scored: the validation pairs, with the beam that each configuration has; p is how probable so large a difference would be if the two were
equally good (paired bootstrap of the sentences, Koehn 2004). Nothing looks at a test split.
"""

import argparse
import concurrent.futures
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import yaml

from mt.text_table import text_table


class Measured(NamedTuple):
    """A corpus, under $MT_DATA."""

    source: str
    target: str
    train: str
    """Path of the two files without their endings, which are the languages."""
    valid: str | None
    """Likewise; None: 400 of the training pairs are held out first."""
    by_hand: str
    """The shipped configuration."""
    vocabulary: int
    """What a person would choose for so many pairs; the shipped configuration's is for its own."""


CORPORA = {
    "kss": Measured("ko", "en", "ko-en/kss/train", "ko-en/kss/valid", "ko-en", 8000),
    "pydocs": Measured("ko", "en", "ko-en/pydocs/train", "ko-en/pydocs/valid", "ko-en", 8000),
    "gnome-help": Measured("ko", "en", "ko-en/gnome-help/train", "ko-en/gnome-help/valid", "ko-en", 4000),
    "tatoeba": Measured("ko", "en", "ko-en/tatoeba/train", "ko-en/tatoeba/valid", "ko-en", 4000),
    "korsts": Measured("ko", "en", "ko-en/korsts/train", None, "ko-en", 4000),
    "multi30k": Measured("en", "de", "multi30k-en-de/train", "multi30k-en-de/valid", "multi30k-en-de", 10000),
}
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def mt(*arguments: str) -> None:
    """Run `mt` in a process of its own."""
    done = subprocess.run([sys.executable, "-m", "mt", *arguments], capture_output=True, text=True, encoding="utf-8", env=ENVIRONMENT)
    if done.returncode:
        sys.exit(f"mt {' '.join(arguments)}\n{done.stdout}\n{done.stderr}")


def write_configurations(name: str, hours: float, folder: Path) -> dict[str, Path]:
    """What mt init proposes, and what is written by hand, for the same pairs."""
    corpus, data = CORPORA[name], Path(os.environ["MT_DATA"])
    languages = corpus.source, corpus.target
    files, valid = ([f"{data / str(place)}.{language}" for language in languages] for place in (corpus.train, corpus.valid))
    if corpus.valid is None:
        files, valid = hold_out(files, folder / name)
    proposed, by_hand = folder / f"{name}-init.yaml", folder / f"{name}-hand.yaml"
    given = [word for file in valid for word in ("--valid", file)]
    mt("init", *files, "--source", corpus.source, "--target", corpus.target, *given, "--hours", str(hours), "-o", str(proposed), "--force")
    shipped = Path(__file__).resolve().parent.parent / "configs" / f"{corpus.by_hand}.yaml"
    written = yaml.safe_load(shipped.read_text(encoding="utf-8"))
    written["data"] = yaml.safe_load(proposed.read_text(encoding="utf-8"))["data"]
    written["data"].pop("max_length", None)
    written["tokenizer"]["vocab_size"] = corpus.vocabulary
    written["training"]["max_hours"] = hours
    by_hand.write_text(yaml.safe_dump(written, allow_unicode=True), encoding="utf-8")
    return {"init": proposed, "hand": by_hand}


def hold_out(files: list[str], place: Path, pairs: int = 400) -> tuple[list[str], list[str]]:
    """The same files without some of their lines, spread over all, and those lines."""
    written: tuple[list[str], list[str]] = [], []
    for file in files:
        lines = Path(file).read_text(encoding="utf-8").splitlines(keepends=True)
        chosen = {number * len(lines) // pairs for number in range(pairs)}
        for which, kept in zip(("train", "valid"), written, strict=True):
            kept.append(f"{place}-{which}{Path(file).suffix}")
            part = [line for number, line in enumerate(lines) if (number in chosen) == (which == "valid")]
            Path(kept[-1]).write_text("".join(part), encoding="utf-8")
    return written


def compare(config: Path, found: dict[str, dict]) -> tuple[float, float]:
    """p of the difference in BLEU and in chrF between the first seeds' translations."""
    from sacrebleu.metrics import BLEU, CHRF
    from sacrebleu.significance import PairedTest

    from mt.config_file import load_config
    from mt.data.corpus import read_corpora

    loaded = load_config(str(config))
    references = [line for corpus in read_corpora(loaded.data.valid, "valid", loaded.source, loaded.target) for line in corpus.targets]
    systems = [(which, Path(result["translations"]).read_text(encoding="utf-8").split("\n")[:-1]) for which, result in found.items()]
    _, scores = PairedTest(systems, {"BLEU": BLEU(references=[references]), "chrF2": CHRF(references=[references])}, None, "bs", 1000)()
    return scores["BLEU"][1].p_value, scores["chrF2"][1].p_value


def train_and_score(config: Path, run: str, seed: int, folder: Path) -> dict:
    """Scores of the validation pairs, updates and minutes."""
    mt("train", "--config", str(config), "--restart", "--set", f"name={run}", "--set", f"training.seed={seed}")
    place = Path(os.environ.get("MT_RUNS", "runs")) / run
    scores, translations = folder / f"{run}.json", folder / f"{run}.txt"
    mt("eval", "--model", str(place), "--split", "valid", "--json", str(scores), "--output", str(translations))
    summary = json.loads((place / "summary.json").read_text(encoding="utf-8"))
    read = json.loads(scores.read_text(encoding="utf-8"))
    scored = {"run": run, "bleu": read["bleu"]["score"], "chrf": read["chrf"]["score"], "steps": summary["step"]}
    scored["translations"] = str(translations)
    return scored | {key: summary[key] for key in ("seconds", "parameters")}


def main() -> None:
    """Train all, two at a time, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--corpora", nargs="+", choices=CORPORA, default=list(CORPORA))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--folder", type=Path, help="keep configurations and scores here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary, concurrent.futures.ThreadPoolExecutor(2) as two:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        # Proposals are measured on this machine: nothing trains beside them.
        written = {name: write_configurations(name, arguments.minutes / 60, folder) for name in arguments.corpora}
        jobs = {
            (name, which, seed): two.submit(train_and_score, config, f"init-{name}-{which}-{seed}", seed, folder)
            for name in arguments.corpora
            for seed in arguments.seeds
            for which, config in written[name].items()
        }
        rows = []
        for name in arguments.corpora:
            first = {which: jobs[name, which, arguments.seeds[0]].result() for which in ("init", "hand")}
            p = compare(written[name]["hand"], first)
            for which in first:
                results = [jobs[name, which, seed].result() for seed in arguments.seeds]
                cells = [
                    " / ".join(f"{result[key]:.{digits}f}" for result in results)
                    for key, digits in (("bleu", 2), ("chrf", 2), ("steps", 0))
                ]
                minutes = statistics.mean(result["seconds"] for result in results) / 60
                rows.append([name, which, *cells, f"{minutes:.1f}", f"{results[0]['parameters']:,}", *(f"{one:.3f}" for one in p)])
                print(json.dumps(results), flush=True)
        print(text_table(["corpus", "written by", "BLEU", "chrF", "updates", "minutes", "parameters", "p (BLEU)", "p (chrF)"], rows))


if __name__ == "__main__":
    main()
