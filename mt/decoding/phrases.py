"""A phrase as an automaton over tokens, so that it is found in a text however the text is cut into tokens.

A phrase occurs in a text where it is not a part of a longer word: where its first or last character continues a word (word_characters.py),
the character on its other side must not. A phrase that begins or ends with something else, such as punctuation, or with a letter of a
script without spaces, needs no boundary on that side. A star at the end (`고양이*`) stands for any continuation, as with Korean particles.

The automaton reads characters; composed with what each token spells, it reads tokens. A token can be a single byte of a character (byte
fallback): between such tokens the automaton is in a partial state, which remembers the bytes. Bytes that are no UTF-8 become U+FFFD in
the text, which is a boundary.

Dimensions: K states between characters, M partial states, X all states (K + M), S symbols, V tokens, L characters of the longest token,
C continuation bytes (64), T tokens that are continuation bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count

import numpy

from mt.data.special_ids import EOS
from mt.decoding.hypothesis import NEVER_PRODUCED
from mt.decoding.partial_characters import MATCHED, OTHER, START, WORD, PartialStates, partial_states
from mt.decoding.word_characters import continues_word, word_characters
from mt.errors import DecodingError

LONGEST_PHRASE = 500
"""Characters of a phrase; each takes up to two rows of a table as wide as the vocabulary."""
_FAR = numpy.iinfo(numpy.int64).max
_REPLACEMENT = "\ufffd"


class Spelling:
    """What the tokens of a vocabulary spell, laid out so that an automaton reads all of them at once."""

    def __init__(self, pieces: Sequence[bytes]):
        """pieces: the bytes of each token id (mt/data/pieces.py), each of them text in UTF-8 or one byte of a character."""
        self.bytes = {token: piece[0] for token, piece in enumerate(pieces) if len(piece) == 1 and piece[0] >= 0x80}
        """The tokens that are one byte of a character."""
        tails = [(token, byte - 0x80) for token, byte in self.bytes.items() if byte < 0xC0]
        self.tail_T, self.tail_byte_T = (numpy.array(column, dtype=numpy.int64) for column in zip(*tails, strict=True)) if tails else (
            numpy.zeros(0, dtype=numpy.int64), numpy.zeros(0, dtype=numpy.int64)
        )  # fmt: skip
        """The tokens that are continuation bytes, and which of the 64."""
        self.tail_of = dict(tails)
        texts = ["" if token in self.bytes else piece.decode() for token, piece in enumerate(pieces)]
        lengths_V = numpy.array([len(text) for text in texts])
        longest = max(1, int(lengths_V.max()))
        self.longest_first_V = numpy.argsort(-lengths_V, kind="stable")
        padded = "".join(texts[token].ljust(longest, "\0") for token in self.longest_first_V)
        code_VL = numpy.frombuffer(padded.encode("utf-32-le"), dtype=numpy.uint32).reshape(len(pieces), longest)
        self.columns = [code_VL[: int((lengths_V > place).sum()), place].astype(numpy.int64) for place in range(longest)]
        """The first character of all tokens that have one, the longest first, then the second of those that have two, …"""
        self.symbols = [numpy.where(word_characters()[column], WORD, OTHER) for column in self.columns]

    def read(self, next_KS: numpy.ndarray, symbols: dict[str, int]) -> numpy.ndarray:
        """next_KV (int16): the state after each token that is text, from each state, for an automaton that reads characters."""
        K, S = next_KS.shape
        state_KV = numpy.repeat(numpy.arange(K, dtype=numpy.int16)[:, None], len(self.longest_first_V), axis=1)
        for codes, outside in zip(self.columns, self.symbols, strict=True):
            column = outside.copy()
            for character, symbol in symbols.items():
                column[codes == ord(character)] = symbol
            reading = state_KV[:, : len(column)]
            reading[:] = next_KS.take(reading * numpy.int64(S) + column)
        next_KV = numpy.empty_like(state_KV)
        next_KV[:, self.longest_first_V] = state_KV
        return next_KV


@dataclass(frozen=True, eq=False)
class Phrase:
    """One phrase, ready to be followed through the tokens of one vocabulary."""

    text: str
    """As it was given, with its star if it has one."""
    symbols: dict[str, int]
    """The symbols of its characters."""
    next_KS: numpy.ndarray
    """The state after each symbol."""
    next_KV: numpy.ndarray
    """The state after each token; EOS is the boundary at the end of the text. The first K states are those between characters."""
    partial: PartialStates
    """The others, within a character."""
    spelling: Spelling

    @property
    def num_states(self) -> int:
        """X."""
        return len(self.next_KV) + len(self.partial.broken_M)

    @cached_property
    def whole_X(self) -> numpy.ndarray:  # noqa: N802 - the name carries the shape
        """The state between characters that reads as each state does all tokens but continuation bytes."""
        return numpy.concatenate([numpy.arange(len(self.next_KV)), self.partial.broken_M])

    @cached_property
    def steps_X(self) -> numpy.ndarray:  # noqa: N802 - the name carries the shape
        """From each state the fewest tokens that complete the phrase, 0 in MATCHED; where no tokens lead there, a huge number."""
        K, tail_T = len(self.next_KV), self.spelling.tail_T
        is_tail_V = numpy.isin(numpy.arange(self.next_KV.shape[1]), tail_T)
        plain_KV, tail_KT = self.next_KV[:, ~is_tail_V], self.next_KV[:, tail_T]
        tail_MT = self.partial.next_MC[:, self.spelling.tail_byte_T]
        steps_X = numpy.full(self.num_states, _FAR)
        steps_X[MATCHED] = 0
        for step in count(1):
            reached_X = steps_X < _FAR
            by_text_K = reached_X[plain_KV].any(axis=1)
            near_K = by_text_K | reached_X[tail_KT].any(axis=1)
            near_M = by_text_K[self.whole_X[K:]] | reached_X[tail_MT].any(axis=1)
            near_X = ~reached_X & numpy.concatenate([near_K, near_M])
            if not near_X.any():
                break
            steps_X[near_X] = step
        return steps_X

    @cached_property
    def certain_X(self) -> numpy.ndarray:  # noqa: N802 - the name carries the shape
        """The states from which every token leads to the phrase (MATCHED itself, and say the first bytes of any dash after it)."""
        K, tail_T = len(self.next_KV), self.spelling.tail_T
        tail_MT = self.partial.next_MC[:, self.spelling.tail_byte_T]
        spells_V = ~numpy.isin(numpy.arange(self.next_KV.shape[1]), [*NEVER_PRODUCED, *tail_T])
        certain_X = numpy.arange(self.num_states) == MATCHED
        while True:
            by_text_K = certain_X[self.next_KV[:, spells_V]].all(axis=1)
            more_K = by_text_K & certain_X[self.next_KV[:, tail_T]].all(axis=1)
            more_M = by_text_K[self.whole_X[K:]] & certain_X[tail_MT].all(axis=1)
            more_X = certain_X | numpy.concatenate([more_K, more_M])
            if (more_X == certain_X).all():
                return certain_X
            certain_X = more_X

    @property
    def can_be_spelled(self) -> bool:
        """Whether tokens of the vocabulary spell it."""
        return bool(self.steps_X[START] < _FAR)

    @property
    def needs(self) -> int:
        """With that many tokens it can be completed from every state."""
        return int(self.steps_X[self.steps_X < _FAR].max())

    def occurs_in(self, text: str, ended: bool = True) -> bool:
        """Whether a text contains the phrase. ended: the text is whole; else it may go on with anything, and what is sure counts."""
        state = START
        for character in text:
            state = self.next_KS[state, self.symbols.get(character, WORD if continues_word(character) else OTHER)]
        return bool((self.next_KS[state, OTHER] if ended else state) == MATCHED)

    def step(self, state: int, token: int) -> int:
        """The state after a token."""
        if state >= len(self.next_KV) and token in self.spelling.tail_of:
            return int(self.partial.next_MC[state - len(self.next_KV), self.spelling.tail_of[token]])
        return int(self.next_KV[self.whole_X[state], token])

    def after(self, tokens: Sequence[int]) -> int:
        """The state after these tokens."""
        state = START
        for token in tokens:
            state = self.step(state, token)
        return state


def compile_phrase(text: str, spelling: Spelling) -> Phrase:
    """The automaton of a phrase over a vocabulary. text: NFC; spaces around it do not count. DecodingError where no text is left."""
    body, star = phrase_body(text)
    if not body or "\0" in body:
        raise DecodingError(f"--forbid, --require: '{text}' is no word or phrase to look for in a translation; give some text")
    if len(body) > LONGEST_PHRASE:
        raise DecodingError(
            f"--forbid, --require: '{body[:20]}…' has {len(body)} characters; a phrase has at most {LONGEST_PHRASE}. Give a part of it"
        )
    symbols = {character: WORD + number for number, character in enumerate(dict.fromkeys(body), 1)}
    next_KS = character_automaton(body, star, symbols)
    next_KV = spelling.read(next_KS, symbols)
    next_KV[next_KS[:, OTHER] == MATCHED, EOS] = MATCHED
    broken_K = next_KS[:, symbols.get(_REPLACEMENT, OTHER)]
    partial = partial_states(next_KS, symbols, broken_K) if spelling.bytes else PartialStates.none()
    for token, byte in spelling.bytes.items():
        next_KV[:, token] = partial.after_lead.get(byte, broken_K)
    return Phrase(text, symbols, next_KS, next_KV, partial, spelling)


def phrase_body(text: str) -> tuple[str, bool]:
    """What has to be spelled, and whether anything may follow at once."""
    stripped = text.strip()
    return stripped.removesuffix("*").strip(), stripped.endswith("*")


def character_automaton(phrase: str, star: bool, symbols: dict[str, int]) -> numpy.ndarray:
    """next_KS (int16): the state after each symbol, for the phrase anywhere in a text, with a boundary on each side that needs one.

    As in Knuth, Morris and Pratt (1977), but a state is the set of all beginnings of this pattern that the text ends with: one boundary can
    be the end of one try and the beginning of the next.
    """
    boundaries = frozenset([OTHER, *(symbol for character, symbol in symbols.items() if not continues_word(character))])
    before, after = continues_word(phrase[0]), continues_word(phrase[-1]) and not star
    pattern = [*([boundaries] if before else []), *(frozenset([symbols[each]]) for each in phrase), *([boundaries] if after else [])]
    whole = frozenset([len(pattern)])

    def read(begun: frozenset[int], symbol: int) -> frozenset[int]:
        """The lengths of these beginnings and of new ones, one symbol further."""
        longer = whole if begun == whole else frozenset(length + 1 for length in (0, *begun) if symbol in pattern[length])
        return whole if len(pattern) in longer else longer

    states = {frozenset([1] if before else []): START, whole: MATCHED}
    waiting, rows = [*states], []
    for begun in waiting:  # it grows on the way
        row = []
        for symbol in (OTHER, WORD, *symbols.values()):
            found = read(begun, symbol)
            if found not in states:
                states[found] = len(states)
                waiting.append(found)
            row.append(states[found])
        rows.append(row)
    return numpy.array(rows, dtype=numpy.int16)
