"""The corpora of the experiments, as token ids: copying and reversing random words with lengths to order, and the built-in demo corpus."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy

from mt.config import TokenizerConfig
from mt.data.demo import demo_pairs
from mt.data.pairs import EncodedPairs
from mt.data.special_ids import EOS, SPECIAL_IDS
from mt.data.tokenizer import Tokenizer
from mt.data.tokenizer_training import train_tokenizer

Sentences = list[list[int]]
"""Token ids, EOS at the end of each."""


@dataclass(frozen=True)
class Corpus:
    """What a model learns from and is measured on; one vocabulary for both sides."""

    train: EncodedPairs
    sources: Sentences
    """Of the test pairs."""
    targets: Sentences
    """Of the test pairs."""
    vocab_size: int
    tokenizer: Tokenizer | None = None
    """None for random words, which have no text."""
    texts: tuple[tuple[str, str], ...] = ()
    """The test pairs as text, where there is any."""


def random_words(kind: str, lengths: Sequence[int], count: int, words: int, seed: int) -> tuple[Sentences, Sentences]:
    """`count` pairs for each length. kind: 'copy' (target = source) or 'reverse'. words: how many different ones there are."""
    assert kind in ("copy", "reverse")
    generator = numpy.random.default_rng([20170612, seed])
    sources, targets = [], []
    for length in lengths:
        for row in generator.integers(len(SPECIAL_IDS), len(SPECIAL_IDS) + words, size=(count, length)).tolist():
            sources.append([*row, EOS])
            targets.append([*(row if kind == "copy" else reversed(row)), EOS])
    return sources, targets


def words_corpus(kind: str, longest: int, count: int, words: int, test_lengths: Sequence[int], test_count: int) -> Corpus:
    """Learn from `count` pairs of each length from 1 to `longest`; be tested on `test_count` others of each of the test lengths."""
    train = encoded(*random_words(kind, range(1, longest + 1), count, words, seed=1))
    sources, targets = random_words(kind, test_lengths, test_count, words, seed=2)
    return Corpus(train, sources, targets, len(SPECIAL_IDS) + words)


def demo_corpus(quick: bool) -> Corpus:
    """The built-in Korean–English corpus. Its test sentences join words that training never showed together. quick: a small part of it."""
    pairs, test = demo_pairs("train"), demo_pairs("test")
    if quick:
        pairs, test = pairs[:300], test[:12]
    sources, targets = zip(*pairs, strict=True)
    tokenizer = train_tokenizer(TokenizerConfig(vocab_size=1500), sources, targets).tokenizer
    train = encoded(tokenizer.encode_source(sources), tokenizer.encode_target(targets))
    test_sources, test_targets = zip(*test, strict=True)
    return Corpus(
        train, tokenizer.encode_source(test_sources), tokenizer.encode_target(test_targets), len(tokenizer.source), tokenizer, tuple(test)
    )


def encoded(sources: Sentences, targets: Sentences) -> EncodedPairs:
    """The pairs as the trainer's batches want them, each once an epoch."""
    return EncodedPairs(sources, targets, numpy.ones(len(sources)))
