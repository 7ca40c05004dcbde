"""From a configuration to what a training needs: corpora read, tokenizer trained, pairs encoded, over-long ones left out.

Everything that can be wrong with the data is found here, before the first step.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy

from mt.config import Config
from mt.data.corpus import Corpus, fingerprint, read_corpora
from mt.data.encode import Fit, encode_store
from mt.data.first_look import first_look
from mt.data.pairs import EncodedPairs, MemoryPart, Ragged, StoredPart, TrainingPairs
from mt.data.store import Joined
from mt.data.subword_sampling import SubwordSampler, Words
from mt.data.tokenizer import Tokenizer
from mt.data.tokenizer_training import train_tokenizer
from mt.errors import DataError

_log = logging.getLogger("mt")


@dataclass(frozen=True)
class LeftOut:
    """The pairs of one corpus that are not trained on, and why."""

    name: str
    pairs: int
    """Pairs in the corpus."""
    too_long: tuple[int, ...]
    """Line numbers of pairs with a side over data.max_length."""
    lopsided: tuple[int, ...]
    """Line numbers of pairs whose sides differ by more than data.max_ratio."""

    def to_json(self) -> dict:
        """For data.json: counts and every line number."""
        return {"name": self.name, "pairs": self.pairs, "too_long": list(self.too_long), "lopsided": list(self.lopsided)}

    def message(self, config: Config) -> str:
        """One line for a person, or nothing when all pairs were kept."""
        reasons = []
        if self.too_long:
            reasons.append(f"{len(self.too_long)} longer than data.max_length={config.data.max_length} tokens ({_first(self.too_long)})")
        if self.lopsided:
            reasons.append(f"{len(self.lopsided)} with sides more than {config.data.max_ratio:g} to 1 in length ({_first(self.lopsided)})")
        if not reasons:
            return ""
        count = len(self.too_long) + len(self.lopsided)
        return f"{self.name}: {count} of {self.pairs} pairs ({count / self.pairs:.2%}) are left out of training: {'; '.join(reasons)}"


def _first(numbers: Sequence[int], most: int = 3) -> str:
    """'line 7', or 'lines 7, 9, 12, …'."""
    listed = ", ".join(str(number) for number in numbers[:most])
    return f"line{'s' if len(numbers) > 1 else ''} {listed}{', …' if len(numbers) > most else ''}"


class EpochEncoder:
    """The training pairs as token ids, block by block: always the same, or segmented anew when `tokenizer.sampling` asks for it."""

    def __init__(self, config: Config, tokenizer: Tokenizer, train: TrainingPairs):
        self._train, self._seed, self._max_length = train, config.training.seed, config.data.max_length
        self._samplers: list[SubwordSampler] = []
        self._words: list[Words] | None = None
        if config.tokenizer.sampling > 0:
            kind, amount = config.tokenizer.model_type, config.tokenizer.sampling
            self._samplers = [
                SubwordSampler(vocabulary.processor, kind, amount, 2 * self._seed + side)
                for side, vocabulary in enumerate([tokenizer.source, tokenizer.target])
            ]

    @property
    def num_blocks(self) -> int:
        """Blocks in an epoch; one while all pairs are in memory."""
        return self._train.num_blocks

    @property
    def num_pairs(self) -> int:
        """Pairs in all blocks together."""
        return len(self._train)

    def pairs(self, epoch: int, block: int = 0) -> EncodedPairs:
        """Token ids of the pairs in a block. A drawn segmentation longer than data.max_length gives way to the plain one, which fits."""
        plain = self._train.block(self._seed, epoch, block)
        if not self._samplers:
            return plain
        sides = []
        for side, words in enumerate(self._block_words(epoch, block)):
            drawn = self._samplers[side].draw(words, 2 * self._seed + side, epoch, block)
            sides.append(drawn.where_else(drawn.lengths <= self._max_length, (plain.sources, plain.targets)[side]))
        return EncodedPairs(*sides, plain.weights)

    def _block_words(self, epoch: int, block: int) -> list[Words]:
        """The words of the block's texts on both sides; looked up once while there is one block."""
        if self._words is not None:
            return self._words
        texts = self._train.texts(self._seed, epoch, block)
        words = [sampler.words(lines) for sampler, lines in zip(self._samplers, texts, strict=True)]
        if self.num_blocks == 1:
            self._words = words
        return words


@dataclass(frozen=True)
class PreparedData:
    """All that the trainer needs of the data."""

    tokenizer: Tokenizer
    train: TrainingPairs
    valid: list[Corpus]
    test: list[Corpus]
    left_out: list[LeftOut]
    fingerprint: str
    """Of the training and validation corpora: a continued run must see the same."""
    fingerprints: dict[str, str]
    """Of each of them alone, by its place in the configuration and its name."""


def prepare_data(config: Config, tokenizer: Tokenizer | None = None, config_file: str = "config.yaml") -> PreparedData:
    """Read everything the configuration names; train the tokenizer unless one is given (a run that goes on has its own).

    config_file: where this configuration is, for a shell; what is advised names it.

    DataError, TokenizerError: see mt/data/corpus.py and mt/data/tokenizer.py; also when no training pair is left.
    """
    splits = {
        split: read_corpora(getattr(config.data, split), split, config.source, config.target)
        for split in ("train", "valid", "test")
    }
    train = splits["train"]
    is_new = tokenizer is None
    if is_new:
        tokenizer = tokenizer_for(config, train)
    fit = Fit(config.data.max_length, config.data.max_ratio)
    parts, left_out = zip(*(_encode_fitting(tokenizer, corpus, fit) for corpus in train), strict=True)
    kept = TrainingPairs(parts)
    if is_new:
        files = [corpus for corpus, asked in zip(train, config.data.train, strict=True) if asked.builtin is None]
        held_out = [(split, corpus) for split in ("valid", "test") for corpus in splits[split]]
        for text in first_look(files, held_out, config.source, config.target, config.data.max_length):
            _log.warning("%s  ·  more: mt check --config %s", text, config_file)
    for report in left_out:
        if report.message(config):
            _log.warning(report.message(config))
    for corpus in splits["test"]:
        _tell_cut(corpus, tokenizer, config.data.max_length)
    if not len(kept):
        raise DataError(
            f"no training pair is left: all {sum(len(corpus) for corpus in train)} are longer than "
            f"data.max_length={config.data.max_length} tokens or too lopsided; raise data.max_length or data.max_ratio"
        )
    fingerprints = {
        f"data.{split}[{index}] ({corpus.origin})": fingerprint([corpus])
        for split in ("train", "valid") for index, corpus in enumerate(splits[split])
    }  # fmt: skip
    together = fingerprint([*train, *splits["valid"]])
    return PreparedData(tokenizer, kept, splits["valid"], splits["test"], list(left_out), together, fingerprints)


def _tell_cut(corpus: Corpus, tokenizer: Tokenizer, max_length: int) -> None:
    """Say before the training which test sources will be cut to be translated."""
    lengths = [len(ids) for ids in tokenizer.encode_source(corpus.sources)]
    long = [corpus.line_of(index) for index, length in enumerate(lengths) if length > max_length]
    if long:
        _log.warning(
            "%s: %d of %d test sources are longer than data.max_length=%d tokens, up to %s (%s); they will be cut for translation, as mt "
            "translate does", corpus.origin or corpus.name, len(long), len(lengths), max_length, f"{max(lengths):,}", _first(long),
        )


def tokenizer_for(config: Config, train: Sequence[Corpus]) -> Tokenizer:
    """The tokenizer of a configuration: cached, or trained now; says which, and when it is smaller than asked."""
    sources, targets = (Joined([getattr(corpus, side) for corpus in train]) for side in ("sources", "targets"))
    trained = train_tokenizer(config.tokenizer, sources, targets)
    for notice in trained.notices:
        _log.warning(notice)
    tokenizer = trained.tokenizer
    sizes = f"{len(tokenizer.source)} pieces" if tokenizer.shared else f"{len(tokenizer.source)} + {len(tokenizer.target)} pieces"
    _log.info("tokenizer: %s, %s%s", config.tokenizer.model_type, sizes, " (from the cache)" if trained.from_cache else "")
    return tokenizer


def _encode_fitting(tokenizer: Tokenizer, corpus: Corpus, fit: Fit) -> tuple[MemoryPart | StoredPart, LeftOut]:
    """The pairs of a corpus that fit, and a report of the others."""
    if corpus.folder is not None:
        store = encode_store(corpus.folder, corpus.digest, tokenizer, fit)
        part = StoredPart(store.folder, store.rows, corpus.folder, store.text_rows, corpus.weight)
        return part, LeftOut(corpus.name, len(corpus), store.too_long, store.lopsided)
    ids = [Ragged.of(tokenizer.encode_source(corpus.sources)), Ragged.of(tokenizer.encode_target(corpus.targets))]
    too_long, lopsided = fit.reasons(numpy.stack([side.lengths for side in ids], axis=1))
    kept = ~(too_long | lopsided)
    texts = ([text for text, keep in zip(side, kept, strict=True) if keep] for side in (corpus.sources, corpus.targets))
    lines = (tuple(corpus.line_of(index) for index in numpy.flatnonzero(mask).tolist()) for mask in (too_long, lopsided))
    return MemoryPart(*texts, tuple(side.where(kept) for side in ids), corpus.weight), LeftOut(corpus.name, len(corpus), *lines)
