"""Subtitles, SubRip (.srt) and WebVTT (.vtt): the cues' texts are translated; numbers, timings, settings, notes and styles are kept.

subtitle_lines.py says what each line is. The lines of a cue are joined, translated and wrapped again; lines that each begin with a dash
are two speakers and stay two. A sentence that runs over several cues is translated cue by cue, since nothing says where its translation
would have to be cut. Karaoke stamps (<00:00:01.000>) are kept and spread over the words of the translation.
"""

import html
import re
from collections.abc import Iterator, Sequence

from mt.data.encodings import normalise
from mt.documents.inline import inline_part
from mt.documents.parts import Part, Source, cut_mark, kept
from mt.documents.subtitle_lines import Line, numbered, subrip_lines, webvtt_lines
from mt.documents.tags import without_tags
from mt.errors import DataError
from mt.text_table import broken_lines, display_width

_WIDEST = 42
"""Columns of a line, as subtitles are usually set; a line of the source that is wider allows as much."""
_TAG = re.compile(r"</?[A-Za-z][A-Za-z0-9:_-]*(?:\.[^\s<>]*)?(?:[\s/][^<>]*)?>|<\d[\d:.]*>|\{\\[^{}]*\}")
_EDGE = re.compile(r"^\s*(?:[-–—‐♪♫]+\s*)+|\s*[♪♫][\s♪♫]*+$")
"""A speaker's dash and notes of music, which are kept."""
_MARKER = re.compile(f"{_TAG.pattern}|{_EDGE.pattern}")
_DASH = re.compile(r"\s*(?:<[^<>]*>|\{\\[^{}]*\})*\s*[-–—‐]")
_KARAOKE = re.compile(r"<\d[\d:.]*>|</?c(?:[.\s][^<>]*)?>")
_STAMP = re.compile(r"<\d[\d:.]*>")
_LINE_END = re.compile(r"\s*[\r\n]\s*")
_BREAK = re.compile(r"[ \t-\r\x1c-\x1f\x85\u2028\u2029]+")
"""White space that becomes one space, where a line may be broken; a no-break space is a character like any other."""
_SPACE_IN_TAG = "\ue000"


def subtitle_parts(source: Source, format: str) -> Iterator[Part]:
    """The parts of a file. format: srt or vtt. DataError for a damaged timing, and when it has text but no cue."""
    before, lines = cut_mark(source.lines())
    read = subrip_lines if format == "srt" else webvtt_lines
    cue: list[Line] = []
    cues = text = 0
    for line in read(numbered(lines), source.path):
        cues, text = cues + (line.kind == "timing"), text + bool(line.bare)
        if line.kind == "text":
            cue.append(line)
            continue
        for part in _cue_parts(cue, before, format):
            yield part
            before = ""
        cue = []
        before += line.raw
    yield from _cue_parts(cue, before, format) or [kept(before)]
    if text > 1 and not cues:
        raise DataError(f"{source.path}: no line is the timing of a cue (00:00:01,000 --> 00:00:02,500); is this a .{format} file?")


def _cue_parts(lines: Sequence[Line], before: str, format: str) -> list[Part]:
    """The parts of a cue's lines: one, or one for each speaker."""
    if not lines:
        return []
    speakers = len(lines) > 1 and all(_DASH.match(line.raw) for line in lines)
    groups = [[line] for line in lines] if speakers else [list(lines)]
    parts = []
    for group in groups:
        end = group[-1].end
        raw = "".join(line.raw for line in group).removesuffix(end)
        parts.append(_part(raw, group[0].number, before, format, group[0].end or "\n"))
        before = end
    return [*parts, kept(before)]


def _part(raw: str, line: int, before: str, format: str, line_end: str) -> Part:
    """The part of some lines of a cue."""
    joined, stamps = _without_karaoke(normalise(_LINE_END.sub(" ", raw)))
    text, spans = without_tags(joined, _MARKER.finditer(joined), html.unescape if format == "vtt" else str)
    tags = set(_TAG.findall(raw))
    widest = max(_WIDEST, *(display_width(_TAG.sub("", one.strip())) for one in re.split(r"[\r\n]+", raw)))

    def write(translation: str) -> str:
        one_line = _BREAK.sub(" ", translation).strip(" ")
        safe = _escaped(one_line, tags) if format == "vtt" else one_line.replace("-->", "→")
        lines = line_end.join(_wrapped(_with_karaoke(safe, stamps), widest))
        return lines or " " * (format == "vtt")  # an empty line would end the cue

    part = inline_part(raw, text, spans, line, before, write)
    if not part.text and text.strip():
        return Part(before, raw, text.strip(), line, True, write=write)
    return part


def _without_karaoke(text: str) -> tuple[str, list[tuple[float, str]]]:
    """A text without its stamps and their classes, and these with their places: 0 is the beginning of its characters, 1 the end.

    A text without stamps is left as it is: its classes are colours.
    """
    if not _STAMP.search(text):
        return text, []
    size = max(len(_TAG.sub("", text)), 1)
    stamps = [(len(_TAG.sub("", text[: match.start()])) / size, match[0]) for match in _KARAOKE.finditer(text)]
    return " ".join(_KARAOKE.sub("", text).split()), stamps


def _with_karaoke(text: str, stamps: Sequence[tuple[float, str]]) -> str:
    """A text with the stamps between its words, or its characters where it has no spaces, as far from its beginning as they were."""
    if not stamps:
        return text
    whole = _TAG.sub(lambda tag: tag[0].replace(" ", _SPACE_IN_TAG), text)
    words = re.findall(r"\s*\S+", whole) if " " in whole else re.findall(rf"{_TAG.pattern}|&[#\w]+;|.", whole)
    at = [""] * (len(words) + 1)
    for place, stamp in stamps:
        at[round(place * len(words))] += stamp
    return "".join(mark + word for mark, word in zip(at, [*words, ""], strict=True)).replace(_SPACE_IN_TAG, " ")


def _escaped(text: str, tags: set[str]) -> str:
    """A text for WebVTT: what would be a tag or an entity is escaped, but for these tags."""
    return re.sub(r"<[^<>]*>|[&<>]", lambda mark: mark[0] if mark[0] in tags else html.escape(mark[0], quote=False), text)


def _wrapped(text: str, widest: int) -> list[str]:
    """A text in as few lines as its width needs, all about as long. A tag is not broken."""
    whole = _TAG.sub(lambda tag: tag[0].replace(" ", _SPACE_IN_TAG), text)
    count = -(-display_width(_TAG.sub("", whole)) // widest)
    least = -(-display_width(whole) // max(count, 1))
    for width in range(least, display_width(whole) + 1):
        lines = broken_lines(whole, width)
        if len(lines) <= max(count, 1):
            break
    else:
        lines = [whole]
    return [line.replace(_SPACE_IN_TAG, " ") for line in lines]
