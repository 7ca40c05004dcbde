"""Which commands and options there are, asked of the command line itself, and which commands the program's messages recommend."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import mt

PACKAGE = Path(mt.__file__).parent
_COMMAND = re.compile(r"(?<![\w./-])mt ((?:inspect |config |tokenizer )?[a-z]+)\b([^'\"`;)]*)")
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")


@cache
def _commands() -> dict[str, frozenset[str]]:
    """Every command, also below a group, with its options."""
    import typer

    from mt.cli import app

    found: dict[str, frozenset[str]] = {}

    def walk(command: object, name: str) -> None:
        options = [option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)]
        found[name] = frozenset(option for option in options if option.startswith("--")) | {"--help"}
        for sub, inner in getattr(command, "commands", {}).items():
            walk(inner, f"{name} {sub}".strip())

    walk(typer.main.get_command(app), "")
    return found


def command_names() -> frozenset[str]:
    """All commands: train, inspect shapes, …"""
    return frozenset(_commands()) - {""}


def options_of(name: str) -> frozenset[str]:
    """The options of a command; none where there is no such command."""
    return _commands().get(name, frozenset())


def texts_in(path: Path) -> list[tuple[int, str]]:
    """Every message of a module, with its line."""
    return list(_texts(ast.parse(path.read_text(encoding="utf-8"))))


def _texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every string of a module that is no docstring, with its line; what an f-string puts in is an ellipsis."""
    documentation = {
        node.body[0].value for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None
    }  # fmt: skip
    inside = {part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node) if part is not node}
    for node in ast.walk(tree):
        if node in documentation or node in inside:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
        elif isinstance(node, ast.JoinedStr):
            yield node.lineno, "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)


def recommended_in(path: Path) -> list[tuple[int, str, frozenset[str]]]:
    """(line, command, options) of every `mt COMMAND …` in the messages of a module."""
    return [(line, *one) for line, text in texts_in(path) for one in recommended(text)]


def recommended(text: str) -> list[tuple[str, frozenset[str]]]:
    """(command, options) of every `mt COMMAND …` in a text. "mt reads …" is a sentence, unless it stands in quotes."""
    found = []
    for match in _COMMAND.finditer(text):
        name = match[1] if match[1] in command_names() else match[1].split()[0]
        if name in command_names() or text[: match.start()].endswith(("'", "`")):
            found.append((name, frozenset(_OPTION.findall(re.split(r" \(?mt |, ", match[2])[0]))))
    return found


def wrong(text: str) -> list[str]:
    """The recommendations of a text that cannot be typed: no such command, or none with that option."""
    bad = []
    for name, options in recommended(text):
        if name not in command_names():
            bad.append(f"mt {name}: there is no such command")
            continue
        bad += [f"mt {name} {option}: there is no such option" for option in sorted(options - options_of(name))]
    return bad


def wrong_settings(text: str) -> list[str]:
    """The settings that a text names and that do not exist."""
    from mt.config import Config

    sections = {name: field.annotation for name, field in Config.model_fields.items() if hasattr(field.annotation, "model_fields")}
    named = re.findall(r"(?<![\w./$-])(data|tokenizer|model|training|decoding)\.([a-z_]+)\b(?![(.])", text)
    other = {"model": {"safetensors", "bin", "onnx"}, "data": {"json"}, "tokenizer": {"model", "source", "target", "json"}}
    return [f"{section}.{key}" for section, key in named if key not in sections[section].model_fields and key not in other.get(section, ())]
