"""Validation: loss and perplexity under teacher forcing, BLEU and chrF of real translations, and a few of them to read."""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch

from mt.config import Config, TrainingConfig
from mt.data.batching import MOST_MASKED, make_batch, plan_batches, within_square
from mt.data.corpus import Corpus
from mt.data.pairs import EncodedPairs
from mt.data.tokenizer import Tokenizer
from mt.decoding.batches import translate_ids
from mt.errors import DataError
from mt.evaluation import bleu_signature, quick_scores
from mt.model.interface import TranslationModel
from mt.training.distributed import ALONE, Ranks
from mt.training.hardware import Hardware
from mt.training.loss import cross_entropy, shift_right
from mt.training.outputs import Translated, frequency_entropy, output_figures

_log = logging.getLogger("mt")
_SAMPLES = 3
_DECIDES_GREEDY = ("max_length_ratio", "max_length_extra", "no_repeat_ngram")
"""The settings of `decoding` that a validation's greedy translations depend on."""


FAR = 4
"""Validation pairs with a side of more than this many times data.max_length are left out: training sees nothing like them, and a single
one of 10,000 tokens can take more memory than all others."""


@dataclass(frozen=True)
class ValidationPairs:
    """The validation texts, encoded once."""

    sources: list[str]
    targets: list[str]
    pairs: EncodedPairs
    translated: int
    """How many of them are translated for BLEU and chrF, taken evenly over all."""
    given: int
    """How many pairs the validation corpora have, those far too long included."""

    @classmethod
    def build(cls, corpora: Sequence[Corpus], tokenizer: Tokenizer, sentences: int, max_length: int = 0) -> "ValidationPairs":
        """From the validation corpora, one after another; sentences: `training.validate_sentences`, 0 for all.

        max_length: `data.max_length`; pairs far beyond it are left out, and named. DataError when none is left. 0: take all.
        """
        sources = [line for corpus in corpora for line in corpus.sources]
        targets = [line for corpus in corpora for line in corpus.targets]
        ids, given = (tokenizer.encode_source(sources), tokenizer.encode_target(targets)), len(sources)
        if max_length:
            lengths = [max(len(source), len(target)) for source, target in zip(*ids, strict=True)]
            _tell_left_out(corpora, lengths, max_length)
            kept = [index for index, length in enumerate(lengths) if length <= FAR * max_length]
            sources, targets, *ids = ([side[index] for index in kept] for side in (sources, targets, *ids))
        count = min(sentences, len(sources)) if sentences else len(sources)
        order = [round(index * len(sources) / count) for index in range(count)]
        rest = sorted(set(range(len(sources))) - set(order))
        sources, targets, *ids = ([side[index] for index in order + rest] for side in (sources, targets, *ids))
        return cls(sources, targets, EncodedPairs(*ids, torch.ones(0).numpy()), count, given)

    def measure(self, config: Config) -> dict[str, Any]:
        """What a validation score depends on besides the weights, all of which may change while a run is stopped.

        The pairs are the same corpora all the time, but how many of them are left out may be another number in another version.
        """
        return _measure(config, len(self.sources), config.target)

    def measure_of_an_earlier_version(self, config: Config) -> dict[str, Any]:
        """The same as it was before checkpoints noted it: with every pair, and sacreBLEU's 13a but for these three codes."""
        code = config.target.split("-")[0].lower()
        return _measure(config, self.given, code if code in ("ko", "ja", "zh") else "und")

    @cached_property
    def frequency_entropy(self) -> float | None:
        """The loss of a model that only knows how frequent each piece of the references is; None where they are too few to tell."""
        return frequency_entropy(self.pairs.targets)


def _measure(config: Config, pairs: int, language: str) -> dict[str, Any]:
    """ValidationPairs.measure with this number of pairs, and with the BLEU that is computed for this language."""
    metric, wanted = config.training.metric, config.training.validate_sentences
    found = {"training.metric": metric, "validation pairs": pairs}
    if metric == "loss":
        return found
    found["training.validate_sentences"] = min(wanted, pairs) if wanted else pairs
    found |= {f"decoding.{key}": getattr(config.decoding, key) for key in _DECIDES_GREEDY}
    return found | {"bleu": bleu_signature(language)}


def _tell_left_out(corpora: Sequence[Corpus], lengths: Sequence[int], max_length: int) -> None:
    """Name the validation pairs that are far too long. DataError when nothing else is left. lengths: of the longer side, by pair."""
    if min(lengths) > FAR * max_length:
        raise DataError(
            f"data.valid: all {len(lengths)} pairs have a side of more than {FAR} times data.max_length={max_length} tokens, and nothing "
            "is left to validate on; cut their lines into sentences, or raise data.max_length"
        )
    first = 0
    for corpus in corpora:
        own = lengths[first : first + len(corpus)]
        far = [(corpus.line_of(index), length) for index, length in enumerate(own) if length > FAR * max_length]
        if far:
            listed = ", ".join(f"{corpus.unit} {line}: {length:,} tokens" for line, length in far[:3]) + ", …" * (len(far) > 3)
            _log.warning(
                "%s: %d of %d validation pairs are left out, with a side of more than %d times data.max_length=%d tokens (%s); cut such "
                "lines into sentences, or raise data.max_length", corpus.origin or corpus.name, len(far), len(own), FAR, max_length, listed,
            )
        first += len(corpus)


@dataclass(frozen=True)
class Sample:
    """One validation sentence as it is translated now."""

    source: str
    reference: str
    translation: str


@dataclass(frozen=True)
class Validation:
    """The figures of one validation."""

    loss: float
    """Cross-entropy per target token, without label smoothing."""
    bleu: float
    chrf: float
    samples: list[Sample]
    outputs: dict[str, float] = field(default_factory=dict)
    """What the translations show without being read (mt/training/outputs.py), and frequency_entropy: for the doctor."""

    @property
    def perplexity(self) -> float:
        """e to the loss."""
        return math.exp(min(self.loss, 700.0))

    def score(self, metric: str) -> float:
        """The figure named by training.metric, turned so that more is better."""
        return {"bleu": self.bleu, "chrf": self.chrf, "loss": -self.loss}[metric]

    def figures(self) -> dict[str, float]:
        """The measures of quality."""
        return {"loss": self.loss, "perplexity": self.perplexity, "bleu": self.bleu, "chrf": self.chrf}


def validate(
    model: TranslationModel,
    tokenizer: Tokenizer,
    valid: ValidationPairs,
    config: Config,
    hardware: Hardware,
    ranks: Ranks = ALONE,
) -> Validation:
    """Measure the model on the validation pairs; translations are greedy, since a beam costs four times as much.

    Every process takes its part of the pairs, and all get the same figures.
    """
    model.eval()
    with torch.inference_mode(), hardware.autocast():
        loss = mean_loss(model, valid.pairs, config.training, hardware, ranks)
        chosen = valid.pairs.sources[: valid.translated]
        greedy = config.decoding.model_copy(update={"method": "greedy", "nbest": 1, "precision": "fp32"})  # autocast has its own
        hypotheses = translate_ids(model, chosen[ranks.number :: ranks.count], greedy)
    tokens: list[list[int]] = [[] for _ in chosen]
    finished = [True] * len(chosen)
    for number, part in enumerate(ranks.gather([[best.finished, *best.tokens] for [best, *_] in hypotheses])):
        tokens[number :: ranks.count] = [ids for _, *ids in part]
        finished[number :: ranks.count] = [bool(ended) for ended, *_ in part]
    texts = [tokenizer.decode_target(ids) for ids in tokens]
    scores = quick_scores(texts, valid.targets[: valid.translated], config.target)
    outputs = _look_at_outputs(valid, tokenizer, config, texts, tokens, finished)
    return Validation(loss, scores["bleu"], scores["chrf"], _samples(valid, texts), outputs)


def _look_at_outputs(
    valid: ValidationPairs, tokenizer: Tokenizer, config: Config, texts: list[str], tokens: list[list[int]], finished: list[bool]
) -> dict[str, float]:
    """Validation.outputs of the translated pairs."""
    count = valid.translated
    source_ids, reference_ids = ([row[:-1] for row in side[:count]] for side in (valid.pairs.sources, valid.pairs.targets))
    sources = valid.sources[:count]
    figures = output_figures(
        Translated(sources, texts, tokens), Translated(sources, valid.targets[:count], reference_ids), source_ids, finished,
        tokenizer, config.decoding,
    )
    entropy = valid.frequency_entropy
    return figures if entropy is None else figures | {"frequency_entropy": entropy}


def mean_loss(
    model: TranslationModel, pairs: EncodedPairs, config: TrainingConfig, hardware: Hardware, ranks: Ranks = ALONE
) -> float:
    """Cross-entropy per target token over all pairs, without smoothing and dropout."""
    total, tokens = 0.0, 0
    lengths_N2 = pairs.lengths_N2()
    plan = plan_batches(lengths_N2, config.max_tokens, seed=0, epoch=0)[ranks.number :: ranks.count]
    for indices in (part for planned in plan for part in within_square(lengths_N2[:, 1], planned, MOST_MASKED)):
        batch = make_batch(pairs, indices)
        source_BS, target_BT = batch.source_BS.to(hardware.device), batch.target_BT.to(hardware.device)
        x_BTD = model.states(source_BS, shift_right(target_BT))
        total += cross_entropy(x_BTD, model.output_weight_VD, target_BT, 0.0).negative_log_likelihood.item()
        tokens += batch.num_target_tokens
    sums_2 = torch.tensor([total, tokens], dtype=torch.float64)
    ranks.sum_([sums_2])
    return (sums_2[0] / sums_2[1]).item()


def _samples(valid: ValidationPairs, texts: list[str]) -> list[Sample]:
    """The same few sentences at every validation, spread over the translated ones."""
    count = min(_SAMPLES, len(texts))
    places = [index * len(texts) // count for index in range(count)]
    return [Sample(valid.sources[place], valid.targets[place], texts[place]) for place in places]
