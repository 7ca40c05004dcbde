"""What every export must pass before it is called done: both sides score and translate the same sentences, and are compared.

The given translations are scored by both (forced decoding): that compares the models whatever their searches do. Then both translate,
greedily and with the run's beam, with nothing else that a run may ask for (no_repeat_ngram, coverage_penalty, mbr and the like), and each
line with its own length limit. Another program's beam search may differ from mt's: only greedy translations must be equal.
"""

import math
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

import numpy

from mt.config import DecodingConfig
from mt.decoding.batches import translate_ids
from mt.decoding.hypothesis import length_limit
from mt.decoding.scoring import score_ids
from mt.evaluation import quick_scores
from mt.translator import Translator

LEAST_EQUAL = 0.99
"""Share of greedy translations that must be equal to the last token, in fp32."""
LARGEST_DIFFERENCE = 0.01
"""Between two log-probabilities of one token, in nats, in fp32."""
LARGEST_LOSS = 1.0
"""Of chrF, of quantised weights; all of its interval beyond this is too much."""
_RESAMPLES = 100


class Side(Protocol):
    """An exported model that translates and scores token ids."""

    def translate(self, sources: Sequence[Sequence[int]], options: DecodingConfig, limit: int) -> list[list[int]]:
        """The best translation of each source, without EOS."""
        ...

    def score(self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]) -> list[list[float]]:
        """The log-probability of each target token, EOS included."""
        ...


@dataclass(frozen=True)
class ExportCheck:
    """How an export compares with the model it was made from, on the same sentences."""

    lines: int
    greedy_equal: int
    """Lines whose greedy translations have the same tokens."""
    beam_equal: int
    """The same with the run's beam."""
    largest_difference: float
    """Between both sides' log-probabilities of any token of the references, in nats."""
    bleu: float
    """Of mt's beam translations against the references."""
    exported_bleu: float
    chrf: float
    exported_chrf: float
    chrf_interval: tuple[float, float]
    """95 % of the differences, exported minus mt's, when lines are drawn anew (bootstrap)."""
    speed: float
    """How many times as fast as mt the other program translated, with the beam."""

    def refusal(self, quantised: bool) -> str | None:
        """Why it does not pass; None when it does."""
        if not math.isfinite(self.largest_difference):
            return f"a token's log-probability is not a number, or infinite (difference: {self.largest_difference})"
        if quantised:
            if self.chrf_interval[1] < -LARGEST_LOSS:
                return f"it loses {self.chrf - self.exported_chrf:.2f} chrF (at least {-self.chrf_interval[1]:.2f} with 95 % confidence)"
            return None
        if not self.largest_difference <= LARGEST_DIFFERENCE:
            return f"a token's log-probability differs by {self.largest_difference:.3g} nats (allowed: {LARGEST_DIFFERENCE:g})"
        if self.greedy_equal < LEAST_EQUAL * self.lines:
            return f"only {self.greedy_equal} of {self.lines} greedy translations are equal"
        return None

    def as_json(self) -> dict:
        """For the export's own record."""
        return asdict(self)


def check(
    translator: Translator, side: Side, sources: Sequence[str], references: Sequence[str], positions: int | None = None
) -> ExportCheck:
    """Compare on these pairs, none of which may be empty. positions: the most tokens that the side can write; None: no limit."""
    tokenizer, greedy, beam = translator.tokenizer, *searches(translator.config.decoding)
    encoded, targets = tokenizer.encode_source(sources), tokenizer.encode_target(references)
    limits = [min(length_limit(len(source) - 1, beam), positions or sys.maxsize) for source in encoded]
    scored = score_ids(translator.model, encoded, targets, beam.length_penalty)
    differences = [
        abs(one - other)
        for ours, theirs in zip(scored, side.score(encoded, targets), strict=True)
        for one, other in zip(ours.token_log_probs, theirs, strict=True)
    ]
    found, seconds = {}, {}
    for name, chosen in (("greedy", greedy), ("beam", beam)):
        begin = time.perf_counter()
        ours = [best.tokens for best, *_ in translate_ids(translator.model, encoded, chosen)]
        between = time.perf_counter()
        theirs = side.translate(encoded, chosen, max(limits))
        seconds[name] = (between - begin, time.perf_counter() - between)
        found[name] = [_cut(ours, limits), _cut(theirs, limits)]
    texts = [[tokenizer.decode_target(tokens) for tokens in tokens_of] for tokens_of in found["beam"]]
    target = translator.config.target
    ours, theirs = (quick_scores(hypotheses, references, target) for hypotheses in texts)
    equal = {name: sum(one == other for one, other in zip(*pair, strict=True)) for name, pair in found.items()}
    return ExportCheck(
        len(sources), equal["greedy"], equal["beam"], float(numpy.max(differences)),
        ours["bleu"], theirs["bleu"], ours["chrf"], theirs["chrf"],
        _interval(*texts, references, target), seconds["beam"][0] / seconds["beam"][1],
    )  # fmt: skip


def _cut(translations: Sequence[Sequence[int]], limits: Sequence[int]) -> list[list[int]]:
    """Each translation to its own limit."""
    return [list(tokens[:limit]) for tokens, limit in zip(translations, limits, strict=True)]


def searches(options: DecodingConfig) -> tuple[DecodingConfig, DecodingConfig]:
    """Greedy search and beam search with the run's beam and lengths and nothing else: what both programs do."""
    kept = {key: getattr(options, key) for key in ("length_penalty", "max_length_ratio", "max_length_extra", "max_tokens")}
    size = 1 if options.method == "greedy" else options.beam_size
    greedy = DecodingConfig(method="greedy", beam_size=1, **kept)
    return greedy, DecodingConfig(beam_size=size, **kept) if size > 1 else greedy


def _interval(ours: Sequence[str], theirs: Sequence[str], references: Sequence[str], target: str) -> tuple[float, float]:
    """The middle 95 % of chrF's differences over lines drawn with replacement (Koehn 2004, section 3)."""
    if list(ours) == list(theirs):
        return 0.0, 0.0
    draw = random.Random(1)
    differences = []
    for _ in range(_RESAMPLES):
        lines = draw.choices(range(len(references)), k=len(references))
        drawn = [[side[line] for line in lines] for side in (ours, theirs, references)]
        differences.append(quick_scores(drawn[1], drawn[2], target)["chrf"] - quick_scores(drawn[0], drawn[2], target)["chrf"])
    differences.sort()
    return differences[round(0.025 * _RESAMPLES)], differences[round(0.975 * _RESAMPLES) - 1]
