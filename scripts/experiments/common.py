"""What the experiments share: a model of a configuration, a training loop of mt's own parts, and the measures.

Nothing here is a second trainer: batches, update, learning rate and search are mt's. It only leaves out what a run directory is for, so
that an experiment can change one function of the model for the time of a training, and look in between.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from statistics import fmean

import torch
from torch import Tensor

from corpora import Corpus, Sentences, encoded
from mt.config import DecodingConfig, ModelConfig, TrainingConfig
from mt.data.batching import Batch, make_batch, make_share, plan_batches
from mt.decoding.batches import translate_ids
from mt.evaluation import quick_scores
from mt.model.build import build_model, count_parameters
from mt.model.interface import TranslationModel
from mt.training.hardware import Hardware
from mt.training.loss import cross_entropy, shift_right
from mt.training.optimizer import build_optimizer, learning_rate_at
from mt.training.step import train_step

CPU = Hardware("cpu", "fp32", "the same numbers on every machine, up to rounding")


def model_config(**changes: object) -> ModelConfig:
    """A small pre-norm model: D = 64, two layers a side. changes: other values of the section `model`."""
    small = {"d_model": 64, "encoder_layers": 2, "decoder_layers": 2, "dropout": 0.0}
    if changes.get("architecture", "transformer") == "transformer":
        small |= {"num_heads": 4, "d_ff": 4 * int(changes.get("d_model", 64)), "norm_position": "pre"}
    return ModelConfig(**(small | changes))


def training_config(steps: int, seed: int, **changes: object) -> TrainingConfig:
    """Adam, one tenth of the updates to warm up, then down to zero along a line. changes: other values of the section `training`."""
    usual = {"max_tokens": 1024, "learning_rate": 0.003, "schedule": "linear", "label_smoothing": 0.0, "clip_norm": 1.0}
    return TrainingConfig(max_steps=steps, warmup_steps=max(1, steps // 10), seed=seed, **(usual | changes))


@dataclass(frozen=True)
class Learned:
    """A trained model and how it came there."""

    model: TranslationModel
    """In eval mode."""
    curve: list[float]
    """The mean negative log-likelihood per target token of each piece of the training, a twentieth of the updates each."""
    seconds: float
    """Of one core; what other programs take does not count."""


def learn(
    corpus: Corpus,
    model: ModelConfig,
    training: TrainingConfig,
    changed: Callable[[TranslationModel], AbstractContextManager] = lambda model: nullcontext(),
    watch: Callable[[TranslationModel, int], None] = lambda model, step: None,
) -> Learned:
    """Train a model. changed: a context in which the updates are made; watch: called after each with the model and the update's number."""
    torch.manual_seed(training.seed)
    network = build_model(model, corpus.vocab_size, corpus.vocab_size)
    optimizer = build_optimizer(network, training)
    batches = _batches(corpus, training)
    losses, begun = [], time.process_time()
    with changed(network):
        for step in range(1, training.max_steps + 1):
            share = make_share(corpus.train, next(batches))
            pending = train_step(network, optimizer, [share], step, learning_rate_at(step, training), training, CPU)
            losses.append(pending.result().negative_log_likelihood)
            watch(network, step)
    return Learned(network.eval(), _curve(losses), time.process_time() - begun)


def _batches(corpus: Corpus, training: TrainingConfig) -> Iterator[Sequence[int]]:
    """The planned batches of one epoch after another."""
    lengths_N2, epoch = corpus.train.lengths_N2(), 0
    while True:
        yield from plan_batches(lengths_N2, training.max_tokens, training.seed, epoch)
        epoch += 1


def _curve(losses: list[float], pieces: int = 20) -> list[float]:
    """The mean of each twentieth."""
    size = max(1, len(losses) // pieces)
    return [fmean(losses[first : first + size]) for first in range(0, size * min(pieces, len(losses)), size)]


def translations(model: TranslationModel, sources: Sentences) -> Sentences:
    """The greedy translation of each source, as token ids without EOS."""
    options = DecodingConfig(method="greedy", max_length_ratio=1.5, max_length_extra=5)
    return [hypotheses[0].tokens for hypotheses in translate_ids(model, sources, options)]


def words_right(found: Sentences, targets: Sentences) -> list[list[bool]]:
    """For each sentence and each of its target's words: does the translation have it at the same place?"""
    return [
        [place < len(words) and words[place] == wanted for place, wanted in enumerate(target[:-1])]
        for words, target in zip(found, targets, strict=True)
    ]


def share_right(rows: Sequence[Sequence[bool]]) -> float:
    """The share of words that are right, of all sentences together, in per cent."""
    return 100 * sum(map(sum, rows)) / sum(map(len, rows))


def bleu(corpus: Corpus, found: Sentences, chosen: Sequence[int] | None = None) -> float:
    """BLEU of translations of the test sources; chosen: of these sentences alone."""
    assert corpus.tokenizer is not None
    numbers = range(len(found)) if chosen is None else chosen
    hypotheses = [corpus.tokenizer.decode_target(found[number]) for number in numbers]
    return quick_scores(hypotheses, [corpus.texts[number][1] for number in numbers], "en")["bleu"]


def held_out_batches(corpus: Corpus) -> list[Batch]:
    """The test pairs in batches."""
    pairs = encoded(corpus.sources, corpus.targets)
    return [make_batch(pairs, numbers) for numbers in plan_batches(pairs.lengths_N2(), 2048, seed=0, epoch=0)]


@torch.no_grad()
def held_out_loss(model: TranslationModel, corpus: Corpus, spoil: Callable[[Tensor], Tensor] = lambda input_BT: input_BT) -> float:
    """The negative log-likelihood per target token of the test pairs, under teacher forcing. spoil: changes the decoder's input first."""
    model.eval()
    total, tokens = 0.0, 0
    for batch in held_out_batches(corpus):
        x_BTD = model.states(batch.source_BS, spoil(shift_right(batch.target_BT)))
        total += float(cross_entropy(x_BTD, model.output_weight_VD, batch.target_BT, 0.0).loss)
        tokens += batch.num_target_tokens
    return total / tokens


def compare(
    corpus: Corpus, conditions: dict[str, ModelConfig], steps: int, seeds: Sequence[int], say: Callable[[str], None], **training: object
) -> list[dict]:
    """Train each model with each seed on the demo corpus; what it measured, one entry for each training.

    training: values of the section `training` that are not the usual ones.
    """
    runs = []
    for condition, model in conditions.items():
        for seed in seeds:
            learned = learn(corpus, model, training_config(steps, seed, **training))
            loss, score = held_out_loss(learned.model, corpus), bleu(corpus, translations(learned.model, corpus.sources))
            runs.append({"condition": condition, "seed": seed, "parameters": count_parameters(learned.model), "loss": loss, "bleu": score,
                         "curve": learned.curve, "seconds": learned.seconds})  # fmt: skip
            say(f"{condition}, seed {seed}: loss {loss:.3f}, BLEU {score:.1f}")
    return runs


@contextmanager
def swapped(module: object, name: str, other: object) -> Iterator[None]:
    """Inside, module.name is another function."""
    usual = getattr(module, name)
    setattr(module, name, other)
    try:
        yield
    finally:
        setattr(module, name, usual)
