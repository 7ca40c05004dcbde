"""The entry to decoding: one padded batch of source sentences in, hypotheses out, by the method the options name.

For many sentences of any length see `batches.py`. No search knows what model it has: it calls encode, start, step and
reorder.
"""

import torch
from torch import Tensor

from mt.config import DecodingConfig
from mt.decoding.beam import beam_search
from mt.decoding.greedy import greedy_search
from mt.decoding.hypothesis import Hypothesis
from mt.decoding.sampling import sample
from mt.errors import DecodingError
from mt.model.interface import TranslationModel

SearchOptions = DecodingConfig
"""What a search is told; the configuration's `decoding` section as it is."""

METHODS = {"beam": beam_search, "greedy": greedy_search, "sampling": sample}
"""The function behind each name of options.method."""


@torch.inference_mode()
def search(model: TranslationModel, source_BS: Tensor, options: SearchOptions, max_length_B: Tensor) -> list[list[Hypothesis]]:
    """For each source sentence its hypotheses, best first.

    source_BS: token ids, each row ended by EOS and filled with PAD, on the model's device. max_length_B: for each
    sentence the most target tokens, EOS included, at least 1; on any device. The model must be in eval mode. Raises
    DecodingError for options that no search can satisfy and for a model whose logits are not finite.
    """
    assert not model.training, "dropout is on: call model.eval() before searching"
    assert len(source_BS) == len(max_length_B)
    check_options(options)
    return METHODS[options.method](model, source_BS, options, max_length_B)


def rows_per_sentence(options: SearchOptions) -> int:
    """How many decoder rows (W) a sentence takes: the beam, the samples, or 1."""
    return {"beam": options.beam_size, "greedy": 1, "sampling": options.nbest}[options.method]


def check_options(options: SearchOptions) -> None:
    """Raise DecodingError, naming the key and the value, for options that cannot be satisfied.

    DecodingConfig refuses the same when it is read from a file; `model_copy(update=...)`, the way to change one option
    for one call, does not look.
    """
    sampling, beam = options.method == "sampling", options.method == "beam"
    problems = (
        (options.method not in METHODS, "method", f"must be one of {', '.join(METHODS)}"),
        (options.nbest < 1, "nbest", "must be at least 1"),
        (options.method == "greedy" and options.nbest > 1, "nbest", "must be 1 with method greedy; use beam"),
        (beam and options.beam_size < 1, "beam_size", "must be at least 1"),
        (beam and options.nbest > options.beam_size, "nbest", f"must be at most beam_size, {options.beam_size}"),
        (sampling and not options.temperature > 0, "temperature", "must be above 0; for none at all use method greedy"),
        (sampling and options.top_k < 0, "top_k", "must be at least 0 (0: from all tokens)"),
        (sampling and not 0 < options.top_p <= 1, "top_p", "must be above 0 and at most 1 (1: from all tokens)"),
    )
    for wrong, key, requirement in problems:
        if wrong:
            raise DecodingError(f"decoding.{key} is {getattr(options, key)!r}; it {requirement}.")
