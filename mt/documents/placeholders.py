"""What a program reads in a text, not a person: placeholders, tags, addresses, file names. A translation keeps them byte for byte.

They become literal spans (parts.Span): they are looked for in the translation as they are, and where the model has lost one, the text is
translated in segments around it. These are patterns, not proof: `{word}` in a novel is kept too.
"""

import re
from collections import Counter
from dataclasses import replace

from mt.documents.parts import Part, Span

_CODE = r"(?:[\t !#-&(-z|~]|\"[^\"{}\n]*\"|'[^'{}\n]*')"
"""A character of ASCII, or a string in quotation marks: what is in the braces of a template, unlike a sentence."""
TEMPLATE = rf"\{{\{{{_CODE}{{0,200}}\}}\}}|\{{\{{[\w.-]+\}}\}}|\{{%{_CODE}{{0,200}}%\}}"
"""Jinja, Liquid, Handlebars, Hugo. A name of other letters has no spaces around it."""
_BRACES = (
    r"\{\s*[\w.]+\s*,\s*(?:plural|select|selectordinal|number|date|time|choice)\b(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\}",  # ICU
    TEMPLATE, r"<%[^<>\n]{0,200}%>", r"[$#]\{[^{}\s]*\}", r"\{[\w.!:@%$^<>=,+#/\[\]()-]*\}",
)  # fmt: skip
_PRINTF = (
    r"%[A-Za-z_]\w{2,}%",
    r"(?<![\d%])%(?:\(\w+\)|\d+\$)?[-+#0]*(?:\d+|\*)?(?:\.(?:\d+|\*))?(?:hh|h|ll|l|L|q|j|z|t)?(?:[ds@]|[iouxXeEfFgGaAcpn](?![A-Za-z]))",
    r"%%",
)
_NAME = r"[A-Za-z][A-Za-z0-9:._-]*"
_KNOWN = "|".join((
    "a", "abbr", "acronym", "address", "annotation", "article", "aside", "audio", "b", "base", "bdi", "bdo", "big", "blockquote", "body",
    "bpt", "br", "bx", "button", "c", "caption", "center", "cite", "code", "col", "colgroup", "dd", "del", "details", "dfn", "div", "dl",
    "dt", "em", "ept", "ex", "fieldset", "figcaption", "figure", "font", "footer", "form", "g", "h[1-6]", "head", "header", "hr", "html",
    "i", "iframe", "img", "input", "ins", "it", "kbd", "label", "legend", "li", "link", "main", "mark", "meta", "mrk", "nav", "nobr", "ol",
    "optgroup", "option", "p", "ph", "picture", "pre", "q", "rp", "rt", "ruby", "s", "samp", "script", "section", "seg", "select", "small",
    "source", "span", "strike", "strong", "style", "sub", "summary", "sup", "svg", "table", "target", "tbody", "td", "textarea", "tfoot",
    "th", "thead", "title", "tr", "tspan", "tt", "tu", "tuv", "u", "ul", "unit", "ut", "v", "var", "video", "wbr", "x",
    "sami", "sync", "BODY", "BR", "DIV", "HEAD", "HR", "HTML", "SAMI", "SYNC", "IMG", "LI", "P", "TD", "TR", "WBR",
))  # fmt: skip
"""Elements of HTML, SAMI, TTML, XLIFF and TMX: a tag even where nothing but the name says so. <Enter>, <TV> and <Title> are text."""
KNOWN_TAG = re.compile(rf"<(?:{_KNOWN})\s*>")
_TAGS = (
    rf"</{_NAME}\s*>|<{_NAME}(?:\s+[\w:.@-]+\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*'|[^\s\"'<>]+))*\s*/>",
    rf"<{_NAME}(?:\s+[\w:.@-]+\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*'|[^\s\"'<>]+))+\s*>", rf"<(?:{_KNOWN})\s*>",
    rf"<(?P<partner>{_NAME})\s*>(?=[^<]{{0,500}}(?:<[^<]{{0,500}}){{0,8}}?</(?P=partner)\s*>)", r"</?\d+\s*/?>", r"<!--[^<>]*-->",
)  # fmt: skip
_ENTITIES = (r"&(?:[A-Za-z][A-Za-z0-9]{1,31}|#\d{1,7}|#[xX][0-9A-Fa-f]{1,6});",)
_PARTICLE = (
    r"(?:(?:에서|에게|으로|로|까지|부터|에|과|와|이나|나)?(?:는|은|도|만|의|부터|까지)|에서|에선|에게|에|을|를|은|는|이|가|으?로|(?:으?로|에서)부터|와|과|이나|나"
    r"|하고|이?랑|처럼|보다|의|도|만|(?:이)?라(?:는|고)|이?다|이고|이며|입니다|예요|이에요)(?![\w/=#&%+@$-]|[.,:;!?]\w)"
)
"""A Korean particle with nothing behind it that could belong to an address."""
_OTHER = rf"(?!{_PARTICLE})[^\x00-\x7f\s」』”’》〉】）。、，！？…：；·]+"
"""Other letters than ASCII in an address or a path, unless they are a particle alone."""
_IN_URL = rf"(?:[!#-'*-;=?-Z\\^-z|~]|\([^\s<>()]*\)|(?<=[/=_#-]){_OTHER})"
"""ASCII, balanced parentheses, and other letters right after a separator: a Korean particle after an address does not belong to it."""
_ADDRESSES = (
    rf"(?<![A-Za-z0-9])(?:[A-Za-z][A-Za-z0-9+.-]{{1,14}}://|www\.|mailto:){_IN_URL}*(?:(?<![.,:;!?*_~'])|(?<=_)(?={_PARTICLE}))",
    r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+",
)
_ENDINGS = "|".join((
    "7z", "bak", "bash", "bat", "bin", "bz2", "cfg", "conf", "config", "cpp", "cs", "css", "csv", "dat", "dll", "doc", "docx", "env",
    "epub", "exe", "gif", "gz", "hpp", "htm", "html", "ini", "ipynb", "jar", "java", "jpeg", "jpg", "js", "json", "jsonl", "jsx",
    "kt", "lrc", "md", "mkv", "mov", "mp3", "mp4", "odt", "ogg", "onnx", "pdf", "php", "png", "po", "pptx", "properties", "py", "pyc",
    "rar", "rb", "resx", "rst", "rtf", "safetensors", "sh", "smi", "sql", "srt", "svg", "tar", "tex", "tgz", "tmx", "toml", "tsv",
    "tsx", "ttml", "txt", "vtt", "wav", "webm", "webp", "xlf", "xliff", "xls", "xlsx", "xml", "xz", "yaml", "yml", "zip", "zst",
))  # fmt: skip
_PATHS = (
    rf"(?<![A-Za-z0-9])[A-Za-z]:[\\/](?:[A-Za-z0-9_.+@$%~\\/-]|{_OTHER})+(?<![.,])",
    rf"(?<![\w\\])\\\\(?![nrt]?\\)(?:[A-Za-z0-9_.+@$%~-]|{_OTHER})+(?:\\(?:[A-Za-z0-9_.+@$%~-]|{_OTHER})+)+\\?(?<![.,])",
    r"(?<![\w.\\-])[\w.-]+(?:\\[nrt][\w.-]*)*\\(?![nrtux])[\w.-]+(?:\\[\w.-]+)+(?<![.,])",
    r"(?<![\w/:<.~-])(?:~|\.{1,2})?/(?:[A-Za-z0-9_.+@$%~-]+/)+[A-Za-z0-9_.+@$%~-]*(?<![.,])",
    rf"(?<![A-Za-z0-9_./\\@-])(?:[A-Za-z0-9_-]+[./\\])*[A-Za-z0-9_-]+\.(?:{_ENDINGS})(?![A-Za-z0-9_])",
)
_LATEX = (
    "abla|atural|e|earrow|eg|eq|ewline|ewcommand|ewpage|exists|ge|geq|i|le|leq|mid|oindent|olimits|onumber|ormalsize|ot|otin|parallel|prec"
    "|subseteq|u|warrow|aisebox|angle|brace|brack|ceil|ef|enewcommand|floor|group|ho|hd|ight|ightarrow|ightharpoonup|m|moustache|ule|vert"
    "|abcolsep|able|ableofcontents|ag|an|anh|au|ext[a-z]*|frac|heta|herefore|hanks|hickapprox|ilde|imes|iny|itle|o|op|riangle[a-z]*|wo[a-z]*"
)
"""Commands of LaTeX that begin with n, r or t, without that letter."""
_ESCAPES = (
    rf"(?<!\\)\\[nrt](?:(?![A-Za-z])|(?=[A-Z])|(?<=[^\w\s$({{\[^=+*/\\-]\\[nrt])(?!(?:{_LATEX})(?![A-Za-z])))",
    r"\\(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2})",
)
"""A line break or tab written as a backslash and a letter. Before a small letter it is one only behind punctuation: else it is a command of
LaTeX or the folder of a path."""
TAG = re.compile(rf"</?{_NAME}(?:\s[^<>]*)?/?>|</?\d+\s*/?>|<!--[^<>]*-->|\\[nrt]")
"""What a whole match of PLACEHOLDER is that is markup: a tag of HTML, XML or an interface's text (<0>), a comment, or a written line break.

The attributes of a tag have values: a < b and c > d is none. A name that nothing shows to be a tag is text (_KNOWN).
"""
PLACEHOLDER = re.compile("|".join((*_ADDRESSES, *_PATHS, *_BRACES, *_TAGS, *_ENTITIES, *_PRINTF, *_ESCAPES)))
"""One placeholder, address, tag, entity, escape or file name."""
_HINT = re.compile(r"[%{}<>&@\\/.:]")


def placeholder_spans(text: str) -> list[Span]:
    """The placeholders of a text as literal spans, in order."""
    if not _HINT.search(text):
        return []
    return [Span(match.start(), match.end(), "", "", literal=True) for match in PLACEHOLDER.finditer(text)]


def with_placeholders(part: Part) -> Part:
    """A part whose spans include its placeholders, where they touch none of the spans that it has. A part without text as it is."""
    if not part.text:
        return part
    added = [new for new in placeholder_spans(part.text) if not any(new.start < own.end and own.start < new.end for own in part.spans)]
    if not added:
        return part
    inside = [own for own in part.spans if not any(new.start < own.start < new.end for new in added)]
    if len(inside) < len(part.spans):  # a marker in the middle of an address: the format knows better
        return part
    return replace(part, spans=tuple(sorted([*part.spans, *added], key=lambda span: (span.start, span.end))))


def without_placeholders(text: str) -> str:
    """A text with a space in place of each placeholder."""
    return PLACEHOLDER.sub(" ", text) if _HINT.search(text) else text


def changed_placeholders(source: str, translation: str) -> list[str]:
    """The placeholders of a source that its translation has more or less often."""
    wanted = Counter(match[0] for match in PLACEHOLDER.finditer(source)) if _HINT.search(source) else Counter()
    if not wanted:
        return []
    there = Counter(match[0] for match in PLACEHOLDER.finditer(translation))
    return [text for text, count in wanted.items() if there[text] != count and translation.count(text) != count]
