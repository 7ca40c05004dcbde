"""Subword regularisation: other segmentations of the same words, drawn anew in each epoch, exactly repeatable.

SentencePiece can sample too, but its generator gives other draws in another process whatever its seed (seen in 0.2.3), so that a run
could neither be repeated nor continued exactly. Here each distinct word's segmentations are listed once, and an epoch's draws are a
function of (seed, epoch). Words are what stands between spaces: no piece of our vocabularies crosses one.
"""

import math
from collections.abc import Sequence

import numpy
import sentencepiece

from mt.data.special_ids import EOS, UNK

UNIGRAM_CHOICES = 64
"""The most segmentations a word has with a unigram vocabulary: its n best."""
BPE_CHOICES = 16
"""How many segmentations of a word are drawn with a BPE vocabulary; equal ones count as often as they come."""
_SPACE = "\u2581"  # how SentencePiece writes a word's beginning


class SubwordSampler:
    """The lines of one side of a corpus, ready to be segmented anew in each epoch.

    model_type 'unigram': a segmentation's probability is proportional to its likelihood to the power of `amount` (Kudo 2018, section 3.1).
    'bpe': every merge is left out with probability `amount` (BPE-dropout, Provilkov et al. 2020). Memory grows with the number of
    distinct words.
    """

    def __init__(self, processor: sentencepiece.SentencePieceProcessor, model_type: str, amount: float, lines: Sequence[str], seed: int):
        numbers: dict[str, int] = {}
        words, ends = [], []
        for line in lines:
            words.extend(numbers.setdefault(word, len(numbers)) for word in line.split(" ") if word)
            words.append(-1)  # the end of the sentence; replaced below, when its number is known
            ends.append(len(words))
        self._words = numpy.array(words, dtype=numpy.int64)
        self._words[self._words < 0] = len(numbers)
        self._ends = numpy.array(ends, dtype=numpy.int64)
        self._list_choices(processor, model_type, amount, list(numbers), seed)

    def _list_choices(
        self, processor: sentencepiece.SentencePieceProcessor, model_type: str, amount: float, words: list[str], seed: int
    ) -> None:
        """Every distinct word's segmentations, one after another, with their cumulative probabilities."""
        if model_type == "unigram":
            choices = [unigram_choices(processor, word, amount) for word in words]
        else:
            merger = BpeMerger(processor)
            generator = numpy.random.default_rng([seed, 2])
            choices = [[(merger.segment(word, amount, generator), 1 / BPE_CHOICES) for _ in range(BPE_CHOICES)] for word in words]
        choices.append([([EOS], 1.0)])
        cumulative, pieces = [], []
        for number, word_choices in enumerate(choices):
            total = 0.0
            for segmentation, probability in word_choices:
                total += probability
                cumulative.append(number + total)
                pieces.append(segmentation)
            cumulative[-1] = number + 1.0  # whatever the sum was rounded to
        self._cumulative = numpy.array(cumulative)
        self._piece_counts = numpy.array([len(segmentation) for segmentation in pieces], dtype=numpy.int64)
        self._piece_starts = numpy.cumsum(self._piece_counts) - self._piece_counts
        self._pieces = numpy.array([piece for segmentation in pieces for piece in segmentation], dtype=numpy.int32)

    def draw(self, seed: int, epoch: int) -> list[numpy.ndarray]:
        """Token ids of every line, EOS at the end, as segmented in this epoch."""
        uniform = numpy.random.default_rng([seed, epoch, 3]).random(len(self._words))
        below_next = numpy.nextafter(self._words + 1.0, 0.0)  # a sum that is rounded up would be the next word's
        chosen = numpy.searchsorted(self._cumulative, numpy.minimum(self._words + uniform, below_next), side="right")
        counts = self._piece_counts[chosen]
        ends = numpy.cumsum(counts)
        within = numpy.arange(ends[-1] if len(ends) else 0) - numpy.repeat(ends - counts, counts)
        tokens = self._pieces[numpy.repeat(self._piece_starts[chosen], counts) + within]
        return numpy.split(tokens, ends[self._ends - 1][:-1]) if len(self._ends) else []


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
