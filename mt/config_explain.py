"""What one setting is (`mt config explain`) and what a configuration comes to (`mt config show`), as text.

A setting's meaning is the docstring under its field in mt/config.py; usual values and refusals are mt/config_advice.py's.
"""

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic.fields import FieldInfo

from mt.config import Config, CorpusConfig
from mt.config_advice import USUAL, refusals_of
from mt.config_fields import SPLITS, Section
from mt.config_file import DEFAULTS, default_config, first_sentence, read_config, read_draft, shipped_configs, yaml_scalar
from mt.config_kinds import kind_in_words
from mt.config_problems import OTHER_NAMES, Draft, KeyPath, every_key, key_text
from mt.errors import ConfigError
from mt.text_table import text_table, wrap

CORPUS = "corpus"
"""Stands for data.train[0], data.valid[1], … in the names of a corpus's keys."""


@dataclass(frozen=True)
class Resolved:
    """A configuration and where each of its values was written."""

    config: Config
    draft: Draft

    @classmethod
    def read(cls, reference: str | None, overrides: Sequence[str]) -> "Resolved":
        """A configuration by path or name; None: the defaults. ConfigError with every problem found."""
        return cls(*(read_config(reference, overrides) if reference is not None else default_config(overrides)))

    def origin(self, path: KeyPath) -> str:
        """Where the value at this path comes from: "default", "demo.yaml, line 7", "--set …"."""
        if path == ("name",) and path not in self.draft.places and self.draft.values.get("name"):
            return "the name of the file"
        written = self.draft.written_path(path)
        if not self.draft.has(written) or self.draft.place_of(written) == DEFAULTS:
            return "default"
        if len(written) < len(path) and path[-1] in CorpusConfig.model_fields and self._is_default(path):
            return "default"  # of a corpus that is written as a word, only what the word says was written
        return str(self.draft.place_of(written))

    def _is_default(self, path: KeyPath) -> bool:
        """Whether a corpus's key has its default value."""
        return self.value(path) == CorpusConfig.model_fields[str(path[-1])].default

    def value(self, path: KeyPath) -> Any:
        """The value at this path; None where there is none, as of data.train[3] when there are two."""
        node: Any = self.config
        for part in path:
            if isinstance(part, str):
                node = getattr(node, part)
            elif part < len(node):
                node = node[part]
            else:
                return None
        return node


@dataclass(frozen=True)
class Setting:
    """One key of the configuration."""

    path: KeyPath
    """Its place; () for a key of corpora in general."""
    name: str
    """Its last part."""
    section: type[Section]
    """The class it is a field of."""

    @property
    def information(self) -> FieldInfo:
        """Its field."""
        return self.section.model_fields[self.name]

    @property
    def key(self) -> str:
        """As messages and mt/config_advice.py name it: training.seed, corpus.weight."""
        return f"{CORPUS}.{self.name}" if self.section is CorpusConfig else key_text(self.path)

    @property
    def default(self) -> str:
        """Its default, as it is written."""
        return "none; it must be given" if self.information.is_required() else shown_value(self.information.default)


def sections() -> dict[str, type[Section]]:
    """The sections by name, those of corpora among them."""
    named = {name: field.annotation for name, field in Config.model_fields.items()}
    found = {name: kind for name, kind in named.items() if isinstance(kind, type) and issubclass(kind, Section)}
    return found | {CORPUS: CorpusConfig}


def find_setting(text: str) -> Setting | str:
    """The setting that a person means, by its whole key or its last part; the name of a section where it is one.

    ConfigError for one that is unknown (with the nearest) or could be several.
    """
    key = re.sub(r"\[(\d*)\]", r".\1", text.strip()).replace("..", ".").strip(".")
    if key in sections() or key == "":
        return key
    parts = key.split(".")
    if parts[0] == "data" and len(parts) > 2 and parts[1] in SPLITS and parts[-1] in CorpusConfig.model_fields:
        place = [int(part) for part in parts[2:-1] if part.isdigit()]
        return Setting(("data", parts[1], *(place or [0]), parts[-1]), parts[-1], CorpusConfig)
    if key in Config.model_fields:
        return Setting((key,), key, Config)
    meant = [known for known in all_keys() if key in (known, known.split(".")[-1])]
    if len(meant) == 1:
        section, name = meant[0].split(".")
        return Setting(() if section == CORPUS else (section, name), name, sections()[section])
    if meant:
        raise ConfigError(f"'{text}' could be {' or '.join(meant)}: give the whole key")
    raise ConfigError(f"there is no setting '{text}'; {_nearest(key)}")


def all_keys() -> list[str]:
    """All keys below sections, dotted, those of a corpus too."""
    known = [key for key in every_key() if "." in key]
    return [*known, *(f"{CORPUS}.{name}" for name in CorpusConfig.model_fields)]


def _nearest(key: str) -> str:
    """A hint for an unknown key."""
    known = [*all_keys(), *(name for name in Config.model_fields if name not in sections())]
    word = key.split(".")[-1].lower().replace("-", "_")
    near = [one for one in known if one.split(".")[-1] in OTHER_NAMES.get(word, ())]
    near = near or [one for one in known if word in one.split(".")[-1].split("_")]
    near = near or difflib.get_close_matches(key.lower().replace("-", "_"), [*known, *sections()], n=1, cutoff=0.75)
    if not near:
        words = {one.split(".")[-1] for one in known}
        near = [one for one in known if one.split(".")[-1] in difflib.get_close_matches(word, sorted(words), n=1)]
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"the sections are {', '.join(sections())}; 'mt config explain training' lists a section's"


def shown_value(value: Any) -> str:
    """A value as it is written, and corpora by their names."""
    if isinstance(value, tuple) and value and all(isinstance(item, CorpusConfig) for item in value):
        return ", ".join(item.label for item in value)
    return yaml_scalar(value)


def explain_setting(setting: Setting, resolved: Resolved, width: int) -> str:
    """All that is known of a setting, for a terminal of that width."""
    given = resolved.draft.place != DEFAULTS
    facts: list[tuple[str, str]] = []
    for path in _places(setting, resolved):
        origin = resolved.origin(path)
        if given or origin != "default":
            where = f"{key_text(path)}, {origin}" if setting.section is CorpusConfig else origin
            facts.append(("value", f"{shown_value(resolved.value(path))} ({where})"))
    facts.append(("default", setting.default))
    facts.append(("type", kind_in_words(setting.information)))
    facts += [("usual", f"{usual.words} ({usual.source})") for usual in USUAL.get(setting.key, ())]
    facts += [("shipped", words) for words in shipped_use(setting)]
    facts += [("refused", _refusal(refusal.words, refusal.keys, setting, resolved)) for refusal in refusals_of(setting.key)]
    lines = [setting.key, "", *wrap(setting.information.description or "", width), ""]
    before = ""
    for name, words in facts:
        for number, part in enumerate(wrap(words, width - 10)):
            lines.append(f"{name if number == 0 and name != before else '':8}  {part}".rstrip())
        before = name
    return "\n".join(lines)


def _places(setting: Setting, resolved: Resolved) -> list[KeyPath]:
    """Where in the configuration the setting stands: once, or once in every training corpus."""
    if setting.path:
        return [setting.path] if resolved.value(setting.path[:-1]) is not None else []
    return [("data", "train", number, setting.name) for number in range(len(resolved.config.data.train))]


def _refusal(words: str, keys: tuple[str, ...], setting: Setting, resolved: Resolved) -> str:
    """A refusal, with what the other keys in it are now."""
    others = [key for key in keys if key != setting.key and not key.startswith(CORPUS) and key != "data.valid"]
    now = [f"{key} is {shown_value(resolved.value(tuple(key.split('.'))))}" for key in others]
    return words + (f" (now {', '.join(now)})" if now else "")


def shipped_use(setting: Setting) -> list[str]:
    """The values that the shipped configurations give it, the default marked, each with their names; of corpora nothing."""
    if setting.section is CorpusConfig or len(setting.path) < 2 or setting.path[1] in SPLITS:
        return []
    users: dict[str, list[str]] = {}
    for path in sorted(shipped_configs().glob("*.yaml")):
        draft = read_draft(path)
        section = draft.values.get(setting.path[0])
        written = section.get(setting.name) if isinstance(section, dict) else None
        value = setting.information.default if written is None else tuple(written) if isinstance(written, list) else written
        if isinstance(setting.information.default, float) and isinstance(value, int):
            value = float(value)
        users.setdefault(shown_value(value), []).append(path.stem)
    default = shown_value(setting.information.default)
    order = sorted(users, key=lambda value: (value != default, -len(users[value]), value))
    return [f"{value}{' (the default)' if value == default else ''}: {', '.join(users[value])}" for value in order]


def explain_section(name: str, resolved: Resolved, width: int) -> str:
    """A table of a section's keys: value, where it comes from, the first sentence of what it does. "": of all sections."""
    if name == "":
        names = [key for key in Config.model_fields if key not in sections()]
        rows = [[key, *_cells((key,), Config, resolved)] for key in names]
        rows += [[f"{key} …", "", "", first_sentence(kind.__doc__)] for key, kind in sections().items()]
    elif name == CORPUS:
        rows = [[key, shown_value(field.default), "default", first_sentence(field.description)]
                for key, field in CorpusConfig.model_fields.items()]  # fmt: skip
    else:
        rows = [[key, *_cells((name, key), sections()[name], resolved)] for key in sections()[name].model_fields]
    rows = [[key, value if len(value) <= 24 else f"{value[:23]}…", origin, words] for key, value, origin, words in rows]
    return text_table(["key", "value", "from", "what it does"], rows, numbers_from=4, width=width)


def _cells(path: KeyPath, section: type[Section], resolved: Resolved) -> list[str]:
    """Value, origin and first sentence of one key; the file's name is left out where all is of one file."""
    origin = resolved.origin(path)
    if origin == "default" and resolved.draft.place == DEFAULTS and section.model_fields[str(path[-1])].is_required():
        value = "—"
    else:
        value = shown_value(resolved.value(path))
    origin = origin.removeprefix(f"{resolved.draft.place.origin}, ")
    origin = "--set" if origin.startswith("--set") else origin
    return [value, re.sub(r"^.*/", "", origin), first_sentence(section.model_fields[str(path[-1])].description)]


def changed_yaml(resolved: Resolved) -> str:
    """What differs from the defaults as YAML that mt reads back to the same configuration, each value with its origin."""
    lines = ["# What differs from mt's defaults, and where each value comes from."]
    for name, field in Config.model_fields.items():
        value = getattr(resolved.config, name)
        if not isinstance(value, Section):
            if value != field.default:
                lines.append(_line("", name, yaml_scalar(value), resolved.origin((name,))))
            continue
        inside = list(_changed_lines(name, value, resolved))
        lines += [f"{name}:", *inside] if inside else []
    return "\n".join(lines)


def _changed_lines(name: str, section: Section, resolved: Resolved) -> Iterator[str]:
    """The lines of one section."""
    for key, field in type(section).model_fields.items():
        value, origin = getattr(section, key), resolved.origin((name, key))
        if not field.is_required() and value == field.default:
            continue
        if key not in SPLITS or not value:
            yield _line("  ", key, yaml_scalar(value), origin)
            continue
        yield _line("  ", key, "", origin)
        for corpus in value:
            parts = {part: (getattr(corpus, part), own.default) for part, own in type(corpus).model_fields.items()}
            changed = {part: content for part, (content, default) in parts.items() if content != default}
            for number, (part, content) in enumerate(changed.items()):
                yield f"    {'- ' if number == 0 else '  '}{part}: {yaml_scalar(content)}"


def _line(indent: str, key: str, value: str, origin: str) -> str:
    """A key with its value and, as a comment, its origin."""
    return f"{indent}{key}:{f' {value}' if value else ''}  # {origin}"
