"""Subword regularisation: other segmentations of the same words, drawn anew in each epoch, exactly repeatable.

SentencePiece can sample too, but its generator gives other draws in another process whatever its seed (seen in 0.2.3), so that a run
could neither be repeated nor continued exactly. Here each distinct word's segmentations are listed once, and an epoch's draws are a
function of (seed, epoch). Words are what stands between spaces: no piece of our vocabularies crosses one.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy
import sentencepiece

from mt.data.pairs import Ragged
from mt.data.special_ids import EOS, UNK

UNIGRAM_CHOICES = 64
"""The most segmentations a word has with a unigram vocabulary: its n best."""
BPE_CHOICES = 16
"""How many segmentations of a word are drawn with a BPE vocabulary; equal ones count as often as they come."""
_SPACE = "\u2581"  # how SentencePiece writes a word's beginning


@dataclass(frozen=True)
class Words:
    """Lines as numbers of words: what a sampler needs of a text that it segments again and again."""

    numbers: numpy.ndarray
    """Of all lines, one after another, each with the end of the sentence."""
    ends: numpy.ndarray
    """Where each line is over."""


class SubwordSampler:
    """Segments lines anew in each epoch; the draws are a function of the seeds, the line's place and its words.

    model_type 'unigram': a segmentation's probability is proportional to its likelihood to the power of `amount` (Kudo 2018, section 3.1).
    'bpe': every merge is left out with probability `amount` (BPE-dropout, Provilkov et al. 2020). Memory grows with the number of
    distinct words that were seen.
    """

    def __init__(self, processor: sentencepiece.SentencePieceProcessor, model_type: str, amount: float, seed: int):
        self._processor, self._unigram, self._amount, self._seed = processor, model_type == "unigram", amount, seed
        self._merger = None if self._unigram else BpeMerger(processor)
        self._numbers: dict[str, int] = {"": 0}  # what no word is stands for the end of the sentence
        self._choices: list[list[tuple[list[int], float]]] = [[([EOS], 1.0)]]
        self._tables: tuple[numpy.ndarray, ...] | None = None

    def words(self, lines: Sequence[str]) -> Words:
        """The lines, ready to be drawn. The first time that a word is seen its segmentations are listed."""
        words, ends = [], []
        numbers = self._numbers
        for line in lines:
            for word in line.split(" "):
                if word:
                    number = numbers.get(word)
                    words.append(self._learn(word) if number is None else number)
            words.append(0)
            ends.append(len(words))
        return Words(numpy.array(words, dtype=numpy.int64), numpy.array(ends, dtype=numpy.int64))

    def _learn(self, word: str) -> int:
        """A new word's number; its segmentations depend on nothing but the word and the seed."""
        if self._merger is None:
            choices = unigram_choices(self._processor, word, self._amount)
        else:
            generator = numpy.random.default_rng([self._seed, 2, int.from_bytes(hashlib.sha256(word.encode()).digest()[:8])])
            choices = [(self._merger.segment(word, self._amount, generator), 1 / BPE_CHOICES) for _ in range(BPE_CHOICES)]
        self._numbers[word] = len(self._choices)
        self._choices.append(choices)
        self._tables = None
        return self._numbers[word]

    def _list_choices(self) -> tuple[numpy.ndarray, ...]:
        """All words' segmentations, one after another: word number plus cumulative probability, and the pieces' counts, starts, ids."""
        cumulative, pieces = [], []
        for number, word_choices in enumerate(self._choices):
            total = 0.0
            for segmentation, probability in word_choices:
                total += probability
                cumulative.append(number + total)
                pieces.append(segmentation)
            cumulative[-1] = number + 1.0  # whatever the sum was rounded to
        counts = numpy.array([len(segmentation) for segmentation in pieces], dtype=numpy.int64)
        ids = numpy.array([piece for segmentation in pieces for piece in segmentation], dtype=numpy.int32)
        return numpy.array(cumulative), counts, numpy.cumsum(counts) - counts, ids

    def draw(self, words: Words, seed: int, epoch: int, block: int = 0) -> Ragged:
        """Token ids of every line, EOS at the end, as segmented in this epoch."""
        if self._tables is None:
            self._tables = self._list_choices()
        cumulative, piece_counts, piece_starts, pieces = self._tables
        uniform = numpy.random.default_rng([seed, epoch, 3] + [block] * (block > 0)).random(len(words.numbers))
        below_next = numpy.nextafter(words.numbers + 1.0, 0.0)  # a sum that is rounded up would be the next word's
        chosen = numpy.searchsorted(cumulative, numpy.minimum(words.numbers + uniform, below_next), side="right")
        counts = piece_counts[chosen]
        ends = numpy.cumsum(counts)
        within = numpy.arange(ends[-1] if len(ends) else 0) - numpy.repeat(ends - counts, counts)
        tokens = pieces[numpy.repeat(piece_starts[chosen], counts) + within]
        return Ragged(tokens, numpy.concatenate([[0], ends[words.ends - 1]]))


def unigram_choices(
    processor: sentencepiece.SentencePieceProcessor, word: str, amount: float, most: int = UNIGRAM_CHOICES
) -> list[tuple[list[int], float]]:
    """The n best segmentations of a word and their probabilities, which are their likelihoods to the power of `amount`, normalised."""
    segmentations = processor.nbest_encode(word, nbest_size=most, out_type=int)
    scores = [amount * sum(processor.get_score(piece) for piece in segmentation) for segmentation in segmentations]
    weights = [math.exp(score - max(scores)) for score in scores]
    return [(segmentation, weight / sum(weights)) for segmentation, weight in zip(segmentations, weights, strict=True)]


class BpeMerger:
    """Byte-pair merges of one vocabulary, some of them left out at random."""

    def __init__(self, processor: sentencepiece.SentencePieceProcessor):
        kept = [
            number for number in range(processor.get_piece_size())
            if not (processor.is_control(number) or processor.is_unknown(number) or processor.is_byte(number))
        ]
        self._ids = {processor.id_to_piece(number): number for number in kept}
        self._scores = {piece: processor.get_score(number) for piece, number in self._ids.items()}
        first_byte = processor.piece_to_id("<0x00>")
        self._first_byte = first_byte if processor.is_byte(first_byte) else None

    def segment(self, word: str, dropout: float, generator: numpy.random.Generator) -> list[int]:
        """The word's token ids: in every round each possible merge is left out with probability `dropout`, the best other is made."""
        symbols = list(_SPACE + word)
        while len(symbols) > 1:
            merges = [
                (self._scores[pair], -place)
                for place in range(len(symbols) - 1)
                if (pair := symbols[place] + symbols[place + 1]) in self._scores
            ]
            if dropout > 0 and merges:
                merges = [merge for merge, drawn in zip(merges, generator.random(len(merges)), strict=True) if drawn >= dropout]
            if not merges:
                break
            place = -max(merges)[1]
            symbols[place : place + 2] = [symbols[place] + symbols[place + 1]]
        tokens = [token for symbol in symbols for token in self._tokens(symbol)]
        # SentencePiece, too, writes one UNK for neighbouring characters that it does not know.
        return [token for token, before in zip(tokens, [None, *tokens], strict=False) if (token, before) != (UNK, UNK)]

    def _tokens(self, symbol: str) -> list[int]:
        """A symbol's id; of a character the vocabulary lacks its bytes, or UNK without byte fallback."""
        if symbol in self._ids:
            return [self._ids[symbol]]
        if self._first_byte is None:
            return [UNK]
        return [self._first_byte + byte for byte in symbol.encode("utf-8")]
