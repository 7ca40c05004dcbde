"""What `mt check` does: the corpora of a configuration, or files, looked through; findings told, written as JSON, and dealt with."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from mt.config import Config
from mt.config_file import load_config
from mt.data.check import CheckReport, Finding, check_corpora
from mt.data.check_kinds import KEEPABLE, KINDS
from mt.data.clean import Cleaned, write_clean
from mt.data.given_pairs import Asked, given_pairs
from mt.data.lenient import LenientCorpus
from mt.errors import ConfigError, DataError
from mt.files import write_atomically
from mt.output import line_bar, refuse_unwritable, terminal_width
from mt.text_table import cut, text_table, wrap

_MAX_LENGTH = 256
_OF_FILES = ("unreadable", "encoding", "unequal", "malformed")
"""What is counted in files, lines or rows, not in pairs."""


@dataclass(frozen=True)
class CheckRequest:
    """The options of `mt check`."""

    files: Sequence[Path]
    valid: Sequence[Path]
    test: Sequence[Path]
    config: str | None
    overrides: Sequence[str]
    asked: Asked
    """Languages and columns of the files, as far as they were given."""
    fix: Path | None
    """The folder for a clean copy."""
    keep: Sequence[str]
    """Kinds that the copy leaves as they are."""
    json: Path | None


def check(request: CheckRequest) -> int:
    """Look, tell, write. The exit code: 1 when there are errors, else 0."""
    wrong = [kind for kind in request.keep if kind not in KEEPABLE]
    if wrong or (request.keep and request.fix is None):
        what = f"'{wrong[0]}' is none of {', '.join(KEEPABLE)}" if wrong else "it belongs to --fix"
        raise ConfigError(f"--keep: {what}")
    if bool(request.files) == (request.config is not None):
        raise ConfigError("give the files to look through (a table of pairs, or two text files), or --config")
    for place in (request.json, None if request.fix is None else request.fix / "changes.jsonl"):
        refuse_unwritable(place)
    corpora, max_length = _asked(request)
    with line_bar(0, True) as progress:
        report = check_corpora(corpora, max_length, progress)
    _tell(report)
    if request.json is not None:
        write_atomically(request.json, json.dumps(as_json(report), ensure_ascii=True, indent=1) + "\n")
    if request.fix is not None:
        _refuse_unreadable(report, request.fix)
        with line_bar(0, True) as progress:
            cleaned = write_clean(report, request.fix, request.keep, max_length, progress)
        _tell_cleaned(report, cleaned, request.fix)
    return int(any(finding.severity == "error" for finding in report.findings()))


def _refuse_unreadable(report: CheckReport, folder: Path) -> None:
    """DataError where a clean copy would lack a file that could not be read."""
    for finding in report.findings():
        if finding.kind == "unreadable":
            raise DataError(f"--fix {folder}: nothing is written, since a file could not be read. {finding.examples[0].note}")


def corpora_of(config: Config) -> list[LenientCorpus]:
    """All corpora that a configuration names."""
    return [
        LenientCorpus(corpus, split, config.source, config.target)
        for split in ("train", "valid", "test") for corpus in getattr(config.data, split)
    ]  # fmt: skip


def _asked(request: CheckRequest) -> tuple[list[LenientCorpus], int]:
    """The corpora, and data.max_length."""
    if request.config is not None:
        config = load_config(request.config, list(request.overrides))
        return corpora_of(config), config.data.max_length
    train = given_pairs(request.files, request.asked, strict=False)
    known = [None if code in ("source", "target") else code for code in (train.source, train.target)]
    asked = replace(request.asked, source=known[0], target=known[1], columns_must_exist=False)
    found = {"train": train}
    for split, files in (("valid", request.valid), ("test", request.test)):
        if files:
            found[split] = given_pairs(files, asked, f"--{split}", strict=False)
    for pairs in found.values():
        for statement in pairs.guessed:
            print(statement, file=sys.stderr)
    corpora = [LenientCorpus(corpus, split, train.source, train.target) for split, pairs in found.items() for corpus in pairs.corpora]
    return corpora, _MAX_LENGTH


def _tell(report: CheckReport) -> None:
    """Print what was found, the worst first."""
    width = terminal_width()
    margin = " " * (9 if width >= 60 else 2)
    room = width - len(margin)
    rows = [[checked.corpus.split, checked.corpus.names[0], f"{checked.pairs:,}", _counts(checked.findings.values())]
            for checked in report.corpora]  # fmt: skip
    print(text_table(["split", "corpus", "pairs", "found"], rows, numbers_from=2, width=width))
    for finding in report.findings():
        kind, pairs = KINDS[finding.kind], report.corpora[finding.corpus].pairs
        share = f" ({finding.count / pairs:.2%})" if finding.count <= pairs and finding.kind not in _OF_FILES else ""
        name = report.corpora[finding.corpus].corpus.names[0]
        print(f"\n{kind.severity:8} {finding.kind}: {kind.title}: {finding.count:,}{share} in {name}")
        for example in finding.examples:
            shown = "  |  ".join(visible(text) for text in (example.source, example.target) if text)
            where = example.where.removeprefix(f"{name}, ")
            line = f"{visible(where)}: {shown}" if shown else visible(where)
            print(f"{margin}{cut(line, room)}")
            for part in wrap(visible(example.note), room - 2) if example.note else ():
                print(f"{margin}  {part}")
        for part in wrap(f"→ {kind.effect}; {kind.remedy}", room):
            print(f"{margin}{part}")
    found = report.findings()
    print(f"\n{_counts(found)} in {sum(checked.pairs for checked in report.corpora):,} pairs")


def _counts(findings: Sequence[Finding]) -> str:
    """'2 kinds of errors, 1 of warnings'."""
    counts = {severity: sum(finding.severity == severity for finding in findings) for severity in ("error", "warning", "note")}
    parts = [f"{count} {severity}{'s' * (count != 1)}" for severity, count in counts.items() if count]
    return ", ".join(parts) or "nothing"


def visible(text: str) -> str:
    """A text as a terminal may show it: control and invisible characters written out."""
    return "".join(
        character if character.isprintable() else "�" if "\ud800" <= character <= "\udfff" else repr(character)[1:-1] for character in text
    )


def as_json(report: CheckReport) -> dict:
    """All that was found, for programs."""
    return {
        "corpora": [
            {"split": checked.corpus.split, "source": checked.corpus.names[0], "target": checked.corpus.names[1], "pairs": checked.pairs}
            for checked in report.corpora
        ],
        "findings": [
            asdict(finding) | {"severity": finding.severity, "title": KINDS[finding.kind].title, "effect": KINDS[finding.kind].effect,
                               "remedy": KINDS[finding.kind].remedy}
            for finding in report.findings()
        ],
    }  # fmt: skip


def _tell_cleaned(report: CheckReport, cleaned: Sequence[Cleaned], folder: Path) -> None:
    """Print what became of each corpus."""
    rows = []
    for checked, one in zip(report.corpora, cleaned, strict=True):
        out = ", ".join(f"{kind} {count:,}" for kind, count in one.left_out.most_common()) or "nothing"
        rows.append([" + ".join(map(str, one.files)), f"{one.kept:,}", f"{one.changed:,}", out])
        assert one.kept + sum(one.left_out.values()) >= checked.pairs
    print(f"\n{text_table(['clean copy', 'pairs', 'changed', 'left out'], rows, width=terminal_width())}")
    print(f"every line that was left out or changed, and why: {folder / 'changes.jsonl'}", file=sys.stderr)
