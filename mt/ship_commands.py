"""What the commands that score, check, ship and speed up a model do once their options are parsed.

They are `mt score`, `mt selftest`, `mt export` and `mt shortlist`.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from pathlib import Path

from mt.data.corpus import read_corpora, read_corpus, read_line_pairs, read_lines
from mt.data.given_pairs import Asked, given_pairs
from mt.errors import DataError, MemoryShortageError, MtError
from mt.output import line_bar, put_lines, refuse_unwritable, status_line, terminal_width


@dataclass(frozen=True)
class ScoreRequest:
    """The options of `mt score`."""

    source: Path
    """A text file, or a table with both sides."""
    target: Path | None
    model: str | None
    output: Path | None
    length_penalty: float | None
    device: str
    encoding: str | None = None
    """Of both files; None: UTF-8."""
    columns: tuple[str | None, str | None] = (None, None)
    """The two sides' columns of a table, where its names do not say it."""


def score_translations(request: ScoreRequest) -> None:
    """Print or write, for every pair, score, log-probability and number of tokens; say the perplexity of all."""
    from mt.decoding.scoring import score_ids
    from mt.training.hardware import choose_device
    from mt.translator import Translator

    refuse_unwritable(request.output)
    translator = Translator.load(request.model, choose_device(request.device, "--device"))
    sources, targets = _pairs_to_score(request, translator.config)
    changes = {} if request.length_penalty is None else {"length_penalty": request.length_penalty}
    tokenizer, alpha = translator.tokenizer, translator.options(**changes).length_penalty
    encoded = [tokenizer.encode_source(sources), tokenizer.encode_target(targets)]
    _look_at_lengths(request, translator, *encoded)
    with line_bar(len(sources), True) as progress:
        scored = score_ids(translator.model, *encoded, alpha, progress=progress)
    lines = [f"{one.score:.4f}\t{one.log_prob:.4f}\t{len(one.token_log_probs)}" for one in scored]
    put_lines(["score\tlog_prob\ttokens", *lines], request.output)
    tokens = sum(len(one.token_log_probs) for one in scored)
    if tokens:
        loss = -sum(one.log_prob for one in scored) / tokens
        summary = f"{len(scored)} pairs, {tokens} target tokens, {loss:.4f} nats a token, perplexity {exp(min(loss, 700.0)):.2f}"
        print(summary, file=sys.stderr)


def _pairs_to_score(request: ScoreRequest, config) -> tuple[Sequence[str], Sequence[str]]:
    """Both sides, of two text files line for line, or of a table in the languages of the model."""
    if request.target is not None:
        if any(request.columns):
            raise DataError("--source-column and --target-column belong to a table; two text files have none")
        return read_line_pairs(request.source, request.target, request.encoding)
    asked = Asked(config.source, config.target, *request.columns, encoding=request.encoding)
    given = given_pairs([request.source], asked)
    for statement in given.guessed:
        print(statement, file=sys.stderr)
    read = read_corpus(given.corpora[0], "test", config.source, config.target, key="TABLE", allow_empty_sides=True)
    return read.sources, read.targets


def _look_at_lengths(request: ScoreRequest, translator, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]) -> None:
    """Note pairs longer than anything in training. MemoryShortageError, before anything is computed, naming a line that is too long."""
    from mt.decoding.scoring import scoring_mb
    from mt.training.hardware import available_memory_mb

    model, limit = translator.config.model, translator.max_source_tokens
    sizes = [(len(source), len(target)) for source, target in zip(sources, targets, strict=True)]
    long = [line for line, size in enumerate(sizes, 1) if max(size) > limit]
    if not long:
        return
    vocabulary, width = len(translator.tokenizer.target), max(model.d_ff, 4 * model.d_model)
    needed, line = max((scoring_mb(*sizes[line - 1], vocabulary, width), line) for line in long)
    size = sizes[line - 1]
    free = available_memory_mb(str(translator.model.output_weight_VD.device))
    file = request.target if request.target is not None and size[1] > size[0] else request.source
    if free and needed > free:
        raise MemoryShortageError(
            f"{file}: line {line} has {max(size):,} tokens, and scoring it takes about {needed:,.0f} MB where {free:,.0f} MB are free; cut "
            "it into sentences, or remove the pair"
        )
    print(
        f"note: {file}: line {line} has {max(size):,} tokens; {len(long)} of {len(sizes)} pairs are longer than data.max_length={limit}. "
        "The model was trained on nothing so long, and their scores say little",
        file=sys.stderr,
    )


@dataclass(frozen=True)
class SelftestRequest:
    """The options of `mt selftest`."""

    model: str | None
    source: Path | None
    lines: int
    beam: int | None
    device: str


def test_model(request: SelftestRequest) -> bool:
    """Run every check of mt/selftest.py and print the table; whether all passed."""
    from mt.runs import shown
    from mt.selftest import run_checks
    from mt.text_table import text_table, wrap
    from mt.training.hardware import choose_device
    from mt.translator import Translator

    translator = Translator.load(request.model, choose_device(request.device, "--device"))
    lines = [line for line in _sentences(request, translator) if line.strip()][: request.lines]
    if not lines:
        raise DataError("there is no sentence to translate; give some with --source FILE")
    options = translator.options(**({} if request.beam is None else {"beam_size": request.beam}))

    with status_line() as progress:
        checks = run_checks(translator.model, translator.tokenizer, options, lines, lambda name: progress(f"{name} …"))
    print(f"{shown(translator.path)}: {len(lines)} sentences, beam {options.beam_size}")
    rows = [
        (check.name, check.verdict, str(check.compared), str(len(check.other_tokens)), str(check.other_scores), f"{check.largest:.1e}")
        for check in checks
    ]
    header = ("two ways", "they give", "sentences", "other tokens", "other scores", "by at most")
    print(text_table(header, rows, numbers_from=2, width=terminal_width(), text_last=False))
    notes = [f"{check.name}: {check.note}" for check in checks if check.note] + engine_lines(translator.path)
    print("\n".join(line for note in notes for line in wrap(note, terminal_width())))
    failed = [check for check in checks if not check.passed]
    for check in failed:
        if check.other_tokens:
            numbers = ", ".join(map(str, check.other_tokens[:5]))
            print(f"{check.name}: other translations of sentence {numbers}; the first is: {lines[check.other_tokens[0] - 1]}")
    return not failed


def engine_lines(weights: Path) -> list[str]:
    """What was found when numpy was compared with torch before it may translate with these weights (mt/engine_record.py)."""
    from mt.engine_record import read_checks
    from mt.runs import file_hash

    checks = read_checks(weights, file_hash(weights))
    if not checks:
        return ["engine of short inputs: numpy has not been compared with torch on these weights; 'mt translate' does it at its first use"]
    return [f"engine of short inputs, {check.described}: {check.verdict}" for check in checks]


def _sentences(request: SelftestRequest, translator) -> list[str]:
    """Those of --source, or the run's own held-out ones."""
    if request.source is not None:
        return read_lines(request.source)
    config = translator.config
    for split in ("valid", "test", "train"):
        described = getattr(config.data, split)
        if described:
            try:
                return [line for corpus in read_corpora(described, split, config.source, config.target) for line in corpus.sources]
            except MtError as error:
                raise DataError(f"the run's own sentences cannot be read ({error}); give some with --source FILE") from error
    return []


@dataclass(frozen=True)
class ExportRequest:
    """The options of `mt export`."""

    run: str | None
    program: str
    quantization: str | None
    output: Path | None
    lines: int


def export_model(request: ExportRequest) -> None:
    """Export, and print how the two programs compare."""
    from mt.export.check import searches
    from mt.export.export import PROGRAMS, export
    from mt.export.manifest import EXPORTS
    from mt.runs import find_run, shown
    from mt.text_table import text_table
    from mt.translator import Translator

    translator = Translator.load(request.run)
    name = request.program if request.quantization is None else f"{request.program}-{request.quantization}"
    folder = request.output or find_run(str(translator.path.parent)).path / EXPORTS / name

    def progress(text: str) -> None:
        print(f"{text} …", file=sys.stderr)

    result = export(translator, request.program, request.quantization, folder, request.lines, progress)
    found = result.check
    print(f"{shown(folder)}: {result.bytes / 1e6:.1f} MB, checked on {found.lines} pairs")
    low, high = found.chrf_interval
    beam, search = searches(translator.config.decoding)[1].beam_size, PROGRAMS[request.program].SEARCH
    rows = [
        ("greedy translations that are equal", f"{found.greedy_equal} of {found.lines}"),
        (f"with a beam of {beam} ({search})", f"{found.beam_equal} of {found.lines}"),
        ("log-probabilities of a token differ by at most", f"{found.largest_difference:.1e}"),
        ("BLEU, mt and exported", f"{found.bleu:.2f}, {found.exported_bleu:.2f}"),
        ("chrF, mt and exported", f"{found.chrf:.2f}, {found.exported_chrf:.2f}"),
        ("chrF, exported minus mt, 95 % interval", f"{low:+.2f} to {high:+.2f}"),
        ("as fast as mt, this once", f"{found.speed:.1f} times"),
    ]
    print(text_table(("", ""), rows, width=terminal_width(), text_last=False).lstrip("\n"))
    for note in result.notes:
        print(f"note: {note}", file=sys.stderr)


def make_shortlist(run: str | None, pieces: int, lines: int) -> None:
    """Learn a run's shortlist, write it, and print what it changes: pieces looked at, translations, scores, time."""
    from statistics import mean

    from mt.runs import shown
    from mt.stored_shortlist import learn_shortlist, shortlist_file, write_shortlist
    from mt.translator import Translator

    translator = Translator.load(run)
    config, tokenizer = translator.config, translator.tokenizer
    learnt = learn_shortlist(config, tokenizer, pieces)
    path = shortlist_file(translator.path)
    write_shortlist(path, learnt, tokenizer)
    print(f"{shown(path)}: up to {pieces} target pieces for each of {len(tokenizer.source):,}, and {len(learnt.frequent_C)} frequent ones")
    if config.data.valid:
        corpora = read_corpora(config.data.valid, "valid", config.source, config.target)
        pairs = [pair for corpus in corpora for pair in zip(corpus.sources, corpus.targets, strict=True) if pair[0].strip()][:lines]
        looked_at = mean(len(learnt.pieces(source)) for source in tokenizer.encode_source([source for source, _ in pairs]))
        print(f"a sentence looks at {looked_at:.0f} of {len(tokenizer.target):,} pieces, on average")
        print(_with_and_without(translator, pairs))
    print(f"use it: mt translate --model {shown(path.parent)} --shortlist, or decoding.shortlist: true")


def _with_and_without(translator, pairs: Sequence[tuple[str, str]]) -> str:
    """How translations with a shortlist compare with those without, in a line."""
    from time import perf_counter

    from mt.evaluation import quick_scores

    sources, references = ([pair[side] for pair in pairs] for side in (0, 1))
    found, scores, seconds = [], [], []
    for shortlist in (False, True):
        options = translator.options(shortlist=shortlist, nbest=1, mbr=0)
        with line_bar(len(sources), True) as progress:
            begin = perf_counter()
            found.append([best.text for best, *_ in translator.translate_nbest(sources, options, progress)])
            seconds.append(perf_counter() - begin)
        scores.append(quick_scores(found[-1], references, translator.target_language))
    same = sum(one == other for one, other in zip(*found, strict=True))
    return (
        f"tried on {len(pairs)} validation pairs: {same} translations the same, BLEU {scores[0]['bleu']:.2f} → {scores[1]['bleu']:.2f}, "
        f"chrF {scores[0]['chrf']:.2f} → {scores[1]['chrf']:.2f}, {seconds[0] / seconds[1]:.2f} times as fast"
    )
