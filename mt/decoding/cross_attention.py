"""Where the decoder looks in the source while it writes a given translation, and what that says of the translation: its coverage.

The weights are those of one pass under teacher forcing; a search never holds them.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from mt.data.batching import pad
from mt.data.special_ids import BOS
from mt.decoding.hypothesis import Hypothesis
from mt.decoding.scoring import all_tokens
from mt.model.interface import TranslationModel

_LEAST = 1e-30
"""What a source token is taken to have got at least, so that its logarithm is finite."""


@torch.inference_mode()
def cross_attention_weights(
    model: TranslationModel,
    sources: Sequence[Sequence[int]],
    targets: Sequence[Sequence[int]],
    layer: int = -1,
    max_tokens: int = 2048,
    progress: Callable[[int], None] | None = None,
) -> list[Tensor]:
    """weights_TS of each pair, in the order given, in float32 on the CPU: for each target token how much each source token was looked at.

    It is the cross-attention of one decoder layer, the mean of its heads; each row adds up to 1. Row t is the look that the decoder took
    to write target token t. sources and targets: token ids, EOS at the end (of a target only if it has ended); neither may be empty, and
    padding is cut off. layer: as a list is indexed, -1 the last; a recurrent model with attention has one. max_tokens: padded target
    tokens in one batch. progress: called with the number of pairs just done. Raises DecodingError for a model without cross-attention
    and for a layer that does not exist.
    """
    assert not model.training, "dropout is on: call model.eval() before looking"
    device = model.output_weight_VD.device
    found: list[Tensor | None] = [None] * len(sources)
    order = sorted(range(len(sources)), key=lambda number: (len(targets[number]), len(sources[number])))
    while order:
        size = max(1, max_tokens // len(targets[order[-1]]))
        batch, order = order[-size:], order[:-size]
        source_BS = pad([sources[number] for number in batch]).to(device)
        input_BT = pad([[BOS, *targets[number][:-1]] for number in batch]).to(device)
        weights_BTS = model.cross_attention(source_BS, input_BT, layer).float().cpu()
        for weights_TS, number in zip(weights_BTS, batch, strict=True):
            found[number] = weights_TS[: len(targets[number]), : len(sources[number])].clone()
        if progress is not None:
            progress(len(batch))
    return found


def coverage(weights_TS: Tensor) -> float:
    """Σ_i log min(Σ_j p_ij, 1) over source tokens i and target tokens j (Wu et al. 2016, equation 14, without its β).

    0 when every source token, EOS included, was looked at with a total weight of 1 or more; the less it is the more was passed over.
    """
    looks_S = weights_TS.double().sum(dim=0).clamp(_LEAST, 1.0)
    return math.fsum(looks_S.log().tolist())


def rerank(model: TranslationModel, source: Sequence[int], hypotheses: Sequence[Hypothesis], beta: float) -> list[Hypothesis]:
    """The hypotheses of one source with β times their coverage added to the scores of those that have ended, best first.

    Those that have not ended follow as they are. One sentence at a time, so that nothing depends on the company.
    """
    ended = [hypothesis for hypothesis in hypotheses if hypothesis.finished]
    targets = [all_tokens(hypothesis) for hypothesis in ended]
    weights = cross_attention_weights(model, [source] * len(ended), targets, max_tokens=len(targets) * max(map(len, targets), default=0))
    scored = [replace(each, score=each.score + beta * coverage(weights_TS)) for each, weights_TS in zip(ended, weights, strict=True)]
    return sorted(scored, key=lambda each: -each.score) + [hypothesis for hypothesis in hypotheses if not hypothesis.finished]
