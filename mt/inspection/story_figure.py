"""A story of attention (story.py) as one figure for a lecture or a paper, drawn by matplotlib (extra `plots`)."""

import io

from mt.inspection.story import KINDS, LETTERS, OF_PROJECTION, Place, Story
from mt.inspection.story_text import mean_over_places
from mt.visible import visible

DPI = 200
"""Dots per inch of the written figure."""
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999")  # Okabe and Ito's, for all eyes
_OF_LAYERS = (
    ("entropy_share", "entropy,\nof an even look's"),
    ("distance", "looks so many\npositions away"),
    ("scaled_score_variance", "variance of\nq·k / √d_k"),
)
_OF_LETTERS = (("cosine", "cosine to the\ninitial weights"), ("update_ratio", "update / norm"))


def story_png(story: Story) -> bytes:
    """A column for each kind of attention; rows for what attention does, layer by layer, for its projections, and for valid BLEU."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    kinds = [kind for kind in KINDS if any(place.kind == kind for place in story.places)]
    projected = any(map(story.has_projections, story.places))
    layer_rows = [row for row in _OF_LAYERS if projected or row[0] != "scaled_score_variance"]
    letter_rows = _OF_LETTERS if projected else ()
    count = len(layer_rows) + len(letter_rows) + bool(story.validations)
    with rc_context({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.3}):
        figure = Figure(figsize=(1.2 + 3.6 * len(kinds), 0.8 + 1.7 * count), layout="constrained", facecolor="white")
        title = visible(story.title).replace("$", r"\$")  # text, never a formula
        figure.suptitle(f"How attention learned: {title}", fontweight="bold")
        axes = figure.subplots(count, len(kinds), squeeze=False, sharex=True, sharey="row")
        for column, kind in enumerate(kinds):
            places = [place for place in story.places if place.kind == kind]
            axes[0][column].set_title(KINDS[kind])
            for axis, (measure, _) in zip(axes[:, column], layer_rows, strict=False):
                _draw_layers(axis, story, places, measure)
            for axis, (measure, _) in zip(axes[len(layer_rows) :, column], letter_rows, strict=False):
                _draw_letters(axis, story, places, measure)
            if story.validations:
                _draw_validations(axes[-1][column], story)
            axes[-1][column].set_xlabel("step")
        for axis, name in zip(axes[:, 0], [name for _, name in (*layer_rows, *letter_rows)] + ["valid BLEU"], strict=False):
            axis.set_ylabel(name)
        axes[0][0].legend(frameon=False, fontsize=8)
        if letter_rows:
            axes[len(layer_rows)][0].legend(frameon=False, fontsize=8, ncols=2)
        axes[0][0].set_xscale("symlog", base=2, linthresh=1)
        axes[0][0].set_xlim(left=0)
        ticks = [0, *(4**power for power in range(12) if 4**power <= story.steps[-1])]
        axes[0][0].set_xticks(ticks, map(str, ticks))
        axes[0][0].minorticks_off()
        stream = io.BytesIO()
        FigureCanvasAgg(figure).print_figure(stream, dpi=DPI, format="png")
    return stream.getvalue()


def _draw_layers(axis, story: Story, places: list[Place], measure: str) -> None:
    """One line a layer, the mean of its heads; each head as a faint line behind it."""
    for place in places:
        colour = _COLOURS[(place.layer - 1) % len(_COLOURS)]
        for head in zip(*story.over_steps(place, measure), strict=True):
            axis.plot(story.steps, head, color=colour, alpha=0.2, linewidth=0.8)
        axis.plot(story.steps, story.mean_over_heads(place, measure), color=colour, linewidth=1.8, label=f"layer {place.layer}")


def _draw_letters(axis, story: Story, places: list[Place], measure: str) -> None:
    """One line a projection, the mean of layers and heads."""
    assert measure in OF_PROJECTION
    for number, (letter, name) in enumerate(LETTERS.items()):
        values = [float("nan") if value is None else value for value in mean_over_places(story, places, measure, letter)]
        axis.plot(story.steps, values, color=_COLOURS[number], linewidth=1.6, label=f"${name[0]}_{name[2]}$")


def _draw_validations(axis, story: Story) -> None:
    """The same in every column, so that it can be read under each."""
    axis.plot([found.step for found in story.validations], [found.bleu for found in story.validations], "o-", color="black", markersize=3)
    axis.set_ylim(bottom=0)
