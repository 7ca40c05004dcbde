"""What a training noted of its attention (projections.jsonl) together with its validations, ready to be asked: figure, attention, step.

reading.py puts it into words, story_text.py and story_page.py show it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mt.errors import RunError
from mt.inspection.attention import kind_and_layer
from mt.runs import RunDirectory, shown
from mt.training.recorder import RECORD

LETTERS = {"q": "W_Q", "k": "W_K", "v": "W_V", "o": "W_O"}
"""The projections."""
OF_ATTENTION = {
    "entropy_share": "entropy of the weights, as a share of the greatest possible",
    "entropy": "entropy of the weights, nats",
    "largest_weight": "largest weight",
    "distance": "how far it looks, positions",
    "score_variance": "variance of q·k",
    "scaled_score_variance": "variance of q·k / √d_k",
    "score_effective_rank": "effective rank of W_Qᵀ W_K",
}
"""What is noted of an attention."""
OF_PROJECTION = {
    "norm": "norm",
    "cosine": "cosine to the initial weights",
    "effective_rank": "effective rank",
    "gradient_norm": "norm of the gradient",
    "update_ratio": "norm of an update / norm of the weights",
}
"""What is noted of each of its four projections."""
KINDS = {"encoder": "encoder self-attention", "decoder": "decoder self-attention", "cross": "cross-attention"}
"""The three places of attention."""


@dataclass(frozen=True, order=True)
class Place:
    """One attention of the model."""

    kind: str
    """A key of KINDS."""
    layer: int
    """From 1."""
    name: str
    """Its module, such as decoder.2.cross_attention."""

    @classmethod
    def of(cls, name: str) -> "Place":
        """From the module's name."""
        return cls(*kind_and_layer(name), name)

    def __str__(self) -> str:
        return f"{KINDS[self.kind]} in layer {self.layer}"


@dataclass(frozen=True)
class Validated:
    """One validation of the training."""

    step: int
    bleu: float
    loss: float


@dataclass(frozen=True)
class Story:
    """All notes of one training."""

    title: str
    steps: tuple[int, ...]
    notes: tuple[dict, ...]
    """For each step what stands under "attention" in its line."""
    validations: tuple[Validated, ...]
    seconds: float
    """What the notes took, all together."""
    training_seconds: float | None
    """What the whole training took; None while it is not finished."""

    @property
    def places(self) -> list[Place]:
        """All attentions, encoder first, then by layer."""
        order = list(KINDS)
        return sorted(map(Place.of, self.notes[0]), key=lambda place: (order.index(place.kind), place.layer))

    def heads(self, place: Place) -> int:
        """How many heads it has."""
        return len(self.notes[0][place.name]["entropy"])

    def over_steps(self, place: Place, measure: str, letter: str | None = None) -> list[list[float | None]]:
        """For each step, one number a head; None where that step has none (there is no update before the first)."""
        nothing = [None] * self.heads(place)
        found = []
        for note in self.notes:
            figures = note[place.name] if letter is None else note[place.name].get(letter, {})
            found.append(figures.get(measure, nothing))
        return found

    def mean_over_heads(self, place: Place, measure: str, letter: str | None = None) -> list[float | None]:
        """For each step the mean of the heads."""
        return [mean(values) for values in self.over_steps(place, measure, letter)]

    def has_projections(self, place: Place) -> bool:
        """Whether it is scaled dot-product attention, with W_Q and the others; additive attention is not."""
        return "q" in self.notes[0][place.name]

    def bleu_around(self, first: int, last: int) -> tuple[Validated | None, Validated | None]:
        """The last validation up to `first` and the first one from `last` on (the very last one, if there is none)."""
        before = [found for found in self.validations if found.step <= first]
        after = [found for found in self.validations if found.step >= last] or list(self.validations[-1:])
        return before[-1] if before else None, after[0] if after else None


def mean(values: Sequence[float | None]) -> float | None:
    """Of the numbers that are there."""
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if there else None


def read_story(run: RunDirectory) -> Story:
    """The notes of a run, finished or not. RunError when it has made none, or when its file is damaged."""
    path = run.path / RECORD
    if not path.is_file():
        raise RunError(
            f"{shown(run.path)}: this run noted nothing of its attention (there is no {RECORD}). It is written while training, unless "
            "training.record is false, the weights are divided (training.shard), or training is too short to note anything in 1.5 % of "
            "its time"
        )
    lines = [line for line in _read_lines(path) if line["attention"]]
    if not lines:
        raise RunError(f"{shown(run.path)}: this model has no attention to follow; architectures that have: rnn-attention, transformer")
    validations = ()
    if run.metrics_path.is_file():
        validations = tuple(
            Validated(line["step"], line["bleu"], line["loss"]) for line in _read_lines(run.metrics_path) if line.get("kind") == "valid"
        )
    return Story(
        run.path.name, tuple(line["step"] for line in lines), tuple(line["attention"] for line in lines), validations,
        sum(line["seconds"] for line in lines), run.read_json("summary.json")["seconds"] if run.finished() else None,
    )  # fmt: skip


def _read_lines(path: Path) -> list[dict]:
    """JSON objects, one a line; a last line cut short by a crash is left out."""
    texts = path.read_text(encoding="utf-8").split("\n")
    found = []
    for number, text in enumerate(texts, 1):
        try:
            found.append(json.loads(text))
        except ValueError as error:
            if number < len(texts):
                raise RunError(f"{shown(path)}, line {number}: this is not JSON; continue the training to write it anew") from error
    return found
