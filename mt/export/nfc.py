"""A SentencePiece model that composes text to NFC by itself, for programs that do not normalise as mt does before it tokenizes.

SentencePiece replaces the longest of a list of strings, wherever it finds one. The list holds every composed character with its parts in
every order that means the same, and every partly composed form: Vietnamese is often written as a letter with its circumflex, breve or horn
and a tone mark below after it (the order of Windows-1258). Combining marks that no character composes with its letter keep their order,
where full NFC would sort them.
"""

import io
import tempfile
import unicodedata
from collections.abc import Iterator
from functools import cache
from itertools import permutations
from pathlib import Path

import sentencepiece

_NORMALIZER, _CHARSMAP = 3, 2
"""The fields of ModelProto and of NormalizerSpec (sentencepiece_model.proto) that lead to the compiled list."""
_BYTES = 2
"""Protocol Buffers' wire type of what has a length."""
_LEADS, _VOWELS, _TAILS = ([chr(code) for code in codes] for codes in (range(0x1100, 0x1113), range(0x1161, 0x1176), range(0x11A8, 0x11C3)))
"""The jamo that Hangul syllables are composed of."""


def with_nfc(model: bytes) -> bytes:
    """A serialised model that also composes. Messages that follow one another are merged field by field, so one is added at the end."""
    return model + _field(_NORMALIZER, _field(_CHARSMAP, _compiled()))


def _compositions() -> Iterator[tuple[str, str]]:
    """Every sequence that NFC composes (or replaces, if it is one character), and what it becomes."""

    def compose(text: str) -> str:
        return unicodedata.normalize("NFC", text)

    for code in range(0x110000):
        character = chr(code)
        parts = unicodedata.normalize("NFD", character)
        if parts == character or 0xAC00 <= code <= 0xD7A3:
            continue
        orders = {parts[0] + "".join(marks) for marks in permutations(parts[1:])}
        same = [order for order in orders if compose(order) == compose(character)]
        begun = [compose(order[:length]) + order[length:] for order in same for length in range(2, len(order))]
        yield from ((form, compose(character)) for form in sorted({character, *same, *begun}))
    for lead in _LEADS:
        for vowel in _VOWELS:
            syllable = compose(lead + vowel)
            yield lead + vowel, syllable
            yield from ((start + tail, compose(syllable + tail)) for tail in _TAILS for start in (lead + vowel, syllable))


@cache
def _compiled() -> bytes:
    """The list as SentencePiece compiles it: taken from a model that is trained for nothing else."""
    rules = {form: composed for form, composed in _compositions() if form != composed}
    trained = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "nfc.tsv"
        rows = ("\t".join(" ".join(f"{ord(character):X}" for character in text) for text in rule) for rule in rules.items())
        table.write_text("\n".join(rows) + "\n", encoding="ascii")
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(["a b"] * 10), model_writer=trained, vocab_size=6, model_type="char",
            normalization_rule_tsv=str(table), minloglevel=2,
        )  # fmt: skip
    return _found(_found(trained.getvalue(), _NORMALIZER), _CHARSMAP)


def _varint(value: int) -> bytes:
    """A number as Protocol Buffers write it: seven bits a byte, the lowest first."""
    found = b""
    while value > 0x7F:
        found += bytes([value & 0x7F | 0x80])
        value >>= 7
    return found + bytes([value])


def _field(number: int, content: bytes) -> bytes:
    """A field with a length."""
    return _varint(number << 3 | _BYTES) + _varint(len(content)) + content


def _found(message: bytes, number: int) -> bytes:
    """The content of the last field of that number, which has a length."""
    place, found = 0, b""

    def read_varint() -> int:
        nonlocal place
        value = shift = 0
        while True:
            byte = message[place]
            place += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while place < len(message):
        key = read_varint()
        kind = key & 7
        size = read_varint() if kind in (0, _BYTES) else {1: 8, 5: 4}[kind]
        if kind == _BYTES:
            content, place = message[place : place + size], place + size
            found = content if key >> 3 == number else found
        elif kind != 0:
            place += size
    return found
