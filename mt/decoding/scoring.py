"""Given translations under a model: what the search would have reported, had it found them (forced decoding).

The whole target is read at once, under teacher forcing, instead of step by step; so it is also a check of the search's cache.
"""

from collections.abc import Callable, Sequence

import torch

from mt.data.batching import pad
from mt.data.special_ids import BOS, EOS
from mt.decoding.hypothesis import Hypothesis, make_hypothesis
from mt.decoding.next_tokens import next_log_probs
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
    length penalty. max_tokens: padded target tokens in one batch. progress: called with the number of pairs just done.
    """
    assert not model.training, "dropout is on: call model.eval() before scoring"
    device = model.output_weight_VD.device
    found: list[Hypothesis | None] = [None] * len(sources)
    order = sorted(range(len(sources)), key=lambda number: (len(targets[number]), len(sources[number])))
    while order:
        size = max(1, max_tokens // len(targets[order[-1]]))
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
    return found


def all_tokens(hypothesis: Hypothesis) -> list[int]:
    """A hypothesis's tokens with EOS, where it has ended: what can be scored or looked at as a target."""
    return [*hypothesis.tokens, *([EOS] if hypothesis.finished else [])]
