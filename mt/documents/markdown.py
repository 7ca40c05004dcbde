"""Markdown: paragraphs, headings, list items, quotations and table cells are translated; all else is kept.

Kept are front matter, fenced and indented code, HTML blocks and comments, link definitions, formulas between lines of $$, rules and
directives, and inside a text code, addresses and tags (markdown_inline.py). Blocks follow CommonMark 0.31 as far as line prefixes tell;
what is doubtful is kept, not translated.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from mt.data.encodings import normalise
from mt.documents.inline import inline_part
from mt.documents.markdown_inline import without_markup
from mt.documents.parts import Part, Source, cut_line_end, cut_mark, kept
from mt.text_table import display_width, wrap

_PREFIX = re.compile(r"(?:[ \t]{0,3}>[ \t]?)*")
"""Quotation marks before a line."""
_ITEM = re.compile(r"[ \t]*(?:[-+*]|\d{1,9}[.)])(?:[ \t]+(?:\[[ xX]\][ \t]+)?|$)")
_HEADING = re.compile(r"[ ]{0,3}#{1,6}(?:[ \t]+|$)")
_HEADING_END = re.compile(r"[ \t]+#+[ \t]*$|[ \t]+\{#[^{}]*\}[ \t]*$")
_FENCE = re.compile(r"[ \t]*(`{3,}(?=[^`]*$)|~{3,}|\${2}(?=[^$]*$))")
_RULE = re.compile(r"[ ]{0,3}(?:(?:-[ \t]*){3,}|(?:\*[ \t]*){3,}|(?:_[ \t]*){3,}|=+[ \t]*|-+[ \t]*)$")
_DEFINITION = re.compile(r"[ ]{0,3}\[(?!\^)[^\]]+\]:")
_FOOTNOTE = re.compile(r"[ ]{0,3}\[\^[^\]]+\]:[ \t]*")
_DELIMITERS = re.compile(r"[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$")
_HTML = re.compile(r"[ ]{0,3}<(?:[!?]|/?[A-Za-z][A-Za-z0-9-]*(?:[\s/>]|$))")
_HTML_ENDS = {"<!--": "-->", "<?": "?>", "<![CDATA[": "]]>", "<script": "</script>", "<pre": "</pre>", "<style": "</style>",
              "<textarea": "</textarea>"}  # fmt: skip
_INLINE_TAGS = re.compile(r"[ ]{0,3}</?(?:a|b|i|em|strong|code|kbd|sub|sup|span|br|img|u|s|mark|small|del|ins|q|cite|abbr)[\s/>]", re.I)
_DIRECTIVE = re.compile(r"[ \t]*(?::::|\{%|\{\{|%%|!!! )")
_HARD_BREAK = re.compile(r"(?: {2,}|\\)$")
_SETTING = re.compile(r"\s*(?:#|[\w\"'.-]+\s*[:=])")
"""How the first line of front matter begins."""
_UNBROKEN = re.compile(r"(`+)[^`]+\1|\]\([^()]*\)|\]\[[^\[\]]*\]|<[^<>]*>")
_KEPT_SPACE = "\ue000"
_NEW_BLOCK = re.compile(r"^(\d{0,9})([-+*>#.)])(?=\s)")
_STARTS_BLOCK = re.compile(r"\s*(?:[-+*>#|=~`:<]|\d+[.)]|\[)")


@dataclass
class _State:
    """What lines before decide of the next."""

    paragraph: list[tuple[str, str, str, int]] = field(default_factory=list)
    """Prefix, text, line end and number of the lines of the paragraph under way."""
    end_mark: str = ""
    """What ends the block that is kept: a fence, the end of a comment; "" when there is none."""
    until_blank: bool = False
    """Whether an HTML block goes on to the next empty line."""
    offset: int = 0
    """The column where the text of the list item under way begins; 0 outside of lists."""
    blank: bool = True
    """Whether the line before was empty."""
    table: bool = False


def markdown_parts(source: Source) -> Iterator[Part]:
    """The parts of a Markdown file."""
    mark, lines = cut_mark(source.lines())
    before, state = mark, _State()
    ahead = next(lines, None)
    number = 0
    while ahead is not None:
        line, ahead, number = ahead, next(lines, None), number + 1
        for part in _line_parts(line, ahead, number, state):
            part = replace(part, kept=before + part.kept)
            before = ""
            if part.text or len(part.kept) > 1 << 16:
                yield part
            else:
                before = part.kept
    for part in _paragraph_parts(state):
        yield replace(part, kept=before + part.kept)
        before = ""
    if before:
        yield kept(before)


def _line_parts(line: str, ahead: str | None, number: int, state: _State) -> Iterator[Part]:
    """The parts that a line completes."""
    text, end = cut_line_end(line)
    if _is_kept(text, ahead, number, state):
        yield from _paragraph_parts(state)
        yield kept(line)
        return
    prefix = _PREFIX.match(text)[0]
    if state.paragraph and state.paragraph[-1][0].count(">") != prefix.count(">"):
        yield from _paragraph_parts(state)
    body = text[len(prefix) :]
    if state.table or (ahead is not None and "|" in body and _is_table_head(prefix, ahead)):
        yield from _paragraph_parts(state)
        state.table = True
        yield from _row_parts(prefix, body, end, number)
        return
    heading = _HEADING.match(body)
    if heading:
        yield from _paragraph_parts(state)
        closing = _HEADING_END.search(body, heading.end())
        stop = closing.start() if closing else len(body)
        yield _text_part(body[heading.end() : stop], number, prefix + heading[0])
        yield kept(body[stop:] + end)
        return
    while (item := _ITEM.match(body) or _FOOTNOTE.match(body)) and item[0]:
        yield from _paragraph_parts(state)
        prefix, body = prefix + item[0], body[item.end() :]
        state.offset = len(prefix.expandtabs(4))
    indent = body[: len(body) - len(body.lstrip())]
    state.paragraph.append((prefix + indent, body[len(indent) :], end, number))
    if _HARD_BREAK.search(body):
        yield from _paragraph_parts(state)


def _is_kept(text: str, ahead: str | None, number: int, state: _State) -> bool:
    """Whether a line is kept as it is; notes what that means for the next."""
    blank_before, state.blank = state.blank, not text.strip(" \t>")
    body = text[_PREFIX.match(text).end() :]
    if state.end_mark:
        if _ends(state.end_mark, body):
            state.end_mark = ""
        return True
    if state.blank:
        state.until_blank = state.table = False
        return True
    if state.until_blank:
        return True
    if number == 1 and text.rstrip() in ("---", "+++") and ahead is not None and _SETTING.match(ahead):
        state.end_mark = text.rstrip()
        return True
    item = _ITEM.match(body)
    if fence := _FENCE.match(body[item.end() :] if item and not state.paragraph else body):
        state.end_mark = fence[1]
        state.offset = len(item[0].expandtabs(4)) if item else state.offset
        return True
    if _HTML.match(body) and not (state.paragraph or _INLINE_TAGS.match(body)):
        start = body.lstrip().lower()
        state.end_mark = next((end for mark, end in _HTML_ENDS.items() if start.startswith(mark.lower())), "")
        state.until_blank = not state.end_mark
        if state.end_mark and _ends(state.end_mark, body[2:]):
            state.end_mark = ""
        return True
    indent = len(body.expandtabs(4)) - len(body.expandtabs(4).lstrip(" "))
    if blank_before and not indent and not item:
        state.offset = 0
    if blank_before and indent >= state.offset + 4:
        state.blank = True  # the next indented line is code too
        return True
    return bool(_RULE.match(body) or _DEFINITION.match(body) or _DIRECTIVE.match(body)) or (
        state.table and _DELIMITERS.match(body) is not None
    )


def _ends(mark: str, body: str) -> bool:
    """Whether a line ends a block that is kept."""
    if mark[0] == "$":
        return body.rstrip().endswith(mark)
    if mark[0] in "`~":
        return re.fullmatch(rf"[ \t]*{re.escape(mark)}{re.escape(mark[0])}*[ \t]*", body) is not None
    if mark in ("---", "+++"):
        return body.rstrip() in (mark, "..." if mark == "---" else mark)
    return mark in body.lower()


def _is_table_head(prefix: str, ahead: str) -> bool:
    """Whether the line that follows one with the prefix makes it the head of a table."""
    text = cut_line_end(ahead)[0]
    return "-" in text and "|" in text and _DELIMITERS.match(text[_PREFIX.match(text).end() :]) is not None


def _row_parts(prefix: str, body: str, end: str, number: int) -> Iterator[Part]:
    """The parts of a table's row: a cell each. As in GitHub's Markdown a bar parts cells even inside code, if it is not escaped."""
    before, start = prefix, 0
    for match in re.finditer(r"\\.|(?P<bar>\|)", body):
        if match["bar"]:
            yield _text_part(body[start : match.start()], number, before, "|")
            before, start = "|", match.end()
    yield _text_part(body[start:], number, before, "|")
    yield kept(end)


def _paragraph_parts(state: _State) -> Iterator[Part]:
    """The part of the paragraph that has ended here, if there is one."""
    lines, state.paragraph = state.paragraph, []
    if not lines:
        return
    (first_prefix, text, _, number), (*_, (_, _, end, _)) = lines[0], lines
    raw = text + "".join(before + prefix + text for (_, _, before, _), (prefix, text, _, _) in zip(lines, lines[1:], strict=False))
    broken = _HARD_BREAK.search(raw)
    tail = broken[0] if broken else ""
    raw = raw.removesuffix(tail)
    joined = " ".join(text.removesuffix(tail).strip() if tail else text.strip() for _, text, _, _ in lines)
    line_end, further = lines[0][2] or "\n", lines[1][0] if len(lines) > 1 else ""
    widest = max(display_width(prefix + text) for prefix, text, _, _ in lines) - display_width(further)

    def write(translation: str) -> str:
        if not _STARTS_BLOCK.match(joined):
            translation = _NEW_BLOCK.sub(r"\1\\\2", translation)
        whole = _UNBROKEN.sub(lambda markup: markup[0].replace(" ", _KEPT_SPACE), translation)
        wrapped = wrap(whole, max(widest, 40)) if len(lines) > 1 and widest < 200 else [whole]
        wrapped = [line.replace(_KEPT_SPACE, " ") for line in wrapped]
        if any(_STARTS_BLOCK.match(line) for line in wrapped[1:]) or " ".join(wrapped) != translation:
            wrapped = [translation]
        return (line_end + further).join(wrapped)

    yield inline_part(raw, *without_markup(normalise(joined)), number, first_prefix, write)
    yield kept(tail + end)


def _text_part(raw: str, number: int, before: str, escaped: str = "") -> Part:
    """A text on one line. escaped: a character that its translation must not have bare."""

    def write(translation: str) -> str:
        return re.sub(rf"(?<!\\){re.escape(escaped)}", lambda mark: "\\" + mark[0], translation) if escaped else translation

    return inline_part(raw, *without_markup(normalise(raw)), number, before, write)
