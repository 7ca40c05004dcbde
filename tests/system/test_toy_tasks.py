"""The toys are learnt, through the command line, whatever the seed: a model that cannot copy or reverse is wired wrongly."""

import json
import random
from pathlib import Path

import pytest

from mt.data.toy import toy_pairs
from tests.command_line import run_mt
from tests.processes import sets

SETTINGS = {
    "copy": (),
    # Further apart than in copying: exact with relative positions and a rate that falls to zero.
    "reverse": ("model.positions=rotary", "training.learning_rate=0.005", "training.schedule=linear"),
}


@pytest.mark.parametrize("task", [pytest.param("copy", marks=pytest.mark.slow), "reverse"])
def test_the_task_is_learnt_to_the_word(task: str) -> None:
    """More than 90 BLEU on unseen sentences, and most of them exact; seconds on one thread."""
    seed = random.randrange(10**6)
    settings = [f"data={task}", f"name={task}", f"training.seed={seed}", "training.threads=1", "training.device=cpu", *SETTINGS[task]]
    said = f"{task}, training.seed={seed}"
    trained = run_mt("train", "--config", "copy", *sets(settings))
    assert trained.exit_code == 0, f"{said}: {trained.stderr}"
    evaluated = run_mt("eval", "--model", task, "--json", "scores.json", "--output", "hypotheses.txt")
    assert evaluated.exit_code == 0, f"{said}: {evaluated.stderr}"
    bleu = json.loads(Path("scores.json").read_text())["bleu"]["score"]
    hypotheses = Path("hypotheses.txt").read_text().splitlines()
    exact = sum(hypothesis == target for hypothesis, (_, target) in zip(hypotheses, toy_pairs(task, "test"), strict=True))
    assert bleu > 90, f"{said}: BLEU {bleu:.1f}, {exact} of 100 exact"
    assert exact > 75, f"{said}: BLEU {bleu:.1f}, {exact} of 100 exact"
