"""A second's look at the pairs before training: whether a whole check would find something bad, told in three lines at the most."""

from collections import Counter
from collections.abc import Sequence
from itertools import chain, islice

from mt.data.characters import script_of
from mt.data.check_kinds import KINDS
from mt.data.corpus import Corpus
from mt.data.lenient import Block
from mt.data.pair_checks import Rules, check_block

_BLOCK = 1000
_BLOCKS = 4
_LEAST_SHARE = 0.01
_MOST_COMPARED = 5_000_000
"""Training pairs that are compared with the validation and test pairs: some seconds."""
MOST_TOLD = 3


def first_look(
    train: Sequence[Corpus], held_out: Sequence[tuple[str, Corpus]], source_language: str, target_language: str, max_length: int
) -> list[str]:
    """What is worth a word, the worst first: shifted, exchanged or unrelated sides in some blocks of pairs, leaks, common kinds.

    held_out: the corpora to measure on, with their split. At most four thousand pairs of each training corpus are looked at, and five
    million compared.
    """
    told: list[tuple[int, str]] = []
    order = list(KINDS)
    for corpus in train:
        for kind, count, looked_at, line in _in_samples(corpus, source_language, target_language, max_length):
            where = f", first in {corpus.unit} {line}" if line else ""
            text = f"{corpus.name}: {KINDS[kind].title} ({count:,} of {looked_at:,} pairs looked at{where}): {KINDS[kind].effect}"
            told.append((order.index(kind), text))
    told += [(order.index("leak"), text) for text in leaks(train, held_out)]
    return [text for _, text in sorted(told)][:MOST_TOLD]


def _in_samples(corpus: Corpus, source_language: str, target_language: str, max_length: int) -> list[tuple[str, int, int, int]]:
    """Kind, how many pairs, of how many, and the first one's line."""
    from mt.data.check import rules_from, sounds_unrelated

    count = min(_BLOCKS, max(1, len(corpus) // _BLOCK))
    found: Counter[str] = Counter()
    first: dict[str, int] = {}
    looked_at, exchanged, sums = 0, 0, [0.0, 0.0, 0]
    rules: Rules | None = None
    for number in range(count):
        begin = number * max(0, len(corpus) - _BLOCK) // max(1, count - 1)
        places = range(begin, min(begin + _BLOCK, len(corpus)))
        block = Block(corpus.sources[places.start : places.stop], corpus.targets[places.start : places.stop], places)
        rules = rules or rules_from(script_of(source_language), script_of(target_language), max_length, block)
        report = check_block(block.sources, block.targets, rules)
        looked_at += len(places)
        exchanged += report.exchanged
        sums = [total + more for total, more in zip(sums, report.distances, strict=True)]
        hits = {kind: [int(at) for at in where] for kind, where in report.hits.items() if KINDS[kind].severity != "note"}
        hits["shifted"] = [at for run in report.runs for at in range(run.first, run.last + 1)]
        for kind, where in hits.items():
            found[kind] += len(where)
            if where:
                first.setdefault(kind, corpus.line_of(places[where[0]]))
    if exchanged > looked_at / 2:
        return [("swapped", exchanged, looked_at, 0)]
    if found["shifted"] < looked_at / 2 and sounds_unrelated(sums):
        return [("unrelated", looked_at, looked_at, 0)]
    common = [kind for kind, hits in found.items() if hits >= max(2, _LEAST_SHARE * looked_at) or (kind == "shifted" and hits)]
    return [(kind, found[kind], looked_at, first[kind]) for kind in common]


def leaks(train: Sequence[Corpus], held_out: Sequence[tuple[str, Corpus]], most: int = _MOST_COMPARED) -> list[str]:
    """Which validation and test corpora have pairs that also occur in training, word for word, and whether not all pairs were compared.

    held_out: corpora with their split. most: of more training pairs only so many, the first ones, are compared.
    """
    wanted = {pair for _, corpus in held_out for pair in zip(corpus.sources, corpus.targets, strict=True)}
    if not wanted:
        return []
    pairs = chain.from_iterable(zip(corpus.sources, corpus.targets, strict=True) for corpus in train)
    found = {pair for pair in islice(pairs, most) if pair in wanted}
    texts = []
    for split, corpus in held_out:
        count = sum(pair in found for pair in zip(corpus.sources, corpus.targets, strict=True)) if found else 0
        if count:
            texts.append(f"{corpus.name}: {count:,} of {len(corpus):,} {split} pairs also occur in training: {KINDS['leak'].effect}")
    if (total := sum(map(len, train))) > most:
        texts.append(
            f"only the first {most:,} of {total:,} training pairs were compared with the validation and test pairs; mt check compares all"
        )
    return texts
