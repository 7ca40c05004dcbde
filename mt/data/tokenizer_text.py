"""The report of a tokenizer (tokenizer_report.py) and the comparison of vocabulary sizes (vocabulary_sizes.py), for a terminal."""

from collections import Counter
from collections.abc import Sequence

import numpy

from mt.config import Config
from mt.data.tokenizer import Tokenizer
from mt.data.tokenizer_report import SEEN, SideReport, TokenizerReport, is_hangul, often_seen
from mt.data.vocabulary_sizes import ENOUGH, SizeReport, choose_size, seen_share
from mt.text_table import display_width, text_table, wrap

_EXAMPLES = 8


def report_text(tokenizer: Tokenizer, report: TokenizerReport, config: Config, width: int) -> str:
    """All that was counted, in tables and sentences."""
    sides = (report.source, report.target)
    counted = report.source.sentences
    of = "" if counted == report.pairs else f" (counted on {counted:,} of them, taken evenly)"
    parts = [f"{report.pairs:,} training pairs, each counted once{of}; {_pieces(tokenizer)}", _side_table(sides, width)]
    paragraphs = [*_hangul(sides), *_spelled(sides), _lengths(report, config), _use(tokenizer, report)]
    parts += ["\n".join(wrap(paragraph, width)) for paragraph in paragraphs]
    return "\n\n".join(parts)


def _pieces(tokenizer: Tokenizer) -> str:
    """8,000 pieces for both sides."""
    if tokenizer.shared:
        return f"{len(tokenizer.source):,} pieces for both sides"
    return f"{len(tokenizer.source):,} pieces for the source, {len(tokenizer.target):,} for the target"


def _side_table(sides: Sequence[SideReport], width: int) -> str:
    """A column for each side."""
    rows = [
        ["words (between spaces)", *(f"{side.words:,}" for side in sides)],
        ["tokens for a word", *(_ratio(side.tokens, side.words) for side in sides)],
        ["tokens for a character", *(_ratio(side.tokens, side.characters) for side in sides)],
        ["tokens for a sentence, mean", *(f"{side.lengths.mean():.1f}" for side in sides)],
        ["  half have at most", *(_percentile(side.lengths, 50) for side in sides)],
        ["  95 % have at most", *(_percentile(side.lengths, 95) for side in sides)],
        ["  99 % have at most", *(_percentile(side.lengths, 99) for side in sides)],
        ["  the longest", *(f"{side.lengths.max():,}" for side in sides)],
        ["tokens of one character", *(_share(side.single_tokens, side.tokens) for side in sides)],
        ["tokens that are bytes", *(_share(side.byte_tokens, side.tokens) for side in sides)],
        ["unknown tokens", *(_share(side.unknown_tokens, side.tokens) for side in sides)],
    ]
    return text_table(["", *(side.language for side in sides)], rows, width=width, text_last=False)


def _ratio(part: int, whole: int) -> str:
    """2.31."""
    return f"{part / whole:.2f}" if whole else "—"


def _share(part: int, whole: int) -> str:
    """12.3 %; what is not nothing is never shown as nothing."""
    share = 100 * part / whole if whole else 0.0
    return "0 %" if not part else "< 0.001 %" if share < 0.001 else f"{share:.3f} %" if share < 0.1 else f"{share:.1f} %"


def _percentile(lengths: numpy.ndarray, percent: int) -> str:
    """The length that so many per cent do not exceed."""
    return f"{int(numpy.percentile(lengths, percent, method='inverted_cdf')):,}"


def _hangul(sides: Sequence[SideReport]) -> list[str]:
    """A sentence or two for each side with Hangul."""
    told = []
    for side in sides:
        count = side.syllables
        if not count.distinct:
            continue
        spelled = [character for character in side.spelled if is_hangul(character)]
        way = "spelled in bytes" if side.byte_tokens else "unknown"
        left = count.running - count.single - count.inside
        told.append(
            f"Hangul, {side.language}: of {count.distinct:,} distinct syllables {_share(count.distinct_single, count.distinct)} are "
            f"pieces of their own, {_share(count.distinct_inside, count.distinct)} occur inside larger pieces only, "
            f"{_share(len(spelled), count.distinct)} are at least once {way}. Of {count.running:,} running syllables "
            f"{_share(count.inside, count.running)} are part of a larger piece, {_share(count.single, count.running)} stand alone, "
            f"{_share(left, count.running)} are {way}."
        )
    return told


def _spelled(sides: Sequence[SideReport]) -> list[str]:
    """The characters that no piece holds, the most frequent first."""
    told = []
    for side in sides:
        if not side.spelled:
            continue
        way = "spelled in bytes" if side.byte_tokens else "unknown"
        listed = ", ".join(f"{_visible(character)} {count:,}×" for character, count in _frequent(side.spelled))
        more = f", and {len(side.spelled) - _EXAMPLES:,} more" if len(side.spelled) > _EXAMPLES else ""
        told.append(f"Characters {way}, {side.language}: {listed}{more}.")
    return told


def _frequent(counter: Counter) -> list[tuple[str, int]]:
    """The most frequent, those as frequent in the order of their codes."""
    return sorted(counter.items(), key=lambda item: (-item[1], item[0]))[:_EXAMPLES]


def _visible(character: str) -> str:
    """A character that can be seen as itself, with its code; another by its code."""
    code = f"U+{ord(character):04X}"
    return f"{character} ({code})" if character.isprintable() and display_width(character) > 0 else code


def _lengths(report: TokenizerReport, config: Config) -> str:
    """How many pairs are left out, and how many would be at other limits."""
    counted = report.source.sentences
    longer = numpy.maximum(report.source.lengths, report.target.lengths)
    told = [f"data.max_length={config.data.max_length}: {report.too_long:,} of {counted:,} pairs ({_share(report.too_long, counted)}) "
            "have a longer side and are left out"]  # fmt: skip
    if config.data.max_ratio:
        told.append(f"data.max_ratio={config.data.max_ratio:g}: {report.lopsided:,} more ({_share(report.lopsided, counted)})")
    others = [limit for limit in (32, 64, 128, 256, 512) if limit != config.data.max_length]
    told.append("it would be " + ", ".join(f"{_share(int((longer > limit).sum()), counted)} at {limit}" for limit in others))
    return "; ".join(told) + "."


def _use(tokenizer: Tokenizer, report: TokenizerReport) -> str:
    """How much of the vocabulary the corpus uses."""
    sides = [report.source.pieces, report.target.pieces] if tokenizer.shared else [report.target.pieces]
    used, own = often_seen(tokenizer.target, sides, 1)
    of = "" if tokenizer.shared else " of the target"
    return (f"Of {own:,} pieces{of} (special ones and bytes aside) {_share(used, own)} occur in the training text, "
            f"and {100 * seen_share(tokenizer, report):.1f} % of all occur {SEEN} times or more.")  # fmt: skip


def sizes_text(sizes: Sequence[SizeReport], config: Config, width: int) -> str:
    """The sizes beside each other, and the rule's choice with its reason."""
    source, target = sizes[0].report.source.language, sizes[0].report.target.language
    header = ["asked", "pieces", f"tokens/word {source}", target, f"tokens/sentence {source}", target, f"bytes {source}", target,
              f"≥ {SEEN} times", "left out", "embedding"]  # fmt: skip
    rows = []
    for size in sizes:
        sides = (size.report.source, size.report.target)
        left_out = size.report.too_long + size.report.lopsided
        rows.append([
            f"{size.asked}", f"{size.pieces}", *(_ratio(side.tokens, side.words) for side in sides),
            *(f"{side.lengths.mean():.1f}" for side in sides), *(_share(side.byte_tokens, side.tokens) for side in sides),
            f"{100 * size.seen:.1f} %", f"{left_out:,}", f"{size.embedding / 1e6:.2f} M",
        ])  # fmt: skip
    tables = [text_table(header, rows, numbers_from=0)]
    if max(display_width(line) for line in tables[0].split("\n")) > width:
        tables = [text_table([header[0], *header[first:last]], [[row[0], *row[first:last]] for row in rows], 0, width, text_last=False)
                  for first, last in ((1, 6), (6, 11))]  # fmt: skip
    kind = f"{config.tokenizer.model_type}, {'one vocabulary for both sides' if config.tokenizer.shared else 'one for each side'}"
    title = f"Vocabularies trained on these pairs ({kind}; embedding: parameters at d_model={config.model.d_model}):"
    return "\n\n".join(["\n".join(wrap(title, width)), *tables, *("\n".join(wrap(told, width)) for told in recommendation(sizes))])


def recommendation(sizes: Sequence[SizeReport]) -> list[str]:
    """What the rule says, why, and how far it may be trusted."""
    rule = (f"Rule: the largest vocabulary of which at least {100 * ENOUGH:.0f} % of the pieces occur at least {SEEN} times in the "
            "training text, so that nearly all of them are seen often enough to be learnt (Gowda and May 2020).")  # fmt: skip
    chosen = choose_size([(size.pieces, size.seen) for size in sizes])
    if chosen is None:
        nearest = max(sizes, key=lambda size: size.seen)
        said = f"By this rule none of these sizes; {nearest.pieces} pieces come nearest: {100 * nearest.seen:.1f} % are seen so often."
        if nearest is sizes[0]:
            said += " Try smaller ones, or keep to the smallest."
        else:
            said += (f" Smaller ones do not help: rare characters have pieces of their own at every size. Of {sizes[0].pieces} pieces "
                     f"{100 * sizes[0].seen:.1f} % are seen so often.")  # fmt: skip
    else:
        one = next(size for size in sizes if size.pieces == chosen)
        larger = [size for size in sizes if size.pieces > chosen]
        said = f"By this rule: tokenizer.vocab_size={one.asked}; {100 * one.seen:.1f} % of its pieces are seen so often"
        said += f", of {larger[0].pieces} only {100 * larger[0].seen:.1f} %." if larger else ", and no size was larger: try some."
    doubt = ("It is a rule of thumb for corpora of many sizes, and does not know your model or your text. On Multi30k (29,000 short pairs) "
             "10,000 pieces scored 1.9 BLEU above 4000 in equal time (docs/LOG.md, 2026-11-24). Where it matters, train both.")  # fmt: skip
    return [rule, said, doubt]
