"""What a program reads in a text, not a person: placeholders, tags, addresses, file names. A translation keeps them byte for byte.

They become literal spans (parts.Span): they are looked for in the translation as they are, and where the model has lost one, the text is
translated in segments around it. These are patterns, not proof: `{word}` in a novel is kept too.
"""

import re
from collections import Counter
from dataclasses import replace

from mt.documents.parts import Part, Span

_BRACES = (
    r"\{\s*[\w.]+\s*,\s*(?:plural|select|selectordinal|number|date|time|choice)\b(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\}",  # ICU
    r"\{\{[^{}\n]{0,200}\}\}", r"\{%[^{}\n]{0,200}%\}", r"<%[^<>\n]{0,200}%>", r"[$#]\{[^{}\s]*\}", r"\{[\w.!:@%$^<>=,+#/\[\]()-]*\}",
)  # fmt: skip
_PRINTF = (
    r"%[A-Za-z_]\w{2,}%",
    r"(?<![\d%])%(?:\(\w+\)|\d+\$)?[-+#0]*(?:\d+|\*)?(?:\.(?:\d+|\*))?(?:hh|h|ll|l|L|q|j|z|t)?(?:[ds@]|[iouxXeEfFgGaAcpn](?![A-Za-z]))",
    r"%%",
)
_TAGS = (
    r"</?[A-Za-z][\w:.-]*(?:\s+[\w:.@-]+\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*'|[^\s\"'<>]+))*\s*/?>", r"</?\d+\s*/?>", r"<!--[^<>]*-->",
)  # fmt: skip
_ENTITIES = (r"&(?:[A-Za-z][A-Za-z0-9]{1,31}|#\d{1,7}|#[xX][0-9A-Fa-f]{1,6});",)
_IN_URL = r"(?:[!#-'*-;=?-Z\\^-z|~]|\([^\s<>()]*\)|(?<=[/=_#-])[^\x00-\x7f\s]+)"
"""ASCII, balanced parentheses, and other letters right after a separator: a Korean particle after an address does not belong to it."""
_ADDRESSES = (
    rf"(?<![A-Za-z0-9])(?:[A-Za-z][A-Za-z0-9+.-]{{1,14}}://|www\.|mailto:){_IN_URL}*(?<![.,:;!?*_~'])",
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
    r"(?<![A-Za-z0-9])[A-Za-z]:[\\/][A-Za-z0-9_.+@$%~\\/-]+(?<![.,])",
    r"(?<![\w/:<.~-])(?:~|\.{1,2})?/(?:[A-Za-z0-9_.+@$%~-]+/)+[A-Za-z0-9_.+@$%~-]*(?<![.,])",
    rf"(?<![A-Za-z0-9_./\\@-])(?:[A-Za-z0-9_-]+[./\\])*[A-Za-z0-9_-]+\.(?:{_ENDINGS})(?![A-Za-z0-9_])",
)
_ESCAPES = (r"\\[nrt]", r"\\(?:u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2})")
TAG = re.compile("|".join((*_TAGS, _ESCAPES[0])))
"""A tag of HTML, XML or an interface's text (<0>), a comment, or a line break written as a backslash and a letter.

The attributes of a tag have values: a < b and c > d is none.
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
