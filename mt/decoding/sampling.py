"""Sampling from the model: temperature, top-k and nucleus (top-p).

What is drawn for a sentence depends only on the seed, on its own source tokens and on the model, never on the
sentences that happen to share its batch: each sample has its own stream of uniform numbers, and a token is the inverse
of the cumulative distribution at the next of them.

Dimensions besides those of mt/model/interface.py: C candidates that a token is drawn from (the vocabulary, or the top k).
"""

import random

import torch
from torch import Tensor

from mt.config import DecodingConfig
from mt.data.special_ids import BOS, EOS, PAD
from mt.decoding.hypothesis import Hypothesis, make_hypothesis, next_log_probs, ranked, refuse_nan
from mt.model.interface import TranslationModel

UNIFORM_BITS = 23
"""Random bits of a uniform number. With 23, its product with a float32 total is always less than the total."""


def sample(model: TranslationModel, source_BS: Tensor, options: DecodingConfig, max_length_B: Tensor) -> list[list[Hypothesis]]:
    """options.nbest independent samples for each source sentence, ranked; equal ones are not merged.

    max_length_B: the most tokens, EOS included, of each sentence's samples. Log-probabilities and scores are the
    model's own, before temperature, top-k and top-p. Raises DecodingError when the model's logits are not finite.
    """
    num_samples = options.nbest
    limits = [limit for limit in max_length_B.tolist() for _ in range(num_samples)]
    streams = [stream for source in source_BS.tolist() for stream in _streams(options.seed, source, num_samples)]
    tokens: list[list[int]] = [[] for _ in limits]
    token_log_probs: list[list[float]] = [[] for _ in limits]
    active = list(range(len(limits)))  # the sample that each row belongs to
    running = set(active)  # samples that have not ended; a sentence leaves the batch when none of its own are left
    state = model.start(model.encode(source_BS), num_samples)
    token_R = source_BS.new_full((len(active),), BOS)
    length = 0
    while active:
        length += 1
        log_probs_RV = next_log_probs(model.step(token_R, state))
        uniform = [streams[row].getrandbits(UNIFORM_BITS) / 2**UNIFORM_BITS for row in active]
        token_R = draw(log_probs_RV, torch.tensor(uniform, device=token_R.device), options)
        drawn, log_probs = token_R.tolist(), log_probs_RV.gather(1, token_R[:, None])[:, 0].tolist()
        refuse_nan(any(log_prob != log_prob for log_prob in log_probs), length)
        for row, token, log_prob in zip(active, drawn, log_probs, strict=True):
            if row in running:
                tokens[row].append(token)
                token_log_probs[row].append(log_prob)
                if token == EOS or length == limits[row]:
                    running.remove(row)
        firsts = range(0, len(active), num_samples)
        staying = [at for at, first in enumerate(firsts) if not running.isdisjoint(active[first : first + num_samples])]
        rows = [firsts[at] + sample_number for at in staying for sample_number in range(num_samples)]
        if len(rows) < len(active) and rows:
            rows_R = torch.tensor(rows, device=token_R.device)
            state.reorder(rows_R, sentences_B=torch.tensor(staying, device=token_R.device))
            token_R = token_R[rows_R]
        active = [active[row] for row in rows]
    samples = [make_hypothesis(*found, options.length_penalty) for found in zip(tokens, token_log_probs, strict=True)]
    return [ranked(samples[first : first + num_samples]) for first in range(0, len(samples), num_samples)]


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


def _streams(seed: int, source: list[int], num_samples: int) -> list[random.Random]:
    """A stream of random bits for each sample of one sentence: Python's, the same on every device and release."""
    source_tokens = [token for token in source if token != PAD]
    return [random.Random(f"{seed} {number} {source_tokens}") for number in range(num_samples)]
