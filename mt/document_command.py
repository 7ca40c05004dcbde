"""What `mt translate` does with a document: which format, what must not change for it to go on, where it is written.

Nothing heavy is imported.
"""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mt.documents.content import START_BYTES, format_of_file, refuse_other_content
from mt.documents.document import Document, refuse_columns
from mt.documents.fit import fitting
from mt.documents.parts import Source
from mt.errors import DataError, DecodingError
from mt.output import put_data, refuse_unwritable
from mt.runs import file_hash


@dataclass(frozen=True)
class DocumentOptions:
    """The options of `mt translate` that only documents have."""

    format: str | None = None
    """None: what the name's ending says."""
    column: str | None = None
    into: str | None = None
    sentences: bool = False
    """Cut lines and cells at every sentence, not only where they are too long."""
    restart: bool = False
    """Drop what an unfinished job has left."""
    report: Path | None = None
    """Where to list the lines to look at."""
    encoding: str | None = None
    """Of a file or of standard input, documents or not; None: UTF-8."""

    def given(self) -> list[str]:
        """The options that make something a document and were used, as they are typed."""
        return [f"--{name}" for name, value in asdict(self).items() if value and name != "encoding"]


def is_document(input: Path | None, output: Path | None, options: DocumentOptions, line_options: Sequence[str]) -> bool:
    """Whether an input is translated as a document; else its lines are, as they come from standard input.

    line_options: those given that are of single lines, as they are typed. DecodingError or DataError for what does not go together.
    """
    piped = input is None or str(input) == "-"
    if input is None and options.given():
        raise DecodingError(f"{options.given()[0]} is of a file; name it with --input ('-' is standard input)")
    if input is None or (piped and not options.given()):
        return False
    if piped and options.format is None:
        raise DecodingError(f"{options.given()[0]}: standard input has no name with an ending; say what it is with --format")
    format = format_of_file(input, options.format, encoding=options.encoding)
    refuse_columns(format, options.column, options.into)
    if not piped and input.is_file():  # now, before a model is loaded
        refuse_other_content(Source(input).start(START_BYTES), input, format, options.format is not None, options.encoding)
    refuse_unwritable(options.report)
    if line_options:
        given = [option for option in options.given() if option != "--format"]
        if format != "text" or given:
            what = f"{given[0]} is of documents" if format == "text" else f"this is {format}"
            raise DecodingError(f"{line_options[0]} is of single lines, and {what}; drop one of the two")
        return False
    _refuse_same(input, output, options.report)
    if output is not None and output.suffix.lower() == ".gz":
        raise DataError(f"{output}: the output is not compressed; give it a name without .gz")
    return True


def translate_document(
    input: Path, output: Path | None, options: DocumentOptions, translator: Any, search: Callable, settings: Mapping[str, Any]
) -> None:
    """Translate a file or standard input into a file or to standard output.

    search: see `fitting`. settings: what the translations depend on, besides the text and the model, by the names of the options.
    """
    from mt.documents.job import survey, translate_to_file, translate_to_stream
    from mt.documents.report import Report

    began, language = time.monotonic(), translator.source_language
    format = format_of_file(input, options.format, language, options.encoding)
    source = _source(input, options.encoding)
    refuse_other_content(source.start(START_BYTES), source.path, format, options.format is not None, options.encoding)
    document = Document(source, format, language, options.column, options.into, options.sentences)
    surveyed = survey(document)
    if not surveyed.total:
        _tell(f"note: {source.path}: read as {format}, there is nothing to translate in it")
    if format == "markdown":
        from mt.documents.markdown import unclosed_fence

        if line := unclosed_fence(source):
            _tell(f"note: {source.path}: line {line} begins a code block that nothing closes: all after it is code and stays as it is")
    fits = fitting(search, translator)
    earlier = 0
    with Report(options.report, language == translator.target_language, language) as report:
        if output is None:
            translate_to_stream(document, surveyed, fits, put_data, report)
        elif output.exists() and not output.is_file():  # /dev/null, a pipe: not to be replaced by a file, and nothing to go on with
            with open(output, "wb") as stream:
                translate_to_stream(document, surveyed, fits, stream.write, report)
        else:
            asked = {f"--{name}": getattr(options, name) for name in ("column", "into", "sentences")}
            job = {**model_facts(translator, settings), "--format": document.format, **asked}
            earlier = translate_to_file(document, surveyed, fits, output, {**job, **settings}, options.restart, report, _tell)
        _tell(report.finish())
    if report.kept and not report.translated:
        _tell(
            f"note: {source.path}: nothing in it has a letter of {language}, the model's source language, so everything was left as it is; "
            "is this the right file, column and model?"
        )
    _tell(summary(output, report.translated, report.kept, report.flagged, time.monotonic() - began, earlier))


def summary(output: Path | None, translated: int, kept: int, flagged: int, seconds: float, earlier: int = 0) -> str:
    """The last line: what was written where, and how long it took. earlier: translations that a stopped job had left in its journal."""
    from mt.run_facts import duration

    before = f" ({earlier} of them before it was interrupted)" if earlier else ""
    left = f", {kept} kept as they are" if kept else ""
    to_check = f", {flagged} flagged" if flagged else ""
    units = f"{translated} unit{'s' * (translated != 1)} translated{left}{before}{to_check}"
    return f"{output or 'standard output'}: {units}; {f'{seconds:.1f} s' if seconds < 10 else duration(seconds)}"


def model_facts(translator: Any, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What the translations depend on of a model, by names that a person understands. settings: see `translate_document`."""
    facts = {
        "the model": model_hashes(translator), "source": translator.source_language, "target": translator.target_language,
        "the longest line": translator.max_source_tokens,
    }  # fmt: skip
    return facts | shortlist_hash(translator, settings)


def model_hashes(translator: Any) -> list[str]:
    """What the translations depend on of a model: the sha256 of its files and of its vocabulary."""
    files = [translator.path, *getattr(translator, "others", ())]
    return [*(file_hash(path / "model.bin" if path.is_dir() else path) for path in files), translator.tokenizer.fingerprint()]


def shortlist_hash(translator: Any, settings: Mapping[str, Any]) -> dict[str, str]:
    """The sha256 of the shortlist, where translations depend on one: it can be learned again while the weights stay as they are."""
    if not settings.get("decoding.shortlist"):
        return {}
    from mt.stored_shortlist import shortlist_file

    file = shortlist_file(translator.path)
    return {"the shortlist": file_hash(file)} if file.is_file() else {}


def _source(input: Path, encoding: str | None) -> Source:
    """Where the bytes come from. A document is read several times: what can be read but once (standard input, a pipe) is held."""
    if str(input) == "-":
        return Source(Path("standard input"), sys.stdin.buffer.read(), encoding)
    return Source(input, input.read_bytes() if input.is_fifo() or input.is_char_device() else None, encoding)


def _refuse_same(input: Path, output: Path | None, report: Path | None) -> None:
    """DataError when one of the files would be written over another."""
    places = [("--input", input), ("--output", output), ("--report", report)]
    given = [(option, path, path.resolve()) for option, path in places if path is not None and str(path) != "-"]
    for number, (option, path, place) in enumerate(given):
        for other, _, second in given[:number]:
            if place == second and (path.is_file() or not path.exists()):
                raise DataError(f"{other} and {option} are the same file, {path}; choose another name for {option}")



def _tell(line: str) -> None:
    """A line for the person who waits."""
    if line:
        print(line, file=sys.stderr)
