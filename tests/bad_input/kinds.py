"""What a kind of bad input is, and the good files that every kind spoils."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

KOREAN = tuple(f"{who} {what} {number}개 {did}." for number in range(2, 10) for who in ("민수는", "지영은", "할머니는")
               for what in ("사과를", "연필을", "의자를") for did in ("샀다", "팔았다"))  # fmt: skip
ENGLISH = tuple(f"{who} {did} {number} {what}." for number in range(2, 10) for who in ("Minsu", "Jiyeong", "Grandmother")
                for what in ("apples", "pencils", "chairs") for did in ("bought", "sold"))  # fmt: skip
"""Pairs that are good: 144 of them, whose order is the same on both sides."""

CONFIG = """\
name: bad
source: ko
target: en
data:
  train:
    source: {source}
    target: {target}
  valid:
    source: valid.ko
    target: valid.en
tokenizer:
  vocab_size: 150
  byte_fallback: false
model:
  d_model: 16
  num_heads: 2
  d_ff: 16
  encoder_layers: 1
  decoder_layers: 1
training:
  max_steps: 2
  validate_every: 2
  save_every: 1
  validate_sentences: 2
  max_tokens: 500
  device: cpu
  precision: fp32
"""


@dataclass(frozen=True)
class Place:
    """A folder of its own for one kind, with good files in it; the current directory of the command."""

    folder: Path
    good_run: Path
    """A finished run to be copied."""

    def write(self, name: str, content: str | bytes) -> Path:
        """A file here; text as UTF-8."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return path

    def lines(self, name: str, lines: list[str] | tuple[str, ...], encoding: str = "utf-8") -> Path:
        """A text file here, a sentence a line."""
        return self.write(name, "".join(f"{line}\n" for line in lines).encode(encoding))

    def corpus(self) -> None:
        """Good files for training and validation."""
        self.lines("train.ko", KOREAN[:120])
        self.lines("train.en", ENGLISH[:120])
        self.lines("valid.ko", KOREAN[120:])
        self.lines("valid.en", ENGLISH[120:])

    def config(self, source: str = "train.ko", target: str = "train.en", change: Callable[[str], str] = str) -> None:
        """The configuration bad.yaml for these files; change: of its text."""
        self.write("bad.yaml", change(CONFIG.format(source=source, target=target)))

    def training(self, *more: str) -> list[str]:
        """Train by bad.yaml."""
        return ["train", "--config", "bad.yaml", *more]

    def table(self, name: str, content: str | bytes, *more: str) -> list[str]:
        """Train by a configuration whose pairs stand in a table."""
        self.write(name, content)
        old = "    source: train.ko\n    target: train.en\n"
        self.config(change=lambda text: text.replace(old, f"    file: {name}\n{''.join(f'    {line}{chr(10)}' for line in more)}"))
        return self.training()

    def run(self, name: str = "run") -> Path:
        """A copy of the finished run."""
        return Path(shutil.copytree(self.good_run, self.folder / "runs" / name))


@dataclass(frozen=True)
class Kind:
    """One kind of bad input."""

    group: str
    name: str
    korean: str
    prepare: Callable[[Place], list[str]]
    """Makes the files and gives the arguments of `mt`."""
    says: tuple[str, ...]
    """What the message must contain: the file, line or key, the value, the next thing to do."""
    exit_code: int = 2


KINDS: list[Kind] = []


def kind(group: str, name: str, korean: str, *says: str, exit_code: int = 2) -> Callable:
    """Enter a function that makes such input into KINDS."""

    def enter(prepare: Callable[[Place], list[str]]) -> Callable[[Place], list[str]]:
        assert says, name
        KINDS.append(Kind(group, name, korean, prepare, says, exit_code))
        return prepare

    return enter
