"""What a configuration of `mt init` was written for, as one comment line in it, so that it is used again for the same pairs alone.

A name says little: train.ko exists in many folders, both directions have the same files, and files grow. So the line holds the files in
their order, the columns, the languages and hashes of what was read and written.
"""

import json
import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from mt.config import CorpusConfig
from mt.data.languages import named
from mt.runs import file_hash

MADE_BY = "Written by mt init"
_LINE = "mt init record: "


@dataclass(frozen=True)
class InitRecord:
    """All that decides whether a configuration fits a request."""

    source: str
    target: str
    corpora: dict[str, list[dict[str, str]]]
    """From train, valid and test to the corpora that were given: files relative to the configuration's folder, and columns."""
    fingerprint: str
    """Of all pairs that were read (mt.data.corpus.fingerprint)."""
    pairs: int
    written: dict[str, str]
    """From the files with divided pairs, relative to the configuration's folder, to their SHA-256."""
    hours: float
    """The time that the proposal was made for."""

    def line(self) -> str:
        """The comment without its '#', in ASCII: U+0085 and U+2028 end a line in YAML."""
        return _LINE + json.dumps(asdict(self), sort_keys=True)

    @property
    def described(self) -> str:
        """The files and the direction, for a message."""
        files = [corpus[key] for corpus in self.corpora.get("train", ()) for key in ("file", "source", "target") if key in corpus]
        return f"{' '.join(files)} ({named(self.source)} to {named(self.target)})"

    def same_request(self, other: "InitRecord") -> bool:
        """Whether both ask for the same: files, order, columns, languages. Content and time are not compared."""
        return (self.source, self.target, self.corpora) == (other.source, other.target, other.corpora)

    def changed_files(self, configuration: Path) -> list[Path]:
        """The files with divided pairs that are not as they were written."""
        paths = {configuration.parent / name: digest for name, digest in self.written.items()}
        return [path for path, digest in paths.items() if not path.is_file() or file_hash(path) != digest]


def read_record(configuration: Path) -> InitRecord | None:
    """The record of a configuration; None where there is none, as in one that a person or an earlier version has written."""
    for line in configuration.read_text(encoding="utf-8", errors="replace").split("\n"):
        text = line.lstrip("# ")
        if line.startswith("#") and text.startswith(_LINE):
            try:
                return InitRecord(**json.loads(text.removeprefix(_LINE)))
            except (ValueError, TypeError):
                return None
    return None


def made_by_init(configuration: Path) -> bool:
    """Whether mt init wrote this file."""
    return MADE_BY in configuration.read_text(encoding="utf-8", errors="replace")


def recorded(corpora: Mapping[str, Iterable[CorpusConfig]], folder: Path) -> dict[str, list[dict[str, str]]]:
    """The corpora of every split as InitRecord.corpora holds them. folder: where the configuration is."""
    keys = ("file", "source", "target", "source_column", "target_column", "encoding")
    found: dict[str, list[dict[str, str]]] = {}
    for split, configs in corpora.items():
        given = [{key: getattr(config, key) for key in keys if getattr(config, key) is not None} for config in configs]
        found[split] = [
            {key: _relative(value, folder) if isinstance(value, Path) else value for key, value in corpus.items()} for corpus in given
        ]
    return {split: configs for split, configs in found.items() if configs}


def _relative(path: Path, folder: Path) -> str:
    """A path as it is seen from a folder; with another drive, as it is."""
    try:
        return os.path.relpath(path.absolute(), folder.absolute())
    except ValueError:
        return str(path.absolute())


def command(*words: str | Path, options: Sequence[tuple[str, object]] = ()) -> str:
    """A command line that can be typed. options: names and values; those without a value are left out."""
    typed = [*map(str, words)]
    for option, value in options:
        if value is True:
            typed.append(option)
        elif value is not None and value is not False:
            typed += [option, f"{value:g}" if isinstance(value, float) else str(value)]
    return shlex.join(typed)
