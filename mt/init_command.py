"""What `mt init` does: files of sentence pairs become a configuration with a reason beside every value, and pairs to measure on."""

import csv
import json
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mt.config import CorpusConfig
from mt.config_fields import TABLE_ENDINGS
from mt.config_file import load_config, yaml_scalar
from mt.data.corpus import Corpus, read_corpus
from mt.data.encodings import text_blocks
from mt.data.held_out import Division, hold_out
from mt.errors import ConfigError, DataError, MtError
from mt.files import write_atomically, write_lines_atomically
from mt.output import refuse_unwritable, terminal_width
from mt.proposal import MachineFacts, Shape, as_yaml, corpus_facts, propose
from mt.runs import shown
from mt.text_table import text_table

_LEAST_PAIRS = 200
"""With fewer there is nothing to learn from once some are held out."""
_MADE_BY = "Written by mt init"


@dataclass(frozen=True)
class InitRequest:
    """The options of `mt init`."""

    files: Sequence[Path]
    """One table of pairs, or two parallel text files."""
    source: str | None
    target: str | None
    valid: Sequence[Path]
    test: Sequence[Path]
    output: Path | None
    hours: float
    force: bool
    """Replace a configuration that exists."""


def write_proposal(request: InitRequest) -> Path:
    """Write the configuration, and the divided pairs where some had to be held out; print what was chosen. The configuration's path."""
    output = request.output or Path(f"{_name_of(request.files)}.yaml")
    if output.suffix not in (".yaml", ".yml"):
        raise ConfigError(f"--output {output}: a configuration is a .yaml file")
    refuse_unwritable(output)
    if output.exists() and not request.force:
        raise ConfigError(f"{output}: there is a configuration already; train with it ('mt train --config {output}'), "
                          "choose another place with --output, or replace it with --force")  # fmt: skip
    corpus_config(request.files, "pairs")
    source, target = languages_of(request)
    corpus = _read(request.files, "train", source, target)
    given = {split: _read(files, split, source, target) for split, files in (("valid", request.valid), ("test", request.test)) if files}
    if len(corpus) < _LEAST_PAIRS:
        raise DataError(f"{corpus.origin}: {len(corpus)} pairs are too few to learn to translate from; at least {_LEAST_PAIRS} are needed")
    data, division = _place_splits(request, output, corpus, given, (source, target))
    train = division.train if division is not None else range(len(corpus))
    facts = corpus_facts(*([side[int(at)] for at in _some(train)] for side in (corpus.sources, corpus.targets)), len(train))
    machine = look_at_machine()
    settings = propose(facts, machine, request.hours)
    head = [
        "yaml-language-server: $schema=schema.json", "",
        f"{_MADE_BY} for {corpus.origin}: {len(corpus):,} pairs, on {machine.description}.",
        "Every value is a proposal with its reason; change what you know better. `mt config explain KEY` tells more.",
    ]  # fmt: skip
    text = as_yaml(head, [("name", json.dumps(output.stem, ensure_ascii=False)), ("source", source), ("target", target)], data, settings)
    write_atomically(output, text)
    load_config(output)  # what is proposed must be a configuration
    rows = [[setting.key, yaml_scalar(setting.value), setting.reason] for setting in settings]
    print(text_table(["setting", "value", "because"], rows, width=terminal_width()))
    print(f"written to {shown(output)}; train with: mt train --config {shown(output)}")
    return output


def config_for(files: Sequence[Path], hours: float) -> Path:
    """The configuration of `mt train --data FILES`: the one that `mt init` wrote for them before, or a new one."""
    output = Path(f"{_name_of(files)}.yaml")
    if output.is_file():
        if _MADE_BY not in output.read_text(encoding="utf-8", errors="replace"):
            raise ConfigError(
                f"{output}: this configuration was not written for --data; train with it ('mt train --config {output}'), or move it"
            )
        if os.environ.get("RANK", "0") == "0":
            print(f"using {output}, which was written for these pairs before", file=sys.stderr)
        return output
    if "WORLD_SIZE" in os.environ:
        raise ConfigError("several processes would each write a configuration; write it first ('mt init FILES'), then train with --config")
    return write_proposal(InitRequest(files, None, None, (), (), output, hours, force=False))


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


def _is_table(file: Path) -> bool:
    return file.name.lower().endswith(TABLE_ENDINGS)


def corpus_config(files: Sequence[Path], what: str) -> CorpusConfig:
    """One table, or two text files. ConfigError for anything else."""
    if len(files) == 1 and _is_table(files[0]):
        return CorpusConfig(file=files[0])
    if len(files) == 2 and not any(map(_is_table, files)):
        return CorpusConfig(source=files[0], target=files[1])
    raise ConfigError(
        f"{what}: {' '.join(map(str, files))}: give one table of pairs ({', '.join(TABLE_ENDINGS[:5])}), or two text files, "
        "the source side first"
    )


def _read(files: Sequence[Path], split: str, source: str, target: str) -> Corpus:
    """The pairs of one split."""
    return read_corpus(corpus_config(files, split), split, source, target, key=f"data.{split}")


def languages_of(request: InitRequest, needed: bool = True) -> tuple[str | None, str | None]:
    """As asked, else as the files' endings or the table's header say. needed: ConfigError where neither does; else None."""
    found = (request.source, request.target)
    if None in found:
        codes = _codes_of(request.files)
        found = (request.source or codes[0], request.target or codes[1])
    for option, code in zip(("--source", "--target"), found, strict=True):
        if code is not None and not _is_code(code):
            raise ConfigError(
                f"{option}: '{code}' is not a language code: two or three lower-case letters, perhaps with a region (ko, en, pt-br)"
            )
    missing = [name for name, code in zip(("--source", "--target"), found, strict=True) if code is None]
    if missing and needed:
        raise ConfigError(
            f"{request.files[0]}: neither endings nor a header say which languages these are; add --source and --target, such as "
            "--source ko --target en"
        )
    return found


def _codes_of(files: Sequence[Path]) -> tuple[str | None, str | None]:
    """Language codes from `train.ko train.en`, or from a table's two columns that are called like languages."""
    if len(files) == 2:
        endings = [file.name.removesuffix(".gz").split(".")[-1] for file in files]
        return tuple(ending if _is_code(ending) else None for ending in endings)
    columns = [name for name in _columns(files[0]) if _is_code(name)]
    return (columns[0], columns[1]) if len(columns) == 2 else (None, None)


def _is_code(text: str) -> bool:
    return re.fullmatch(r"[a-z]{2,3}(-[a-z0-9]{2,8})?", text) is not None and text not in ("txt", "src", "tgt", "ref", "raw", "tok")


def _columns(file: Path) -> list[str]:
    """The names in the first row or object of a table; none for Parquet, which need not be text."""
    name = file.name.lower().removesuffix(".gz")
    if name.endswith(".parquet"):
        import pyarrow.parquet

        try:
            return pyarrow.parquet.read_schema(file).names
        except (OSError, pyarrow.ArrowInvalid):
            return []
    first = next(iter(text_blocks(file)), "").split("\n", 1)[0].strip()
    if name.endswith((".jsonl", ".json")):
        try:
            row = json.loads(first.lstrip("[").rstrip(","))
        except ValueError:
            return []
        return [*row] if isinstance(row, dict) else []
    return next(csv.reader([first], delimiter="\t" if name.endswith(".tsv") else ","), [])


def _place_splits(
    request: InitRequest, output: Path, corpus: Corpus, given: dict[str, Corpus], languages: tuple[str, str]
) -> tuple[list[str], Division | None]:
    """The lines of the data section, and the division where pairs had to be held out: they are then written beside the configuration."""
    files = {"train": request.files, "valid": request.valid, "test": request.test}
    wanted = [split for split in ("valid", "test") if split not in given]
    if not wanted:
        return [line for split in files for line in _reference(split, files[split])], None
    size = min(1000, max(50, len(corpus) // 50))
    others = [text for other in given.values() for text in (*other.sources, *other.targets)]
    division = hold_out(corpus.sources, corpus.targets, *(size if split in wanted else 0 for split in ("valid", "test")), others=others)
    parts = {"train": division.train, "valid": division.valid, "test": division.test}
    if any(len(parts[split]) < 10 for split in wanted):
        raise DataError(
            f"{corpus.origin}: hardly any pair is like no other ({len(division.valid) + len(division.test)} found), so none can be held "
            "out to measure on; give pairs of your own with --valid and --test"
        )
    folder = output.with_name(f"{output.stem}-data")
    lines = []
    for split in files:
        if split in given:
            lines += _reference(split, files[split])
            continue
        path = folder / f"{split}.jsonl"
        _write_pairs(path, corpus, parts[split], languages)
        reason = {"train": "the rest", "valid": "held out: no side of them stands in another split", "test": "the same"}[split]
        lines.append(f"{split}: {json.dumps(str(path), ensure_ascii=False)}  # {len(parts[split]):,} pairs, {reason}")
    return lines, division


def _write_pairs(path: Path, corpus: Corpus, numbers: Sequence[int], languages: tuple[str, str]) -> None:
    """These pairs as JSON Lines, whole or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_lines_atomically(
            path,
            (
                json.dumps(dict(zip(languages, (corpus.sources[int(at)], corpus.targets[int(at)]), strict=True)), ensure_ascii=False)
                for at in numbers
            ),
        )
    except OSError as error:
        raise MtError(f"{path}: cannot be written ({error.strerror}); choose another place with --output") from error


def _reference(split: str, files: Sequence[Path]) -> list[str]:
    """How a configuration names given files."""
    quoted = [json.dumps(str(file).replace("$", "$$"), ensure_ascii=False) for file in files]
    if len(quoted) == 1:
        return [f"{split}: {quoted[0]}"]
    return [f"{split}:", f"  source: {quoted[0]}", f"  target: {quoted[1]}"]


def _some(numbers: Sequence[int], most: int = 20_000) -> Sequence[int]:
    """At most so many of them, evenly over all."""
    return numbers[:: max(1, len(numbers) // most)]
