"""What is wrong with single pairs: a block of lines in, for each kind the pairs it is found in. No file is read, nothing remembered.

A block is looked at as one text wherever that is possible: a million pairs are a few hundred searches, not millions.
"""

import hashlib
import re
import unicodedata
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy

from mt.data import characters
from mt.data.alignment import Anchors, Shifted, anchors, shifted_runs

RECORD = numpy.dtype([("source", "u8"), ("target", "u8"), ("exact", "u8"), ("place", "u8")])
"""What is remembered of a pair: hashes of its sides where look does not count, of the pair as it stands, and where it is."""
_NO_KEY = numpy.uint64(0)


@dataclass(frozen=True)
class Rules:
    """What is looked for in the pairs of one corpus."""

    source_script: str | None
    """A key of characters.SCRIPTS; None: not known, so not looked at."""
    target_script: str | None
    most_characters: int
    """A side that is longer will be left out of training."""
    middle: float = 0.0
    """The usual log(target length / source length), in characters; …"""
    spread: float = 0.3
    """… and the usual distance from it."""


@dataclass
class BlockReport:
    """What was found in a block."""

    hits: dict[str, numpy.ndarray] = field(default_factory=dict)
    """For each kind the pairs, counted from 0 in the block, ascending."""
    records: numpy.ndarray = field(default_factory=lambda: numpy.empty(0, RECORD))
    """One for each pair with text on both sides."""
    runs: list[Shifted] = field(default_factory=list)
    """Where a shifted pairing fits better."""
    distances: tuple[float, float, int] = (0.0, 0.0, 0)
    """Summed distance of log length ratios from their median: as paired, paired at random, and of how many."""
    exchanged: int = 0
    """Pairs whose sides are each in the other's script."""


def check_block(sources: Sequence[str], targets: Sequence[str], rules: Rules, align: bool = True) -> BlockReport:
    """Look at pairs that stand one after another. align: also where a shifted pairing fits better."""
    report = BlockReport()
    hits: dict[str, set[int]] = {}
    sides = [_Lines(sources), _Lines(targets)]
    empty = sides[0].empty | sides[1].empty
    if empty:
        hits["empty"] = empty
    for side in sides:
        for number in side.matching(characters.SUSPICIOUS):
            for kind, pattern in _PATTERNS:
                if pattern.search(side.lines[number]):
                    hits.setdefault(kind, set()).add(number)
        for kind, pattern in (("repetition", characters.REPEATED), ("spaces", characters.SPACES)):
            if found := side.matching(pattern):
                hits.setdefault(kind, set()).update(found)
    hits["copy"] = {number for number, (source, target) in enumerate(zip(sources, targets, strict=True)) if source == target} - empty
    report.exchanged = _look_at_scripts(sides, rules, hits, empty)
    lengths = [side.lengths() for side in sides]
    hits["long"] = {*numpy.flatnonzero((lengths[0] > rules.most_characters) | (lengths[1] > rules.most_characters)).tolist()}
    ratio = numpy.log1p(lengths[1]) - numpy.log1p(lengths[0])
    far = numpy.abs(ratio - rules.middle) > max(1.1, 5.0 * rules.spread)
    far &= numpy.abs(lengths[1] - lengths[0] * numpy.exp(rules.middle)) > 20
    hits["ratio"] = {*numpy.flatnonzero(far).tolist()} - empty
    numbers = [side.numbers() for side in sides]
    hits["numbers"] = {
        at for at in numbers[0].keys() & numbers[1].keys() if not (numbers[0][at] <= numbers[1][at] or numbers[1][at] <= numbers[0][at])
    }
    report.hits = {kind: numpy.array(sorted(found), dtype=numpy.int64) for kind, found in hits.items() if found}
    report.records = _records(sides)
    if align and len(sources) > 20:
        both = [_anchors(side, found) for side, found in zip(sides, numbers, strict=True)]
        report.runs = shifted_runs(*both)
        report.distances = _distances(*both)
    return report


_PATTERNS = (
    ("bytes", characters.UNDECODABLE), ("nul", characters.NUL), ("control", characters.CONTROL), ("invisible", characters.INVISIBLE),
    ("replaced", characters.REPLACEMENT), ("return", characters.RETURN), ("html", characters.HTML), ("mojibake", characters.MOJIBAKE),
    ("nfd", characters.DECOMPOSED), ("width", characters.HALF_WIDTH),
)  # fmt: skip


class _Lines:
    """One side of a block, as lines and as one text."""

    def __init__(self, lines: Sequence[str]):
        self.lines = lines
        self.text = "\n".join(lines)
        self.begins = numpy.cumsum([0, *(len(line) + 1 for line in lines[:-1])]) if lines else numpy.empty(0, int)
        self.empty = {number for number, line in enumerate(lines) if not line or line.isspace()}

    def lengths(self) -> numpy.ndarray:
        """Of the lines, in characters."""
        return numpy.diff(numpy.append(self.begins, len(self.text) + 1)) - 1.0

    def at(self, positions: Sequence[int]) -> numpy.ndarray:
        """The lines that these characters of the text belong to."""
        return numpy.searchsorted(self.begins, positions, side="right") - 1

    def matching(self, pattern: re.Pattern[str]) -> set[int]:
        """The lines in which a pattern is found."""
        positions = [found.start() for found in pattern.finditer(self.text)]
        return set(self.at(positions).tolist()) if positions else set()

    def numbers(self) -> dict[int, frozenset[str]]:
        """For each line with numbers, those; separators inside them do not count."""
        found = [(match.start(), match[0]) for match in characters.NUMBER.finditer(self.text)]
        if not found:
            return {}
        by_line: dict[int, set[str]] = {}
        for line, (_, number) in zip(self.at([position for position, _ in found]).tolist(), found, strict=True):
            by_line.setdefault(line, set()).add(number.replace(",", "").replace(".", ""))
        return {line: frozenset(numbers) for line, numbers in by_line.items()}


def _look_at_scripts(sides: Sequence[_Lines], rules: Rules, hits: dict[str, set[int]], empty: set[int]) -> int:
    """Lines without letters, in another script than their language's, with letters of the other side's; how many pairs are exchanged."""
    scripts = (rules.source_script, rules.target_script)
    foreign: list[set[int]] = []
    for side, script in zip(sides, scripts, strict=True):
        if script is None:
            foreign.append(set())
            continue
        without = side.matching(re.compile(f"^[^\n{characters.SCRIPTS[script]}]+$", re.MULTILINE)) - empty
        lettered = {number for number in without if characters.ANY_LETTER.search(side.lines[number])}
        hits.setdefault("letterless", set()).update(without - lettered)
        hits.setdefault("script", set()).update(lettered)
        foreign.append(lettered)
    if None in scripts or scripts[0] == scripts[1]:
        return 0
    own = characters.letters(scripts[0])
    if scripts[0] != "Latin":
        hits["untranslated"] = sides[1].matching(own) - hits["script"]
    other = characters.letters(scripts[1])
    return sum(
        bool(other.search(sides[0].lines[number]) and own.search(sides[1].lines[number])) for number in foreign[0] & foreign[1]
    )


def keys(lines: Sequence[str]) -> list[str]:
    """What is left of each sentence when its look does not count: letters and digits, NFKC, lower case; itself where there are none."""
    text = unicodedata.normalize("NFKC", "\n".join(lines)).casefold()
    found = characters.without_look(text).split("\n")
    if len(found) != len(lines):  # a line feed in disguise
        return [characters.comparison_key(line) for line in lines]
    return [key or line.strip() for key, line in zip(found, lines, strict=True)]


def hash_of(text: str) -> int:
    """64 bits of a text; never 0."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little") or 1


def _records(sides: Sequence[_Lines]) -> numpy.ndarray:
    """Of all pairs; `place` is the number in the block. A pair with an empty side has no keys (0)."""
    sources, targets = (keys(side.lines) for side in sides)
    count = len(sources)
    records = numpy.zeros(count, RECORD)
    records["source"] = numpy.fromiter((hash_of(key) if key else 0 for key in sources), dtype=numpy.uint64, count=count)
    records["target"] = numpy.fromiter((hash_of(key) if key else 0 for key in targets), dtype=numpy.uint64, count=count)
    exact = (hash_of(f"{source}\n{target}") for source, target in zip(sides[0].lines, sides[1].lines, strict=True))
    records["exact"] = numpy.fromiter(exact, dtype=numpy.uint64, count=count)
    records["place"] = numpy.arange(count)
    return records[(records["source"] != _NO_KEY) & (records["target"] != _NO_KEY)]


def _anchors(side: _Lines, numbers: dict[int, frozenset[str]]) -> Anchors:
    hashes = numpy.zeros(len(side.lines), dtype=numpy.uint64)
    for line, found in numbers.items():
        hashes[line] = zlib.crc32(" ".join(sorted(found)).encode()) + 1
    return anchors(side.lines, hashes)


def _distances(source: Anchors, target: Anchors) -> tuple[float, float, int]:
    """See BlockReport.distances."""
    shuffled = numpy.random.default_rng(0).permutation(target.length)
    sums = [float(numpy.abs(ratio - numpy.median(ratio)).sum()) for ratio in (target.length - source.length, shuffled - source.length)]
    return sums[0], sums[1], len(shuffled)
