"""Greedy search: the most probable token at every step. Beam search with a beam of one must equal it."""

import torch
from torch import Tensor

from mt.config import DecodingConfig
from mt.data.special_ids import BOS, EOS
from mt.decoding.hypothesis import Hypothesis, make_hypothesis, next_log_probs, refuse_nan
from mt.model.interface import TranslationModel


def greedy_search(
    model: TranslationModel, source_BS: Tensor, options: DecodingConfig, max_length_B: Tensor
) -> list[list[Hypothesis]]:
    """One hypothesis for each source sentence, in a list of its own.

    max_length_B: the most tokens, EOS included, of each sentence's hypothesis. Of `options` only length_penalty is
    read, for the score. Sentences that have ended leave the batch. Raises DecodingError when the model's logits are
    not finite.
    """
    limits = max_length_B.tolist()
    tokens: list[list[int]] = [[] for _ in limits]
    token_log_probs: list[list[float]] = [[] for _ in limits]
    active = list(range(len(limits)))  # the sentence that each row belongs to
    state = model.start(model.encode(source_BS), beam_size=1)
    token_R = source_BS.new_full((len(active),), BOS)
    length = 0
    while active:
        length += 1
        log_prob_R, token_R = next_log_probs(model.step(token_R, state)).max(dim=-1)
        chosen, log_probs = token_R.tolist(), log_prob_R.tolist()
        refuse_nan(any(log_prob != log_prob for log_prob in log_probs), length)
        for sentence, token, log_prob in zip(active, chosen, log_probs, strict=True):
            tokens[sentence].append(token)
            token_log_probs[sentence].append(log_prob)
        staying = [row for row, sentence in enumerate(active) if chosen[row] != EOS and length < limits[sentence]]
        if len(staying) < len(active) and staying:
            rows_R = torch.tensor(staying, device=token_R.device)
            state.reorder(rows_R, sentences_B=rows_R)
            token_R = token_R[rows_R]
        active = [active[row] for row in staying]
    return [[make_hypothesis(*found, options.length_penalty)] for found in zip(tokens, token_log_probs, strict=True)]
