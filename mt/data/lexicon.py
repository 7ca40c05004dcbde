"""Which target pieces each source piece is translated by, learnt from pairs: IBM Model 1 (Brown et al. 1993, section 4.2).

Dimensions: L links, one for each source position of a pair with each target position of it; J target positions of all pairs; C different
pairs of a source and a target piece; V source pieces; N target pieces that are kept for each.
"""

from collections.abc import Sequence

import numpy

_ROUNDS = 5
_MOST_LINKS = 20_000_000
"""Of larger corpora pairs are taken evenly, until there are about so many; 7 million took 4 seconds."""


def lexicon(
    sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]], source_size: int, target_size: int, best: int
) -> numpy.ndarray:
    """piece_VN: for each source piece its `best` (N) most probable target pieces, the most probable first; -1 where there are fewer.

    sources, targets: token ids of pairs. source_size, target_size: of the vocabularies. The empty word of the model is left out: what it
    would write are frequent pieces.
    """
    best = min(best, target_size)
    links = sum(len(source) * len(target) for source, target in zip(sources, targets, strict=True))
    every = max(1, -(-links // _MOST_LINKS))
    pair_L, position_L = _links(sources[::every], targets[::every], target_size)
    pair_C, pair_L = numpy.unique(pair_L, return_inverse=True)
    source_C, target_C = numpy.divmod(pair_C, target_size)
    prob_C = numpy.ones(len(pair_C))
    for _ in range(_ROUNDS):
        total_J = numpy.bincount(position_L, weights=prob_C[pair_L])
        count_C = numpy.bincount(pair_L, weights=prob_C[pair_L] / total_J[position_L])
        prob_C = count_C / numpy.bincount(source_C, weights=count_C)[source_C]
    order_C = numpy.lexsort((target_C, -prob_C, source_C))
    source_C, target_C = source_C[order_C], target_C[order_C]
    rank_C = numpy.arange(len(source_C)) - numpy.searchsorted(source_C, source_C)
    piece_VN = numpy.full((source_size, best), -1, dtype=numpy.int32)
    kept_C = rank_C < best
    piece_VN[source_C[kept_C], rank_C[kept_C]] = target_C[kept_C]
    return piece_VN


def _links(
    sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]], target_size: int
) -> tuple[numpy.ndarray, numpy.ndarray]:
    """For each link the number of its pair of pieces, source · target_size + target, and its target position among all."""
    pairs, positions, before = [], [], 0
    for source, target in zip(sources, targets, strict=True):
        source_I, target_I = numpy.asarray(source, dtype=numpy.int64), numpy.asarray(target, dtype=numpy.int64)
        pairs.append((source_I[:, None] * target_size + target_I).ravel())
        positions.append(numpy.tile(numpy.arange(before, before + len(target_I)), len(source_I)))
        before += len(target_I)
    nothing = [numpy.zeros(0, dtype=numpy.int64)]
    return numpy.concatenate(pairs or nothing), numpy.concatenate(positions or nothing)
