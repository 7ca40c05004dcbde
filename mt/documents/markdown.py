"""Markdown: paragraphs, headings, list items, quotations, footnotes and table cells are translated; all else is kept.

markdown_parser.py finds the blocks; what is not the text of one is written back as it is: front matter, code, HTML blocks and comments,
link definitions, formulas, rules, the marks of quotations and lists. Inside a text code, addresses, tags and placeholders are kept
(markdown_inline.py). A top-level block whose translation has another structure than its source is found by parsing both (`check`).

A file is held in memory, since a link may be defined at its end.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

from markdown_it.token import Token

from mt.data.encodings import normalise
from mt.documents.inline import inline_part
from mt.documents.markdown_inline import Node, entities_of, escaped, escapes_of, nodes_of, without_markup
from mt.documents.markdown_parser import BEGINS, blocks, same_text, signature
from mt.documents.markdown_writing import Place, written
from mt.documents.parts import Part, Source, cut_mark, kept
from mt.documents.placeholders import TEMPLATE

_LINE = re.compile(r"([^\r\n]*)(\r\n|\r|\n|\Z)")
_TASK = re.compile(r"\[[ xX]\][ \t]+")
_ALERT = re.compile(r"\[![\w|-]+\][-+]?[ \t]*(?:\n|$)?")
_ADDRESS = r"(?:<[^<>\n]*>|[A-Za-z][A-Za-z0-9+.-]*:[^\s]+|[#/]\S*|\.{1,2}/\S*|[!-~]+[/.#][!-~]*[^\s.]|\S+\.[A-Za-z0-9]{1,5})"
_DIRECTIVE = re.compile(
    rf":::|(?:{TEMPLATE})[ \t]*$|%%[ \t]*$|!!! |\?\?\? |\[\[?_?TOC_?\]\]?[ \t]*$|\$\$[ \t]*$"
    rf"|\[(?!\^)[^\]]+\]:[ \t]*{_ADDRESS}(?:[ \t]+(?:\".*\"|'.*'|\(.*\)))?[ \t]*$", re.IGNORECASE
)  # fmt: skip
"""A line that another program understands, or a link definition in a paragraph, where it defines nothing."""
_DEFINITION = re.compile(r"(\[(?!\^)[^\[\]]+\]):[ \t]*\S+[ \t]*$")
_TERM = re.compile(r":[ \t]+")
"""What begins the line of a definition list."""
_WHITE = " \t\n"


class _Line(NamedTuple):
    """A line of the file."""

    start: int
    """The place of its first character in the file."""
    normal: int
    """The same where every line end is one line feed."""
    text: str
    end: str
    """Its line end."""


@dataclass(frozen=True)
class _Text:
    """A stretch of the file that is translated, on one line or several."""

    start: int
    """Its first character in the file."""
    end: int
    """The one after its last."""
    part: Part


@dataclass(frozen=True)
class _Document:
    """What the blocks of one file share."""

    text: str
    lines: Sequence[_Line]
    references: Mapping[str, Any]


def markdown_parts(source: Source) -> Iterator[Part]:
    """The parts of a Markdown file."""
    mark, rest = cut_mark(source.lines())
    text = "".join(rest)
    try:
        tokens, references = blocks(same_text(text))
    except Exception as error:
        yield from _unread(mark + text, 1, error)
        return
    document = _Document(text, _lines(text), references)
    definitions = _sentences_like_definitions(document)
    before, place = mark, 0
    for group in [*_groups(tokens), []]:
        end = _end(group, document) if group else len(text)
        try:
            texts = list(_texts(group, document))
        except Exception as error:  # a fault in one block costs no file
            first = document.lines[group[0].map[0]].start
            yield from _unread(before + text[place:first], 0, error)
            yield from _unread(text[first:end], group[0].map[0] + 1, error)
            before, place = "", end
            continue
        texts = sorted([*texts, *(own for own in definitions if place <= own.start < end)], key=lambda own: own.start)
        if not texts:
            continue
        check = _Check(text[place:end], references, place == 0)
        for found in texts:
            head = before + text[place : found.start] + found.part.kept
            alone = partial(_is_same, raw=found.part.raw, head=re.split(r"[\r\n]", head)[-1].lstrip(), references=references)
            yield replace(found.part, kept=head, check=check, alone=alone)
            before, place = "", found.end
        yield Part(kept=text[place:end], check=check)
        place = max(end, place)
    if before or place < len(text):
        yield kept(before + text[place:])


def _sentences_like_definitions(document: _Document) -> list[_Text]:
    """Link definitions that nothing refers to and that lead to no address (`[주의]: 위험`): probably text, which no program shows.

    They are parts, so that a translation that would show them is flagged.
    """
    found = []
    for definition in document.references.values():
        first, last = definition["map"]
        line = document.lines[first]
        match = _DEFINITION.search(line.text) if last == first + 1 and not definition["title"] else None
        if match is None or _DIRECTIVE.match(match[0]) or document.text.count(match[1]) > 1:
            continue
        place = Place("lines", match[0], (line.text,), (line.text[: match.start()],), line.end or "\n")
        start = line.start + match.start()
        found += _text(start, start + len(match[0].rstrip()), first + 1, nodes_of(match[0].rstrip(), {}), place, document)
    return found


def _end(group: Sequence[Token], document: _Document) -> int:
    """The end of the last line of a block, without its line end."""
    last = document.lines[group[0].map[1] - 1]
    return last.start + len(last.text)


def _unread(text: str, line: int, error: Exception) -> Iterator[Part]:
    """What could not be read: it is kept, and its first line with words is flagged with the error, unless line is 0."""
    words = re.search(r"[^\W\d_][^\r\n]*", text) if line else None
    if words is None:
        yield kept(text)
        return

    def check(_: str) -> bool:
        raise error

    line += same_text(text[: words.start()]).count("\n")
    yield Part(text[: words.start()], words[0], normalise(words[0]), line, check=check)
    yield Part(kept=text[words.end() :], check=check)


def _is_same(text: str, raw: str, head: str, references: Mapping[str, Any]) -> bool:
    """Whether a text has the structure of the raw one, each after the marks that are before it on its line."""
    return signature(head + text, references, False) == signature(head + raw, references, False)


def unclosed_fence(source: Source) -> int | None:
    """The line of a fence that nothing closes, from 1: all after it is code. None: there is none, or its quotation or list item ends it."""
    text = "".join(cut_mark(source.lines())[1])
    try:
        tokens = blocks(same_text(text))[0]
    except Exception:  # markdown_parts flags it
        return None
    if not tokens or tokens[-1].type != "fence" or tokens[-1].level:
        return None
    first, end = tokens[-1].map
    last = _lines(text)[end - 1].text.strip()
    closed = end - 1 > first and last.startswith(tokens[-1].markup) and not last.strip(tokens[-1].markup[0])
    return None if closed else first + 1


def _lines(text: str) -> list[_Line]:
    """The lines of a text."""
    lines, start, normal = [], 0, 0
    while start < len(text):
        body, end = _LINE.match(text, start).groups()
        lines.append(_Line(start, normal, body, end))
        start += len(body) + len(end)
        normal += len(body) + 1
    return lines


class _Check:
    """Whether a text has the structure of a source; that of the source is found when it is first needed."""

    def __init__(self, source: str, references: Mapping[str, Any], first: bool):
        self._source, self._references, self._first = source, references, first
        self._wanted: list[Any] | None = None

    def __call__(self, text: str) -> bool:
        text = text.removeprefix("\ufeff")
        if text == self._source:
            return True
        if self._wanted is None:
            self._wanted = signature(self._source, self._references, self._first)
        return signature(text, self._references, self._first) == self._wanted


def _groups(tokens: Sequence[Token]) -> Iterator[list[Token]]:
    """The tokens of each block that is in no other."""
    group: list[Token] = []
    depth = 0
    for token in tokens:
        group.append(token)
        depth += token.nesting
        if depth == 0:
            yield group
            group = []


def _texts(group: Sequence[Token], document: _Document) -> Iterator[_Text]:
    """The texts of a block."""
    for number, token in enumerate(group):
        if token.type == "tr_open":
            end = next(place for place in range(number, len(group)) if group[place].type == "tr_close")
            yield from _row(token, [cell.content for cell in group[number:end] if cell.type == "inline"], document)
        elif token.type == "inline" and group[number - 1].type in ("paragraph_open", "heading_open"):
            yield from _block(token, group[number - 1], group[number - 2].type if number > 1 else "", document)


def _block(token: Token, opened: Token, before: str, document: _Document) -> Iterator[_Text]:
    """The texts of a paragraph or a heading. before: the type of the token before it."""
    lines = [document.lines[number] for number in range(*token.map)]
    columns = [begin - line.normal for begin, line in zip(token.meta[BEGINS], lines, strict=True)]
    is_atx = opened.markup.startswith("#")
    if opened.type == "heading_open" and not is_atx:
        lines, columns = lines[: token.content.count("\n") + 1], columns[: token.content.count("\n") + 1]
    content, starts = "", []
    for line, column in zip(lines, columns, strict=True):
        starts.append(len(content))
        content += line.text[column:] + "\n"
    start, end = 0, len(content.rstrip(_WHITE))
    if is_atx:
        start = len(content) - len(content.lstrip("#").lstrip(" \t"))
        end = start + len(token.content)
    for pattern, container in ((_TASK, "list_item_open"), (_ALERT, "blockquote_open")):
        if before == container and (head := pattern.match(content, start, end)):
            start = head.end()
    titled = content.startswith("[!") and 0 < start < end and content[start - 1] != "\n"
    for first, last, nodes in _units(content, start, end, document.references, titled):
        number, final = bisect_right(starts, first) - 1, bisect_right(starts, last - 1)
        place = Place(
            "heading" if is_atx else "lines", content[first:last], tuple(line.text for line in lines[number:final]),
            tuple(line.text[:column] for line, column in zip(lines[number:final], columns[number:final], strict=True)),
            lines[number].end or "\n",
        )  # fmt: skip
        behind = final - 1
        yield from _text(
            lines[number].start + columns[number] + first - starts[number],
            lines[behind].start + columns[behind] + last - starts[behind], token.map[0] + number + 1, nodes, place, document,
        )  # fmt: skip


def _units(content: str, start: int, end: int, references: Mapping[str, Any], titled: bool) -> Iterator[tuple[int, int, list[Node]]]:
    """What is translated together between two places of a content: their places without white space around them, and the pieces.

    A hard line break ends a unit if it is in no emphasis; so do lines that another program understands, which are in none.
    titled: the first line is a title, a unit of its own.
    """
    unit: list[Node] = []
    place = first = start
    for line, ended in _node_lines(nodes_of(content[start:end], references)):
        raw = "".join(node.raw for node in line)
        directive, term = _DIRECTIVE.match(raw), _TERM.match(raw)
        if directive or term:
            yield from _trimmed(unit, first)
            unit, first = [], place
        if term and not line[0].inner and len(line[0].raw) >= term.end():
            cut = line[0].raw[term.end() :]
            line, first = [Node(cut, cut), *line[1:]], place + term.end()
        place += len(raw) + (len(ended.raw) if ended else 0)
        if directive:
            first = place
            continue
        unit += line
        if ended is not None and ended.kind == "break" and not titled:
            unit.append(ended)
        else:
            yield from _trimmed(unit, first)
            unit, first = [], place
        titled = False
    yield from _trimmed(unit, first)


def _node_lines(nodes: Sequence[Node]) -> Iterator[tuple[list[Node], Node | None]]:
    """The pieces of each line, and the line break after it. What is inside a pair is on the line where the pair begins."""
    line: list[Node] = []
    for node in nodes:
        if node.kind in ("break", "hard"):
            yield line, node
            line = []
        else:
            line.append(node)
    if line:
        yield line, None


def _trimmed(nodes: Sequence[Node], start: int) -> Iterator[tuple[int, int, list[Node]]]:
    """The pieces from a place on without white space at the ends, and their places; nothing when nothing is left."""
    nodes = list(nodes)
    while nodes and nodes[0].kind in ("text", "break") and not nodes[0].raw.strip(_WHITE):
        start += len(nodes.pop(0).raw)
    while nodes and nodes[-1].kind in ("text", "break") and not nodes[-1].raw.strip(_WHITE):
        nodes.pop()
    if not nodes:
        return
    if nodes[0].kind == "text" and nodes[0].raw == nodes[0].shown:
        start += len(nodes[0].raw) - len(nodes[0].raw.lstrip(_WHITE))
        nodes[0] = replace(nodes[0], raw=nodes[0].raw.lstrip(_WHITE), shown=nodes[0].shown.lstrip(_WHITE))
    if nodes[-1].kind == "text" and not nodes[-1].entity:
        nodes[-1] = replace(nodes[-1], raw=nodes[-1].raw.rstrip(_WHITE), shown=nodes[-1].shown.rstrip(_WHITE))
    yield start, start + sum(len(node.raw) for node in nodes), nodes


def _text(start: int, end: int, line: int, nodes: Sequence[Node], place: Place, document: _Document) -> Iterator[_Text]:
    """The text of a unit, if it has words. start, end: its places in the file."""
    plain, spans = without_markup(nodes)
    write = partial(written, place=place, escapes=escapes_of(nodes), references=document.references)
    escape = partial(escaped, entities=entities_of(nodes))
    part = inline_part(document.text[start:end], plain, spans, line, write=write, escape=escape)
    if part.text:
        yield _Text(start, end, part)


def _row(token: Token, cells: Sequence[str], document: _Document) -> Iterator[_Text]:
    """The texts of a table's row: a cell each. As in GitHub's Markdown a bar parts cells even inside code, if it is not escaped.

    A row whose bars the parser counts in another way (two backslashes before one) is kept.
    """
    line = document.lines[token.map[0]]
    start = token.meta[BEGINS][0] - line.normal
    found: list[tuple[int, str]] = []
    for cell in re.finditer(r"((?:[^|\\]|\\.|\\$)*)(?:\||$)", line.text[start:].rstrip(" \t")):
        text = cell[1].strip(" \t")
        found.append((start + cell.start() + len(cell[1]) - len(cell[1].lstrip(" \t")), text))
    found = found[not found[0][1] and line.text[start] == "|" :]
    own = [text.replace("\\|", "|") for _, text in found[: len(cells)]]
    if own + [""] * (len(cells) - len(own)) != list(cells) or any("\\\\|" in text for _, text in found):
        return
    for (column, text), content in zip(found, cells, strict=False):
        if text:
            place = Place("cell", content, (line.text,), (line.text[:start],), line.end)
            nodes = nodes_of(content, document.references)
            yield from _text(line.start + column, line.start + column + len(text), token.map[0] + 1, nodes, place, document)
