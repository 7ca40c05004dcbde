"""Translations that would break their document are not written: the source is, and that is told.

A format that can say whether a text keeps its structure gives its parts a `check`. Parts in a row with the same check are written together
and checked together. Where they fail, those that are right on their own are tried first, and halves until those that fail are found.
A check that fails itself costs no file either: its parts keep their source, and are flagged with the error.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from mt.documents.fit import Translated
from mt.documents.parts import Part

_MOST_TRIES = 64
"""For one group of parts: a try reads the whole group. Beyond, what is not settled keeps its source."""
_MOST_FOUND = 32
"""Parts that fail only together with others, and earn their group more tries: as many as halving takes to find one."""
KEPT = "kept: the translation would have changed the structure of the document"
"""What is told of such a part."""
FAILED = "kept: the structure could not be read"
"""What is told, with the error, of a part whose check fails itself: a fault of the program."""
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
    done = [_with_source(pair, KEPT) if pair[0].text and not pair[1].text.strip() else pair for pair in group]
    changed = [number for number, (part, result) in enumerate(done) if part.text and result.text != part.text]
    problem = _problem(done) if changed else ""
    if not problem:
        return done
    final = list(done)
    for number in changed:
        final[number] = _with_source(done[number], problem)
    fail_alone = [number for number in changed if _fails_alone(done[number])]
    others = sorted(set(changed).difference(fail_alone))
    _try(others, done, final, 2 * len(changed).bit_length())
    _try(fail_alone, done, final, 0)
    return final


def _try(numbers: list[int], done: list[Pair], final: list[Pair], more: int) -> None:
    """Put the translations of parts into `final` where they pass the check. more: tries that each of the first that fail adds."""
    tries, found = _MOST_TRIES, 0
    waiting = [numbers] if numbers else []
    while waiting:
        numbers = waiting.pop()
        trial = list(final)
        for number in numbers:
            trial[number] = done[number]
        tries -= 1
        problem = _problem(trial)
        if not problem:
            final[:] = trial
        elif len(numbers) == 1:
            final[numbers[0]] = _with_source(done[numbers[0]], problem)
            found += 1
            tries += more * (found <= _MOST_FOUND)
        elif tries > 0:
            half = len(numbers) // 2
            waiting += [numbers[half:], numbers[:half]]


def _problem(pairs: list[Pair]) -> str:
    """Why the parts as they would be written fail their check; "": they pass."""
    check = pairs[0][0].check
    return "" if check is None else _asked(check, lambda: "".join(map(_written, pairs)))


def _fails_alone(pair: Pair) -> bool:
    """Whether a part fails even on its own."""
    part = pair[0]
    return part.alone is not None and bool(_asked(part.alone, lambda: _written(pair)[len(part.kept) :]))


def _asked(check: Callable[[str], bool], write: Callable[[], str]) -> str:
    """Why what is written fails a check; "": it passes."""
    try:
        return "" if check(write()) else KEPT
    except Exception as error:  # whatever it is: one block keeps its source rather than that all translations are lost
        return f"{FAILED}: {type(error).__name__}: {error}"


def _written(pair: Pair) -> str:
    """A part as it would be written."""
    part, result = pair
    return part.written(result.text) if part.text else part.kept


def _with_source(pair: Pair, reason: str) -> Pair:
    """A part that keeps its source."""
    part, result = pair
    return part, replace(result, text=part.text, markup=reason)
