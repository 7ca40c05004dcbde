"""Tags (`<b>`, `<font color=red>`, `<br/>`) and written line breaks (`\\n`) inside a text: not shown to the model, and put back."""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace

from mt.documents.inline import peeled
from mt.documents.parts import Part, Span
from mt.documents.placeholders import PLACEHOLDER, TAG

_NAME = re.compile(r"[A-Za-z]+|\d+")


def with_tags(part: Part) -> Part:
    """A part of plain text whose tags are markup, not words. Without tags, or without anything else, as it is."""
    if ("<" not in part.text and "\\" not in part.text) or part.spans:
        return part
    markers = [match for match in PLACEHOLDER.finditer(part.text) if TAG.fullmatch(match[0])]
    head, core, spans, tail = peeled(*without_tags(part.text, markers))
    if core == part.text or not core.strip():
        return part
    write = part.write or str
    return replace(part, text=core, spans=tuple(spans), write=lambda translation: write(head + translation + tail))


def without_tags(text: str, markers: Iterable[re.Match[str]], unescape: Callable[[str], str] = str) -> tuple[str, list[Span]]:
    """A text without its tags and escapes, and where the tags were. Pairs are emphasis, a single tag (a speaker, a break) is a place.

    markers: where tags and what else is no text were found, in order. unescape: reads what is between them.
    """
    plain, start = "", 0
    tags: list[tuple[int, str]] = []
    for match in markers:
        plain += unescape(text[start : match.start()])
        tags.append((len(plain), match[0]))
        start = match.end()
    plain += unescape(text[start:])
    lower = text.lower()
    spans: list[Span] = []
    open_tags: list[tuple[str, int, str, int]] = []  # name, place, tag, number of spans before
    for place, tag in tags:
        name = _NAME.search(tag)
        if tag.startswith("</") and open_tags and name and open_tags[-1][0] == name[0].lower():
            _, first, opening, number = open_tags.pop()
            inner = spans[number:]
            if inner and (len(inner) > 1 or (inner[0].start, inner[0].end) != (first, place)):
                spans[number:] = [Span(first, first, opening, ""), *inner, Span(place, place, tag, "")]
            else:
                merged = [opening + inner[0].before, inner[0].after + tag] if inner else [opening, tag]
                spans[number:] = [Span(first, place, *merged, optional=True)]
        elif tag.startswith("<") and not tag.startswith("</") and name and f"</{name[0].lower()}" in lower:
            open_tags.append((name[0].lower(), place, tag, len(spans)))
        else:
            spans.append(Span(place, place, tag, ""))
    for _, place, tag, number in reversed(open_tags):
        spans.insert(number, Span(place, place, tag, ""))
    return plain, spans
