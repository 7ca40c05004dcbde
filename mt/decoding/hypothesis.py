"""What every search returns, and the arithmetic all of them share: length penalty, log-probabilities, the best tokens, ranking.

It holds no search; `search.py` is the entry. Dimensions besides those of mt/model/interface.py: C candidates of one row, I groups
that the vocabulary is divided into.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from mt.data.special_ids import BOS, EOS, PAD
from mt.errors import DecodingError

NEVER_PRODUCED = (PAD, BOS)
"""Token ids that no search puts into a hypothesis, however probable the model finds them."""
_GROUP = 128


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


def length_penalty(length: float, alpha: float) -> float:
    """The divisor ((5 + |Y|) / 6)^alpha of a log-probability (Wu et al. 2016, eq. 14, without its coverage).

    length is |Y| counted with EOS where there is one. alpha 0 gives 1 (plain probability, which favours short
    hypotheses), larger values favour longer ones.
    """
    return ((5.0 + length) / 6.0) ** alpha


def next_log_probs(logits_RV: Tensor, of_all: bool = True) -> Tensor:
    """Log_probs_RV in float32 whatever the logits' dtype; tokens that are never produced get -inf.

    of_all: the columns are the whole vocabulary, in its order; of a shortlist they are others, and none is of such a token.

    The normalisation is over the whole vocabulary, so that a hypothesis's log_prob is the model's own. A row whose logits hold NaN or
    +inf has nothing above -inf, or NaN: a search finds it (`no_token`) without a pass of its own over the vocabulary.
    """
    log_probs_RV = torch.log_softmax(logits_RV.float(), dim=-1)
    for token in NEVER_PRODUCED if of_all else ():
        log_probs_RV[:, token] -= torch.inf  # subtracted, not assigned: NaN stays NaN
    return log_probs_RV


def top_k(x_RV: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """torch.topk, faster on a CPU where the vocabulary is large: the best `count` stand in the groups with the `count` best maxima.

    A group is 128 neighbours; the few that are left over at the end are one as well. With 10,000 pieces it takes 0.4 of the time.
    """
    vocabulary = x_RV.shape[1]
    groups, left_over = divmod(vocabulary, _GROUP)
    if x_RV.device.type != "cpu" or groups <= 4 * count:
        return x_RV.topk(count, dim=-1)
    best_RI = x_RV[:, : groups * _GROUP].unflatten(1, (groups, _GROUP)).amax(dim=2)
    if left_over:
        best_RI = F.pad(best_RI, (0, 1))
        best_RI[:, groups] = x_RV[:, groups * _GROUP :].amax(dim=1)
    group_RC = best_RI.topk(count, dim=-1).indices
    token_RC = (group_RC[:, :, None] * _GROUP + torch.arange(_GROUP)).flatten(1)
    if not left_over:
        candidate_RC = x_RV.gather(1, token_RC)
    else:
        beyond_RC = token_RC >= vocabulary
        candidate_RC = x_RV.gather(1, token_RC.masked_fill_(beyond_RC, 0)).masked_fill_(beyond_RC, -torch.inf)
    best_RC, place_RC = candidate_RC.topk(count, dim=-1)
    return best_RC, token_RC.gather(1, place_RC)


def no_token(length: int, has_rules: bool) -> DecodingError:
    """What to raise when no token is possible at the target position `length` (counted from 1).

    The logits hold NaN or infinity; or, has_rules, rules (rules.py) have excluded all.
    """
    if has_rules:
        return DecodingError(
            f"what is asked of the translation leaves no token for target position {length}: ask for less with --no-repeat-ngram "
            "(decoding.no_repeat_ngram), --forbid, --require and --prefix"
        )
    return DecodingError(
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


def rank(hypothesis: Hypothesis) -> tuple[bool, float]:
    """What hypotheses of one sentence are sorted by, best first: every finished one before every unfinished one, then by score."""
    return not hypothesis.finished, -hypothesis.score
