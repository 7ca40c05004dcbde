"""Options that several commands have in common, and what every command checks of its options."""

import functools
import inspect
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from mt.errors import DataError


def _refuse_repeated(command: Any, context: Any, arguments: list[str]) -> None:
    """Refuse an option that takes one value and is given several: the parser would silently keep the last."""
    try:
        _, _, order = command.make_parser(context).parse_args(args=list(arguments))
    except Exception:  # whatever the parser cannot read, the command itself reports
        return
    for parameter, times in Counter(order).items():
        harmless = parameter.multiple or (parameter.is_flag and not parameter.secondary_opts) if hasattr(parameter, "is_flag") else True
        if times > 1 and not harmless:
            names = "/".join([*parameter.opts, *parameter.secondary_opts])
            context.fail(f"{names} is given {'twice' if times == 2 else f'{times} times'}; give it once")


WRITTEN = ("output", "report", "alignment", "html", "png", "json_file")
"""The parameters that name a file to write. Every other path is read."""


def shown_name(function: Callable[..., object], parameter: str) -> str:
    """A parameter of a command as a person types it: `--output`, or an argument's name in capitals."""
    annotation = inspect.signature(function, eval_str=True).parameters[parameter].annotation
    for information in getattr(annotation, "__metadata__", ()):
        declared = [getattr(information, "default", None), *(getattr(information, "param_decls", None) or ())]  # Typer puts the first there
        if names := [name for name in declared if isinstance(name, str) and name.startswith("--")]:
            return names[0]
    return parameter.upper()


def _refuse_overwriting(function: Callable[..., object], values: dict[str, Any]) -> None:
    """DataError where a file would be written over one that the same command reads, or writes too."""
    given = {name: value if isinstance(value, list) else [value] for name, value in values.items()}
    paths = [(name, path) for name, several in given.items() for path in several if isinstance(path, Path) and str(path) != "-"]
    for number, (name, path) in enumerate(paths):
        for other, before in paths[:number]:
            same = path.resolve() == before.resolve() and (path.is_file() or not path.exists())  # /dev/null is for all
            if same and (name in WRITTEN or other in WRITTEN):
                first, second = (shown_name(function, one) for one in (other, name))
                wrong = second if name in WRITTEN else first
                raise DataError(f"{first} and {second} are the same file, {path}; choose another name for {wrong}")


class _Command(TyperCommand):
    """A command whose options are given once, but for those that may be repeated."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        _refuse_repeated(self, ctx, args)
        return super().parse_args(ctx, args)


class _Group(TyperGroup):
    """The same for a group with options of its own."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        _refuse_repeated(self, ctx, args)
        return super().parse_args(ctx, args)


class App(typer.Typer):
    """A Typer application whose commands refuse an option that is given twice, and to write over what they read."""

    def __init__(self, **settings: Any):
        super().__init__(cls=_Group, **settings)

    def command(self, name: str | None = None, **settings: Any) -> Any:
        """A decorator that makes a command of a function, as typer.Typer.command does."""
        add = super().command(name, **{"cls": _Command, **settings})

        def decorate(function: Callable[..., object]) -> Callable[..., object]:
            @functools.wraps(function)
            def checked(*positional: Any, **values: Any) -> object:
                _refuse_overwriting(function, values)
                return function(*positional, **values)

            add(checked)
            return function

        return decorate


ConfigOption = Annotated[
    str, typer.Option("--config", "-c", help="A YAML file, or a name in configs/ or among the shipped ones (demo, base, …).")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="Override a setting: section.key=value. Repeatable; the last one for a key counts.", metavar="KEY=VALUE"),
]
ModelOption = Annotated[
    str | None, typer.Option("--model", "-m", help="A run, its name, or a checkpoint. Default: $MT_MODEL or the latest finished run.")
]
ModelsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--model", "-m", help="A run, its name, a checkpoint, an export; several: an ensemble. Default: $MT_MODEL, or the latest run."
    ),
]
def _encoding(name: str | None) -> str | None:
    """The encoding that was asked for. BadParameter for a name that Python does not know as one of texts."""
    if name is not None:
        from mt.encoding_names import encoding_problem

        if problem := encoding_problem(name):
            raise typer.BadParameter(problem)
    return name


EncodingOption = Annotated[
    str | None,
    typer.Option("--encoding", help="The encoding of the text files, such as cp949 or utf-16. Default: UTF-8.", callback=_encoding),
]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:N or mps.")]
BeamOption = Annotated[
    int | None, typer.Option("--beam", help="Beam size; 1 is greedy search. Default: the run's decoding.beam_size.", min=1)
]
PenaltyOption = Annotated[
    float | None, typer.Option("--length-penalty", help="GNMT's alpha; 0 turns it off. Default: the run's decoding.length_penalty.")
]
MbrOption = Annotated[
    int | None, typer.Option("--mbr", help="Of N candidates the one most like the others. Default: decoding.mbr.", metavar="N", min=0)
]
PrecisionOption = Annotated[
    str | None, typer.Option("--precision", help="fp32, bf16 or int8: what is calculated in. Default: the run's decoding.precision.")
]
SourceLanguageOption = Annotated[
    str | None, typer.Option("--source", help="The language to translate from, for example ko. Default: what names and text show.")
]
TargetLanguageOption = Annotated[str | None, typer.Option("--target", help="The language to translate into, for example en.")]
SourceColumnOption = Annotated[
    str | None, typer.Option("--source-column", help="The source side's column in tables: its name, or its number from 1.")
]
TargetColumnOption = Annotated[str | None, typer.Option("--target-column", help="The target side's column in tables.")]
ValidOption = Annotated[
    list[Path] | None, typer.Option("--valid", help="Validation pairs: a table, or two text files (give the option twice). Repeatable.")
]
TestOption = Annotated[list[Path] | None, typer.Option("--test", help="Test pairs, given like --valid.")]
