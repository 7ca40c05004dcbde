"""Recurrent network, recurrent network with attention, Transformer: equal time, equal data, about equal size; BLEU, and BLEU by length.

    python scripts/compare_architectures.py --minutes 20 [--out FILE.json] [--threads 1] [--set KEY=VALUE …]
    python scripts/compare_architectures.py --runs RUN RUN RUN [--out FILE.json]       (runs that are trained already)

Trains the configurations one after the other with `--max-minutes`, translates the validation and the test pairs of each run with its own
beam, and scores sentences of like source length together (words between spaces). What a bucket's BLEU says is how one model's compares with
another's in that bucket; buckets of one model are different sentences, so that their figures alone say less. Prints tables, writes JSON.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from mt.data.corpus import read_corpora
from mt.evaluation import quick_scores
from mt.model.build import count_parameters
from mt.runs import RunDirectory, find_run
from mt.text_table import text_table
from mt.translator import Translator

CONFIGURATIONS = ("rnn", "rnn-attention", "multi30k-en-de")
EDGES = (1, 8, 11, 14, 18)
"""A bucket's least number of source words."""


def main() -> None:
    """Train what is to be trained, then measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--configs", nargs="+", default=CONFIGURATIONS)
    parser.add_argument("--threads", type=int, default=0, help="processor threads; 0: PyTorch's own choice")
    parser.add_argument("--set", nargs="*", default=[], help="settings for all of them")
    parser.add_argument("--runs", nargs="+", help="instead of training: these runs")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    runs = arguments.runs or [train(config, arguments) for config in arguments.configs]
    results = {find_run(run).path.name: measure(find_run(run)) for run in runs}
    for split in ("valid", "test"):
        print(f"\n{split}\n{table(results, split)}")
    if arguments.out:
        arguments.out.write_text(json.dumps(results, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def train(config: str, arguments: argparse.Namespace) -> str:
    """One training in a process of its own; its run's name."""
    name = f"compared-{config}"
    settings = [f"name={name}", f"training.threads={arguments.threads}", "data.test=[]", *arguments.set]
    sets = [part for setting in settings for part in ("--set", setting)]
    subprocess.run([sys.executable, "-m", "mt", "train", "--config", config, "--max-minutes", str(arguments.minutes), *sets], check=True)
    return name


def measure(run: RunDirectory) -> dict:
    """The run's size and work, and its scores on the named pairs of its configuration, whole and by source length."""
    translator = Translator.load(str(run.path))
    config, summary = translator.config, run.read_json("summary.json")
    result = {
        "parameters": count_parameters(translator.model), "steps": summary["step"], "seconds": summary["seconds"],
        "target_tokens": summary["target_tokens"], "architecture": config.model.architecture,
    }  # fmt: skip
    described = {"valid": config.data.valid, "test": config.data.test or from_shipped(config.data.valid)}
    for split, corpora in described.items():
        pairs = read_corpora(corpora, split, config.source, config.target)
        sources = [line for corpus in pairs for line in corpus.sources]
        references = [line for corpus in pairs for line in corpus.targets]
        hypotheses = translator.translate(sources)
        result[split] = quick_scores(hypotheses, references, config.target) | {
            "by_length": by_length(sources, hypotheses, references, config.target)
        }
    return result


def from_shipped(valid: Sequence) -> list:
    """Multi30k's test pairs, which lie beside its validation pairs."""
    [corpus] = valid
    moved = {side: Path(getattr(corpus, side)).with_stem("test_2016_flickr") for side in ("source", "target")}
    return [corpus.model_copy(update=moved)]


def by_length(sources: Sequence[str], hypotheses: Sequence[str], references: Sequence[str], target: str) -> list[dict]:
    """BLEU and chrF of the sentences whose source has so many words, for each bucket of EDGES."""
    lengths = [len(source.split()) for source in sources]
    found = []
    for first, following in zip(EDGES, (*EDGES[1:], 10**9), strict=True):
        chosen = [index for index, length in enumerate(lengths) if first <= length < following]
        if chosen:
            scores = quick_scores([hypotheses[index] for index in chosen], [references[index] for index in chosen], target)
            found.append({"from": first, "to": following - 1, "sentences": len(chosen)} | scores)
    return found


def table(results: dict[str, dict], split: str) -> str:
    """A row for each run: size, updates, BLEU, chrF, and BLEU in each bucket."""
    buckets = next(iter(results.values()))[split]["by_length"]
    names = [f"{bucket['from']}–{bucket['to']}" if bucket["to"] < 10**8 else f"{bucket['from']} and more" for bucket in buckets]
    rows = [
        (name, f"{found['parameters']:,}", f"{found['steps']:,}", f"{found[split]['bleu']:.2f}", f"{found[split]['chrf']:.2f}",
         *(f"{bucket['bleu']:.1f}" for bucket in found[split]["by_length"]))
        for name, found in results.items()
    ]  # fmt: skip
    header = ("run", "parameters", "updates", "BLEU", "chrF", *(f"BLEU, {name} words" for name in names))
    return text_table(header, [*rows, ("sentences", "", "", "", "", *(str(bucket["sentences"]) for bucket in buckets))])


if __name__ == "__main__":
    main()
