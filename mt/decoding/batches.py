"""Translating many sentences of token ids: the longest first, results in the order asked, all cores used.

Text and tokenizer are not its matter; see mt/translator.py.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from queue import SimpleQueue

import torch

from mt.data.special_ids import EOS
from mt.decoding.hypothesis import Hypothesis
from mt.decoding.method import Sentence
from mt.decoding.search import METHODS, SearchOptions, Waiting, check_options, decode, rows_per_sentence
from mt.model.interface import TranslationModel

_WIDE = 512
"""From this d_model on the steps of a single sentence are shared among threads; a narrower model is slower with two than with one."""


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
    batch nor the number of threads changes a result. Raises DecodingError as `search` does.
    """
    assert not model.training, "dropout is on: call model.eval() before searching"
    check_options(options)
    results: list[list[Hypothesis]] = [[empty_hypothesis()] for _ in sources]
    sentences = [
        Sentence(number, list(source), length_limit(len(source) - 1, options))
        for number, source in enumerate(sources)
        if list(source) not in ([], [EOS])
    ]
    if progress is not None and len(sentences) < len(sources):
        progress(len(sources) - len(sentences))
    for number, hypotheses in _decode_all(model, sentences, options):
        results[number] = hypotheses
        if progress is not None:
            progress(1)
    return results


def _decode_all(
    model: TranslationModel, sentences: Sequence[Sentence], options: SearchOptions
) -> Iterator[tuple[int, list[Hypothesis]]]:
    """Each sentence's number and hypotheses, as they become known.

    On a CPU several searches, each with one thread, take from the same waiting sentences: the many small products of a step leave
    little to be divided among threads, and nobody has to wait for anybody.
    """
    device = model.output_weight_VD.device
    threads = min(torch.get_num_threads(), len(sentences)) if device.type == "cpu" else 1
    longest_first = sorted(sentences, key=lambda sentence: -len(sentence.source))
    waiting = Waiting(longest_first, options.max_tokens // rows_per_sentence(options), at_most=-(-len(sentences) // max(1, threads)))
    method = METHODS[options.method]
    if threads <= 1:
        small = device.type == "cpu" and model.output_weight_VD.shape[1] < _WIDE
        with _one_thread_each() if small else nullcontext():
            yield from decode(model, waiting, method(options, device))
        return
    found: SimpleQueue[tuple[int, list[Hypothesis]] | None] = SimpleQueue()
    autocast = torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")

    def work() -> None:
        """One search. Autocast belongs to a thread."""
        try:
            with torch.autocast("cpu", enabled=autocast[0], dtype=autocast[1]):
                for result in decode(model, waiting, method(options, device)):
                    found.put(result)
        except BaseException:
            waiting.stop()  # or the others would translate all the rest before the failure is told
            raise
        finally:
            found.put(None)

    with _one_thread_each(), ThreadPoolExecutor(threads, thread_name_prefix="search") as pool:
        workers = [pool.submit(work) for _ in range(threads)]
        try:
            for _ in workers:
                yield from iter(found.get, None)
        finally:
            waiting.stop()
        for worker in workers:
            worker.result()


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """This thread, and those that begin inside, calculate with one thread each."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def length_limit(num_source_tokens: int, options: SearchOptions) -> int:
    """The most tokens, EOS included, of a hypothesis for a source of that many tokens, EOS not counted; at least 1."""
    return max(1, math.floor(options.max_length_ratio * num_source_tokens + options.max_length_extra))


def empty_hypothesis() -> Hypothesis:
    """The translation of nothing: nothing, for certain."""
    return Hypothesis(tokens=[], score=0.0, log_prob=0.0, token_log_probs=[], finished=True)
