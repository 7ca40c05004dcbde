"""The toy corpora: sizes, the task itself, no leak from test into train, and the same pairs on every machine."""

import pytest

from mt.data.toy import toy_pairs
from mt.errors import DataError

PINNED_FIRST_TEST_PAIR = ("do ma ma be ku bo ku bu", "do ma ma be ku bo ku bu")


@pytest.mark.parametrize("kind", ["copy", "reverse"])
@pytest.mark.parametrize(("split", "size"), [("train", 4000), ("valid", 100), ("test", 100)])
def test_every_split_has_its_size_and_every_source_three_to_ten_words(kind: str, split: str, size: int) -> None:
    pairs = toy_pairs(kind, split)
    assert len(pairs) == size
    lengths = {len(source.split(" ")) for source, _ in pairs}
    assert lengths == set(range(3, 11))
    assert len({word for source, _ in pairs for word in source.split(" ")}) == 20


def test_copy_repeats_the_source() -> None:
    assert all(source == target for source, target in toy_pairs("copy", "train"))


def test_reverse_turns_the_order_of_the_words_round() -> None:
    assert all(source.split(" ")[::-1] == target.split(" ") for source, target in toy_pairs("reverse", "train"))


@pytest.mark.parametrize("kind", ["copy", "reverse"])
def test_no_source_occurs_twice_within_or_between_splits(kind: str) -> None:
    sources = [source for split in ("train", "valid", "test") for source, _ in toy_pairs(kind, split)]
    assert len(set(sources)) == len(sources) == 4200


def test_the_pairs_are_the_same_in_every_process_and_on_every_machine() -> None:
    assert toy_pairs("reverse", "test") == toy_pairs("reverse", "test")
    assert toy_pairs("copy", "test")[0] == PINNED_FIRST_TEST_PAIR


def test_unknown_kinds_and_splits_are_refused() -> None:
    with pytest.raises(DataError, match="'sort' is not a toy corpus. Choose 'copy' or 'reverse'"):
        toy_pairs("sort", "train")
    with pytest.raises(DataError, match="there is no split 'dev'. Choose 'train', 'valid' or 'test'"):
        toy_pairs("copy", "dev")
