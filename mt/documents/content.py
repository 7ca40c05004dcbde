"""What a file is by how its content begins: its format must not be contradicted.

WebVTT in an .srt, XML in a .txt, an archive under any name: line by line the model would translate their words and destroy the rest.
"""

import codecs
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mt.documents.kinds import FORMATS, format_of
from mt.documents.parts import Source
from mt.documents.placeholders import KNOWN_TAG
from mt.errors import DataError

START_BYTES = 1 << 16
"""How much of a file is looked at."""
_BINARY = {
    b"%PDF-": "a PDF file", b"BZh": "a bzip2 file", b"\xfd7zXZ\0": "an xz file", b"\x28\xb5\x2f\xfd": "a Zstandard file",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive", b"Rar!\x1a": "a RAR archive", b"\xd0\xcf\x11\xe0": "an old Office or HWP document",
    b"\x89PNG": "a PNG image", b"\xff\xd8\xff": "a JPEG image", b"GIF8": "a GIF image", b"\x7fELF": "a program", b"PAR1": "a Parquet table",
    b"SQLite format 3": "a SQLite database",
    b"\xde\x12\x04\x95": "a compiled gettext catalogue", b"\x95\x04\x12\xde": "a compiled gettext catalogue",
    b"OggS": "an Ogg file", b"ID3": "an MP3 file", b"RIFF": "a sound, image or film", b"\x1aE\xdf\xa3": "a Matroska film",
}  # fmt: skip
"""Gzip, ZIP and other encodings are told by mt/data/encodings.py, which knows what to do with them."""
_LETTER_MAGICS = tuple(magic for magic in _BINARY if magic.isascii() and magic.isalnum())
"""Those that a text may begin with: only a byte that is no text shows that it is none."""
_CLOCK = r"\d+:\d\d(?::\d\d)?[.,]\d+"
_LINE_END = r"(?:\r\n|\r|\n)"
_ENDS = r"[ \t]*(?:[\r\n]|$)"
_STRING = r"\"(?:[^\"\\\r\n]|\\.)*+\""
_NAME = r"[A-Za-z][A-Za-z0-9:._-]*"
_TAGS_ONLY = re.compile(rf"(?:</?{_NAME}(?:\s[^<>]*)?>\s*|<!--.*|<{_NAME}(?:\s[^<>]*)?)+$")
_TAG_PROOF = re.compile(rf"</{_NAME}\s*>|<{_NAME}\s+[\w:.-]+\s*=|<{_NAME}\s*/>")
_SETTING = re.compile(r"([\w.-]+)[ \t]*=(.*)", re.ASCII)
_SENTENCE = re.compile(r"\s.*[.?!。…][\"'”’)\]]*$")
_YAML_LINE = re.compile(r"\s*(?:- .*|(?:- )?[\w.-]+:(?:\s.*)?)$", re.ASCII)
_YAML_NESTED = re.compile(rf"^[\w.-]+:[ \t]*{_LINE_END}[ \t]*(?:- |[ \t][\w.-]+:)", re.ASCII | re.MULTILINE)
_YAML_KEY = re.compile(r"^(?:[ \t]+(?:- )?[a-z_\"'][\w.-]*:|[a-z_][\w.-]*:[ \t]+\S)", re.ASCII | re.MULTILINE)
"""A key with a value or inside another; "Ingredients:" with a list below it is a text."""
_COMMENT = re.compile(r"\s*[#;!]")
_VALUE = rf"(?:{_STRING}|-?\d[\d.eE+-]*|true|false|null)"
_JSON = re.compile(
    rf"(?:\[\s*)?\{{\s*{_STRING}\s*:\s*(?:{_VALUE}\s*[,}}\r\n]|[\[{{])|\[\s*\[\s*{_VALUE}\s*[,\]]\s*[\[\],\"\d]"
    rf"|\[\s*(?:{_VALUE}\s*,\s*){{4}}|\[[ \t]*{_LINE_END}\s*{_VALUE}\s*,[ \t]*{_LINE_END}"
)
"""What begins so is JSON, even when it is cut off or has a mistake."""


@dataclass(frozen=True)
class _Kind:
    """How a kind of content begins."""

    name: str
    """In words."""
    begins: Callable[[str], object]
    """Given the text without the white space before it."""
    step: str = ""
    """The format that reads it; "" when none does."""
    everywhere: bool = False
    """Whether no format of ours begins so; else only text does not: a cell, a heading or a list may."""
    firm: bool = False
    """Whether standard input that begins so is refused too; else it is translated, with a note."""


def _pattern(name: str, pattern: str, step: str = "", everywhere: bool = False, firm: bool = False) -> _Kind:
    return _Kind(name, re.compile(pattern).match, step, everywhere, firm)


def _is_tags(text: str) -> bool:
    """Whether the first line, and half of the first twenty, are nothing but tags, and something shows that they are tags."""
    lines = _first_lines(text)
    own = [line for line in lines if _TAGS_ONLY.match(line)]
    if len(lines) < 2 or own[:1] != lines[:1] or len(own) * 2 < len(lines):
        return False
    return bool(_TAG_PROOF.search("\n".join(own))) or len([line for line in own if KNOWN_TAG.search(line)]) > 1


def _is_settings(text: str) -> bool:
    """Whether the first lines are all `key = value`, at least three; formulas and sentences (E = mc2 is famous.) are none."""
    found = [_SETTING.match(line) for line in _first_lines(text) if not _COMMENT.match(line)]
    if len(found) < 3 or None in found or all(len(match[1]) == 1 for match in found):
        return False
    sentences = sum(bool(_SENTENCE.search(match[2])) for match in found)
    return sentences * 2 <= len(found) or any(set("._-") & set(match[1]) for match in found)


def _is_yaml(text: str) -> bool:
    """Whether the first lines are all keys and list items, one inside another, or follow a line of three dashes."""
    head = re.match(rf"---[ \t]*{_LINE_END}", text)
    lines = _first_lines(re.split(r"(?m)^(?:---|\.\.\.)[ \t]*$", text[head.end() :])[0] if head else text)
    if not all(_YAML_LINE.match(line) or _COMMENT.match(line) for line in lines):
        return False
    if head:
        return any(re.match(r"(?:- )?[\"']?[A-Za-z_][\w.-]*[\"']?:", line, re.ASCII) for line in lines)
    return _YAML_NESTED.search(text) is not None and _YAML_KEY.search(text[:8192]) is not None


def _is_json(text: str) -> bool:
    """Whether it is an object or a list of JSON, not empty, or begins as only JSON does."""
    if text[:1] not in ("{", "["):
        return False
    try:
        return bool(json.loads(text))
    except (ValueError, RecursionError):
        return _JSON.match(text) is not None


def _is_lyrics(text: str) -> bool:
    """Whether it begins with a time, or with what is said of a song and then a time or more of that."""
    stamp, tag = r"\[\d\d+:\d\d\.\d\d\d?\]", r"\[(?:ti|ar|al|au|by|re|ve|offset|length):[^\]\r\n]*\]"
    return re.match(rf"{stamp}|{tag}\s*(?:{tag}\s*)*(?:{stamp}|$)|{tag}\s*{tag}", text) is not None


def _is_microdvd(text: str) -> bool:
    """Whether it begins with two frames ({0}{25}), or all lines do with two times ([1][2], which may be citations)."""
    lines = _first_lines(text)
    return bool(re.match(r"\{\d+\}\{\d+\}\S", text)) or (len(lines) > 1 and all(re.match(r"\[\d+\]\[\d+\]", line) for line in lines))


def _first_lines(text: str) -> Sequence[str]:
    """The first twenty lines that are not empty, without the white space behind them."""
    return [line.rstrip() for line in text[:8192].splitlines()[:60] if line.strip()][:20]


_KINDS = (
    _pattern("WebVTT subtitles", r"WEBVTT[ \t]*(?:-.*)?(?:[\r\n]|$)|(?s:WEBVTT[ \t].*-->)", "vtt", everywhere=True, firm=True),
    _pattern("SAMI subtitles", rf"(?i:<SAMI\b[^<>]*>(?:[ \t]*<|{_ENDS}))", everywhere=True, firm=True),
    _pattern(
        "HTML",
        rf"(?is:<!DOCTYPE\s+html[^<>]*>|<(?:html|head|body)\b[^<>]*>(?:[ \t]*<|{_ENDS}|.*</(?:html|head|body)\s*>))",
        everywhere=True,
        firm=True,
    ),
    _pattern("XML", r"<\?xml(?:-stylesheet)?\s+\w+\s*=|<!DOCTYPE\s+[A-Za-z][A-Za-z0-9:._-]*[^<>\[]*[>\[]", everywhere=True, firm=True),
    _pattern("RTF", r"\{\\rtf", everywhere=True),
    _pattern("SubStation subtitles", rf"\[Script Info\]{_ENDS}", everywhere=True),
    _pattern("LaTeX", r"\\documentclass[ \t]*[\[{]", everywhere=True),
    _pattern("XML", rf"<(?:tmx|xliff|tt|tt:tt|resources|svg|plist|TS|rss|feed)\b[^<>]*>(?:[ \t]*<|{_ENDS})", firm=True),
    _pattern("a script", rf"#![ \t]*/[ \t!-~]*{_ENDS}"),
    _pattern("SubRip subtitles", rf"(?:\d+[ \t]*{_LINE_END})?[ \t]*{_CLOCK}\s*-->\s*{_CLOCK}", "srt", firm=True),
    _pattern("SubViewer subtitles", rf"\[INFORMATION\][ \t]*{_LINE_END}\[|{_CLOCK},{_CLOCK}[ \t]*{_LINE_END}"),
    _Kind("MicroDVD subtitles", _is_microdvd),
    _Kind("song lyrics with times", _is_lyrics),
    _pattern("YAML", r"%YAML[ \t]+\d"),
    _Kind("JSON", _is_json, "jsonl", firm=True),
    _pattern("a gettext catalogue", rf"(?:#.*{_LINE_END}|\s)*+msg(?:id|ctxt)[ \t]+{_STRING}{_ENDS}"),
    _pattern("Apple strings", rf"(?s:/\*.*?\*/\s*)?{_STRING}\s*=\s*{_STRING}\s*;"),
    _pattern(
        "settings", rf"(?a:(?:[#;!].*{_LINE_END}|\s)*+\[[\w.: -]+\][ \t]*{_LINE_END}(?:[#;].*{_LINE_END}|\s)*+[\w.-]+[ \t]*=)"
    ),
    _pattern("reStructuredText", r"\.\. [\w-]+::"),
    _pattern("a manual page", r"\.(?:TH|Dd)[ \t]+[!-~]|\.\\\""),
    _Kind("settings", _is_settings),
    _Kind("YAML", _is_yaml),
    _Kind("markup with tags", _is_tags, firm=True),
)


def refuse_other_content(start: bytes, path: Path | str, format: str, asked: bool, encoding: str | None = None) -> str:
    """DataError when the beginning of a content contradicts its format. Returns a note for who waits, or "".

    start: its first bytes, decompressed. asked: whether --format named the format: text that was asked for is text whatever it looks like,
    unless it is binary. Standard input has no name that could say what it is: where there may be doubt it is text, and the note says so.
    encoding: of the content; None: UTF-8.
    """
    if binary := _binary(start):
        raise DataError(f"{path}: this is {binary}, not {format}. Save its text as UTF-8 in a .txt file and translate that")
    kind = _kind_of(start, encoding)
    if kind is None or kind.step == format or (format == "text" and asked):
        return ""
    if not kind.everywhere and not (format == "text" or (format in ("srt", "vtt") and kind.step in ("srt", "vtt"))):
        return ""
    piped = str(path) == "standard input"
    if piped and format == "text" and not kind.firm:
        return f"note: {path}: this looks like {kind.name}; every line is translated as plain text"
    option = "--input - --format" if piped else "--format"
    known = kind.step and (kind.step != "jsonl" or _is_json_lines(start))
    step = f"add {option} {kind.step}" if known else f"convert it to a format that mt keeps ({', '.join(FORMATS[1:])})"
    plain = f"add {option} text to translate every line as plain text"
    raise DataError(f"{path}: this looks like {kind.name}, not {format}: {step}, or {plain}")


def format_of_file(path: Path, asked: str | None, language: str | None = None, encoding: str | None = None) -> str:
    """kinds.format_of for a file, whose content is looked at where its ending says nothing."""
    return format_of(path, asked, language, lambda: path.is_file() and looks_like_text(Source(path).start(START_BYTES), encoding))


def looks_like_text(start: bytes, encoding: str | None = None) -> bool:
    """Whether a content that begins so is plain text, as far as that can be seen."""
    return not _binary(start) and _kind_of(start, encoding) is None


def _binary(start: bytes) -> str:
    """What a binary content is, in words; "" for text."""
    for magic, what in _BINARY.items():
        if start.startswith(magic) and not (magic in _LETTER_MAGICS and _is_plain(start[:64])):
            return what
    controls = sum(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in start)
    return "binary data" if b"\0" not in start and controls > max(8, len(start) // 20) else ""


def _is_plain(data: bytes) -> bool:
    """Whether bytes are UTF-8, but for a character that is cut off at their end, without control characters."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data)
    except UnicodeDecodeError:
        return False
    return not any(byte < 32 and byte not in b"\t\n\r" for byte in data)


def _kind_of(start: bytes, encoding: str | None) -> _Kind | None:
    """The kind of content that begins so; None: text, as far as that can be seen."""
    try:
        text = start.decode(encoding or "utf-8", "replace").lstrip("\ufeff \t\r\n")
    except LookupError:  # whoever reads it says that there is no such encoding
        return None
    return next((kind for kind in _KINDS if kind.begins(text)), None)


def _is_json_lines(start: bytes) -> bool:
    """Whether the first line is an object of its own."""
    first = start.lstrip(b"\xef\xbb\xbf \t\r\n").split(b"\n")[0].rstrip()
    return first.startswith(b"{") and first.endswith(b"}")
