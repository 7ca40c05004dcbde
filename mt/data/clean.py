"""A clean copy of corpora that were looked through, and a list of what went where: every line read is in one of the two.

What is left out of training because it is among the validation and test pairs, or occurs before, is known from the check; what a pair shows
alone is found again. Validation and test corpora lose only what is an error: bytes that are no text, empty sides, lines without a partner
and runs of shifted lines; a test set with fewer lines is a different test set.
"""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TextIO

import numpy

from mt.data.characters import MOJIBAKE, cleaned, mended
from mt.data.check import CheckReport, workers
from mt.data.check_kinds import KINDS
from mt.data.lenient import LenientCorpus
from mt.errors import DataError


@dataclass
class Cleaned:
    """What became of one corpus."""

    files: list[Path]
    kept: int = 0
    changed: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    """Pairs, rows and lines that are not in the copy, by the first kind that told against them."""


def write_clean(
    report: CheckReport, folder: Path, keep: Sequence[str], max_length: int, progress: Callable[[int], None] | None = None
) -> list[Cleaned]:
    """Write the copies and `changes.jsonl` into a folder that must not hold anything yet. keep: kinds that are left as they are.

    Two text files give two text files, everything else JSON Lines. DataError when the folder is not empty or cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"--fix {folder}: there is something already; name a folder that is empty or does not exist")
    done = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _Parts() as parts, workers(None, align=False) as look:
            changes = parts.open(folder / "changes.jsonl")
            for number, checked in enumerate(report.corpora):
                dropped = {kind: lines[number] for kind, lines in report.drop.items() if kind not in keep}
                swap = "swapped" in checked.findings and "swapped" not in keep
                writer = _Writer(checked.corpus, folder, parts, changes, keep, dropped, swap)
                writer.copy(look, max_length, progress)
                done.append(writer.cleaned)
    except OSError as error:
        raise DataError(f"--fix {folder}: cannot be written ({error.strerror}); free some space or choose another place") from None
    return done


class _Parts(ExitStack):
    """Files that get their names together, when all are whole."""

    def __init__(self) -> None:
        super().__init__()
        self._paths: list[Path] = []

    def free(self, path: Path) -> Path:
        """The path, or where another corpus has it, with a number: pairs-2.jsonl."""
        number, wanted = 1, path
        while path in self._paths:
            number += 1
            path = wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}")
        return path

    def open(self, path: Path) -> TextIO:
        """A text file that is called `path` in the end."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._paths.append(path)
        return self.enter_context(path.with_name(f".{path.name}.part").open("w", encoding="utf-8", newline="\n"))

    def __exit__(self, kind: type | None, *rest: object) -> None:
        super().__exit__(kind, *rest)
        for path in self._paths:
            part = path.with_name(f".{path.name}.part")
            if kind is None:
                os.replace(part, path)
            else:
                part.unlink(missing_ok=True)


class _Writer:
    """Copies one corpus."""

    def __init__(
        self, corpus: LenientCorpus, folder: Path, parts: _Parts, changes: TextIO, keep: Sequence[str],
        dropped: dict[str, numpy.ndarray], swap: bool,
    ):  # fmt: skip
        self._corpus, self._changes, self._dropped, self._swap = replace(corpus), changes, dropped, swap
        training = corpus.split == "train"
        keep = [*keep, "script", "untranslated"] if swap else keep
        kinds = [kind for kind, what in KINDS.items() if what.fix and kind not in keep and (training or what.severity == "error")]
        self._drop = [kind for kind in kinds if KINDS[kind].fix == "drop"]
        self._change = [kind for kind in kinds if KINDS[kind].fix == "change"]
        config = corpus.config
        place = folder / corpus.split / Path(config.label.replace("..", "_")).name if config.source is None else folder / corpus.split
        if config.source is not None:
            below = place / config.label.split("/")[0].replace("..", "_")
            files = [below / path.name.removesuffix(".gz") for path in (config.source, config.target)]
            if files[0] == files[1]:
                files = [file.with_name(f"{file.name}.{side}") for file, side in zip(files, ("source", "target"), strict=True)]
        else:
            files = [place.with_name(f"{place.name}.jsonl")]
        files = [parts.free(file) for file in files]
        self.cleaned = Cleaned(files)
        self._files = [parts.open(file) for file in files]

    def copy(self, look: Callable, max_length: int, progress: Callable[[int], None] | None) -> None:
        """All pairs, in order."""
        from mt.data.check import rules_for

        for block, found in look(self._corpus.blocks(), lambda first: rules_for(self._corpus, max_length, first)):
            against: dict[int, list[str]] = {}
            for kind in (*self._drop, *self._change):
                for at in found.hits.get(kind, ()):
                    against.setdefault(int(at), []).append(kind)
            for kind, lines in self._dropped.items():
                for at in numpy.flatnonzero(numpy.isin(numpy.asarray(block.lines), lines)).tolist():
                    against.setdefault(at, []).append(kind)
            for at, pair in enumerate(zip(block.sources, block.targets, strict=True)):
                self._put(block.lines[at], pair, against.get(at, ()))
            if progress is not None:
                progress(len(block.lines))
        if self._swap:
            self._note(0, "exchanged source and target of every pair", ["swapped"])
        for problem in self._corpus.problems:
            if problem.kind == "malformed":
                self._leave_out(problem.line, ("malformed",), problem.row or problem.text)
            elif problem.kind == "unequal":
                for line, text in self._corpus.surplus():
                    self._leave_out(line, ("unequal",), text)
            else:
                self._note(0, problem.text, [problem.kind])

    def _put(self, line: int, pair: tuple[str, str], kinds: Iterable[str]) -> None:
        """One pair: as it is, changed, or only in the list."""
        kinds = list(kinds)
        if any(kind in self._drop or kind in self._dropped for kind in kinds):
            self._leave_out(line, kinds, *pair)
            return
        new = pair
        if kinds:
            new = tuple(self._changed(side) for side in pair)
            becomes_copy = new[0] == new[1] and pair[0] != pair[1] and "copy" in self._drop
            if not all(new) or becomes_copy:
                self._leave_out(line, [*kinds, *["copy"] * becomes_copy], *pair)
                return
            self._note(line, "changed", kinds, *pair)
            self.cleaned.changed += 1
        self.cleaned.kept += 1
        sides = new[::-1] if self._swap else new
        if len(self._files) == 2:
            for file, text in zip(self._files, sides, strict=True):
                file.write(f"{text}\n")
        else:
            languages = (self._corpus.source_language, self._corpus.target_language)
            self._files[0].write(json.dumps(dict(zip(languages, sides, strict=True)), ensure_ascii=False) + "\n")

    def _changed(self, text: str) -> str:
        """Mended; "" where that does not succeed."""
        if "mojibake" in self._change and MOJIBAKE.search(text):
            text = mended(text) or ""
        return cleaned(text)

    def _leave_out(self, line: int, kinds: Sequence[str], *sides: str) -> None:
        self.cleaned.left_out[kinds[0]] += 1
        self._note(line, "left out", kinds, *sides)

    def _note(self, line: int, what: str, kinds: Sequence[str], *sides: str) -> None:
        """A line of the list, with the sides as they were."""
        entry = {"corpus": self._corpus.names[0], "line": line, "what": what, "kinds": list(kinds), "was": list(sides)}
        text = json.dumps(entry, ensure_ascii=any("\ud800" <= character <= "\udfff" for side in sides for character in side))
        self._changes.write(f"{text}\n")
