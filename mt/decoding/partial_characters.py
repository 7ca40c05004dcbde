"""The states of a phrase's automaton within a character, where tokens are single bytes of UTF-8 (phrases.py).

What follows the first bytes of a character depends on few things: in which states the phrase is after a boundary, after a character that
continues a word, and after each character of its own that these bytes can begin. Beginnings that agree in these are one state.

Dimensions: those of phrases.py.
"""

from dataclasses import dataclass

import numpy

from mt.decoding.word_characters import BROKEN, ENDS_BOUNDARY, ENDS_WORD, beginning_of, beginnings

START, MATCHED = 0, 1
"""The states before the first token, which follows a boundary, and after the phrase, which no token leaves."""
OTHER, WORD = 0, 1
"""The symbols of characters that are not in the phrase: boundaries, and what continues a word. The end of a text is a boundary."""
_TAIL = 0x80
"""The first continuation byte."""


@dataclass(frozen=True, eq=False)
class PartialStates:
    """All of them, M in number; they come after the K states between characters."""

    next_MC: numpy.ndarray
    """The state after each continuation byte (int16)."""
    broken_M: numpy.ndarray
    """The state between characters in which it is when no continuation byte follows, and the bytes are no UTF-8."""
    after_lead: dict[int, numpy.ndarray]
    """For each byte that begins a character the state after it, from each state between characters."""

    @classmethod
    def none(cls) -> "PartialStates":
        """For a vocabulary without single bytes."""
        return cls(numpy.zeros((0, 64), dtype=numpy.int16), numpy.zeros(0, dtype=numpy.int64), {})


def partial_states(next_KS: numpy.ndarray, symbols: dict[str, int], broken_K: numpy.ndarray) -> PartialStates:
    """The partial states of an automaton. symbols: of the phrase's characters. broken_K: the state after bytes that are no UTF-8."""
    maker = _Maker(next_KS, symbols, broken_K)
    states, leads = range(len(next_KS)), beginnings().after_lead
    after_lead = {lead: numpy.array([maker.begun(state, bytes([lead])) for state in states]) for lead in leads}
    return PartialStates(numpy.concatenate(maker.rows), numpy.concatenate(maker.broken), after_lead)


class _Maker:
    """The rows of the table, as they are added."""

    def __init__(self, next_KS: numpy.ndarray, symbols: dict[str, int], broken_K: numpy.ndarray):
        self.next_KS = next_KS
        self.broken_K = broken_K
        self.rows: list[numpy.ndarray] = []
        self.broken: list[numpy.ndarray] = []
        self.count = len(next_KS)
        self.encoded = {character.encode(): symbol for character, symbol in symbols.items() if ord(character) >= 0x80}
        self.own: dict[bytes, set[int]] = {}
        """For each beginning of the phrase's characters their symbols."""
        for character, symbol in self.encoded.items():
            for length in range(1, len(character)):
                self.own.setdefault(character[:length], set()).add(symbol)
        self.blocks: dict[tuple[int, int, int], tuple[int, numpy.ndarray]] = {}
        self.known: dict[tuple, int] = {}

    def begun(self, state: int, prefix: bytes) -> int:
        """The state after the first bytes of a character, read in a state between characters."""
        if state == MATCHED:
            return MATCHED
        if prefix not in self.own:
            return self._block(state)[0] + beginning_of(prefix)
        following = self.next_KS[state]
        key = (prefix, *self._outside(state), *(int(following[symbol]) for symbol in sorted(self.own[prefix])))
        if key not in self.known:
            row_C = self._block(state)[1][beginning_of(prefix)].copy()
            for tail in range(64):
                longer = prefix + bytes([_TAIL + tail])
                if longer in self.encoded:
                    row_C[tail] = following[self.encoded[longer]]
                elif longer in self.own:
                    row_C[tail] = self.begun(state, longer)
            self.known[key] = self._add(row_C[None], state)
        return self.known[key]

    def _outside(self, state: int) -> tuple[int, int, int]:
        """The states after a boundary, after what continues a word, and after broken bytes: all that other characters lead to."""
        return int(self.next_KS[state, OTHER]), int(self.next_KS[state, WORD]), int(self.broken_K[state])

    def _block(self, state: int) -> tuple[int, numpy.ndarray]:
        """The states for all beginnings, as long as no character of the phrase comes: the first one's number, and their rows."""
        outside = self._outside(state)
        if outside not in self.blocks:
            after_DC = beginnings().after_DC
            ends_DC = numpy.select([after_DC == kind for kind in (ENDS_BOUNDARY, ENDS_WORD, BROKEN)], outside, self.count + after_DC)
            rows_DC = ends_DC.astype(numpy.int16)
            self.blocks[outside] = self._add(rows_DC, state), rows_DC
        return self.blocks[outside]

    def _add(self, rows: numpy.ndarray, state: int) -> int:
        """Rows for new states; the number of the first."""
        first = self.count
        self.rows.append(rows)
        self.broken.append(numpy.full(len(rows), self.broken_K[state], dtype=numpy.int64))
        self.count += len(rows)
        return first
