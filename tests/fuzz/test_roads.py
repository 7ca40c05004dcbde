"""A few hundred files on every road; scripts/fuzz_readers.py draws many thousands."""

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import pytest

from mt.data import table_json
from mt.data.table_json import document_rows, flatten, numbered_rows
from mt.data.table_text import Faults
from mt.errors import DataError
from tests.fuzz.roads import compare, draw_files, draw_json, small_blocks


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


class Noted(Faults):
    """Notes what it is told and lets reading go on, as mt check does."""

    def __init__(self) -> None:
        super().__init__("a.json")
        self.told: list[tuple] = []

    def row(self, line: int, problem: str, text: str = "", unit: str = "line") -> None:
        self.told.append((line, problem, text, unit))


Reader = Callable[[str, Faults], Iterator[tuple[int, dict]]]


def one_by_one(text: str, faults: Faults) -> Iterator[tuple[int, dict]]:
    """The reference for numbered_rows."""
    return ((number, flatten(item.value)) for number, item in document_rows(text, faults))


def read_both_ways(read: Reader, text: str) -> tuple:
    """What is read with faults noted, what was noted, what is read before a refusal, and the refusal. Values as JSON: NaN is not NaN."""
    noted, strict, refusal = Noted(), [], ""
    rows = [json.dumps(row) for row in read(text, noted)]
    try:
        for row in read(text, Faults("a.json")):
            strict.append(json.dumps(row))
    except DataError as error:
        refusal = str(error)
    return rows, noted.told, strict, refusal


def starts_one_by_one(text: str) -> int:
    """How many rows numbered_rows decodes in pieces."""
    with mock.patch.object(table_json, "_each_row", wraps=table_json._each_row) as spy:
        list(numbered_rows(text, Noted()))
    return spy.call_args.args[2] if spy.called else 0


@pytest.mark.parametrize("size", [1, 30, 200])
def test_a_list_read_in_pieces_is_the_list_read_member_by_member(size: int) -> None:
    in_pieces = refused = 0
    with mock.patch.object(table_json, "PIECE_CHARACTERS", size):
        for number in range(3000):
            text = draw_json(random.Random(f"{size}-{number}"))
            if not text.lstrip(" \t\r\n").startswith(("[", "{")):
                continue  # read_json takes it for lines
            result = read_both_ways(numbered_rows, text)
            assert result == read_both_ways(one_by_one, text), text
            in_pieces += starts_one_by_one(text) > 0
            refused += bool(result[3])
    assert in_pieces > 300
    assert refused > 300


PAIR = '{"ko": "가", "en": "a"}'


@pytest.mark.parametrize(
    "odd",
    [
        '{"ko": "}, {", "en": "a"}', '{"ko": [{"a": 1}, {"b": 2}, {"c": 3}], "en": "a"}', '{"a": {"b": 1}, "c": {"b": 2}}',
        '{"ko": 1.50, "en": -0}', '{"ko": 1e400, "en": NaN}', '{"ko": "가", "en": "a", "ko": "나"}', '{"x": {"ko": 1, "ko": 2}}',
        '{"ko": ' + "9" * 5000 + "}", '{"ko": ' + "[" * 100_000 + "]" * 100_000 + "}", '{"ko": "\\ud800"}', '{"ko": "\t"}', "5", "[]",
        "null", "", PAIR + " " + PAIR, PAIR + "]", PAIR + "], [", '{"ko": "가', '{"ko": "\\"}, {"en": 1}', '{"ko" "가"}', "{}",
        '{"ko": 01}',
    ],
)  # fmt: skip
@pytest.mark.parametrize("around", ["[%s]", '{"data": [%s]}', "[%s,]", "[%s", "[%s] x", '{"a": %s}'])
def test_an_odd_member_is_read_or_refused_alike(odd: str, around: str) -> None:
    for size in (1, 50, 300):
        for before, after in ((0, 0), (1, 3), (9, 12), (12, 0)):
            text = around % ",\n ".join([PAIR] * before + [odd] + [PAIR] * after)
            with mock.patch.object(table_json, "PIECE_CHARACTERS", size):
                assert read_both_ways(numbered_rows, text) == read_both_ways(one_by_one, text)


@pytest.mark.parametrize("text", ["a }, { b", "3:30", "1 : 2"])
@pytest.mark.parametrize("indent", [None, 2])
def test_almost_all_of_a_list_of_pairs_is_decoded_in_pieces(text: str, indent: int | None) -> None:
    pairs = [{"ko": f"{text} {number}", "en": text, "id": number} for number in range(20_000)]
    content = json.dumps(pairs, indent=indent)
    least = len(pairs) - 2 * table_json.PIECE_CHARACTERS * len(pairs) // len(content)
    assert starts_one_by_one(content) > least > 10_000
    assert starts_one_by_one(f'{{"data": {content}}}') > least
