"""The command line: a command parses, calls one function below, prints. Heavy imports stay inside the commands.

Exit codes: 0 success, 1 a check that failed, 2 a user's mistake (one message, no traceback), 130 a run that was asked to stop.
"""

import logging
import os
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from mt.cli_options import (
    App,
    BeamOption,
    DeviceOption,
    EncodingOption,
    MbrOption,
    ModelOption,
    ModelsOption,
    PenaltyOption,
    PrecisionOption,
    SetOption,
    SourceColumnOption,
    SourceLanguageOption,
    TargetColumnOption,
    TargetLanguageOption,
    TestOption,
    ValidOption,
)
from mt.cli_read import add_to
from mt.errors import ConfigError, Interrupted, MtError
from mt.help_text import use_help_text
from mt.memory import memory_message, ran_out_of_memory
from mt.output import screens
from mt.visible import undecodable

app = App(
    name="mt",
    help="Train, understand, measure and use encoder–decoder translation models from your own sentence pairs.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    """Print the version and leave."""
    if asked:
        from mt import __version__

        print(f"mt {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.", callback=_version, is_eager=True)] = False,
) -> None:
    pass


@app.command()
def init(
    files: Annotated[
        list[Path], typer.Argument(help="Tables of pairs, and text files two by two (source first).", show_default=False)
    ],
    source: SourceLanguageOption = None,
    target: TargetLanguageOption = None,
    source_column: SourceColumnOption = None,
    target_column: TargetColumnOption = None,
    encoding: EncodingOption = None,
    valid: ValidOption = None,
    test: TestOption = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The configuration to write. Default: the files' name.")] = None,
    hours: Annotated[float, typer.Option("--hours", help="How long training may take.", min=0.01)] = 1.0,
    export: Annotated[
        str | None, typer.Option("--export", help="Propose a model that can be exported to ctranslate2, marian or onnx.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a configuration that exists.")] = False,
) -> None:
    """Propose a configuration for your pairs.

    Looks at pairs and machine, sets aside validation and test pairs where there are none, and writes a YAML with a reason next to
    each value.
    """
    from mt.data.given_pairs import Asked
    from mt.init_command import InitRequest, write_proposal

    asked = Asked(source, target, source_column, target_column, encoding)
    write_proposal(InitRequest(files, asked, valid or (), test or (), output, hours, force, export))


@app.command()
def train(
    files: Annotated[list[Path] | None, typer.Argument(hidden=True)] = None,
    config: Annotated[
        str | None, typer.Option("--config", "-c", help="A YAML file, or a name in configs/ or among the shipped ones (demo, base, …).")
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option("--data", help="Instead of --config: a table of pairs, or two text files (give it twice); see mt init. Repeatable."),
    ] = None,
    source: SourceLanguageOption = None,
    target: TargetLanguageOption = None,
    source_column: SourceColumnOption = None,
    target_column: TargetColumnOption = None,
    encoding: EncodingOption = None,
    valid: ValidOption = None,
    test: TestOption = None,
    overrides: SetOption = None,
    max_hours: Annotated[
        float | None,
        typer.Option("--max-hours", help="Finish within this time: the whole schedule is fitted into it (training.max_hours)."),
    ] = None,
    max_minutes: Annotated[float | None, typer.Option("--max-minutes", help="The same in minutes.")] = None,
    processes: Annotated[
        int, typer.Option("--processes", help="Train in N processes on this machine; torchrun does it on several.", min=1, metavar="N")
    ] = 1,
    restart: Annotated[bool, typer.Option("--restart", help="Start over; the old run is kept under another name.")] = False,
    verify_resume: Annotated[
        bool, typer.Option("--verify-resume", help="Instead of training: replay the updates between the last two checkpoints and compare.")
    ] = False,
) -> None:
    """Train a model, or go on with an unfinished run.

    A run that was stopped continues exactly where it was last saved; its name is the configuration's.
    """
    begun = time.monotonic()
    _refuse_pairs(files or (), config)
    hours = _hours(max_hours, max_minutes, overrides or ())
    config = _config_to_train(config, data, (source, target, source_column, target_column, encoding), (valid, test), hours)
    if processes > 1 and "WORLD_SIZE" not in os.environ:
        from mt.training.launch import launch

        raise _Told(launch(sys.argv[1:], processes, begun))
    signal.signal(signal.SIGTERM, _interrupt)
    from mt.config_file import load_config
    from mt.training.launch import begun_by_launcher
    from mt.training.trainer import train as train_config

    settings = [*(overrides or ())]
    if hours is not None:
        settings.append(f"training.max_hours={hours}")
    if verify_resume:
        from mt.training.verify import verify

        if not verify(load_config(config, settings)):
            raise typer.Exit(1)
        return
    train_config(load_config(config, settings), restart, begun_by_launcher() or begun)


def _refuse_pairs(files: Sequence[Path], config: str | None) -> None:
    """ConfigError for pairs that are given without --data, with the command that trains on them."""
    from mt.config_fields import TABLE_ENDINGS

    if files:
        is_config = len(files) == 1 and config is None and files[0].suffix in (".yaml", ".yml")
        given = shlex.join(["--config", str(files[0])] if is_config else [part for file in files for part in ("--data", str(file))])
        what = "with this configuration" if is_config else "on this file" if len(files) == 1 else "on these files"
        raise ConfigError(f"{shlex.join(map(str, files))}: to train {what}: mt train {given}")
    if config is not None and config.lower().endswith(TABLE_ENDINGS):
        raise ConfigError(f"--config {config}: this is a table of pairs; to train on it: mt train --data {shlex.quote(config)}")


def _hours(max_hours: float | None, max_minutes: float | None, settings: Sequence[str]) -> float | None:
    """The time of --max-hours or --max-minutes, in hours; None where neither is given."""
    if max_hours is None and max_minutes is None:
        return None
    option, given = ("--max-minutes", max_minutes) if max_hours is None else ("--max-hours", max_hours)
    if max_hours is not None and max_minutes is not None:
        raise ConfigError("give --max-hours or --max-minutes, not both")
    if not given > 0:
        raise ConfigError(f"{option} {given:g}: must be above 0; leave it out to train without a time limit")
    if any(setting.split("=")[0].strip() == "training.max_hours" for setting in settings):
        raise ConfigError(f"give {option} or --set training.max_hours, not both")
    return max_hours if max_hours is not None else max_minutes / 60


def _config_to_train(
    config: str | None,
    data: list[Path] | None,
    asked: tuple[str | None, ...],
    splits: tuple[list[Path] | None, ...],
    hours: float | None,
) -> str:
    """The configuration of --config, or the one for the pairs of --data and the options that belong to them."""
    if (config is None) == (not data):
        raise ConfigError("give --config (a configuration) or --data (pairs), one of the two")
    if config is not None:
        names = ("--source", "--target", "--source-column", "--target-column", "--encoding", "--valid", "--test")
        for name, value in zip(names, (*asked, *splits), strict=True):
            if value:
                raise ConfigError(f"{name} belongs to --data; in a configuration it is a setting: mt config show --config {config}")
        return config
    from mt.data.given_pairs import Asked
    from mt.init_command import InitRequest, config_for

    valid, test = splits
    return str(config_for(InitRequest(data, Asked(*asked), valid or (), test or (), None, hours or 1.0, False), hours))


@app.command()
def translate(
    sentences: Annotated[list[str] | None, typer.Argument(help="Sentences to translate.", show_default=False)] = None,
    model: ModelsOption = None,
    input: Annotated[Path | None, typer.Option("--input", "-i", help="Text, tables, subtitles, Markdown ('-': standard input).")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where to write it. Default: standard output.")] = None,
    format: Annotated[
        str | None, typer.Option("--format", help="text, tsv, csv, jsonl, srt, vtt or markdown. Default: by the ending.")
    ] = None,
    column: Annotated[
        str | None, typer.Option("--column", help="The column of a table to translate. Default: the one named as the source language.")
    ] = None,
    into: Annotated[
        str | None, typer.Option("--into", help="The column that takes the translation. Default: the translated one.")
    ] = None,
    encoding: EncodingOption = None,
    each_sentence: Annotated[
        bool, typer.Option("--sentences", help="Cut lines and cells at every sentence, not only where they are too long.")
    ] = False,
    report: Annotated[Path | None, typer.Option("--report", help="List the translations that may need a look (TSV).")] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Begin anew; what an unfinished job has left is dropped.")] = False,
    beam: BeamOption = None,
    method: Annotated[str | None, typer.Option("--method", help="beam, greedy or sampling.")] = None,
    nbest: Annotated[int | None, typer.Option("--nbest", help="Show the N best translations of each line.", min=1)] = None,
    scores: Annotated[bool, typer.Option("--scores", help="Put the score and a tab before each translation.")] = False,
    length_penalty: PenaltyOption = None,
    temperature: Annotated[float | None, typer.Option("--temperature", help="Sampling: below 1 is safer, above 1 more varied.")] = None,
    top_k: Annotated[int | None, typer.Option("--top-k", help="Sampling: only the K most probable tokens; 0 is all.")] = None,
    top_p: Annotated[float | None, typer.Option("--top-p", help="Sampling: only the fewest tokens that reach this probability.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Sampling: the same seed gives the same translations.")] = None,
    no_repeat_ngram: Annotated[
        int | None, typer.Option("--no-repeat-ngram", help="No N pieces in a row occur twice; 0 is off.", min=0)
    ] = None,
    coverage_penalty: Annotated[
        float | None, typer.Option("--coverage-penalty", help="GNMT's beta: rank by how much of the source was looked at; 0 is off.", min=0)
    ] = None,
    prefix: Annotated[str, typer.Option("--prefix", help="Begin every translation with this text (whole words).")] = "",
    forbid: Annotated[
        list[str] | None,
        typer.Option("--forbid", help="A word or phrase that is not to be written; 'WORD*': nor with an ending. Repeatable."),
    ] = None,
    require: Annotated[
        list[str] | None, typer.Option("--require", help="A word or phrase that must be written; 'WORD*': any ending will do. Repeatable.")
    ] = None,
    mbr: MbrOption = None,
    alignment: Annotated[
        Path | None, typer.Option("--alignment", help="Write which target word was made from which source word: 0-0 1-2 …")
    ] = None,
    engine: Annotated[str, typer.Option("--engine", help="auto, torch, or ctranslate2: the run's export.")] = "auto",
    precision: PrecisionOption = None,
    shortlist: Annotated[bool | None, typer.Option("--shortlist/--no-shortlist", help="Only likely pieces; see mt shortlist.")] = None,
    device: DeviceOption = "cpu",
) -> None:
    """Translate sentences, files and documents.

    Takes arguments, a file, or standard input. Text is translated line for line, tables by column, subtitles and Markdown by sentences; all
    else stays as it is. A file that was not finished goes on where it was. In a terminal, without anything to translate, it asks.
    """
    from mt.document_command import DocumentOptions
    from mt.translate_command import TranslateRequest, translate_lines

    if beam is not None and method is None:  # whoever gives a beam wants one, whatever the run's own method is
        method = "greedy" if beam == 1 and not nbest else "beam"
    chosen = {
        "method": method, "beam_size": beam, "nbest": nbest, "length_penalty": length_penalty,
        "temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed,
        "no_repeat_ngram": no_repeat_ngram, "coverage_penalty": coverage_penalty, "precision": precision,
        "shortlist": shortlist, "mbr": mbr,
    }  # fmt: skip
    changes = {key: value for key, value in chosen.items() if value is not None}
    asked = (prefix, forbid or (), require or (), DocumentOptions(format, column, into, each_sentence, restart, report, encoding))
    translate_lines(TranslateRequest(sentences or [], model or [], engine, input, output, changes, scores, alignment, device, *asked))


@app.command("eval")
def evaluate(
    model: ModelsOption = None,
    split: Annotated[str, typer.Option("--split", help="train, valid or test: the pairs the run's configuration names.")] = "test",
    source: Annotated[Path | None, typer.Option("--source", help="Instead of a split: a text file to translate.")] = None,
    reference: Annotated[Path | None, typer.Option("--reference", help="Its reference translations, line for line.")] = None,
    data: Annotated[
        list[Path] | None, typer.Option("--data", help="Instead: a table of pairs, or two text files (give it twice). Repeatable.")
    ] = None,
    source_column: SourceColumnOption = None,
    target_column: TargetColumnOption = None,
    encoding: EncodingOption = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the translations here, line for line.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all scores here.")] = None,
    beam: BeamOption = None,
    length_penalty: PenaltyOption = None,
    mbr: MbrOption = None,
    precision: PrecisionOption = None,
    device: DeviceOption = "cpu",
) -> None:
    """Score a model: BLEU, chrF and TER.

    Translates a split of the run's data, or a file, and scores it with sacreBLEU, whose signatures are shown.
    """
    from mt.commands import EvalRequest, evaluate_model

    changes = {"nbest": 1}  # only the best is scored
    if beam is not None:
        changes |= {"beam_size": beam} | ({"method": "beam"} if beam > 1 else {"method": "greedy", "mbr": 0})
    given = {"length_penalty": length_penalty, "mbr": mbr, "precision": precision}
    changes |= {key: value for key, value in given.items() if value is not None}
    evaluate_model(EvalRequest(model or [], split, source, reference, output, json_file, changes, device, encoding, data or (),
                               (source_column, target_column)))  # fmt: skip


@app.command()
def explain(
    sentence: Annotated[str, typer.Argument(help="The sentence to translate.", show_default=False)],
    model: ModelOption = None,
    target: Annotated[str | None, typer.Option("--target", help="A reference: how the model scores it, where the beam lost it.")] = None,
    beam: BeamOption = None,
    length_penalty: PenaltyOption = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write a page with the beam's tree here as well.")] = None,
) -> None:
    """See why a sentence was translated as it was.

    Every step's probability and alternatives, all that the beam held and why it was dropped, greedy search beside it.
    """
    from mt.inspect_commands import ExplainRequest, explain_translation

    explain_translation(ExplainRequest(sentence, model, target, beam, length_penalty, html))


@app.command()
def score(
    source: Annotated[Path, typer.Argument(help="A text file, one sentence a line; or a table with both sides.", show_default=False)],
    target: Annotated[Path | None, typer.Argument(help="Its translations, line for line; not with a table.", show_default=False)] = None,
    model: ModelOption = None,
    source_column: SourceColumnOption = None,
    target_column: TargetColumnOption = None,
    encoding: EncodingOption = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where to write. Default: standard output.")] = None,
    length_penalty: PenaltyOption = None,
    device: DeviceOption = "cpu",
) -> None:
    """Score given translations.

    How probable the model finds each one: score (what a beam ranks by), log-probability and number of tokens, a line for each pair.
    """
    from mt.ship_commands import ScoreRequest, score_translations

    score_translations(ScoreRequest(source, target, model, output, length_penalty, device, encoding, (source_column, target_column)))


@app.command()
def selftest(
    model: ModelOption = None,
    source: Annotated[Path | None, typer.Option("--source", help="A text file of sentences. Default: the run's own held-out ones.")] = None,
    lines: Annotated[int, typer.Option("--lines", help="How many of them.", min=1)] = 100,
    beam: BeamOption = None,
    device: DeviceOption = "cpu",
) -> None:
    """See that a translation does not depend on how it was computed.

    Translates the same sentences alone and together, in any order, with other batches and threads, with and without the cache, and
    compares tokens and scores. Exit code 1 where they differ.
    """
    from mt.ship_commands import SelftestRequest, test_model

    if not test_model(SelftestRequest(model, source, lines, beam, device)):
        raise typer.Exit(1)


@app.command()
def shortlist(
    run: Annotated[str | None, typer.Argument(help="A run, its name or a checkpoint. Default: the latest.", show_default=False)] = None,
    pieces: Annotated[int, typer.Option("--pieces", help="Target pieces for each source piece.", min=1)] = 100,
    lines: Annotated[int, typer.Option("--lines", help="Validation pairs that it is tried on.", min=1)] = 200,
) -> None:
    """Learn which pieces a sentence's own are likely to become, so that translating need not look at the whole vocabulary.

    Written into the run's folder, and used by mt translate --shortlist or decoding.shortlist. Tells what it changes on validation pairs.
    """
    from mt.ship_commands import make_shortlist

    make_shortlist(run, pieces, lines)


@app.command()
def export(
    run: Annotated[str | None, typer.Argument(help="A run, its name or a checkpoint. Default: the latest.", show_default=False)] = None,
    to: Annotated[str, typer.Option("--to", help="ctranslate2, marian (Hugging Face MarianMT) or onnx.")] = "ctranslate2",
    quantization: Annotated[str | None, typer.Option("--quantization", help="int8, float16, bfloat16, …; default: fp32.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A folder. Default: export/ in the run's.")] = None,
    lines: Annotated[int, typer.Option("--lines", help="Validation pairs that the export is checked on.", min=1)] = 200,
) -> None:
    """Write a model for another program, and check it.

    Both programs score and translate the same pairs; an export that differs beyond a threshold is not kept.
    """
    from mt.ship_commands import ExportRequest, export_model

    export_model(ExportRequest(run, to, quantization, output, lines))


inspect = App(no_args_is_help=True, help="Look inside a model: what every tensor is, and what it costs.")
app.add_typer(inspect, name="inspect")


@inspect.command("shapes")
def inspect_shapes(
    config: Annotated[str | None, typer.Option("--config", "-c", help="A configuration; its weights are never made.")] = None,
    overrides: SetOption = None,
    model: ModelOption = None,
    source: Annotated[list[str] | None, typer.Option("--source", help="A sentence to send through. Repeatable.")] = None,
    target: Annotated[list[str] | None, typer.Option("--target", help="Its translation. Default with a model: the model's own.")] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write a page for a browser here as well.")] = None,
) -> None:
    """Follow one batch through a model.

    Every tensor with its letters and sizes, the masks, the target beside the shifted target, parameters and arithmetic of each part.
    """
    from mt.inspect_commands import ShapesRequest, show_shapes

    show_shapes(ShapesRequest(config, overrides or (), model, source or [], target or [], html))


@inspect.command("attention")
def inspect_attention(
    sentence: Annotated[str, typer.Argument(help="The sentence to translate and look at.", show_default=False)],
    model: ModelOption = None,
    target: Annotated[str | None, typer.Option("--target", help="Look at this translation instead of the model's own.")] = None,
    kind: Annotated[str, typer.Option("--kind", help="cross, encoder or decoder: whose attention is drawn.")] = "cross",
    layer: Annotated[int | None, typer.Option("--layer", help="Which layer, from 1. Default: the last.")] = None,
    head: Annotated[int | None, typer.Option("--head", help="Which head, from 1. Default: the mean of all.")] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write a page with all layers and heads here as well.")] = None,
    png: Annotated[Path | None, typer.Option("--png", help="Draw the chosen attention into this file (needs the extra 'plots').")] = None,
) -> None:
    """See what a model looks at while it translates.

    Every piece with its probability and the alternatives, and an attention's weights, drawn in the terminal; all of them in the page.
    """
    from mt.inspect_commands import AttentionRequest, show_attention

    show_attention(AttentionRequest(sentence, model, target, kind, layer, head, html, png))


@inspect.command("projections")
def inspect_projections(
    run: Annotated[str | None, typer.Argument(help="A run or its name, finished or not. Default: the latest.", show_default=False)] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write a page with every figure, layer and head here as well.")] = None,
    png: Annotated[Path | None, typer.Option("--png", help="Write a figure for a lecture here as well (extra: plots).")] = None,
) -> None:
    """See how Q, K and V learned.

    What a training noted of W_Q, W_K, W_V and W_O, of the scores and of what attention looks at, told in words, with curves over the steps.
    """
    from mt.inspect_commands import show_projections

    show_projections(run, html, png)


@inspect.command("doctor")
def inspect_doctor(
    run: Annotated[str | None, typer.Argument(help="A run or its name, finished or not. Default: the latest.", show_default=False)] = None,
) -> None:
    """Ask what is wrong with a run.

    Reads the figures that training recorded, and tells for each finding what was seen, the probable cause and the next thing to do.
    """
    from mt.inspect_commands import show_findings

    show_findings(run)


add_to(app)


class _Told(SystemExit):
    """The end of a command that has said all there is to say."""


def _interrupt(*_: object) -> NoReturn:
    """SIGTERM before and after the steps of a training is a Ctrl-C."""
    raise KeyboardInterrupt


def main() -> None:
    """The console script: run a command and leave."""
    with screens():
        _run_and_leave()


def _run_and_leave() -> None:
    """Run a command; one of several processes then leaves at once."""
    try:
        _run()
    except SystemExit as leaving:
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            raise
        # One of several processes: what Gloo's threads still do while the interpreter shuts down can abort it (docs/LOG.md, 2026-11-24).
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _refuse_undecodable() -> None:
    """MtError for arguments and variables with bytes that are not text: neither a model nor a file format can take them."""
    encoding = sys.getfilesystemencoding().upper()
    for number, argument in enumerate(sys.argv[1:], 1):
        if undecodable(argument):
            raise MtError(
                f"argument {number}, '{argument}', is not valid {encoding}; type text in that encoding, or rename the file or folder"
            )
    for variable in ("MT_RUNS", "MT_MODEL", "MT_CACHE", "MT_DATA"):
        if undecodable(value := os.environ.get(variable, "")):
            raise MtError(f"{variable}, '{value}', is not valid {encoding}; rename the folder, or set {variable} to another one")


def _run() -> None:
    """Run a command; turn a user's mistake into one message and exit code 2."""
    logger = logging.getLogger("mt")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    use_help_text()
    reserve = bytearray(1 << 23)  # given back when memory runs out, so that there is some to say so
    try:
        _refuse_undecodable()
        app(prog_name="mt")
    except MtError as error:
        rank = os.environ.get("RANK", "0")
        print(f"error{'' if rank == '0' else f' in process {rank}'}: {error}", file=sys.stderr)
        sys.exit(2)
    except (OSError, MemoryError, RuntimeError, ImportError) as error:
        if ran_out_of_memory(error):
            reserve.clear()
            error.__traceback__ = None  # and with it all that its frames hold
            print(f"error: {memory_message(error, sys.argv[1:])}", file=sys.stderr)
            sys.exit(2)
        if not isinstance(error, OSError):
            raise
        # Disk full, no permission, a vanished folder: what was saved before is whole, since every write is atomic.
        place = f"{error.filename}: " if error.filename else ""
        print(f"error: {place}{error.strerror or error}; set it right and run the same command again", file=sys.stderr)
        sys.exit(2)
    except Interrupted as stopped:
        if os.environ.get("RANK", "0") == "0":
            print(stopped, file=sys.stderr)
        sys.exit(130)
    except SystemExit as leaving:
        if leaving.code == 130 and not isinstance(leaving, _Told):  # what Typer makes of Ctrl-C, without a word
            print("stopped; nothing that was finished is lost, and the same command goes on", file=sys.stderr)
        raise
