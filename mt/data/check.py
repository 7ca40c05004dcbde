"""Look through corpora before they are trained on: everything that is wrong, with how often, where, and three examples.

The pairs are read in blocks (lenient.py), looked at by one process a core (pair_checks.py), and what repeats among all corpora is found on
disk (check_store.py), so that memory does not grow with the corpora.
"""

import multiprocessing
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain

import numpy

from mt.data.alignment import anchors, spread
from mt.data.characters import script_of
from mt.data.check_kinds import KINDS, Severity
from mt.data.check_store import PairStore, place, unpacked
from mt.data.lenient import Block, LenientCorpus
from mt.data.pair_checks import BlockReport, Rules, check_block

MOST_EXAMPLES = 3
_CHARACTERS_PER_TOKEN = 4
_SWAPPED_SHARE = 0.5
_UNRELATED = 0.93
_MOSTLY = 0.7
_LEAST_FOR_UNRELATED = 200


@dataclass
class Example:
    """One place where something was found."""

    where: str
    """File and line."""
    source: str = ""
    target: str = ""
    note: str = ""
    """Where its counterpart stands, or what is wrong."""


@dataclass
class Finding:
    """One kind of thing in one corpus."""

    kind: str
    corpus: int
    """The number of the corpus in the order given."""
    count: int = 0
    examples: list[Example] = field(default_factory=list)

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return KINDS[self.kind].severity


@dataclass
class Checked:
    """One corpus, looked through."""

    corpus: LenientCorpus
    pairs: int
    findings: dict[str, Finding]


@dataclass
class CheckReport:
    """All corpora, looked through, and what --fix needs to know of them."""

    corpora: list[Checked]
    drop: dict[str, list[numpy.ndarray]] = field(default_factory=dict)
    """For the kinds that no pair shows alone (duplicate, leak, leak-alike, shifted), for each corpus the lines, ascending."""

    def findings(self) -> list[Finding]:
        """The worst first; of one kind, in the order of the corpora."""
        order = list(KINDS)
        found = [finding for checked in self.corpora for finding in checked.findings.values()]
        return sorted(found, key=lambda finding: (order.index(finding.kind), finding.corpus))


def rules_for(corpus: LenientCorpus, max_length: int, first: Block | None) -> Rules:
    """What is looked for in a corpus; first: its first pairs, which tell the usual length ratio."""
    return rules_from(script_of(corpus.source_language), script_of(corpus.target_language), max_length, first)


def rules_from(source_script: str | None, target_script: str | None, max_length: int, first: Block | None) -> Rules:
    """The same for scripts of characters.SCRIPTS."""
    rules = Rules(source_script, target_script, most_characters=_CHARACTERS_PER_TOKEN * max_length)
    if first is None or len(first.sources) < 50:
        return rules
    none = numpy.zeros(len(first.sources), dtype=numpy.uint64)
    middle, distance = spread(anchors(first.sources, none), anchors(first.targets, none))
    return replace(rules, middle=middle, spread=distance)


def check_corpora(
    corpora: Sequence[LenientCorpus], max_length: int, progress: Callable[[int], None] | None = None, processes: int | None = None
) -> CheckReport:
    """Look through all corpora. max_length: data.max_length, in tokens. progress: called with the number of pairs just read."""
    report = CheckReport([])
    shifted: list[list[numpy.ndarray]] = []
    with PairStore() as store, workers(processes) as look:
        for number, corpus in enumerate(corpora):
            checked, runs = _check_one(number, corpus, max_length, store, look, progress)
            report.corpora.append(checked)
            shifted.append(runs)
        drop = {kind: [[] for _ in corpora] for kind in ("duplicate", "leak")}
        _find_repeated(store, report, drop)
    report.drop = {kind: [_joined(parts) for parts in each] for kind, each in {**drop, "shifted": shifted}.items()}
    _show_lines(report)
    return report


def _check_one(
    number: int, corpus: LenientCorpus, max_length: int, store: PairStore, look: Callable, progress: Callable[[int], None] | None
) -> tuple[Checked, list[numpy.ndarray]]:
    """All that its pairs show, and the lines of shifted runs."""
    checked = Checked(corpus, 0, {})
    sums, exchanged, shifted = [0.0, 0.0, 0], 0, []
    for block, found in look(corpus.blocks(), lambda first: rules_for(corpus, max_length, first)):
        lines = numpy.asarray(block.lines)
        checked.pairs += len(lines)
        exchanged += found.exchanged
        sums = [total + more for total, more in zip(sums, found.distances, strict=True)]
        for kind, hits in found.hits.items():
            _note(checked, number, kind, len(hits), ((lines[at], block.sources[at], block.targets[at], "") for at in hits))
        for run in found.runs:
            first, last = lines[run.first], lines[run.last]
            moved = f"source line {first} fits target line {first + run.shift}, and so on to line {last}"
            example = (first, block.sources[run.first], block.targets[run.first], moved)
            _note(checked, number, "shifted", run.last - run.first + 1, [example])
            shifted.append(lines[run.first : run.last + 1])
        records = found.records
        records["place"] = place(number, lines[records["place"].astype(numpy.int64)])
        store.add(records)
        if progress is not None:
            progress(len(lines))
    for problem in corpus.problems:
        finding = checked.findings.setdefault(problem.kind, Finding(problem.kind, number))
        finding.count += problem.count
        if len(finding.examples) < MOST_EXAMPLES:
            finding.examples.append(Example(problem.where, note=problem.text))
    if exchanged > _SWAPPED_SHARE * checked.pairs:
        finding = checked.findings["swapped"] = Finding("swapped", number, exchanged)
        finding.examples = checked.findings.pop("script").examples
        checked.findings.pop("untranslated", None)
    moved = checked.findings.get("shifted", Finding("shifted", number)).count
    if sounds_unrelated(sums) and moved < _MOSTLY * checked.pairs:  # of lines at random some fit a neighbour better
        checked.findings.pop("shifted", None)
        shifted.clear()
        checked.findings["unrelated"] = Finding("unrelated", number, checked.pairs, [
            Example(corpus.names[0], note="lines of one side are as unlike the other's in length as lines paired at random"),
        ])  # fmt: skip
    return checked, shifted


def sounds_unrelated(sums: Sequence[float]) -> bool:
    """Whether lengths say that sides are no translations of each other; sums: BlockReport.distances, added up.

    Where all lines are about equally long, lengths say nothing.
    """
    paired, at_random, count = sums
    return count >= _LEAST_FOR_UNRELATED and paired > _UNRELATED * at_random and at_random > 0.1 * count


def _note(checked: Checked, number: int, kind: str, count: int, places: Iterable[tuple[int, str, str, str]]) -> None:
    """More of one kind in a corpus."""
    finding = checked.findings.setdefault(kind, Finding(kind, number))
    finding.count += count
    for line, source, target, note in places:
        if len(finding.examples) >= MOST_EXAMPLES:
            break
        finding.examples.append(Example(f"{checked.corpus.names[0]}, line {line}", source, target, note))


def _find_repeated(store: PairStore, report: CheckReport, drop: dict[str, list[list[numpy.ndarray]]]) -> None:
    """Duplicates, leaks and sources with many targets, as findings; examples still without their texts."""
    held_out = [checked.corpus.split != "train" for checked in report.corpora]
    wanted: dict[tuple[str, int], list[tuple[int, int, int]]] = {}
    for found in store.repeated(held_out):
        for kind, where, counterparts in (
            ("duplicate", found.again, found.first), ("leak", found.leaked, found.leaked_from),
            ("leak-alike", found.alike, found.alike_to), ("leak-source", found.known_source, found.known_from),
            ("ambiguous", found.ambiguous, found.targets),
        ):  # fmt: skip
            numbers, lines = unpacked(where)
            for number in numpy.unique(numbers).tolist():
                finding = report.corpora[number].findings.setdefault(kind, Finding(kind, number))
                own = numbers == number
                finding.count += int(own.sum())
                best = wanted.setdefault((kind, number), [])
                order = numpy.argsort(lines[own])[:MOST_EXAMPLES]
                best += zip(lines[own][order].tolist(), counterparts[own][order].tolist(), [number] * len(order), strict=True)
                wanted[kind, number] = sorted(best)[:MOST_EXAMPLES]
        for kind, places in (("duplicate", found.again), ("leak", found.train_leaks)):
            numbers, lines = unpacked(places)
            for number in numpy.unique(numbers).tolist():
                drop[kind][number].append(lines[numbers == number])
    for (kind, number), places in wanted.items():
        names = report.corpora[number].corpus.names
        for line, counterpart, _ in places:
            if kind == "ambiguous":
                note = f"{counterpart} different targets"
            else:
                [at], [other] = unpacked(numpy.array([counterpart], dtype=numpy.uint64))
                note = f"= {report.corpora[at].corpus.names[0]}, line {other}"
            report.corpora[number].findings[kind].examples.append(Example(f"{names[0]}, line {line}", note=note))


def _show_lines(report: CheckReport) -> None:
    """Read those corpora again whose examples have no text yet."""
    for checked in report.corpora:
        missing: dict[int, list[Example]] = {}
        for kind in ("duplicate", "leak", "leak-alike", "leak-source", "ambiguous"):
            for example in checked.findings[kind].examples if kind in checked.findings else ():
                missing.setdefault(int(example.where.rsplit(" ", 1)[1]), []).append(example)
        again = replace(checked.corpus) if missing else None
        for block in again.blocks() if again else ():
            for at, line in enumerate(block.lines):
                for example in missing.pop(line, ()):
                    example.source, example.target = block.sources[at], block.targets[at]
            if not missing:
                break


def _joined(parts: Sequence[numpy.ndarray]) -> numpy.ndarray:
    return numpy.unique(numpy.concatenate(parts)) if parts else numpy.empty(0, numpy.int64)


@contextmanager
def workers(processes: int | None, align: bool = True) -> Iterator[Callable]:
    """A function that gives each block with its report, in order, looked at by so many processes (None: one a core).

    align: see check_block.
    """
    count = processes or os.cpu_count() or 1

    def here(blocks: Iterable[Block], rules_of: Callable[[Block], Rules]) -> Iterator[tuple[Block, BlockReport]]:
        rules = None
        for block in blocks:
            rules = rules or rules_of(block)
            yield block, check_block(block.sources, block.targets, rules, align)

    if count == 1:
        yield here
        return
    method = "fork" if sys.platform == "linux" else "spawn"
    pools: list[ProcessPoolExecutor] = []

    def there(blocks: Iterable[Block], rules_of: Callable[[Block], Rules]) -> Iterator[tuple[Block, BlockReport]]:
        waiting: deque[tuple[Block, Future]] = deque()
        rules = None
        blocks = iter(blocks)
        first = next(blocks, None)
        second = next(blocks, None)
        if second is None:  # too little to start processes for
            yield from here([] if first is None else [first], rules_of)
            return
        if not pools:
            pools.append(ProcessPoolExecutor(count, mp_context=multiprocessing.get_context(method)))
        rules = rules_of(first)
        for block in chain((first, second), blocks):
            waiting.append((block, pools[0].submit(check_block, block.sources, block.targets, rules, align)))
            if len(waiting) > count + 1:
                done, future = waiting.popleft()
                yield done, future.result()
        while waiting:
            done, future = waiting.popleft()
            yield done, future.result()

    try:
        yield there
    finally:
        for pool in pools:
            pool.shutdown(wait=True, cancel_futures=True)
