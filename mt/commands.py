"""What `mt tokenizer` and `mt eval` do once their options are parsed: read, call, print or write."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mt.config_file import load_config
from mt.data.corpus import Corpus, read_corpora, read_corpus, read_line_pairs
from mt.data.given_pairs import Asked, given_pairs
from mt.errors import DataError, MtError
from mt.output import line_bar, put_lines, refuse_unwritable, terminal_width


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
class EvalRequest:
    """The options of `mt eval`."""

    models: Sequence[str]
    """None: $MT_MODEL or the latest finished run; several: an ensemble."""
    split: str
    source: Path | None
    reference: Path | None
    output: Path | None
    json_file: Path | None
    changes: dict[str, object]
    device: str
    encoding: str | None = None
    """Of source and reference; None: UTF-8."""
    data: Sequence[Path] = ()
    """Instead of source and reference: tables, and text files two by two."""
    columns: tuple[str | None, str | None] = (None, None)
    """The two sides' columns of these tables, where the names do not say it."""


def evaluate_model(request: EvalRequest) -> None:
    """Translate, score each named corpus and all together, print a table with signatures, write what was asked for."""
    from mt.documents.fit import cut_notes, translate_to_measure
    from mt.evaluation import score
    from mt.runs import shown
    from mt.training.hardware import choose_device
    from mt.translator import Translator

    for file in (request.output, request.json_file):
        refuse_unwritable(file)
    translator = Translator.load_all(request.models, choose_device(request.device, "--device"))
    config = translator.config
    named = _named_pairs(request, config)
    options = translator.options(**request.changes)
    sources = [line for _, corpus_sources, _ in named for line in corpus_sources]
    references = [line for _, _, corpus_targets in named for line in corpus_targets]
    with line_bar(len(sources), True) as progress:
        measured = translate_to_measure(translator, sources, options, progress)
    hypotheses = measured.texts
    for note in cut_notes(measured, [(name, len(own)) for name, own, _ in named], translator.max_source_tokens):
        print(f"note: {note}", file=sys.stderr)
    if request.output is not None:
        put_lines(hypotheses, request.output)
    everything = score(hypotheses, references, config.target)
    parts, first = {}, 0
    for name, corpus_sources, corpus_targets in named:
        parts[name] = score(hypotheses[first : first + len(corpus_sources)], corpus_targets, config.target)
        first += len(corpus_sources)
    decoding = {"method": options.method, "beam_size": options.beam_size, "length_penalty": options.length_penalty, "mbr": options.mbr}
    paths = [translator.path, *translator.others]
    result = everything | {"model": " + ".join(map(shown, paths)), "split": _split_name(request), "decoding": decoding, "corpora": parts}
    _print_scores(result)
    if request.json_file is not None:
        put_lines([json.dumps(result, ensure_ascii=False, indent=2)], request.json_file)


def _split_name(request: EvalRequest) -> str:
    """What was scored, for the report."""
    return str(request.source) if request.source else " ".join(map(str, request.data)) or request.split


def _given_corpora(request: EvalRequest, config) -> list[Corpus]:
    """The pairs of --data, in the languages of the model."""
    asked = Asked(config.source, config.target, *request.columns, encoding=request.encoding)
    given = given_pairs(request.data, asked, "--data")
    for statement in given.guessed:
        print(statement, file=sys.stderr)
    return [read_corpus(one, "test", config.source, config.target, key="--data") for one in given.corpora]


def _named_pairs(request: EvalRequest, config) -> list[tuple[str, Sequence[str], Sequence[str]]]:
    """(name, sources, references) of every corpus to score."""
    if (request.source is None) != (request.reference is None):
        missing = "--reference" if request.reference is None else "--source"
        raise DataError(f"--source and --reference belong together; {missing} is missing")
    if request.source is not None and request.data:
        raise DataError("give --data, or --source and --reference, not both")
    if request.source is not None:
        sources, references = read_line_pairs(request.source, request.reference, request.encoding)
        return [(request.source.name, sources, references)]
    if request.data:
        return [(corpus.name, corpus.sources, corpus.targets) for corpus in _given_corpora(request, config)]
    if any(request.columns):
        raise DataError("--source-column and --target-column belong to --data")
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
    how += f", mbr {decoding['mbr']}" if decoding["mbr"] else ""
    print(f"{result['model']} on {result['split']}, {how}")
    print(text_table(["corpus", "sentences", "BLEU", "chrF", "TER"], cells, width=terminal_width(), text_last=False))
    for metric, label in (("bleu", "BLEU"), ("chrf", "chrF"), ("ter", "TER ")):
        print(f"{label}  {result[metric]['signature']}")
    if result["notice"]:
        print(f"note: {result['notice']}")
