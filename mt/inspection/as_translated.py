"""Where a view of one sentence and `mt translate` part: what translates otherwise, or is calculated otherwise, in words."""

from mt.config import DecodingConfig
from mt.translator import Translator


def notes_on_attention(translator: Translator, line: str) -> list[str]:
    """What `mt inspect attention` shows of a translation that is `mt translate`'s own, but not as that came about."""
    options = translator.config.decoding
    notes = []
    if options.precision != "fp32":
        notes.append(
            f"decoding.precision is {options.precision}: mt translate found this translation in {options.precision}; the probabilities and "
            "weights shown are fp32"
        )
    if options.shortlist:
        notes.append("decoding.shortlist is on: the translation was found with part of the vocabulary; the probabilities are of all of it")
    if options.method == "sampling":
        notes.append(f"decoding.method is sampling: this is what decoding.seed={options.seed} draws; another --seed draws another one")
    return [*notes, *_length_notes(translator, line)]


def notes_on_search(translator: Translator, line: str, options: DecodingConfig, shown: str) -> list[str]:
    """Why `mt translate` may give another translation than the plain beam search that `mt explain` shows, and which.

    options: those of the beam search, without what it leaves out. shown: the translation that it found.
    """
    run = translator.config.decoding
    reasons = []
    if run.method == "sampling":
        reasons.append("decoding.method is sampling: mt translate draws, and this is beam search")
    if options.mbr:
        reasons.append(f"decoding.mbr is {options.mbr}: mt translate takes the candidate that agrees most with the other {options.mbr - 1}")
    if options.coverage_penalty:
        reasons.append(f"decoding.coverage_penalty is {options.coverage_penalty:g}: mt translate ranks what the beam found by coverage too")
    if options.shortlist:
        reasons.append("decoding.shortlist is on: mt translate looks at a part of the vocabulary, and this search at all of it")
    if options.precision != "fp32":
        reasons.append(f"decoding.precision is {options.precision}: mt translate calculates in it, and this search in fp32")
    if not reasons:
        return _length_notes(translator, line)
    changes = {"method": run.method}
    if run.method == "sampling":
        changes |= {"beam_size": run.beam_size, "nbest": run.nbest}
    text = translator.tokenizer.decode_target(translator.best_hypothesis(line, options.model_copy(update=changes)).tokens)
    verdict = "mt translate gives the same translation" if text == shown else f"mt translate gives another translation: {text}"
    return ["; ".join([*reasons, verdict]), *_length_notes(translator, line)]


def _length_notes(translator: Translator, line: str) -> list[str]:
    """That a long sentence is translated in parts."""
    [tokens] = translator.tokenizer.encode_source([line])
    limit = translator.max_source_tokens
    if len(tokens) <= limit:
        return []
    return [f"{len(tokens)} tokens are more than the {limit} of the longest training sentence: mt translate cuts such a line into parts, "
            "and here it is translated whole"]  # fmt: skip
