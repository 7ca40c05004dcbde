"""Which format a file has by its name; what has a structure that is not kept here is refused."""

import re
from collections.abc import Callable
from pathlib import Path

from mt.data.characters import script_of
from mt.data.language_codes import short_code
from mt.errors import DataError

FORMATS = ("text", "tsv", "csv", "jsonl", "srt", "vtt", "markdown")
"""What `--format` takes."""
_FORMAT_OF = {
    "txt": "text", "text": "text", "tsv": "tsv", "csv": "csv", "jsonl": "jsonl", "ndjson": "jsonl", "json": "jsonl", "srt": "srt",
    "vtt": "vtt", "md": "markdown", "markdown": "markdown",
}  # fmt: skip
_TOLD = {
    "SAMI subtitles": ("smi", "sami"), "SubStation subtitles": ("ass", "ssa"), "TTML subtitles": ("ttml", "dfxp"),
    "MicroDVD or VobSub subtitles": ("sub", "idx"), "song lyrics with times": ("lrc",), "a translation memory": ("tmx",),
    "XLIFF": ("xlf", "xliff", "sdlxliff", "mxliff"), "a gettext catalogue": ("po", "pot", "mo"), "Qt translations": ("ts", "qm"),
    "YAML": ("yaml", "yml"), "JSON": ("json5", "arb"), "settings": ("ini", "cfg", "conf", "properties", "toml", "env"),
    ".NET resources": ("resx",), "Apple strings": ("strings", "stringsdict", "xcstrings", "plist"), "a notebook": ("ipynb",),
    "HTML": ("html", "htm", "xhtml"), "XML": ("xml",), "LaTeX": ("tex",), "reStructuredText": ("rst",), "AsciiDoc": ("adoc", "asciidoc"),
    "a document": ("doc", "docx", "odt", "rtf", "pdf", "epub", "hwp", "hwpx", "pages"), "a spreadsheet": ("xls", "xlsx", "ods"),
    "slides": ("ppt", "pptx", "odp"), "an archive": ("zip", "xz", "bz2", "zst", "7z", "rar", "tar", "tgz"), "a Parquet table": ("parquet",),
    "subtitles as images": ("sup",), "a program": (
        "asm", "bash", "bat", "c", "cc", "cmake", "cpp", "css", "cxx", "dart", "f90", "go", "gradle", "groovy", "h", "hpp", "hs", "java",
        "jl", "js", "jsx", "kt", "less", "lua", "mjs", "php", "ps1", "py", "pyi", "r", "rb", "rs", "sass", "scala", "scss", "sh", "sql",
        "svelte", "swift", "tsx", "vb", "vue", "zsh",
    ),
    "settings or data": ("csv~", "desktop", "diff", "editorconfig", "geojson", "gpx", "graphql", "kml", "lock", "patch", "proto",
        "reg", "tsv~"),
    "a message or a calendar": ("eml", "ics", "mbox", "vcf"), "markup": (
        "atom", "bib", "cls", "dita", "docbook", "dtd", "fb2", "markdownx", "mdx", "mediawiki", "opml", "org", "rss", "sgm", "sgml", "sty",
        "svg", "textile", "tbx", "wiki", "xsd", "xsl", "xslt",
    ),
}  # fmt: skip
"""Endings that people translate files of, and what they are."""
_WHAT = {ending: what for what, endings in _TOLD.items() for ending in endings}
_ENDING = re.compile(r"\.([A-Za-z][A-Za-z0-9_+~-]{0,15}|7z)$")
"""A number, or a word of another script, behind a full stop is no ending: chapter.1, 2024.3.5"""
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:[-_][a-z0-9]{2,8})*$")
_PROGRAM_FILES = ("makefile", "dockerfile", "jenkinsfile", "gemfile", "rakefile", "procfile", "vagrantfile")


def format_of(path: Path, asked: str | None, language: str | None = None, is_text: Callable[[], bool] = lambda: False) -> str:
    """The format that was asked for, else that of the name's ending (before .gz).

    Text are .txt, .text, names without an ending, names that end in the code of the source language, and a file whose ending says nothing
    when its content is plain text (.log, .tok). language: that code; None: it is not known yet, and any code will do. DataError for an
    unknown format, for endings of other formats and languages, and for an unknown one of a file that is not there or is no plain text.
    """
    if asked is not None:
        if asked not in FORMATS:
            raise DataError(f"--format: '{asked}' is none of {', '.join(FORMATS)}")
        return asked
    name = _without_gz(path)
    found = _ENDING.search(name)
    ending = found[1].lower() if found else ""
    if ending in _FORMAT_OF:
        return _FORMAT_OF[ending]
    if not ending and name.lower() not in _PROGRAM_FILES:
        return "text"
    if _LANGUAGE.match(ending) and ending not in _WHAT and (language is None or short_code(ending) == short_code(language)):
        return "text"
    if says_nothing(path) and is_text():
        return "text"
    what = f" ({_WHAT[ending]})" if ending in _WHAT else ""
    if _WHAT.get(ending) == "a document":
        raise DataError(
            f"{path}: '{found[0]}'{what} is not a format that mt can keep intact; save it as plain text (UTF-8) in your word processor"
        )
    if script_of(short_code(ending)) is not None and ending not in _WHAT and language is not None:
        from mt.data.languages import named

        raise DataError(
            f"{path}: {path.name} is named as {named(ending)}, but this model translates from {named(language)}; --format text translates "
            "it all the same"
        )
    raise DataError(
        f"{path}: '{found[0] if found else name}'{what} is not a format that mt can keep intact; it keeps {', '.join(FORMATS)}. Convert "
        "the file to one of these, or add --format text to translate every line as plain text"
    )


def says_nothing(path: Path) -> bool:
    """Whether the ending of a name is that of no format and no language that is known here: .log, .ref, .tok"""
    found = _ENDING.search(_without_gz(path))
    ending = found[1].lower() if found else ""
    return bool(ending) and ending not in _FORMAT_OF and ending not in _WHAT and script_of(short_code(ending)) is None


def _without_gz(path: Path) -> str:
    """A file's name without the ending of gzip."""
    return path.name[:-3] if path.suffix.lower() == ".gz" else path.name
