"""Subword sampling: the same text in other pieces, with the promised probabilities, and the same draws in every process."""

import hashlib
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy
import pytest

from mt.config import TokenizerConfig
from mt.data import subword_sampling
from mt.data.demo import demo_pairs
from mt.data.special_ids import EOS, UNK
from mt.data.subword_sampling import BPE_CHOICES, BpeMerger, SubwordSampler, Words, unigram_choices
from mt.data.tokenizer import Tokenizer
from mt.data.tokenizer_training import train_tokenizer

PAIRS = demo_pairs("train")[:3000]
KOREAN, ENGLISH = [ko for ko, _ in PAIRS], [en for _, en in PAIRS]
LINES = [*KOREAN[:150], *ENGLISH[:150]]
ODD = ["뷁뷁 쀍a 😀😀 x😀y", "ΩΩΩ ∑", "aaaaaaaaaa", "", "한 a 漢字漢字 b"]
AMOUNT = {"unigram": 0.2, "bpe": 0.2}


def made(model_type: str, byte_fallback: bool = True) -> Tokenizer:
    size = 900 if byte_fallback else 600
    config = TokenizerConfig(model_type=model_type, vocab_size=size, byte_fallback=byte_fallback, character_coverage=0.999)
    return train_tokenizer(config, KOREAN, ENGLISH).tokenizer


def sampler(model_type: str, lines: list[str], amount: float | None = None, seed: int = 1, byte_fallback: bool = True) -> "Drawing":
    processor = made(model_type, byte_fallback).source.processor
    drawing = SubwordSampler(processor, model_type, AMOUNT[model_type] if amount is None else amount, seed)
    return Drawing(drawing, drawing.words(lines))


def richest_word() -> str:
    """The English word that the unigram vocabulary can cut in the most ways."""
    processor = made("unigram").source.processor
    words = sorted({word for line in ENGLISH[:300] for word in line.split()})
    return max(words, key=lambda word: len(unigram_choices(processor, word, 1.0)))


@dataclass
class Drawing:
    """A sampler with the lines it draws."""

    sampler: SubwordSampler
    words: Words

    def draw(self, seed: int, epoch: int) -> list[numpy.ndarray]:
        return list(self.sampler.draw(self.words, seed, epoch))


def digest(draws: list[numpy.ndarray]) -> str:
    """A hash of all draws and their borders."""
    return hashlib.sha256(repr([draw.tolist() for draw in draws]).encode()).hexdigest()


@pytest.mark.parametrize("byte_fallback", [True, False])
@pytest.mark.parametrize("model_type", ["unigram", "bpe"])
def test_without_sampling_words_are_cut_as_sentencepiece_cuts_whole_lines(model_type: str, byte_fallback: bool) -> None:
    processor = made(model_type, byte_fallback).source.processor
    merger = BpeMerger(processor)
    generator = numpy.random.default_rng(0)
    for line in [*KOREAN, *ENGLISH, *ODD]:
        own = []
        for word in line.split():
            own += unigram_choices(processor, word, 1.0, most=1)[0][0] if model_type == "unigram" else merger.segment(word, 0.0, generator)
        assert own == processor.encode(line), line


@pytest.mark.parametrize("model_type", ["unigram", "bpe"])
def test_a_vanishing_amount_of_sampling_gives_the_plain_encoding(model_type: str) -> None:
    """A very sharp unigram distribution has only the best segmentation; BPE without dropout makes every merge."""
    tokenizer = made(model_type)
    drawn = sampler(model_type, ["가 나 다", *LINES, *ODD], amount=1e6 if model_type == "unigram" else 0.0).draw(1, 0)
    assert [draw.tolist() for draw in drawn] == tokenizer.encode_source(["가 나 다", *LINES, *ODD])


def test_unknown_neighbours_are_one_unk_without_bytes() -> None:
    merger = BpeMerger(made("bpe", byte_fallback=False).source.processor)
    for dropout in (0.0, 0.5):
        tokens = merger.segment("뷁쀍a뷁", dropout, numpy.random.default_rng(1))
        assert tokens.count(UNK) == 2
        assert all((token, after) != (UNK, UNK) for token, after in zip(tokens, tokens[1:], strict=False))


@pytest.mark.parametrize("model_type", ["unigram", "bpe"])
def test_every_draw_is_the_same_text_and_ends_with_eos(model_type: str) -> None:
    tokenizer = made(model_type)
    lines = [*LINES, *ODD]
    drawing = sampler(model_type, lines, amount=0.5)
    for epoch in range(5):
        draws = drawing.draw(1, epoch)
        assert len(draws) == len(lines)
        assert [tokenizer.decode_target(draw) for draw in draws] == lines
        assert all(draw[-1] == EOS and EOS not in draw[:-1] and draw.dtype == numpy.int32 for draw in draws)
    assert drawing.draw(1, 0)[lines.index("")].tolist() == [EOS]


@pytest.mark.parametrize("model_type", ["unigram", "bpe"])
def test_epochs_and_seeds_differ_and_repeat(model_type: str) -> None:
    drawing = sampler(model_type, LINES)
    draws = {digest(drawing.draw(seed, epoch)) for seed in (1, 2) for epoch in range(3)}
    assert len(draws) == 6
    assert digest(drawing.draw(2, 1)) == digest(sampler(model_type, LINES).draw(2, 1)) and digest(drawing.draw(2, 1)) in draws


@pytest.mark.parametrize("model_type", ["unigram", "bpe"])
def test_another_process_draws_the_same(model_type: str) -> None:
    program = f"from tests.data.test_subword_sampling import *; print(digest(sampler({model_type!r}, LINES).draw(5, 3)))"
    folder = Path(__file__).resolve().parents[2]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "77"}
    said = subprocess.run([sys.executable, "-c", program], cwd=folder, env=environment, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    assert said.stdout.strip() == digest(sampler(model_type, LINES).draw(5, 3))


@pytest.mark.parametrize("lines", [[], [""], ["", ""], ["a", ""], ["", "a", ""], [" a  b "]])
@pytest.mark.parametrize("model_type", ["unigram", "bpe"])
def test_empty_lines_and_spare_spaces(model_type: str, lines: list[str]) -> None:
    tokenizer = made(model_type)
    draws = sampler(model_type, lines).draw(1, 0)
    assert [tokenizer.decode_target(draw) for draw in draws] == [" ".join(line.split()) for line in lines]
    assert all(draw[-1] == EOS for draw in draws)


def test_a_words_probabilities_are_its_likelihoods_sharpened() -> None:
    processor = made("unigram").source.processor
    word = richest_word()
    flat, plain, sharp = ({tuple(cut): share for cut, share in unigram_choices(processor, word, amount)} for amount in (0.0, 1.0, 2.0))
    assert flat.keys() == plain.keys() == sharp.keys() and len(flat) > 5
    assert all(sum(shares.values()) == pytest.approx(1.0) for shares in (flat, plain, sharp))
    assert len(set(flat.values())) == 1
    squares = sum(share**2 for share in plain.values())
    for cut, share in plain.items():
        assert sharp[cut] == pytest.approx(share**2 / squares)
        likelihood = sum(processor.get_score(piece) for piece in cut)
        best = sum(processor.get_score(piece) for piece in next(iter(plain)))
        assert share / next(iter(plain.values())) == pytest.approx(numpy.exp(likelihood - best), rel=1e-5)


def test_segmentations_come_as_often_as_their_probabilities_say() -> None:
    processor = made("unigram").source.processor
    word = richest_word()
    choices = {tuple(cut): share for cut, share in unigram_choices(processor, word, 0.3)}
    count = 20_000
    draws = sampler("unigram", [word] * count, amount=0.3).draw(1, 0)
    seen = Counter(tuple(draw[:-1].tolist()) for draw in draws)
    assert seen.keys() <= choices.keys() and len(seen) > 5
    for cut, share in choices.items():
        spread = (count * share * (1 - share)) ** 0.5
        assert abs(seen[cut] - count * share) < 5 * spread + 1, cut


def test_bpe_segmentations_come_as_often_as_they_were_drawn() -> None:
    count = 16_000
    draws = sampler("bpe", ["memorizing"] * count, amount=0.3).draw(1, 0)
    seen = Counter(tuple(draw.tolist()) for draw in draws)
    assert 2 < len(seen) <= BPE_CHOICES
    for times in seen.values():
        shares = times / count * BPE_CHOICES  # a whole number of the sixteen, give or take
        assert abs(shares - round(shares)) < 0.3 and round(shares) >= 1


def test_bpe_dropout_of_one_leaves_characters_and_more_dropout_means_more_pieces() -> None:
    processor = made("bpe").source.processor
    merger, words = BpeMerger(processor), sorted({word for line in ENGLISH[:200] for word in line.split()})
    assert [processor.id_to_piece(token) for token in merger.segment("an", 1.0, numpy.random.default_rng(1))] == ["\u2581", "a", "n"]
    totals = []
    for dropout in (0.0, 0.1, 0.5, 0.9):
        generator = numpy.random.default_rng(1)
        totals.append(sum(len(merger.segment(word, dropout, generator)) for word in words))
    assert totals == sorted(set(totals))


@pytest.mark.parametrize("extreme", [0.0, float(numpy.nextafter(1.0, 0.0))])
def test_the_outermost_draws_still_belong_to_their_word(extreme: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """A number just below 1 added to a word's number is rounded up to the next word's."""

    class Extreme:
        def random(self, size: int) -> numpy.ndarray:
            return numpy.full(size, extreme)

    drawing = sampler("unigram", LINES, amount=0.1)
    monkeypatch.setattr(subword_sampling.numpy.random, "default_rng", lambda _: Extreme())
    tokenizer = made("unigram")
    assert [tokenizer.decode_target(draw) for draw in drawing.draw(1, 0)] == LINES
