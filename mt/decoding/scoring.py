"""Given translations under a model: what the search would have reported, had it found them (forced decoding).

The whole target is read at once, under teacher forcing, instead of step by step; so it is also a check of the search's cache.
"""

import math
from collections.abc import Callable, Sequence

import torch

from mt.data.batching import MOST_MASKED, pad
from mt.data.special_ids import BOS, EOS
from mt.decoding.hypothesis import Hypothesis, make_hypothesis
from mt.decoding.next_tokens import next_log_probs
from mt.decoding.precision import cause_of_non_finite
from mt.errors import NonFiniteError
from mt.model.interface import TranslationModel


@torch.inference_mode()
def score_ids(
    model: TranslationModel,
    sources: Sequence[Sequence[int]],
    targets: Sequence[Sequence[int]],
    alpha: float,
    max_tokens: int = 2048,
    progress: Callable[[int], None] | None = None,
) -> list[Hypothesis]:
    """Each target as a Hypothesis of its source, in the order given.

    sources and targets: token ids, EOS at the end (a target without it is one that was cut off); neither may be empty. alpha: of the
    length penalty. max_tokens: padded tokens of a batch's longer side. progress: called with the number of pairs just done.
    """
    assert not model.training, "dropout is on: call model.eval() before scoring"
    device = model.output_weight_VD.device
    found: list[Hypothesis | None] = [None] * len(sources)
    longer = [max(len(source), len(target)) for source, target in zip(sources, targets, strict=True)]
    order = sorted(range(len(sources)), key=lambda number: (longer[number], len(targets[number])))
    while order:
        longest = longer[order[-1]]
        size = max(1, min(max_tokens // longest, MOST_MASKED // longest**2))
        batch, order = order[-size:], order[:-size]
        source_BS = pad([sources[number] for number in batch]).to(device)
        inputs = [[BOS, *targets[number][:-1]] for number in batch]
        logits_BTV = model(source_BS, pad(inputs).to(device))
        log_probs_BTV = next_log_probs(logits_BTV.flatten(0, 1)).view(logits_BTV.shape)
        for log_probs_TV, number in zip(log_probs_BTV, batch, strict=True):
            target = targets[number]
            log_probs = log_probs_TV[torch.arange(len(target)), torch.tensor(target, device=device)]
            found[number] = make_hypothesis(target, log_probs.tolist(), alpha)
        if progress is not None:
            progress(len(batch))
    if any(math.isnan(hypothesis.log_prob) for hypothesis in found):
        raise NonFiniteError(f"the model's log-probabilities are not numbers: {cause_of_non_finite(model, 'fp32')}")
    return found


def scoring_mb(source: int, target: int, vocabulary: int, width: int) -> float:
    """About how much memory scoring a single pair takes, in MB: logits, the decoder's mask, some scores of attention, layers' outputs.

    source, target: lengths in tokens; width: of the widest layer.
    """
    logits, mask, scores, outputs = 12 * target * vocabulary, 6 * target**2, 12 * (1 << 26), 32 * (source + target) * width
    return (logits + mask + scores * (max(source, target) > 2048) + outputs) / 1e6


def all_tokens(hypothesis: Hypothesis) -> list[int]:
    """A hypothesis's tokens with EOS, where it has ended: what can be scored or looked at as a target."""
    return [*hypothesis.tokens, *([EOS] if hypothesis.finished else [])]
