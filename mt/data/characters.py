"""What single characters tell of a text: its script, and what no sentence should hold, as regular expressions."""

import html
import re
import unicodedata
from functools import cache

from mt.data.language_codes import short_code

SCRIPTS = {
    "Hangul": "\u1100-\u11ff\u3130-\u318f\ua960-\ua97f\uac00-\ud7ff",
    "kana or Han": "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003134f",
    "Cyrillic": "\u0400-\u052f\u1c80-\u1c8f",
    "Greek": "\u0370-\u03ff\u1f00-\u1fff",
    "Arabic": "\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff\ufb50-\ufdff\ufe70-\ufeff",
    "Hebrew": "\u0590-\u05ff",
    "Thai": "\u0e00-\u0e7f",
    "Devanagari": "\u0900-\u097f",
    "Latin": "A-Za-z\u00c0-\u024f\u1e00-\u1eff",
}
"""Ranges of the letters of scripts (Unicode's blocks), as a character class."""

_LANGUAGES = {
    "Hangul": "ko", "kana or Han": "ja zh yue", "Cyrillic": "ru uk be bg sr mk kk ky mn tg", "Greek": "el", "Arabic": "ar fa ur ps ug",
    "Hebrew": "he yi", "Thai": "th", "Devanagari": "hi mr ne sa",
    "Latin": "af az ca cs cy da de en es et eu fi fr ga gl hr hu id is it lt lv ms mt nb nl nn no pl pt ro sk sl sq sv sw tl tr uz vi",
}  # fmt: skip
SCRIPT_OF = {language: script for script, languages in _LANGUAGES.items() for language in languages.split()}
"""The script that a language is written in, for the languages that are written in one of SCRIPTS."""


def script_of(language: str) -> str | None:
    """The script of a language code of two or three letters (region ignored); None where it is not known."""
    return SCRIPT_OF.get(short_code(language))


def letters(script: str) -> re.Pattern[str]:
    """One letter of a script."""
    return re.compile(f"[{SCRIPTS[script]}]")


ANY_LETTER = re.compile(r"[^\W\d_]")
UNDECODABLE = re.compile("[\udc80-\udcff]")
"""What Python makes of a byte that is not UTF-8 (surrogateescape)."""
NUL = re.compile("[\0\ud800-\udbff\udc00-\udc7f\udd00-\udfff]")
"""NUL and halves of characters, which no text has."""
CONTROL = re.compile("[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")
INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
"""Soft hyphens, zero-width spaces, marks of direction, byte order marks inside a text. Not the joiners, which words need."""
REPLACEMENT = re.compile("\ufffd")
RETURN = re.compile("\r(?!$)", re.MULTILINE)
_ENTITY = "&(?:[a-zA-Z]{2,8}|#\\d{2,6}|#x[0-9a-fA-F]{2,6});"
_TAG = "</?(?:p|br|b|i|u|em|strong|span|div|font|a|li|ul|ol|td|tr|h[1-6])\\b[^<>]*>"
HTML = re.compile(f"{_ENTITY}|{_TAG}", re.IGNORECASE)
MOJIBAKE = re.compile("[\u00c2\u00c3][\u0080-\u00bf]|\u00e2\u20ac[\u2122\u0153\u009d\u02dc\u201c\u201d\u00a6\u00a2]|"
                      "[\u00ea-\u00ed][\u0080-\u00bf\u2018-\u203a\u0152-\u017e\u02c6\u02dc\u20ac\u2122]{2}")  # fmt: skip
"""UTF-8 that was read as Latin-1 or Windows-1252: 'Ã©', 'â€™', 'ì•ˆ'."""
DECOMPOSED = re.compile("[\u1100-\u1112][\u1161-\u1175]|[A-Za-z][\u0300-\u036f]")
"""A syllable in jamo, or a letter and its accent apart."""
HALF_WIDTH = re.compile("[\uff01-\uff5e\uffa0-\uffdc]")
REPEATED = re.compile(r"([^\s.\-_=*~])\1{14}|\b(\w+)(?:[^\w\n]+\2\b){5}")
"""A character (not one that draws a line) fifteen times in a row, or a word six times."""
SUSPICIOUS = re.compile(
    "[\0-\x08\x0b-\x1f\x7f-\x9f&<\u00ad\u0300-\u036f\u1100-\u1112\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ud800-\udfff\ufeff\ufffd"
    "\uff01-\uff5e\uffa0-\uffdc\u00c2\u00c3\u00e2\u00ea-\u00ed]"
)
"""A character that one of the patterns above needs: a text without any has nothing to be looked at."""
SPACES = re.compile(r"^[ \t]|[ \t]$|  |\t", re.MULTILINE)
_LOOK = re.compile(r"[^\w\n]+|_+")
"""What does not count when sentences are compared, in scripts whose letters have no marks: this is four times as fast as with them."""


@cache
def _marks() -> tuple[frozenset[str], re.Pattern[str]]:
    """The marks of letters, variation selectors left out, and all that does not count where there are marks."""
    codes = (code for code in range(0x300, 0x1F000) if not 0xFE00 <= code <= 0xFE0F)
    marks = frozenset(chr(code) for code in codes if unicodedata.category(chr(code))[0] == "M")
    return marks, re.compile(f"[^\\w\n{re.escape(''.join(sorted(marks)))}]+|_+")


def without_look(text: str) -> str:
    """A text without what does not count when sentences are compared: all but letters, their marks, digits and line feeds.

    The vowel signs of Devanagari, Thai and others are marks: without them different words are the same.
    """
    marks, look = _marks()
    return (_LOOK if marks.isdisjoint(set(text)) else look).sub("", text)


def comparison_key(text: str) -> str:
    """What is left of a sentence when its look does not count: letters and digits, NFKC, lower case; the text itself if there are none."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return without_look(folded).replace("\n", "") or folded.strip()


NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


def mended(text: str) -> str | None:
    """Text that was read in the wrong encoding, read anew; None when that does not succeed, or leaves some of it."""
    for encoding in ("cp1252", "latin-1"):
        try:
            again = text.encode(encoding).decode("utf-8")
        except UnicodeError:
            continue
        if not MOJIBAKE.search(again):
            return again
    return None


def cleaned(text: str) -> str:
    """Without what no sentence should hold: NFC, entities written out, tags and invisible characters gone, control characters as spaces."""
    text = unicodedata.normalize("NFC", text)
    if HTML.search(text):
        text = html.unescape(re.sub(r"</?[a-zA-Z][^<>]*>", " ", text))
    text = INVISIBLE.sub("", CONTROL.sub(" ", text.replace("\r", " ").replace("\0", " ")))
    return " ".join(text.split()) if "  " in text or text != text.strip() else text
