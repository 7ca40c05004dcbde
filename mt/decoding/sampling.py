"""Sampling from the model: temperature, top-k and nucleus (top-p).

What is drawn for a sentence depends only on the seed, on its own source tokens and on the model, never on the
sentences that happen to share its batch: each sample has its own stream of uniform numbers, and a token is the inverse
of the cumulative distribution at the next of them.

Dimensions besides those of mt/model/interface.py: C candidates that a token is drawn from (the vocabulary, or the top k).
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mt.config import DecodingConfig
from mt.data.special_ids import BOS, EOS, PAD
from mt.decoding.hypothesis import Hypothesis, make_hypothesis, no_token, rank
from mt.decoding.method import Method, Sentence, keep_items, put_items, put_rows, to_host
from mt.decoding.next_tokens import next_log_probs
from mt.decoding.rules import Rules

UNIFORM_BITS = 23
"""Random bits of a uniform number. With 23, its product with a float32 total is always less than the total."""


@dataclass
class Samples:
    """The samples of one sentence as far as they have come."""

    limit: int
    streams: list[random.Random]
    """A stream of random bits for each."""
    tokens: list[list[int]]
    log_probs: list[list[float]]
    """Of each token: the model's own."""

    @classmethod
    def begin(cls, sentence: Sentence, seed: int, count: int) -> "Samples":
        """None has a token yet. Python's own random bits: the same on every device and release."""
        source = [token for token in sentence.source if token != PAD]
        streams = [random.Random(f"{seed} {number} {source}") for number in range(count)]
        return cls(sentence.limit, streams, [[] for _ in streams], [[] for _ in streams])

    def running(self, number: int) -> bool:
        """Whether a sample has neither ended nor reached the limit."""
        tokens = self.tokens[number]
        return not tokens or (tokens[-1] != EOS and len(tokens) < self.limit)


class Sampling(Method):
    """options.nbest independent samples for each source sentence, ranked; equal ones are not merged.

    Log-probabilities and scores are the model's own, before temperature, top-k and top-p.
    """

    def __init__(self, options: DecodingConfig, device: torch.device, rules: Rules | None = None):
        self.options = options
        self.rules = rules
        self.device = device
        self.width = options.nbest
        self.samples: list[Samples] = []
        self.token_BW: Tensor | None = None

    @property
    def token_R(self) -> Tensor:  # noqa: N802 - the name carries the shape
        """The last token of every sample."""
        return self.token_BW.flatten()

    def put(self, places: Sequence[int], sentences: Sequence[Sentence]) -> None:
        """Begin with BOS, and with streams of their own."""
        put_items(self.samples, places, [Samples.begin(sentence, self.options.seed, self.width) for sentence in sentences])
        if self.rules is not None:
            self.rules.put(places, sentences)
        self.token_BW = put_rows(self.token_BW, places, torch.full((len(places), self.width), BOS, device=self.device))

    def keep(self, places: Sequence[int]) -> None:
        """Drop the other sentences."""
        self.samples = keep_items(self.samples, places)
        if self.rules is not None:
            self.rules.keep(places)
        self.token_BW = self.token_BW[torch.tensor(places, device=self.device)]

    def advance(self, logits_GV: Tensor, wanted: Sequence[int] | None = None) -> None:
        """Draw the next token of every row."""
        log_probs_RV = next_log_probs(logits_GV, self.ids_U is None)
        if self.rules is not None:
            self.rules.restrict(log_probs_RV, range(len(log_probs_RV)))
        uniform = [stream.getrandbits(UNIFORM_BITS) / 2**UNIFORM_BITS for samples in self.samples for stream in samples.streams]
        column_R = draw(log_probs_RV, torch.tensor(uniform, device=self.device), self.options)
        token_R = self.tokens(column_R)
        self.token_BW = token_R.view(-1, self.width)
        if self.rules is not None:
            self.rules.advance(None, token_R)
        log_prob_BW = log_probs_RV.gather(1, column_R[:, None]).view(-1, self.width)
        for samples, tokens, log_probs in zip(self.samples, *to_host(self.token_BW, log_prob_BW), strict=True):
            for number, (token, log_prob) in enumerate(zip(tokens, log_probs, strict=True)):
                if samples.running(number):
                    if not log_prob > -torch.inf:
                        raise no_token(len(samples.tokens[number]) + 1, self.rules is not None)
                    samples.tokens[number].append(token)
                    samples.log_probs[number].append(log_prob)

    def done(self) -> list[int]:
        """The sentences none of whose samples runs."""
        return [
            place for place, samples in enumerate(self.samples) if not any(samples.running(number) for number in range(self.width))
        ]

    def hypotheses(self, place: int) -> list[Hypothesis]:
        """The samples, ranked."""
        samples = self.samples[place]
        found = zip(samples.tokens, samples.log_probs, strict=True)
        made = [make_hypothesis(tokens, log_probs, self.options.length_penalty) for tokens, log_probs in found]
        return sorted(made, key=rank)


def draw(log_probs_RV: Tensor, uniform_R: Tensor, options: DecodingConfig) -> Tensor:
    """Token_R, drawn with one uniform number from [0, 1) for each row.

    In this order: log-probabilities are divided by the temperature; of the top_k most probable tokens (0: all) the
    nucleus is kept, the smallest set whose share of their probability is at least top_p (Holtzman et al. 2020, section
    3.1; 1: all); one token is drawn in proportion to what is left.
    """
    # The maximum goes to 0 first: divided by a small temperature it would overflow, and the others with it.
    logits_RV = (log_probs_RV - log_probs_RV.amax(-1, keepdim=True)) / options.temperature
    if options.top_k == 0 and options.top_p == 1:  # no order needed, and sorting would cost more than all the rest
        return _inverse_cumulative(logits_RV.softmax(-1), uniform_R)
    num_candidates = min(options.top_k or logits_RV.size(-1), logits_RV.size(-1))
    sorted_RC, token_RC = logits_RV.topk(num_candidates, dim=-1)
    prob_RC = sorted_RC.softmax(-1)
    mass_before_RC = prob_RC.cumsum(-1) - prob_RC
    outside_RC = mass_before_RC >= options.top_p
    outside_RC[:, 0] = False  # whatever rounding has made of the mass before the first
    place_R = _inverse_cumulative(prob_RC.masked_fill(outside_RC, 0.0), uniform_R)
    return token_RC.gather(1, place_R[:, None])[:, 0]


def _inverse_cumulative(prob_RC: Tensor, uniform_R: Tensor) -> Tensor:
    """Place_R: the first place where the cumulative sum exceeds uniform · total; its probability is above 0."""
    cumulative_RC = prob_RC.cumsum(-1)
    threshold_R1 = uniform_R[:, None] * cumulative_RC[:, -1:]
    # NaN exceeds nothing: clamp, so that the row stays readable and is refused by name.
    return torch.searchsorted(cumulative_RC, threshold_R1, right=True)[:, 0].clamp(max=prob_RC.size(-1) - 1)
