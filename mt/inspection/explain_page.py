"""An explanation of one translation (explain.py) as a page: the beam's tree, each node with its fate and alternatives; the steps."""

import math
from html import escape

from mt.inspection.beam_tree import ROOT, Extension, Fate, Node
from mt.inspection.explain import Explanation
from mt.inspection.explain_text import FORBIDDEN, NOT_MOST_PROBABLE, most_looked_at
from mt.inspection.explain_words import fate_words, greedy_words, reference_words, search_words, two
from mt.inspection.page import page, page_data, table
from mt.text_table import display_width

_ROW, _HEIGHT, _GAP, _TOP, _ROOT_WIDTH = 52, 44, 34, 26, 50
"""In pixels: one row of the tree to the next, a node's height, the space between columns and for the step numbers, the root's width."""
_MARKS = {Fate.PRUNED: "✕", Fate.FINISHED: "■", Fate.OUTDONE: "…", Fate.CUT: "✂", Fate.WENT_ON: ""}
"""What stands behind a node's piece, by its fate."""

_STYLE = """
<style>
.beam { position: relative; margin: .75rem 0 0; } .beam svg { position: absolute; inset: 0; }
.beam path { fill: none; stroke: var(--soft); stroke-opacity: .45; stroke-width: 1.5; }
.beam path.best { stroke: var(--mark); stroke-opacity: 1; stroke-width: 3; }
.beam path.now { stroke: var(--ink); stroke-opacity: 1; stroke-width: 2.5; } .beam path.off { stroke-dasharray: 3 4; }
.beam button { position: absolute; height: 44px; padding: 0 .4rem; font: .86rem/1.25 system-ui, "Noto Sans KR", sans-serif;
  white-space: nowrap; overflow: hidden; text-overflow: ellipsis; text-align: left; cursor: pointer;
  color: var(--ink); background: var(--paper); border: 1px solid var(--soft); border-radius: 6px; }
.beam button small { display: block; font-weight: 400; font-size: .74rem; color: var(--soft); font-variant-numeric: tabular-nums; }
.beam button span { float: right; color: var(--soft); padding-left: .3rem; }
.beam button.lost { color: var(--soft); border-color: var(--line); } .beam button.done { background: var(--fill); }
.beam button.best { border: 2px solid var(--mark); background: var(--fill); color: var(--ink); font-weight: 600; }
.beam button.off { border-style: dashed; border-color: var(--line); color: var(--soft); background: transparent; }
.beam button.now, .beam button:focus-visible { outline: 2px solid var(--ink); outline-offset: 1px; }
.beam i { position: absolute; font-style: normal; font-size: .8rem; color: var(--soft); }
.beam.plain .off { display: none; } .beam.plain { height: var(--held) !important; overflow: hidden; }
#told { border: 1px solid var(--line); border-radius: 6px; padding: .5rem .8rem; margin: .75rem 0; min-height: 8.4rem; }
#told p { margin: .15rem 0; max-width: none; } #told .bar { vertical-align: middle; }
#told table td { border: 0; padding: 0 .8rem 0 0; }
.switch { color: var(--soft); font-size: .9rem; } .switch input { accent-color: var(--mark); }
pre.words { white-space: pre-wrap; font: inherit; margin: .4rem 0; max-width: 46rem; }
tr.turn td { background: var(--fill); }
</style>
"""

_SCRIPT = """
<script>
const told = JSON.parse(document.getElementById("data").textContent), place = document.getElementById("told");
const make = (tag, text, kind) => { const e = document.createElement(tag); e.textContent = text; if (kind) e.className = kind; return e; };
function show(key) {
  const node = told[key], path = new Set(), rows = document.createElement("table");
  for (let at = key; told[at]; at = told[at].parent) path.add(at);
  document.querySelectorAll(".beam path").forEach((e) => e.classList.toggle("now", path.has(e.dataset.node)));
  document.querySelectorAll(".beam button").forEach((e) => e.classList.toggle("now", e.dataset.node === key));
  node.others.forEach(([piece, share]) => {
    const row = document.createElement("tr"), cell = document.createElement("td"), bar = make("span", "", "bar"), name = make("td", piece);
    bar.style.width = (8 * share).toFixed(2) + "rem";
    if (piece === node.piece) name.style.fontWeight = 600;
    cell.append(bar);
    row.append(name, make("td", (100 * share).toFixed(1) + "%", "n"), cell);
    rows.append(row);
  });
  place.replaceChildren(make("p", node.text), make("p", node.numbers, "soft"), make("p", node.fate), rows);
}
document.querySelectorAll(".beam button:enabled").forEach((e) => {
  ["mouseenter", "focus", "click"].forEach((event) => e.addEventListener(event, () => show(e.dataset.node)));
});
document.getElementById("below").addEventListener("change", (event) => {
  document.querySelector(".beam").classList.toggle("plain", !event.target.checked);
});
show(document.querySelector(".beam button.end").dataset.node);
</script>
"""


def explain_page(explanation: Explanation) -> str:
    """The whole page."""
    look, best = explanation.look, explanation.best
    body = [
        _STYLE, f"<h1>{escape(look.source)}</h1>",
        f"<p>→ {escape(look.translation)}{'' if best.finished else ' (cut)'} <span class=soft>score {best.score:.2f}, "
        f"log-probability {best.log_prob:.2f}</span></p>",
        f"<p class=soft>{_codes(look.source_pieces)}<br>→ {_codes([step.piece for step in look.steps])}</p>",
        "<h2>What the beam held, and why it let go</h2>",
        f"<p>{escape(search_words(explanation))}. Each column is a step, its most probable prefix on top, with the prefix's "
        "log-probability; lines lead from a prefix to its extensions. The best translation is drawn strong. Point at a node, or tap it. "
        "✕ pruned, ■ finished, … alive when the search ended, ✂ cut at the length limit.</p>",
        '<label class="switch"><input type="checkbox" id="below" checked> the first extensions that were not taken (dashed)</label>',
        f'<div class="wide">{_drawing(explanation)}</div><div id="told"></div>',
        "<h2>Step by step</h2><p>Each piece of the best translation and the five most probable ones. A coloured row is "
        f"{NOT_MOST_PROBABLE}.{_forbidden(explanation)}</p>",
        _steps(explanation),
        "<h2>What ended, best first</h2>",
        table(("", "score", "log-probability", "text"), [
            (str(node.rank), f"{node.score:.2f}", f"{node.total:.2f}",
             escape(explanation.texts[node.entry]) + (" <span class=soft>(cut)</span>" if node.fate is Fate.CUT else ""))
            for node in explanation.tree.ended()
        ], (1, 2)),
        f"<h2>Greedy search</h2>{_words(greedy_words(explanation))}",
    ]  # fmt: skip
    if explanation.reference is not None:
        body.append(f"<h2>The reference</h2>{_words(reference_words(explanation, explanation.reference))}")
    body.append(f"{page_data('data', _told(explanation))}{_SCRIPT}")
    return page(f"{look.source} → {look.translation}", "\n".join(body))


def _forbidden(explanation: Explanation) -> str:
    """What † says, where there is one."""
    return f" † {FORBIDDEN.format(explanation.no_repeat_ngram)}." if explanation.forbidden() else ""


def _codes(pieces: list[str] | tuple[str, ...]) -> str:
    """Pieces side by side."""
    return " ".join(f"<code>{escape(piece)}</code>" for piece in pieces)


def _words(text: str) -> str:
    """Text whose line ends are kept."""
    return f'<pre class="words">{escape(text)}</pre>'


def _steps(explanation: Explanation) -> str:
    """The table of steps."""
    look, attention, forbidden = explanation.look, most_looked_at(explanation.look), explanation.forbidden()
    rows = []
    for place, step in enumerate(look.steps):
        mark = " †" if place + 1 in forbidden else ""
        others = "&ensp; ".join(f"{escape(piece)} <span class=soft>{probability:.1%}</span>" for piece, probability in step.alternatives)
        looks = [escape(attention[place])] if attention else []
        rows.append((str(place + 1), f"<code>{escape(step.piece)}</code>{mark}", *looks, f"{step.probability:.1%}", others))
    header = ("step", "piece", *(["looks at"] if attention else []), "probability", "most probable")
    html = table(header, rows, (len(header) - 2,))
    for place in explanation.departures():
        html = html.replace(f"<tr><td>{place}</td>", f'<tr class="turn"><td>{place}</td>')
    return html


def _key(one: Node | Extension) -> str:
    """The name of a node in the page: its entry, or parent and token of one that was not taken."""
    return str(one.entry) if isinstance(one, Node) else f"{one.parent}-{one.token}"


def _columns(explanation: Explanation) -> list[list[Node | Extension]]:
    """What each step held, the most probable on top, and what it did not take below."""
    columns: list[list[Node | Extension]] = [[] for _ in explanation.tree.steps]
    for node in explanation.tree.nodes.values():
        columns[node.step - 1].append(node)
    return [[*held, *step.not_taken] for held, step in zip(columns, explanation.tree.steps, strict=True)]


def _drawing(explanation: Explanation) -> str:
    """The tree: nodes as buttons over the lines of an SVG."""
    tree, columns = explanation.tree, _columns(explanation)
    best = {node.entry for node in tree.path(tree.best.entry)}
    held = max(step.taken for step in tree.steps)
    places: dict[int, tuple[float, float, float]] = {ROOT: (0, _TOP, _ROOT_WIDTH)}
    lines = []
    boxes = [f'<button disabled style="left:0;top:{_TOP}px;width:{_ROOT_WIDTH}px" class="best">&lt;s&gt;</button>']
    left = _ROOT_WIDTH + _GAP
    for number, column in enumerate(columns, 1):
        width = max(_width(explanation.pieces[one.token]) for one in column)
        boxes.append(f'<i style="left:{left}px;top:0">{number}</i>')
        for row, one in enumerate(column):
            taken = isinstance(one, Node)
            # What was not taken stands below the widest beam, so that it never looks held.
            top = _TOP + _ROW * (row if taken else held + row - sum(isinstance(each, Node) for each in column)) + (0 if taken else 8)
            x, y, w = places[one.parent]
            kind = _kind(one, best)
            lines.append((kind, _key(one), x + w, y + _HEIGHT / 2, left, top + _HEIGHT / 2))
            boxes.append(_box(explanation, one, f"{kind}{' end' if taken and one.rank == 1 else ''}", left, top, width))
            if taken:
                places[one.entry] = (left, top, width)
        left += width + _GAP
    height = _TOP + _ROW * max(held + len(step.not_taken) for step in tree.steps) + 12
    order = sorted(lines, key=lambda line: line[0].startswith("best"))  # the best path lies over the others
    drawn = "".join(
        f'<path class="{kind}" data-node="{key}" d="M{x0:g} {y0:g}C{(x0 + x1) / 2:g} {y0:g} {(x0 + x1) / 2:g} {y1:g} {x1:g} {y1:g}"/>'
        for kind, key, x0, y0, x1, y1 in order
    )
    size = f"width:{left}px;height:{height}px;--held:{_TOP + _ROW * held + 4}px"
    return f'<div class="beam" style="{size}"><svg width="{left}" height="{height}">{drawn}</svg>{"".join(boxes)}</div>'


def _width(piece: str) -> int:
    """A node's width in pixels, wide enough for its piece and its mark."""
    return min(176, 40 + 9 * display_width(piece))


def _kind(one: Node | Extension, best: set[int]) -> str:
    """The class of a node and its line."""
    if isinstance(one, Extension):
        return "off"
    if one.entry in best:
        return "best"
    return {Fate.WENT_ON: "on", Fate.FINISHED: "done"}.get(one.fate, "lost")


def _box(explanation: Explanation, one: Node | Extension, kind: str, left: float, top: float, width: float) -> str:
    """One node."""
    mark = f"<span>{_MARKS[one.fate]}</span>" if isinstance(one, Node) and _MARKS[one.fate] else ""
    return (
        f'<button class="{kind}" data-node="{_key(one)}" style="left:{left}px;top:{top}px;width:{width}px">'
        f"{mark}{escape(explanation.pieces[one.token])}<small>{one.total:.2f}</small></button>"
    )


def _told(explanation: Explanation) -> dict[str, dict[str, object]]:
    """What the page says of each node when it is pointed at."""
    tree, children, told = explanation.tree, explanation.tree.children(), {}
    for number, (column, step) in enumerate(zip(_columns(explanation), tree.steps, strict=True), 1):
        for one in column:
            path = [] if one.parent == ROOT else tree.path(one.parent)
            if isinstance(one, Node):
                held = len(children[one.entry]) if one.fate is Fate.WENT_ON else 0
                fate = fate_words(explanation, one) or f"went on: {held} of its extensions {'was' if held == 1 else 'were'} held"
            else:
                total, worst = two(one.total, step.worst)
                fate = f"not taken: {total} {'=' if total == worst else '<'} {worst}, the lowest that the beam held at step {number}"
            told[_key(one)] = {
                "parent": str(one.parent),
                "piece": explanation.pieces[one.token],
                "text": " ".join(explanation.pieces[token] for token in (*(node.token for node in path), one.token)),
                "numbers": f"step {number}, log-probability {one.log_prob:.2f}, of the whole prefix {one.total:.2f}",
                "fate": fate,
                "others": [
                    [explanation.pieces[token], round(math.exp(log_prob), 4)] for token, log_prob in step.continuations[one.parent]
                ],
            }
    return told
