"""Translating many sentences of token ids: the longest first, results in the order asked, all cores used.

Text and tokenizer are not its matter; see mt/translator.py.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from contextvars import copy_context
from queue import SimpleQueue

import torch

from mt.data.batching import pad
from mt.data.special_ids import EOS
from mt.decoding.constraints import NONE, Constraints
from mt.decoding.cross_attention import rerank
from mt.decoding.hypothesis import Hypothesis, length_limit
from mt.decoding.method import Method, Sentence
from mt.decoding.precision import calculating, cause_of_non_finite
from mt.decoding.processes import Found, SharedCounter, can_fork, search_in_forks
from mt.decoding.rules import rules_for
from mt.decoding.search import SearchOptions, Waiting, check_constraints, check_options, decode, make_method, rows_per_sentence
from mt.decoding.shortlist import Shortlist
from mt.errors import DecodingError, NonFiniteError
from mt.model.interface import TranslationModel

_WIDE = 512
"""From this d_model on the steps of a single sentence are shared among threads; a narrower model is slower with two than with one."""
_CPU_ROWS = 256
"""Decoder rows that a search on a CPU has in flight at most: more are no faster, and take the more memory the shorter the sentences."""
_FORKED = 32
"""From so many sentences for each search on, searches run in processes."""


def translate_ids(
    model: TranslationModel,
    sources: Sequence[Sequence[int]],
    options: SearchOptions,
    progress: Callable[[int], None] | None = None,
    constraints: Sequence[Constraints] | None = None,
    shortlist: Shortlist | None = None,
) -> list[list[Hypothesis]]:
    """The hypotheses of each source sentence, best first, in the order of `sources`.

    sources: token ids as Tokenizer.encode_source gives them, EOS at the end. A source of EOS alone (or of nothing)
    gets one finished hypothesis without tokens, and the model is not asked. progress: called with the number of
    sentences just done. constraints: what each translation must begin with, must not contain, and must contain; the length
    limit is raised by the tokens that this takes. shortlist: look at a sentence's likely pieces only, whatever
    options.shortlist says. Longest sentences go first: if memory is short, that shows at once. Neither the order nor the batch nor the
    number of threads changes a result (with a shortlist: but for rounding). Raises DecodingError as `search` does.
    """
    assert not model.training, "dropout is on: call model.eval() before searching"
    check_options(options)
    results: list[list[Hypothesis]] = [[empty_hypothesis()] for _ in sources]
    constraints = constraints or [NONE] * len(sources)
    check_constraints(constraints, options, len(model.output_weight_VD))
    sentences = [
        Sentence(number, list(source), length_limit(len(source) - 1, options) + own.room, constraints=own)
        for number, (source, own) in enumerate(zip(sources, constraints, strict=True))
        if list(source) not in ([], [EOS])
    ]
    if shortlist is not None and rules_for(options, sentences, 1, model.output_weight_VD.device) is not None:
        raise DecodingError(
            "decoding.shortlist looks at likely pieces only, and cannot be combined with what rules out or requires others "
            "(decoding.no_repeat_ngram, --prefix, --forbid, --require): turn one of them off"
        )
    if progress is not None and len(sentences) < len(sources):
        progress(len(sources) - len(sentences))
    try:
        with calculating(model, options.precision):
            for number, hypotheses in _decode_all(model, sentences, options, shortlist):
                results[number] = hypotheses
                if progress is not None:
                    progress(1)
    except NonFiniteError as error:
        raise NonFiniteError(f"{error}: {cause_of_non_finite(model, options.precision)}") from None
    return results


def _decode_all(
    model: TranslationModel, sentences: Sequence[Sentence], options: SearchOptions, shortlist: Shortlist | None
) -> Iterator[Found]:
    """Each sentence's number and hypotheses, as they become known.

    On a CPU several searches, each with one thread, take from the same waiting sentences: the many small products of a step leave
    little to be divided among threads, and nobody has to wait for anybody. Many sentences are searched in processes (processes.py).
    """
    device = model.output_weight_VD.device
    searches = min(torch.get_num_threads(), len(sentences)) if device.type == "cpu" else 1
    forks = len(sentences) >= _FORKED * searches and can_fork()
    rows, share = rows_per_sentence(options), -(-len(sentences) // max(1, searches))
    waiting = Waiting(
        sorted(sentences, key=lambda sentence: -len(sentence.source)),
        options.max_tokens // rows,
        at_most=min(share, max(1, _CPU_ROWS // rows)) if device.type == "cpu" else share,
        taken=SharedCounter() if forks and searches > 1 else None,
    )
    search_options = options.model_copy(update={"nbest": options.beam_size}) if _reranks(options) else options

    def found() -> Iterator[Found]:
        """What one search finds."""
        return _searched(model, waiting, make_method(model, search_options, sentences), options, shortlist)

    if searches <= 1:
        small = device.type == "cpu" and model.output_weight_VD.shape[1] < _WIDE
        with _one_thread_each() if small else nullcontext():
            yield from found()
        return
    with _one_thread_each():
        if forks:
            _prepare(model)
            yield from search_in_forks([found] * searches)
        else:
            yield from _search_in_threads([found] * searches, waiting)


@torch.inference_mode()
def _prepare(model: TranslationModel) -> None:
    """What a model makes of its weights when the first translation begins is made now, once, and not in every process."""
    model.start(model.encode(pad([[EOS]], model.source_length)), 1)


def _search_in_threads(
    searches: Sequence[Callable[[], Iterable[Found]]], waiting: Waiting
) -> Iterator[Found]:
    """Run every search in a thread of its own; what they find, as it comes."""
    found: SimpleQueue[Found | None] = SimpleQueue()
    autocast = torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")

    def work(search: Callable[[], Iterable[Found]]) -> None:
        """One search. Autocast belongs to a thread."""
        try:
            with torch.autocast("cpu", enabled=autocast[0], dtype=autocast[1]):
                for result in search():
                    found.put(result)
        except BaseException:
            waiting.stop()  # or the others would translate all the rest before the failure is told
            raise
        finally:
            found.put(None)

    with ThreadPoolExecutor(len(searches), thread_name_prefix="search") as pool:
        workers = [pool.submit(copy_context().run, work, search) for search in searches]  # the precision belongs to the context
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


def _searched(
    model: TranslationModel, waiting: Waiting, method: Method, options: SearchOptions, shortlist: Shortlist | None
) -> Iterator[Found]:
    """What one search finds. With a coverage penalty that is the whole beam's, ranked anew, and of those the n best."""
    for sentence, hypotheses in decode(model, waiting, method, shortlist):
        if _reranks(options):
            with _one_thread_each():  # with several the last bits would be others
                hypotheses = rerank(model, sentence.source, hypotheses, options.coverage_penalty)[: options.nbest]
        yield sentence.number, hypotheses


def _reranks(options: SearchOptions) -> bool:
    """Whether what the beam finds is ranked anew by coverage."""
    return options.method == "beam" and options.coverage_penalty > 0


def empty_hypothesis() -> Hypothesis:
    """The translation of nothing: nothing, for certain."""
    return Hypothesis(tokens=[], score=0.0, log_prob=0.0, token_log_probs=[], finished=True)
