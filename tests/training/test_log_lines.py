"""The logs are one JSON object a line, and a sentence in them may hold any character, such as U+2028 and U+0085."""

import json
from pathlib import Path

import pytest

from mt.inspection import story
from mt.training.doctor import history
from mt.training.report import forget_after


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\x85", "\x0c", "\x1c"])
def test_a_character_that_ends_lines_elsewhere_ends_none_in_a_log(mark: str) -> None:
    path = Path("projections.jsonl")
    lines = [{"step": step, "text": f"a{mark}b"} for step in (1, 2, 3)]
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    assert story._read_lines(path) == history._lines(path) == lines
    assert forget_after(path, 2) == lines[:2]
    assert story._read_lines(path) == lines[:2]
    with path.open("a", encoding="utf-8") as file:
        file.write('{"step": 4, "te')  # a crash
    assert story._read_lines(path) == history._lines(path) == lines[:2]
