"""What `mt translate` does with a document: which format, what must not change for it to go on, where it is written.

Nothing heavy is imported.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mt.documents.document import Document, format_of, refuse_columns
from mt.documents.fit import FittingTranslator
from mt.documents.parts import Source
from mt.errors import DataError, DecodingError
from mt.output import refuse_unwritable
from mt.runs import file_hash
from mt.translation import Translation


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

    def given(self) -> list[str]:
        """The options that were used, as they are typed."""
        return [f"--{name}" for name, value in asdict(self).items() if value]


def fitting(search: Callable[..., list[list[Translation]]], translator: Any) -> FittingTranslator:
    """A translator of texts of any length. search: finds the translations of lines, best first, with a function that is told how many."""

    def best(lines: Sequence[str], progress: Callable[[int], None]) -> list[Translation]:
        return [found[0] for found in search(lines, progress)]

    def count(lines: Sequence[str]) -> list[int]:
        return [len(tokens) for tokens in translator.tokenizer.encode_source(lines)]

    return FittingTranslator(best, count, translator.max_source_tokens, translator.target_language)


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
    format = format_of(input, options.format)
    refuse_columns(format, options.column, options.into)
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

    format = format_of(input, options.format)
    document = Document(_source(input), format, translator.source_language, options.column, options.into, options.sentences)
    surveyed = survey(document)
    if not surveyed.total:
        _tell(f"note: {document.source.path}: read as {format}, there is nothing to translate in it")
    fits = fitting(search, translator)
    with Report(options.report, translator.source_language == translator.target_language) as report:
        if output is None:
            translate_to_stream(document, surveyed, fits, _to_standard_output, report)
        elif output.exists() and not output.is_file():  # /dev/null, a pipe: not to be replaced by a file, and nothing to go on with
            with open(output, "wb") as stream:
                translate_to_stream(document, surveyed, fits, stream.write, report)
        else:
            asked = {f"--{name}": getattr(options, name) for name in ("column", "into", "sentences")}
            job = {"the model": model_hashes(translator), **shortlist_hash(translator, settings), "--format": document.format, **asked}
            translate_to_file(document, surveyed, fits, output, {**job, **settings}, options.restart, report, _tell)
        _tell(report.finish())


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


def _source(input: Path) -> Source:
    """Where the bytes come from. A document is read several times: what can be read but once (standard input, a pipe) is held."""
    if str(input) == "-":
        return Source(Path("standard input"), sys.stdin.buffer.read())
    return Source(input, input.read_bytes()) if input.is_fifo() or input.is_char_device() else Source(input)


def _refuse_same(input: Path, output: Path | None, report: Path | None) -> None:
    """DataError when one of the files would be written over another."""
    places = [("--input", input), ("--output", output), ("--report", report)]
    given = [(option, path, path.resolve()) for option, path in places if path is not None and str(path) != "-"]
    for number, (option, path, place) in enumerate(given):
        for other, _, second in given[:number]:
            if place == second and (path.is_file() or not path.exists()):
                raise DataError(f"{other} and {option} are the same file, {path}; choose another name for {option}")


def _to_standard_output(data: bytes) -> None:
    """Write, and let a reader have it."""
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def _tell(line: str) -> None:
    """A line for the person who waits."""
    if line:
        print(line, file=sys.stderr)
