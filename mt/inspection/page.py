"""One self-contained page for a browser: no network, no files beside it, light and dark, from a telephone's width up."""

import json
from collections.abc import Sequence
from html import escape
from typing import Any

from mt.inspection.path import LETTERS, LETTERS_IN_CODE, BatchPath, Sentence
from mt.visible import visible

_STYLE = """
:root { color-scheme: light dark; --ink: #1c1d21; --soft: #5d626e; --paper: #fbfaf7; --line: #dcd8ce; --mark: #2d5d8c; --fill: #e9eff5; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e4df; --soft: #a0a4ae; --paper: #17181b; --line: #35373d; --mark: #8fb8e0; --fill: #22303d; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 68rem; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, "Noto Sans KR", "Apple SD Gothic Neo", "Malgun Gothic", sans-serif; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .25rem; } h2 { font-size: 1.15rem; margin: 2.25rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 .4rem; } p { margin: .4rem 0; max-width: 46rem; } .soft { color: var(--soft); }
.wide { overflow-x: auto; -webkit-overflow-scrolling: touch; }
table { border-collapse: collapse; font-size: .9rem; } th { text-align: left; font-weight: 600; color: var(--soft); }
th, td { padding: .22rem .8rem .22rem 0; border-bottom: 1px solid var(--line); vertical-align: top; white-space: nowrap; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
code { font: .86rem ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
td code { color: var(--mark); }
.bar { display: inline-block; height: .65rem; background: var(--mark); border-radius: 2px; min-width: 1px; }
.mask { border-collapse: collapse; } .mask td, .mask th { padding: 0; border: 0; width: 1.25rem; height: 1.25rem; }
.mask th { font-weight: 400; color: var(--ink); padding: 0 .5rem 0 0; width: auto; text-align: right; font-size: .85rem; }
.mask th.up { writing-mode: vertical-rl; padding: .25rem 0; height: auto; width: 1.25rem; }
.mask td { border: 1px solid var(--paper); background: var(--line); opacity: .45; } .mask td.on { background: var(--mark); opacity: 1; }
.mask .to { text-align: left; color: var(--soft); padding-left: .5rem; }
.choose { display: flex; flex-wrap: wrap; gap: .5rem 1rem; margin: .75rem 0; align-items: center; }
.choose label { color: var(--soft); font-size: .9rem; min-width: 0; max-width: 100%; }
select { font: inherit; font-size: .95rem; padding: .15rem .3rem; max-width: 100%; color: var(--ink); background: var(--paper);
  border: 1px solid var(--line); border-radius: 4px; }
details { margin: .3rem 0; } summary { cursor: pointer; color: var(--mark); }
"""


def page(title: str, body: str) -> str:
    """A whole HTML document. Control characters in it, of whatever text, are written out."""
    return visible(
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>\n{body}\n</body></html>\n"
    )


def page_data(name: str, content: Any) -> str:
    """Data for the page's script, as JSON in an element of that name; control characters in its texts are written out."""
    text = json.dumps(_visible_texts(content), ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json" id="{name}">{text}</script>'  # nothing in it can end the element


def _visible_texts(content: Any) -> Any:
    """The same content with every text in it made visible."""
    if isinstance(content, str):
        return visible(content)
    if isinstance(content, dict):
        return {key: _visible_texts(value) for key, value in content.items()}
    return [_visible_texts(value) for value in content] if isinstance(content, (list, tuple)) else content


def table(header: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    """A table from cells that are HTML already; numbers: the columns that are aligned to the right."""
    def cells(kind: str, row: Sequence[str]) -> str:
        return "".join(f"<{kind}{' class=n' if column in numbers else ''}>{cell}</{kind}>" for column, cell in enumerate(row))

    body = "".join(f"<tr>{cells('td', row)}</tr>\n" for row in rows)
    return f'<div class="wide"><table><thead><tr>{cells("th", header)}</tr></thead><tbody>\n{body}</tbody></table></div>'


def path_page(path: BatchPath, title: str) -> str:
    """The path of a batch: legend, sentences with their masks, tensors, costs."""
    legend = [(f"<code>{letter}</code>", ", ".join(map(str, sizes)), escape(LETTERS[letter])) for letter, sizes in path.sizes.items()]
    largest = max(max(part.parameters / path.parameters, part.flops / max(1, path.flops)) for part in path.parts)
    parts = [
        (escape(part.name), f"{part.parameters:,}", _bar(part.parameters / path.parameters, largest), f"{part.flops / 1e6:,.1f}",
         _bar(part.flops / max(1, path.flops), largest)) for part in path.parts
    ]  # fmt: skip
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="soft">{path.parameters:,} parameters, a batch of {len(path.sentences)} sentences under teacher forcing.</p>',
        "<h2>The letters</h2><p>A tensor's name ends in its dimensions: <code>x_BSD</code> is sentences × source positions × width.</p>",
        table(("letter", "size", "means"), legend, (1,)), f"<p class=soft>{escape(LETTERS_IN_CODE)}</p>",
        "<h2>What it reads, what it predicts, what is hidden</h2>"
        "<p>The decoder reads the target shifted right by one, so that at every position it predicts the next piece; the mask hides "
        "what lies ahead of it. Padding is hidden too.</p>",
        *(_sentence(sentence, number) for number, sentence in enumerate(path.sentences, 1)),
        "<h2>The tensors</h2><p>In the order in which they are made; a star stands for every layer of the stack.</p>",
        table(("module", "tensor", "shape", "made in", "calls"), _tensor_rows(path), (4,)),
        f"<h2>What it costs</h2><p>{escape(path.dominant())}</p>",
        table(("part", "parameters", "", "MFLOP forward", ""), parts, (1, 3)),
    ]
    return page(title, "\n".join(body))


def _bar(share: float, largest: float) -> str:
    """A share as a bar and a percentage."""
    return f'<span class="bar" style="width:{6 * share / largest:.2f}rem"></span> {share:.0%}'


def _tensor_rows(path: BatchPath) -> list[tuple[str, ...]]:
    rows, last = [], None
    for line in path.lines:
        module = line.module or "model"
        function = f"<code>{escape(line.function)}</code>" if line.function else '<span class="soft">given</span>'
        shape = f"<code>({', '.join(map(str, line.shape))})</code>"
        rows.append(("" if module == last else f"<b>{escape(module)}</b>", f"<code>{line.name}</code>", shape, function, f"{line.times}×"))
        last = module
    return rows


def _sentence(sentence: Sentence, number: int) -> str:
    """Both masks of one pair, with the pieces at their sides."""
    source_head = "".join(f'<th class="up">{escape(piece)}</th>' for piece in sentence.source)
    source_row = "".join(f"<td{' class=on' if seen else ''}></td>" for seen in sentence.sees_source)
    target_head = "".join(f'<th class="up">{escape(piece)}</th>' for piece in sentence.decoder_input)
    rows = []
    for reads, predicts, seen in zip(sentence.decoder_input, sentence.target, sentence.sees_target, strict=True):
        squares = "".join(f"<td{' class=on' if visible else ''}></td>" for visible in seen)
        rows.append(f'<tr><th>{escape(reads)}</th>{squares}<th class="to">→ {escape(predicts)}</th></tr>')
    return (
        f"<h3>Sentence {number}</h3>"
        f'<p class="soft">The source, which the encoder and every decoder position may look at:</p>'
        f'<div class="wide"><table class="mask"><tr><th></th>{source_head}</tr><tr><th></th>{source_row}</tr></table></div>'
        '<p class="soft">The decoder: each row reads the piece at its left, looks at the filled squares, and predicts the piece at its '
        "right:</p>"
        f'<div class="wide"><table class="mask"><tr><th></th>{target_head}<th></th></tr>{"".join(rows)}</table></div>'
    )
