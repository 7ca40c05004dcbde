"""A few hundred files on every road; scripts/fuzz_readers.py draws many thousands."""

import random
from pathlib import Path

import pytest

from tests.fuzz.roads import compare, draw_files, small_blocks


@pytest.mark.parametrize("seed", range(4))
def test_every_command_reads_a_file_alike(seed: int, tmp_path: Path) -> None:
    """What must agree is asserted in roads.py."""
    drawn = set()
    for number in range(120):
        draw = random.Random(f"{seed}-{number}")
        kind, paths = draw_files(draw, tmp_path)
        drawn.add(kind)
        with small_blocks(draw):
            compare(kind, paths)
    assert {"text", "tsv", "csv", "jsonl", "json"} <= drawn
