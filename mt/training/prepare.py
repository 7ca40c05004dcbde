"""From a configuration to what a training needs: corpora read, tokenizer trained, pairs encoded, over-long ones left out.

Everything that can be wrong with the data is found here, before the first step.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy

from mt.config import Config
from mt.data.batching import EncodedPairs
from mt.data.corpus import Corpus, fingerprint, read_corpora
from mt.data.subword_sampling import SubwordSampler
from mt.data.tokenizer import Tokenizer, train_tokenizer
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


@dataclass(frozen=True)
class TrainingTexts:
    """The training pairs that are kept, as text."""

    sources: list[str]
    targets: list[str]
    weights: numpy.ndarray

    def encode(self, tokenizer: Tokenizer) -> EncodedPairs:
        """Token ids of all pairs."""
        return EncodedPairs(
            _arrays(tokenizer.encode_source(self.sources)), _arrays(tokenizer.encode_target(self.targets)), self.weights
        )


class EpochEncoder:
    """The training pairs as token ids, epoch by epoch: always the same, or segmented anew when `tokenizer.sampling` asks for it."""

    def __init__(self, config: Config, tokenizer: Tokenizer, texts: TrainingTexts):
        self._seed, self._max_length = config.training.seed, config.data.max_length
        self._plain = texts.encode(tokenizer)
        self._samplers: list[SubwordSampler] = []
        if config.tokenizer.sampling > 0:
            kind, amount = config.tokenizer.model_type, config.tokenizer.sampling
            for side, (vocabulary, lines) in enumerate([(tokenizer.source, texts.sources), (tokenizer.target, texts.targets)]):
                self._samplers.append(SubwordSampler(vocabulary.processor, kind, amount, lines, 2 * self._seed + side))

    def pairs(self, epoch: int) -> EncodedPairs:
        """Token ids of all pairs in this epoch. A drawn segmentation longer than data.max_length gives way to the plain one, which fits."""
        if not self._samplers:
            return self._plain
        sides = []
        for side, (sampler, plain) in enumerate(zip(self._samplers, (self._plain.sources, self._plain.targets), strict=True)):
            drawn = sampler.draw(2 * self._seed + side, epoch)
            sides.append([new if len(new) <= self._max_length else old for new, old in zip(drawn, plain, strict=True)])
        return EncodedPairs(*sides, self._plain.weights)


def _arrays(sequences: Sequence[Sequence[int]]) -> list[numpy.ndarray]:
    """Compact copies: an int32 array takes a tenth of a list."""
    return [numpy.array(sequence, dtype=numpy.int32) for sequence in sequences]


@dataclass(frozen=True)
class PreparedData:
    """All that the trainer needs of the data."""

    tokenizer: Tokenizer
    train: TrainingTexts
    valid: list[Corpus]
    test: list[Corpus]
    left_out: list[LeftOut]
    fingerprint: str
    """Of the training and validation corpora: a continued run must see the same."""


def prepare_data(config: Config, tokenizer: Tokenizer | None = None) -> PreparedData:
    """Read everything the configuration names; train the tokenizer unless one is given (a run that goes on has its own).

    DataError, TokenizerError: see mt/data/corpus.py and mt/data/tokenizer.py; also when no training pair is left.
    """
    splits = {
        split: read_corpora(getattr(config.data, split), split, config.source, config.target)
        for split in ("train", "valid", "test")
    }
    train = splits["train"]
    if tokenizer is None:
        tokenizer = tokenizer_for(config, train)
    kept, left_out = _keep_fitting(config, tokenizer, train)
    for report in left_out:
        if report.message(config):
            _log.warning(report.message(config))
    if not kept.sources:
        raise DataError(
            f"no training pair is left: all {sum(len(corpus.sources) for corpus in train)} are longer than "
            f"data.max_length={config.data.max_length} tokens or too lopsided; raise data.max_length or data.max_ratio"
        )
    return PreparedData(tokenizer, kept, splits["valid"], splits["test"], left_out, fingerprint([*train, *splits["valid"]]))


def tokenizer_for(config: Config, train: Sequence[Corpus]) -> Tokenizer:
    """The tokenizer of a configuration: cached, or trained now; says which, and when it is smaller than asked."""
    sources = [line for corpus in train for line in corpus.sources]
    targets = [line for corpus in train for line in corpus.targets]
    trained = train_tokenizer(config.tokenizer, sources, targets)
    for notice in trained.notices:
        _log.warning(notice)
    tokenizer = trained.tokenizer
    sizes = f"{len(tokenizer.source)} pieces" if tokenizer.shared else f"{len(tokenizer.source)} + {len(tokenizer.target)} pieces"
    _log.info("tokenizer: %s, %s%s", config.tokenizer.model_type, sizes, " (from the cache)" if trained.from_cache else "")
    return tokenizer


def _keep_fitting(config: Config, tokenizer: Tokenizer, train: Sequence[Corpus]) -> tuple[TrainingTexts, list[LeftOut]]:
    """The pairs within data.max_length and data.max_ratio, and a report for each corpus."""
    sources: list[str] = []
    targets: list[str] = []
    weights: list[float] = []
    reports = []
    for corpus in train:
        encoded = zip(tokenizer.encode_source(corpus.sources), tokenizer.encode_target(corpus.targets), strict=True)
        lengths = numpy.array([(len(source), len(target)) for source, target in encoded]).reshape(-1, 2)
        too_long = lengths.max(axis=1) > config.data.max_length
        lopsided = numpy.zeros_like(too_long)
        if config.data.max_ratio > 0:
            lopsided = ~too_long & (lengths.max(axis=1) > config.data.max_ratio * lengths.min(axis=1))
        for index in numpy.flatnonzero(~too_long & ~lopsided):
            sources.append(corpus.sources[index])
            targets.append(corpus.targets[index])
            weights.append(corpus.weight)
        numbers = [tuple(corpus.line_of(int(i)) for i in numpy.flatnonzero(mask)) for mask in (too_long, lopsided)]
        reports.append(LeftOut(corpus.name, len(corpus.sources), *numbers))
    return TrainingTexts(sources, targets, numpy.array(weights, dtype=numpy.float64)), reports
