"""What every search returns, and the rules all of them share: length limit, length penalty, ranking. Nothing heavy is imported here."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mt.config import DecodingConfig
from mt.data.special_ids import BOS, EOS, PAD
from mt.errors import DecodingError, NonFiniteError

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


def length_limit(num_source_tokens: int, options: DecodingConfig) -> int:
    """The most tokens, EOS included, of a hypothesis for a source of that many tokens, EOS not counted; at least 1."""
    return max(1, math.floor(options.max_length_ratio * num_source_tokens + options.max_length_extra))


def length_penalty(length: float, alpha: float) -> float:
    """The divisor ((5 + |Y|) / 6)^alpha of a log-probability (Wu et al. 2016, eq. 14, without its coverage).

    length is |Y| counted with EOS where there is one. alpha 0 gives 1 (plain probability, which favours short
    hypotheses), larger values favour longer ones.
    """
    return ((5.0 + length) / 6.0) ** alpha


def no_token(length: int, has_rules: bool) -> DecodingError:
    """What to raise when no token is possible at the target position `length` (counted from 1).

    The logits hold NaN or infinity; or, has_rules, rules (rules.py) have excluded all.
    """
    if has_rules:
        return DecodingError(
            f"what is asked of the translation leaves no token for target position {length}: ask for less with --no-repeat-ngram "
            "(decoding.no_repeat_ngram), --forbid, --require and --prefix"
        )
    return NonFiniteError(f"the model produces NaN or infinite logits at target position {length}")


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


def rank(hypothesis: Hypothesis) -> tuple[bool, float]:
    """What hypotheses of one sentence are sorted by, best first: every finished one before every unfinished one, then by score."""
    return not hypothesis.finished, -hypothesis.score
