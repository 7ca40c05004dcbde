"""What can be told of translations without reading them: alike, copied, repeating, too short, cut off, unknown pieces.

Each figure has its like for the references, since what the references do too is no fault. mt/training/doctor/ judges them. All of
it comes from translations that a validation has made anyway, and takes some hundredths of a second for a thousand.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy

from mt.config import DecodingConfig
from mt.data.pairs import Ragged
from mt.data.special_ids import UNK
from mt.data.tokenizer import Tokenizer, Vocabulary
from mt.decoding.hypothesis import length_limit

LONGEST_REPEATED = 8
"""Pieces of the longest n-gram that is looked for as a repetition."""
REPEATS = 3
"""So many times in a row make a repetition: twice is common in good text ("very, very")."""
ENTROPY_TOKENS = 2000
"""Below so many reference tokens the entropy of the pieces' frequencies would be a guess."""


@dataclass(frozen=True)
class Translated:
    """One side's sentences beside their sources: the translations, or the references."""

    sources: Sequence[str]
    texts: Sequence[str]
    ids: Sequence[Sequence[int]]
    """Target token ids, without EOS."""


def output_figures(
    outputs: Translated, references: Translated, source_ids: Sequence[Sequence[int]], finished: Sequence[bool],
    tokenizer: Tokenizer, options: DecodingConfig,
) -> dict[str, float]:
    """Shares from 0 to 1, but for length_ratio (pieces of the translations for each piece of the references).

    source_ids: without EOS. finished: false where the length limit cut a translation off.
    """
    figures = {
        "length_ratio": sum(map(len, outputs.ids)) / max(1, sum(map(len, references.ids))),
        "cut_off": 1.0 - sum(finished) / len(finished),
        "cut_off_references": _too_long(references.ids, source_ids, options),
    }
    for name, side in (("outputs", outputs), ("references", references)):
        figures[f"identical_{name}"] = identical_share(side.sources, side.texts)
        figures[f"copied_{name}"] = copied_share(side.sources, side.texts)
        figures[f"repeating_{name}"] = repeating_share(side.ids)
    sides = (("source", source_ids, tokenizer.source), ("references", references.ids, tokenizer.target),
             ("outputs", outputs.ids, tokenizer.target))
    for name, rows, vocabulary in sides:
        ids_N = Ragged.of(rows).flat
        figures[f"unknown_{name}"] = _share(ids_N == UNK)
        if name != "outputs":
            figures[f"bytes_{name}"] = _share(byte_pieces(vocabulary)[ids_N])
    return figures


def identical_share(sources: Sequence[str], texts: Sequence[str]) -> float:
    """The share of texts that also stand beside another source; sources that are the same may have the same translation."""
    beside = defaultdict(set)
    for source, text in zip(sources, texts, strict=True):
        beside[text].add(source)
    return sum(len(beside[text]) > 1 for text in texts) / len(texts)


def copied_share(sources: Sequence[str], texts: Sequence[str]) -> float:
    """The share of the texts' words that stand in their source as they are, each source word counted once."""
    copied = words = 0
    for source, text in zip(sources, texts, strict=True):
        own = text.split()
        copied += (Counter(own) & Counter(source.split())).total()
        words += len(own)
    return copied / max(1, words)


def repeating_share(rows: Sequence[Sequence[int]]) -> float:
    """The share of rows in which some n-gram of pieces stands three or more times in a row."""
    flat_N = Ragged.of(rows).flat
    row_N = numpy.repeat(numpy.arange(len(rows)), [len(row) for row in rows])
    found = numpy.zeros(len(rows), dtype=bool)
    for n in range(1, LONGEST_REPEATED + 1):
        same = (flat_N[n:] == flat_N[:-n]) & (row_N[n:] == row_N[:-n])
        sums = numpy.concatenate([[0], numpy.cumsum(same)])
        run = (REPEATS - 1) * n  # so many equal pairs at distance n, one after another
        if len(sums) > run:
            found[row_N[numpy.flatnonzero(sums[run:] - sums[:-run] == run)]] = True
    return float(found.mean())


def frequency_entropy(rows: Sequence[Sequence[int]]) -> float | None:
    """Nats per token of a model that knows how frequent each piece is and nothing else; with Miller and Madow's (1955) correction.

    A valid loss that stays there shows that neither the source nor the order of words was learnt. None: too few tokens to tell.
    """
    flat_N = Ragged.of(rows).flat
    if len(flat_N) < ENTROPY_TOKENS:
        return None
    _, counts = numpy.unique(flat_N, return_counts=True)
    shares = counts / len(flat_N)
    return float(-(shares * numpy.log(shares)).sum() + (len(counts) - 1) / (2 * len(flat_N)))


def byte_pieces(vocabulary: Vocabulary) -> numpy.ndarray:
    """Bool, an entry for each piece: whether it is a byte, which is what a character outside the vocabulary is spelt with."""
    return numpy.array(vocabulary.processor.is_byte(list(range(len(vocabulary)))), dtype=bool)


def _too_long(references: Sequence[Sequence[int]], sources: Sequence[Sequence[int]], options: DecodingConfig) -> float:
    """The share of references that no search could write, since they are longer than the limit on a hypothesis."""
    over = [len(row) + 1 > length_limit(len(source), options) for row, source in zip(references, sources, strict=True)]
    return sum(over) / len(over)


def _share(mask: numpy.ndarray) -> float:
    """How much of a mask is true; 0 of nothing."""
    return float(mask.mean()) if len(mask) else 0.0

