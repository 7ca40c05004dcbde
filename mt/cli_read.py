"""The commands that only read: settings, runs, vocabularies. Like those of cli.py they parse, call one function below, and print."""

from pathlib import Path
from typing import Annotated

import typer

from mt.cli_options import (
    App,
    EncodingOption,
    SetOption,
    SourceColumnOption,
    SourceLanguageOption,
    TargetColumnOption,
    TargetLanguageOption,
    TestOption,
    ValidOption,
)

OptionalConfig = Annotated[str | None, typer.Option("--config", "-c", help="A YAML file, or the name of a configuration (demo, …).")]
RunOption = Annotated[str | None, typer.Option("--model", "-m", help="A run or its name, finished or not.")]

config = App(no_args_is_help=True, help="Ask what a setting means and what a configuration comes to.")


@config.command("explain")
def config_explain(
    key: Annotated[str, typer.Argument(help="training.learning_rate, learning_rate, or a section: training.", show_default=False)] = "",
    config: OptionalConfig = None,
    overrides: SetOption = None,
) -> None:
    """Ask what a setting means.

    Its value and where that comes from, what it does, its range, usual values with their sources, and what it does not go together with.
    """
    from mt.config_commands import explain_key

    explain_key(key, config, overrides or ())


@config.command("show")
def config_show(
    config: OptionalConfig = None,
    model: RunOption = None,
    overrides: SetOption = None,
    changed: Annotated[bool, typer.Option("--changed", help="Only what differs from the defaults, with its origin.")] = False,
) -> None:
    """See a configuration as it will be used.

    Every setting as YAML, with `extends:`, --set and the defaults worked in; of a file, or of a run.
    """
    from mt.config_commands import show_config

    show_config(config, model, overrides or (), changed)


def runs(
    json_file: Annotated[Path | None, typer.Option("--json", help="Write everything known of every run here.")] = None,
) -> None:
    """See all runs at once.

    State, model, scores, time, the run changed last first; what is wrong with damaged ones.
    """
    from mt.runs_commands import list_runs

    list_runs(json_file)


def diff(
    first: Annotated[str, typer.Argument(help="A run or its name, finished or not.", show_default=False)],
    second: Annotated[str, typer.Argument(help="Another.", show_default=False)],
) -> None:
    """See what differs between two runs.

    Settings, data, tokenizer, versions, machine and scores, and whether the scores can be compared.
    """
    from mt.runs_commands import compare_runs

    compare_runs(first, second)


def check(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Tables of pairs, and text files two by two (source first).", show_default=False)
    ] = None,
    config: OptionalConfig = None,
    encoding: EncodingOption = None,
    valid: ValidOption = None,
    test: TestOption = None,
    source: SourceLanguageOption = None,
    target: TargetLanguageOption = None,
    source_column: SourceColumnOption = None,
    target_column: TargetColumnOption = None,
    overrides: SetOption = None,
    fix: Annotated[Path | None, typer.Option("--fix", help="Write a clean copy into this folder, and a list of what went where.")] = None,
    keep: Annotated[list[str] | None, typer.Option("--keep", help="A kind that the copy leaves as it is. Repeatable.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all findings here.")] = None,
) -> None:
    """See what is wrong with your pairs, before training.

    Encodings, shifted lines, exchanged sides, leaks between splits, duplicates and more. Exit code 1 for errors.
    """
    from mt.check_command import CheckRequest, check
    from mt.data.given_pairs import Asked

    asked = Asked(source, target, source_column, target_column, encoding)
    request = CheckRequest(files or (), valid or (), test or (), config, overrides or (), asked, fix, keep or (), json_file)
    raise typer.Exit(check(request))


tokenizer = App(invoke_without_command=True, help="Train a tokenizer alone, or look into one.")


@tokenizer.callback()
def train_tokenizer(
    context: typer.Context,
    config: Annotated[
        str | None, typer.Option("--config", "-c", help="A YAML file, or a name in configs/ or among the shipped ones (demo, base, …).")
    ] = None,
    overrides: SetOption = None,
    output: Annotated[Path | None, typer.Option("--output", help="A folder to write the SentencePiece models into.")] = None,
) -> None:
    """Train a tokenizer alone, or look into one.

    `mt train` does it by itself on first use; this shows how it cuts, and writes it where you want it.
    """
    if context.invoked_subcommand is not None:
        if config is not None or overrides or output is not None:
            context.fail(f"options of '{context.invoked_subcommand}' stand after it: mt tokenizer {context.invoked_subcommand} --config …")
        return
    if config is None:
        context.fail("Missing option '--config' / '-c'.")
    from mt.commands import make_tokenizer

    make_tokenizer(config, overrides or (), output)


@tokenizer.command("inspect")
def tokenizer_inspect(
    more_sizes: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,
    config: OptionalConfig = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help="A run or its name. Default: the latest.")] = None,
    overrides: SetOption = None,
    sizes: Annotated[
        list[str] | None, typer.Option("--sizes", help="Train vocabularies of these sizes and compare them.", metavar="N N …")
    ] = None,
) -> None:
    """See how a vocabulary cuts your pairs.

    Tokens for a word and a character, Hangul syllables, characters it must spell out, lengths; with --sizes several vocabularies.
    """
    from mt.tokenizer_commands import TokenizerRequest, inspect_tokenizer

    if more_sizes and not sizes:
        raise typer.BadParameter(f"{' '.join(more_sizes)}: nothing is expected here; sizes follow --sizes, a run --model")
    inspect_tokenizer(TokenizerRequest(config, overrides or (), model, [*(sizes or ()), *(more_sizes or ())]))


def add_to(app: App) -> None:
    """Give these commands to the program."""
    app.command()(check)
    app.command()(runs)
    app.command()(diff)
    app.add_typer(tokenizer, name="tokenizer")
    app.add_typer(config, name="config")
