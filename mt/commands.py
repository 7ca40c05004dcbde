"""What the commands of mt/cli.py do once their options are parsed: read, call, print or write."""

import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mt.config_file import load_config
from mt.data.corpus import read_corpora, read_lines
from mt.data.encodings import decode_text, normalise
from mt.errors import DataError, DecodingError, MtError
from mt.files import write_atomically


def make_tokenizer(config_reference: str, overrides: Sequence[str], output: Path | None) -> None:
    """Train (or find in the cache) the tokenizer of a configuration, show how it cuts a few sentences, write it if asked."""
    from mt.training.prepare import tokenizer_for

    config = load_config(config_reference, overrides)
    corpora = read_corpora(config.data.train, "train", config.source, config.target)
    made = tokenizer_for(config, corpora)
    for side, vocabulary, lines in (("source", made.source, corpora[0].sources), ("target", made.target, corpora[0].targets)):
        for line in lines[:3]:
            print(f"{side}: {' '.join(vocabulary.processor.encode(line, out_type=str))}")
    if output is not None:
        try:
            output.mkdir(parents=True, exist_ok=True)
            made.save(output)
        except OSError as error:
            raise MtError(f"{output}: cannot be written ({error.strerror}); choose another folder with --output") from error
        print(f"written to {output}", file=sys.stderr)


@dataclass(frozen=True)
class TranslateRequest:
    """The options of `mt translate`."""

    sentences: list[str]
    model: str | None
    input: Path | None
    output: Path | None
    changes: dict[str, object]
    """Fields of `decoding` to replace."""
    scores: bool
    device: str


def translate_lines(request: TranslateRequest) -> None:
    """Translate what was asked for, and print or write it, line for line."""
    from mt.training.hardware import choose_device
    from mt.translator import Translator

    if request.sentences and request.input is not None:
        raise DataError("give sentences or --input, not both")
    _refuse_unused(request.changes)
    refuse_unwritable(request.output)
    lines = _lines_to_translate(request)
    translator = Translator.load(request.model, choose_device(request.device, "--device"))
    options = translator.options(**request.changes)
    with line_bar(len(lines), request.input is not None) as progress:
        nbest = translator.translate_nbest(lines, options, progress)
    printed = []
    for hypotheses in nbest:
        for hypothesis in hypotheses:
            printed.append(f"{hypothesis.score:.4f}\t{hypothesis.text}" if request.scores else hypothesis.text)
        # An empty line has one translation; always N lines for a line of input, or the two could not be put side by side.
        printed.extend(["-inf\t" if request.scores else ""] * (options.nbest - len(hypotheses)))
    put_lines(printed, request.output)
    _tell_cut(nbest, options.max_length_ratio)


def _refuse_unused(changes: dict[str, object]) -> None:
    """DecodingError for a sampling option beside a method that would not read it. Alone, such an option asks for sampling."""
    given = [key for key in ("temperature", "top_k", "top_p", "seed") if key in changes]
    if given and changes.setdefault("method", "sampling") != "sampling":
        option = "--" + given[0].replace("_", "-")
        raise DecodingError(f"{option} only has a meaning for sampling, not for {changes['method']}; drop it, or use --method sampling")


def _lines_to_translate(request: TranslateRequest) -> list[str]:
    """The sentences of the arguments, of a file, or of standard input."""
    if request.sentences:
        return [normalise(sentence) for sentence in request.sentences]
    if request.input is not None and str(request.input) != "-":
        return read_lines(request.input)
    if sys.stdin.isatty():
        print("reading sentences from the keyboard, one a line; Ctrl-D ends", file=sys.stderr)
    text = decode_text(sys.stdin.buffer.read(), "standard input")
    return [normalise(line) for line in text.removesuffix("\n").split("\n")] if text else []


def refuse_unwritable(output: Path | None) -> None:
    """MtError now, not after an hour of translating, when the output's place can be seen to be none."""
    if output is None:
        return
    folder = next(parent for parent in output.absolute().parents if parent.exists())
    reason = "it is a folder" if output.is_dir() else f"{folder} is not a folder" if not folder.is_dir() else ""
    if not reason and not os.access(output if output.exists() else folder, os.W_OK):
        reason = "no permission"
    if reason:
        raise MtError(f"{output}: cannot be written ({reason}); choose another place")


def put_lines(lines: Sequence[str], output: Path | None) -> None:
    """Lines to a file, whole or not at all, or to standard output."""
    text = "".join(f"{line}\n" for line in lines)
    if output is None:
        sys.stdout.buffer.write(text.encode("utf-8"))
        sys.stdout.buffer.flush()
        return
    try:
        if output.exists() and not output.is_file():
            output.write_text(text, encoding="utf-8")  # /dev/null, a pipe: not to be replaced by a file
            return
        output.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(output, text)
    except OSError as error:
        raise MtError(f"{output}: cannot be written ({error.strerror}); choose another place") from error


def _tell_cut(nbest: Sequence[Sequence], ratio: float) -> None:
    """Say which translations the length limit cut off."""
    cut = [number for number, hypotheses in enumerate(nbest, 1) if not hypotheses[0].finished]
    if cut:
        shown = ", ".join(map(str, cut[:5])) + (", …" if len(cut) > 5 else "")
        print(
            f"note: {len(cut)} of {len(nbest)} translations reached the length limit and may be incomplete (line {shown}); "
            f"decoding.max_length_ratio is {ratio:g}",
            file=sys.stderr,
        )


class line_bar:  # noqa: N801 - used like the function it stands for
    """A progress bar on a terminal, for files; calls itself with lines done."""

    def __init__(self, total: int, wanted: bool):
        from tqdm import tqdm

        self._bar = tqdm(total=total, unit="line", dynamic_ncols=True, disable=not (wanted and sys.stderr.isatty()))

    def __enter__(self) -> Callable[[int], None]:
        return lambda count: self._bar.update(count)

    def __exit__(self, *_: object) -> None:
        self._bar.close()


@dataclass(frozen=True)
class EvalRequest:
    """The options of `mt eval`."""

    model: str | None
    split: str
    source: Path | None
    reference: Path | None
    output: Path | None
    json_file: Path | None
    changes: dict[str, object]
    device: str


def evaluate_model(request: EvalRequest) -> None:
    """Translate, score each named corpus and all together, print a table with signatures, write what was asked for."""
    from mt.evaluation import score
    from mt.runs import shown
    from mt.training.hardware import choose_device
    from mt.translator import Translator

    for file in (request.output, request.json_file):
        refuse_unwritable(file)
    translator = Translator.load(request.model, choose_device(request.device, "--device"))
    config = translator.config
    named = _named_pairs(request, config)
    options = translator.options(**request.changes)
    sources = [line for _, corpus_sources, _ in named for line in corpus_sources]
    references = [line for _, _, corpus_targets in named for line in corpus_targets]
    with line_bar(len(sources), True) as progress:
        hypotheses = [nbest[0].text for nbest in translator.translate_nbest(sources, options, progress)]
    if request.output is not None:
        put_lines(hypotheses, request.output)
    everything = score(hypotheses, references, config.target)
    parts, first = {}, 0
    for name, corpus_sources, corpus_targets in named:
        parts[name] = score(hypotheses[first : first + len(corpus_sources)], corpus_targets, config.target)
        first += len(corpus_sources)
    decoding = {"method": options.method, "beam_size": options.beam_size, "length_penalty": options.length_penalty}
    result = everything | {"model": shown(translator.path), "split": _split_name(request), "decoding": decoding, "corpora": parts}
    _print_scores(result)
    if request.json_file is not None:
        put_lines([json.dumps(result, ensure_ascii=False, indent=2)], request.json_file)


def _split_name(request: EvalRequest) -> str:
    """What was scored, for the report."""
    return str(request.source) if request.source else request.split


def _named_pairs(request: EvalRequest, config) -> list[tuple[str, Sequence[str], Sequence[str]]]:
    """(name, sources, references) of every corpus to score."""
    if (request.source is None) != (request.reference is None):
        missing = "--reference" if request.reference is None else "--source"
        raise DataError(f"--source and --reference belong together; {missing} is missing")
    if request.source is not None:
        sources, references = read_lines(request.source), read_lines(request.reference)
        if len(sources) != len(references):
            raise DataError(
                f"{request.source} has {len(sources)} lines but {request.reference} has {len(references)}; "
                "they must be translations of each other, line for line"
            )
        if not sources:
            raise DataError(f"{request.source}: there is not a single line in it")
        return [(request.source.name, sources, references)]
    if request.split not in ("train", "valid", "test"):
        raise DataError(f"--split: '{request.split}' is none of train, valid, test")
    described = getattr(config.data, request.split)
    if not described:
        raise DataError(
            f"--split {request.split}: this run's configuration names no data.{request.split}; choose another split, "
            "or give --source and --reference"
        )
    corpora = read_corpora(described, request.split, config.source, config.target)
    return [(corpus.name, corpus.sources, corpus.targets) for corpus in corpora]


def _print_scores(result: dict) -> None:
    """The table for a person."""
    from mt.text_table import text_table

    rows = [*result["corpora"].items()]
    if len(rows) > 1:
        rows.append(("all", result))
    cells = [
        [name, str(scores["sentences"]), *(f"{scores[metric]['score']:.2f}" for metric in ("bleu", "chrf", "ter"))]
        for name, scores in rows
    ]
    decoding = result["decoding"]
    how = f"beam {decoding['beam_size']}" if decoding["method"] == "beam" else decoding["method"]
    print(f"{result['model']} on {result['split']}, {how}")
    print(text_table(["corpus", "sentences", "BLEU", "chrF", "TER"], cells))
    for metric, label in (("bleu", "BLEU"), ("chrf", "chrF"), ("ter", "TER ")):
        print(f"{label}  {result[metric]['signature']}")
    if result["notice"]:
        print(f"note: {result['notice']}")
