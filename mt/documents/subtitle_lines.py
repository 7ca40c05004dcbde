"""What each line of a subtitle file is: SubRip (.srt) and WebVTT (.vtt).

SubRip has no standard: here, as in most players, a line of timing begins a cue, and the number directly above it belongs to that cue; empty
lines and missing ones between cues change nothing. WebVTT has one (https://www.w3.org/TR/webvtt1/, Parsing): a cue ends at an empty line,
which has no space either, or at the next timing. A line that looks like a timing and is none is refused: its cue would be text.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mt.documents.parts import refuse

_TIMING = re.compile(r"[\d:.,]+\s*-->\s*[\d:.,]+(?P<rest>\s.*)?$")
_SETTINGS = re.compile(r"(?:\s+[A-Za-z][\w-]*[:=]\s*\S*|\s+(?:\{\\[^{}]*\})+)*[\W\d_]*$")
"""Behind the times: settings of WebVTT (align:start), co-ordinates of SubRip (X1:100 Y1:20), a place on the screen ({\\an8})."""
_TIME = r"(?:\d+:\d{1,2}:\d{1,2}[.,:]\d{1,3}|\d{1,3}:\d{1,2}[.,]\d{1,3})"
_CLOCK = rf"(?:\d+:\d{{1,2}}:\d{{1,2}}|{_TIME})"
_ARROW = r"[-‐-―−=~]*\s*[>›»➔➜➡→⇒⟶⟹⇨]"
_LOOSE = r"\d{1,3}\s?[:;.,\s]\s?\d{1,2}\s?[:;.,\s]\s?\d{1,2}(?:\s?[:;.,\s]\s?\d{1,3})?"
_FULL = r"\d+:\d{1,2}:\d{1,2}[.,:]\d{1,3}"
_WITH_ARROW = re.compile(rf"-->.*?{_CLOCK}|{_CLOCK}.*?-->|{_FULL}\s*{_ARROW}+\s*{_FULL}")
"""An arrow with one time, or another arrow between two: damaged anywhere, whatever else is on the line."""
_ALONE_WITH_ARROW = re.compile(rf"^\W*{_CLOCK}\s*{_ARROW}|{_ARROW}\s*{_CLOCK}\W*$|^\W*{_LOOSE}\s*{_ARROW}\s*{_LOOSE}\W*$|-->")
"""Damaged anywhere, where the line has no letter."""
_IN_PLACE = re.compile(rf"^\W*(?:{_TIME}\W*(?:[^\W\d]{{1,3}}\W+)?{_TIME}|\d+:\d{{1,2}}:\d{{1,2}}[.,]\d{{3}})\W*$")
"""Two times, or one, and no more than a short word: damaged only where a timing is expected. Elsewhere it is a text with times."""
_MISREAD = str.maketrans("OolI", "0011")
"""Letters that text recognition writes for digits."""
_TAG = re.compile(r"<[^<>]*>")
_ADVICE = "Expected for example 00:00:01,000 --> 00:00:02,500. Repair the line, or write an arrow in a text as →"


@dataclass
class Line:
    """A line of a file."""

    number: int
    """From 1."""
    raw: str
    """With its line end."""
    kind: str = "kept"
    """text (of a cue), timing, or kept: everything else."""

    @property
    def bare(self) -> str:
        """Without white space and byte order marks around it."""
        return self.raw.strip().strip("\ufeff").strip()

    @property
    def end(self) -> str:
        """Its line end; "" of a last line without one."""
        return self.raw[len(self.raw.rstrip("\r\n")) :]

    @property
    def is_empty(self) -> bool:
        """Whether it has no character at all: a space is one."""
        return not self.raw.strip("\r\n")


def numbered(lines: Iterator[str]) -> Iterator[Line]:
    """Lines with their numbers."""
    return (Line(number, raw) for number, raw in enumerate(lines, 1))


def subrip_lines(lines: Iterator[Line], path: Path) -> Iterator[Line]:
    """The lines of a SubRip file with their kinds; what is above the first cue is kept. DataError for a damaged or missing timing.

    A number with text below it may be words of the cue above. It was a cue without a timing when the next cue has a higher number.
    """
    held: Line | None = None  # the next line decides whether it is a number or text
    lost: tuple[int, Line] | None = None  # a number and what is below it, not a timing
    inside, counter, blank, expected = False, 0, True, False
    for line in lines:
        number = _number(line)
        if _is_timing(line, path):
            line.kind = "timing"
            above = None if held is None else _number(held)
            if held is not None and held.bare.isdecimal():
                held.kind = "kept"
            if lost is not None and above is not None and above > lost[0]:
                problem = f"'{_short(lost[1].bare)}' is not a timing, though the number {lost[0]} is above it. {_ADVICE}"
                raise refuse(path, lost[1].number, problem)
            inside, counter, lost, expected = True, counter if above is None else above, None, False
        elif line.bare:
            _refuse_damaged(line, path, expected or blank)
            if expected and lost is None and counter + 1 == _number(held):
                lost = counter + 1, line
            expected = number is not None and (blank or number == counter + 1)
            line.kind = "text" if inside and not (blank and number == counter + 1) else "kept"
        blank = not line.bare
        if held is not None:
            yield held
        held = line
    if held is not None:
        yield held


def _number(line: Line) -> int | None:
    """The number that a line is; None: it is something else."""
    return int(line.bare) if line.bare.isdecimal() and len(line.bare) < 10 else None


def webvtt_lines(lines: Iterator[Line], path: Path) -> Iterator[Line]:
    """The lines of a WebVTT file with their kinds. DataError for a damaged timing."""
    block, held = "", None
    for line in lines:
        if line.number == 1 and line.bare.startswith("WEBVTT"):
            block = "header"
        elif _is_timing(line, path if block not in ("header", "note") else None):
            line.kind, block = "timing", "cue"
            if held is not None and held.bare.isdecimal():
                held.kind = "kept"
        elif line.is_empty:
            block = "begin"
        elif block == "begin" and re.match(r"(?:NOTE|STYLE|REGION)(?:\s|$)", line.raw):
            block = "note"
        elif block not in ("header", "note"):
            _refuse_damaged(line, path, block != "cue")
            block = block if block == "cue" and "-->" not in line.raw else "other"  # the standard drops a cue with such a line
            line.kind = "text" if block == "cue" and line.bare else "kept"
        if held is not None:
            yield held
        held = line
    if held is not None:
        yield held


def _is_timing(line: Line, path: Path | None) -> bool:
    """Whether a line says from when to when its cue is shown.

    path: text behind the times is refused, with this path in the DataError; None: with such text a line is no timing.
    """
    found = _TIMING.match(line.bare)
    if found is None or not found["rest"] or _SETTINGS.match(found["rest"]):
        return found is not None
    if path is not None:
        raise refuse(path, line.number, f"'{_short(found['rest'].strip())}' follows the timing. Move text to a line of its own")
    return False


def _refuse_damaged(line: Line, path: Path, expected: bool) -> None:
    """DataError for what looks like a timing and is none. expected: whether a timing may be expected in this place."""
    text = _TAG.sub("", unicodedata.normalize("NFKC", line.bare))
    if not {character for character in text if character.isalpha()} - set("OolI"):
        text = text.translate(_MISREAD)
    wordless = not any(map(str.isalpha, text))
    if _WITH_ARROW.search(text) or (wordless and _ALONE_WITH_ARROW.search(text)) or (expected and _IN_PLACE.search(text)):
        raise refuse(path, line.number, f"'{_short(line.bare)}' is not a timing. {_ADVICE}")


def _short(text: str) -> str:
    """A text for a message."""
    return text if len(text) <= 60 else f"{text[:59]}…"
