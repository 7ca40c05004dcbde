"""What is thrown at `mt`: texts as they come in the wild, written in any encoding, in any format, and then damaged."""

import json
from collections.abc import Callable

from hypothesis import strategies as st

PIECES = (
    "나는", "사과를", "먹었다.", "민수 씨", "각힣ㄱㅏ", "나는", "the", "an apple", "No. 7", "3,5", "?", "!", "…", " ", "  ", "\t", "　",
    "\u200b", "\u2028", "\x85", "\x0b", "\x00", "\x07", "\x1b[31m", "\ufeff", "\ufffd", "&amp;", "<b>", "</b>",
    "<br/>", "😀", "👩‍👩‍👧", "é", "漢字", "مرحبا",
    "\"", "\"\"", "'", ",", ";", "|", "\\", "\\n", "{", "}", "[", "]", "#", "*", "**", "_", "`", "```", "-", "--", "-->", "1. ", "> ",
    "![](x)", "[a](b)", "http://x.y/z?a=b", "https://", "00:00:01,000", "Ã«Â\x8bÂ¤", "null", "\r",
)  # fmt: skip
"""Harmless words, and what programs stumble over."""
ENCODINGS = ("utf-8", "utf-8", "utf-8", "utf-8-sig", "cp949", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "euc-jp")

lines = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=6)), max_size=7).map("".join)
repeated = st.builds(lambda piece, times: piece * times, st.sampled_from(PIECES), st.integers(1, 400))
texts = st.one_of(lines, st.just(""), st.sampled_from(PIECES), repeated)
paragraphs = st.lists(texts, max_size=12)
names = st.sampled_from(("ko", "en", "source", "target", "text", "", "id", "한국어", "ko", "\ufeffko", "a,b"))
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
    st.sampled_from((0, 1, -1, 2**31, 2**63, 10**30, 0.5, 1e-300, float("nan"), float("inf"), "", "null", "~", "true", "1e3", "0x10", "ko",
                     "en", "auto", "fp32", "../..", "/etc/passwd", "${MT_DATA}", "${", "한글", "\x00")),
)  # fmt: skip
def _branches(inner: st.SearchStrategy) -> st.SearchStrategy:
    return st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)


trees = st.recursive(scalars, _branches, max_leaves=6)


def joined(rows: list[str], end: str, last: bool) -> str:
    """Lines with one line end; last: also after the last."""
    return end.join(rows) + (end if last and rows else "")


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


def _blocks(blocks: list) -> list[str]:
    """Prefix and rows of each, an empty line behind."""
    return [line for prefix, rows in blocks for line in [*(prefix + row for row in rows), ""]]


def _cues(head: str, cues: list) -> list[str]:
    """Numbered cues below a first line."""
    return [head, *(line for number, (stamp, rows) in enumerate(cues, 1) for line in (str(number), stamp, *rows, ""))]


ends = st.sampled_from(("\n", "\n", "\n", "\r\n", "\r", "\n\n"))
plain = st.builds(joined, paragraphs, ends, st.booleans())
separated = st.builds(
    lambda head, rows, mark, end, last: joined([mark.join(row) for row in [head, *rows]], end, last),
    st.lists(names, max_size=4), st.lists(st.lists(texts, max_size=4), max_size=8), st.sampled_from(("\t", ",", ";")), ends, st.booleans(),
)  # fmt: skip
quoted = st.builds(
    lambda head, rows, end, last: joined([",".join(map(_quoted, row)) for row in [head, *rows]], end, last),
    st.lists(names, min_size=1, max_size=3), st.lists(st.lists(texts, min_size=1, max_size=3), max_size=8), ends, st.booleans(),
)  # fmt: skip
objects = st.builds(
    lambda rows, end, last: joined([json.dumps(row, ensure_ascii=False) for row in rows], end, last),
    st.lists(st.one_of(st.dictionaries(names, st.one_of(texts, trees), max_size=3), trees), max_size=8), ends, st.booleans(),
)  # fmt: skip
stamps = st.one_of(
    st.builds(lambda at, till, mark: f"00:00:{at:02d}{mark}000 --> 00:00:{till:02d}{mark}500",
              st.integers(0, 59), st.integers(0, 59), st.sampled_from(",.")),
    texts,
)  # fmt: skip
subtitles = st.builds(
    lambda head, cues, end, last: joined(_cues(head, cues), end, last),
    st.sampled_from(("WEBVTT", "WEBVTT - 제목", "", "NOTE x", "STYLE")),
    st.lists(st.tuples(stamps, st.lists(texts, max_size=3)), max_size=5), ends, st.booleans(),
)  # fmt: skip
prefixes = st.sampled_from(("", "# ", "- ", "  - ", "> ", "    ", "```\n", "| a | b |\n|---|---|\n| ", "1. ", "<div>\n", "---\n"))
markdown = st.builds(
    lambda blocks, end, last: joined(_blocks(blocks), end, last),
    st.lists(st.tuples(prefixes, st.lists(texts, max_size=3)), max_size=5), ends, st.booleans(),
)  # fmt: skip
OF_FORMAT = {
    "text": plain, "tsv": separated, "csv": st.one_of(separated, quoted), "jsonl": objects, "srt": subtitles, "vtt": subtitles,
    "markdown": markdown,
}  # fmt: skip
"""Documents that have the format, nearly."""

_DAMAGE: tuple[Callable[[bytes, int, int], bytes], ...] = (
    lambda data, at, byte: data[:at] + bytes([byte]) + data[at + 1 :],
    lambda data, at, byte: data[:at] + bytes([byte]) + data[at:],
    lambda data, at, byte: data[:at] + data[at + 1 + byte % 7 :],
    lambda data, at, byte: data[:at],
    lambda data, at, byte: data[at:],
    lambda data, at, byte: data[:at] + b"\x00" * byte + data[at:],
    lambda data, at, byte: data + data[at:],
)
damages = st.lists(st.tuples(st.sampled_from(_DAMAGE), st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=4)


def damaged(data: bytes, what: list) -> bytes:
    """Bytes changed, lost, doubled, cut."""
    for change, where, byte in what:
        data = change(data, int(where * len(data)), byte)
    return data


def encoded(text: str, encoding: str) -> bytes:
    """In an encoding that may have no such letters: '?' for those."""
    return text.encode(encoding, "replace")


def files(contents: st.SearchStrategy[str]) -> st.SearchStrategy[bytes]:
    """Such texts as files, one in four damaged."""
    whole = st.builds(encoded, contents, st.sampled_from(ENCODINGS))
    return st.one_of(whole, whole, whole, st.builds(damaged, whole, damages))
