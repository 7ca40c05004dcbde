"""What positions give: none, sinusoidal, learned and rotary, on copying and on translating.

    python scripts/experiments/positions.py --out docs/figures

Copying random words needs the order and nothing else; the sentences of the test are as long as those of the training, and longer. In
the built-in Korean–English corpus particles say who does what to whom, wherever the word stands.
"""

from collections.abc import Sequence

import torch

from common import compare, learn, model_config, share_right, training_config, translations, words_right
from corpora import demo_corpus, words_corpus
from report import (
    Options,
    Rows,
    Stopwatch,
    band,
    dots,
    figure,
    of,
    options,
    read_results,
    save_figure,
    show,
    spread,
    spreads,
    write_results,
)

KINDS = ("none", "sinusoidal", "learned", "rotary")
WORDS = 32
LONGEST = 12
"""The longest sentence in training."""
LENGTHS = (2, 4, 6, 8, 10, 12, 13, 14, 16, 18)


def copying(asked: Options, longest: int, lengths: Sequence[int], watch: Stopwatch) -> list[dict]:
    """Each kind learns to copy; the accuracies by length."""
    corpus, runs = words_corpus("copy", longest, 20 if asked.quick else 2000, WORDS, lengths, 4 if asked.quick else 200), []
    for kind in KINDS:
        for seed in asked.seeds:
            learned = learn(corpus, model_config(positions=kind, max_positions=64), training_config(asked.steps, seed))
            right = words_right(translations(learned.model, corpus.sources), corpus.targets)
            by_length = [share_right([row for row in right if len(row) == length]) for length in lengths]
            runs.append({"condition": kind, "seed": seed, "by_length": by_length, "curve": learned.curve, "seconds": learned.seconds})
            watch.say(f"copy, {kind}, seed {seed}: " + " ".join(f"{share:.0f}" for share in by_length))
    return runs


def table(results: dict) -> Rows:
    """The figures for the page."""
    lengths, longest = results["settings"]["lengths"], results["settings"]["longest"]
    inside, next_one, far = lengths.index(longest), lengths.index(longest) + 1, len(lengths) - 1
    rows = [["positions", *(f"copy, {lengths[at]} words: % right" for at in (inside, next_one, far)), "demo: held-out loss", "demo: BLEU"]]
    for kind in KINDS:
        copied = [spread(of(results["copy"], lambda run, at=at: run["by_length"][at], condition=kind)) for at in (inside, next_one, far)]
        translated = spreads(results["demo"], (("loss", 3), ("bleu", 1)), condition=kind)
        rows.append([kind, *copied, *translated])
    return rows


TABLES = {"positions": table}


def draw(results: dict, asked: Options) -> None:
    """Copying by length, and BLEU."""
    drawn, (copied, translated) = figure(2)
    for number, kind in enumerate(KINDS):
        band(copied, results["settings"]["lengths"], of(results["copy"], lambda run: run["by_length"], condition=kind), number, kind)
    longest = results["settings"]["longest"]
    copied.axvline(longest + 0.5, color="gray", linestyle=":", linewidth=1.5)
    copied.text(longest + 0.7, 102, "longer than trained", color="gray", fontsize=12, va="bottom")
    copied.set(title="Copying random words\n", xlabel="words in the sentence", ylabel="words right, %", ylim=(-3, 103))
    copied.xaxis.get_major_locator().set_params(integer=True)
    copied.legend(loc="center left", bbox_to_anchor=(0.02, 0.62))
    dots(translated, KINDS, [of(results["demo"], lambda run: run["bleu"], condition=kind) for kind in KINDS])
    translated.set(title="Korean to English\n", ylabel="BLEU")
    save_figure(drawn, asked.out / "positions.svg")


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, measure, write, draw, print."""
    asked = options(__doc__, steps=600, seeds=2, arguments=arguments)
    if asked.redraw:
        show(read_results("positions", asked.out), asked, draw, TABLES)
        return
    watch = Stopwatch()
    torch.set_num_threads(1)
    longest, lengths = (3, (2, 3, 4, 5)) if asked.quick else (LONGEST, LENGTHS)
    copy_runs = copying(asked, longest, lengths, watch)
    conditions = {kind: model_config(positions=kind) for kind in KINDS}
    demo = compare(demo_corpus(asked.quick), conditions, asked.steps, asked.seeds, watch.say)
    settings = {"words": WORDS, "longest": longest, "lengths": list(lengths), "model": model_config().model_dump()}
    results = write_results("positions", asked, watch, settings, copy=copy_runs, demo=demo)
    show(results, asked, draw, TABLES)


if __name__ == "__main__":
    main()
