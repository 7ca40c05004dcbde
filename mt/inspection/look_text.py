"""A look at one sentence (look.py) for a terminal."""

from mt.inspection.look import KINDS, Look
from mt.inspection.text_view import columns_text
from mt.text_table import fold, text_table

_SHADES = " ·░▒▓█"
"""From nothing to everything; each one column wide."""


def shade(weight: float) -> str:
    """A weight as a character: blank below 3 %, then in steps up to full from 80 % on."""
    return _SHADES[sum(weight >= bound for bound in (0.03, 0.1, 0.25, 0.5, 0.8))]


def look_text(look: Look, kind: str = "cross", layer: int | None = None, head: int | None = None, width: int = 160) -> str:
    """The steps, and one attention as a table of shades. layer, head: from 1; None: the last layer, the mean over the heads."""
    given = " (given)" if look.given else ""
    sections = [f"{look.source}\n→ {look.translation}{given}   log-probability {look.log_prob:.2f}", steps_text(look, width)]
    if look.maps:
        sections.append(map_text(look, kind, layer, head, width))
    return "\n\n".join(sections)


def steps_text(look: Look, width: int) -> str:
    """What was written at each position, how probable it was, and what else could have been."""
    rows = []
    for place, (reads, step) in enumerate(zip(look.reads, look.steps, strict=True), 1):
        others = "  ".join(f"{piece} {probability:.0%}" for piece, probability in step.alternatives if piece != step.piece)
        rows.append((str(place), reads, step.piece, f"{step.probability:.0%}", others))
    return text_table(("position", "reads", "writes", "probability", "else"), rows, numbers_from=3, width=width)


def map_text(look: Look, kind: str, layer: int | None, head: int | None, width: int) -> str:
    """One attention: a row for each asking position, a column for each that is looked at, and where most of the weight lies.

    A row of the decoder is named by what it reads and writes. Columns that find no room go on in a table below.
    """
    chosen = look.map_of(kind, layer)
    heads = len(chosen.weights)
    weights = chosen.mean() if head is None else chosen.weights[head - 1]
    askers, asked = look.pieces_of(kind)
    places = [max(range(len(row)), key=row.__getitem__) for row in weights]
    columns = [[str(place + 1), *(shade(row[place]) for row in weights)] for place in range(len(asked))]
    columns.append(["most", *(f"{asked[place]} {row[place]:.0%}" for place, row in zip(places, weights, strict=True))])
    which = f"mean of {heads} heads" if head is None else f"head {head} of {heads}"
    legend = "  ".join(f"{place} {piece}" for place, piece in enumerate(asked, 1))
    title = f"{KINDS[kind]}, layer {chosen.layer}, {which}  (from:  · 3%  ░ 10%  ▒ 25%  ▓ 50%  █ 80%)"
    header = "asks" if kind == "encoder" else "asks: reads → writes"
    return "\n".join([*fold(title, width), *fold(legend, width), columns_text([header, *askers], columns, width)])
