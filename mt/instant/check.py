"""Comparing the engine in numpy with its reference, torch, on one model: before that, numpy does not translate with it.

Both are given the same sentences. Where numpy is certain of its translation, torch's must have the same tokens and the same
log-probability, but for rounding that is small beside the margin that makes the search certain. And along torch's translations both must
give every piece of the vocabulary the same probability, so that a piece that numpy could never write is found although none of these
sentences needs it. The result is kept beside the weights (mt/engine_record.py).

Dimensions: those of mt/instant/transformer.py.
"""

import random
import time
from collections.abc import Sequence
from contextlib import suppress

import numpy
import torch
from numpy import ndarray

from mt.config import Config, DecodingConfig
from mt.data.corpus import read_corpora
from mt.data.special_ids import BOS, EOS, SPECIAL_IDS
from mt.data.tokenizer import Tokenizer
from mt.decoding.batches import translate_ids
from mt.decoding.hypothesis import Hypothesis, length_limit
from mt.engine_record import LARGEST_DIFFERENCE, LEAST_SENTENCES, EngineCheck, add_check, read_checks, settings_that_matter
from mt.errors import MtError
from mt.instant.search import UncertainError, search
from mt.instant.transformer import Transformer
from mt.model.interface import TranslationModel
from mt.stored_files import StoredModel

TEXTS = 32
"""Sentences of the run's own that are compared, …"""
DRAWN = 16
"""… and sources of token ids drawn at random; three times as many where the run's sentences are gone."""
_AT_ONCE = 8
_LONGEST_DRAWN = 20
_PROBABILITY_STEPS = 40
"""Target positions of a sentence whose probabilities are compared."""


def check_engine(
    stored: StoredModel,
    net: Transformer,
    model: TranslationModel,
    options: DecodingConfig,
    given: Sequence[str] | None = None,
    seconds: float = 10.0,
) -> EngineCheck:
    """Compare both, and keep the result beside the weights. net and model: made of the stored weights; model: on the CPU.

    given: sentences to compare on (None: the run's validation or test pairs, where they can be read). seconds: after so long no further
    sentence is begun, but for a first one; the next comparison goes on where this one ended. DecodingError for a model that cannot
    translate at all.
    """
    ends_at = time.monotonic() + seconds
    texts, origin = (given, "given") if given is not None else own_sentences(stored.config)
    sources = chosen_sources(texts, stored.tokenizer, stored.config.data.max_length)
    known = read_checks(stored.weights, stored.weights_hash)
    before = next((one for one in known if one.unfinished and one.settings == settings_that_matter(options)), None)
    check = compare_engines(net, model, sources, options, origin if texts else "drawn", ends_at, before)
    add_check(stored.weights, stored.weights_hash, check)
    return check


def own_sentences(config: Config) -> tuple[list[str], str]:
    """Sources of the run's validation pairs, else of its test pairs, and which these are; none where neither can be read any more."""
    for split in ("valid", "test"):
        with suppress(MtError, OSError):
            corpora = read_corpora(getattr(config.data, split), split, config.source, config.target)
            lines = [line for corpus in corpora for line in corpus.sources]
            if lines:
                return lines, split
    return [], "drawn"


def chosen_sources(texts: Sequence[str], tokenizer: Tokenizer, longest: int) -> list[list[int]]:
    """Token ids of some of these texts, taken evenly, and drawn ones; of both among the first 16."""
    few = [texts[number * len(texts) // TEXTS] for number in range(TEXTS)] if len(texts) > TEXTS else list(texts)
    own = [source for source in tokenizer.encode_source(few) if 1 < len(source) <= longest]
    drawn = drawn_sources(len(tokenizer.source), DRAWN if own else 3 * DRAWN)
    half = LEAST_SENTENCES // 2
    return [*own[::4], *drawn[:half], *own[1::4], *own[2::4], *own[3::4], *drawn[half:]]  # time may not be enough for all


def drawn_sources(vocabulary: int, count: int) -> list[list[int]]:
    """Sources of token ids from all over the vocabulary; always the same."""
    draw, first = random.Random(vocabulary), len(SPECIAL_IDS)
    return [[*(draw.randrange(first, vocabulary) for _ in range(draw.randint(1, _LONGEST_DRAWN))), EOS] for _ in range(count)]


def compare_engines(
    net: Transformer,
    model: TranslationModel,
    sources: Sequence[Sequence[int]],
    options: DecodingConfig,
    origin: str,
    ends_at: float,
    before: EngineCheck | None = None,
) -> EngineCheck:
    """Both translate these sources. options: as settings_that_matter; nothing else is asked of either.

    ends_at: the time.monotonic() after which no further sentence is begun. before: an unfinished comparison of the first of these sources.
    """
    if before is None or before.origin != origin or before.sentences + before.left != len(sources):
        before = EngineCheck(settings_that_matter(options), 0, 0, 0, 0, 0.0, origin, len(sources), tries=0)
    first = compared = before.sentences
    certain, different, others, largest = before.certain, before.different, before.other_probabilities, before.largest_difference
    plain, begun, count = DecodingConfig(**settings_that_matter(options)), time.monotonic(), 1
    while compared < len(sources) and (compared == first or time.monotonic() < ends_at):
        some = [list(source) for source in sources[compared : compared + count]]
        for source, [expected, *_] in zip(some, translate_ids(model, some, plain), strict=True):
            compared += 1
            others += not has_equal_probabilities(net, model, source, expected)
            found = numpys_own(net, source, plain)
            if found is None:
                continue
            certain += 1
            if (found.tokens, found.finished) != (expected.tokens, expected.finished):
                different += 1
            else:
                largest = max(largest, abs(found.log_prob - expected.log_prob))
        each = (time.monotonic() - begun) / (compared - first)
        count = int(min(_AT_ONCE, max(1, (ends_at - time.monotonic()) / max(each, 1e-9))))
    left = len(sources) - compared
    return EngineCheck(before.settings, compared, certain, different, others, largest, origin, left, before.tries + 1)


def numpys_own(net: Transformer, source: list[int], options: DecodingConfig) -> Hypothesis | None:
    """What numpy finds; None where it is not certain."""
    with suppress(UncertainError):
        return search(net, source, options, length_limit(len(source) - 1, options))
    return None


@torch.inference_mode()
def has_equal_probabilities(net: Transformer, model: TranslationModel, source: list[int], translation: Hypothesis) -> bool:
    """Whether both find the same log-probability for every piece of the vocabulary at each of the translation's positions.

    The less probable a piece is, the more may rounding change its log-probability.
    """
    read = [BOS, *translation.tokens[: _PROBABILITY_STEPS - 1]]
    expected_TV = torch.log_softmax(model(torch.tensor([source]), torch.tensor([read]))[0].float(), dim=-1).numpy()
    found_TV = log_probabilities(net, source, read)
    return bool((numpy.abs(found_TV - expected_TV) <= LARGEST_DIFFERENCE * numpy.maximum(1.0, numpy.abs(expected_TV) / 4)).all())


@numpy.errstate(all="ignore")  # what is not finite differs
def log_probabilities(net: Transformer, source: list[int], read: Sequence[int]) -> ndarray:
    """log_probs_TV in numpy, after each of these target tokens."""
    state, vocabulary = net.start(source), net.output.outputs
    logits_TV = numpy.stack([net.step([token], [0], state)[:, 0].ravel()[:vocabulary] for token in read]).astype(numpy.float64)
    log_probs_TV = logits_TV - numpy.log(numpy.exp(logits_TV).sum(axis=1, keepdims=True))
    return log_probs_TV
