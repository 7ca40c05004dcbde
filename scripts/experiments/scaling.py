"""Why attention divides by √d_k: variance of the scores, saturation of the softmax, size of the gradient, and the learning curve.

    python scripts/experiments/scaling.py --out docs/figures

1. Without any training: queries and keys of random numbers of variance 1, as in the paper's footnote 4, for widths d_k from 4 to 512.
2. In training: a model with one wide head (d_k = 128) and one with sixteen narrow ones (d_k = 8), each with and without the division.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor

from common import bleu, held_out_loss, learn, model_config, swapped, training_config, translations
from corpora import Corpus, demo_corpus
from mt.data.batching import pad
from mt.model import attention
from mt.model.dropout import Dropout
from mt.model.interface import TranslationModel
from report import (
    Options,
    Rows,
    Stopwatch,
    band,
    figure,
    learning_curves,
    of,
    options,
    read_results,
    save_figure,
    show,
    spread,
    spreads,
    write_results,
)

WIDTHS = (4, 8, 16, 32, 64, 128, 256, 512)
MEMORY = 16
"""Positions that are looked at in the first part."""
HEADS = {1: 128, 16: 8}
"""Number of heads, and their width, in the second part."""


@contextmanager
def no_division() -> Iterator[None]:
    """Inside, attention is softmax(Q Kᵀ) V: each query is made √d_k times as long before it is divided by √d_k."""
    usual = attention.attend

    def attend(q_BHQK: Tensor, k_BHMK: Tensor, v_BHMK: Tensor, bias: Tensor, dropout: Dropout) -> Tensor:
        return usual(q_BHQK * math.sqrt(q_BHQK.shape[-1]), k_BHMK, v_BHMK, bias, dropout)

    with swapped(attention, "attend", attend):
        yield


def softmax_slope(weights_BM: Tensor) -> float:
    """The mean size (Frobenius norm) of the softmax's derivative, diag(w) − w wᵀ."""
    square_BM = weights_BM**2
    diagonal_B = (square_BM * (1 - weights_BM) ** 2 - square_BM**2).sum(dim=1)
    return float((diagonal_B + square_BM.sum(dim=1) ** 2).sqrt().mean())


def random_attention(width: int, divided: bool, seed: int, count: int = 2000) -> dict[str, float]:
    """Scores of random queries and keys, and what the softmax makes of them."""
    generator = torch.Generator().manual_seed(seed)
    q_B1K = torch.randn(count, 1, width, generator=generator)
    k_BMK = torch.randn(count, MEMORY, width, generator=generator)
    scores_BM = (q_B1K @ k_BMK.transpose(1, 2)).squeeze(1) / (math.sqrt(width) if divided else 1.0)
    weights_BM = torch.softmax(scores_BM, dim=1)
    largest = float(weights_BM.max(dim=1).values.mean())
    return {"variance": float(scores_BM.var()), "largest_weight": largest, "slope": softmax_slope(weights_BM)}


def random_part(asked: Options) -> list[dict]:
    """All widths, with and without division."""
    return [
        {"width": width, "divided": divided, "seed": seed} | random_attention(width, divided, seed)
        for width in WIDTHS for divided in (True, False) for seed in asked.seeds
    ]  # fmt: skip


class Watch:
    """Looks at the encoder's self-attention of some sentences, all of one length, a few times during a training."""

    def __init__(self, corpus: Corpus, every: int):
        lengths = [len(source) for source in corpus.sources]
        commonest = max(set(lengths), key=lengths.count)
        self.source_BS = pad([source for source in corpus.sources if len(source) == commonest][:64])
        self.every = every
        self.steps: list[int] = []
        self.variances: list[float] = []
        self.largest_weights: list[float] = []
        self.gradient_shares: list[float] = []

    def __call__(self, model: TranslationModel, step: int) -> None:
        """After an update: note how far the scores spread, how sharp the softmax is, and what of the gradient reaches Q and K."""
        if step % self.every and step != 1:
            return
        shares = {True: 0.0, False: 0.0}
        for name, parameter in model.named_parameters():
            shares["q_proj" in name or "k_proj" in name] += float(parameter.grad.square().sum())
        self.steps.append(step)
        self.gradient_shares.append(math.sqrt(shares[True] / sum(shares.values())))
        variance, largest = self._look(model)
        self.variances.append(variance)
        self.largest_weights.append(largest)

    @torch.no_grad()
    def _look(self, model: TranslationModel) -> tuple[float, float]:
        """The scores' variance among the positions of one query, and the mean of the largest weights."""
        usual, variances, largest = attention.attend, [], []

        def attend(q_BHQK: Tensor, k_BHMK: Tensor, v_BHMK: Tensor, bias: Tensor, dropout: Dropout) -> Tensor:
            # The weighted sum of the identity's rows is the weights; their logarithms are the scores, but for a constant of each query.
            one_BHMM = torch.eye(k_BHMK.shape[2]).expand(*k_BHMK.shape[:2], -1, -1)
            weights_BHQM = usual(q_BHQK, k_BHMK, one_BHMM, bias, dropout)
            variances.append(float(weights_BHQM.clamp_min(1e-38).log().var(dim=3).mean()))
            largest.append(float(weights_BHQM.max(dim=3).values.mean()))
            return usual(q_BHQK, k_BHMK, v_BHMK, bias, dropout)

        with swapped(attention, "attend", attend):
            model.eval().encode(self.source_BS)
        return sum(variances) / len(variances), sum(largest) / len(largest)


def trained_part(asked: Options, watch: Stopwatch) -> list[dict]:
    """Both numbers of heads, with and without division."""
    corpus, runs = demo_corpus(asked.quick), []
    for heads, width in HEADS.items():
        for divided in (True, False):
            for seed in asked.seeds:
                looks = Watch(corpus, max(1, asked.steps // 20))
                with nullcontext() if divided else no_division():
                    model = model_config(d_model=heads * width, num_heads=heads, d_ff=256)
                    learned = learn(corpus, model, training_config(asked.steps, seed), watch=looks)
                    loss, score = held_out_loss(learned.model, corpus), bleu(corpus, translations(learned.model, corpus.sources))
                runs.append({"width": width, "divided": divided, "seed": seed, "loss": loss, "bleu": score, "curve": learned.curve,
                             "looked_at": looks.steps, "variance": looks.variances, "largest_weight": looks.largest_weights,
                             "gradient_share": looks.gradient_shares, "seconds": learned.seconds})  # fmt: skip
                watch.say(f"d_k {width}, {'with' if divided else 'without'} division, seed {seed}: loss {loss:.3f}, BLEU {score:.1f}")
    return runs


def random_table(results: dict) -> Rows:
    """The first part, for the page."""
    rows = [["d_k", "variance without", "variance with", "largest weight without", "largest weight with", "slope without", "slope with"]]
    for width in WIDTHS:
        cells = [str(width)]
        for key, digits in (("variance", 1), ("largest_weight", 2), ("slope", 3)):
            for divided in (False, True):
                found = of(results["random"], lambda run, key=key: run[key], width=width, divided=divided)
                cells.append(f"{sum(found) / len(found):.{digits}f}")
        rows.append(cells)
    return rows


def trained_table(results: dict) -> Rows:
    """The second part, for the page."""
    rows = [["heads × d_k", "divided by √d_k", "variance at the start", "largest weight at the start",
             "share of the gradient in Q and K at the start", "held-out loss", "BLEU"]]  # fmt: skip
    for heads, width in HEADS.items():
        for divided in (True, False):
            pick = {"width": width, "divided": divided}
            starts = [spread(of(results["trained"], lambda run, key=key: run[key][0], **pick), digits)
                      for key, digits in (("variance", 2), ("largest_weight", 2), ("gradient_share", 2))]  # fmt: skip
            ends = spreads(results["trained"], (("loss", 3), ("bleu", 1)), **pick)
            rows.append([f"{heads} × {width}", "yes" if divided else "no", *starts, *ends])
    return rows


TABLES = {"scaling-random": random_table, "scaling-trained": trained_table}


def draw(results: dict, asked: Options) -> None:
    """Six panels: three before any training, then three of training."""
    drawn, axes = figure(2, 3)
    for number, (divided, label) in enumerate(((True, "divided by √dₖ"), (False, "not divided"))):
        for place, key in enumerate(("variance", "largest_weight", "slope")):
            values = [of(results["random"], lambda run, key=key: run[key], width=width, divided=divided) for width in WIDTHS]
            band(axes[place], WIDTHS, list(zip(*values, strict=True)), number, label)
    titles = ("Variance of the scores", f"Largest of {MEMORY} weights", "Size of the softmax's derivative")
    for axis, title, name in zip(axes, titles, ("variance", "mean of the largest weight", "Frobenius norm"), strict=False):
        axis.set_xscale("log", base=2)
        axis.set_xticks(WIDTHS, [str(width) for width in WIDTHS])
        axis.set(title=title, xlabel="dₖ, random queries and keys", ylabel=name)
    axes[0].set_yscale("log", base=2)
    axes[0].set_yticks((1, 4, 16, 64, 256), ("1", "4", "16", "64", "256"))
    axes[0].legend()
    _draw_training(results, axes[3:])
    save_figure(drawn, asked.out / "scaling.svg")


def _draw_training(results: dict, axes: Sequence[Any]) -> None:
    """Sharpness, gradient and loss in the course of the training."""
    looked_at = results["trained"][0]["looked_at"]
    for number, (width, divided) in enumerate(((128, True), (128, False), (8, True), (8, False))):
        pick, label = {"width": width, "divided": divided}, f"dₖ = {width}, {'divided' if divided else 'not divided'}"
        band(axes[0], looked_at, of(results["trained"], lambda run: run["largest_weight"], **pick), number, label)
        band(axes[1], looked_at, of(results["trained"], lambda run: run["gradient_share"], **pick), number, label)
        learning_curves(axes[2], results, results["trained"], number, label, **pick)
    axes[0].set(title="Training: largest weight in the encoder", xlabel="update", ylabel="mean of the largest weight")
    axes[1].set(title="Training: gradient of W_Q and W_K", xlabel="update", ylabel="norm / norm of the whole")
    axes[2].set_title("Training: loss")
    axes[2].legend()


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, train, write, draw, print."""
    asked = options(__doc__, steps=600, seeds=2, arguments=arguments)
    if asked.redraw:
        show(read_results("scaling", asked.out), asked, draw, TABLES)
        return
    watch = Stopwatch()
    torch.set_num_threads(1)
    random_runs = random_part(asked)
    trained = trained_part(asked, watch)
    settings = {"memory": MEMORY, "model": model_config(d_model=128, num_heads=1, d_ff=256).model_dump()}
    results = write_results("scaling", asked, watch, settings, random=random_runs, trained=trained)
    show(results, asked, draw, TABLES)


if __name__ == "__main__":
    main()
