"""Markdown inside a text: code, links, images, tags, addresses and emphasis as spans of the text without them."""

import re
from dataclasses import replace

from mt.documents.parts import Span

_CODE = re.compile(r"(?<![`\\])(?P<ticks>`+)(?!`)(?P<code>.+?)(?<!`)(?P=ticks)(?!`)")
_TARGET = r"\((?:[^()\\]|\\.|\((?:[^()\\]|\\.)*+\))*+\)"
_IN_LABEL = r"\[(?:[^\[\]\\]|\\.)*+\](?:" + _TARGET + r")?+"
_LABEL = r"(?:[^\[\]\\`!]|!(?!\[)|\\.|`[^`]*`|!?" + _IN_LABEL + r")*+"
"""Each character can be read in one way only, and is not read again (*+): else a bracket that nothing closes takes forever."""
_LINK = re.compile(rf"(?P<mark>!?\[)(?P<label>{_LABEL})(?P<target>\](?:{_TARGET}|\[[^\[\]]*\]))")
_FOOTNOTE = re.compile(r"\[\^[^\[\]]+\]")
_TAG = re.compile(r"<!--.*?-->|</?[A-Za-z][^<>]*>|<(?:https?|mailto|ftp):[^<>\s]*>|<[^<>\s@]+@[^<>\s]+>")
_ADDRESS = re.compile(r"(?:https?://|www\.)[^\s<>()\[\]\"'가-힣]*(?:\([^\s<>()]*\)[^\s<>()\[\]\"'가-힣]*)*(?<![.,:;!?*_~])")
_EMPHASIS = re.compile(
    r"(?P<mark>\*{1,3}|~~)(?=[^\s*~])(?P<inner>(?:(?!(?P=mark)).)+?)(?<=[^\s\\])(?P=mark)(?!\*)"
    r"|(?<!\w)(?P<under>_{1,3})(?=[^\s_])(?P<words>.+?)(?<=[^\s_\\])(?P=under)(?!\w)"
)
_MATH = re.compile(r"\$(?=\S)[^$\n]*[^\s$\\]\$(?!\d)")
_ESCAPE = re.compile(r"\\[!-/:-@\[-`{-~]")
_KINDS = (("escape", _ESCAPE), ("code", _CODE), ("tag", _TAG), ("footnote", _FOOTNOTE), ("link", _LINK), ("address", _ADDRESS),
          ("math", _MATH), ("emphasis", _EMPHASIS))  # fmt: skip


def without_markup(text: str) -> tuple[str, list[Span]]:
    """A text without its inline markup, and the markup as spans, in order, none inside another."""
    plain, spans, place = "", [], 0
    ahead: dict[str, re.Match[str] | None] = {kind: mark.search(text) for kind, mark in _KINDS}
    while found := _next(text, place, ahead):
        kind, match = found
        plain += text[place : match.start()]
        place = match.end()
        if kind == "escape":
            plain += match[0]
            continue
        inner, own = _read(kind, match)
        spans += [replace(span, start=span.start + len(plain), end=span.end + len(plain)) for span in own]
        plain += inner
    return plain + text[place:], spans


def _next(text: str, place: int, ahead: dict[str, re.Match[str] | None]) -> tuple[str, re.Match[str]] | None:
    """The markup that begins first from a place on; of several the first kind. ahead: the next of each kind, kept up to date."""
    for kind, mark in _KINDS:
        if ahead[kind] is not None and ahead[kind].start() < place:
            ahead[kind] = mark.search(text, place)
    found = [(kind, match) for kind, match in ahead.items() if match is not None]
    return min(found, key=lambda one: one[1].start(), default=None)


def _read(kind: str, match: re.Match[str]) -> tuple[str, list[Span]]:
    """The text of some markup, and its spans, counted from the beginning of that text."""
    if kind == "code":
        ticks = match["ticks"]
        return match["code"], [Span(0, len(match["code"]), ticks, ticks, literal=True)]
    if kind in ("address", "math"):
        return match[0], [Span(0, len(match[0]), "", "", literal=True)]
    if kind == "link":
        return _around(match["label"], match["mark"], match["target"], optional=False)
    if kind == "emphasis":
        mark = match["mark"] or match["under"]
        return _around(match["inner"] or match["words"], mark, mark, optional=True)
    return "", [Span(0, 0, match[0], "")]


def _around(label: str, before: str, after: str, optional: bool) -> tuple[str, list[Span]]:
    """Markers around a text that may have markup of its own."""
    plain, inner = without_markup(label)
    if not inner:
        return plain, [Span(0, len(plain), before, after, optional=optional)]
    if len(inner) == 1 and (inner[0].start, inner[0].end) == (0, len(plain)):
        both = optional and inner[0].optional
        return plain, [replace(inner[0], before=before + inner[0].before, after=inner[0].after + after, optional=both)]
    return plain, [Span(0, 0, before, ""), *inner, Span(len(plain), len(plain), after, "")]
