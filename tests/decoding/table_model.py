"""Models made by hand for testing search: next-token logits are a seeded function of the source and the whole prefix.

Nothing is computed from a tensor that batching could disturb, so results can be compared exactly, and every hypothesis
can be scored again without search.
"""

import itertools
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from mt.data.special_ids import BOS, EOS, PAD
from mt.decoding.hypothesis import length_penalty
from mt.model.interface import DecoderState, Encoded, TranslationModel

Tokens = tuple[int, ...]


@dataclass
class TableState(DecoderState):
    """For each decoder row its source and its prefix."""

    sources: list[Tokens]
    prefixes: list[Tokens]
    beam_size: int
    num_rows: list[int] = field(default_factory=list)

    def reorder(self, rows_R: Tensor, sentences_B: Tensor | None = None) -> None:
        rows = rows_R.tolist()
        sentences = range(len(self.sources) // self.beam_size) if sentences_B is None else sentences_B.tolist()
        assert [row // self.beam_size for row in rows] == [s for s in sentences for _ in range(self.beam_size)]
        self.sources = [self.sources[row] for row in rows]
        self.prefixes = [self.prefixes[row] for row in rows]

    def put(self, places: Sequence[int], other: "TableState", others: Sequence[int]) -> None:
        width = self.beam_size
        for place, number in zip(places, others, strict=True):
            assert place * width <= len(self.sources)
            rows = slice(place * width, (place + 1) * width)
            self.sources[rows] = other.sources[number * width : (number + 1) * width]
            self.prefixes[rows] = [()] * width


class TableModel(TranslationModel):
    """`logits(source, prefix)` decides; by default normal random numbers seeded by both and `seed`."""

    def __init__(
        self,
        vocab_size: int = 6,
        seed: int = 0,
        scale: float = 1.5,
        logits: Callable[[Tokens, Tokens], list[float]] | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.vocab_size, self.seed, self.scale, self.dtype = vocab_size, seed, scale, dtype
        self.table: dict[tuple[Tokens, Tokens], Tensor] = {}
        self.logits = logits
        self.rows_per_step: list[int] = []
        self.eval()

    def states(self, source_BS: Tensor, decoder_input_BT: Tensor) -> Tensor:
        raise AssertionError("search does not use teacher forcing")

    @property
    def output_weight_VD(self) -> Tensor:
        return torch.zeros(self.vocab_size, 1)

    @property
    def least_rows(self) -> int:
        return 1

    def encode(self, source_BS: Tensor) -> Encoded:
        return Encoded(memory_BSD=source_BS[:, :, None], mask_B11S=(source_BS != PAD)[:, None, None])

    def start(self, encoded: Encoded, beam_size: int) -> TableState:
        sources = [tuple(token for token in row if token != PAD) for row in encoded.memory_BSD[:, :, 0].tolist()]
        sources = [source for source in sources for _ in range(beam_size)]
        return TableState(sources, [()] * len(sources), beam_size)

    def step(self, token_R: Tensor, state: TableState, wanted: Sequence[int] | None = None) -> Tensor:
        assert len(token_R) == len(state.prefixes)
        self.rows_per_step.append(len(token_R))
        state.prefixes = [(*prefix, token) for prefix, token in zip(state.prefixes, token_R.tolist(), strict=True)]
        rows = [self.row(source, prefix[1:]) for source, prefix in zip(state.sources, state.prefixes, strict=True)]
        assert all(prefix[0] == BOS for prefix in state.prefixes)
        return torch.stack(rows if wanted is None else [rows[row] for row in wanted])

    def row(self, source: Tokens, prefix: Tokens) -> Tensor:
        """Logits_V after the prefix (without BOS)."""
        key = (source, prefix)
        if key not in self.table:
            if self.logits is not None:
                values = torch.tensor(self.logits(source, prefix))
            else:
                generator = torch.Generator().manual_seed(zlib.crc32(repr((self.seed, key)).encode()))
                values = torch.randn(self.vocab_size, generator=generator) * self.scale
            self.table[key] = values.to(self.dtype)
        return self.table[key]

    def token_log_probs(self, source: Tokens, tokens: Tokens) -> list[float]:
        """The log-probability of each of the tokens (EOS included if it is there), in double precision."""
        return [self.row(source, tokens[:at]).double().log_softmax(-1)[token].item() for at, token in enumerate(tokens)]


Found = tuple[Tokens, float]
"""Tokens without EOS, and the score."""


def source_tensor(sources: list[Tokens]) -> Tensor:
    """Source_BS of sources that end with EOS already."""
    longest = max(len(source) for source in sources)
    return torch.tensor([[*source, *[PAD] * (longest - len(source))] for source in sources])


def enumerated(
    model: TableModel,
    source: Tokens,
    limit: int,
    alpha: float,
    count: int,
    allowed: Callable[[Tokens], bool] = lambda sentence: True,
    lacking: Callable[[Tokens], bool] = lambda sentence: False,
) -> list[Found]:
    """The best `count` of all target sentences, by scoring every one: finished ones, then those cut at the limit.

    allowed: whether a whole sentence (EOS at its end, if it has one) may be written at all. lacking: of one that was cut, whether it comes
    after all others.
    """
    words = [token for token in range(model.vocab_size) if token not in (PAD, BOS, EOS)]

    def best(sentences: list[Tokens]) -> list[Found]:
        sentences = [s for s in sentences if allowed(s)]
        scores = [sum(model.token_log_probs(source, s)) / length_penalty(len(s), alpha) for s in sentences]
        return sorted(zip(sentences, scores, strict=True), key=lambda pair: (lacking(pair[0]), -pair[1]))

    finished = [(*s, EOS) for length in range(limit) for s in itertools.product(words, repeat=length)]
    cut = list(itertools.product(words, repeat=limit))
    return [(tuple(t for t in s if t != EOS), score) for s, score in (best(finished) + best(cut))[:count]]


def textbook_beam(
    model: TableModel,
    source: Tokens,
    limit: int,
    alpha: float,
    beam_size: int,
    allowed: Callable[[Tokens], bool] = lambda sentence: True,
    bank: Callable[[Tokens], int] = lambda sentence: 0,
    guides: Callable[[Tokens, list[float]], list[int]] = lambda prefix, log_probs: [],
) -> list[Found]:
    """Beam search in lists, one sentence, never stopping before the limit: the rule of mt/decoding/beam.py, and of banks.py.

    allowed: whether a beginning may be written. bank: its bank. guides: tokens that a prefix offers besides its best.
    """
    live: list[tuple[Tokens, float]] = [((), 0.0)]
    finished: list[Found] = []
    for length in range(1, limit + 1):
        extensions = []
        for prefix, log_prob in live:
            additions = model.row(source, prefix).double().log_softmax(-1).tolist()
            tokens = [t for t in range(len(additions)) if t not in (PAD, BOS) and allowed((*prefix, t))]
            offered = sorted(tokens, key=lambda t: -additions[t])[:beam_size]
            possible = [additions[t] if t in tokens else -torch.inf for t in range(len(additions))]
            offered += [t for t in dict.fromkeys(guides(prefix, possible)) if t not in offered]
            extensions += [((*prefix, t), log_prob + additions[t]) for t in offered]
        extensions = dealt(sorted(extensions, key=lambda pair: -pair[1]), bank, beam_size)
        finished += [(s[:-1], lp / length_penalty(length, alpha)) for s, lp in extensions if s[-1] == EOS]
        live = [(s, lp) for s, lp in extensions if s[-1] != EOS]
    cut = [(s, lp / length_penalty(limit, alpha)) for s, lp in live]
    return sorted(finished, key=lambda pair: -pair[1]) + cut


def dealt(extensions: list[Found], bank: Callable[[Tokens], int], count: int) -> list[Found]:
    """Of extensions, the best first, `count` by turns: the best of each bank from the highest on, then the second best of each, …"""
    banks: dict[int, list[Found]] = {}
    for extension in extensions:
        banks.setdefault(bank(extension[0]), []).append(extension)
    rounds = itertools.zip_longest(*(banks[number] for number in sorted(banks, reverse=True)))
    taken = [extension for turn in rounds for extension in turn if extension is not None][:count]
    return sorted(taken, key=lambda pair: -pair[1])
