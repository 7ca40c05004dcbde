"""Which translations a person should check first: what can be seen without knowing either language.

A flag is a question, not a verdict: a number can be written in words, and a name can be the same in both languages. How good a translation
is, no flag tells.
"""

import os
import re
from collections import Counter
from pathlib import Path
from typing import BinaryIO

from mt.documents.fit import Translated
from mt.documents.inline import Inline, has_words
from mt.documents.parts import Part
from mt.documents.placeholders import changed_placeholders
from mt.documents.words import has_source_words

REASONS = {
    "cut": "the length limit cut it off",
    "kept": "too long for the model and not to be cut: left as it was",
    "empty": "nothing came out",
    "invented": "words where the source has none",
    "placeholders": "a placeholder, tag or address of the source is missing or was doubled",
    "numbers": "a number of the source is missing",
    "repetition": "it repeats itself",
    "length": "far shorter or longer than its source",
    "copy": "the source's own words",
    "markup": "inline markup had no clear place",
}
"""The names of the flags, most serious first."""

LONGEST_RATIO = 3.0
"""So many times as long in UTF-8 as the other side is flagged: a Hangul syllable is three bytes, as the letters that it stands for."""
SLACK = 24
"""Bytes added to both sides first, so that short texts are not flagged."""
_NUMBER = re.compile("\\d+(?:[.,]\\d+|[\u00a0\u202f\u2009'’]\\d{3}(?!\\d))*")
_GROUPED = re.compile(r"\d{1,3}(?:([.,\s'’])\d{3})(?:\1\d{3})*|\d{1,2}(?:,\d{2})*,\d{3}")
"""1,000; 1.000.000; 1 000; 10,00,000"""
_DECIMAL = re.compile(r"(.*\d)[.,](\d+)")
_WORDS = {
    word: str(number)
    for language in (
        "zero one two three four five six seven eight nine ten eleven twelve",
        "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf",
    )
    for number, word in enumerate(language.split())
} | {"a": "1", "an": "1", "ein": "1", "eine": "1", "einen": "1", "einem": "1", "einer": "1"}
_LONGEST_REPEATED = 8
_COPIED = 0.5
_LONG_WORD = 4
_COLUMNS = ("line", "flags", "source", "translation")


def flags(source: str, result: Translated, same_language: bool, language: str = "", marked: str | None = None) -> list[str]:
    """The flags of a translation, in the order of REASONS.

    same_language: copies are then right. language: the code of the source language; "": any letter is one of its letters.
    marked: the source with its markup and escapes, as the translation has them; None: it has none.
    """
    text = result.text
    found = {
        "cut": not result.finished,
        "kept": result.kept > 0,
        "empty": bool(source.strip()) and not text.strip(),
        "markup": bool(result.markup),
    }
    if text.strip() and text != source:
        found["invented"] = not has_source_words(source, language)
        found["placeholders"] = bool(changed_placeholders(source if marked is None else marked, text))
        found["numbers"] = bool(missing_numbers(source, text))
        found["repetition"] = (times := repeats(text)) > 2 and times > repeats(source)
        found["length"] = not 1 / LONGEST_RATIO < _bytes(text) / _bytes(source) < LONGEST_RATIO
    if text.strip() and has_source_words(source, language):
        found["copy"] = not same_language and is_copy(source, text)
    return [name for name in REASONS if found.get(name)]


def missing_numbers(source: str, text: str) -> list[str]:
    """The numbers of a source that its translation lacks, as they are in the source.

    A number may be written with other separators (1,000 and 1000; 3.5 and 3,5) or, to twelve, as an English or German word. Where 1.234 can
    be a thousand or a decimal fraction, either will do; 1.5 is not 15.
    """
    wanted = sorted(_NUMBER.findall(source), key=lambda number: len(_readings(number)))
    if not wanted:
        return []
    there = [_readings(number) for number in _NUMBER.findall(text)]
    there += [{_WORDS[word]} for word in re.findall(r"\w+", text.casefold()) if word in _WORDS]
    missing = []
    for number in wanted:
        found = min((other for other in there if other & _readings(number)), key=len, default=None)
        if found is None:
            missing.append(number)
        else:
            there.remove(found)
    return sorted(missing, key=source.index)


def _readings(number: str) -> set[str]:
    """What a number can be: digits in ASCII without separators of thousands, and a full stop before decimals."""
    number = "".join(str(int(character)) if character.isdecimal() else character for character in number)
    readings = {re.sub(r"\D", "", number)} if number.isdecimal() or _GROUPED.fullmatch(number) else set()
    decimal = _DECIMAL.fullmatch(number)
    if decimal and (decimal[1].isdecimal() or (_GROUPED.fullmatch(decimal[1]) and decimal[1][-4] != number[len(decimal[1])])):
        readings.add(re.sub(r"\D", "", decimal[1]) + "." + decimal[2])
    return readings or {re.sub(r"\D", ".", number)}  # a date, a version


def repeats(text: str) -> int:
    """How often the same one to eight words stand in a row; characters where a text has few spaces. 1: less than three times."""
    words = text.split()
    if len(words) * 12 < len(text):
        words = list(text)
    if max(Counter(words).values(), default=0) < 3:
        return 1
    most = 1
    for size in range(1, _LONGEST_REPEATED + 1):
        run = 0
        for place in range(size, len(words)):
            run = run + 1 if words[place] == words[place - size] else 0
            most = max(most, run // size + 1)
    return most if most > 2 else 1


def is_copy(source: str, text: str) -> bool:
    """Whether a translation is the source, or most of its long words are words of the source."""
    if source.strip().casefold() == text.strip().casefold():
        return True
    words = [word for word in re.findall(r"\w+", text.casefold()) if len(word) >= _LONG_WORD and has_words(word)]
    own = set(re.findall(r"\w+", source.casefold()))
    return len(words) >= _LONG_WORD and sum(word in own for word in words) > _COPIED * len(words)


class Report:
    """Counts flags, and writes the flagged lines into a TSV file that is there only when it is whole. To be used in a with statement."""

    def __init__(self, path: Path | None, same_language: bool, language: str = ""):
        self._path, self._same_language, self._language = path, same_language, language
        self._part = None if path is None else path.with_name(f".{path.name}.{os.getpid()}.part")
        self._stream: BinaryIO | None = None
        self.translated = self.kept = self.flagged = 0
        self.counts: Counter[str] = Counter()

    def __enter__(self) -> "Report":
        if self._part is not None:
            self._part.parent.mkdir(parents=True, exist_ok=True)
            self._stream = open(self._part, "wb")
            self._row(_COLUMNS)
        return self

    def __exit__(self, *error: object) -> None:
        if self._stream is not None:
            self._stream.close()
            self._part.unlink(missing_ok=True)

    def add(self, part: Part, result: Translated) -> None:
        """The next translation."""
        kept = result.text == part.text and not has_source_words(part.text, self._language)
        self.kept, self.translated = self.kept + kept, self.translated + (not kept)
        found = flags(part.text, result, self._same_language, self._language, Inline(part).original())
        if found:
            self.flagged += 1
            self.counts.update(found)
            self._row((str(part.line), ",".join(found), part.text, result.text))

    def finish(self) -> str:
        """Put the file in its place; what a person is told, "" when nothing was flagged."""
        if self._stream is not None:
            self._stream.flush()
            os.fsync(self._stream.fileno())
            self._stream.close()
            os.replace(self._part, self._path)
        if not self.flagged:
            return ""
        counts = ", ".join(f"{self.counts[name]} {name}" for name in REASONS if self.counts[name])
        where = f"they are in {self._path}" if self._path else "--report FILE lists them"
        return f"note: {self.flagged} of {self.translated + self.kept} translations may need a look ({counts}); {where}"

    def _row(self, cells: tuple[str, ...]) -> None:
        if self._stream is not None:
            self._stream.write(("\t".join(re.sub(r"\s+", " ", cell) for cell in cells) + "\n").encode("utf-8"))


def _bytes(text: str) -> int:
    """How long a text is."""
    return len(text.encode("utf-8")) + SLACK
