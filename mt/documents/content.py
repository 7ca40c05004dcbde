"""What a file is by how its content begins: its format must not be contradicted.

WebVTT in an .srt, XML in a .txt, an archive under any name: line by line the model would translate their words and destroy the rest.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mt.documents.kinds import FORMATS
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
_CLOCK = r"\d+:\d\d(?::\d\d)?[.,]\d+"
_LINE_END = r"(?:\r\n|\r|\n)"
_STRING = r"\"(?:[^\"\\\r\n]|\\.)*+\""
_TAGS_ONLY = re.compile(r"(?:</?[A-Za-z][\w:.-]*(?:\s[^<>]*)?>\s*|<!--.*|<[A-Za-z][\w:.-]*(?:\s[^<>]*)?)+$")
_SETTING = re.compile(r"[\w.-]+[ \t]*=", re.ASCII)
_YAML_LINE = re.compile(r"\s*(?:- .*|(?:- )?[\w.-]+:(?:\s.*)?)$", re.ASCII)
_YAML_NESTED = re.compile(rf"^[\w.-]+:[ \t]*{_LINE_END}[ \t]*(?:- |[ \t][\w.-]+:)", re.ASCII | re.MULTILINE)
_COMMENT = re.compile(r"\s*[#;!]")


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


def _pattern(name: str, pattern: str, step: str = "", everywhere: bool = False) -> _Kind:
    return _Kind(name, re.compile(pattern).match, step, everywhere)


def _is_tags(text: str) -> bool:
    """Whether the first line, and half of the first twenty, are nothing but tags."""
    lines = _first_lines(text)
    own = [bool(_TAGS_ONLY.match(line)) for line in lines]
    return bool(own) and own[0] and len(own) > 1 and sum(own) * 2 >= len(own)


def _is_settings(text: str) -> bool:
    """Whether the first lines are all `key = value`, at least three."""
    lines = [line for line in _first_lines(text) if not _COMMENT.match(line)]
    return len(lines) > 2 and all(_SETTING.match(line) for line in lines)


def _is_yaml(text: str) -> bool:
    """Whether the first lines are all keys and list items, one inside another."""
    return _YAML_NESTED.search(text) is not None and all(_YAML_LINE.match(line) or _COMMENT.match(line) for line in _first_lines(text))


def _first_lines(text: str) -> Sequence[str]:
    """The first twenty lines that are not empty, without the white space behind them."""
    return [line.rstrip() for line in text[:8192].splitlines()[:60] if line.strip()][:20]


_KINDS = (
    _pattern("WebVTT subtitles", r"WEBVTT(?:[ \t].*)?(?:[\r\n]|$)", "vtt", everywhere=True),
    _pattern("SAMI subtitles", r"(?i:<SAMI\b)", everywhere=True),
    _pattern("HTML", r"(?i:<!DOCTYPE\s+html|<html\b|<head\b|<body\b)", everywhere=True),
    _pattern("XML", r"<\?xml\b|<!DOCTYPE\b", everywhere=True),
    _pattern("RTF", r"\{\\rtf", everywhere=True),
    _pattern("SubStation subtitles", r"\[Script Info\]", everywhere=True),
    _pattern("LaTeX", r"\\documentclass\b", everywhere=True),
    _pattern("XML", r"<(?:tmx|xliff|tt|tt:tt|resources|svg|plist|TS|rss|feed)\b[^<>]*>"),
    _pattern("a script", r"#!\s*/"),
    _pattern("SubRip subtitles", rf"(?:\d+[ \t]*{_LINE_END})?[ \t]*{_CLOCK}\s*-->\s*{_CLOCK}", "srt"),
    _pattern("SubViewer subtitles", rf"\[INFORMATION\]|{_CLOCK},{_CLOCK}[ \t]*{_LINE_END}"),
    _pattern("MicroDVD subtitles", r"\{\d+\}\{\d+\}|\[\d+\]\[\d+\]"),
    _pattern("song lyrics with times", r"\[(?:ti|ar|al|au|by|offset|length):[^\]\r\n]*\]|\[\d+:\d\d[.:]\d+\]"),
    _pattern("YAML", rf"%YAML\b|---[ \t]*{_LINE_END}(?:#.*{_LINE_END})*(?:- )?[\w\"'.-]+[ \t]*:(?:[ \t\r\n]|$)"),
    _pattern("JSON", rf"\{{\s*{_STRING}\s*:|[\[{{][ \t]*[\r\n]", "jsonl"),
    _pattern("JSON", rf"\[\s*(?:\{{\s*{_STRING}|\[\s*[\"\d\[]|{_STRING}\s*[,\]]|-?\d+\s*,)", "jsonl"),
    _pattern("a gettext catalogue", rf"(?:#.*{_LINE_END}|\s)*+msg(?:id|ctxt)[ \t]+\""),
    _pattern("Apple strings", rf"(?s:/\*.*?\*/\s*)?{_STRING}\s*=\s*{_STRING}\s*;"),
    _pattern("settings", rf"(?:[#;!].*{_LINE_END}|\s)*+\[[\w.: -]+\][ \t]*{_LINE_END}(?:[#;].*{_LINE_END}|\s)*+[\w.-]+[ \t]*[=:]"),
    _pattern("reStructuredText", r"\.\. [\w-]+::"),
    _pattern("a manual page", r"\.(?:TH|Dd)\b|\.\\\""),
    _Kind("settings", _is_settings),
    _Kind("YAML", _is_yaml),
    _Kind("markup with tags", _is_tags),
)


def refuse_other_content(start: bytes, path: Path | str, format: str, asked: bool) -> None:
    """DataError when the beginning of a content contradicts its format.

    start: its first bytes, decompressed. asked: whether --format named the format: text that was asked for is text whatever it looks like,
    unless it is binary.
    """
    if binary := _binary(start):
        raise DataError(f"{path}: this is {binary}, not {format}. Save its text as UTF-8 in a .txt file and translate that")
    kind = _kind_of(start)
    if kind is None or kind.step == format or (format == "text" and asked):
        return
    if not kind.everywhere and not (format == "text" or (format in ("srt", "vtt") and kind.step in ("srt", "vtt"))):
        return
    option = "--input - --format" if str(path) == "standard input" else "--format"
    known = kind.step and (kind.step != "jsonl" or _is_json_lines(start))
    step = f"add {option} {kind.step}" if known else f"convert it to a format that mt keeps ({', '.join(FORMATS[1:])})"
    plain = f"add {option} text to translate every line as plain text"
    raise DataError(f"{path}: this looks like {kind.name}, not {format}: {step}, or {plain}")


def _binary(start: bytes) -> str:
    """What a binary content is, in words; "" for text."""
    for magic, what in _BINARY.items():
        if start.startswith(magic):
            return what
    controls = sum(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in start)
    return "binary data" if b"\0" not in start and controls > max(8, len(start) // 20) else ""


def _kind_of(start: bytes) -> _Kind | None:
    """The kind of content that begins so; None: text, as far as that can be seen."""
    text = start.decode("utf-8", "ignore").lstrip("\ufeff \t\r\n")
    return next((kind for kind in _KINDS if kind.begins(text)), None)


def _is_json_lines(start: bytes) -> bool:
    """Whether the first line is an object of its own."""
    first = start.lstrip(b"\xef\xbb\xbf \t\r\n").split(b"\n")[0].rstrip()
    return first.startswith(b"{") and first.endswith(b"}")
