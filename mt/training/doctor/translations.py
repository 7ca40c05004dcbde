"""What the doctor reads from the translations of the validations (mt/training/outputs.py), always beside the references' own figures."""

import math

from mt.data.language_codes import short_code
from mt.training.doctor.advice import ANOTHER_NAME, equal_sides, lower_rates, rates_now, side_by_side, unusually_high
from mt.training.doctor.history import Finding, History, percent

NO_FIGURE = math.nan


def excess(line: dict, figure: str) -> float:
    """How much larger a share is in the translations than in the references; NaN where it was not recorded."""
    return line.get(f"{figure}_outputs", NO_FIGURE) - line.get(f"{figure}_references", NO_FIGURE)


def ignores_source(history: History) -> Finding | None:
    """Different sources get the same translation.

    Threshold: a third more of the translations than of the references, and a BLEU under 10: a corpus of similar sentences has
    some even in a good model. A Multi30k model has none left at 350 updates.
    """
    found = history.lasting(lambda line: excess(line, "identical") if line["bleu"] < 10 else 0.0, 1 / 3)
    if not found:
        return None
    last = found[-1]
    seen = (f"{percent(last['identical_outputs'])} of the translations are the same as that of another source "
            f"(references: {percent(last['identical_references'])}), and BLEU is {last['bleu']:.1f}")
    apart = ("the lines of the two sides do not belong together (one lost on one side, a side sorted or shuffled, files of different "
             "corpora), so that the source tells nothing about the target")
    rate = f"the learning rate ({rates_now(history)}) is too high for this model"
    read, lower = side_by_side(history, "train"), f"set {lower_rates(history, 0.3)}, {ANOTHER_NAME}"
    if unusually_high(history):
        return Finding("the decoder ignores the source", seen, f"{rate}; or {apart}", f"{lower}; if that changes nothing, {read}",
                       found[0]["step"])
    if not last["loss"] < 0.9 * last.get("frequency_entropy", NO_FIGURE):  # it has not learnt the language either
        apart += f"; or {rate}"
    return Finding("the decoder ignores the source", seen, apart, f"{read}; if they do belong together, {lower}", found[0]["step"])


def copies(history: History) -> Finding | None:
    """Source words come out untranslated.

    Threshold: a fifth of all words more than in the references, in two validations in a row; names, numbers and loans are copied by the
    references too. No young model copies by itself, so this is said at once, and stays said: where half of the pairs were untranslated,
    71 % of the words were copied at step 200 and 16 % at step 500, when the rest of the data had won.
    """
    copying = [excess(line, "copied") > 0.2 for line in history.valid]
    places = [place for place in range(1, len(copying)) if copying[place] and copying[place - 1]]
    if not places:
        return None
    worst = max((history.valid[near] for place in places for near in (place - 1, place)), key=lambda line: excess(line, "copied"))
    return Finding(
        "the source is copied",
        f"at step {worst['step']:,}, {percent(worst['copied_outputs'])} of the words in the translations stood in the source as they are "
        f"(references: {percent(worst['copied_references'])})",
        "many training pairs are not translated: their target is the source again, or data.train names one file for both sides",
        f"{equal_sides(history)}; check data.train's target (or target_column)", history.valid[places[0] - 1]["step"],
    )


def references_are_sources(history: History) -> Finding | None:
    """The references themselves are their sources, between two different languages. Threshold: four words in five."""
    config = history.config
    if short_code(config.source) == short_code(config.target) or not history.valid:
        return None
    last = history.valid[-1]
    if not last.get("copied_references", NO_FIGURE) > 0.8:
        return None
    return Finding(
        "the references are not translated",
        f"{percent(last['copied_references'])} of the words in the references of data.valid stand in their source as they are, though the "
        f"one should be {config.source} and the other {config.target}",
        "data.valid (and perhaps data.train) names the same file or column for source and target, or the languages are swapped",
        "check source and target (or source_column and target_column) of data.valid and data.train; scores against such references "
        "mean nothing",
        history.valid[0]["step"],
    )


def lengths(history: History) -> Finding | None:
    """Translations that are far too short or far too long.

    Thresholds: 0.6 and 1.5 times the references' pieces. Greedy translations of good models lie at 0.85 to 1.05.
    """
    short = history.lasting(lambda line: 1 / max(line.get("length_ratio", NO_FIGURE), 1e-3), 1 / 0.6)
    long = history.lasting(lambda line: line.get("length_ratio", NO_FIGURE), 1.5)
    if short:
        return Finding(
            "translations are far too short",
            f"they have {short[-1]['length_ratio']:.2f} times the references' pieces",
            "the decoder ends too early: targets in data.train are cut off, or much shorter than their sources, or all from short "
            "texts. It is not decoding.length_penalty: validation is greedy and does without",
            f"look at the longest pairs of data.train; raise data.max_length (now {history.config.data.max_length}) if long pairs were "
            "left out (data.json in the run's folder counts them)", short[0]["step"],
        )
    if long:
        return Finding(
            "translations are far too long",
            f"they have {long[-1]['length_ratio']:.2f} times the references' pieces, and {percent(long[-1]['cut_off'])} are cut off at the "
            "length limit",
            "the decoder does not end its sentences: targets in data.train run on (several sentences to one source), or too little is "
            "learnt yet",
            "look at pairs of data.train whose target is much longer than the source; data.max_ratio=3 leaves them out", long[0]["step"],
        )
    return None


def limit_too_low(history: History) -> Finding | None:
    """The length limit cuts what the references need. Threshold: one reference in fifty is longer than any search may write."""
    share = history.valid[-1].get("cut_off_references", NO_FIGURE) if history.valid else NO_FIGURE
    if not share > 0.02:
        return None
    decoding = history.config.decoding
    return Finding(
        "the length limit is too low",
        f"{percent(share)} of the references in data.valid are longer than a translation can get",
        f"decoding.max_length_ratio ({decoding.max_length_ratio:g}) and decoding.max_length_extra ({decoding.max_length_extra}) allow too "
        "few target pieces for each source piece; or some pairs do not belong together",
        f"set decoding.max_length_ratio={2 * decoding.max_length_ratio:g}; that may change while the run goes on", history.valid[0]["step"],
    )


def repeats(history: History) -> Finding | None:
    """Words or phrases three and more times in a row. Threshold: a fifth of the translations more than of the references."""
    found = history.lasting(lambda line: excess(line, "repeating"), 0.2)
    if not found:
        return None
    last = found[-1]
    return Finding(
        "translations repeat themselves",
        f"in {percent(last['repeating_outputs'])} of them something stands three or more times in a row "
        f"(references: {percent(last['repeating_references'])}); {percent(last['cut_off'])} are cut off at the length limit",
        "the decoder has lost its place in the source: too little is learnt yet, sentences are longer than those in training, or pairs of "
        "data.train are only partly translations of each other",
        "train longer if the valid loss still falls; else look for long or noisy pairs in data.train and leave them out "
        "(data.max_ratio=3)", found[0]["step"],
    )


def unknown_pieces(history: History) -> Finding | None:
    """Text that the vocabulary does not know.

    Thresholds: one piece in fifty unknown; with byte fallback one in seven a byte, for a rare character takes three of them. The text a
    vocabulary was trained on has a hundredth of that.
    """
    if not history.valid:
        return None
    last, tokenizer = history.valid[-1], history.config.tokenizer
    for side, place in (("source", "sources"), ("references", "references")):
        unknown, spelt = last.get(f"unknown_{side}", NO_FIGURE), last.get(f"bytes_{side}", NO_FIGURE)
        if unknown > 0.02 or spelt > 1 / 7:
            what = f"{percent(unknown)} of the pieces are unknown" if unknown > 0.02 else f"{percent(spelt)} of the pieces are single bytes"
            again = " (its target may be the source file again)" if side == "references" else ""
            more = "" if tokenizer.byte_fallback else " or tokenizer.byte_fallback=true"
            return Finding(
                "the vocabulary does not fit the text", f"in the {place} of data.valid {what}",
                f"they are written otherwise than data.train{again}, on which the vocabulary was trained: another language or script, "
                "source and target swapped; or too few characters have a piece of their own",
                f"{side_by_side(history, 'train')}, and of data.valid; if they are the same languages on the same sides, set "
                f"tokenizer.character_coverage=1.0 (now {tokenizer.character_coverage:g}){more}, {ANOTHER_NAME}",
                history.valid[0]["step"],
            )
    found = history.lasting(lambda line: line.get("unknown_outputs", NO_FIGURE) - line.get("unknown_references", NO_FIGURE), 0.05)
    if not found:
        return None
    return Finding(
        "translations contain unknown pieces", f"{percent(found[-1]['unknown_outputs'])} of their pieces are <unk>, which nobody can read",
        "targets in data.train hold many characters outside the vocabulary",
        f"set tokenizer.byte_fallback=true, or tokenizer.character_coverage=1.0, {ANOTHER_NAME}", found[0]["step"],
    )
