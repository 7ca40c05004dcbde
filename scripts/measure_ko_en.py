"""Measure a ko-en run on its validation corpora, each named, and show ten translations as they are.

    python scripts/measure_ko_en.py RUN [--corpus kss] [--lines 10]

Prints what `mt eval --split valid` prints, then the first lines of one corpus: source, reference, translation.
"""

import argparse
import tempfile
from pathlib import Path

from mt.commands import EvalRequest, evaluate_model
from mt.data.corpus import read_corpora
from mt.runs import find_model
from mt.stored_model import load_model


def main() -> None:
    """Evaluate, then show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--corpus", default="kss")
    parser.add_argument("--lines", type=int, default=10)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "translations"
        evaluate_model(EvalRequest([arguments.run], "valid", None, None, output, None, {}, "cpu"))
        translations = output.read_text(encoding="utf-8").split("\n")
    config = load_model(find_model(arguments.run)).config
    first = 0
    for corpus in read_corpora(config.data.valid, "valid", config.source, config.target):
        if corpus.name == arguments.corpus:
            for index in range(min(arguments.lines, len(corpus.sources))):
                print(f"\n{corpus.sources[index]}\n  reference    {corpus.targets[index]}\n  translation  {translations[first + index]}")
        first += len(corpus.sources)


if __name__ == "__main__":
    main()
