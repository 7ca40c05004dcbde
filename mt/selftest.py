"""`mt selftest`: shows, on a person's own model and sentences, that a translation does not depend on how it was computed.

Each check translates the same sentences in two ways and compares tokens and scores. With a Transformer in fp32 on a CPU both must be equal
to the last bit where only the company of a sentence changes; where the arithmetic itself is another (the whole target read at once instead
of step by step; numpy instead of torch; a recurrent model, whose kernels look at the batch; a GPU), scores may differ by rounding, tokens
may not. bf16 and int8 are approximations, and may translate a share of the sentences in another way.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

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
from mt.model.interface import TranslationModel
from mt.model.transformer import Transformer
from mt.stored_model import parameters_of

ROUNDING = 1e-3
"""How far apart two log-probabilities of a translation may be where the arithmetic is another, in fp32."""
APPROXIMATE = {"bf16": 0.25, "int8": 0.25}
"""The share of the translations that may be others in a precision below fp32, above what was seen (5 to 15 %): near-ties are many."""
IN_NUMPY = "torch – numpy, where it is certain"
"""The name of that check."""
_APPROXIMATE_SCORE = 1.0
"""How far apart the log-probabilities of a whole translation may be there."""

NBest = Sequence[Hypothesis]


@dataclass(frozen=True)
class Check:
    """One comparison of two ways to the same translations."""

    name: str
    compared: int
    """Sentences that both ways were asked for."""
    other_tokens: tuple[int, ...]
    """Numbers of the sentences, from 1, with other translations."""
    other_scores: int
    """Sentences with equal translations whose scores differ in any bit."""
    largest: float
    """The largest difference between two log-probabilities of equal translations."""
    allowed: float = 0.0
    """The share of the sentences that may have other translations; above 0 one way is an approximation."""

    @property
    def passed(self) -> bool:
        """Equal tokens, and scores that differ by no more than rounding; of an approximation, both within its tolerance."""
        tolerance = _APPROXIMATE_SCORE if self.allowed else ROUNDING
        few = max(1.0, self.allowed * self.compared) if self.allowed else 0.0
        return len(self.other_tokens) <= few and self.largest <= tolerance

    @property
    def verdict(self) -> str:
        """In words."""
        if self.allowed and self.passed:
            return "nearly the same"
        if self.other_tokens:
            return "DIFFERENT TRANSLATIONS"
        if not self.other_scores:
            return "the same to the last bit"
        return "the same tokens, scores within rounding" if self.passed else "OTHER SCORES"


def compare(name: str, ones: Sequence[NBest], others: Sequence[NBest], allowed: float = 0.0) -> Check:
    """The best hypotheses of both. allowed: see Check."""
    other_tokens, other_scores, largest = [], 0, 0.0
    for number, ([one, *_], [other, *_]) in enumerate(zip(ones, others, strict=True), 1):
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
    sources = [source for source in tokenizer.encode_source(lines) if len(source) > 1]
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
        found.append(compare(name, *run()))
    if isinstance(model, Transformer):
        progress(IN_NUMPY)
        found += _in_numpy(model, sources, usual, options)
    for precision, share in APPROXIMATE.items():
        name = f"fp32 – {precision}"
        progress(name)
        with suppress(DecodingError):  # this model or machine has no int8
            found.append(compare(name, usual, translated(precision=precision), share))
    return found


def _in_numpy(model: Transformer, sources: Sequence[Sequence[int]], usual: Sequence[NBest], options: DecodingConfig) -> list[Check]:
    """The search that `mt translate` has for a few sentences, on those that it is certain of; none where it cannot compute the model."""
    tensors = {name: tensor.cpu().numpy() for name, tensor in parameters_of(model).items()}
    try:
        net = NumpyTransformer(model.config, model.source_embedding.num_embeddings, len(model.output_weight_VD), tensors)
    except UnsuitedWeightsError:
        return []
    pairs = []
    for source, hypotheses in zip(sources, usual, strict=True):
        with suppress(UncertainError):
            pairs.append((hypotheses, [search(net, list(source), options, length_limit(len(source) - 1, options))]))
    return [compare(IN_NUMPY, [one for one, _ in pairs], [other for _, other in pairs])] if pairs else []


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
