"""An explanation of one translation (explain.py) for a terminal."""

from collections.abc import Sequence
from dataclasses import dataclass

from mt.errors import DataError
from mt.inspection.beam_tree import ROOT, BeamTree, Fate, Node
from mt.inspection.explain import Explanation
from mt.inspection.explain_words import fate_words, greedy_words, reference_words, search_words
from mt.inspection.look import Look
from mt.text_table import display_width, text_table

_CHAIN = 44
"""Columns that the pieces of one line of the tree may take; a longer chain goes on in the next line."""
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


def explain_text(explanation: Explanation) -> str:
    """Everything, under headings."""
    look, best = explanation.look, explanation.best
    state = "" if best.finished else " (cut)"
    sections = [
        f"{look.source}\n{' '.join(look.source_pieces)}\n→ {look.translation}{state}\n{' '.join(step.piece for step in look.steps)}\n"
        f"score {best.score:.2f}, log-probability {best.log_prob:.2f}",
        _headed("Step by step", steps_text(explanation)),
        _headed("The tree", f"{search_words(explanation)}.\n{_LEGEND}\n{tree_text(explanation)}"),
    ]
    if explanation.tree.beam_size > 1:
        sections += [_headed("The cut at each step", cuts_text(explanation)), _headed("What ended, best first", ended_text(explanation))]
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


def steps_text(explanation: Explanation) -> str:
    """Each piece of the best translation, its probability, where it looks, and the five most probable pieces."""
    look, attention = explanation.look, most_looked_at(explanation.look)
    rows, others = [], []
    for place, step in enumerate(look.steps):
        mark = "" if step.piece == step.alternatives[0][0] else " *"
        rows.append((str(place + 1), step.piece + mark, *([attention[place]] if attention else []), f"{step.probability:.1%}"))
        others.append("  ".join(f"{piece} {probability:.1%}" for piece, probability in step.alternatives))
    header = ("step", "piece", *(["looks at"] if attention else []), "probability")
    lines = text_table(header, rows, numbers_from=len(header) - 1).splitlines()
    text = "\n".join(f"{line}   {other}" for line, other in zip(lines, ("most probable", *others), strict=True))
    if attention:
        text += "\nlooks at: the source piece with most of the cross-attention (last layer, mean over the heads)"
    if explanation.departures():
        text += "\n* not the most probable piece: the whole scores higher this way"
    return text


def tree_text(explanation: Explanation) -> str:
    """The tree: its left edge is the best translation; what was left on the way hangs to the right of the place where it left."""
    rows: list[tuple[str, str, str, str]] = [("", "<s>", "", "")]

    def write(branch: Branch, first: str, rest: str) -> None:
        """first: what stands before the branch's first line; rest: before its other lines."""
        lines = _wrapped([explanation.pieces[node.token] for node in branch.chain])
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
    return _aligned(("step", "pieces", "log-prob", "what became of it"), rows)


def _wrapped(pieces: Sequence[str]) -> list[str]:
    """The pieces in lines of at most _CHAIN columns."""
    lines = [""]
    for piece in pieces:
        if lines[-1] and display_width(lines[-1]) + 1 + display_width(piece) > _CHAIN:
            lines.append("")
        lines[-1] += f"{' ' if lines[-1] else ''}{piece}"
    return lines


def _aligned(header: tuple[str, str, str, str], rows: Sequence[tuple[str, str, str, str]]) -> str:
    """Four columns: left, left, right, left."""
    left = text_table((header[0], header[1]), [row[:2] for row in rows], numbers_from=9).splitlines()
    width = max(map(display_width, left))
    lines = []
    for start, (_, _, number, words) in zip(left, (header, *rows), strict=True):
        lines.append(f"{start}{' ' * (width - display_width(start))}  {number:>8}  {words}".rstrip())
    return "\n".join(lines)


def cuts_text(explanation: Explanation) -> str:
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
    lines = text_table(("step", "held down to"), [row[:2] for row in rows]).splitlines()
    return "\n".join(f"{line}   {other}" for line, other in zip(lines, ("the first not taken", *(row[2] for row in rows)), strict=True))


def ended_text(explanation: Explanation) -> str:
    """The hypotheses that ended, best first; at most as many as the beam is wide."""
    all_ended = explanation.tree.ended()
    ended = all_ended[: explanation.tree.beam_size]
    rows = [
        (f"{node.score:.2f}", f"{node.total:.2f}", explanation.texts[node.entry] + (" (cut)" if node.fate is Fate.CUT else ""))
        for node in ended
    ]
    lines = text_table(("score", "log-prob"), [row[:2] for row in rows], numbers_from=0).splitlines()
    text = "\n".join(f"{line}   {text}" for line, text in zip(lines, ("text", *(row[2] for row in rows)), strict=True))
    return text + (f"\nand {len(all_ended) - len(ended)} more" if len(all_ended) > len(ended) else "")
