"""Teacher forcing, against feeding back the model's own output while it learns.

    python scripts/experiments/teacher_forcing.py --out docs/figures

Four ways to make the decoder's input in training, on the built-in Korean–English corpus: the gold target always (teacher forcing); at every
position the model's own word with the probability one half; the own word always; and a probability that rises from 0 to 1 in the course of
the training (scheduled sampling, Bengio et al. 2015). What is to be predicted is the gold target in all four.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from common import bleu, held_out_loss, learn, model_config, swapped, training_config, translations
from corpora import Corpus, demo_corpus
from mt.data.special_ids import BOS, PAD, SPECIAL_IDS
from mt.model.interface import TranslationModel
from report import (
    Options,
    Rows,
    Stopwatch,
    dots,
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

CONDITIONS = {
    "teacher forcing": lambda progress: 0.0,
    "half": lambda progress: 0.5,
    "rising": lambda progress: progress,
    "own output": lambda progress: 1.0,
}
"""The probability of feeding back the own word, as a function of the share of the training that has passed."""
SPOILED = 0.15
"""The share of the decoder's input words that are replaced by random ones, to see how a model goes on after a mistake."""


@torch.no_grad()
def own_input(model: TranslationModel, source_BS: Tensor, gold_BT: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """The decoder's input when, at each position, the word before is the model's own (greedy) with that probability, else the gold one.

    gold_BT: the input under teacher forcing, BOS first. Word after word, as in translating: this is what it costs.
    """
    state = model.start(model.encode(source_BS), 1)
    token_B = gold_BT[:, 0]
    chosen = [token_B]
    for place in range(1, gold_BT.shape[1]):
        logits_BV = model.step(token_B, state)
        logits_BV[:, [PAD, BOS]] = -torch.inf
        own_B = torch.rand(len(token_B), generator=generator) < probability
        token_B = torch.where(own_B & (gold_BT[:, place] != PAD), logits_BV.argmax(dim=1), gold_BT[:, place])
        chosen.append(token_B)
    return torch.stack(chosen, dim=1)


def feeding_back(schedule: Callable[[float], float], steps: int, seed: int) -> Callable[[TranslationModel], object]:
    """A context for a model's training in which `states` gets an input that is partly the model's own output."""

    @contextmanager
    def inside(model: TranslationModel) -> Iterator[None]:
        usual, generator, step = model.states, torch.Generator().manual_seed(seed), 0

        def states(source_BS: Tensor, decoder_input_BT: Tensor) -> Tensor:
            nonlocal step
            probability = schedule(step / steps)
            step += 1
            if probability:
                decoder_input_BT = own_input(model, source_BS, decoder_input_BT, probability, generator)
            return usual(source_BS, decoder_input_BT)

        with swapped(model, "states", states):
            yield

    return inside


def spoiler(vocab_size: int) -> Callable[[Tensor], Tensor]:
    """Replaces some of a decoder input's words by random ones, always the same."""
    generator = torch.Generator().manual_seed(1)

    def spoil(input_BT: Tensor) -> Tensor:
        random_BT = torch.randint(len(SPECIAL_IDS), vocab_size, input_BT.shape, generator=generator)
        hit_BT = (torch.rand(input_BT.shape, generator=generator) < SPOILED) & (input_BT != PAD) & (input_BT != BOS)
        return torch.where(hit_BT, random_BT, input_BT)

    return spoil


def training(asked: Options, corpus: Corpus, watch: Stopwatch) -> list[dict]:
    """All ways with all seeds."""
    runs = []
    for condition, schedule in CONDITIONS.items():
        for seed in asked.seeds:
            learned = learn(corpus, model_config(), training_config(asked.steps, seed), feeding_back(schedule, asked.steps, seed))
            loss, spoiled = held_out_loss(learned.model, corpus), held_out_loss(learned.model, corpus, spoiler(corpus.vocab_size))
            score = bleu(corpus, translations(learned.model, corpus.sources))
            runs.append({"condition": condition, "seed": seed, "loss": loss, "loss_spoiled": spoiled, "bleu": score,
                         "curve": learned.curve, "seconds": learned.seconds})  # fmt: skip
            watch.say(f"{condition}, seed {seed}: loss {loss:.3f}, after spoiled words {spoiled:.3f}, BLEU {score:.1f}")
    return runs


def table(results: dict) -> Rows:
    """The figures for the page."""
    rows = [["input in training", "held-out loss, gold input", "held-out loss, spoiled input", "BLEU", "milliseconds of one update"]]
    for name in CONDITIONS:
        cells = spreads(results["runs"], (("loss", 3), ("loss_spoiled", 3), ("bleu", 1)), condition=name)
        update = spread(of(results["runs"], lambda run: 1000 * run["seconds"] / results["steps"], condition=name), 0)
        rows.append([name, *cells, update])
    return rows


TABLES = {"teacher_forcing": table}


def draw(results: dict, asked: Options) -> None:
    """Learning curves, BLEU, the loss after wrong words, and the time."""
    drawn, (curves, scores, spoiled, times) = figure(2, 2)
    for number, name in enumerate(CONDITIONS):
        learning_curves(curves, results, results["runs"], number, name, condition=name)
    labels = [name.replace(" ", "\n") for name in CONDITIONS]
    dots(scores, labels, [of(results["runs"], lambda run: run["bleu"], condition=name) for name in CONDITIONS])
    dots(spoiled, labels, [of(results["runs"], lambda run: run["loss_spoiled"], condition=name) for name in CONDITIONS])
    updates = [of(results["runs"], lambda run: 1000 * run["seconds"] / results["steps"], condition=name) for name in CONDITIONS]
    dots(times, labels, updates)
    curves.set_title("Training loss, each on its own input")
    curves.legend()
    scores.set(title="Korean to English", ylabel="BLEU")
    spoiled.set(title=f"{SPOILED:.0%} of the input words wrong", ylabel="held-out loss per token")
    times.set(title="Time of one update", ylabel="milliseconds of one core", ylim=(0, None))
    save_figure(drawn, asked.out / "teacher_forcing.svg")


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, measure, write, draw, print."""
    asked = options(__doc__, steps=400, seeds=2, arguments=arguments)
    if asked.redraw:
        show(read_results("teacher_forcing", asked.out), asked, draw, TABLES)
        return
    watch = Stopwatch()
    torch.set_num_threads(1)
    runs = training(asked, demo_corpus(asked.quick), watch)
    settings = {"spoiled": SPOILED, "model": model_config().model_dump()}
    results = write_results("teacher_forcing", asked, watch, settings, runs=runs)
    show(results, asked, draw, TABLES)


if __name__ == "__main__":
    main()
