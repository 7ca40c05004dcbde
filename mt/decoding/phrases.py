"""A phrase as an automaton over tokens, so that it is found in a text however the text is cut into tokens.

A phrase stands in a text where a boundary comes before and after it: the beginning or the end, or an ASCII character that is neither
letter nor digit. All that is not ASCII counts as letters. A star at the end (`고양이*`) stands for any continuation, as with Korean
particles. The automaton reads bytes of UTF-8; composed with what each token spells, it reads tokens.

Dimensions: X states of the automaton, Y byte values, V tokens, L bytes of the longest token.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count

import numpy

from mt.data.special_ids import EOS
from mt.errors import DecodingError

START, MATCHED = 0, 1
"""The states before the first token, which is behind a boundary, and after the phrase, which no token leaves."""
_BOUNDARIES = frozenset(byte for byte in range(128) if not chr(byte).isalnum())
_END = 0
"""The byte that stands for the end of a text: a boundary that is in no phrase."""
_LETTER = 0xFF
"""A byte that counts as a letter and is in no phrase, being in no UTF-8."""
_FAR = numpy.iinfo(numpy.int64).max


class Spelling:
    """What the tokens of a vocabulary spell, laid out so that an automaton reads all of them at once."""

    def __init__(self, pieces: Sequence[bytes]):
        """pieces: the bytes of each token id (mt/data/pieces.py)."""
        lengths_V = numpy.array([len(piece) for piece in pieces])
        longest = max(1, int(lengths_V.max()))
        self.longest_first_V = numpy.argsort(-lengths_V, kind="stable")
        padded = b"".join(pieces[token].ljust(longest, b"\0") for token in self.longest_first_V)
        byte_VL = numpy.frombuffer(padded, dtype=numpy.uint8).reshape(len(pieces), longest)
        self.columns = [byte_VL[: int((lengths_V > place).sum()), place].astype(numpy.int64) for place in range(longest)]
        """The first byte of all tokens that have one, the longest first, then the second of those that have two, …"""

    def read(self, next_XY: numpy.ndarray) -> numpy.ndarray:
        """next_XV (int16): the state after each token, from each state, for an automaton that reads bytes."""
        X, Y = next_XY.shape
        state_XV = numpy.repeat(numpy.arange(X, dtype=numpy.int16)[:, None], len(self.longest_first_V), axis=1)
        for column in self.columns:
            reading = state_XV[:, : len(column)]
            reading[:] = next_XY.take(reading * numpy.int64(Y) + column)
        next_XV = numpy.empty_like(state_XV)
        next_XV[:, self.longest_first_V] = state_XV
        return next_XV


@dataclass(frozen=True, eq=False)
class Phrase:
    """One phrase, ready to be followed through the tokens of one vocabulary."""

    text: str
    """As it was given, with its star if it has one."""
    next_XY: numpy.ndarray
    """The state after each byte."""
    next_XV: numpy.ndarray
    """The state after each token; EOS is the boundary at the end of the text."""

    @cached_property
    def steps_X(self) -> numpy.ndarray:  # noqa: N802 - the name carries the shape
        """From each state the fewest tokens that complete the phrase, 0 in MATCHED; where no tokens lead there, a huge number."""
        steps_X = numpy.full(len(self.next_XV), _FAR)
        steps_X[MATCHED] = 0
        for step in count(1):
            reached_X = steps_X < _FAR
            near_X = ~reached_X & reached_X[self.next_XV].any(axis=1)
            if not near_X.any():
                break
            steps_X[near_X] = step
        return steps_X

    @property
    def can_be_spelled(self) -> bool:
        """Whether tokens of the vocabulary spell it."""
        return bool(self.steps_X[START] < _FAR)

    @property
    def needs(self) -> int:
        """With so many tokens it can be completed, wherever a hypothesis stands."""
        return int(self.steps_X[self.steps_X < _FAR].max())

    def stands_in(self, text: str, ended: bool = True) -> bool:
        """Whether a text contains the phrase. ended: the text is whole; else it may go on with anything, and what is sure counts."""
        state = START
        for byte in text.encode() + (bytes([_END]) if ended else b""):
            state = self.next_XY[state, byte]
        return bool(state == MATCHED)

    def after(self, tokens: Sequence[int]) -> int:
        """The state after these tokens."""
        state = START
        for token in tokens:
            state = int(self.next_XV[state, token])
        return state


def compile_phrase(text: str, spelling: Spelling) -> Phrase:
    """The automaton of a phrase over a vocabulary. text: NFC; spaces around it do not count. DecodingError where no text is left."""
    body, star = phrase_body(text)
    if not body or chr(_END) in body:
        raise DecodingError(f"--forbid, --require: '{text}' is no word or phrase to look for in a translation; give some text")
    next_XY = byte_automaton(body.encode(), star)
    next_XV = spelling.read(next_XY)
    next_XV[next_XY[:, _END] == MATCHED, EOS] = MATCHED
    return Phrase(text, next_XY, next_XV)


def phrase_body(text: str) -> tuple[str, bool]:
    """What has to be spelled, and whether anything may follow at once."""
    stripped = text.strip()
    return stripped.removesuffix("*").strip(), stripped.endswith("*")


def byte_automaton(phrase: bytes, star: bool) -> numpy.ndarray:
    """next_XY (int16): the state after each byte, for "boundary, phrase, boundary" anywhere in a text; with a star without the last.

    As in Knuth, Morris and Pratt (1977), but a state is the set of all beginnings of this pattern that the text ends with: one boundary can
    be the end of one try and the beginning of the next.
    """
    pattern = [_BOUNDARIES, *(frozenset([byte]) for byte in phrase), *(() if star else (_BOUNDARIES,))]
    whole = frozenset([len(pattern)])

    def after(begun: frozenset[int], byte: int) -> frozenset[int]:
        """The lengths of these beginnings and of new ones, one byte further."""
        longer = whole if begun == whole else frozenset(length + 1 for length in (0, *begun) if byte in pattern[length])
        return whole if len(pattern) in longer else longer

    states = {frozenset([1]): START, whole: MATCHED}
    waiting, rows = [*states], []
    is_boundary_Y = numpy.isin(numpy.arange(256), [*_BOUNDARIES])
    for begun in waiting:  # it grows on the way
        following = {byte: after(begun, byte) for byte in (*phrase, _END, _LETTER)}
        for found in following.values():
            if found not in states:
                states[found] = len(states)
                waiting.append(found)
        row_Y = numpy.where(is_boundary_Y, states[following[_END]], states[following[_LETTER]])
        for byte in phrase:
            row_Y[byte] = states[following[byte]]
        rows.append(row_Y)
    return numpy.array(rows, dtype=numpy.int16)
