"""A look at one sentence (look.py) as a page: choose attention, layer and head, point at a piece, see what else it might have written."""

from html import escape

from mt.inspection.look import KINDS, Look
from mt.inspection.page import page, page_data, table

_STYLE = """
<style>
.line { display: flex; flex-wrap: wrap; gap: .15rem; margin: .5rem 0; }
.line span { white-space: nowrap; padding: .2rem .3rem; border-radius: 4px; margin-right: .1rem; cursor: default; }
.line span.ask { outline: 2px solid var(--mark); }
.grid td { padding: 0; width: 1.6rem; height: 1.6rem; border: 1px solid var(--paper); background: var(--line); }
.grid td i { display: block; width: 100%; height: 100%; background: var(--mark); }
.grid th { font-weight: 400; color: var(--ink); border: 0; padding: 0 .5rem 0 0; text-align: right; font-size: .85rem; }
.grid th.up { writing-mode: vertical-rl; padding: .25rem 0; text-align: left; } .grid tr.now th { color: var(--mark); font-weight: 600; }
#said { min-height: 1.6rem; color: var(--soft); }
</style>
"""

_SCRIPT = """
<script>
const look = JSON.parse(document.getElementById("look").textContent);
const byId = (name) => document.getElementById(name);
const make = (tag, text) => { const e = document.createElement(tag); e.textContent = text; return e; };
const percent = (share) => Math.round(100 * share) + " %";
function options(select, entries) {
  const kept = select.value;
  select.replaceChildren(...entries.map(([value, text]) => { const e = make("option", text); e.value = value; return e; }));
  if (entries.some(([value]) => value === kept)) select.value = kept;
}
const kinds = [...new Set(look.maps.map((map) => map.kind))];
options(byId("kind"), kinds.map((kind) => [kind, look.kinds[kind]]));
function layers() { return look.maps.filter((map) => map.kind === byId("kind").value); }
function chooseKind() {
  options(byId("layer"), layers().map((map, at) => [String(at), String(map.layer)]));
  byId("layer").value = String(layers().length - 1);
  chooseLayer();
}
function chooseLayer() {
  const map = layers()[Number(byId("layer").value)];
  const heads = map.weights.map((_, at) => [String(at), String(at + 1)]);
  options(byId("head"), map.weights.length > 1 ? [["mean", "mean of all"], ...heads] : heads);
  draw();
}
function weights() {
  const map = layers()[Number(byId("layer").value)];
  if (byId("head").value !== "mean") return map.weights[Number(byId("head").value)];
  return map.weights[0].map((row, q) => row.map((_, m) => map.weights.reduce((sum, head) => sum + head[q][m], 0) / map.weights.length));
}
function point(q) {
  const now = weights(), [askers, asked] = look.pieces[byId("kind").value];
  [...byId("askers").children].forEach((span, at) => span.classList.toggle("ask", at === q));
  [...byId("asked").children].forEach((span, m) => {
    span.style.background = q === null ? "" : "color-mix(in srgb, var(--mark) " + Math.round(80 * now[q][m]) + "%, transparent)";
    span.title = q === null ? "" : percent(now[q][m]);
  });
  document.querySelectorAll("#grid tr").forEach((row, at) => row.classList.toggle("now", q !== null && at === q + 1));
  if (q === null) { byId("said").textContent = "Point at a piece: what it looks at is coloured."; return; }
  const order = now[q].map((share, m) => [share, m]).sort((a, b) => b[0] - a[0]).slice(0, 3);
  const most = order.map(([share, m]) => asked[m] + " (" + percent(share) + ")").join(", ");
  byId("said").textContent = "\\u201c" + askers[q] + "\\u201d looks at " + most;
}
function spans(place, pieces, listen) {
  byId(place).replaceChildren(...pieces.map((piece, q) => {
    const span = make("span", piece);
    if (listen) { span.tabIndex = 0; ["mouseenter", "focus", "click"].forEach((event) => span.addEventListener(event, () => point(q))); }
    return span;
  }));
}
function draw() {
  const now = weights(), [askers, asked] = look.pieces[byId("kind").value];
  byId("asks").textContent = byId("kind").value === "encoder" ? "Asks" : "Asks: reads \\u2192 writes";
  spans("askers", askers, true); spans("asked", asked, false);
  const head = document.createElement("tr");
  head.append(make("th", ""), ...asked.map((piece) => { const e = make("th", piece); e.className = "up"; return e; }));
  const rows = askers.map((asker, q) => {
    const row = document.createElement("tr");
    row.append(make("th", asker), ...now[q].map((share, m) => {
      const cell = document.createElement("td"), fill = document.createElement("i");
      fill.style.opacity = share; cell.title = asker + " \\u2192 " + asked[m] + ": " + percent(share); cell.append(fill);
      return cell;
    }));
    row.addEventListener("mouseenter", () => point(q));
    return row;
  });
  byId("grid").replaceChildren(head, ...rows);
  point(null);
}
byId("kind").addEventListener("change", chooseKind);
byId("layer").addEventListener("change", chooseLayer);
byId("head").addEventListener("change", draw);
if (kinds.includes("cross")) byId("kind").value = "cross";
if (kinds.length) chooseKind();
</script>
"""


def look_page(look: Look, title: str) -> str:
    """The whole page; its data lie in it as JSON."""
    def rounded(weights: tuple) -> list:
        return [[[round(cell, 4) for cell in row] for row in head] for head in weights]

    data = {
        "kinds": KINDS,
        "pieces": {kind: look.pieces_of(kind) for kind in KINDS},
        "maps": [{"kind": found.kind, "layer": found.layer, "weights": rounded(found.weights)} for found in look.maps],
    }
    rows = [
        (str(place), f"<code>{escape(reads)}</code>", f"<code>{escape(step.piece)}</code>", f"{step.probability:.1%}",
         "  ".join(f"{escape(piece)} <span class=soft>{probability:.0%}</span>" for piece, probability in step.alternatives))
        for place, (reads, step) in enumerate(zip(look.reads, look.steps, strict=True), 1)
    ]  # fmt: skip
    given = " (given)" if look.given else ""
    attention = (
        '<h2>What it looks at</h2><div class="choose"><label>attention <select id="kind"></select></label>'
        '<label>layer <select id="layer"></select></label><label>head <select id="head"></select></label></div>'
        '<p class="soft" id="asks">Asks</p><div class="line" id="askers"></div>'
        '<p class="soft">Is looked at</p><div class="line" id="asked"></div>'
        '<p id="said"></p><div class="wide"><table class="grid" id="grid"></table></div>'
        if look.maps else "<p>A recurrent network without attention looks at nothing but the encoder's last state.</p>"
    )
    body = [
        _STYLE, f"<h1>{escape(look.source)}</h1>",
        f"<p>→ {escape(look.translation)}{given} <span class=soft>log-probability {look.log_prob:.2f}</span></p>",
        attention,
        "<h2>What it wrote, and what else it might have</h2><p>At each position: what the decoder reads, what was written, how probable "
        "the model found that, and its five most probable pieces.</p>",
        table(("", "reads", "writes", "probability", "most probable"), rows, (0, 3)),
        page_data("look", data), _SCRIPT if look.maps else "",
    ]  # fmt: skip
    return page(title, "\n".join(body))
