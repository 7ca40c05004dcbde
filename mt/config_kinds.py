"""A field's type and range in words: "a whole number, at least 1"."""

import types
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import AfterValidator
from pydantic.fields import FieldInfo

from mt.config_fields import LARGEST, TABLE_ENDINGS, Section, check_device, check_language, check_name, check_table_ending

_CHECKED = {
    check_device: "auto, cpu, cuda, cuda:N or mps",
    check_language: "a language code: two or three lower-case letters, perhaps with a region (ko, en, pt-br)",
    check_name: "a plain folder name",
    check_table_ending: f"a file ending in {', '.join(TABLE_ENDINGS)}",
}
_PLAIN = {bool: "true or false", int: "a whole number", float: "a number", str: "text", Path: "a file"}
_BOUNDS = (("gt", "above"), ("ge", "at least"), ("lt", "below"), ("le", "at most"))


def kind_in_words(information: FieldInfo) -> str:
    """What may stand there."""
    return _words(information.annotation, information.metadata)


def _words(annotation: Any, metadata: list[Any]) -> str:
    """A type with the constraints that were written beside it."""
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *beside = get_args(annotation)
        return _words(inner, [*metadata, *beside])
    if origin in (Union, types.UnionType):
        return " or ".join(_words(part, metadata) for part in get_args(annotation) if part is not type(None))
    for constraint in metadata:
        if isinstance(constraint, AfterValidator) and constraint.func in _CHECKED:
            return _CHECKED[constraint.func]
    if origin is Literal:
        *others, last = (str(choice) for choice in get_args(annotation))
        return f"{', '.join(others)} or {last}" if others else last
    if origin is tuple:
        parts = get_args(annotation)
        if parts[-1] is ...:
            return "a built-in corpus (demo, copy, reverse), a file, a corpus's keys, or a list of those"
        return f"{len(parts)} numbers in a list, each {_words(parts[0], []).removeprefix('a number, ')}"
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return "keys and values"
    return ", ".join([_PLAIN[annotation], *_bounds(metadata)])


def _bounds(metadata: list[Any]) -> list[str]:
    """"at least 0", "below 1"."""
    flat = [inner for constraint in metadata for inner in (constraint.metadata if isinstance(constraint, FieldInfo) else [constraint])]
    found = [f"{words} {getattr(constraint, name):g}" if isinstance(getattr(constraint, name), float) else
             f"{words} {getattr(constraint, name)}" for name, words in _BOUNDS for constraint in flat
             if getattr(constraint, name, None) not in (None, LARGEST)]  # fmt: skip
    return [*found, *("not empty" for constraint in flat if getattr(constraint, "min_length", None))]
