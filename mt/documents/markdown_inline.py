"""Markdown inside a text: code, links, images, tags, addresses and emphasis as spans of the text without them."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mt.documents.markdown_parser import NAMED, Atom, atoms
from mt.documents.parts import Span

PUNCTUATION = r"!-/:-@\[-`{-~"
"""ASCII punctuation, for a character class: what a backslash can escape."""
_SPECIAL = re.compile(rf"\\(?=[{PUNCTUATION}\s]|$)|[`*_\[\]<~]|&(?=#?\w+;)")
"""What can be markup inside a text, whatever is around it."""
_BREAK_SPACE = re.compile(r"[ \t]*$")
_TICKS = re.compile(r"`+")


@dataclass(frozen=True)
class Node:
    """A piece of a content: text, something kept, or a pair of markers around other pieces. Joined, the raws are the content."""

    raw: str
    """As it is in the content."""
    shown: str = ""
    """What the model sees of it."""
    kind: str = "text"
    """text, break (a line feed in the text), hard (a hard line break), literal, mark (not shown), emphasis or link."""
    inner: tuple["Node", ...] = ()
    """What a pair is around."""
    before: str = ""
    """The opening marker of a pair or of code."""
    after: str = ""
    """The closing one."""
    entity: bool = False
    """Whether the text is a character that is written as an entity."""

    def is_plain(self) -> bool:
        """Whether it is text without anything special."""
        return self.kind == "text" and not self.entity and not self.raw.startswith("\\")


def nodes_of(content: str, references: Mapping[str, Any]) -> list[Node]:
    """The pieces of a content. references: those of the document, to tell a reference link from brackets."""
    return _paired(_pieces(content, 0, len(content), atoms(content, references)[0]))


def without_markup(nodes: Sequence[Node]) -> tuple[str, list[Span]]:
    """The text of pieces without its markup, NFC, and the markup as spans, in order, none inside another."""
    plain, spans = "", []
    for node in nodes:
        if node.kind == "break":
            plain = plain.rstrip(" \t") + " "
        elif node.kind == "text":
            plain += node.shown
        elif node.kind == "literal":
            spans.append(Span(len(plain), len(plain) + len(node.shown), node.before, node.after, literal=True))
            plain += node.shown
        elif node.inner:
            inner, own = _around(node)
            spans += [replace(span, start=span.start + len(plain), end=span.end + len(plain)) for span in own]
            plain += inner
        else:
            spans.append(Span(len(plain), len(plain), node.raw, ""))
    return plain, spans


def entities_of(nodes: Sequence[Node]) -> dict[str, str]:
    """The characters that are written as entities, with these."""
    found: dict[str, str] = {}
    for node in nodes:
        found |= {node.shown: node.raw} if node.entity else entities_of(node.inner)
    return found


def escapes_of(nodes: Sequence[Node]) -> set[str]:
    """The characters that are escaped with a backslash."""
    return {node.shown for node in nodes if node.kind == "text" and node.raw == "\\" + node.shown}.union(
        *(escapes_of(node.inner) for node in nodes)
    )


def escaped(text: str, entities: Mapping[str, str]) -> str:
    """A text that is text in Markdown too, wherever it is put but at the beginning of a line."""
    if not entities:
        return _SPECIAL.sub(_with_backslash, text)
    pieces = re.split(f"([{re.escape(''.join(entities))}])", text)
    return "".join(entities.get(piece) or _SPECIAL.sub(_with_backslash, piece) for piece in pieces)


def _with_backslash(special: re.Match[str]) -> str:
    return "\\" + special[0]


def spaces_of(nodes: Sequence[Node], start: int = 0) -> Iterator[int]:
    """The places of the single spaces where a line may end: in text, not in code, tags or addresses."""
    for node in nodes:
        if node.kind == "text" and node.raw == node.shown:
            yield from (start + match.start() for match in re.finditer(r"(?<=[^ \t]) (?=[^ \t])|^ (?=[^ \t])|(?<=[^ \t]) $", node.raw))
        elif node.kind in ("emphasis", "link"):
            yield from spaces_of(node.inner, start + len(node.before))
        start += len(node.raw)


def _around(node: Node) -> tuple[str, list[Span]]:
    """The text of a pair, and its markers around the spans in it."""
    plain, inner = without_markup(node.inner)
    optional = node.kind == "emphasis"
    if not inner:
        return plain, [Span(0, len(plain), node.before, node.after, optional=optional)]
    if len(inner) == 1 and (inner[0].start, inner[0].end) == (0, len(plain)) and plain:
        both = optional and inner[0].optional
        return plain, [replace(inner[0], before=node.before + inner[0].before, after=inner[0].after + node.after, optional=both)]
    return plain, [Span(0, 0, node.before, ""), *inner, Span(len(plain), len(plain), "", node.after)]


def _pieces(content: str, start: int, end: int, found: Sequence[Atom], base: int = 0) -> list[Node]:
    """The pieces between two places, markers of emphasis not yet paired. base: where the places of the atoms are counted from."""
    pieces: list[Node] = []
    for atom in found:
        first, last = atom.start + base, atom.end + base
        if first > start:
            pieces.append(_text(content[start:first]))
        pieces += _pieces_of(content, first, last, atom, base)
        start = last
    if end > start:
        pieces.append(_text(content[start:end]))
    return pieces


def _pieces_of(content: str, start: int, end: int, atom: Atom, base: int) -> list[Node]:
    """The pieces of what one rule consumed."""
    raw, token = content[start:end], atom.tokens[-1] if atom.tokens else None
    if token is None:
        return [_text(raw)]
    if token.type == "softbreak":
        return [Node(raw, " ", "break")]
    if token.type == "hardbreak":
        return [Node(raw, " ", "hard")]
    if token.type == "kept":
        return [Node(raw, raw, "literal") if token.info == NAMED else Node(raw, kind="mark")]
    if raw[0] in "*_~":
        return _delimiters(raw, atom)
    if token.type == "text_special" and token.info == "escape":
        return [Node(raw, token.content)]
    if token.type == "text_special":
        shown = token.content if len(token.content) == 1 and token.content.isprintable() and not token.content.isspace() else ""
        return [Node(raw, shown, entity=True) if shown else Node(raw, kind="mark")]
    if token.type == "code_inline":
        ticks = _TICKS.match(raw)[0]
        code = raw[len(ticks) : -len(ticks)]
        shown = code.replace("\n", " ")
        return [Node(raw, shown, "literal", before=ticks, after=ticks) if shown.strip() else Node(raw, kind="mark")]
    if token.type in ("link_close", "image") and raw[0] in "[!":
        return [_link(content, start, end, atom, base)]
    return [Node(raw, kind="mark")]


def _link(content: str, start: int, end: int, atom: Atom, base: int) -> Node:
    """A link or an image. One that is named by its own text gets the name in brackets behind it, so that it still leads there."""
    opening = 2 if content[start] == "!" else 1
    first, last = start + opening, base + atom.label_end
    inner = _paired(_pieces(content, first, last, atom.inner, first if opening == 2 else base))
    label, after = content[first:last], content[last:end]
    if after in ("]", "][]"):
        after = f"][{label}]"
    before = content[start:first]
    if not label.strip():
        return Node(content[start:end], kind="mark")
    return Node(content[start:end], kind="link", inner=tuple(inner), before=before, after=after)


def _text(raw: str) -> Node:
    """Text as it is."""
    return Node(raw, unicodedata.normalize("NFC", raw))


def _delimiters(raw: str, atom: Atom) -> list[Node]:
    """The markers of a run of * _ or ~: each opens or closes emphasis, or is text."""
    widths = [1] * len(raw) if raw[0] != "~" else [1] * (len(raw) % 2) + [2] * (len(raw) // 2)
    tokens = list(zip(atom.tokens[-len(widths) :], widths, strict=True))
    pieces: list[Node] = []
    place = 0
    for number, (token, width) in enumerate(tokens):
        own, place = raw[place : place + width], place + width
        strong_next = number + 1 < len(tokens) and tokens[number + 1][0].type == "strong_open"
        if token.type.endswith("_open"):
            pieces.append(Node(token.markup, kind="open"))
        elif token.type.endswith("_close"):
            pieces.append(Node(token.markup, kind="close"))
        elif strong_next or (number and tokens[number - 1][0].type == "strong_close"):
            continue  # the other half of a strong marker
        else:
            pieces.append(_text(own))
    return pieces


def _paired(pieces: Sequence[Node]) -> list[Node]:
    """The pieces with emphasis as pairs around what is between its markers."""
    levels: list[list[Node]] = [[]]
    opened: list[str] = []
    for piece in pieces:
        if piece.kind == "open":
            opened.append(piece.raw)
            levels.append([])
        elif piece.kind == "close":
            inner, before = levels.pop(), opened.pop()
            raw = before + "".join(node.raw for node in inner) + piece.raw
            levels[-1].append(Node(raw, kind="emphasis", inner=tuple(inner), before=before, after=piece.raw))
        elif piece.is_plain() and levels[-1] and levels[-1][-1].is_plain():
            levels[-1][-1] = Node(levels[-1][-1].raw + piece.raw, levels[-1][-1].shown + piece.shown)
        else:
            levels[-1].append(piece)
    return levels[0]
