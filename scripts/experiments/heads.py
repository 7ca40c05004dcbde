"""How many heads: 1 to 16 at equal width, hence with equally many parameters, on the built-in Korean–English corpus.

    python scripts/experiments/heads.py --out docs/figures
"""

from collections.abc import Sequence

import torch

from common import compare, model_config
from corpora import demo_corpus
from report import Options, Rows, Stopwatch, dots, figure, of, options, read_results, save_figure, show, spreads, write_results

WIDTH = 64
HEADS = (1, 2, 4, 8, 16)


def table(results: dict) -> Rows:
    """The figures for the page."""
    rows = [["heads × d_k", "parameters", "held-out loss", "BLEU", "seconds of one training"]]
    for heads in HEADS:
        cells = spreads(results["runs"], (("loss", 3), ("bleu", 1), ("seconds", 0)), condition=str(heads))
        [parameters] = set(of(results["runs"], lambda run: run["parameters"], condition=str(heads)))
        rows.append([f"{heads} × {WIDTH // heads}", f"{parameters:,}", *cells])
    return rows


TABLES = {"heads": table}


def draw(results: dict, asked: Options) -> None:
    """Loss and BLEU."""
    drawn, (losses, scores) = figure(2)
    labels = [f"{heads}×{WIDTH // heads}" for heads in HEADS]
    for axes, key, name in ((losses, "loss", "held-out loss per token"), (scores, "bleu", "BLEU")):
        values = [of(results["runs"], lambda run, key=key: run[key], condition=str(heads)) for heads in HEADS]
        dots(axes, labels, values, numbers=[0] * len(HEADS))
        axes.set(xlabel="heads × d_k", ylabel=name)
    losses.set_title("Loss on the test sentences")
    scores.set_title("Korean to English")
    save_figure(drawn, asked.out / "heads.svg")


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, measure, write, draw, print."""
    asked = options(__doc__, steps=400, seeds=2, arguments=arguments)
    if asked.redraw:
        show(read_results("heads", asked.out), asked, draw, TABLES)
        return
    watch = Stopwatch()
    torch.set_num_threads(1)
    conditions = {str(heads): model_config(d_model=WIDTH, num_heads=heads) for heads in HEADS}
    runs = compare(demo_corpus(asked.quick), conditions, asked.steps, asked.seeds, watch.say)
    results = write_results("heads", asked, watch, {"model": model_config(d_model=WIDTH).model_dump()}, runs=runs)
    show(results, asked, draw, TABLES)


if __name__ == "__main__":
    main()
