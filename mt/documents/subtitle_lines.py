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
_SETTINGS = re.compile(r"(?:\s+[A-Za-z][\w-]*[:=]\s*\S*)*[\W\d_]*$")
"""Behind the times: settings of WebVTT (align:start), co-ordinates of SubRip (X1:100 Y1:20)."""
_TIME = r"(?:\d+:\d{1,2}:\d{1,2}[.,:]\d{1,3}|\d{1,3}:\d{1,2}[.,]\d{1,3})"
_CLOCK = rf"(?:\d+:\d{{1,2}}:\d{{1,2}}|{_TIME})"
_ARROW = r"[-‐-―−=~]*\s*[>›»➔➜➡→⇒⟶⟹⇨]"
_LOOSE = r"\d{1,3}\s?[:;.,\s]\s?\d{1,2}\s?[:;.,\s]\s?\d{1,2}(?:\s?[:;.,\s]\s?\d{1,3})?"
_DAMAGED = (
    re.compile(rf"{_TIME}.*?{_TIME}"),
    re.compile(r"^\W*\d+:\d{1,2}:\d{1,2}[.,]\d{3}\W*$"),
    re.compile(rf"-->.*?{_CLOCK}|{_CLOCK}.*?-->"),
    re.compile(rf"^\W*{_CLOCK}\s*{_ARROW}|{_ARROW}\s*{_CLOCK}\W*$"),
    re.compile(rf"^\W*{_LOOSE}\s*{_ARROW}\s*{_LOOSE}\W*$"),
)
"""Two times, half a timing, an arrow with one time, other separators: what is left of a timing."""
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
    """The lines of a SubRip file with their kinds. DataError for a damaged timing, and for text before the first cue."""
    held: Line | None = None  # the next line decides whether it is a number or text
    stray: Line | None = None
    inside, counter, blank, expected = False, 0, True, False
    for line in lines:
        if _is_timing(line, path):
            line.kind = "timing"
            if held is not None and held.bare.isdecimal():
                held.kind, counter = "kept", int(held.bare)
                stray = None if stray is held else stray
            if stray is not None:
                raise refuse(path, stray.number, f"'{_short(stray.bare)}' is above the first timing, outside of any cue. Remove that line")
            inside, expected = True, False
        elif line.bare:
            _refuse_damaged(line, path)
            if expected:
                problem = f"'{_short(line.bare)}' is not a timing, though the number {counter + 1} is above it. {_ADVICE}"
                raise refuse(path, line.number, problem)
            line.kind = "text" if inside else "kept"
            stray = stray or (None if inside else line)
            expected = inside and blank and line.bare == str(counter + 1)
        blank = not line.bare
        if held is not None:
            yield held
        held = line
    if held is not None:
        yield held


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
            _refuse_damaged(line, path)
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


def _refuse_damaged(line: Line, path: Path) -> None:
    """DataError for what looks like a timing and is none."""
    text = _TAG.sub("", unicodedata.normalize("NFKC", line.bare))
    if not {character for character in text if character.isalpha()} - set("OolI"):
        text = text.translate(_MISREAD)
    wordless = not any(map(str.isalpha, text))
    if any(pattern.search(text) for pattern in _DAMAGED) or (wordless and "-->" in text):
        raise refuse(path, line.number, f"'{_short(line.bare)}' is not a timing. {_ADVICE}")


def _short(text: str) -> str:
    """A text for a message."""
    return text if len(text) <= 60 else f"{text[:59]}…"
