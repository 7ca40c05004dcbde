"""Translations that would break their document are not written: the source is, and that is told.

A format that can say whether a text keeps its structure gives its parts a `check`. Parts in a row with the same check are written together
and checked together; where they fail, halves are tried until those that fail are found.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from mt.documents.fit import Translated
from mt.documents.parts import Part

_MOST_TRIES = 64
"""For one group of parts. Beyond, what is not settled keeps its source: a long list in which everything fails takes no forever."""
KEPT = "kept: the translation would have changed the structure of the document"
"""What is told of such a part."""
Pair = tuple[Part, Translated]


def settled(pairs: Iterable[Pair]) -> Iterator[Pair]:
    """The parts with their translations, those that keep the structure; all others with their source in place of a translation."""
    group: list[Pair] = []
    for part, result in pairs:
        if group and part.check is not group[0][0].check:
            yield from _settled(group)
            group = []
        if part.check is None:
            yield part, result
        else:
            group.append((part, result))
    yield from _settled(group)


def _settled(group: list[Pair]) -> list[Pair]:
    """The parts of one check."""
    done = [_with_source(pair) if pair[0].text and not pair[1].text.strip() else pair for pair in group]
    changed = [number for number, (part, result) in enumerate(done) if part.text and result.text != part.text]
    if not changed or _keeps(done):
        return done
    sources = [_with_source(pair) if number in set(changed) else pair for number, pair in enumerate(done)]
    tries = _MOST_TRIES
    final = list(sources)
    waiting = [changed]
    while waiting:
        numbers = waiting.pop()
        trial = list(final)
        for number in numbers:
            trial[number] = done[number]
        tries -= 1
        if _keeps(trial):
            final = trial
        elif len(numbers) > 1 and tries > 0:
            half = len(numbers) // 2
            waiting += [numbers[half:], numbers[:half]]
    return final


def _keeps(pairs: list[Pair]) -> bool:
    """Whether the parts as they would be written pass their check."""
    check = pairs[0][0].check
    return check is None or check("".join(part.written(result.text) if part.text else part.kept for part, result in pairs))


def _with_source(pair: Pair) -> Pair:
    """A part that keeps its source."""
    part, result = pair
    return part, replace(result, text=part.text, markup=KEPT)
