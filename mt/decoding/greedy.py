"""Greedy search: the most probable token at every step. Beam search with a beam of one must equal it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from mt.config import DecodingConfig
from mt.data.special_ids import BOS, EOS
from mt.decoding.hypothesis import Hypothesis, make_hypothesis, no_token
from mt.decoding.method import Method, Sentence, keep_items, put_items, put_rows, to_host
from mt.decoding.next_tokens import next_log_probs
from mt.decoding.rules import Rules


@dataclass
class Prefix:
    """What has been translated of one sentence."""

    limit: int
    tokens: list[int] = field(default_factory=list)
    log_probs: list[float] = field(default_factory=list)

    @property
    def done(self) -> bool:
        """Ended, or cut off."""
        return self.tokens[-1] == EOS or len(self.tokens) == self.limit


class GreedySearch(Method):
    """One row a sentence. Of `options` only length_penalty is read, for the score; rules: what may not be written (rules.py)."""

    width = 1

    def __init__(self, options: DecodingConfig, device: torch.device, rules: Rules | None = None):
        self.options = options
        self.rules = rules
        self.device = device
        self.prefixes: list[Prefix] = []
        self.token_B1: Tensor | None = None

    @property
    def token_R(self) -> Tensor:  # noqa: N802 - the name carries the shape
        """The last token of every sentence."""
        return self.token_B1.flatten()

    def put(self, places: Sequence[int], sentences: Sequence[Sentence]) -> None:
        """Begin with BOS."""
        put_items(self.prefixes, places, [Prefix(sentence.limit) for sentence in sentences])
        if self.rules is not None:
            self.rules.put(places, sentences)
        self.token_B1 = put_rows(self.token_B1, places, torch.full((len(places), 1), BOS, device=self.device))

    def keep(self, places: Sequence[int]) -> None:
        """Drop the other sentences."""
        self.prefixes = keep_items(self.prefixes, places)
        if self.rules is not None:
            self.rules.keep(places)
        self.token_B1 = self.token_B1[torch.tensor(places, device=self.device)]

    def advance(self, logits_GV: Tensor, wanted: Sequence[int] | None = None) -> None:
        """Take the best token of every row."""
        log_probs_RV = next_log_probs(logits_GV, self.ids_U is None)
        if self.rules is not None:
            self.rules.restrict(log_probs_RV, range(len(log_probs_RV)))
        log_prob_R1, self.token_B1 = self.best_tokens(log_probs_RV, 1)
        if self.rules is not None:
            self.rules.advance(None, self.token_R)
        for prefix, [token], [log_prob] in zip(self.prefixes, *to_host(self.token_B1, log_prob_R1), strict=True):
            prefix.tokens.append(token)
            prefix.log_probs.append(log_prob)
            if not log_prob > -torch.inf:
                raise no_token(len(prefix.tokens), self.rules is not None)

    def done(self) -> list[int]:
        """The sentences that have ended or reached their limit."""
        return [place for place, prefix in enumerate(self.prefixes) if prefix.done]

    def hypotheses(self, place: int) -> list[Hypothesis]:
        """The one hypothesis."""
        prefix = self.prefixes[place]
        return [make_hypothesis(prefix.tokens, prefix.log_probs, self.options.length_penalty)]
