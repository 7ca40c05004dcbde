"""A story of attention (story.py) as a page: the reading, then any figure over the steps, by layer and by head."""

from html import escape

from mt.inspection.page import page, page_data
from mt.inspection.reading import read
from mt.inspection.story import KINDS, LETTERS, OF_ATTENTION, OF_PROJECTION, Story

_STYLE = """
<style>
:root { --c0: #2d5d8c; --c1: #c1571b; --c2: #3f7d4a; --c3: #8a4b9c; --c4: #a88400; --c5: #b03a5b; --c6: #4a8f95; --c7: #6f6a60; }
@media (prefers-color-scheme: dark) {
  :root { --c0: #8fb8e0; --c1: #f0a070; --c2: #8ccb96; --c3: #cf9fe0; --c4: #dcc25a; --c5: #ec8fa8; --c6: #85cdd3; --c7: #bdb8ad; }
}
.read { padding-left: 1.2rem; max-width: 48rem; } .read li { margin: .35rem 0; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(19rem, 100%), 1fr)); gap: 1rem 1.5rem; }
figure { margin: 0; min-width: 0; } figcaption { font-weight: 600; font-size: .95rem; margin-bottom: .15rem; }
svg { width: 100%; height: auto; display: block; touch-action: pan-y; }
svg text { fill: var(--soft); font-size: 11px; font-family: inherit; }
svg .axis { stroke: var(--line); } svg path { fill: none; stroke-width: 2; stroke-linejoin: round; }
svg .at { stroke: var(--soft); stroke-dasharray: 3 3; }
.keys { font-size: .85rem; color: var(--soft); display: flex; flex-wrap: wrap; gap: .1rem .9rem; min-height: 1.4rem; }
.keys i { display: inline-block; width: .9rem; height: .2rem; border-radius: 2px; vertical-align: middle; margin-right: .3rem; }
.keys b { color: var(--ink); font-weight: 600; font-variant-numeric: tabular-nums; }
</style>
"""

_SCRIPT = """
<script>
const story = JSON.parse(document.getElementById("story").textContent);
const byId = (name) => document.getElementById(name);
const NS = "http://www.w3.org/2000/svg";
function make(tag, attributes, text) {
  const e = document.createElementNS(NS, tag);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  if (text !== undefined) e.textContent = text;
  return e;
}
function html(tag, text, kind) { const e = document.createElement(tag); e.textContent = text; if (kind) e.className = kind; return e; }
const colour = (at) => "var(--c" + at % 8 + ")";
function written(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (size && (size < 0.001 || size >= 100000)) return value.toExponential(1);
  return value.toLocaleString("en", { maximumSignificantDigits: 3 });
}
function ticks(low, high) {
  const span = high - low || 1, raw = span / 4, power = 10 ** Math.floor(Math.log10(raw));
  const unit = [1, 2, 5, 10].find((u) => u * power >= raw) * power, found = [];
  for (let at = Math.ceil(low / unit); at * unit <= high + 1e-9 * span; at++) found.push(at * unit);
  return found;
}
// series: [{name, points: [[x, y], ...]}]; logX: steps are spaced by their logarithm, step 0 stands one place before step 1.
function chart(place, title, series, { logX = true, low = null, high = null, xName = "step", over = [] } = {}) {
  const W = 360, H = 210, left = 46, right = 10, top = 8, bottom = 30;
  const all = series.flatMap((line) => line.points).filter(([, y]) => y !== null && y !== undefined);
  const figure = html("figure", ""), keys = html("div", "", "keys"), svg = make("svg", { viewBox: `0 0 ${W} ${H}`, role: "img" });
  figure.append(html("figcaption", title), svg, keys);
  place.append(figure);
  if (!all.length) { keys.textContent = "nothing was noted"; return; }
  const to = (x) => (logX ? (x < 1 ? -1 : Math.log2(x)) : x);
  const xs = [...new Set(all.map(([x]) => x))].sort((a, b) => a - b);
  const first = Math.min(xs[0], ...over), end = Math.max(xs[xs.length - 1], ...over), x0 = to(first), x1 = Math.max(to(end), x0 + 1e-9);
  let y0 = low ?? Math.min(...all.map(([, y]) => y)), y1 = high ?? Math.max(...all.map(([, y]) => y));
  if (y1 - y0 < 1e-12) { y0 -= Math.abs(y0) * 0.1 || 0.5; y1 += Math.abs(y1) * 0.1 || 0.5; }
  const px = (x) => left + (W - left - right) * (to(x) - x0) / (x1 - x0);
  const py = (y) => H - bottom - (H - top - bottom) * (y - y0) / (y1 - y0);
  for (const y of ticks(y0, y1)) {
    svg.append(make("line", { class: "axis", x1: left, x2: W - right, y1: py(y), y2: py(y) }));
    svg.append(make("text", { x: left - 6, y: py(y) + 4, "text-anchor": "end" }, written(y)));
  }
  let free = -1;
  for (const x of logX ? [0, 1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144] : ticks(first, end)) {
    if (x < first || x > end || px(x) < free) continue;
    svg.append(make("text", { x: px(x), y: H - bottom + 15, "text-anchor": "middle" }, x.toLocaleString("en")));
    free = px(x) + 34;
  }
  svg.append(make("text", { x: W - right, y: H - 2, "text-anchor": "end" }, xName));
  series.forEach((line, at) => {
    const there = line.points.filter(([, y]) => y !== null && y !== undefined);
    const path = there.map(([x, y], n) => (n ? "L" : "M") + px(x).toFixed(1) + " " + py(y).toFixed(1)).join(" ");
    svg.append(make("path", { d: path, stroke: line.colour ?? colour(at) }));
    if (line.dots) for (const [x, y] of there) svg.append(make("circle", { cx: px(x), cy: py(y), r: 3, fill: line.colour }));
  });
  const at = make("line", { class: "at", y1: top, y2: H - bottom, visibility: "hidden" });
  svg.append(at);
  function tell(x) {
    keys.replaceChildren(...series.map((line, n) => {
      const key = document.createElement("span"), dash = document.createElement("i");
      dash.style.background = line.colour ?? colour(n);
      key.append(dash, line.name + " ");
      if (x !== null) { const point = line.points.find(([px]) => px === x); key.append(html("b", written(point ? point[1] : null))); }
      return key;
    }));
    if (x !== null) keys.append(html("span", `${xName} ${x.toLocaleString("en")}`));
  }
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect(), where = (event.clientX - box.left) * W / box.width;
    const x = xs.reduce((best, x) => (Math.abs(px(x) - where) < Math.abs(px(best) - where) ? x : best), xs[0]);
    at.setAttribute("x1", px(x)); at.setAttribute("x2", px(x)); at.setAttribute("visibility", "visible");
    tell(x);
  });
  svg.addEventListener("pointerleave", () => { at.setAttribute("visibility", "hidden"); tell(null); });
  tell(null);
}
const mean = (values) => (values.some((v) => v === null || v === undefined) ? null : values.reduce((a, b) => a + b, 0) / values.length);
function heads(name, measure, letter) {
  return story.notes.map((note) => (letter ? (note[name][letter] || {})[measure] : note[name][measure]) || null);
}
function extent(lists) {
  const all = lists.flat(2).filter((v) => v !== null && v !== undefined);
  return all.length ? { low: Math.min(...all, 0), high: Math.max(...all) } : {};
}
function fill(select, entries) {
  select.replaceChildren(...entries.map(([value, text]) => { const e = html("option", text); e.value = value; return e; }));
}
function projections(each) {
  return Object.entries(story.ofProjection).flatMap(([m, text]) =>
    Object.entries(story.letters).map(([l, name]) => each(m, l, name + ": " + text)));
}
const measureOf = (select) => { const [measure, letter] = select.value.split(":"); return [measure, letter]; };
function layersDrawn() {
  const [measure, letter] = measureOf(byId("measure")), place = byId("layers");
  place.replaceChildren();
  const kinds = Object.keys(story.kinds).filter((kind) => story.places.some((found) => found.kind === kind));
  const lines = kinds.map((kind) => story.places.filter((found) => found.kind === kind).map((found) => ({
    name: "layer " + found.layer,
    points: heads(found.name, measure, letter).map((values, n) => [story.steps[n], values && mean(values)]),
  })));
  const range = extent(lines.map((kind) => kind.map((line) => line.points.map(([, y]) => y))));
  kinds.forEach((kind, at) => chart(place, story.kinds[kind], lines[at], range));
  if (story.validations.length) {
    chart(place, "valid BLEU (greedy)", [{ name: "BLEU", colour: "var(--ink)", dots: true, points: story.validations }],
      { low: 0, over: story.steps });
  }
}
function headsDrawn() {
  const found = story.places[Number(byId("place").value)], place = byId("heads");
  place.replaceChildren();
  const named = Object.entries(story.ofAttention).map(([m, text]) => [m, null, text]);
  if (found.projections) named.push(...projections((m, l, text) => [m, l, text]));
  const [measure, letter] = measureOf(byId("headMeasure"));
  for (const [m, l, text] of named) {
    if (m !== measure || (letter !== "all" && l)) continue;
    const values = heads(found.name, m, l);
    if (values.every((v) => v === null)) continue;
    const count = values.find((v) => v !== null).length;
    const line = (h) => ({ name: "head " + (h + 1), points: values.map((v, n) => [story.steps[n], v && v[h]]) });
    chart(place, text, [...Array(count).keys()].map(line));
  }
}
function spectrumDrawn() {
  const found = story.places[Number(byId("place").value)], place = byId("spectrum");
  place.replaceChildren();
  byId("spectrumPart").hidden = !found.projections;
  if (!found.projections) return;
  const last = story.notes.length - 1, chosen = [...new Set([0, Math.round(last / 2), Math.round(3 * last / 4), last])];
  const count = story.notes[0][found.name].score_spectrum.length;
  const lines = [...Array(count).keys()].map((h) => chosen.map((n) => ({
    name: "step " + story.steps[n].toLocaleString("en"),
    points: story.notes[n][found.name].score_spectrum[h].map((value, at) => [at + 1, value]),
  })));
  const range = extent(lines.map((head) => head.map((line) => line.points.map(([, y]) => y))));
  lines.forEach((head, h) => chart(place, "head " + (h + 1), head, { logX: false, xName: "singular value, by size", ...range }));
}
const simple = Object.entries(story.ofAttention);
const some = story.places.some((found) => found.projections);
const present = simple.filter(([m]) => story.places.some((found) => m in story.notes[0][found.name]));
const fours = Object.entries(story.ofProjection).map(([m, text]) => [m + ":all", text + " (all four)"]);
fill(byId("measure"), [...present, ...(some ? projections((m, l, text) => [m + ":" + l, text]) : [])]);
fill(byId("headMeasure"), [...present, ...(some ? fours : [])]);
fill(byId("place"), story.places.map((found, n) => [String(n), story.kinds[found.kind] + ", layer " + found.layer]));
byId("place").value = String(story.places.length - 1);
byId("measure").addEventListener("change", layersDrawn);
byId("headMeasure").addEventListener("change", headsDrawn);
byId("place").addEventListener("change", () => { headsDrawn(); spectrumDrawn(); });
layersDrawn(); headsDrawn(); spectrumDrawn();
</script>
"""


def story_page(story: Story) -> str:
    """The whole page; its data lie in it as JSON."""
    data = {
        "kinds": KINDS, "letters": LETTERS, "ofAttention": OF_ATTENTION, "ofProjection": OF_PROJECTION,
        "steps": story.steps, "notes": story.notes,
        "places": [
            {"kind": place.kind, "layer": place.layer, "name": place.name, "projections": story.has_projections(place)}
            for place in story.places
        ],
        "validations": [(found.step, round(found.bleu, 2)) for found in story.validations],
    }  # fmt: skip
    sentences = "".join(f"<li>{escape(sentence)}</li>" for sentence in read(story))
    body = [
        _STYLE, f"<h1>How attention learned: {escape(story.title)}</h1>",
        f'<p class="soft">{len(story.steps)} notes from step {story.steps[0]:,} to step {story.steps[-1]:,}, head by head; '
        "steps are spaced by their logarithm.</p>",
        f'<h2>What happened</h2><ul class="read">{sentences}</ul>',
        '<h2>Layer by layer</h2><p>The mean of a layer\'s heads. Point at a chart to read its values.</p>'
        '<div class="choose"><label>figure <select id="measure"></select></label></div><div class="charts" id="layers"></div>',
        '<h2>Head by head</h2><div class="choose"><label>attention <select id="place"></select></label>'
        '<label>figure <select id="headMeasure"></select></label></div><div class="charts" id="heads"></div>',
        '<div id="spectrumPart"><h2>The spectrum of W<sub>Q</sub>ᵀ W<sub>K</sub></h2><p>A head compares position x with position y by '
        "x W<sub>Q</sub>ᵀ W<sub>K</sub> y. Each singular value is one direction in which it compares, and how much that counts; "
        'a steep curve is a head that has found a few that matter.</p><div class="charts" id="spectrum"></div></div>',
        page_data("story", data), _SCRIPT,
    ]  # fmt: skip
    return page(f"How attention learned: {story.title}", "\n".join(body))
