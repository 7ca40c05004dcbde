"""Are far words forgotten? Copying and translating against the sentence's length, for the Transformer and its recurrent ancestors.

    python scripts/experiments/distance.py --out docs/figures

1. Copying random words: the share of words that are right, by the sentence's length, and by the word's place in the longest sentences.
2. The built-in Korean–English corpus: BLEU by the reference's length.
3. What the context vector of `rnn` holds: a linear map is fitted to read the word at each distance from the end out of it, before any
   training and after learning to copy. A word that a linear map reads from the vector is in it; one that it does not may still be.
"""

from collections.abc import Sequence

import torch

from common import bleu, learn, model_config, share_right, training_config, translations, words_right
from corpora import demo_corpus, random_words, words_corpus
from mt.config import ModelConfig
from mt.data.batching import pad
from mt.model.build import build_model
from mt.model.interface import TranslationModel
from report import Options, Rows, Stopwatch, band, figure, of, options, read_results, save_figure, show, spread, write_results

ARCHITECTURES = ("rnn", "rnn-attention", "transformer")
WORDS = 32
LENGTHS = (2, 4, 6, 8, 10, 12, 14, 16)
BUCKETS = ((1, 5), (6, 8), (9, 10), (11, 99))
"""The reference's words, from and to."""


def configuration(architecture: str) -> ModelConfig:
    """About equally many parameters for all three: a layer of the Transformer has more than a recurrent one of that width."""
    return model_config(architecture=architecture, d_model=64 if architecture == "transformer" else 76)


def demo_steps(asked: Options) -> int:
    """Updates on the demo corpus: half as many."""
    return -(-asked.steps // 2)


def copying(asked: Options, lengths: Sequence[int], watch: Stopwatch) -> tuple[list[dict], dict[int, TranslationModel]]:
    """Train each architecture to copy; the accuracies, and the models of `rnn` by seed."""
    corpus = words_corpus("copy", lengths[-1], 20 if asked.quick else 2000, WORDS, lengths, 4 if asked.quick else 200)
    runs, recurrent = [], {}
    for architecture in ARCHITECTURES:
        for seed in asked.seeds:
            learned = learn(corpus, configuration(architecture), training_config(asked.steps, seed))
            right = words_right(translations(learned.model, corpus.sources), corpus.targets)
            by_length = [share_right([row for row in right if len(row) == length]) for length in lengths]
            longest = [row for row in right if len(row) == lengths[-1]]
            by_place = [100 * sum(row[place] for row in longest) / len(longest) for place in range(lengths[-1])]
            runs.append({"architecture": architecture, "seed": seed, "by_length": by_length, "by_place": by_place,
                         "curve": learned.curve, "seconds": learned.seconds})  # fmt: skip
            if architecture == "rnn":
                recurrent[seed] = learned.model
            watch.say(f"copy, {architecture}, seed {seed}: {share_right(right):.1f} % of the words right")
    return runs, recurrent


def translating(asked: Options, watch: Stopwatch) -> list[dict]:
    """Train each architecture on the demo corpus; BLEU in all and by the reference's length."""
    corpus = demo_corpus(asked.quick)
    words = [len(target.split()) for _, target in corpus.texts]
    buckets = [[number for number, length in enumerate(words) if first <= length <= last] for first, last in BUCKETS]
    runs = []
    for architecture in ARCHITECTURES:
        for seed in asked.seeds:
            learned = learn(corpus, configuration(architecture), training_config(demo_steps(asked), seed))
            found = translations(learned.model, corpus.sources)
            runs.append({"architecture": architecture, "seed": seed, "bleu": bleu(corpus, found), "seconds": learned.seconds,
                         "by_length": [bleu(corpus, found, bucket or None) for bucket in buckets]})  # fmt: skip
            watch.say(f"demo, {architecture}, seed {seed}: BLEU {runs[-1]['bleu']:.1f}")
    return runs


@torch.no_grad()
def context_vectors(model: TranslationModel, sources: Sequence[Sequence[int]]) -> torch.Tensor:
    """What `rnn` hands to its decoder, context_BD, for sources of one length."""
    return model.start(model.eval().encode(pad(sources)), 1).context_BD


def read_back(model: TranslationModel, length: int, count: int) -> list[float]:
    """For each distance from the end, the share of unseen sentences in which a linear map reads that word from the context vector."""
    (fit, _), (test, _) = (random_words("copy", [length], count, WORDS, seed) for seed in (3, 4))
    x_BD, unseen_BD = context_vectors(model, fit).double(), context_vectors(model, test).double()
    mean_D, deviation_D = x_BD.mean(dim=0), x_BD.std(dim=0) + 1e-6
    x_BD, unseen_BD = (x_BD - mean_D) / deviation_D, (unseen_BD - mean_D) / deviation_D
    gram_DD = x_BD.T @ x_BD + 1.0 * torch.eye(x_BD.shape[1], dtype=torch.float64)
    shares = []
    for place in reversed(range(length)):
        wanted_BV = torch.nn.functional.one_hot(torch.tensor([row[place] - 4 for row in fit]), WORDS).double()
        map_DV = torch.linalg.solve(gram_DD, x_BD.T @ (wanted_BV - wanted_BV.mean(dim=0)))
        scores_BV = unseen_BD @ map_DV + wanted_BV.mean(dim=0)
        answers_B = torch.tensor([row[place] - 4 for row in test])
        shares.append(100 * float((scores_BV.argmax(dim=1) == answers_B).double().mean()))
    return shares


def contexts(asked: Options, trained: dict[int, TranslationModel], length: int) -> list[dict]:
    """The reading back, for each seed before and after training."""
    count, rows = 40 if asked.quick else 4000, []
    for seed, model in trained.items():
        torch.manual_seed(seed)
        fresh = build_model(configuration("rnn"), WORDS + 4, WORDS + 4)
        rows.append({"model": "untrained", "seed": seed, "by_distance": read_back(fresh, length, count)})
        rows.append({"model": "trained to copy", "seed": seed, "by_distance": read_back(model, length, count)})
    return rows


def table(results: dict) -> Rows:
    """The figures for the page."""
    lengths = [results["settings"]["lengths"][place] for place in (1, 3, 5, 7) if place < len(results["settings"]["lengths"])]
    at = {length: results["settings"]["lengths"].index(length) for length in lengths}
    rows = [["architecture", *(f"copy, {length} words: % right" for length in lengths), "demo: BLEU, short", "demo: BLEU, long"]]
    for name in ARCHITECTURES:
        copied = [spread(of(results["copy"], lambda run, at=at[length]: run["by_length"][at], architecture=name)) for length in lengths]
        ends = [spread(of(results["demo"], lambda run, at=place: run["by_length"][at], architecture=name)) for place in (0, -1)]
        rows.append([name, *copied, *ends])
    return rows


def context_table(results: dict) -> Rows:
    """What the context vector holds, for the page."""
    longest = results["settings"]["lengths"][-1]
    places = [place for place in (0, 1, 3, 7, 11, 15) if place < longest]
    rows = [["context vector", "last word: % read", *(f"{place} before: % read" for place in places[1:])]]
    for name in ("untrained", "trained to copy"):
        rows.append([name, *(spread(of(results["context"], lambda row, at=at: row["by_distance"][at], model=name)) for at in places)])
    return rows


TABLES = {"distance": table, "distance-context": context_table}


def draw(results: dict, asked: Options) -> None:
    """Four panels."""
    lengths = results["settings"]["lengths"]
    drawn, (copied, placed, translated, held) = figure(2, 2)
    for number, name in enumerate(ARCHITECTURES):
        band(copied, lengths, of(results["copy"], lambda run: run["by_length"], architecture=name), number, name)
        band(placed, range(1, lengths[-1] + 1), of(results["copy"], lambda run: run["by_place"], architecture=name), number, name)
        band(translated, range(len(BUCKETS)), of(results["demo"], lambda run: run["by_length"], architecture=name), number, name)
    for number, name in enumerate(("untrained", "trained to copy")):
        band(held, range(lengths[-1]), of(results["context"], lambda row: row["by_distance"], model=name), number + 3, name)
    copied.set(title="Copying random words", xlabel="words in the sentence", ylabel="words right, %", ylim=(-3, 103))
    placed.set(title=f"Copying {lengths[-1]} words", xlabel="place of the word", ylabel="right, %", ylim=(-3, 103))
    translated.set(title="Korean to English", xlabel="words in the reference", ylabel="BLEU", ylim=(-3, 103))
    translated.set_xticks(range(len(BUCKETS)), [f"{first}–{last}" if last < 99 else f"{first}+" for first, last in BUCKETS])
    held.set(title="What the context vector of rnn holds", xlabel="words between it and the end", ylabel="read back, %", ylim=(-3, 103))
    held.axhline(100 / WORDS, color="gray", linestyle=":", linewidth=1.5)
    held.text(lengths[-1] - 1, 100 / WORDS + 2, "guessing", color="gray", ha="right", fontsize=12)
    for axes in (copied, placed, held):
        axes.xaxis.get_major_locator().set_params(integer=True)
    copied.legend(loc="lower left")
    held.legend()
    save_figure(drawn, asked.out / "distance.svg")


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, measure, write, draw, print."""
    asked = options(__doc__, steps=1200, seeds=3, arguments=arguments)
    if asked.redraw:
        show(read_results("distance", asked.out), asked, draw, TABLES)
        return
    watch = Stopwatch()
    torch.set_num_threads(1)
    lengths = (2, 3, 4) if asked.quick else LENGTHS
    copy_runs, recurrent = copying(asked, lengths, watch)
    context = contexts(asked, recurrent, lengths[-1])
    demo = translating(asked, watch)
    settings = {"words": WORDS, "demo_steps": demo_steps(asked), "lengths": list(lengths), "buckets": [list(bucket) for bucket in BUCKETS],
                "model": {name: configuration(name).model_dump() for name in ARCHITECTURES}}  # fmt: skip
    results = write_results("distance", asked, watch, settings, copy=copy_runs, context=context, demo=demo)
    show(results, asked, draw, TABLES)


if __name__ == "__main__":
    main()
