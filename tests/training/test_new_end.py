"""Another max_steps bends a schedule that ends there, and the user is told."""

import pytest

from mt.training.trainer import train
from tests.tiny import tiny_config


@pytest.mark.parametrize(("schedule", "told"), [("linear", True), ("cosine", True), ("inverse_sqrt", False), ("constant", False)])
def test_a_raised_max_steps_is_told_where_it_changes_the_learning_rate(
    schedule: str, told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    train(tiny_config("training.max_steps=2", f"training.schedule={schedule}"))
    with caplog.at_level("WARNING", logger="mt"):
        train(tiny_config("training.max_steps=3", f"training.schedule={schedule}"))
    assert any("the learning rate goes on from another value" in record.message for record in caplog.records) is told
