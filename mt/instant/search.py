"""Beam search for one sentence, in numpy, that knows when it cannot be sure.

The rule is that of mt/decoding/beam.py, and its book-keeping too. Rounding differs between numpy and torch, so two hypotheses whose
log-probabilities are closer than MARGIN might change places there: then UncertainError is raised, and torch translates. So what is
returned is what torch would have found. That MARGIN is wide enough for a model is measured (check.py).

Dimensions: those of transformer.py, W hypotheses of the beam, N columns that are looked at, C their tokens.
"""

from typing import NamedTuple

import numpy
from numpy import ndarray

from mt.config import DecodingConfig
from mt.data.special_ids import BOS, EOS
from mt.decoding.hypothesis import NEVER_PRODUCED, Hypothesis, length_penalty
from mt.decoding.one_beam import Beam
from mt.instant.layers import BLOCK
from mt.instant.transformer import Transformer

MARGIN = 5e-4
"""Log-probabilities that are closer are not told apart; totals of long hypotheses must differ by more (`margin`)."""
_HALF_ULP = 2.0**-24
"""Half the distance from a number in fp32 to the next, relative to it."""
_LARGEST_NORM = 80.0
"""Beyond this, the logarithm of a row's summed exponentials is not exact: exp overflows at 88 and loses digits below -87."""


class UncertainError(Exception):
    """Rounding might decide here, or the model is broken."""


@numpy.errstate(all="ignore")  # what is not finite is found
def search(model: Transformer, source: list[int], options: DecodingConfig, limit: int) -> Hypothesis:
    """The best translation of a source sentence, EOS at its end. UncertainError where torch might find another one."""
    width = 1 if options.method == "greedy" else options.beam_size
    beam = Beam(limit, options.model_copy(update={"nbest": 1, "beam_size": width}))
    state = model.start(source)
    tokens, parents = [BOS], [0]
    ended: list[float] = []
    while not beam.done:
        total_R = numpy.array([total for total, _ in beam.live], numpy.float32)
        found = best_extensions(model.step(tokens, parents, state), total_R, width, len(beam.tokens) + 1)
        places = [place for _, place in beam.live]
        beam.extend(found.token, found.total, found.own, [places[row] for row in found.row])
        ended += _certain_scores(ended, found, len(beam.tokens), limit, options.length_penalty)
        tokens = [found.token[place] for _, place in beam.live]
        parents = [found.row[place] for _, place in beam.live]
    [(hypothesis, _, _)] = beam.best()
    if not hypothesis.finished:
        raise UncertainError
    return hypothesis


class Extensions(NamedTuple):
    """The W best ways to go on, best first."""

    row: list[int]
    token: list[int]
    total: list[float]
    """Log-probability of the whole."""
    own: list[float]
    """Log-probability of the token after its row."""


def margin(total: float, length: int) -> float:
    """How far apart two totals must be. Each of the additions that a total is made of may be off by half a unit in the last place."""
    return MARGIN + length * _HALF_ULP * abs(total)


def best_extensions(logits_IRG: ndarray, total_R: ndarray, width: int, length: int = 1) -> Extensions:
    """The W best. UncertainError where one more is too close to them, where there are not so many, and for a model that is broken.

    length: of the hypotheses with the new token. The W best and the next one are in the columns, one through all blocks, with the W + 1
    best maxima: only these are looked at twice. Logits are small numbers: where exp loses digits nothing is certain.
    """
    sum_R = numpy.add.reduce(numpy.add.reduce(numpy.exp(logits_IRG), axis=0), axis=1)
    norm_R = numpy.log(sum_R)
    if not (numpy.abs(norm_R) < _LARGEST_NORM).all():  # NaN is not below it either
        raise UncertainError
    logits_IRG[0, :, NEVER_PRODUCED] = -numpy.inf
    shift_R = total_R - norm_R
    best_RG = numpy.maximum.reduce(logits_IRG, axis=0) + shift_R[:, None]
    columns = min(width + 1, best_RG.size)
    row_N, column_N = numpy.divmod(numpy.argpartition(best_RG.ravel(), -columns)[-columns:], BLOCK)
    logits_IN = logits_IRG[:, row_N, column_N]
    total_C = (logits_IN + shift_R[row_N]).ravel()
    if total_C.size <= width:
        raise UncertainError
    best = numpy.argpartition(total_C, -width - 1)[-width - 1 :]
    *order, following = best[numpy.argsort(-total_C[best])].tolist()
    if not total_C[order[-1]] - total_C[following] > margin(float(total_C[order[-1]]), length):
        raise UncertainError
    block_W, place_W = numpy.divmod(order, columns)
    row_W = row_N[place_W]
    found = row_W, block_W * BLOCK + column_N[place_W], total_C[order], logits_IN.ravel()[order] - norm_R[row_W]
    return Extensions(*(each.tolist() for each in found))


def _certain_scores(ended: list[float], found: Extensions, length: int, limit: int, alpha: float) -> list[float]:
    """The scores of those that end now, with that many tokens. ended: of those that have ended before.

    UncertainError where the two best scores, or the best one and what one that goes on may still reach, are too close.
    """
    largest = limit if alpha >= 0 else length + 1
    now = [total / length_penalty(length, alpha) for token, total in zip(found.token, found.total, strict=True) if token == EOS]
    hopes = [total / length_penalty(largest, alpha) for token, total in zip(found.token, found.total, strict=True) if token != EOS]
    if ended or now:
        best, *others = sorted((*ended, *now), reverse=True)
        least = margin(min(found.total), length)
        if any(not abs(best - other) > least for other in (*others[:1], *hopes)):
            raise UncertainError
    return now
