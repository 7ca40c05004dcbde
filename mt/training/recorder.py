"""When a training notes how its attention learns, and where: projections.jsonl in the run's directory, a line for each noted step.

The steps are spaced evenly in the logarithm, because weights move fast at first and slowly later; how closely depends on what a note costs:
all of them together take at most 1.5 % of the training's time. What is measured: mt/inspection/projections.py.
"""

import json
import time
from pathlib import Path

import torch

from mt.data.batching import pad
from mt.data.pairs import EncodedPairs
from mt.inspection.projections import Probe, ProjectionWeights, measure_attention, measure_weights
from mt.model.interface import TranslationModel
from mt.training.report import forget_after

RECORD = "projections.jsonl"
"""Its name in the run's directory."""
_SHARE = 0.015
_CLOSEST = 2**0.5
_FEWEST = 4  # a shorter story is none
_PAIRS = 16
_LONGEST = 64


class Recorder:
    """Notes the state of the projections at some steps. Made before a checkpoint is restored, so that it sees the initial weights."""

    def __init__(self, path: Path, model: TranslationModel, probe: Probe):
        self._path, self._probe = path, probe
        self._initial = ProjectionWeights.of(model)
        self._before: ProjectionWeights | None = None
        self._last = -1
        self._cost = 0.0
        self._max_steps, self._seconds = 1, 0.0

    def begin(self, model: TranslationModel, step: int, max_steps: int, seconds: float) -> None:
        """Take up what was noted up to this step; at step 0 note the initial state.

        max_steps, seconds: how many updates are expected in all, and how much time they take.
        """
        noted = forget_after(self._path, step)
        self._max_steps, self._seconds = max_steps, seconds
        self._last = noted[-1]["step"] if noted else -1
        self._cost = noted[-1]["seconds"] if noted else 0.0
        if step == 0 and not noted:
            self._note(model, 0)

    def due(self, step: int) -> bool:
        """Whether this update is to be noted."""
        affordable = _SHARE * self._seconds / max(self._cost, 1e-6)
        if affordable < _FEWEST:
            return False
        spacing = max(_CLOSEST, max(2, self._max_steps) ** (1 / affordable))
        return step >= max(self._last + 1, self._last * spacing)

    def before(self, model: TranslationModel) -> None:
        """Called ahead of an update that is to be noted."""
        begun = time.perf_counter()
        self._before = ProjectionWeights.of(model)
        self._cost = time.perf_counter() - begun

    def after(self, model: TranslationModel, step: int) -> None:
        """Called once that update is made and its gradients still stand."""
        self._note(model, step)
        self._before = None

    def end(self, model: TranslationModel, step: int) -> None:
        """Note the state in which training ends, unless the last note is of that step, or a note costs too much."""
        if step > self._last >= 0 and _SHARE * self._seconds >= _FEWEST * self._cost:
            self._note(model, step)

    def _note(self, model: TranslationModel, step: int) -> None:
        """Measure and write one line."""
        begun = time.perf_counter()
        gradients = ProjectionWeights.of(model, gradients=True) if self._before is not None else None
        attention = measure_weights(ProjectionWeights.of(model), self._initial, self._before, gradients)
        for name, figures in measure_attention(model, self._probe).items():
            attention.setdefault(name, {}).update(figures)
        self._cost = (self._cost if self._before is not None else 0.0) + time.perf_counter() - begun
        line = {"step": step, "seconds": round(self._cost, 4), "attention": attention}
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        self._last = step


def make_probe(pairs: EncodedPairs, device: torch.device) -> Probe:
    """The first pairs that are not very long, padded."""
    chosen: list[tuple[list[int], list[int]]] = []
    for source, target in zip(pairs.sources, pairs.targets, strict=True):
        if max(len(source), len(target)) <= _LONGEST:
            chosen.append((list(source), list(target)))
        if len(chosen) == _PAIRS:
            break
    if not chosen:
        chosen = [(list(pairs.sources[0][-_LONGEST:]), list(pairs.targets[0][-_LONGEST:]))]
    return Probe(*(pad(side).to(device) for side in zip(*chosen, strict=True)))
