"""What every search returns, and the arithmetic all of them share: length penalty, log-probabilities, ranking.

It holds no search; `search.py` is the entry.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mt.data.special_ids import BOS, EOS, PAD
from mt.errors import DecodingError

NEVER_PRODUCED = (PAD, BOS)
"""Token ids that no search puts into a hypothesis, however probable the model finds them."""


@dataclass(frozen=True)
class Hypothesis:
    """One translation of one sentence, in token ids."""

    tokens: list[int]
    """The target token ids, without BOS and EOS."""
    score: float
    """log_prob / length penalty: what hypotheses of one sentence are ranked by, after `finished`."""
    log_prob: float
    """The sum of token_log_probs: the model's natural log-probability of the tokens and, if finished, of EOS."""
    token_log_probs: list[float]
    """The model's log-probability of each token; one more entry than `tokens` when finished, EOS being the last."""
    finished: bool
    """True when the model ended it with EOS, False when it was cut off at its length limit."""


def length_penalty(length: float | Tensor, alpha: float) -> float | Tensor:
    """The divisor ((5 + |Y|) / 6)^alpha of a log-probability (Wu et al. 2016, eq. 14, without its coverage).

    length is |Y| counted with EOS where there is one. alpha 0 gives 1 (plain probability, which favours short
    hypotheses), larger values favour longer ones.
    """
    return ((5.0 + length) / 6.0) ** alpha


def next_log_probs(logits_RV: Tensor) -> Tensor:
    """Log_probs_RV in float32 whatever the logits' dtype; tokens that are never produced get -inf.

    The normalisation is over the whole vocabulary, so that a hypothesis's log_prob is the model's own. A row whose
    logits hold NaN or +inf becomes NaN in its maximum, where `refuse_nan` finds it without a pass of its own over the
    vocabulary.
    """
    log_probs_RV = torch.log_softmax(logits_RV, dim=-1, dtype=torch.float32)
    for token in NEVER_PRODUCED:
        log_probs_RV[:, token] -= torch.inf  # subtracted, not assigned: NaN stays NaN
    return log_probs_RV


def refuse_nan(found: bool, length: int) -> None:
    """Raise DecodingError if a NaN was found at the target position `length` (counted from 1)."""
    if found:
        raise DecodingError(
            f"the model produces NaN or infinite logits at target position {length}: its weights are broken, or overflow "
            "in this precision. Try an earlier checkpoint, or decode in fp32."
        )


def make_hypothesis(tokens: Sequence[int], token_log_probs: Sequence[float], alpha: float) -> Hypothesis:
    """A Hypothesis from all tokens after BOS, EOS included if there is one, and their log-probabilities.

    Sums are in double precision, so that every search gives the same tokens the same score to the last bit.
    """
    finished = tokens[-1] == EOS
    log_prob = sum(token_log_probs)
    return Hypothesis(
        tokens=list(tokens[:-1] if finished else tokens),
        score=log_prob / length_penalty(len(tokens), alpha),
        log_prob=log_prob,
        token_log_probs=list(token_log_probs),
        finished=finished,
    )


def ranked(hypotheses: Iterable[Hypothesis]) -> list[Hypothesis]:
    """Best first: every finished hypothesis before every unfinished one, then by score; equal ones keep their order."""
    return sorted(hypotheses, key=lambda hypothesis: (not hypothesis.finished, -hypothesis.score))
