"""Whether a text has anything to translate: a letter of the source language."""

import re
from functools import cache

from mt.data.characters import SCRIPTS, script_of
from mt.data.language_codes import short_code
from mt.documents.placeholders import without_placeholders

_WIDE = {"Latin": "\uff21-\uff3a\uff41-\uff5a", "kana or Han": "\uff66-\uff9f\u3005-\u3007", "Hangul": "\uffa1-\uffdc"}
"""The full-width and half-width forms of some scripts."""
_ALSO_LATIN = frozenset(("sr", "uz", "kk", "az", "mn", "tg", "bs", "ku", "yi"))
"""Languages of another script that are often written in Latin letters."""


@cache
def _letter(language: str) -> re.Pattern[str] | None:
    """What may be a letter of a language; None: any letter, where its script is not known."""
    script = script_of(language)
    if script is None:
        return None
    scripts = [script, "Latin"] if short_code(language) in _ALSO_LATIN else [script]
    return re.compile("[" + "".join(SCRIPTS[name] + _WIDE.get(name, "") for name in scripts) + "]")


def has_source_words(text: str, language: str) -> bool:
    """Whether a text has a letter of a language outside placeholders, addresses and file names: only then is it shown to the model.

    language: its code; a language whose script is not known has every letter. Digits, punctuation, emoji and invisible characters are no
    letters, nor are those of other scripts: an English name in a Korean file stays as it is.
    """
    letter = _letter(language)
    if letter is not None and not letter.search(text):
        return False
    bare = without_placeholders(text)
    if letter is None:
        return any(map(str.isalpha, bare))
    return any(match[0].isalpha() for match in letter.finditer(bare))
