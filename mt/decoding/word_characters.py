"""Which characters continue a word, for finding phrases in text; and the same for text that comes in bytes of UTF-8.

Letters, digits and combining marks continue a word. All else is a boundary: spaces and punctuation of any kind, such as typographic quotes,
dashes, the no-break space and full-width marks. So are the letters of scripts that put no spaces between words, which say nothing about
where a word ends.

Dimensions: D beginnings of characters, C continuation bytes (64).
"""

import re
import unicodedata
from functools import cache
from typing import NamedTuple

import numpy

WITHOUT_SPACES = re.compile(
    "[\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f\U000116d0-\U000116ff"  # Myanmar
    "\u1780-\u17ff"  # Khmer
    "\u1950-\u19df\u1a20-\u1aaf\uaa80-\uaadf"  # Tai Le, New Tai Lue, Tai Tham, Tai Viet
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u302d\u3038-\u303c\u3190-\u319f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # Han
    "\u3031-\u3035\u3041-\u30ff\u31f0-\u31ff\uff66-\uff9f\U0001aff0-\U0001b16f"  # kana
    "\u3100-\u312f\u31a0-\u31bf\ua000-\ua4cf"  # Bopomofo, Yi
    "\U00016fe0-\U00018d8f\U0001b170-\U0001b2ff\U00020000-\U0003fffd]"  # Tangut, Khitan, Nüshu, more Han
)
"""A character of a script that puts no spaces between words (Unicode's blocks)."""
ENDS_BOUNDARY, ENDS_WORD, BROKEN = -1, -2, -3
"""What a byte can complete: a character that is a boundary, one that continues a word, or nothing that is UTF-8."""
_TAIL = 0x80
"""The first continuation byte."""


def continues_word(character: str) -> bool:
    """Whether a word goes on with this character: a letter, digit or combining mark of a script that puts spaces between words."""
    return unicodedata.category(character)[0] in "LMN" and WITHOUT_SPACES.match(character) is None


@cache
def word_characters() -> numpy.ndarray:
    """For every code point whether it continues a word (bool)."""
    found = numpy.array([unicodedata.category(chr(code))[0] in "LMN" for code in range(0x110000)])
    for match in re.finditer("(.)-(.)|(.)", WITHOUT_SPACES.pattern[1:-1], re.DOTALL):
        first, last = (match[1], match[2]) if match[1] else (match[3], match[3])
        found[ord(first) : ord(last) + 1] = False
    return found


class Beginnings(NamedTuple):
    """The beginnings of characters in UTF-8: which byte leads where. Beginnings that differ in nothing that follows are one."""

    after_lead: dict[int, int]
    """The beginning that a first byte makes."""
    after_DC: numpy.ndarray
    """What a beginning becomes with a continuation byte: a longer beginning (from 0), ENDS_BOUNDARY, ENDS_WORD or BROKEN."""


@cache
def beginnings() -> Beginnings:
    """All of them."""
    classes = numpy.where(word_characters(), ENDS_WORD, ENDS_BOUNDARY)
    classes[0xD800:0xE000] = BROKEN
    rows: list[tuple[int, ...]] = []
    known: dict[tuple[int, ...], int] = {}

    def beginning(first: int, size: int) -> int:
        """The beginning whose characters are these `size` code points, those that UTF-8 writes in fewer bytes being none."""
        part = size // 64
        starts = range(first, first + size, part)
        if part == 1:
            row = tuple(classes[first : first + size].tolist())
        else:
            exist = (least[size] <= start < 0x110000 and start not in surrogates for start in starts)
            row = tuple(beginning(start, part) if exists else BROKEN for start, exists in zip(starts, exist, strict=True))
        if row not in known:
            known[row] = len(rows)
            rows.append(row)
        return known[row]

    least = {64 * 64: 0x800, 64 * 64 * 64: 0x10000}
    surrogates = range(0xD800, 0xE000)
    two = {0xC0 | code: beginning(code * 64, 64) for code in range(2, 32)}
    three = {0xE0 | code: beginning(code * 4096, 4096) for code in range(16)}
    four = {0xF0 | code: beginning(code * 64**3, 64**3) for code in range(5)}
    return Beginnings(two | three | four, numpy.array(rows, dtype=numpy.int16))


def beginning_of(prefix: bytes) -> int:
    """The beginning that some first bytes of a character make."""
    found = beginnings()
    at = found.after_lead[prefix[0]]
    for byte in prefix[1:]:
        at = int(found.after_DC[at, byte - _TAIL])
    return at
