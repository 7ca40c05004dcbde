"""What is told of translations without reading them, against counts made by hand."""

import math
import random
import time

import pytest
from sacrebleu.metrics import CHRF

from mt.config import DecodingConfig, TokenizerConfig
from mt.data.demo import demo_pairs
from mt.data.special_ids import UNK
from mt.data.tokenizer import Tokenizer
from mt.data.tokenizer_training import train_tokenizer
from mt.training.outputs import (
    Translated,
    byte_pieces,
    copied_share,
    frequency_entropy,
    identical_share,
    output_figures,
    repeating_share,
)


@pytest.fixture(scope="module")
def tokenizer(cache: object) -> Tokenizer:
    sources, targets = zip(*demo_pairs("train")[:2000], strict=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MT_CACHE", str(cache))
        return train_tokenizer(TokenizerConfig(vocab_size=1000), sources, targets).tokenizer


def test_identical_are_the_translations_that_stand_beside_another_source_too() -> None:
    assert identical_share(["a", "b", "c", "d"], ["x", "x", "y", "z"]) == 0.5
    assert identical_share(["a", "a", "c"], ["x", "x", "y"]) == 0.0, "the same source may have the same translation"
    assert identical_share(["a", "b"], ["", ""]) == 1.0, "nothing is the same as nothing"


def test_copied_are_the_words_that_stand_in_the_source_each_counted_once() -> None:
    assert copied_share(["Anna sieht Rom", "ja"], ["Anna sees Rom", "yes yes"]) == pytest.approx(2 / 5)
    assert copied_share(["the"], ["the the the"]) == pytest.approx(1 / 3)
    assert copied_share(["a"], [""]) == 0.0


@pytest.mark.parametrize(
    ("row", "repeating"),
    [
        ([5, 5, 5], True), ([5, 5], False), ([5, 6, 5, 6, 5, 6], True), ([5, 6, 5, 6, 5], False), ([1, 2, 3, 4, 5, 5, 6], False),
        ([7, *range(10, 18), *range(10, 18), *range(10, 18)], True), ([*range(10, 19)] * 3, False), ([], False), ([9], False),
    ],
)  # fmt: skip
def test_a_repetition_is_an_n_gram_of_up_to_eight_pieces_three_times_in_a_row(row: list[int], repeating: bool) -> None:
    assert repeating_share([row]) == float(repeating)
    assert repeating_share([[5], row, [5, 5], [5]]) == repeating / 4, "and a sentence does not go on in the next"


def test_the_repeating_share_is_what_a_plain_search_finds() -> None:
    def plain(row: list[int]) -> bool:
        return any(row[i : i + n] == row[i + n : i + 2 * n] == row[i + 2 * n : i + 3 * n]
                   for n in range(1, 9) for i in range(len(row) - 3 * n + 1))  # fmt: skip

    rows = [[random.randrange(3) for _ in range(random.randrange(25))] for _ in range(300)]
    assert repeating_share(rows) == pytest.approx(sum(map(plain, rows)) / 300)


def test_the_entropy_of_frequencies_is_that_of_the_distribution_the_pieces_were_drawn_from() -> None:
    shares = [0.5, 0.25, 0.125, 0.125]
    rows = [random.choices(range(4), shares, k=20) for _ in range(2000)]
    assert frequency_entropy(rows) == pytest.approx(-sum(share * math.log(share) for share in shares), abs=0.02)
    assert frequency_entropy(rows[:50]) is None, "a thousand tokens are too few to tell"


def test_byte_pieces_are_what_unknown_characters_are_spelt_with(tokenizer: Tokenizer) -> None:
    is_byte = byte_pieces(tokenizer.source)
    assert is_byte.sum() == 256
    ids = tokenizer.encode_source(["語"])[0][:-1]
    assert sum(is_byte[ids]) == 3, "three bytes of UTF-8"


def figures_of(tokenizer: Tokenizer, sources: list[str], texts: list[str], references: list[str], **options: float) -> dict[str, float]:
    source_ids, ids, reference_ids = ([row[:-1] for row in tokenizer.encode_source(side)] for side in (sources, texts, references))
    return output_figures(Translated(sources, texts, ids), Translated(sources, references, reference_ids), source_ids,
                          [True] * (len(texts) - 1) + [False], tokenizer, DecodingConfig(**options))  # fmt: skip


def test_references_as_translations_have_the_figures_of_references(tokenizer: Tokenizer) -> None:
    sources, references = map(list, zip(*demo_pairs("valid")[:50], strict=True))
    figures = figures_of(tokenizer, sources, references, references)
    assert figures["length_ratio"] == 1.0 and figures["cut_off"] == pytest.approx(1 / 50)
    for name in ("identical", "copied", "repeating", "unknown"):
        assert figures[f"{name}_outputs"] == figures[f"{name}_references"]
    assert figures["unknown_source"] == 0.0 and figures["bytes_source"] < 0.1


def test_references_longer_than_the_limit_are_counted(tokenizer: Tokenizer) -> None:
    sources, references = ["나는 밥을 먹었다."] * 2, ["I ate.", "I ate " * 60]
    assert figures_of(tokenizer, sources, references, references)["cut_off_references"] == 0.5
    assert figures_of(tokenizer, sources, references, references, max_length_ratio=50.0)["cut_off_references"] == 0.0


def test_without_byte_fallback_foreign_text_is_unknown() -> None:
    sources, targets = zip(*demo_pairs("train")[:500], strict=True)
    plain = train_tokenizer(TokenizerConfig(vocab_size=600, byte_fallback=False), targets, targets).tokenizer
    figures = figures_of(plain, list(sources[:20]), list(targets[:20]), list(targets[:20]))
    assert figures["unknown_source"] > 0.3 and figures["unknown_references"] == 0.0 and figures["bytes_source"] == 0.0
    assert UNK in plain.encode_source(sources[:1])[0]


def test_it_costs_little_beside_the_scores(tokenizer: Tokenizer) -> None:
    """chrF of the same thousand sentences is the measure; there is room for a busy machine."""
    sources, references = map(list, zip(*demo_pairs("train")[:1000], strict=True))
    figures_of(tokenizer, sources, references, references)
    begun = time.process_time()
    CHRF().corpus_score(references, [references])
    scored = time.process_time()
    figures_of(tokenizer, sources, references, references)
    assert time.process_time() - scored < 10 * (scored - begun)
