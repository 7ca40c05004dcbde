"""The path of a batch (path.py) for a terminal."""

from collections.abc import Sequence

from mt.inspection.path import LETTERS, LETTERS_IN_CODE, BatchPath, Sentence
from mt.text_table import display_width, shown_text, text_table, wrap

WIDEST = 24
"""The most positions of a mask or a sentence that are drawn side by side."""


def path_text(path: BatchPath, title: str, width: int = 120) -> str:
    """Everything, under headings, for a terminal of that width."""
    legend = [(letter, ", ".join(map(str, sizes)), LETTERS[letter]) for letter, sizes in path.sizes.items()]
    sections = [
        f"{title}: {path.parameters:,} parameters, a batch of {len(path.sentences)} sentences",
        f"A tensor's name ends in its dimensions:\n{text_table(('letter', 'size', 'means'), legend, numbers_from=9, width=width)}\n"
        + "\n".join(wrap(LETTERS_IN_CODE, width)),
        *(sentence_text(sentence, number, width) for number, sentence in enumerate(path.sentences, 1)),
        f"The tensors, in the order in which they are made (* stands for every layer of the stack):\n{lines_text(path, width)}",
        f"What it costs:\n{parts_text(path, width)}\n" + "\n".join(wrap(path.dominant(), width)),
    ]
    return "\n\n".join(sections)


def lines_text(path: BatchPath, width: int) -> str:
    """A line for each tensor; a module is named once."""
    rows, last = [], None
    for line in path.lines:
        module = line.module or "model"
        shape = f"({', '.join(map(str, line.shape))})"
        rows.append(("" if module == last else module, line.name, shape, line.function or "(given)", f"{line.times}×"))
        last = module
    return text_table(("module", "tensor", "shape", "made in", "calls"), rows, numbers_from=4, width=width, text_last=False)


def parts_text(path: BatchPath, width: int) -> str:
    """Parameters and arithmetic of each part."""
    rows = [
        (part.name, f"{part.parameters:,}", f"{part.parameters / path.parameters:.1%}", f"{part.flops / 1e6:,.1f}",
         f"{part.flops / max(1, path.flops):.1%}") for part in path.parts
    ]  # fmt: skip
    rows.append(("all", f"{path.parameters:,}", "", f"{path.flops / 1e6:,.1f}", ""))
    return text_table(("part", "parameters", "share", "MFLOP forward", "share"), rows, width=width, text_last=False)


def sentence_text(sentence: Sentence, number: int, width: int) -> str:
    """Source, shifted target beside target, and both masks; of a long sentence as many positions as there is room for."""
    places = list(enumerate(zip(sentence.source[:WIDEST], sentence.sees_source, strict=False), 1))
    columns = [(str(place), piece, "■" if seen else "·") for place, (piece, seen) in places]
    source = columns_text(("source", "piece", "seen"), columns, width)
    rows = list(zip(sentence.decoder_input, sentence.target, sentence.sees_target, strict=True))[:WIDEST]
    before = max(display_width(f"position  {reads}  {predicts}  ") for reads, predicts, _ in [("reads", "predicts", ()), *rows])
    most = max(4, min(WIDEST, (width - before + 1) // 2))
    grid = text_table(
        ("position", "reads", "predicts", "looks at (■ visible, · hidden)"),
        [(str(place), reads, predicts, _row(seen[:most])) for place, (reads, predicts, seen) in enumerate(rows[:most], 1)],
        numbers_from=9, width=width,
    )  # fmt: skip
    cut = f"\n(the first {most} positions)" if max(len(sentence.source), len(sentence.target)) > most else ""
    decoder = "The decoder reads the target shifted right, and predicts the target:"
    return f"Sentence {number}. The encoder reads:\n{source}\n{decoder}\n{grid}{cut}"


def _row(seen: Sequence[bool]) -> str:
    """One target position's view of the decoder's inputs."""
    return " ".join("■" if visible else "·" for visible in seen)


def columns_text(headers: Sequence[str], columns: Sequence[Sequence[str]], width: int) -> str:
    """A table whose rows are named by the headers, in as many bands below each other as the width needs."""
    bands: list[list[Sequence[str]]] = [[]]
    first = max(display_width(shown_text(header)) for header in headers)
    used = first
    for column in columns:
        needed = 2 + max(map(display_width, map(shown_text, column)))
        if bands[-1] and used + needed > width:
            bands.append([])
            used = first
        bands[-1].append(column)
        used += needed
    tables = [text_table(rows[0], rows[1:], numbers_from=99) for band in bands if (rows := list(zip(headers, *band, strict=True)))]
    return "\n\n".join(tables)

