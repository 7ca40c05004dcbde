"""Increase–decrease or decrease–increase? A feed-forward block wider than d_model, as in the paper, against a narrower one.

    python scripts/experiments/feedforward.py --out docs/figures

Twice, on the built-in Korean–English corpus. At equal parameters: what the feed-forward blocks lose, d_model gains, so that every model has
as many trained numbers. At equal width: d_model stays, and a narrower block leaves fewer of them.
"""

from bisect import bisect_left
from collections.abc import Sequence

import torch

from common import compare, model_config
from corpora import Corpus, demo_corpus
from mt.config import ModelConfig
from mt.model.build import build_model, count_parameters
from report import Options, Rows, Stopwatch, dots, figure, of, options, read_results, save_figure, show, spreads, write_results

WIDTH = 64
RATIOS = {"1/4": 1 / 4, "1": 1, "4": 4}
"""d_ff / d_model, as wished; at equal parameters d_ff also takes up what a d_model in steps of the heads' number leaves over."""


def parameters(config: ModelConfig, vocab_size: int) -> int:
    """All trained numbers of a model, its embeddings too."""
    return count_parameters(build_model(config, vocab_size, vocab_size))


def at_equal_width() -> dict[str, ModelConfig]:
    """d_model is WIDTH for all."""
    return {name: model_config(d_model=WIDTH, d_ff=round(WIDTH * ratio)) for name, ratio in RATIOS.items()}


def at_equal_parameters(vocab_size: int) -> dict[str, ModelConfig]:
    """The d_model whose model comes nearest to as many parameters as the one of the paper's ratio; d_ff then takes up the rest."""
    budget, found = parameters(model_config(d_model=WIDTH, d_ff=4 * WIDTH), vocab_size), {}
    for name, ratio in RATIOS.items():

        def size(width: int, ratio: float = ratio, more: int = 0) -> int:
            """Parameters at this width and ratio, with `more` in d_ff."""
            return parameters(model_config(d_model=width, d_ff=round(width * ratio) + more), vocab_size)

        widths = range(16, 2 * WIDTH, 4)
        above = bisect_left(widths, budget, key=size)
        width = min(widths[above - 1 : above + 1], key=lambda width: abs(size(width) - budget))
        missing = round((budget - size(width)) / (size(width, more=1) - size(width)))
        found[name] = model_config(d_model=width, d_ff=round(width * ratio) + missing)
    return found


def measured(asked: Options, corpus: Corpus, watch: Stopwatch) -> list[dict]:
    """Both comparisons; the paper's ratio is the same model in both and trained once."""
    runs = []
    for name, conditions in (("parameters", at_equal_parameters(corpus.vocab_size)), ("width", at_equal_width())):
        fresh = {ratio: config for ratio, config in conditions.items() if name == "parameters" or ratio != "4"}
        for run in compare(corpus, fresh, asked.steps, asked.seeds, watch.say):
            config = conditions[run["condition"]]
            runs.append({"equal": name} | run | {"d_model": config.d_model, "d_ff": config.d_ff})
    runs += [run | {"equal": "width"} for run in runs if run["equal"] == "parameters" and run["condition"] == "4"]
    return runs


def table(results: dict) -> Rows:
    """The figures for the page."""
    rows = [["equal", "d_model → d_ff → d_model", "d_ff / d_model", "parameters", "held-out loss", "BLEU"]]
    for equal in ("parameters", "width"):
        for ratio in RATIOS:
            run = next(run for run in results["runs"] if run["equal"] == equal and run["condition"] == ratio)
            ends = spreads(results["runs"], (("loss", 3), ("bleu", 1)), equal=equal, condition=ratio)
            sizes = f"{run['d_model']} → {run['d_ff']} → {run['d_model']}"
            rows.append([equal, sizes, f"{run['d_ff'] / run['d_model']:.2f}", f"{run['parameters']:,}", *ends])
    return rows


TABLES = {"feedforward": table}


def draw(results: dict, asked: Options) -> None:
    """The loss, for both comparisons."""
    drawn, panels = figure(2)
    for number, (axes, equal) in enumerate(zip(panels, ("parameters", "width"), strict=True)):
        values = [of(results["runs"], lambda run: run["loss"], equal=equal, condition=ratio) for ratio in RATIOS]
        first = [next(run for run in results["runs"] if (run["equal"], run["condition"]) == (equal, ratio)) for ratio in RATIOS]
        labels = [f"{run['d_model']} → {run['d_ff']} → {run['d_model']}" for run in first]
        dots(axes, labels, values, numbers=[number] * len(RATIOS))
        axes.set(xlabel="d_model → d_ff → d_model", ylabel="held-out loss per token")
    panels[0].set_title("Equal parameters")
    panels[1].set_title(f"Equal width: d_model = {WIDTH}")
    save_figure(drawn, asked.out / "feedforward.svg")


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, measure, write, draw, print."""
    asked = options(__doc__, steps=500, seeds=2, arguments=arguments)
    if asked.redraw:
        show(read_results("feedforward", asked.out), asked, draw, TABLES)
        return
    watch = Stopwatch()
    torch.set_num_threads(1)
    runs = measured(asked, demo_corpus(asked.quick), watch)
    results = write_results("feedforward", asked, watch, {"model": model_config(d_model=WIDTH).model_dump()}, runs=runs)
    show(results, asked, draw, TABLES)


if __name__ == "__main__":
    main()
