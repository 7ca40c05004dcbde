"""What a decoder learns that sees the future in training, and what it then translates.

    python scripts/experiments/masks.py --out docs/figures

The same model twice on the built-in Korean–English corpus: with the causal mask, and with one that hides nothing but padding. Under teacher
forcing the decoder's input at position t + 1 is the very word that position t is to predict.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor

from common import bleu, held_out_batches, held_out_loss, learn, model_config, swapped, training_config, translations
from corpora import Corpus, demo_corpus
from mt.data.special_ids import PAD
from mt.inspection.attention import recorded_attention
from mt.model import transformer
from mt.model.interface import TranslationModel
from mt.training.loss import shift_right
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

CONDITIONS = ("causal mask", "sees the future")
OFFSETS = tuple(range(-4, 5))
"""Positions looked at, counted from the one that looks; its own input is 0, and +1 holds what it is to predict."""
EXAMPLES = 3


@contextmanager
def future_visible() -> Iterator[None]:
    """Inside, the causal mask hides nothing."""

    def everything(length: int, device: torch.device) -> Tensor:
        mask_11TT = torch.ones(1, 1, length, length, dtype=torch.bool, device=device)
        return mask_11TT

    with swapped(transformer, "causal_mask", everything):
        yield


@torch.no_grad()
def looks(model: TranslationModel, corpus: Corpus) -> list[list[float]]:
    """For each decoder layer the mean weight of its self-attention on each of the OFFSETS, all heads together."""
    [batch, *_] = held_out_batches(corpus)
    with recorded_attention(model) as found:
        model.states(batch.source_BS, shift_right(batch.target_BT))
    rows_BT = batch.target_BT != PAD
    shares = []
    for name in sorted(name for name in found if name.startswith("decoder") and "self_attention" in name):
        weights_BTT = found[name][0].mean(dim=1)
        shares.append([_mean_at(weights_BTT, rows_BT, offset) for offset in OFFSETS])
    return shares


def _mean_at(weights_BTT: Tensor, rows_BT: Tensor, offset: int) -> float:
    """The mean weight on the position `offset` further on, over positions that have such a one inside their sentence."""
    length = rows_BT.shape[1]
    first, last = max(0, -offset), length - max(0, offset)
    if last <= first:
        return 0.0
    there_BT = rows_BT[:, first:last] & rows_BT[:, first + offset : last + offset]
    diagonal_BT = weights_BTT.diagonal(offset, dim1=1, dim2=2)
    return float(diagonal_BT[there_BT].mean()) if bool(there_BT.any()) else 0.0


def training(asked: Options, watch: Stopwatch) -> tuple[list[dict], list[dict]]:
    """Both conditions with all seeds, and what the first seed's models make of a few sentences."""
    corpus = demo_corpus(asked.quick)
    runs, examples = [], [{"source": source, "reference": target} for source, target in corpus.texts[:EXAMPLES]]
    for condition in CONDITIONS:
        seeing = nullcontext if condition == "causal mask" else future_visible
        for seed in asked.seeds:
            with seeing():
                learned = learn(corpus, model_config(), training_config(asked.steps, seed))
                as_trained, weights = held_out_loss(learned.model, corpus), looks(learned.model, corpus)
            hidden = held_out_loss(learned.model, corpus)
            found = translations(learned.model, corpus.sources)
            runs.append({"condition": condition, "seed": seed, "loss_as_trained": as_trained, "loss_future_hidden": hidden,
                         "bleu": bleu(corpus, found), "weights": weights, "curve": learned.curve, "seconds": learned.seconds})  # fmt: skip
            if seed == asked.seeds[0]:
                for example, tokens in zip(examples, found, strict=False):
                    example[condition] = corpus.tokenizer.decode_target(tokens)
            watch.say(f"{condition}, seed {seed}: loss {as_trained:.3f}, with the future hidden {hidden:.3f}, BLEU {runs[-1]['bleu']:.1f}")
    return runs, examples


def table(results: dict) -> Rows:
    """The figures for the page."""
    rows = [["decoder", "held-out loss, as trained", "held-out loss, future hidden", "BLEU", "weight on the next word's place, layer 1"]]
    for name in CONDITIONS:
        cells = spreads(results["runs"], (("loss_as_trained", 3), ("loss_future_hidden", 2), ("bleu", 1)), condition=name)
        ahead = spread(of(results["runs"], lambda run: run["weights"][0][OFFSETS.index(1)], condition=name), 2)
        rows.append([name, *cells, ahead])
    return rows


def examples_table(results: dict) -> Rows:
    """What both translate, for the page."""
    rows = [["source", "reference", *CONDITIONS]]
    for example in results["examples"]:
        shortened = [text if len(text) <= 70 else text[:65].rstrip() + " …" for text in (example[key] for key in rows[0])]
        rows.append([text.replace("|", "\\|") for text in shortened])
    return rows


TABLES = {"masks": table, "masks-examples": examples_table}


def draw(results: dict, asked: Options) -> None:
    """Learning curves, and where the first layer looks."""
    drawn, (curves, weights) = figure(2)
    for number, name in enumerate(CONDITIONS):
        learning_curves(curves, results, results["runs"], number, name, condition=name)
        band(weights, OFFSETS, of(results["runs"], lambda run: run["weights"][0], condition=name), number, name)
    curves.set_title("Training loss")
    curves.legend()
    weights.set(title="Decoder self-attention, layer 1", xlabel="position looked at, from the one that looks", ylabel="mean weight")
    weights.axvline(1, color="gray", linestyle=":", linewidth=1.5)
    weights.text(1.1, weights.get_ylim()[1] * 0.94, "holds the answer", color="gray", fontsize=12)
    save_figure(drawn, asked.out / "masks.svg")


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, measure, write, draw, print."""
    asked = options(__doc__, steps=600, seeds=3, arguments=arguments)
    if asked.redraw:
        show(read_results("masks", asked.out), asked, draw, TABLES)
        return
    watch = Stopwatch()
    torch.set_num_threads(1)
    runs, examples = training(asked, watch)
    settings = {"offsets": list(OFFSETS), "model": model_config().model_dump()}
    results = write_results("masks", asked, watch, settings, runs=runs, examples=examples)
    show(results, asked, draw, TABLES)


if __name__ == "__main__":
    main()
