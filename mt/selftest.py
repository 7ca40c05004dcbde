"""`mt selftest`: shows, on a person's own model and sentences, that a translation does not depend on how it was computed.

Each check translates the same sentences in two ways and compares tokens and scores. With a Transformer in fp32 on a CPU both must be equal
to the last bit where only the company of a sentence changes; where the arithmetic itself is another (the whole target read at once instead
of step by step; numpy instead of torch; a recurrent model, whose kernels look at the batch; a GPU), scores may differ by rounding, tokens
may not. bf16 and int8 are approximations, and may translate a share of the sentences in another way. A check that compared nothing says so.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import torch

from mt.config import DecodingConfig
from mt.data.special_ids import EOS
from mt.data.tokenizer import Tokenizer
from mt.decoding.batches import translate_ids
from mt.decoding.hypothesis import Hypothesis, length_limit
from mt.decoding.scoring import score_ids
from mt.errors import DecodingError
from mt.instant.layers import UnsuitedWeightsError
from mt.instant.search import UncertainError, search
from mt.instant.transformer import Transformer as NumpyTransformer
from mt.instant.translator import WIDEST
from mt.model.interface import TranslationModel
from mt.model.transformer import Transformer
from mt.stored_model import parameters_of

ROUNDING = 1e-3
"""How far apart two log-probabilities of a translation may be where the arithmetic is another, in fp32."""
APPROXIMATE = {"bf16": 0.25, "int8": 0.25}
"""The share of the translations that may be others in a precision below fp32, above what was seen (5 to 15 %): near-ties are many."""
IN_NUMPY = "torch – numpy, where it is certain"
"""The name of that check."""
_NOT_IN_NUMPY = ("no_repeat_ngram", "coverage_penalty", "mbr", "shortlist", "precision")
"""Decoding settings with which numpy does not translate."""
_APPROXIMATE_SCORE = 1.0
"""How far apart the log-probabilities of a whole translation may be there."""

NBest = Sequence[Hypothesis]


@dataclass(frozen=True)
class Check:
    """One comparison of two ways to the same translations."""

    name: str
    compared: int
    """Sentences that both ways translated. 0: the check proved nothing."""
    other_tokens: tuple[int, ...]
    """Numbers of the sentences, counted from 1 over all that were given, with other translations."""
    other_scores: int
    """Sentences with equal translations whose scores differ in any bit."""
    largest: float
    """The largest difference between two log-probabilities of equal translations."""
    allowed: float = 0.0
    """The share of the sentences that may have other translations; above 0 one way is an approximation."""
    note: str = ""
    """What else is to be known of the comparison."""

    @property
    def passed(self) -> bool:
        """Equal tokens, and scores that differ by no more than rounding; of an approximation, both within its tolerance."""
        tolerance = _APPROXIMATE_SCORE if self.allowed else ROUNDING
        few = max(1.0, self.allowed * self.compared) if self.allowed else 0.0
        return len(self.other_tokens) <= few and self.largest <= tolerance

    @property
    def verdict(self) -> str:
        """In words."""
        if not self.compared:
            return "nothing was compared"
        if self.allowed and self.passed:
            return "nearly the same"
        if self.other_tokens:
            return "DIFFERENT TRANSLATIONS"
        if not self.other_scores:
            return "the same to the last bit"
        return "the same tokens, scores within rounding" if self.passed else "OTHER SCORES"


def compare(
    name: str, ones: Sequence[NBest], others: Sequence[NBest], allowed: float = 0.0, numbers: Sequence[int] | None = None
) -> Check:
    """The best hypotheses of both. allowed: see Check. numbers: of the sentences; default: from 1 on."""
    other_tokens, other_scores, largest = [], 0, 0.0
    for number, [one, *_], [other, *_] in zip(numbers or range(1, len(ones) + 1), ones, others, strict=True):
        if (one.tokens, one.finished) != (other.tokens, other.finished):
            other_tokens.append(number)
            continue
        other_scores += one.token_log_probs != other.token_log_probs
        largest = max(largest, abs(one.log_prob - other.log_prob))
    return Check(name, len(ones), tuple(other_tokens), other_scores, largest, allowed)


def run_checks(
    model: TranslationModel,
    tokenizer: Tokenizer,
    options: DecodingConfig,
    lines: Sequence[str],
    progress: Callable[[str], None] = lambda name: None,
) -> list[Check]:
    """All checks on these sentences (empty ones are left out). options: with beam search. progress: told each check's name first."""
    numbered = [(number, source) for number, source in enumerate(tokenizer.encode_source(lines), 1) if len(source) > 1]
    numbers, sources = [number for number, _ in numbered], [source for _, source in numbered]
    asked = options
    options = options.model_copy(update={"method": "beam", "nbest": 1, "precision": "fp32"})

    def translated(sources: Sequence[Sequence[int]] = sources, **changes: object) -> list[list[Hypothesis]]:
        return translate_ids(model, sources, options.model_copy(update=changes))

    usual = translated()
    checks: list[tuple[str, Callable[[], tuple[Sequence[NBest], Sequence[NBest]]]]] = [
        ("all together – each alone", lambda: (usual, [translated([source])[0] for source in sources])),
        ("batches – a fifth of their size", lambda: (usual, translated(max_tokens=max(1, options.max_tokens // 5)))),
        ("in order – in reverse", lambda: (usual, translated(sources[::-1])[::-1])),
        ("the best – the first of the n best", lambda: (usual, translated(nbest=options.beam_size))),
        ("a beam of 1 – greedy search", lambda: (translated(beam_size=1), translated(method="greedy"))),
        ("step by step – read as a whole", lambda: (usual, _scored(model, sources, usual, options.length_penalty))),
    ]
    if model.output_weight_VD.device.type == "cpu":
        for count in _counts():
            checks.append((f"{torch.get_num_threads()} threads – {count}", lambda count=count: (usual, _with_threads(count, translated))))
    found = []
    for name, run in checks:
        progress(name)
        found.append(compare(name, *run(), numbers=numbers))
    progress(IN_NUMPY)
    found.append(_in_numpy(model, numbered, translated, asked))
    for precision, share in APPROXIMATE.items():
        name = f"fp32 – {precision}"
        progress(name)
        with suppress(DecodingError):  # this model or machine has no int8
            found.append(compare(name, usual, translated(precision=precision), share, numbers))
    return found


def _in_numpy(
    model: TranslationModel, numbered: Sequence[tuple[int, Sequence[int]]], translated: Callable[..., list[list[Hypothesis]]],
    options: DecodingConfig,
) -> Check:
    """The search that `mt translate` has for a few sentences, on those that it is certain of, with the settings that it has.

    numbered: the sentences with their numbers. options: the run's own.
    """
    if not isinstance(model, Transformer):
        return Check(IN_NUMPY, 0, (), 0, 0.0, note="only a Transformer is also translated in numpy: torch translates everything")
    tensors = {name: tensor.cpu().numpy() for name, tensor in parameters_of(model).items()}
    try:
        net = NumpyTransformer(model.config, model.source_embedding.num_embeddings, len(model.output_weight_VD), tensors)
    except UnsuitedWeightsError as error:
        return Check(IN_NUMPY, 0, (), 0, 0.0, note=f"numpy has no counterpart of this model ({error}): torch translates everything")
    default = DecodingConfig()
    left_out = [f"decoding.{name}" for name in _NOT_IN_NUMPY if getattr(options, name) != getattr(default, name)]
    notes = [f"compared without {', '.join(left_out)}: with such settings torch translates everything"] if left_out else []
    if options.beam_size >= WIDEST:
        notes.append(f"with a beam of {WIDEST} or more torch translates everything")
    plain = {name: getattr(default, name) for name in _NOT_IN_NUMPY}
    options = options.model_copy(update=plain | {"method": "beam", "nbest": 1})
    certain, pairs = [], []
    for (number, source), hypotheses in zip(numbered, translated(**plain), strict=True):
        with suppress(UncertainError):
            pairs.append((hypotheses, [search(net, list(source), options, length_limit(len(source) - 1, options))]))
            certain.append(number)
    if not pairs:
        notes.append(f"numpy was certain of none of {len(numbered)} sentences, and leaves them to torch")
    found = compare(IN_NUMPY, [one for one, _ in pairs], [other for _, other in pairs], numbers=certain)
    return replace(found, note="; ".join(notes))


def _scored(
    model: TranslationModel, sources: Sequence[Sequence[int]], found: Sequence[NBest], alpha: float
) -> list[list[Hypothesis]]:
    """The best hypotheses as forced decoding scores them."""
    targets = [[*best.tokens, *([EOS] if best.finished else [])] for best, *_ in found]
    return [[scored] for scored in score_ids(model, sources, targets, alpha)]


def _counts() -> list[int]:
    """Numbers of threads to try besides the present one."""
    return [count for count in (1, 2, 3) if count != torch.get_num_threads()]


def _with_threads(count: int, translated: Callable[[], list[list[Hypothesis]]]) -> list[list[Hypothesis]]:
    """Translate with that many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        return translated()
    finally:
        torch.set_num_threads(before)
