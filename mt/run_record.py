"""All that a run's files say of how it was made, as flat values that can be laid side by side (mt/run_diff.py)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mt.config import Config, CorpusConfig
from mt.config_fields import SPLITS
from mt.config_file import load_config
from mt.config_yaml import read_yaml
from mt.data.tokenizer import Tokenizer
from mt.errors import MtError, RunError
from mt.run_facts import RunFacts, read_facts
from mt.runs import RunDirectory


@dataclass(frozen=True)
class Corpus:
    """What was read of one training corpus."""

    pairs: int
    left_out: int
    """Of them, those that were too long or too lopsided to train on."""


@dataclass(frozen=True)
class Record:
    """One run."""

    facts: RunFacts
    config: Mapping[str, Any]
    """Settings by dotted key; of corpora their names under data.train, and what is set for each under data.train[NAME].weight."""
    notes: tuple[str, ...] = ()
    """What could not be read, and what was taken instead."""
    environment: Mapping[str, Any] = field(default_factory=dict)
    """Versions, machine and choices, of environment.json."""
    fingerprint: str = ""
    """Of the training and validation pairs."""
    corpora: Mapping[str, Corpus] = field(default_factory=dict)
    """Of the training pairs, by name."""
    tokenizer: str = ""
    """The vocabularies' hash."""
    pieces: str = ""
    """How large they are: "8000 pieces"."""
    summary: Mapping[str, Any] = field(default_factory=dict)
    """summary.json of a finished run."""

    @property
    def name(self) -> str:
        """The folder's."""
        return self.facts.name


def read_record(run: RunDirectory) -> Record:
    """Read a run's record; what is missing or damaged becomes a note. RunError when there is no configuration to read."""
    facts = read_facts(run.path)
    notes: list[str] = []
    try:
        config = flat_config(load_config(run.config_path))
    except MtError as error:
        try:
            config = _flat_as_written(run.config_path)
        except MtError:
            raise RunError(str(error)) from error
        notes.append(f"its config.yaml is not one of this version, and is compared as it is written ({str(error).splitlines()[0]})")
    tokenizer = pieces = ""
    try:
        loaded = Tokenizer.load(run.path)
        tokenizer = loaded.fingerprint()
        pieces = f"{len(loaded.source)} pieces" if loaded.shared else f"{len(loaded.source)} + {len(loaded.target)} pieces"
    except MtError as error:
        notes.append(str(error))
    read = {name: _json(run, name, notes) for name in ("environment.json", "data.json")}
    summary = _json(run, "summary.json", notes) if run.summary_path.is_file() else {}
    return Record(facts, config, tuple(notes), read["environment.json"], str(read["data.json"].get("fingerprint", "")),
                  _corpora(read["data.json"]), tokenizer, pieces, summary)


def _json(run: RunDirectory, name: str, notes: list[str]) -> dict[str, Any]:
    """A JSON file of the run; {} and a note when it cannot be read."""
    try:
        content = run.read_json(name)
    except RunError as error:
        notes.append(str(error))
        return {}
    return content if isinstance(content, dict) else {}


def _corpora(data: Mapping[str, Any]) -> dict[str, Corpus]:
    """The training corpora of data.json."""
    found = {}
    parts = data.get("train", [])
    for name, part in zip(numbered([str(part.get("name")) for part in parts]), parts, strict=True):
        left_out = len(part.get("too_long", ())) + len(part.get("lopsided", ()))
        found[name] = Corpus(part.get("pairs", 0), left_out)
    return found


def numbered(names: Sequence[str]) -> list[str]:
    """The names, those that occur before as name (2), name (3): two corpora may be called alike, and neither hides the other."""
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        seen[name] += 1
        found.append(f"{name} ({seen[name]})" if seen[name] > 1 else name)
    return found


def flat_config(config: Config) -> dict[str, Any]:
    """Every setting by its dotted key; a corpus under the name that reports call it by."""
    values = config.model_dump(mode="json")
    for split in SPLITS:
        values["data"].pop(split)
    return _flat(values) | _flat_corpora({split: getattr(config.data, split) for split in SPLITS})


def _flat_as_written(path: Path) -> dict[str, Any]:
    """The same of a configuration that this version of mt refuses: what stands in it, and no defaults."""
    values = read_yaml(path).values
    data = values.get("data")
    splits: dict[str, list[CorpusConfig]] = {}
    for split in SPLITS:
        written = data.pop(split, None) if isinstance(data, dict) else None
        with suppress(ValidationError):
            splits[split] = [CorpusConfig.model_validate(corpus) for corpus in written or ()]
    return _flat(values) | _flat_corpora(splits)


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of sections, dotted."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= {f"{key}.{inner}": part for inner, part in value.items()} if isinstance(value, dict) else {key: value}
    return flat


def _flat_corpora(splits: Mapping[str, Sequence[CorpusConfig]]) -> dict[str, Any]:
    """The names of each split's corpora, and what is set for each."""
    flat: dict[str, Any] = {}
    for split, corpora in splits.items():
        names = numbered([corpus.label for corpus in corpora])
        flat[f"data.{split}"] = ", ".join(names)
        for name, corpus in zip(names, corpora, strict=True):
            values = corpus.model_dump(mode="json", exclude_none=True, exclude={"name"})
            flat |= {f"data.{split}[{name}].{key}": value for key, value in values.items()}
    return flat
