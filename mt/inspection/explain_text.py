"""An explanation of one translation (explain.py) for a terminal."""

from collections.abc import Sequence
from dataclasses import dataclass

from mt.errors import DataError
from mt.inspection.beam_tree import ROOT, BeamTree, Fate, Node
from mt.inspection.explain import Explanation
from mt.inspection.explain_words import fate_words, greedy_words, reference_words, search_words
from mt.inspection.look import Look
from mt.text_table import display_width, fold, text_table, wrap

_CHAIN = 44
"""Columns that the pieces of one line of the tree may take at most; a longer chain goes on in the next line."""
_BESIDE_CHAIN = 56
"""Columns that a line of the tree has besides: step, branches, log-probability, and what became of it."""
NOT_MOST_PROBABLE = "not the most probable piece: of all that the beam kept to the end, this translation has the highest score"
FORBIDDEN = "every more probable piece was forbidden: it would have repeated {} pieces in a row (decoding.no_repeat_ngram)"
"""Why a step does not take the most probable piece."""
_LEAST_WORDS = 24
"""Columns that the last column of the tree needs beside the others; with fewer it goes below them."""
_LEGEND = "The left edge is the best translation; what the beam left on its way hangs where it left it. log-prob: of the whole prefix."
"""How the tree is read."""


@dataclass(frozen=True)
class Branch:
    """A stretch of the tree without a fork, and what hangs below it."""

    chain: tuple[Node, ...]
    """Its prefixes, each the only held extension of the one before."""
    sides: tuple["Branch", ...]
    """What its last prefix forked into, without the heir."""
    heir: "Branch | None"
    """The fork that came furthest: with the best hypothesis, else the longest."""


def branches(tree: BeamTree) -> list[Branch]:
    """The tree with chains joined, from the root: its branches, the one that holds the best hypothesis last."""
    children = tree.children()
    merit: dict[int, tuple[float, float, float]] = {}
    for node in reversed(tree.nodes.values()):  # children before parents
        below = [merit[child.entry] for child in children.get(node.entry, [])]
        merit[node.entry] = min([(node.rank or float("inf"), -node.step, -node.total), *below])

    def branch(node: Node) -> Branch:
        chain = [node]
        while len(children.get(chain[-1].entry, [])) == 1:
            chain.append(children[chain[-1].entry][0])
        forks = forked(chain[-1].entry)
        return Branch(tuple(chain), tuple(forks[:-1]), forks[-1] if forks else None)

    def forked(entry: int) -> list[Branch]:
        held = children.get(entry, [])
        heir = min(held, key=lambda node: merit[node.entry], default=None)
        return [branch(node) for node in (*(each for each in held if each is not heir), heir)] if heir else []

    return forked(ROOT)


def explain_text(explanation: Explanation, width: int = 160) -> str:
    """Everything, under headings, for a terminal of that width."""
    look, best = explanation.look, explanation.best
    state = "" if best.finished else " (cut)"
    sections = [
        f"{look.source}\n{' '.join(look.source_pieces)}\n→ {look.translation}{state}\n{' '.join(step.piece for step in look.steps)}\n"
        f"score {best.score:.2f}, log-probability {best.log_prob:.2f}",
        _headed("Step by step", steps_text(explanation, width)),
        _headed("The tree", f"{search_words(explanation)}.\n{_LEGEND}\n{tree_text(explanation, width)}"),
    ]
    if explanation.tree.beam_size > 1:
        sections.append(_headed("The cut at each step", cuts_text(explanation, width)))
        sections.append(_headed("What ended, best first", ended_text(explanation, width)))
    sections.append(greedy_words(explanation))
    if explanation.reference is not None:
        sections.append(_headed("The reference", reference_words(explanation, explanation.reference)))
    return "\n\n".join(sections)


def _headed(heading: str, text: str) -> str:
    return f"── {heading}\n{text}"


def most_looked_at(look: Look) -> list[str] | None:
    """For each step the source piece that holds most of the cross-attention (last layer, mean over heads); None without attention."""
    try:
        weights = look.map_of("cross", None).mean()
    except DataError:
        return None
    places = [max(range(len(row)), key=row.__getitem__) for row in weights]
    return [f"{look.source_pieces[place]} {row[place]:.0%}" for place, row in zip(places, weights, strict=True)]


def steps_text(explanation: Explanation, width: int) -> str:
    """Each piece of the best translation, its probability, where it looks, and the five most probable pieces."""
    look, attention = explanation.look, most_looked_at(explanation.look)
    departures, forbidden = explanation.departures(), explanation.forbidden()
    rows = []
    for place, step in enumerate(look.steps):
        mark = "" if place + 1 not in departures else " †" if place + 1 in forbidden else " *"
        others = "  ".join(f"{piece} {probability:.1%}" for piece, probability in step.alternatives)
        rows.append((str(place + 1), step.piece + mark, *([attention[place]] if attention else []), f"{step.probability:.1%}", others))
    header = ("step", "piece", *(["looks at"] if attention else []), "probability", "most probable")
    text = text_table(header, rows, numbers_from=len(header) - 2, width=width)
    if attention:
        text += "\nlooks at: the source piece with most of the cross-attention (last layer, mean over the heads)"
    if set(departures) - set(forbidden):
        text += f"\n* {NOT_MOST_PROBABLE}"
    if forbidden:
        text += f"\n† {FORBIDDEN.format(explanation.no_repeat_ngram)}"
    return text


def tree_text(explanation: Explanation, width: int = 160) -> str:
    """The tree: its left edge is the best translation; what was left on the way hangs to the right of the place where it left."""
    rows: list[tuple[str, str, str, str]] = [("", "<s>", "", "")]

    def write(branch: Branch, first: str, rest: str) -> None:
        """first: what stands before the branch's first line; rest: before its other lines."""
        lines = _wrapped([explanation.pieces[node.token] for node in branch.chain], max(12, min(_CHAIN, width - _BESIDE_CHAIN)))
        end = branch.chain[-1]
        steps = str(end.step) if len(branch.chain) == 1 else f"{branch.chain[0].step}–{end.step}"
        for place, line in enumerate(lines):
            last = place == len(lines) - 1
            told = (f"{end.total:.2f}", fate_words(explanation, end)) if last else ("", "")
            rows.append((steps if place == 0 else "", (first if place == 0 else rest) + line, *told))
        below(branch.sides, branch.heir, rest)

    def below(sides: Sequence[Branch], heir: Branch | None, rest: str) -> None:
        for side in sides:
            write(side, f"{rest}├─ ", f"{rest}│  ")
        if heir is not None:
            write(heir, rest, rest)

    forks = branches(explanation.tree)
    below(forks[:-1], forks[-1], "")
    return _aligned(("step", "pieces", "log-prob", "what became of it"), rows, width)


def _wrapped(pieces: Sequence[str], width: int) -> list[str]:
    """The pieces in lines of at most so many columns."""
    lines = [""]
    for piece in pieces:
        if lines[-1] and display_width(lines[-1]) + 1 + display_width(piece) > width:
            lines.append("")
        lines[-1] += f"{' ' if lines[-1] else ''}{piece}"
    return lines


def _aligned(header: tuple[str, str, str, str], rows: Sequence[tuple[str, str, str, str]], width: int) -> str:
    """Four columns: left, left, right, left; the last one is wrapped beside the others, or below them where they leave too little room."""
    left = text_table(header[:3], [(*row[:2], f"{row[2]:>8}") for row in rows], numbers_from=9).splitlines()
    start = max(map(display_width, left)) + 2
    lines = []
    for begin, row in zip(left, (header, *rows), strict=True):
        if width - start < _LEAST_WORDS:
            lines += [begin.rstrip(), *(fold(row[3], width, 6) if row[3] else [])]
            continue
        parts = wrap(row[3], width - start)
        lines.append(f"{begin}{' ' * (start - display_width(begin))}{parts[0]}".rstrip())
        lines += [f"{' ' * start}{part}" for part in parts[1:]]
    return "\n".join(lines)


def cuts_text(explanation: Explanation, width: int) -> str:
    """For each step the lowest log-probability held, and the first extensions that were not taken."""
    tree = explanation.tree
    rows = []
    for number, step in enumerate(tree.steps, 1):
        below = []
        for extension in step.not_taken:
            path = [] if extension.parent == ROOT else tree.path(extension.parent)
            pieces = [explanation.pieces[token] for token in (*(node.token for node in path), extension.token)]
            shown = " ".join(pieces) if len(pieces) <= 4 else f"… {' '.join(pieces[-4:])}"
            below.append(f"{shown} {extension.total:.2f}")
        rows.append((str(number), f"{step.worst:.2f}", "   ".join(below)))
    return text_table(("step", "held down to", "the first not taken"), rows, width=width)


def ended_text(explanation: Explanation, width: int) -> str:
    """The hypotheses that ended, best first; at most as many as the beam is wide."""
    all_ended = explanation.tree.ended()
    ended = all_ended[: explanation.tree.beam_size]
    rows = [
        (f"{node.score:.2f}", f"{node.total:.2f}", explanation.texts[node.entry] + (" (cut)" if node.fate is Fate.CUT else ""))
        for node in ended
    ]
    text = text_table(("score", "log-prob", "text"), rows, numbers_from=0, width=width)
    return text + (f"\nand {len(all_ended) - len(ended)} more" if len(all_ended) > len(ended) else "")
