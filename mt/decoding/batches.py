"""Translating many sentences of token ids: batches of similar length, results in the order asked.

Text and tokenizer are not its matter; see mt/translator.py.
"""

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from mt.data.special_ids import EOS, PAD
from mt.decoding.search import Hypothesis, SearchOptions, check_options, rows_per_sentence, search
from mt.model.interface import TranslationModel


def translate_ids(
    model: TranslationModel,
    sources: Sequence[Sequence[int]],
    options: SearchOptions,
    progress: Callable[[int], None] | None = None,
) -> list[list[Hypothesis]]:
    """The hypotheses of each source sentence, best first, in the order of `sources`.

    sources: token ids as Tokenizer.encode_source gives them, EOS at the end. A source of EOS alone (or of nothing)
    gets one finished hypothesis without tokens, and the model is not asked. progress: called with the number of
    sentences just done. Longest sentences go first: if memory is short, that shows at once. Neither the order nor the
    batch changes a result, beyond float rounding in the model. Raises DecodingError as `search` does.
    """
    check_options(options)
    results: list[list[Hypothesis]] = [[empty_hypothesis()] for _ in sources]
    device = model.output_weight_VD.device
    numbers = [number for number, source in enumerate(sources) if list(source) not in ([], [EOS])]
    if progress is not None and len(numbers) < len(sources):
        progress(len(sources) - len(numbers))
    lengths = [len(source) for source in sources]
    for batch in length_batches(numbers, lengths, options.max_tokens // rows_per_sentence(options)):
        source_BS = pad_sources([sources[number] for number in batch]).to(device)
        max_length_B = torch.tensor([length_limit(lengths[number] - 1, options) for number in batch])
        for number, hypotheses in zip(batch, search(model, source_BS, options, max_length_B), strict=True):
            results[number] = hypotheses
        if progress is not None:
            progress(len(batch))
    return results


def length_limit(num_source_tokens: int, options: SearchOptions) -> int:
    """The most tokens, EOS included, of a hypothesis for a source of that many tokens, EOS not counted; at least 1."""
    return max(1, math.floor(options.max_length_ratio * num_source_tokens + options.max_length_extra))


def length_batches(numbers: Sequence[int], lengths: Sequence[int], max_tokens: int) -> Iterator[list[int]]:
    """Sentence numbers, longest first, in batches of at most max_tokens padded tokens; a longer one goes alone."""
    batch: list[int] = []
    for number in sorted(numbers, key=lambda number: -lengths[number]):
        if batch and (len(batch) + 1) * lengths[batch[0]] > max_tokens:
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch


def pad_sources(sources: Sequence[Sequence[int]]) -> Tensor:
    """Source_BS, long: each row its tokens, filled with PAD up to the longest."""
    assert all(source[-1] == EOS for source in sources), "a source ends with EOS, as Tokenizer.encode_source makes it"
    longest = max(len(source) for source in sources)
    return torch.tensor([[*source, *[PAD] * (longest - len(source))] for source in sources])


def empty_hypothesis() -> Hypothesis:
    """The translation of nothing: nothing, for certain."""
    return Hypothesis(tokens=[], score=0.0, log_prob=0.0, token_log_probs=[], finished=True)
