"""What `mt init` does: files of sentence pairs become a configuration with a reason beside every value, and pairs to measure on."""

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy

from mt.config import CorpusConfig, TokenizerConfig
from mt.config_file import load_config, yaml_scalar
from mt.data.corpus import Corpus, fingerprint, read_corpus
from mt.data.first_look import leaks
from mt.data.given_pairs import Asked, given_pairs
from mt.data.held_out import Division, hold_out
from mt.data.store import SHARD_PAIRS, Joined, take
from mt.data.tokenizer_training import train_tokenizer
from mt.errors import ConfigError, DataError, MtError, TokenizerError
from mt.export.decoding import TAKEN
from mt.files import write_atomically, write_lines_atomically
from mt.init_record import MADE_BY, InitRecord, command, made_by_init, read_record, recorded
from mt.output import refuse_unwritable, terminal_width
from mt.proposal import CorpusFacts, MachineFacts, Shape, as_yaml, corpus_facts, propose, vocabulary_size
from mt.runs import file_hash, shown
from mt.text_table import text_table

_LEAST_PAIRS = 200
"""With fewer there is nothing to learn from once some are held out."""
_LITTLE_TEXT = 400_000
"""Characters of both sides up to which a vocabulary is trained for the proposal."""


@dataclass(frozen=True)
class InitRequest:
    """The options of `mt init`."""

    files: Sequence[Path]
    """Tables of pairs, and text files two by two, the source side first."""
    asked: Asked
    """Languages and columns, as far as they were given."""
    valid: Sequence[Path]
    test: Sequence[Path]
    output: Path | None
    hours: float
    force: bool
    """Replace a configuration that exists, and pairs that were divided before."""
    export: str | None = None
    """The program that the model must be exportable to."""

    def command(self, *, output: Path | None = None, force: bool = False, hours: float | None = None) -> str:
        """`mt init` with these options, as a person types it."""
        repeated = [(f"--{split}", file) for split in ("valid", "test") for file in getattr(self, split)]
        keys = ("source", "target", "source_column", "target_column", "encoding")
        asked = [(f"--{key.replace('_', '-')}", getattr(self.asked, key)) for key in keys]
        return command("mt", "init", *self.files,
                       options=[*asked, *repeated, ("--hours", hours or (self.hours if self.hours != 1.0 else None)),
                                ("--export", self.export), ("--output", output), ("--force", force)])  # fmt: skip


@dataclass(frozen=True)
class Given:
    """The pairs of a request, read."""

    corpora: dict[str, tuple[CorpusConfig, ...]]
    """From train, valid and test to what was given."""
    languages: tuple[str, str]
    read: dict[str, list[Corpus]]

    @classmethod
    def read_from(cls, request: InitRequest) -> "Given":
        """Find out columns and languages, say them in a line for each corpus, and read all pairs."""
        if request.asked.source is not None and request.asked.source == request.asked.target:
            code = request.asked.source
            raise ConfigError(f"--source and --target are both {code}; give two languages, for example: --source ko --target en")
        train = given_pairs(request.files, request.asked)
        asked = replace(request.asked, source=train.source, target=train.target, columns_must_exist=False)
        others = {split: given_pairs(files, asked, f"--{split}") for split in ("valid", "test") if (files := getattr(request, split))}
        splits = {"train": train, **others}
        if os.environ.get("RANK", "0") == "0":
            for pairs in splits.values():
                for statement in pairs.statements:
                    print(statement, file=sys.stderr)
        corpora = {split: pairs.corpora for split, pairs in splits.items()}
        read = {
            split: [read_corpus(config, split, train.source, train.target, key=f"data.{split}", say_columns=False) for config in configs]
            for split, configs in corpora.items()
        }
        for text in leaks(read["train"], [(split, corpus) for split in others for corpus in read[split]]):
            print(f"note: {text}", file=sys.stderr)
        return cls(corpora, (train.source, train.target), read)

    def named_in(self, configuration: Path) -> bool:
        """Whether a configuration without a record, as earlier versions wrote it, names exactly these files, their number and languages."""
        text = configuration.read_text(encoding="utf-8", errors="replace")
        config, train = load_config(configuration), self.read["train"]
        origin = " + ".join(corpus.origin for corpus in train)
        if f"{MADE_BY} for {origin}: {sum(map(len, train)):,} pairs, " not in text or (config.source, config.target) != self.languages:
            return False
        divided = [f"{configuration.stem}-data/{split}.jsonl" for split in ("train", "valid", "test")]
        for split, path in zip(("train", "valid", "test"), divided, strict=True):
            named = recorded({split: getattr(config.data, split)}, configuration.parent).get(split)
            if named != recorded(self.corpora, configuration.parent).get(split) and named != [{"file": path}]:
                return False
        return True

    def record(self, folder: Path, hours: float, written: Mapping[str, str]) -> InitRecord:
        """What a configuration in this folder is written for."""
        everything = [corpus for corpora in self.read.values() for corpus in corpora]
        pairs = sum(map(len, everything))
        return InitRecord(*self.languages, recorded(self.corpora, folder), fingerprint(everything), pairs, dict(written), hours)


def write_proposal(request: InitRequest) -> Path:
    """Write the configuration, and the divided pairs where some had to be held out; print what was chosen. The configuration's path."""
    output = request.output or Path(f"{_name_of(request.files)}.yaml")
    if output.suffix not in (".yaml", ".yml"):
        raise ConfigError(f"--output {output}: a configuration is a .yaml file")
    if request.export is not None and request.export not in TAKEN:
        raise ConfigError(f"--export: '{request.export}' is none of {', '.join(TAKEN)}")
    refuse_unwritable(output)
    if output.exists() and not request.force:
        raise ConfigError(_exists(request, output))
    return _write(request, output, Given.read_from(request))


def _write(request: InitRequest, output: Path, given: Given) -> Path:
    """Write and print the proposal for pairs that were read."""
    corpora = given.read["train"]
    sources, targets = (Joined([getattr(corpus, side) for corpus in corpora]) for side in ("sources", "targets"))
    origin = " + ".join(corpus.origin for corpus in corpora)
    if len(sources) < _LEAST_PAIRS:
        raise DataError(f"{origin}: {len(sources)} pairs are too few to learn to translate from; at least {_LEAST_PAIRS} are needed")
    pairs = _Pairs(origin, sources, targets)
    data, division, written = _place_splits(request, output, pairs, given)
    train = division.train if division is not None else numpy.arange(len(sources))
    facts = _facts(*(take(side, _some(train)) for side in (sources, targets)), len(train))
    machine = look_at_machine()
    settings = propose(facts, machine, request.hours, request.export)
    head = [
        "yaml-language-server: $schema=schema.json", "",
        f"{MADE_BY} for {origin}: {len(sources):,} pairs, on {machine.description}.",
        "Every value is a proposal with its reason; change what you know better. `mt config explain KEY` tells more.",
        "The next line is how `mt train --data` recognises the pairs.",
        given.record(output.parent, request.hours, written).line(),
    ]  # fmt: skip
    first = [("name", yaml_scalar(output.stem)), *zip(("source", "target"), given.languages, strict=True)]
    _write_checked(output, as_yaml(head, first, data, settings))
    rows = [[setting.key, yaml_scalar(setting.value), setting.reason] for setting in settings]
    print(text_table(["setting", "value", "because"], rows, width=terminal_width()))
    print(f"written to {shown(output)}; train with: {command('mt', 'train', '--config', shown(output))}")
    return output


def _facts(sources: Sequence[str], targets: Sequence[str], pairs: int) -> CorpusFacts:
    """What is seen of these sentences of a corpus; where they are few, a vocabulary is trained to see how many pieces they can give."""
    facts = corpus_facts(sources, targets, pairs)
    if sum(map(len, sources)) + sum(map(len, targets)) > _LITTLE_TEXT:
        return facts
    asked, _ = vocabulary_size(facts)
    try:
        tokenizer = train_tokenizer(TokenizerConfig(vocab_size=asked, model_type=facts.model_type, shared=True), sources, targets).tokenizer
    except TokenizerError:
        return facts  # training says it, with what to do
    if len(tokenizer.source) >= asked:
        return facts
    counted = [[len(ids) for ids in encoded] for encoded in (tokenizer.encode_source(sources), tokenizer.encode_target(targets))]
    return corpus_facts(sources, targets, pairs, len(tokenizer.source), counted)


def _write_checked(output: Path, text: str) -> None:
    """Write a configuration, which takes its place only after it was read back: what is proposed must be a configuration."""
    beside = output.with_name(f".{output.stem}.{os.getpid()}{output.suffix}")
    try:
        write_atomically(beside, text)
        load_config(beside)
        os.replace(beside, output)
    finally:
        beside.unlink(missing_ok=True)


def _exists(request: InitRequest, output: Path) -> str:
    """What to say about a configuration that is in the way."""
    record = read_record(output)
    what = f", written for {record.described}" if record else ""
    return (
        f"{output}: there is a configuration already{what}; train with it ('{command('mt', 'train', '--config', output)}'), choose another "
        f"place ('{request.command(output=_free_name(output))}'), or replace it ('{request.command(output=request.output, force=True)}')"
    )


def _free_name(path: Path) -> Path:
    """A path like this one that does not exist: NAME-2, NAME-3, …"""
    number = 2
    while (free := path.with_name(f"{path.stem}-{number}{path.suffix}")).exists():
        number += 1
    return free


def config_for(request: InitRequest, hours_asked: float | None = None) -> Path:
    """The configuration of `mt train --data FILES`: the one that `mt init` wrote for the very same pairs before, or a new one.

    Files, order, columns, languages and content are compared. Other pairs under the same name get a name of their own. ConfigError when the
    pairs have changed since. hours_asked: --max-hours, if it was given.
    """
    given = Given.read_from(request)
    name = _name_of(request.files)
    for output in _possible_names(name, given.languages):
        if not output.exists():
            if "WORLD_SIZE" in os.environ:
                raise ConfigError("several processes would each write a configuration; write it first "
                                  f"('{request.command(output=output)}'), then train with --config {output}")  # fmt: skip
            return _write(replace(request, output=output), output, given)
        record = read_record(output)
        if record is None:
            if made_by_init(output) and given.named_in(output):
                if os.environ.get("RANK", "0") == "0":
                    print(f"warning: {output} does not note which pairs it was written for, but it names exactly these files: using it",
                          file=sys.stderr)  # fmt: skip
                return output
            raise ConfigError(_unknown(request, output))
        asked = given.record(output.parent, request.hours, record.written)
        if record.same_request(asked):
            _refuse_changed(request, output, record, asked)
            if os.environ.get("RANK", "0") == "0":
                print(_reuse(request, output, record, hours_asked), file=sys.stderr)
            return output
    raise AssertionError("names do not end")


def _possible_names(name: str, languages: tuple[str, str]) -> Iterator[Path]:
    """NAME, NAME-ko-en, NAME-ko-en-2, … as configurations in the current folder."""
    yield Path(f"{name}.yaml")
    directed = f"{name}-{languages[0]}-{languages[1]}"
    yield Path(f"{directed}.yaml")
    number = 2
    while True:
        yield Path(f"{directed}-{number}.yaml")
        number += 1


def _unknown(request: InitRequest, output: Path) -> str:
    """What to say about a configuration of which nothing tells whether it is for these pairs."""
    why = "was written by an earlier version of mt, which did not note for which pairs" if made_by_init(output) else (
        "was not written for --data")
    return (f"{output}: this configuration {why}; train with it ('{command('mt', 'train', '--config', output)}'), or have one for these "
            f"pairs written elsewhere ('{request.command(output=_free_name(output))}')")  # fmt: skip


def _refuse_changed(request: InitRequest, output: Path, then: InitRecord, now: InitRecord) -> None:
    """ConfigError when the pairs, or those that were divided from them, are not as they were when the configuration was written."""
    again = f"'{request.command(output=output, force=True)}', then '{command('mt', 'train', '--config', output, '--restart')}'"
    as_it_is = f"'{command('mt', 'train', '--config', output)}'"
    if then.fingerprint != now.fingerprint:
        raise ConfigError(
            f"{output}: the pairs have changed since it was written ({then.pairs:,} pairs then, {now.pairs:,} now). To train on them as "
            f"they are now: {again}. To go on with the configuration as it is: {as_it_is}"
        )
    if changed := then.changed_files(output):
        raise ConfigError(
            f"{changed[0]}: not as it was when {output} was written. To divide the pairs again: {again}. To train on it as "
            f"it is: {as_it_is}"
        )


def _reuse(request: InitRequest, output: Path, record: InitRecord, hours_asked: float | None) -> str:
    """What to say when a configuration is used again."""
    text = f"using {output}, which was written for these pairs before"
    if hours_asked is not None and hours_asked != record.hours:
        other = request.command(output=_free_name(output), hours=hours_asked)
        text += (f"; its size and number of updates were chosen for {record.hours:g} h, and the schedule is now fitted into "
                 f"{hours_asked:g} h (for a proposal for that time: {other})")  # fmt: skip
    return text


def look_at_machine() -> MachineFacts:
    """What trains here, and how to measure how fast it does."""
    import torch

    from mt.config import ModelConfig, TrainingConfig
    from mt.training.hardware import choose_hardware
    from mt.training.speed import training_speed

    training = TrainingConfig(optimizer="muon", max_tokens=2048)
    hardware = choose_hardware(training)
    threads = torch.get_num_threads()
    cores = f"{threads} core{'s' * (threads != 1)}"
    where = "a GPU" if hardware.device.startswith("cuda") else "this GPU" if hardware.device == "mps" else cores

    def speed(shape: Shape, vocabulary: int) -> float:
        sizes = {"d_model": shape.d_model, "num_heads": shape.num_heads, "d_ff": shape.d_ff}
        model = ModelConfig(**sizes, encoder_layers=shape.layers, decoder_layers=shape.layers, dropout=shape.dropout, norm_position="pre")
        return training_speed(model, vocabulary, training, hardware)

    return MachineFacts(where, speed)


def _name_of(files: Sequence[Path]) -> str:
    """What a configuration for these files is called: their common name without its endings, else that of their folder."""
    stems = {file.name.split(".")[0] for file in files}
    name = stems.pop() if len(stems) == 1 else ""
    if name in ("", "train", "data", "pairs", "corpus"):
        name = files[0].absolute().parent.name or name or "mine"
    return name


@dataclass(frozen=True)
class _Pairs:
    """All training pairs of a request together."""

    origin: str
    sources: Sequence[str]
    targets: Sequence[str]


def _place_splits(
    request: InitRequest, output: Path, pairs: _Pairs, given: Given
) -> tuple[list[str], Division | None, dict[str, str]]:
    """The lines of the data section; where pairs had to be held out, the division and the files they were written to with their hashes."""
    wanted = [split for split in ("valid", "test") if split not in given.corpora]
    if not wanted:
        return [line for split in ("train", "valid", "test") for line in _reference(split, given.corpora[split])], None, {}
    size = min(1000, max(50, len(pairs.sources) // 50))
    measured = [corpus for split, corpora in given.read.items() if split != "train" for corpus in corpora]
    others = [text for corpus in measured for text in (*corpus.sources, *corpus.targets)]
    division = hold_out(pairs.sources, pairs.targets, *(size if split in wanted else 0 for split in ("valid", "test")), others=others)
    parts = {"train": division.train, "valid": division.valid, "test": division.test}
    if any(len(parts[split]) < 10 for split in wanted):
        raise DataError(
            f"{pairs.origin}: hardly any pair is like no other ({len(division.valid) + len(division.test)} found), so none can be held "
            "out to measure on; give pairs of your own with --valid and --test"
        )
    folder = output.with_name(f"{output.stem}-data")
    lines, written = [], {}
    for split in ("train", "valid", "test"):
        if split in given.corpora and split != "train":
            lines += _reference(split, given.corpora[split])
            continue
        path = folder / f"{split}.jsonl"
        _write_pairs(request, output, path, partial(_json_lines, pairs, parts[split], given.languages))
        written[f"{folder.name}/{path.name}"] = file_hash(path)
        reason = {"train": "the rest", "valid": "held out: no side of them occurs in another split", "test": "the same"}[split]
        lines.append(f"{split}: {yaml_scalar(path)}  # {len(parts[split]):,} pairs, {reason}")
    return lines, division, written


def _json_lines(pairs: _Pairs, numbers: numpy.ndarray, languages: tuple[str, str]) -> Iterator[str]:
    """These pairs as JSON Lines, some thousands at a time. numbers: ascending."""
    for first in range(0, len(numbers), SHARD_PAIRS):
        some = numbers[first : first + SHARD_PAIRS]
        for pair in zip(take(pairs.sources, some), take(pairs.targets, some), strict=True):
            yield json.dumps(dict(zip(languages, pair, strict=True)), ensure_ascii=False)


def _write_pairs(request: InitRequest, output: Path, path: Path, lines: Callable[[], Iterator[str]]) -> None:
    """Write pairs, whole or not at all. ConfigError where other content would be lost."""
    try:
        if path.exists() and not request.force and file_hash(path) != _lines_hash(lines()):
            raise ConfigError(
                f"{path}: this file exists and holds something else; move it away, or choose another place: "
                f"{request.command(output=_free_name(output))}"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        write_lines_atomically(path, lines())
    except OSError as error:
        raise MtError(f"{path}: cannot be written ({error.strerror}); choose another place with --output") from error


def _lines_hash(lines: Iterator[str]) -> str:
    """The SHA-256 of a file of these lines."""
    digest = hashlib.sha256()
    for line in lines:
        digest.update(f"{line}\n".encode())
    return digest.hexdigest()


def _reference(split: str, corpora: Sequence[CorpusConfig]) -> list[str]:
    """How a configuration names given corpora."""
    keys = ("file", "source", "target", "source_column", "target_column", "encoding")
    named = [[(key, yaml_scalar(getattr(one, key))) for key in keys if getattr(one, key) is not None] for one in corpora]
    if len(named) == 1 and len(named[0]) == 1:
        return [f"{split}: {named[0][0][1]}"]
    lines = [f"{split}:"]
    for one in named:
        lead = "- " if len(named) > 1 else ""
        for key, value in one:
            lines.append(f"  {lead}{key}: {value}")
            lead = "  " if len(named) > 1 else ""
    return lines


def _some(numbers: numpy.ndarray, most: int = 20_000) -> numpy.ndarray:
    """At most so many of them, evenly over all."""
    return numbers[:: max(1, len(numbers) // most)]
