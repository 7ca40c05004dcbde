"""Each architecture learns, through the command line, the task that its paper says it can: to copy a sentence, a short one for the rnn."""

import json
import random
from pathlib import Path

import pytest

from mt.runs import RunDirectory, runs_root
from tests.processes import mt_process, sets

RECURRENT = ["model.num_heads=8", "model.d_ff=2048", "model.norm_position=post", "training.learning_rate=0.005", "training.clip_norm=1"]
"""The toy's configuration without what a recurrent network has not."""


def short_pairs(folder: Path, longest: int) -> list[str]:
    """6000 training pairs and 100 each to validate and test, all different, of 1 to `longest` words."""
    generator = random.Random(5)
    words = [consonant + vowel for consonant in "bdkm" for vowel in "aeiou"]
    lines: dict[str, None] = {}
    while len(lines) < 6200:
        lines[" ".join(generator.choices(words, k=generator.randint(1, longest)))] = None
    settings, start = [], 0
    for split, count in (("train", 6000), ("valid", 100), ("test", 100)):
        path = folder / f"{split}.tsv"
        path.write_text("".join(f"{line}\t{line}\n" for line in list(lines)[start : start + count]), encoding="utf-8")
        settings.append(f"data.{split}={path}")
        start += count
    return settings


@pytest.mark.parametrize(
    ("architecture", "settings", "longest"),
    [
        pytest.param("transformer", ["training.max_steps=250"], 8, marks=pytest.mark.slow),  # the toy tasks are learnt by one
        ("rnn-attention", [*RECURRENT, "training.max_steps=300"], 8),
        pytest.param("rnn", [*RECURRENT, "model.cell=gru", "training.max_steps=600"], 4, marks=pytest.mark.slow),
    ],
)
def test_the_copy_task_is_learned(architecture: str, settings: list[str], longest: int, tmp_path: Path) -> None:
    common = [f"name={architecture}", f"model.architecture={architecture}", "training.validate_every=1000", "training.precision=fp32"]
    done = mt_process("train", "--config", "copy", *sets([*short_pairs(tmp_path, longest), *common, *settings, "training.threads=1"]))
    assert done.returncode == 0, done.stderr
    summary = json.loads((RunDirectory(runs_root() / architecture).summary_path).read_text(encoding="utf-8"))
    assert summary["test"]["chrf"]["score"] > 95, done.stderr
