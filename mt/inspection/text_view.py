"""The path of a batch (path.py) for a terminal."""

from collections.abc import Sequence

from mt.inspection.path import LETTERS, BatchPath, Sentence
from mt.text_table import text_table

WIDEST = 24
"""The most positions of a mask or a sentence that are drawn side by side."""


def path_text(path: BatchPath, title: str) -> str:
    """Everything, under headings."""
    legend = [(letter, ", ".join(map(str, sizes)), LETTERS[letter]) for letter, sizes in path.sizes.items()]
    sections = [
        f"{title}: {path.parameters:,} parameters, a batch of {len(path.sentences)} sentences",
        f"A tensor's name ends in its dimensions:\n{text_table(('letter', 'size', 'means'), legend, numbers_from=9)}",
        *(sentence_text(sentence, number) for number, sentence in enumerate(path.sentences, 1)),
        f"The tensors, in the order in which they are made (* stands for every layer of the stack):\n{lines_text(path)}",
        f"What it costs:\n{parts_text(path)}\n{path.dominant()}",
    ]
    return "\n\n".join(sections)


def lines_text(path: BatchPath) -> str:
    """A line for each tensor; a module is named once."""
    rows, last = [], None
    for line in path.lines:
        module = line.module or "model"
        shape = f"({', '.join(map(str, line.shape))})"
        rows.append(("" if module == last else module, line.name, shape, line.function or "(given)", f"{line.times}×"))
        last = module
    return text_table(("module", "tensor", "shape", "made in", "calls"), rows, numbers_from=4)


def parts_text(path: BatchPath) -> str:
    """Parameters and arithmetic of each part."""
    rows = [
        (part.name, f"{part.parameters:,}", f"{part.parameters / path.parameters:.1%}", f"{part.flops / 1e6:,.1f}",
         f"{part.flops / max(1, path.flops):.1%}") for part in path.parts
    ]  # fmt: skip
    rows.append(("all", f"{path.parameters:,}", "", f"{path.flops / 1e6:,.1f}", ""))
    return text_table(("part", "parameters", "share", "MFLOP forward", "share"), rows)


def sentence_text(sentence: Sentence, number: int) -> str:
    """Source, shifted target beside target, and both masks."""
    pieces = sentence.source[:WIDEST]
    source = text_table(
        ("source", *(str(place) for place in range(1, len(pieces) + 1))),
        [("piece", *pieces), ("seen", *("■" if seen else "·" for seen in sentence.sees_source[:WIDEST]))], numbers_from=99,
    )
    rows = list(zip(sentence.decoder_input, sentence.target, sentence.sees_target, strict=True))[:WIDEST]
    grid = text_table(
        ("position", "reads", "predicts", "looks at (■ visible, · hidden)"),
        [(str(place), reads, predicts, _row(seen)) for place, (reads, predicts, seen) in enumerate(rows, 1)], numbers_from=9,
    )
    cut = f"\n(the first {WIDEST} positions)" if max(len(sentence.source), len(sentence.target)) > WIDEST else ""
    decoder = "The decoder reads the target shifted right, and predicts the target:"
    return f"Sentence {number}. The encoder reads:\n{source}\n{decoder}\n{grid}{cut}"


def _row(seen: Sequence[bool]) -> str:
    """One target position's view of the decoder's inputs."""
    return " ".join("■" if visible else "·" for visible in seen[:WIDEST])

