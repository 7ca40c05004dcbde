"""What `mt translate` does once its options are parsed: which program translates, sentences from wherever they come, lines out.

Nothing heavy is imported until it is needed: an exported model translates without torch.
"""

import re
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from mt.data.encodings import normalise
from mt.document_command import DocumentOptions, fitting, is_document, summary, translate_document
from mt.documents.content import START_BYTES, format_of_file, refuse_other_content
from mt.documents.kinds import format_of, says_nothing
from mt.documents.words import has_source_words
from mt.errors import DataError, DecodingError, MtError, RunError
from mt.export.manifest import export_of_run, named_export
from mt.output import line_bar, put_lines, refuse_unwritable
from mt.runs import find_model, shown
from mt.translation import Translation

ENGINES = ("auto", "torch", "ctranslate2")
"""Who translates. auto: an export where one is named, and else torch, or numpy where it is sure of torch's answer and sooner there."""


@dataclass(frozen=True)
class TranslateRequest:
    """The options of `mt translate`."""

    sentences: list[str]
    models: list[str]
    """None: $MT_MODEL or the latest finished run; several: an ensemble."""
    engine: str
    input: Path | None
    output: Path | None
    changes: dict[str, object]
    """Fields of `decoding` to replace."""
    scores: bool
    alignment: Path | None
    """Where to write which word was made from which."""
    device: str
    prefix: str = ""
    forbid: Sequence[str] = ()
    require: Sequence[str] = ()
    """What is asked of every translation (Translator.constraints)."""
    document: DocumentOptions = DocumentOptions()
    """What only documents have."""


def translate_lines(request: TranslateRequest) -> None:
    """Translate what was asked for, and print or write it, line for line or as a document; without anything to translate, ask for it."""
    if request.sentences and request.input is not None:
        raise DataError("give sentences or --input, not both")
    if request.sentences and request.document.encoding:
        raise DataError("--encoding is for a file or standard input; sentences on the command line have none. Drop it")
    _refuse_unused(request)
    refuse_unwritable(request.output)
    refuse_unwritable(request.alignment)
    as_document = is_document(request.input, request.output, request.document, _line_options(request))
    if not request.sentences and request.input is None and sys.stdin.isatty() and sys.stdout.isatty():
        converse(request)
        return
    lines = [] if as_document else _lines_to_translate(request)
    instant = not as_document and not request.scores
    translator = open_translator(request.models, request.engine, request.device, instant)
    if request.input is not None:
        asked = request.document.format
        format_of_file(request.input, asked, translator.source_language, request.document.encoding)  # the language was not known before
        if asked is None and says_nothing(request.input) and str(request.input) != "-":
            print(f"note: {request.input}: read as plain text, which is what its content looks like", file=sys.stderr)
    if request.alignment is not None and not hasattr(translator, "model"):
        raise DecodingError("--alignment reads attention weights, which CTranslate2 does not give; use --engine torch with the run itself")
    search = _search(request, translator)
    if as_document:
        translate_document(request.input, request.output, request.document, translator, search, _settings(request, translator))
    else:
        _translate_lines(request, lines, translator, search)
        compare_engines(translator)


def _translate_lines(request: TranslateRequest, lines: Sequence[str], translator, search) -> None:
    """Lines, held in memory: arguments, standard input, and files with options that are of single lines."""
    began = time.monotonic()
    count = _asked_nbest(request, translator)
    whole = [option for option in _line_options(request) if option != "--scores"] or ["decoding.nbest"] * (count > 1)
    with line_bar(len(lines), request.input is not None) as progress:
        if whole:
            nbest = search(lines, progress)
        else:
            found = fitting(search, translator).lines(lines, progress)
            nbest = [[Translation(one.text, one.score, one.log_prob, one.finished)] for one in found]
    put_lines([line for translations in nbest for line in _printed(translations, count, request.scores)], request.output)
    if request.alignment is not None:
        from mt.word_alignment import align

        language, texts = translator.source_language, [found[0].text for found in nbest]
        links = align(translator, lines, texts)
        kept = [not has_source_words(line, language) for line in lines]
        same = [" ".join(f"{word}-{word}" for word in range(len(line.split()))) for line in lines]
        put_lines([itself if own else link for own, itself, link in zip(kept, same, links, strict=True)], request.alignment)
    _tell_cut(nbest, translator.options().max_length_ratio)
    _tell_wordless(lines, translator.source_language)
    if whole:
        _tell_long(lines, translator, whole[0])
    elif kept := [number for number, one in enumerate(found, 1) if one.kept]:
        print(
            f"note: {_listed(kept)}: a part longer than {translator.max_source_tokens} tokens, the most that training saw, has no space to "
            "cut at and was left as it is",
            file=sys.stderr,
        )
    if request.require:
        _tell_lacking(lines, [best.text for best, *_ in nbest], translator.constraints(require=request.require).required)
    if request.output is not None or request.input is not None:
        worded = sum(has_source_words(line, translator.source_language) for line in lines)
        kept = sum(bool(line.strip()) for line in lines) - worded
        print(summary(request.output, worded, kept, 0, time.monotonic() - began), file=sys.stderr)


def _line_options(request: TranslateRequest) -> list[str]:
    """The options given that say something of single lines, and have no meaning for a document or a line in pieces."""
    given = {
        "--nbest": int(request.changes.get("nbest", 1)) > 1, "--alignment": request.alignment is not None, "--prefix": bool(request.prefix),
        "--require": bool(request.require), "--scores": request.scores,
    }  # fmt: skip
    return [option for option, used in given.items() if used]


def _settings(request: TranslateRequest, translator) -> dict[str, object]:
    """What translations depend on besides text and model, flat and as JSON, by the names that a person knows."""
    options = translator.options(**{key: value for key, value in request.changes.items() if key != "nbest"})
    fields = options.model_dump(mode="json") if hasattr(options, "model_dump") else asdict(options)
    engine = "torch" if hasattr(translator, "model") else "ctranslate2"
    return {"--engine": engine, "--forbid": list(request.forbid)} | {f"decoding.{key}": fields[key] for key in fields}


def open_translator(models: Sequence[str], engine: str, device: str, instant: bool = False):
    """A Translator, or an ExportedTranslator where the engine or the model's name says so. RunError, ExportError when there is none.

    instant: one that begins at once will do, if its scores may differ in their last digits.
    """
    if engine not in ENGINES:
        raise DecodingError(f"--engine: '{engine}' is none of {', '.join(ENGINES)}")
    exports = [place for place in (named_export(model) for model in models or [None]) if place is not None]
    if exports and (engine == "torch" or len(models) > 1):
        reason = "--engine torch needs the run itself" if engine == "torch" else "an ensemble is made of runs"
        raise RunError(f"{shown(exports[0])}: this is an exported model; {reason}")
    if exports or engine == "ctranslate2":
        from mt.export.engine import ExportedTranslator

        if len(models) > 1:
            raise DecodingError("--engine ctranslate2 translates with one model; several (an ensemble) need --engine torch")
        return ExportedTranslator(exports[0] if exports else export_of_run(models[0] if models else None, engine), device)
    if instant and engine == "auto" and len(models) < 2 and device == "cpu":
        from mt.instant.translator import InstantTranslator

        return InstantTranslator(find_model(models[0] if models else None))
    from mt.training.hardware import choose_device
    from mt.translator import Translator

    return Translator.load_all(models, choose_device(device, "--device"))


def converse(request: TranslateRequest) -> None:
    """Translate what a person types, a sentence at a time, until an empty line, Ctrl-D or Ctrl-C."""
    with suppress(ImportError):  # Windows has none, and input() works without
        import readline  # noqa: F401 - importing it gives input() history and editing
    translator = open_translator(request.models, request.engine, request.device, instant=not request.scores)
    search = _search(request, translator)
    count = _asked_nbest(request, translator)
    source, target = translator.source_language, translator.target_language
    print(f"{shown(translator.path)}: {source} to {target}, a sentence a line; an empty line ends", file=sys.stderr)
    while True:
        try:
            line = input(f"{source}> ")
        except UnicodeDecodeError:
            print("this was not UTF-8; set the terminal to UTF-8 and type it again", file=sys.stderr)
            continue
        except (EOFError, KeyboardInterrupt):
            print()
            break
        if not line.strip():
            break
        if _is_file(line.strip()):
            try:
                format_of(Path(line.strip()), None, source, is_text=lambda: True)
            except DataError as error:
                print(error, file=sys.stderr)
                continue
            print(f"this is a file; to translate what is in it: mt translate --input {shlex.quote(line.strip())}", file=sys.stderr)
            continue
        nbest = search([normalise(line)], lambda done: None)
        put_lines(_printed(nbest[0], count, request.scores), None)
        _tell_cut(nbest, translator.options().max_length_ratio)
        _tell_wordless([line], source)
    compare_engines(translator)


def compare_engines(translator) -> None:
    """After the first translations with a run or with other settings: compare numpy with torch, so that numpy may translate next time.

    What was asked for has been printed already: nothing that goes wrong here is an error, and Ctrl-C ends it.
    """
    if not hasattr(type(translator), "compare_engines"):
        return
    with suppress(KeyboardInterrupt, MtError, OSError, MemoryError):
        for check in translator.compare_engines():
            if translator.relies_on(check):
                then = "short inputs start without torch from now on"
            elif check.unfinished:
                then = "the comparison goes on next time"
            else:
                then = "the result could not be stored" if check.passed else "'mt selftest' shows more"
            print(f"note: {shown(translator.path)}: numpy and torch compared for these settings: {check.verdict}; {then}", file=sys.stderr)


def _search(request: TranslateRequest, translator) -> Callable[[Sequence[str], Callable[[int], None]], list[list[Translation]]]:
    """What finds the translations of lines, with a function that is told how many are done.

    A line without a letter of the source language is its own translation: the model would make something up.
    """
    find, options = _finder(request, translator), translator.options(**request.changes)
    if "coverage_penalty" in request.changes and options.method != "beam":
        raise DecodingError(f"--coverage-penalty ranks what beam search has found, and the method is {options.method}; use --method beam")

    def search(lines: Sequence[str], progress: Callable[[int], None]) -> list[list[Translation]]:
        asked = [not line or has_source_words(line, translator.source_language) for line in lines]
        found = iter(find([line for line, own in zip(lines, asked, strict=True) if own], options, progress) if any(asked) else [])
        progress(len(lines) - sum(asked))
        return [next(found) if own else [Translation(line, 0.0, 0.0, True)] for line, own in zip(lines, asked, strict=True)]

    return search


def _finder(request: TranslateRequest, translator) -> Callable[..., list[list[Translation]]]:
    """translate_nbest with what is asked of every translation."""
    if not (request.prefix or request.forbid or request.require):
        return translator.translate_nbest
    if not hasattr(translator, "constraints"):
        raise DecodingError("--prefix, --forbid and --require are for mt's own search; give the run itself, or --engine torch")
    asked = translator.constraints(request.prefix, request.forbid, request.require)
    return lambda lines, options, progress: translator.translate_nbest(lines, options, progress, [asked] * len(lines))


def _asked_nbest(request: TranslateRequest, translator) -> int:
    """How many translations of a line are shown."""
    asked = request.changes.get("nbest")
    return int(asked) if asked is not None else translator.options().nbest


def _printed(found: Sequence[Translation], count: int, scores: bool) -> list[str]:
    """`count` lines for a line of input: where there are fewer translations, empty ones, or the two could not be put side by side."""
    lines = [f"{one.score:.4f}\t{one.text}" if scores else one.text for one in found[:count]]
    return lines + ["-inf\t" if scores else ""] * (count - len(lines))


def _refuse_unused(request: TranslateRequest) -> None:
    """DecodingError for options that would be ignored. An option of sampling alone asks for sampling."""
    changes = request.changes
    given = [key for key in ("temperature", "top_k", "top_p", "seed") if key in changes]
    if given and changes.setdefault("method", "sampling") != "sampling":
        option = "--" + given[0].replace("_", "-")
        raise DecodingError(f"{option} only has a meaning for sampling, not for {changes['method']}; drop it, or use --method sampling")
    if changes.get("method") == "greedy" and changes.setdefault("mbr", 0):
        raise DecodingError("--mbr chooses among several candidates, and greedy search has one; use --method sampling or beam")
    if changes.get("nbest", 1) > changes.get("mbr", 0) > 0:
        raise DecodingError(f"--nbest {changes['nbest']} is more than the {changes['mbr']} candidates of --mbr")
    if request.alignment is not None and (changes.get("nbest", 1) > 1):
        raise DecodingError("--alignment is of the best translation; drop --nbest")


def _lines_to_translate(request: TranslateRequest) -> list[str]:
    """The sentences of the arguments, of a file, or of standard input."""
    if request.sentences:
        _refuse_files(request.sentences)
        return [normalise(sentence) for sentence in request.sentences]
    from mt.data.text_lines import lines_of, read_lines

    if request.input is not None and str(request.input) != "-":
        return read_lines(request.input, request.document.encoding)
    if sys.stdin.isatty():
        print("reading sentences from the keyboard, one a line; Ctrl-D ends", file=sys.stderr)
    data = sys.stdin.buffer.read()
    if note := refuse_other_content(data[:START_BYTES], "standard input", "text", asked=False, encoding=request.document.encoding):
        print(note, file=sys.stderr)
    return lines_of(data, "standard input", request.document.encoding)


_FILE_NAME = re.compile(r"\S+\.(txt|text|tsv|csv|jsonl|json|srt|vtt|md|markdown|ko|en|docx|pdf|html)", re.IGNORECASE)


def _is_file(text: str) -> bool:
    """Whether a text is the name of a file that exists."""
    try:
        return len(text) < 1000 and Path(text).is_file()
    except (OSError, ValueError):  # a name that no system allows
        return False


def _refuse_files(sentences: Sequence[str]) -> None:
    """DataError for an argument that names a file that exists; a note where it only looks like the name of one."""
    for sentence in sentences:
        if _is_file(sentence):
            format_of(Path(sentence), None, is_text=lambda: True)  # what --input would refuse is refused here
            raise DataError(f"{sentence}: this is a file; to translate what is in it: mt translate --input {shlex.quote(sentence)}")
        if _FILE_NAME.fullmatch(sentence.strip()):
            print(f"note: '{sentence}' looks like a file's name, but there is no such file here; it is translated as a sentence. "
                  "A file's content is translated with --input", file=sys.stderr)  # fmt: skip


def _tell_wordless(lines: Sequence[str], language: str) -> None:
    """Say which lines have no letter of the source language, and were left as they are."""
    if found := [number for number, line in enumerate(lines, 1) if line.strip() and not has_source_words(line, language)]:
        from mt.data.languages import named

        where = "the text has" if len(lines) == 1 else f"{_listed(found)} of {len(lines)}:"
        left = "it was left as it is" if len(found) == 1 else "they were left as they are"
        none = f"{where} no letter of {named(language)}" if len(lines) == 1 else f"{where} no letter of {named(language)} in them"
        print(f"note: {none}; {left}", file=sys.stderr)


def _tell_cut(nbest: Sequence[Sequence[Translation]], ratio: float) -> None:
    """Say which translations the length limit cut off."""
    cut = [number for number, hypotheses in enumerate(nbest, 1) if not hypotheses[0].finished]
    if cut:
        named = ", ".join(map(str, cut[:5])) + (", …" if len(cut) > 5 else "")
        print(
            f"note: {len(cut)} of {len(nbest)} translations reached the length limit and may be incomplete (line {named}); "
            f"decoding.max_length_ratio is {ratio:g}",
            file=sys.stderr,
        )


def _tell_long(lines: Sequence[str], translator, option: str) -> None:
    """Say which lines are longer than any that training saw, and were translated whole all the same."""
    limit = translator.max_source_tokens
    long = [number for number, line in enumerate(lines, 1) if len(line) * 4 + 2 > limit]
    sizes = translator.tokenizer.encode_source([lines[number - 1] for number in long])
    over = [number for number, tokens in zip(long, sizes, strict=True) if len(tokens) > limit]
    if over:
        print(
            f"note: {_listed(over)}: longer than {limit} tokens, the most that training saw, and not cut because of {option}",
            file=sys.stderr,
        )


def _listed(numbers: Sequence[int]) -> str:
    """line 3; lines 3, 4, 9, 12, 15, …"""
    return f"line{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers[:5]))}{', …' * (len(numbers) > 5)}"


def _tell_lacking(lines: Sequence[str], translations: Sequence[str], required: Sequence) -> None:
    """Say which translations lack a required phrase, which other rules have kept out."""
    pairs = enumerate(zip(lines, translations, strict=True), 1)
    found = [number for number, (line, text) in pairs if line.strip() and not all(phrase.occurs_in(text) for phrase in required)]
    if found:
        named = ", ".join(map(str, found[:5])) + (", …" if len(found) > 5 else "")
        print(f"note: {len(found)} translations lack a required word (line {named}): what else is asked keeps it out", file=sys.stderr)
