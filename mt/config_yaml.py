"""YAML 1.2 as plain values, with the line of every key; mistakes in the YAML itself are told in plain words.

Only the YAML: which keys there are is `mt.config`, `extends:` and `--set` are `mt.config_file`.
"""

import re
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq, TaggedScalar
from ruamel.yaml.constructor import DuplicateKeyError, RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.scalarbool import ScalarBoolean

from mt.config_problems import Draft, KeyPath, Place, describe, key_text
from mt.errors import ConfigError


class _Constructor(RoundTripConstructor):
    """YAML 1.2's core schema knows no dates: `2020-01-01` is text."""


_Constructor.add_constructor("tag:yaml.org,2002:timestamp", _Constructor.construct_yaml_str)


def read_yaml(path: Path) -> Draft:
    """One file as a draft. Raises ConfigError with file, line and column for what is not one UTF-8 YAML mapping."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = data[error.start]
        raise ConfigError(f"{path}, line {line}: not UTF-8 (byte 0x{byte:02x}); save the file as UTF-8") from error
    try:
        document = _yaml().load(text)
    except YAMLError as error:
        raise ConfigError(_yaml_message(str(path), text, error)) from error
    draft = Draft(Place(str(path)))
    if document is None:
        return draft
    if not isinstance(document, CommentedMap):
        raise ConfigError(f"{path}: expected keys and values such as `data: demo`, not {describe(_plain(document, (), draft))}")
    draft.values = _plain(document, (), draft)
    return draft


def yaml_value(text: str) -> Any:
    """The value that a piece of YAML stands for. Raises ConfigError."""
    try:
        return _plain(_yaml().load(text), (), Draft(Place("the value")))
    except YAMLError as error:
        raise ConfigError(_yaml_message("", text, error)) from error


def _yaml() -> YAML:
    """A fresh reader: one that has read a file remembers its directives."""
    yaml = YAML(typ="rt")
    yaml.Constructor = _Constructor
    return yaml


def _plain(node: Any, path: KeyPath, draft: Draft) -> Any:
    """Plain dicts, lists and scalars of what ruamel read; the places of the keys go into the draft."""
    if isinstance(node, TaggedScalar) or (isinstance(node, CommentedMap | CommentedSeq) and node.tag.value):
        raise ConfigError(f"{draft.place_of(path)}: {key_text(path)}: the tag {node.tag.value} has no meaning here; remove it")
    if isinstance(node, CommentedMap):
        values = {}
        for key, value in node.items():
            here = (*path, str(key))
            if key in (node.lc.data or {}):  # a key that came in through `<<` has no place of its own
                draft.places[here] = Place(draft.place.origin, node.lc.key(key)[0] + 1)
            values[str(key)] = _plain(value, here, draft)
        return values
    if isinstance(node, CommentedSeq):
        items = []
        for index, item in enumerate(node):
            draft.places[(*path, index)] = Place(draft.place.origin, node.lc.item(index)[0] + 1)
            items.append(_plain(item, (*path, index), draft))
        return items
    if isinstance(node, bool | ScalarBoolean):
        return bool(node)
    for kind in (int, float, str):
        if isinstance(node, kind):
            return kind(node)
    assert node is None, type(node)
    return None


def _yaml_message(origin: str, text: str, error: YAMLError) -> str:
    """What is wrong with the YAML: where, and in plain words."""
    if isinstance(error, ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return f"{_position(origin, line)}the character U+{ord(text[error.position]):04X} cannot stand in YAML; remove it"
    assert isinstance(error, MarkedYAMLError), type(error)
    mark = error.problem_mark or error.context_mark
    problem = error.problem or error.context
    where = _position(origin, mark.line + 1, mark.column + 1)
    started = error.context_mark.line + 1 if error.context_mark and error.context_mark.line != mark.line else None
    if isinstance(error, DuplicateKeyError):
        key = re.search(r'duplicate key "?(.*?)"? with value', problem)
        name = f"the key '{key.group(1)}'" if key else "a key"
        return f"{where}{name} stands twice" + (f", first in line {started}" if started else "") + "; remove one"
    if "'\\t'" in problem:
        return f"{where}a tab; YAML is indented with spaces"
    if "mapping values are not allowed" in problem:
        return f"{where}a ':' that cannot stand here: the line is indented too far, or text with ': ' needs quotes"
    if "found another document" in problem:
        return f"{where}a second document begins here ('---'); a configuration is one document"
    if "end of stream while scanning a quoted scalar" in f"{problem} {error.context}":
        return f"{where}the text in quotes is never closed" + (f"; it began in line {started}" if started else "")
    if "cannot start any token" in problem:
        return f"{where}text that begins with {problem.split()[2]} needs quotes"
    if "<stream end>" in problem:
        return f"{where}a bracket is never closed" + (f"; it began in line {started}" if started else "")
    context = f"{error.context}{f' that began in line {started}' if started else ''}: " if error.context else ""
    return f"{where}not YAML: {context}{problem}"


def _position(origin: str, line: int, column: int | None = None) -> str:
    """`file, line 3, column 5: `, or without a file (the value of a --set) nothing, since it is one short line."""
    return f"{origin}, line {line}{f', column {column}' if column else ''}: " if origin else ""
