"""How a vocabulary cuts a text: tokens for a word and a character, syllables, characters it must spell out, lengths.

Counted on distinct words, since no piece crosses a space; a word's pieces are counted as often as the word occurs.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy

from mt.data.encode import Fit
from mt.data.special_ids import SPECIAL_IDS, UNK
from mt.data.store import take
from mt.data.tokenizer import Tokenizer, Vocabulary

_SPACE = "\u2581"
"""How SentencePiece writes a word's beginning."""
SEEN = 100
"""Occurrences after which a piece is taken to be learnable (Gowda and May 2020)."""


@dataclass(frozen=True)
class Syllables:
    """What becomes of the Hangul syllables of a text: counts of distinct ones, and of all."""

    distinct: int
    distinct_single: int
    """Of the distinct ones, those that are a piece of their own."""
    distinct_inside: int
    """Those that have no piece of their own, and occur inside larger pieces."""
    running: int
    single: int
    """Of all syllables, those that are cut as a piece of their own."""
    inside: int
    """Those that are part of a larger piece; the rest is spelled in bytes, or unknown."""


@dataclass(frozen=True)
class SideReport:
    """One side of the pairs under its vocabulary. Tokens without the end token, unless said."""

    language: str
    sentences: int
    words: int
    """What stands between spaces."""
    characters: int
    """Without spaces."""
    tokens: int
    byte_tokens: int
    unknown_tokens: int
    single_tokens: int
    """Tokens of one character, and marks of a word's beginning alone."""
    spelled: Counter
    """Characters that were spelled in bytes or unknown, with how often each."""
    syllables: Syllables
    pieces: Counter
    """How often each piece occurs, by its id."""
    lengths: numpy.ndarray
    """Tokens of each sentence, with the end token."""


@dataclass(frozen=True)
class TokenizerReport:
    """Both sides, and what becomes of the pairs."""

    source: SideReport
    target: SideReport
    pairs: int
    """Pairs in the corpora; the sides may have been counted on fewer, taken evenly."""
    too_long: int
    """Of the counted pairs, those over data.max_length."""
    lopsided: int
    """Of the others, those over data.max_ratio."""


@dataclass(frozen=True)
class _Word:
    """How a word is cut."""

    ids: list[int]
    single: int
    spelled: str
    """Its characters that are spelled in bytes or unknown."""
    syllables_single: str
    syllables_inside: str


def examine(
    tokenizer: Tokenizer, sources: Sequence[str], targets: Sequence[str], languages: tuple[str, str], fit: Fit, most: int
) -> TokenizerReport:
    """The report of a tokenizer on sentence pairs; of more pairs than `most` so many are taken, at even distances."""
    pairs = len(sources)
    sides = [sources, targets]
    if pairs > most:
        chosen = numpy.linspace(0, pairs - 1, most).astype(int)
        sides = [take(side, chosen) for side in sides]
    source, target = (
        examine_side(vocabulary, lines, language)
        for vocabulary, lines, language in zip((tokenizer.source, tokenizer.target), sides, languages, strict=True)
    )
    too_long, lopsided = fit.reasons(numpy.stack([source.lengths, target.lengths], axis=1))
    return TokenizerReport(source, target, pairs, int(too_long.sum()), int(lopsided.sum()))


def examine_side(vocabulary: Vocabulary, lines: Sequence[str], language: str) -> SideReport:
    """One side's report."""
    counts: Counter = Counter()
    for line in lines:
        counts.update(line.split(" "))
    counts.pop("", None)
    words = [*counts]
    cut = dict(zip(words, _cut(vocabulary, words), strict=True))
    pieces, spelled, own, inside = Counter(), Counter(), Counter(), Counter()
    single = characters = 0
    for word, count in counts.items():
        one = cut[word]
        for token in one.ids:
            pieces[token] += count
        for counter, text in ((spelled, one.spelled), (own, one.syllables_single), (inside, one.syllables_inside)):
            for character in text:
                counter[character] += count
        single += one.single * count
        characters += len(word) * count
    lengths = numpy.fromiter((1 + sum(len(cut[word].ids) for word in line.split(" ") if word) for line in lines), numpy.int64, len(lines))
    return SideReport(
        language, len(lines), counts.total(), characters, pieces.total(),
        sum(count for token, count in pieces.items() if vocabulary.processor.is_byte(token)), pieces[UNK], single, spelled,
        _syllables(vocabulary, own, inside, spelled), pieces, lengths,
    )  # fmt: skip


def _syllables(vocabulary: Vocabulary, own: Counter, inside: Counter, spelled: Counter) -> Syllables:
    """The count of syllables, from those that are pieces, parts of pieces, and spelled out."""
    distinct = own.keys() | inside.keys() | {character for character in spelled if is_hangul(character)}
    unknown = vocabulary.processor.unk_id()
    with_piece = {
        syllable for syllable in distinct
        if any(vocabulary.processor.piece_to_id(piece) != unknown for piece in (syllable, _SPACE + syllable))
    }
    running = own.total() + inside.total() + sum(count for character, count in spelled.items() if is_hangul(character))
    return Syllables(len(distinct), len(with_piece), len(inside.keys() - with_piece), running, own.total(), inside.total())


def is_hangul(character: str) -> bool:
    """Whether it is a precomposed Hangul syllable."""
    return "\uac00" <= character <= "\ud7a3"


def _cut(vocabulary: Vocabulary, words: Sequence[str]) -> list[_Word]:
    """How each word is cut."""
    processor = vocabulary.processor
    ids = processor.encode(list(words), num_threads=1)
    texts = processor.encode(list(words), out_type=str, num_threads=1)
    bytes_of = {token: int(processor.id_to_piece(token)[3:-1], 16) for token in range(len(vocabulary)) if processor.is_byte(token)}
    return [_cut_word(row, pieces, bytes_of) for row, pieces in zip(ids, texts, strict=True)]


def _cut_word(ids: list[int], pieces: list[str], bytes_of: dict[int, int]) -> _Word:
    """The account of one word."""
    single, spelled, own, inside = 0, [], [], []
    pending = bytearray()
    for token, piece in zip(ids, pieces, strict=True):
        if token in bytes_of:
            pending.append(bytes_of[token])
            continue
        spelled.append(pending.decode("utf-8", errors="replace"))
        pending.clear()
        text = piece.replace(_SPACE, "")
        if token == UNK:
            spelled.append(text)
            continue
        single += len(text) <= 1
        (own if len(text) == 1 else inside).extend(character for character in text if is_hangul(character))
    spelled.append(pending.decode("utf-8", errors="replace"))
    return _Word(ids, single, "".join(spelled), "".join(own), "".join(inside))


def often_seen(vocabulary: Vocabulary, occurrences: Sequence[Counter], times: int = SEEN) -> tuple[int, int]:
    """Of a vocabulary's own pieces (special ones and bytes aside): those that occur so many times, and all."""
    processor = vocabulary.processor
    own = [token for token in range(len(vocabulary)) if token not in SPECIAL_IDS and not processor.is_byte(token)]
    return sum(sum(counter[token] for counter in occurrences) >= times for token in own), len(own)
