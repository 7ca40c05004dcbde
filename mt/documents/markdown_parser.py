"""CommonMark and GitHub's Markdown as markdown-it-py parses them, with positions, so that text can be cut out and put back.

markdown-it-py gives blocks as ranges of lines and inline markup without any position. Here its rules are wrapped: a block of text also
says where each of its lines begins behind the marks of its containers, and inline rules note what they consumed.

On top of CommonMark 0.31, GitHub's tables and strikethrough: front matter, footnotes, formulas in dollar signs, and inline text that only
another program understands (placeholders, wiki links, emoji codes, bare addresses), which is kept as it is.
"""

import re
from bisect import bisect_left
from collections import ChainMap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock, heading, lheading, paragraph, table
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from mt.documents.placeholders import placeholder_spans

BEGINS = "begins"
"""The key of a token's meta that holds, for each line of its map, the offset of the first character that is no mark of a container."""
_BREAKS_PARAGRAPHS = ["paragraph", "reference", "blockquote", "list"]
_SETTING = re.compile(r"\s*(?:#|[\w\"'.$@/-]+\s*[:=])")
"""How the first line of front matter begins."""
_SETTINGS = re.compile(
    r"\s|$|#|-(?:\s|$)|(?:[\w\"'.$@/-]+|\"[^\"]*\"|'[^']*')\s*[:=]|\[.*\][ \t]*(?:#|$)|[\]})]+,?[ \t]*$|\.{3}[ \t]*$"
)
"""What each line of it is: indented, empty, a comment, a list item, a key; in TOML a table, or the end of a list."""
_FOOTNOTE = re.compile(r"\[\^[^\s\]\[]+\]:")
NAMED = "named"
"""The info of a kept token that has a name or value of its own, which a sentence may hold: a placeholder, an address, a formula."""
_HANGUL = "ᄀ-ᇿㄱ-ㆎ가-힣"
_FORMULA = (
    rf"(?<!\w)\$(?=[^\s${_HANGUL}])(?:\\[^\n]|\{{(?:[^{{}}$\n]|\{{[^{{}}$\n]*\}})*\}}|[^$\n{{}}\\{_HANGUL}])*(?<![\s\\])\$(?!\d)"
)
"""Between dollar signs as pandoc has it: no space inside next to them, no digit after. The first is not after a word (US$, 10$), and Korean
words are in braces only (\\text): else these are prices.
"""
_ATTRIBUTE = r"(?:[#.][\w:-]+|[\w:-]+=(?:\"[^\"{}\n]*\"|'[^'{}\n]*'|[^\s\"'{}]+))"
_KEPT = re.compile(
    rf"(?P<{NAMED}>\$\$[^$\n]+\$\$|{_FORMULA})"
    rf"|\[\^[^\s\]\[]+\]|!?\[\[[^\[\]\n]+\]\]|:(?=[a-z0-9_+-]*[a-z])[a-z0-9_+-]+:(?!\w)|\{{:?[ ]*{_ATTRIBUTE}(?:[ ]+{_ATTRIBUTE})*[ ]*\}}"
)
"""Names in braces and templates are placeholders (placeholders.py)."""
_ESCAPED = re.compile(r"(?<=\w)\\[!-/:-@\[\]-`{-~]")
_MOST_BLOCKS = 100
"""Blocks in each other. What is deeper is kept."""


@dataclass
class Atom:
    """What one inline rule consumed."""

    start: int
    end: int
    """The characters of the content, end excluded."""
    tokens: list[Token]
    """Those that the rule pushed, all their types set only when the whole content is parsed."""
    inner: list["Atom"] = field(default_factory=list)
    """Those of a link's label."""
    label_end: int = 0
    """The place of the bracket that ends the label of a link or an image."""


@cache
def block_parser() -> MarkdownIt:
    """The parser of blocks, made once."""
    parser = MarkdownIt("commonmark", {"maxNesting": _MOST_BLOCKS}).enable("table")
    for name, rule, alt in (
        ("table", table, ["paragraph", "reference"]), ("heading", heading, ["paragraph", "reference", "blockquote"]),
        ("lheading", lheading, []), ("paragraph", paragraph, []),
    ):  # fmt: skip
        parser.block.ruler.at(name, _with_beginnings(rule), {"alt": alt})
    parser.block.ruler.before("table", "front_matter", _front_matter)
    parser.block.ruler.before("fence", "formula", _formula, {"alt": _BREAKS_PARAGRAPHS})
    parser.block.ruler.before("reference", "footnote", _footnote, {"alt": ["paragraph", "reference"]})
    return parser


@cache
def inline_parser(plain: bool = False) -> MarkdownIt:
    """The parser of inline markup, made once. plain: one that does not know what only another program understands."""
    parser = MarkdownIt("commonmark").enable("strikethrough")
    if not plain:
        parser.inline.ruler.before("backticks", "kept", _kept)
        parser.inline.ruler.at("text", _text)
    for rule in parser.inline.ruler.__rules__:
        parser.inline.ruler.at(rule.name, _with_atoms(rule.fn))
    parser.helpers = SimpleNamespace(**{**vars(parser.helpers), "parseLinkLabel": _label_end})
    return parser


def blocks(text: str, references: Mapping[str, Any] | None = None, first: bool = True) -> tuple[list[Token], Mapping[str, Any]]:
    """The block tokens of a text with line feeds as its only line ends, and the references it defines with those given.

    first: whether the text is the beginning of the document, where front matter can be.
    """
    env: dict[str, Any] = {"references": ChainMap({}, references or {}), "first": first}  # type: ignore[arg-type]
    tokens: list[Token] = []
    block_parser().block.parse(text.replace("\0", "\ufffd"), block_parser(), env, tokens)
    return tokens, env["references"]


def atoms(content: str, references: Mapping[str, Any]) -> tuple[list[Atom], list[Token]]:
    """What the inline rules consumed of a content, in order, and the tokens they made of it. What no rule consumed is text."""
    env: dict[str, Any] = {"references": references, "atoms": []}
    tokens: list[Token] = []
    inline_parser().inline.parse(content, inline_parser(), env, tokens)
    return env["atoms"], tokens


def same_text(text: str) -> str:
    """A text with line feeds as its only line ends."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def signature(text: str, references: Mapping[str, Any], first: bool) -> list[Any]:
    """The structure of a text: its blocks in order, the markup inside each in any order, and all that is kept, but for the words."""
    found: list[Any] = []
    tokens, references = blocks(same_text(text), references, first)
    for token in tokens:
        if token.type == "inline":
            found.append(inline_signature(token.content, references))
        else:
            attributes = sorted(map(repr, token.attrs.items()))
            found.append((token.type, token.markup, token.info, token.hidden, token.content, attributes))
    return found


def inline_signature(content: str, references: Mapping[str, Any]) -> list[str]:
    """The markup of a content, sorted: what is inside another is part of it.

    Where something is kept that only another program understands, what a program sees that does not know it as well.
    """
    tokens = atoms(content, references)[1]
    found = _sorted(tokens)
    if any(token.type == "kept" for token in tokens):
        plain = inline_parser(plain=True)
        found += _sorted(plain.inline.parse(content, plain, {"references": references}, []))
    return found


def inline_text(content: str, references: Mapping[str, Any]) -> str:
    """The words of a content without its markup."""
    return "".join(token.content for token in atoms(content, references)[1] if token.type in ("text", "text_special"))


def _sorted(tokens: list[Token]) -> list[str]:
    """The markup among tokens as strings."""
    levels: list[list[str]] = [[]]
    for token in tokens:
        if token.type in ("text", "text_special", "softbreak"):
            continue
        content = "" if token.type == "image" else token.content
        own = f"{token.type} {token.markup!r} {token.info} {content!r} {sorted(map(repr, token.attrs.items()))}"
        if token.nesting > 0:
            levels.append([own])
        elif token.nesting < 0:
            first, *inner = levels.pop()
            levels[-1].append(f"{first}({', '.join(sorted(inner))})")
        else:
            inner = _sorted(token.children or [])
            levels[-1].append(f"{own}({', '.join(inner)})")
    return sorted(levels[0])


_Block = Callable[[StateBlock, int, int, bool], bool]
_InlineRule = Callable[[StateInline, bool], bool]


def _with_beginnings(rule: _Block) -> _Block:
    """A block rule whose tokens say where their lines begin in the container they are in."""

    def wrapped(state: StateBlock, start: int, end: int, silent: bool) -> bool:
        count = len(state.tokens)
        found = rule(state, start, end, silent)
        for token in state.tokens[count:]:
            if token.map is not None and token.type in ("inline", "tr_open"):
                token.meta[BEGINS] = [state.bMarks[line] + state.tShift[line] for line in range(*token.map)]
        return found

    return wrapped


def _with_atoms(rule: _InlineRule) -> _InlineRule:
    """An inline rule that notes what it consumes, where someone asks for it."""

    def wrapped(state: StateInline, silent: bool) -> bool:
        if silent or "atoms" not in state.env:
            return rule(state, silent)
        start, count, outer = state.pos, len(state.tokens), state.env["atoms"]
        state.env["atoms"] = inner = []
        found = rule(state, silent)
        state.env["atoms"] = outer
        if found:
            atom = Atom(start, state.pos, state.tokens[count:], inner)
            if state.tokens[count:] and state.tokens[-1].type in ("link_close", "image") and state.src[start] in "[!":
                at = start + (state.src[start] == "!")
                atom.label_end = state.md.helpers.parseLinkLabel(state, at, state.src[start] == "[")
            outer.append(atom)
        return found

    return wrapped


def _label_end(state: StateInline, start: int, disableNested: bool = False) -> int:
    """The place of the bracket that closes the one at `start`, -1: none does, or there is a link between where none may be.

    As markdown-it-py's own, but it notes what one pass says of all brackets on the way: else each that nothing closes is looked for up to
    the end, and a thousand of them take a minute.
    """
    known: dict[tuple[int, int, bool], int] = state.__dict__.setdefault("label_ends", {})
    wanted = (start, state.posMax, disableNested)
    if wanted in known:
        return known[wanted]
    before, opened = state.pos, [start]
    state.pos = start + 1
    while opened and state.pos < state.posMax:
        place, mark = state.pos, state.src[state.pos]
        if mark == "]":
            known[(opened.pop(), *wanted[1:])] = place
            if not opened:
                break
        state.md.inline.skipToken(state)
        if mark == "[":
            if state.pos == place + 1:
                opened.append(place)
            elif disableNested:
                break
    known.update({(place, *wanted[1:]): -1 for place in opened})
    state.pos = before
    return known[wanted]


def _placeholders(state: StateInline) -> dict[int, int]:
    """Where each placeholder, address and file name of a content begins, and where it ends, but for tags, entities and escapes.

    A backslash before punctuation is an escape, not the separator of a path.
    """
    if "placeholders" not in state.__dict__:
        spans = [
            span for span in placeholder_spans(state.src)
            if state.src[span.start] not in "<&\\" and not _ESCAPED.search(state.src, span.start, span.end)
        ]  # fmt: skip
        state.__dict__["placeholders"] = {span.start: span.end for span in spans}
        state.__dict__["beginnings"] = [span.start for span in spans]
    return state.__dict__["placeholders"]


def _text(state: StateInline, silent: bool) -> bool:
    """Text up to the next character that may be markup, or to a placeholder."""
    stop = state.md.inline.terminator_re.search(state.src, state.pos, state.posMax)
    end = stop.start() if stop else state.posMax
    if _placeholders(state):
        beginnings = state.__dict__["beginnings"]
        next_one = bisect_left(beginnings, state.pos)
        end = min(end, beginnings[next_one]) if next_one < len(beginnings) else end
    if end == state.pos:
        return False
    if not silent:
        state.pending += state.src[state.pos : end]
    state.pos = end
    return True


def _kept(state: StateInline, silent: bool) -> bool:
    """What only another program understands."""
    match = _KEPT.match(state.src, state.pos, state.posMax)
    end, kind = (match.end(), match.lastgroup or "") if match else (_placeholders(state).get(state.pos, -1), NAMED)
    if not state.pos < end <= state.posMax:
        return False
    if not silent:
        token = state.push("kept", "", 0)
        token.content, token.info = state.src[state.pos : end], kind
    state.pos = end
    return True


def _line(state: StateBlock, line: int) -> str:
    """A line without the marks of its containers."""
    return state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]


def _front_matter(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Settings between two lines of --- or +++ at the beginning of the document."""
    mark = state.src[state.bMarks[start] : state.eMarks[start]].rstrip()
    if start or state.level or not state.env.get("first") or mark not in ("---", "+++") or end < 3:
        return False
    if not _SETTING.match(_line(state, 1)):
        return False
    ends = (mark, "...") if mark == "---" else (mark,)
    last = next((line for line in range(1, end) if state.src[state.bMarks[line] : state.eMarks[line]].rstrip() in ends), None)
    if last is None or not all(_SETTINGS.match(state.src[state.bMarks[line] : state.eMarks[line]]) for line in range(1, last)):
        return False
    if not silent:
        _push_kept(state, "front_matter", start, last + 1)
    return True


def _formula(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Lines from $$ to $$. One that nothing closes is text."""
    first = _line(state, start)
    if not first.startswith("$$") or state.is_code_block(start):
        return False
    rest = first[2:].rstrip()
    last = start
    if "$$" in rest:
        if not rest.endswith("$$"):
            return False
    else:
        if state.env.setdefault("last formula", state.src.rfind("$$")) <= state.eMarks[start]:
            return False
        last += 1
        while last < end and state.sCount[last] >= state.blkIndent and not (own := _line(state, last).rstrip()).endswith("$$"):
            if own.startswith("$$"):
                return False
            last += 1
        if last >= end or state.sCount[last] < state.blkIndent:
            return False
    if not silent:
        _push_kept(state, "formula", start, last + 1)
    return True


def _push_kept(state: StateBlock, kind: str, start: int, end: int) -> None:
    """A token for lines that are kept."""
    token = state.push(kind, "", 0)
    token.map = [start, end]
    token.content = state.getLines(start, end, state.blkIndent, False)
    state.line = end


def _footnote(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """A footnote: a container whose lines, but the first, are indented by four."""
    if state.is_code_block(start) or not (match := _FOOTNOTE.match(_line(state, start))):
        return False
    if silent:
        return True
    before = state.bMarks[start], state.tShift[start], state.sCount[start], state.parentType
    behind = state.bMarks[start] + state.tShift[start] + match.end()
    initial = offset = state.sCount[start] + match.end()
    place = behind
    while place < state.eMarks[start] and state.src[place] in " \t":
        offset += 4 - offset % 4 if state.src[place] == "\t" else 1
        place += 1
    opened = state.push("footnote_open", "", 1)
    opened.info = match[0]
    state.bMarks[start], state.tShift[start], state.sCount[start] = behind, place - behind, offset - initial + state.blkIndent + 4
    state.blkIndent += 4
    state.parentType = "footnote"  # type: ignore[assignment]
    state.md.block.tokenize(state, start, end)
    state.blkIndent -= 4
    state.push("footnote_close", "", -1)
    opened.map = [start, state.line]
    state.bMarks[start], state.tShift[start], state.sCount[start], state.parentType = before
    return True
