"""A story of attention (story.py) in plain words: what happened, when, and what the validation score did meanwhile.

Every sentence is made from the notes by a rule that stands here; a rule that finds nothing says nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from mt.inspection.story import KINDS, LETTERS, Place, Story, mean

_CLEAR_FALL = 0.15  # of the entropy's share: from an even look to one at two of three positions is 0.37
_MOST = 0.7  # of a change: the interval in which so much of it happened is named
_NEAR = 1.5  # positions


@dataclass(frozen=True)
class Change:
    """The stretch of steps in which most of a fall or rise happened."""

    first: int
    last: int
    start: float
    end: float


def main_change(steps: tuple[int, ...], values: list[float | None]) -> Change | None:
    """The stretch with most of the greatest fall or rise, shortest in the logarithm of the steps; None when nothing changes."""
    points = [(step, value) for step, value in zip(steps, values, strict=True) if value is not None]
    best: Change | None = None
    whole = max((abs(late[1] - early[1]) for at, early in enumerate(points) for late in points[at:]), default=0.0)
    if whole == 0.0:
        return None
    for at, (first, start) in enumerate(points):
        for last, end in points[at + 1 :]:
            shorter = best is None or (last + 1) / (first + 1) < (best.last + 1) / (best.first + 1)
            if abs(end - start) >= _MOST * whole and shorter:
                best = Change(first, last, start, end)
    return best


def read(story: Story) -> list[str]:
    """Sentences for a person, in the order in which one would tell it."""
    rules = (_sharpening, _first_gradients, _turning, _growth, _scaling, _ranks, _updates, _heads)
    return [sentence for rule in rules for sentence in rule(story)]


def _meanwhile(story: Story, change: Change) -> str:
    """What valid BLEU did in that stretch."""
    before, after = story.bleu_around(change.first, change.last)
    if after is None:
        return ""
    if before is None or before.step == after.step:
        return f"; valid BLEU was {after.bleu:.1f} at step {after.step}"
    verb = "rose" if after.bleu > before.bleu else "went"
    return f", while valid BLEU {verb} from {before.bleu:.1f} (step {before.step}) to {after.bleu:.1f} (step {after.step})"


def _sharpening(story: Story) -> Iterator[str]:
    """When each attention stopped looking everywhere evenly."""
    unchanged: dict[str, list[str]] = {}
    for place in story.places:
        shares = story.mean_over_heads(place, "entropy_share")
        change = main_change(story.steps, shares)
        if change is None or abs(change.end - change.start) < _CLEAR_FALL:
            unchanged.setdefault(place.kind, []).append(f"from {shares[0]:.0%} to {shares[-1]:.0%} in layer {place.layer}")
            continue
        verb = "sharpened" if change.end < change.start else "spread out"
        yield (
            f"{_capital(place)} {verb} between steps {change.first} and {change.last}: its entropy went from {change.start:.0%} to "
            f"{change.end:.0%} of an even look's{_meanwhile(story, change)}."
        )
    for kind, layers in unchanged.items():
        yield f"{KINDS[kind].capitalize()} hardly sharpened (entropy as a share of an even look's: {', '.join(layers)})."


def _first_gradients(story: Story) -> Iterator[str]:
    """Which projections the first update's gradient reaches."""
    if len(story.steps) < 2 or story.steps[1] > 8:
        return
    times = {}
    for kind, places in _by_kind(story):
        sizes = {letter: _mean_at(story, places, "gradient_norm", letter, 1) for letter in LETTERS}
        if None not in sizes.values():
            times[kind] = (sizes["v"] + sizes["o"]) / max(sizes["q"] + sizes["k"], 1e-12)
    larger = [f"{factor:.1f} times in {KINDS[kind]}" for kind, factor in times.items() if factor > 2]
    if larger:
        yield (
            f"The first gradient (step {story.steps[1]}) is larger for W_V and W_O than for W_Q and W_K: {', '.join(larger)}. As long as a "
            "head looks everywhere evenly, what it passes on can be learned, but hardly where to look."
        )


def _turning(story: Story) -> Iterator[str]:
    """How far each projection is from where it began."""
    ends = {letter: _mean_at(story, _with_projections(story), "cosine", letter, -1) for letter in LETTERS}
    if None in ends.values():
        return
    order = sorted(ends, key=ends.get)
    listed = ", ".join(f"{LETTERS[letter]} {ends[letter]:.2f}" for letter in order)
    yield (
        f"The cosine of the weights to their initial values is at the end, over all attentions: {listed} (1: not turned at all). "
        f"{LETTERS[order[0]]} turned furthest."
    )


def _growth(story: Story) -> Iterator[str]:
    """Which projections grew or shrank much."""
    for kind, places in _by_kind(story):
        starts, ends = ({letter: _mean_at(story, places, "norm", letter, at) for letter in LETTERS} for at in (0, -1))
        factors = {letter: ends[letter] / max(starts[letter], 1e-12) for letter in LETTERS}
        changed = [f"{LETTERS[letter]} {factor:.1f}" for letter, factor in factors.items() if not 0.67 < factor < 1.5]
        if changed:
            yield f"In {KINDS[kind]} the norms at the end are so many times the initial ones: {', '.join(changed)}."


def _scaling(story: Story) -> Iterator[str]:
    """What the division by √d_k does to the scores."""
    parts = []
    for kind, places in _by_kind(story):
        raw, scaled = (
            [_mean_at(story, places, measure, None, at) for at in (0, -1)] for measure in ("score_variance", "scaled_score_variance")
        )
        parts.append(f"{raw[0]:.3g} at first and {raw[1]:.3g} at the end in {KINDS[kind]} ({scaled[0]:.2g} and {scaled[1]:.2g})")
    if parts:
        yield f"The variance of the scores q·k was {', '.join(parts)}; in brackets what the softmax saw, after the division by √d_k."


def _ranks(story: Story) -> Iterator[str]:
    """Along how many directions a head compares."""
    for kind, places in _by_kind(story):
        start, end = (_mean_at(story, places, "score_effective_rank", None, at) for at in (0, -1))
        if end < 0.75 * start:
            yield (
                f"In {KINDS[kind]} W_Qᵀ W_K, by which a head compares two positions, fell from an effective rank of {start:.0f} to "
                f"{end:.0f}: the heads compare along fewer directions than they have."
            )


def _updates(story: Story) -> Iterator[str]:
    """How fast the projections moved."""
    sizes = []
    for at, step in enumerate(story.steps):
        ratios = [_mean_at(story, _with_projections(story), "update_ratio", letter, at) for letter in LETTERS]
        if (ratio := mean(ratios)) is not None:
            sizes.append((ratio, step))
    if len(sizes) > 1:
        largest = max(sizes)
        yield (
            f"A single update moved the projections by at most {largest[0]:.2%} of their norm (noted at step {largest[1]}), "
            f"by {sizes[-1][0]:.2%} at step {sizes[-1][1]}."
        )


def _heads(story: Story) -> Iterator[str]:
    """What heads became that look at their neighbours, at one place, or everywhere."""
    for place in story.places:
        shares, distances = (story.over_steps(place, measure)[-1] for measure in ("entropy_share", "distance"))
        near = [head for head, (share, far) in enumerate(zip(shares, distances, strict=True), 1) if share < 0.5 and far < _NEAR]
        even = [head for head, share in enumerate(shares, 1) if share > 0.9]
        where = "close to the diagonal" if place.kind == "cross" else "at the asking position or its neighbours"
        if near:
            yield f"{_capital(place)}: {_heads_named(near)} sharply {where}."
        if even:
            passes = "passes" if len(even) == 1 else "pass"
            yield f"{_capital(place)}: {_heads_named(even)} everywhere almost evenly, and {passes} on an average."


def _heads_named(heads: list[int]) -> str:
    if len(heads) == 1:
        return f"head {heads[0]} looks"
    return f"heads {', '.join(map(str, heads[:-1]))} and {heads[-1]} look"


def _by_kind(story: Story) -> Iterator[tuple[str, list[Place]]]:
    """The attentions of each kind that have projections."""
    for kind in KINDS:
        places = [place for place in story.places if place.kind == kind and story.has_projections(place)]
        if places:
            yield kind, places


def _with_projections(story: Story) -> list[Place]:
    """All attentions that have projections."""
    return [place for _, places in _by_kind(story) for place in places]


def _mean_at(story: Story, places: list[Place], measure: str, letter: str | None, at: int) -> float | None:
    """Over all heads of these attentions, at one noted step."""
    return mean([story.mean_over_heads(place, measure, letter)[at] for place in places])


def _capital(place: Place) -> str:
    text = str(place)
    return text[0].upper() + text[1:]
