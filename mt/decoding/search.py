"""The entry to decoding: source sentences in, hypotheses out, by the method the options name.

The sentences in flight are decoded together. One that is done leaves at once and a waiting one takes its place, so that the batch stays
full to the end (continuous batching, as Orca does for language models: Yu et al. 2022). Sentences in flight need not stand at the same
target position; the model's state knows where each one stands.

For many sentences of any length see `batches.py`. No search knows what model it has: it calls encode, start, step, and the state's
reorder and put.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mt.config import DecodingConfig
from mt.data.batching import pad
from mt.data.special_ids import EOS, PAD
from mt.decoding.beam import BeamSearch
from mt.decoding.constraints import NONE, Constraints
from mt.decoding.greedy import GreedySearch
from mt.decoding.hypothesis import Hypothesis
from mt.decoding.method import Method, Sentence, put_items
from mt.decoding.rules import rules_for
from mt.decoding.sampling import Sampling
from mt.decoding.shortlist import FlightVocabulary, Shortlist
from mt.errors import DecodingError
from mt.model.interface import DecoderState, TranslationModel

if TYPE_CHECKING:
    from mt.decoding.processes import SharedCounter

SearchOptions = DecodingConfig
"""What a search is told; the configuration's `decoding` section as it is."""

METHODS: dict[str, type[Method]] = {"beam": BeamSearch, "greedy": GreedySearch, "sampling": Sampling}
"""The class behind each name of options.method."""

_REFILL = 0.25
"""The share of the sentences in flight that are encoded together to take the places of those that leave."""
_ROWS = 32
"""What the number of rows whose logits are wanted is rounded up to a multiple of."""
_GROWTH = 1.5
"""More sentences come than leave when so many times as many as are in flight would fit, because shorter ones have come to the front."""


class Counter:
    """A number that threads count up together, one at a time."""

    def __init__(self) -> None:
        self.value = 0
        self.lock = threading.Lock()


class Waiting:
    """The sentences that wait, in order. Several searches, each in a thread or a process of its own, may take from it."""

    def __init__(
        self,
        sentences: Sequence[Sentence],
        max_tokens: int,
        at_most: int | None = None,
        taken: "Counter | SharedCounter | None" = None,
    ):
        """max_tokens: of the sources that one search has in flight. at_most: sentences it may have, so that the others get some.

        taken: counts the sentences that wait no more, for searches in processes a number that they share.
        """
        self._sentences = sentences
        self._max_tokens = max_tokens
        self._at_most = len(sentences) if at_most is None else at_most
        self._taken = taken or Counter()
        self.stopped = False

    def fitting(self, sentence: Sentence) -> int:
        """How many sentences of that length a search may have in flight; at least 1."""
        return max(1, min(self._at_most, self._max_tokens // len(sentence.source)))

    def take(self, room: Callable[[int], int]) -> list[Sentence]:
        """The next sentences. room: how many, given how many of the next one's length fit."""
        with self._taken.lock:
            first = self._taken.value
            if not self:
                return []
            taken = self._sentences[first : first + room(self.fitting(self._sentences[first]))]
            self._taken.value += len(taken)
            return list(taken)

    def stop(self) -> None:
        """Nothing more is wanted: every search ends with its next step."""
        self.stopped = True

    def __bool__(self) -> bool:
        """Whether one waits."""
        return self._taken.value < len(self._sentences)


def search(
    model: TranslationModel,
    source_BS: Tensor,
    options: SearchOptions,
    max_length_B: Tensor,
    constraints: Sequence[Constraints] | None = None,
) -> list[list[Hypothesis]]:
    """For each source sentence of a batch its hypotheses, best first.

    source_BS: token ids, each row ended by EOS and filled with PAD, on the model's device. max_length_B: for each
    sentence the most target tokens, EOS included, at least 1; on any device. constraints: one for each sentence, if any. The model must be
    in eval mode. Raises DecodingError for options and constraints that no search can satisfy and for a model whose logits are not finite.
    decoding.coverage_penalty is translate_ids' matter, and has no effect here.
    """
    assert len(source_BS) == len(max_length_B)
    check_options(options)
    sources = [[token for token in row if token != PAD] for row in source_BS.tolist()]
    limits, constraints = max_length_B.tolist(), constraints or [NONE] * len(sources)
    check_constraints(constraints, options, len(model.output_weight_VD))
    sentences = [
        Sentence(number, source, limit, constraints=own)
        for number, (source, limit, own) in enumerate(zip(sources, limits, constraints, strict=True))
    ]
    waiting = Waiting(sentences, max_tokens=source_BS.numel())
    found = {sentence.number: hypotheses for sentence, hypotheses in decode(model, waiting, make_method(model, options, sentences))}
    return [found[number] for number in range(len(sentences))]


def make_method(model: TranslationModel, options: SearchOptions, sentences: Sequence[Sentence]) -> Method:
    """The method that options names, for these sentences."""
    device = model.output_weight_VD.device
    return METHODS[options.method](options, device, rules_for(options, sentences, rows_per_sentence(options), device))


def decode(
    model: TranslationModel, waiting: Waiting, method: Method, shortlist: Shortlist | None = None
) -> Iterator[tuple[Sentence, list[Hypothesis]]]:
    """Decode what waits. Yields each sentence and its hypotheses as soon as they are known. shortlist: of the pieces to be looked at."""
    assert not model.training, "dropout is on: call model.eval() before searching"
    flight = Flight(model, waiting, method, shortlist)
    while flight.sentences and not waiting.stopped:
        yield from flight.step()


class Flight:
    """The sentences that are being decoded, the model's state for them, and those that are encoded and come next."""

    @torch.inference_mode()
    def __init__(self, model: TranslationModel, waiting: Waiting, method: Method, shortlist: Shortlist | None = None):
        device = model.output_weight_VD.device
        self._vocabulary = None if shortlist is None else FlightVocabulary(shortlist, method.width, device)
        self._model = model
        self._waiting = waiting
        self._method = method
        self._least = -(-model.least_rows // method.width)
        self._ready: list[Sentence] = []
        self._ready_state: DecoderState | None = None
        self._ready_gone = 0
        self.sentences = waiting.take(lambda fitting: fitting)
        """By place."""
        if self.sentences:
            self.sentences = with_company(self.sentences, range(len(self.sentences)), self._least)
            self.state = self._start(self.sentences)
            """What the model remembers of them."""
            self._put(range(len(self.sentences)), self.sentences)

    @torch.inference_mode()
    def step(self) -> list[tuple[Sentence, list[Hypothesis]]]:
        """One token for every hypothesis. Returns the sentences that are done with it, and their hypotheses."""
        wanted = round_up_rows(self._method.live_rows(), self._model.least_rows)
        rows_R = self._method.advance(self._logits(wanted), wanted)
        done = self._method.done()
        leaving = [(place, self.sentences[place]) for place in done]
        found = [(sentence, self._method.hypotheses(place)) for place, sentence in leaving if not sentence.is_company]
        self.go_on(done, rows_R)
        return found

    def _logits(self, wanted: Sequence[int] | None) -> Tensor:
        """logits_GV for the next tokens of the wanted rows; with a shortlist logits_GU, with -inf for what is not the sentence's own."""
        if self._vocabulary is None:
            return self._model.step(self._method.token_R, self.state, wanted)
        columns = self.state.columns = self._vocabulary.columns
        columns.hidden_GU = self._vocabulary.hidden(wanted)
        self._method.ids_U = columns.ids_U
        logits_GU = self._model.step(self._method.token_R, self.state, wanted)
        return logits_GU.masked_fill_(columns.hidden_GU, -torch.inf)

    def _put(self, places: Sequence[int], sentences: Sequence[Sentence]) -> None:
        """Sentences take their places."""
        self._method.put(places, sentences)
        if self._vocabulary is not None:
            self._vocabulary.put(places, sentences)

    def go_on(self, done: Sequence[int], rows_R: Tensor | None) -> None:
        """After a step: rows continue others of their sentence (None: themselves), sentences that are done make room for others."""
        if rows_R is not None:
            self.state.reorder(rows_R)
        free = [*done]
        while free and (newcomers := self._next(len(free))):
            here = len(self.sentences)
            places = [*free[: len(newcomers)], *range(here, here + len(newcomers) - len(free))]
            self.state.put(places, self._ready_state, range(self._ready_gone - len(newcomers), self._ready_gone))
            self._put(places, newcomers)
            put_items(self.sentences, places, newcomers)
            free = free[len(newcomers) :]
        if free:
            self._keep(close_up(len(self.sentences), free))

    def _next(self, free: int) -> list[Sentence]:
        """Those that come now: one for each free place, and more where shorter sentences leave room; encoded some at a time."""
        here = len(self.sentences)

        def room(fitting: int) -> int:
            return free + fitting - here if fitting >= _GROWTH * here else free

        if self._ready_gone == len(self._ready):
            self._ready, self._ready_gone = self._waiting.take(lambda fitting: min(fitting, max(room(fitting), round(_REFILL * here)))), 0
            self._ready_state = self._start(self._ready) if self._ready else None
        following = self._ready[self._ready_gone :]
        following = following[: room(self._waiting.fitting(following[0]))] if following else []
        self._ready_gone += len(following)
        return following

    def _keep(self, staying: Sequence[int]) -> None:
        """The others leave; where fewer stay than `least_rows` allows, the last one keeps itself company."""
        if not staying:
            self.sentences = []
            return
        here, width = len(self.sentences), self._method.width
        self.sentences = with_company(self.sentences, staying, self._least)
        places = [*staying, *[staying[-1]] * (len(self.sentences) - len(staying))]
        places_B = torch.tensor(places, device=self._method.token_R.device)
        rows_BW = torch.arange(here * width, device=places_B.device).view(here, width)[places_B]
        self.state.reorder(rows_BW.flatten(), sentences_B=places_B)
        self._method.keep(places)
        if self._vocabulary is not None:
            self._vocabulary.keep(places)

    def _start(self, sentences: Sequence[Sentence]) -> DecoderState:
        """Encode these."""
        assert all(sentence.source[-1] == EOS for sentence in sentences), "a source ends with EOS, as Tokenizer.encode_source makes it"
        source_BS = pad([sentence.source for sentence in sentences], self._model.source_length)
        source_BS = source_BS.to(self._model.output_weight_VD.device)
        if self._vocabulary is not None:
            self._vocabulary.expect(sentences)
        return self._model.start(self._model.encode(source_BS), self._method.width)


def round_up_rows(rows: list[int] | None, least: int) -> list[int] | None:
    """The rows with the last one repeated up to a multiple of 32; None (all) where they are too few.

    oneDNN makes a kernel for every number of rows it meets, in 2 to 3 ms for an output of 10,000 pieces.
    """
    if rows is None or len(rows) < least:
        return None
    return rows + [rows[-1]] * (-len(rows) % _ROWS if len(rows) > _ROWS else 0)


def close_up(count: int, free: Sequence[int]) -> list[int]:
    """Who stands where once these places of `count` are free: the last ones move there, the others stay."""
    staying = [*range(count)]
    for place in sorted(free, reverse=True):
        last = staying.pop()
        if place < len(staying):
            staying[place] = last
    return staying


def with_company(sentences: Sequence[Sentence], staying: Sequence[int], least: int) -> list[Sentence]:
    """The staying ones of them, the last one repeated as company until there are `least`."""
    kept = [sentences[place] for place in staying]
    return kept + [replace(kept[-1], is_company=True)] * (least - len(kept))


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
        (options.no_repeat_ngram < 0, "no_repeat_ngram", "must be at least 0 (0: off)"),
        (options.coverage_penalty < 0, "coverage_penalty", "must be at least 0 (0: off)"),
        (beam and options.beam_size < 1, "beam_size", "must be at least 1"),
        (beam and options.nbest > options.beam_size, "nbest", f"must be at most beam_size, {options.beam_size}"),
        (sampling and not options.temperature > 0, "temperature", "must be above 0; for none at all use method greedy"),
        (sampling and options.top_k < 0, "top_k", "must be at least 0 (0: from all tokens)"),
        (sampling and not 0 < options.top_p <= 1, "top_p", "must be above 0 and at most 1 (1: from all tokens)"),
    )
    for wrong, key, requirement in problems:
        if wrong:
            raise DecodingError(f"decoding.{key} is {getattr(options, key)!r}; it {requirement}.")


def check_constraints(constraints: Sequence[Constraints], options: SearchOptions, vocabulary: int) -> None:
    """Raise DecodingError for constraints that no search with these options can satisfy. vocabulary: the number of target tokens."""
    for each in {id(each): each for each in constraints}.values():
        each.check(options.method, vocabulary)
