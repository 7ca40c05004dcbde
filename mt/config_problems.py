"""What is wrong with a configuration's values, told in plain words, all problems at once.

`find_problems` checks plain values (dicts and lists, as read from YAML) against `mt.config` and returns one `Problem`
for each mistake; `raise_problems` makes the one message of them. Reading files and overrides is `mt.config_file`.
"""

import copy
import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, NoReturn, get_args

from pydantic import ValidationError

from mt.config import Config
from mt.config_fields import SPLITS, Section
from mt.errors import ConfigError

KeyPath = tuple[str | int, ...]

OTHER_NAMES = {
    "batch_size": ("max_tokens",),
    "embed_dim": ("d_model",),
    "hidden_size": ("d_model",),
    "layers": ("encoder_layers", "decoder_layers"),
    "lr": ("learning_rate",),
    "num_layers": ("encoder_layers", "decoder_layers"),
    "src": ("source",),
    "tgt": ("target",),
    "trg": ("target",),
}
"""What other programs call some of our keys, where the spelling alone would not lead to ours."""


class Place(NamedTuple):
    """Where a value was written: a file and a line of it, or a --set."""

    origin: str
    line: int | None = None

    def __str__(self) -> str:
        return self.origin if self.line is None else f"{self.origin}, line {self.line}"


class Problem(NamedTuple):
    """One mistake: where it stands, which key it concerns (may be empty), and what is wrong."""

    place: Place
    key: str
    sentence: str

    def __str__(self) -> str:
        key = "" if self.place.origin.startswith(f"--set {self.key}=") else self.key
        return ": ".join(part for part in (str(self.place), key, self.sentence) if part)


@dataclass
class Draft:
    """A configuration as it was written, before it is checked."""

    place: Place
    """The file; what has no place of its own is reported here."""
    values: dict[str, Any] = field(default_factory=dict)
    """Plain dicts, lists and scalars."""
    places: dict[KeyPath, Place] = field(default_factory=dict)
    """For each key path that was written, where."""

    def place_of(self, path: KeyPath) -> Place:
        """Where this key was written, or the nearest key around it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return self.place

    def forget_places(self, path: KeyPath) -> None:
        """Drop the places of a value that is being replaced, and of everything in it."""
        self.places = {known: place for known, place in self.places.items() if known[: len(path)] != path}

    def written_path(self, location: KeyPath) -> KeyPath:
        """A location in the checked configuration as the path to what was written: shorthands have fewer levels."""
        path: list[str | int] = []
        node: Any = self.values
        for position, part in enumerate(location):
            if isinstance(node, dict) and isinstance(part, str):
                path.append(part)
                if part not in node:
                    return (*path, *location[position + 1 :])
                node = node[part]
            elif isinstance(node, list) and isinstance(part, int):
                path.append(part)
                if part >= len(node):
                    break
                node = node[part]
            elif not isinstance(part, int):
                break
        return tuple(path)

    def has(self, path: KeyPath) -> bool:
        """Whether this key was written."""
        node: Any = self.values
        for part in path:
            if not (part in node if isinstance(node, dict) else isinstance(node, list)):
                return False
            node = node[part]
        return True


def key_text(path: KeyPath) -> str:
    """A key path as it is written in messages: `data.train[0].target`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


_UNSET = re.compile(r"the environment variable (\w+) is not set")


def _once_for_each_variable(lines: Sequence[str]) -> list[str]:
    """The lines, but a variable that is not set is reported once: the first path that needs it, and how many others do."""
    variables = [match[1] if (match := _UNSET.search(line)) else None for line in lines]
    kept = []
    for number, (line, variable) in enumerate(zip(lines, variables, strict=True)):
        if variable is None:
            kept.append(line)
        elif variable not in variables[:number]:
            more = variables.count(variable) - 1
            kept.append(_UNSET.sub(rf"\g<0> (also needed by {more} more path{'s' * (more > 1)})", line) if more else line)
    return kept


def raise_problems(problems: Sequence[Problem]) -> NoReturn:
    """Raise the one ConfigError that tells all problems, a line each, in the order of the files' lines."""
    origins = list(dict.fromkeys(problem.place.origin for problem in problems))
    lines = [
        str(problem)
        for problem in sorted(problems, key=lambda problem: (origins.index(problem.place.origin), problem.place.line or 0))
    ]
    lines = _once_for_each_variable(lines)
    if len(lines) == 1:
        raise ConfigError(lines[0])
    raise ConfigError("\n  ".join([f"{len(lines)} problems in the configuration:", *lines]))


def find_problems(draft: Draft) -> tuple[Config | None, list[Problem]]:
    """Check a draft: the configuration when it is right, or every problem found.

    What pydantic refuses is taken out and the rest checked again, until nothing new turns up: so a combination that
    cannot work is found although some other value is wrong too. One with a value that was refused is not reported.
    """
    problems: list[Problem] = []
    refused: list[KeyPath] = []
    rest = Draft(draft.place, copy.deepcopy(draft.values), draft.places)
    while True:
        try:
            config = Config.model_validate(rest.values)
        except ValidationError as error:
            before = copy.deepcopy(rest.values)
            for details in error.errors(include_url=False):
                location = details["loc"]
                if details["type"] == "combinations":
                    _add_combinations(draft, rest, location, details["ctx"]["found"], refused, problems)
                    continue
                if location not in refused:
                    refused.append(location)
                    problem = _explain(draft, location, details)
                    problems += [problem] if problem not in problems else []  # both numbers of an empty list are missing
                    if details["type"] == "extra_forbidden":
                        refused.extend((*location[:-1], key) for key in _near_keys(_section_at(location[:-1]), location[-1]))
                _take_out(rest, location)
            if rest.values == before:
                return None, problems
        else:
            return (None if problems else config), problems


def _add_combinations(
    draft: Draft, rest: Draft, section: KeyPath, found: list, refused: list[KeyPath], problems: list[Problem]
) -> None:
    """Report the combinations whose values were all acceptable, each at the first of its keys that was written."""
    before = copy.deepcopy(rest.values)
    reported: list[KeyPath] = []
    for keys, message in found:
        locations = [section + tuple(int(part) if part.isdigit() else part for part in key.split(".")) for key in keys]
        if not any(one[: len(other)] == other[: len(one)] for one in locations for other in refused):
            paths = [draft.written_path(location) for location in locations]
            written = [path for path in paths if draft.has(path)] or [draft.written_path(section) or paths[0]]
            path = max(written, key=lambda path: draft.place_of(path).origin.startswith("--set"))  # the first, or first --set
            problems.append(Problem(draft.place_of(path), key_text(path), message))
        reported += locations
    refused += reported
    for location in reported:
        _take_out(rest, location)
    if rest.values == before and section:
        _take_out(rest, section)


def _take_out(rest: Draft, location: KeyPath) -> None:
    """Remove what stands here (of a list, all of it); data that must be there become the built-in ones."""
    path = rest.written_path(location)
    while path and not isinstance(path[-1], str):
        path = path[:-1]
    node: Any = rest.values
    for part in path[:-1]:
        node = node[part] if not isinstance(node, dict) or part in node else {}
    if path in (("data",), ("data", "train")):
        node[path[-1]] = "demo"
    elif path and isinstance(node, dict):
        node.pop(path[-1], None)


def _section_at(location: KeyPath) -> type[Section]:
    """The class of the section at this location: (`data`, `train`, 0) is CorpusConfig."""
    section: type[Section] = Config
    for part in location:
        if isinstance(part, str):
            annotation = section.model_fields[part].annotation
            section = annotation if isinstance(annotation, type) else get_args(annotation)[0]
    return section


def _near_keys(section: type[Section], key: str) -> list[str]:
    """The keys of the section that are spelled like this one, the nearest first."""
    return difflib.get_close_matches(key.lower().replace("-", "_"), section.model_fields, n=1)


def every_key() -> list[str]:
    """All keys of Config and of its sections, dotted; the keys of a corpus are left out."""
    keys = list(Config.model_fields)
    for name in Config.model_fields:
        annotation = Config.model_fields[name].annotation
        if isinstance(annotation, type) and issubclass(annotation, Section):
            keys.extend(f"{name}.{key}" for key in annotation.model_fields)
    return keys


def _suggest_key(location: KeyPath, value: Any) -> str:
    """What to write for an unknown key: ours for another program's, the same word elsewhere, or the nearest one."""
    *around, key = location
    section = _section_at(tuple(around))
    prefix = f"{key_text(tuple(around))}." if around else ""
    unknown = "unknown key" if isinstance(value, dict | list) else f"unknown key (value {_short(value)})"
    every = every_key()
    last_words = [known.split(".")[-1] for known in every]
    words: Sequence[str] = OTHER_NAMES.get(key, (key,))
    here = [prefix + word for word in words if word in section.model_fields]
    elsewhere = [known for known, word in zip(every, last_words, strict=True) if word in words]
    near = [prefix + word for word in _near_keys(section, key)]
    for word in difflib.get_close_matches(key, [*last_words, *OTHER_NAMES], n=1):
        near = near or [known for known in every if known.split(".")[-1] in OTHER_NAMES.get(word, (word,))]
    for suggestion in (here, elsewhere, near):
        if suggestion:
            return f"{unknown}; did you mean {' or '.join(suggestion)}?"
    return f"{unknown}; the keys here are {', '.join(section.model_fields)}"


def _short(value: Any) -> str:
    """A scalar as it is written, cut where it is long."""
    text = describe(value).removeprefix("the number ").removeprefix("the text ")
    return "null" if value is None else text


def describe(value: Any) -> str:
    """A value in words: its kind where that is the point, and the value itself."""
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the text '{value}'" if len(value) <= 80 else f"the text '{value[:77]}…'"
    if isinstance(value, dict):
        return "a mapping"
    return "a list"


def _hint(expected: str, value: Any) -> str:
    """What to write instead, where the value shows what was meant."""
    if value is None:
        return "; leave the line out for the default"
    if expected == "a whole number":
        if isinstance(value, float) and value.is_integer():
            return f"; write {int(value)}"
        if isinstance(value, str) and re.fullmatch(r"[+-]?\d+", value):
            return f"; write {value} without quotes"
    if expected == "a number" and isinstance(value, str) and re.fullmatch(r"[+-]?\d*\.?\d+([eE][+-]?\d+)?", value):
        return f"; write {value} without quotes"
    if expected == "true or false" and isinstance(value, str) and value.lower() in ("yes", "no", "on", "off", "true", "false"):
        return f"; write {'true' if value.lower() in ('yes', 'on', 'true') else 'false'}"
    if expected == "text" and isinstance(value, bool | int | float):
        return f"; write '{describe(value).removeprefix('the number ')}' with quotes"
    return ""


EXPECTED = {
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "is_instance_of": "text",  # of the path fields
    "model_type": "keys and values below it",
    "dict_type": "keys and values below it",
    "tuple_type": "a list of two numbers, such as [0.9, 0.98]",
}
BOUNDS = {
    "greater_than": ("gt", "must be above"),
    "greater_than_equal": ("ge", "must be at least"),
    "less_than": ("lt", "must be below"),
    "less_than_equal": ("le", "must be at most"),
}


def _explain(draft: Draft, location: KeyPath, details: Any) -> Problem:
    """One of pydantic's errors in our own words."""
    path = draft.written_path(location)
    kind, value, context = details["type"], details["input"], details.get("ctx", {})
    if kind == "extra_forbidden":
        sentence = _suggest_key(location, value)
    elif kind == "missing" and location == ("data",):
        sentence = "missing; name the sentence pairs, or take the built-in corpus with `data: demo`"
    elif kind == "missing" and isinstance(location[-1], str):
        sentence = "missing; name a file of sentence pairs, or take `train: demo`"
    elif kind in ("missing", "too_long"):  # the items of a tuple of fixed length
        path = tuple(part for part in path if isinstance(part, str))
        sentence = "expected a list of two numbers, such as [0.9, 0.98]"
    elif kind in EXPECTED:
        expected = EXPECTED[kind]
        if len(path) in (2, 3) and path[0] == "data" and path[1] in SPLITS and isinstance(path[-1], str) == (len(path) == 2):
            expected = "a file, a built-in corpus, or a corpus (keys and values below it)"
            expected += ", or a list of those" if len(path) == 2 else ""
        elif path == ("data",):
            expected = "a built-in corpus, or keys and values below it"
        sentence = f"expected {expected}, not {describe(value)}{_hint(expected, value)}"
    elif kind == "literal_error":
        choices = context["expected"].replace("'", "")
        word = value.lower() if isinstance(value, str) else ""
        near = difflib.get_close_matches(word, re.split(r", | or ", choices), n=1)
        hint = f"; did you mean {near[0]}?" if near else _hint(choices, value)
        sentence = f"expected {choices}, not {describe(value)}{hint}"
    elif kind in BOUNDS:
        name, words = BOUNDS[kind]
        sentence = f"{words} {context[name]:.10g}, not {value}"
    elif kind == "finite_number":
        sentence = f"must be finite, not {value}"
    elif kind == "string_unicode":
        sentence = "is not text (it has bytes that are not UTF-8)"
    elif kind == "string_too_short":
        sentence = "must not be empty"
    else:
        assert kind == "refused", kind
        sentence = f"{describe(value)}: {context['sentence']}"
    return Problem(draft.place_of(path), key_text(path), sentence)
