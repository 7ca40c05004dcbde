"""Configuration files: finding, reading (YAML 1.2, `extends:`, `--set`), writing, and their JSON schema.

Every mistake is told with its file and line, all of them at once. What the keys mean is `mt.config`; how a wrong value
is told is `mt.config_problems`; how one file becomes plain values is `mt.config_yaml`.
"""

import difflib
import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mt.config import Config
from mt.config_fields import BUILTINS, SPLITS, Section, expand_data, unexpanded_path
from mt.config_problems import Draft, KeyPath, Place, Problem, describe, find_problems, key_text, raise_problems
from mt.config_yaml import read_yaml, yaml_value
from mt.errors import ConfigError

ENDINGS = (".yaml", ".yml")
DEFAULTS = Place("the defaults")
"""The place of what nobody has written."""


def load_config(reference: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read a configuration: a path or the name of a shipped one, with `section.key=value` overrides on top.

    The name of the run defaults to the file's name without its ending; `extends:` is followed; environment variables
    in paths are replaced. Raises ConfigError with every problem found.
    """
    return read_config(reference, overrides)[0]


def read_config(reference: str | Path, overrides: Sequence[str] = ()) -> tuple[Config, Draft]:
    """The same as load_config, with the draft, which knows where each value was written."""
    path = find_config(reference)
    draft = read_draft(path)
    return _checked(draft, overrides, path.stem), draft


def default_config(overrides: Sequence[str] = ()) -> tuple[Config, Draft]:
    """The defaults, with overrides on top and the built-in corpus where a configuration would name its data."""
    draft = Draft(DEFAULTS, {"data": "demo"})
    return _checked(draft, overrides), draft


def _checked(draft: Draft, overrides: Sequence[str], name: str | None = None) -> Config:
    """The configuration of a draft with overrides on top; `name`: of the run, where nothing else names it."""
    problems = [problem for override in overrides if (problem := _apply_override(draft, override)) is not None]
    if draft.values.get("name") is None:
        draft.values["name"] = name
    config, found = find_problems(draft)
    if config is None or problems:
        raise_problems(problems + found)
    return config


def find_config(reference: str | Path) -> Path:
    """The file of a configuration: as a path, in ./configs, or among the shipped ones; the ending may be left out.

    Raises ConfigError that says where it looked and which configurations there are, the nearest name first.
    """
    given = Path(reference)
    candidates = [given]
    if len(given.parts) == 1:  # a bare name; what has a folder is meant as a path
        candidates += [Path("configs") / given, shipped_configs() / given]
    if given.suffix not in ENDINGS:
        candidates = [option for path in candidates for option in (path, *(path.with_name(path.name + end) for end in ENDINGS))]
    for path in candidates:
        if path.is_file():
            return path
    if given.is_dir():
        if (given / "config.yaml").is_file():
            raise ConfigError(f"{given} is a folder; the configuration in it is {given / 'config.yaml'}")
        raise ConfigError(f"{given} is a folder, and a configuration is a file: give the YAML file in it")
    raise ConfigError(_not_found(given, candidates))


def shipped_configs() -> Path:
    """The folder of the shipped configurations: inside an installed package, or beside it in a source checkout."""
    package = Path(__file__).resolve().parent
    return package / "configs" if (package / "configs").is_dir() else package.parent / "configs"


def _not_found(given: Path, candidates: list[Path]) -> str:
    """The message for a configuration that is nowhere."""
    names = sorted({path.stem for folder in (Path("configs"), shipped_configs()) for path in folder.glob("*.yaml")})
    near = difflib.get_close_matches(given.name.removesuffix(given.suffix), names, n=len(names) or 1)
    looked = {path.parent.resolve(): str(path.parent) for path in reversed(candidates)}  # the first name of a folder stays
    *others, last = ["this folder" if name == "." else name for name in reversed(looked.values())]
    folders = f"{', '.join(others)} and {last}" if others else last
    hint = f"Did you mean {near[0]}? " if near else ""
    ordered = ", ".join(near + [name for name in names if name not in near])
    return f"no configuration '{given}' in {folders}. {hint}Give a path, or one of: {ordered}"


def read_draft(path: Path, extended_by: tuple[Path, ...] = ()) -> Draft:
    """Read one file and, below it, the file it extends. extended_by: the files that led here, to notice a circle."""
    draft = read_yaml(path)
    for section in ("data", "tokenizer", "model", "training", "decoding"):
        if section in draft.values and draft.values[section] is None:
            del draft.values[section]  # a heading whose keys are all commented out
    if "extends" not in draft.values:
        return draft
    place = draft.place_of(("extends",))
    reference = draft.values.pop("extends")
    if not isinstance(reference, str) or not reference.strip():
        raise_problems([Problem(place, "extends", f"expected the file to start from, not {describe(reference)}")])
    try:
        beside = path.parent / reference
        base_path = beside if beside.is_file() else find_config(reference)
    except ConfigError as error:
        raise_problems([Problem(place, "extends", str(error))])
    chain = (*extended_by, path)
    if base_path.resolve() in [one.resolve() for one in chain]:
        circle = " → ".join(str(one) for one in (*chain, base_path))
        raise_problems([Problem(place, "extends", f"these files extend each other in a circle: {circle}")])
    base = read_draft(base_path, chain)
    base.values.pop("name", None)  # two runs must not share a name because one's file extends the other's
    base.forget_places(("name",))
    _merge(base.values, draft.values, base, ())
    base.places |= draft.places
    base.place = draft.place
    return base


def _merge(below: dict[str, Any], above: dict[str, Any], base: Draft, path: KeyPath) -> None:
    """Lay one mapping over another, in place: mappings merge, everything else (and each split of the data) replaces."""
    for key, value in above.items():
        here = (*path, key)
        if here == ("data",) and isinstance(value, dict) and below.get(key) in BUILTINS:
            below[key] = expand_data(below[key])
        is_split = len(here) == 2 and here[0] == "data" and key in SPLITS
        if isinstance(value, dict) and isinstance(below.get(key), dict) and not is_split:
            _merge(below[key], value, base, here)
        else:
            base.forget_places(here)
            below[key] = value


def _apply_override(draft: Draft, override: str) -> Problem | None:
    """Put `section.key=value` into the draft; the problem if that fails. Items of lists: `data.train[0].weight=2`."""
    place = Place(f"--set {override}")
    key, equals, text = override.partition("=")
    if not equals:
        return Problem(place, "", "there is no '='; write it as --set section.key=value")
    parts = re.sub(r"\[(\d+)\]", r".\1", key.strip()).split(".")
    if not all(parts):
        return Problem(place, "", "the key before '=' is incomplete; write it as --set section.key=value")
    try:
        value = yaml_value(text)
    except ConfigError as error:
        return Problem(place, "", f"the value: {error}")
    path: KeyPath = ()
    node: Any = draft.values
    for position, part in enumerate(parts):
        last = position == len(parts) - 1
        if isinstance(node, list):
            if not part.isdigit() or int(part) >= len(node):
                items = f"{len(node)} {'item' if len(node) == 1 else 'items'}, counted from 0"
                return Problem(place, "", f"{key_text(path)} is a list of {items}: '{part}' is none of them")
            step: str | int = int(part)
        else:
            step = part
        path = (*path, step)
        if last:
            draft.forget_places(path)
            draft.places[path] = place
            node[step] = value
            return None
        inside = node[step] if isinstance(node, list) else node.get(step)
        if inside is None:
            draft.places[path] = place
        node[step] = _opened(path, inside, parts[position + 1])
        node = node[step]
        if not isinstance(node, dict | list):
            return Problem(place, "", f"{key_text(path)} is {describe(node)}: there is no '{parts[position + 1]}' in it")
    return None


def _opened(path: KeyPath, value: Any, next_part: str) -> Any:
    """A value that an override reaches into: nothing becomes a mapping, a shorthand what it stands for."""
    if value is None:
        return {}
    if path == ("data",) and value in BUILTINS:
        return expand_data(value)
    if path[0] == "data" and len(path) in (2, 3) and path[1] in SPLITS:
        if isinstance(value, str):
            value = {"builtin" if value in BUILTINS else "file": value}
        if len(path) == 2 and isinstance(value, dict) and next_part.isdigit():
            value = [value]
    return value


def located(config: Config) -> Config:
    """The configuration with absolute paths of corpora, so that it means the same in every folder; what reports call them stays."""
    splits = {}
    for split in SPLITS:
        splits[split] = tuple(
            corpus.model_copy(update={"name": corpus.label} | {key: path.absolute() for key, path in paths.items()})
            if (paths := {key: path for key in ("source", "target", "file") if (path := getattr(corpus, key)) and not path.is_absolute()})
            else corpus
            for corpus in getattr(config.data, split)
        )
    return config.model_copy(update={"data": config.data.model_copy(update=splits)})


def dump_config(config: Config) -> str:
    """The configuration as YAML, every key under its explanation; load_config reads it back to an equal Config."""
    lines = [
        "# A resolved configuration of mt: every key with its value, defaults included.",
        *_dump_section(config, ""),
    ]
    return "\n".join(lines) + "\n"


def _dump_section(section: Section, indent: str) -> list[str]:
    """The lines of one section, indented."""
    lines: list[str] = []
    for name, information in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, Section):
            lines += [
                "",
                *_comment(type(value).__doc__, indent),
                f"{indent}{name}:",
                *_dump_section(value, indent + "  "),
            ]
            continue
        lines += _comment(information.description, indent)
        if name in SPLITS and value:
            lines += [f"{indent}{name}:", *_dump_corpora(value, indent + "  ")]
        else:
            lines.append(f"{indent}{name}: {yaml_scalar(value)}")
    return lines


def _dump_corpora(corpora: Sequence[Section], indent: str) -> list[str]:
    """The lines of a list of corpora: the keys that are set, explained where they stand first."""
    lines: list[str] = []
    explained: set[str] = set()
    for corpus in corpora:
        lead = "- "
        for name, information in type(corpus).model_fields.items():
            if getattr(corpus, name) is None:
                continue
            if name not in explained:
                lines += _comment(information.description, indent + ("" if lead == "- " else "  "))
                explained.add(name)
            lines.append(f"{indent}{lead}{name}: {yaml_scalar(getattr(corpus, name))}")
            lead = "  "
    return lines


def _comment(text: str | None, indent: str) -> list[str]:
    """A docstring's first sentence as a comment."""
    return textwrap.wrap(first_sentence(text), 118, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")


def first_sentence(text: str | None) -> str:
    """Of a field's or a section's docstring (with what a special value means, which is written as `0: off.`)."""
    assert text, "every field and section has a docstring"
    return re.split(r"(?<=\.)\s+(?=[A-Z])", " ".join(text.split()))[0]


def yaml_scalar(value: Any) -> str:
    """A value as YAML 1.2 that reads back as the same value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, tuple):
        return f"[{', '.join(yaml_scalar(item) for item in value)}]"
    text = unexpanded_path(value) if isinstance(value, Path) else str(value)
    if re.fullmatch(r"[A-Za-z/][\w./-]*", text, re.ASCII) and text.lower() not in (
        "null",
        "true",
        "false",
        "yes",
        "no",
        "on",
        "off",
    ):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped) + '"'


def json_schema() -> dict[str, Any]:
    """The JSON schema of a configuration file, for editors; configs/schema.json is this."""
    schema = Config.model_json_schema()
    extends = {
        "type": "string",
        "description": "The configuration to start from: a file beside this one, or a shipped name.",
    }
    schema["properties"] = {"extends": extends, **_without_titles(schema["properties"])}
    schema["$defs"] = _without_titles(schema["$defs"])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "A configuration of mt"}


def _without_titles(schema: Any) -> Any:
    """A schema without the titles that only repeat the keys."""
    if isinstance(schema, dict):
        return {key: _without_titles(value) for key, value in schema.items() if not (key == "title" and isinstance(value, str))}
    if isinstance(schema, list):
        return [_without_titles(item) for item in schema]
    return schema


def _plain_values(section: Section) -> dict[str, Any]:
    """The fields of a checked section as dicts, lists and scalars.

    A path stays a Path: only the text of a path has `$NAME` and `~` to expand, and this one was expanded when it was read.
    """

    def plain(value: Any) -> Any:
        if isinstance(value, Section):
            return _plain_values(value)
        return [plain(item) for item in value] if isinstance(value, tuple) else value

    return {name: plain(getattr(section, name)) for name in type(section).model_fields}


def replace_fields(config: Config, overrides: Mapping[str, Any], origin: str = "options") -> Config:
    """The configuration with dotted keys replaced (`decoding.beam_size`), checked as a whole.

    Raises ConfigError with every problem found; `origin` is what the message names as the place.
    """
    draft = Draft(Place(origin), _plain_values(config))
    for key, value in overrides.items():
        *sections, name = key.split(".")
        values = draft.values
        for section in sections:
            values = values[section]
        values[name] = value
    changed, problems = find_problems(draft)
    if changed is None:
        raise_problems(problems)
    return changed
