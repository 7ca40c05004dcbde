"""Constraints given as text hold in the text that comes out, whatever the pieces: real tokenizers, and models that want the contrary."""

import random
import zlib
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from mt import Translator
from mt.config import TokenizerConfig
from mt.config_file import load_config
from mt.data.pieces import piece_bytes
from mt.data.special_ids import EOS, UNK
from mt.data.tokenizer import Tokenizer
from mt.data.tokenizer_training import train_tokenizer
from mt.decoding.partial_characters import MATCHED
from mt.errors import DecodingError
from tests.decoding.phrase_reference import contains
from tests.decoding.table_model import TableModel, Tokens

KOREAN = [
    "고양이가 물을 마신다.",
    "고양이는 작은 집에 산다.",
    "나는 어제 책을 읽었다.",
    "그 고양이를 보았니?",
    "강아지와 고양이가 논다.",
] * 20
ENGLISH = ["The cat drinks water.", "The cat lives in a small house.", "I read a book yesterday.", "Did you see that cat?"] * 25
WORDS = ["cat", "고양이", "고양이*", "the cat", "ca*", "책을", "a"]
LINES = ["The cat", "water", "I read a book", "house house"]


@pytest.fixture(scope="module", params=[True, False], ids=["bytes", "no-bytes"])
def tokenizer(request: pytest.FixtureRequest, cache: Path) -> Tokenizer:
    config = TokenizerConfig(vocab_size=420 if request.param else 150, byte_fallback=request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MT_CACHE", str(cache))
        return train_tokenizer(config, KOREAN, ENGLISH).tokenizer


def wanting(tokenizer: Tokenizer, words: Sequence[str], seed: int, by: float = 3.0) -> Translator:
    """A model at random that likes every piece that is a part of these words, bytes too (by < 0: that dislikes them)."""
    spelled = [f" {word.removesuffix('*')} ".encode() for word in words]
    pieces = piece_bytes(tokenizer.target)
    liking_V = torch.tensor([by if piece.strip() and any(piece in word for word in spelled) else 0.0 for piece in pieces])

    def logits(source: Tokens, prefix: Tokens) -> list[float]:
        generator = torch.Generator().manual_seed(zlib.crc32(repr((seed, source, prefix)).encode()))
        logits_V = torch.randn(len(pieces), generator=generator) * 1.2 + liking_V
        logits_V[EOS] = -2.0 + len(prefix) / 2 + (by if by > 0 else 0.0)
        return logits_V.tolist()

    return Translator(TableModel(len(pieces), logits=logits), tokenizer, load_config("copy"))


@pytest.mark.parametrize("method", ["beam", "greedy", "sampling"])
def test_forbidden_words_are_never_written(tokenizer: Tokenizer, method: str) -> None:
    without, nbest = 0, {"beam": 3, "greedy": 1, "sampling": 3}[method]
    for number, word in enumerate([*WORDS, ".", "“", "cat”"] * 3):
        translator = wanting(tokenizer, [word], number)
        chosen = translator.options(method=method, beam_size=4, nbest=nbest, seed=number, max_length_extra=5 + number % 7)
        free = translator.translate_nbest(LINES, chosen)
        without += sum(contains(each.text, word) for found in free for each in found)
        asked = translator.constraints(forbid=[word, "water"])
        for found in translator.translate_nbest(LINES, chosen, constraints=[asked] * len(LINES)):
            for each in found:
                assert not contains(each.text, word) and not contains(each.text, "water"), each.text
    assert without > 5, "the models do want to write them"


def test_required_words_are_always_written(tokenizer: Tokenizer) -> None:
    without = 0
    for number, (first, second) in enumerate(zip(WORDS, WORDS[3:] + WORDS[:3], strict=True)):
        translator = wanting(tokenizer, [first, second], number, by=-4.0)
        for beam_size in (1, 2, 5):
            chosen = translator.options(method="beam", beam_size=beam_size, nbest=1)
            without += sum(contains(found[0].text, first) for found in translator.translate_nbest(LINES, chosen))
            asked = translator.constraints(require=[first, second, first], forbid=["water"])
            for [best, *_] in translator.translate_nbest(LINES, chosen, constraints=[asked] * len(LINES)):
                assert contains(best.text, first) and contains(best.text, second) and not contains(best.text, "water"), best.text
    assert without < 20, "the models do not want to write them"


def test_every_translation_begins_with_the_prefix(tokenizer: Tokenizer) -> None:
    translator = wanting(tokenizer, [], 1)
    for prefix in ("The cat", "고양이가", " 나는  어제 "):
        asked = translator.constraints(prefix=prefix)
        for method in ("beam", "greedy", "sampling"):
            for text in translator.translate(LINES, asked, method=method, nbest=1):
                assert text.startswith(" ".join(prefix.split())), text
    assert translator.constraints() == translator.constraints(prefix="  ")
    assert translator.translate(["", "water"], translator.constraints(prefix="The cat"))[0] == ""


def test_what_cannot_be_written_is_refused(tokenizer: Tokenizer) -> None:
    translator = wanting(tokenizer, [], 1)
    if "<0x41>" in (tokenizer.target.processor.id_to_piece(token) for token in range(len(tokenizer.target))):
        assert "뷁" in translator.translate(["water"], translator.constraints(require=["뷁*"]), method="beam")[0]
        return
    with pytest.raises(DecodingError, match="the prefix '뷁' has a character"):
        translator.constraints(prefix="뷁")
    with pytest.raises(DecodingError, match="required '뷁' cannot be written with this vocabulary"):
        translator.translate(["water"], translator.constraints(require=["뷁"]), method="beam")
    translator.translate(["water"], translator.constraints(forbid=["뷁"]))


def test_a_phrase_is_found_in_tokens_exactly_where_it_is_in_their_text(tokenizer: Tokenizer) -> None:
    """Whatever the tokens: pieces, single bytes, bytes that are no UTF-8, the unknown token."""
    draw, translator, found = random.Random(4), wanting(tokenizer, [], 1), 0
    pieces = piece_bytes(tokenizer.target)
    single = [token for token, piece in enumerate(pieces) if len(piece) == 1]
    tokens_of = {text: tokenizer.encode_target([text])[0][:-1] for text in ("“cat”", "고양이…", "the cat—", "猫", "é")}
    for phrase in translator.constraints(forbid=["cat", "고양이*", "고양이", "the cat", "猫", "é", "…", "”", ".", "\ufffd"]).forbidden:
        for _ in range(150):
            tokens = [
                token
                for _ in range(draw.randint(1, 4))
                for token in draw.choice([*tokens_of.values(), draw.choices(single, k=2), [draw.randrange(4, len(pieces))], [UNK]])
            ]
            if len(tokens) > 2 and draw.random() < 0.3:
                del tokens[draw.randrange(len(tokens))]
            text = tokenizer.decode_target(tokens)
            found += contains(text, phrase.text)
            assert (phrase.after([*tokens, EOS]) == MATCHED) == contains(text, phrase.text) == phrase.occurs_in(text), text
    assert found > 100


def test_a_decomposed_word_is_the_composed_one(tokenizer: Tokenizer) -> None:
    """As macOS types Hangul."""
    translator = wanting(tokenizer, [], 1)
    composed, decomposed = (translator.constraints(forbid=[text]).forbidden[0] for text in ("한글", "\u1112\u1161\u11ab\u1100\u1173\u11af"))
    assert (composed.next_KV == decomposed.next_KV).all()
