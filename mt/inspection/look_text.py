"""A look at one sentence (look.py) for a terminal."""

from mt.inspection.look import KINDS, Look
from mt.text_table import text_table

_SHADES = " ·░▒▓█"
"""From nothing to everything; each one column wide."""


def shade(weight: float) -> str:
    """A weight as a character: blank below 3 %, then in steps up to full from 80 % on."""
    return _SHADES[sum(weight >= bound for bound in (0.03, 0.1, 0.25, 0.5, 0.8))]


def look_text(look: Look, kind: str = "cross", layer: int | None = None, head: int | None = None) -> str:
    """The steps, and one attention as a table of shades. layer, head: from 1; None: the last layer, the mean over the heads."""
    given = " (given)" if look.given else ""
    sections = [f"{look.source}\n→ {look.translation}{given}   log-probability {look.log_prob:.2f}", steps_text(look)]
    if look.maps:
        sections.append(map_text(look, kind, layer, head))
    return "\n\n".join(sections)


def steps_text(look: Look) -> str:
    """What was written at each position, how probable it was, and what else could have been."""
    rows = []
    for place, (reads, step) in enumerate(zip(look.reads, look.steps, strict=True), 1):
        others = "  ".join(f"{piece} {probability:.0%}" for piece, probability in step.alternatives if piece != step.piece)
        rows.append((str(place), reads, step.piece, f"{step.probability:.0%}", others))
    header = ("position", "reads", "writes", "probability", "else")
    widths = text_table(header[:4], [row[:4] for row in rows], numbers_from=3).splitlines()
    return "\n".join(f"{line}   {other}" for line, other in zip(widths, (header[4], *(row[4] for row in rows)), strict=True))


def map_text(look: Look, kind: str, layer: int | None, head: int | None) -> str:
    """One attention: a row for each asking position, a column for each that is looked at, and where most of the weight lies."""
    chosen = look.map_of(kind, layer)
    heads = len(chosen.weights)
    weights = chosen.mean() if head is None else chosen.weights[head - 1]
    askers, asked = look.pieces_of(kind)
    rows = []
    for asker, row in zip(askers, weights, strict=True):
        most = max(range(len(row)), key=row.__getitem__)
        rows.append((asker, *map(shade, row), f"{asked[most]} {row[most]:.0%}"))
    numbers = [str(place % 100) for place in range(1, len(asked) + 1)]
    which = f"mean of {heads} heads" if head is None else f"head {head} of {heads}"
    legend = "  ".join(f"{place} {piece}" for place, piece in enumerate(asked, 1))
    return (
        f"{KINDS[kind]}, layer {chosen.layer}, {which} (· 3 %, ░ 10 %, ▒ 25 %, ▓ 50 %, █ 80 % and more)\n{legend}\n"
        f"{text_table(('asks', *numbers, 'most'), rows, numbers_from=99)}"
    )
