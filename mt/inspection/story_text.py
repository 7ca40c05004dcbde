"""A story of attention (story.py) for a terminal: the reading, and tables of the beginning, the middle and the end."""

from mt.inspection.reading import read
from mt.inspection.story import KINDS, LETTERS, Story
from mt.text_table import fold, text_table

_FLAT = 0.02
_BLOCKS = "▁▂▃▄▅▆▇█"


def story_text(story: Story, width: int = 110) -> str:
    """What happened, in words; what each attention does and how each projection stands, over the noted steps."""
    first, last = story.steps[0], story.steps[-1]
    share = f", {story.seconds / story.training_seconds:.1%} of the training's time" if story.training_seconds else ""
    sections = [
        f"{story.title}: {len(story.steps)} notes from step {first} to step {last}, which took {story.seconds:.1f} s together{share}",
        "\n".join(line for sentence in read(story) for line in fold(f"· {sentence}", width, 0, 2)),
        "What attention does (mean of the heads; a curve runs over the noted steps, from its lowest to its highest value):\n"
        + _attention_table(story, width),
    ]
    if any(map(story.has_projections, story.places)):
        sections.append("The projections (mean of layers and heads):\n" + _projection_table(story, width))
    return "\n\n".join(sections)


def curve(values: list[float | None]) -> str:
    """A line of blocks from the lowest value to the highest; a dash each when they differ by less than 2 %, a blank where there is none."""
    there = [value for value in values if value is not None]
    low, high = min(there, default=0.0), max(there, default=0.0)
    if high - low <= _FLAT * max(abs(low), abs(high)):
        return "".join(" " if value is None else "─" for value in values)
    return "".join(" " if value is None else _BLOCKS[round((value - low) / (high - low) * (len(_BLOCKS) - 1))] for value in values)


def _cell(values: list[float | None], form: str) -> str:
    """The curve, the first value and the last."""
    there = [value for value in values if value is not None]
    return f"{curve(values)} {form.format(there[0])} → {form.format(there[-1])}" if there else "–"


def _attention_table(story: Story, width: int) -> str:
    measures = (("entropy_share", "{:.0%}"), ("distance", "{:.1f}"), ("largest_weight", "{:.0%}"))
    rows = [
        (KINDS[place.kind], str(place.layer), *(_cell(story.mean_over_heads(place, measure), form) for measure, form in measures))
        for place in story.places
    ]
    return text_table(("attention", "layer", "entropy, of an even look's", "positions away", "largest weight"), rows, 99, width)


def _projection_table(story: Story, width: int) -> str:
    measures = (("norm", "{:.2f}"), ("cosine", "{:.2f}"), ("effective_rank", "{:.1f}"), ("update_ratio", "{:.2%}"))
    rows = []
    for kind in KINDS:
        places = [place for place in story.places if place.kind == kind and story.has_projections(place)]
        for letter, name in LETTERS.items() if places else ():
            cells = (_cell(mean_over_places(story, places, measure, letter), form) for measure, form in measures)
            rows.append((KINDS[kind], name, *cells))
    return text_table(("attention", "weights", "norm", "cosine to the initial", "effective rank", "update / norm"), rows, 99, width)


def mean_over_places(story: Story, places: list, measure: str, letter: str | None = None) -> list[float | None]:
    """For each step the mean of these attentions and their heads."""
    columns = zip(*(story.mean_over_heads(place, measure, letter) for place in places), strict=True)
    return [None if None in column else sum(column) / len(column) for column in columns]
