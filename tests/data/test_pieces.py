"""The bytes of the pieces are what the tokenizer writes."""

import random
import re

import pytest

from mt.config import TokenizerConfig
from mt.data.pieces import piece_bytes
from mt.data.special_ids import BOS, EOS, PAD, UNK
from mt.data.tokenizer import Tokenizer
from mt.data.tokenizer_training import train_tokenizer

KOREAN = [
    "고양이가 물을 마신다.",
    "고양이는 작은 집에 산다.",
    "나는 어제 책을 읽었다.",
    "그 고양이를 보았니?",
    "강아지와 고양이가 논다.",
] * 20
ENGLISH = ["The cat drinks water.", "The cat lives in a small house.", "I read a book yesterday.", "Did you see that cat?"] * 25


@pytest.fixture(scope="module", params=[True, False], ids=["bytes", "no-bytes"])
def tokenizer(request: pytest.FixtureRequest, cache) -> Tokenizer:
    config = TokenizerConfig(vocab_size=420 if request.param else 150, byte_fallback=request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MT_CACHE", str(cache))
        return train_tokenizer(config, KOREAN, ENGLISH).tokenizer


def shown(text: str) -> str:
    """One sign for any number of bytes that are no UTF-8, since they can be counted in two ways; no spaces at the beginning."""
    return re.sub("\ufffd+", "\ufffd", text).lstrip(" ")


def test_joined_they_are_the_decoded_text(tokenizer: Tokenizer) -> None:
    """But for spaces at the beginning, which the tokenizer drops."""
    pieces, draw = piece_bytes(tokenizer.target), random.Random(3)
    assert len(pieces) == len(tokenizer.target)
    for line in [*KOREAN[:5], *ENGLISH[:4], "낯선 글자 뷁 😀 éa"]:
        [ids] = tokenizer.encode_target([line])
        assert b"".join(pieces[token] for token in ids).decode().lstrip(" ") == tokenizer.decode_target(ids).lstrip(" ")
    for _ in range(300):  # any tokens, bytes that are no UTF-8 among them
        ids = draw.choices(range(len(pieces)), k=12)
        spelled = b"".join(pieces[token] for token in ids).decode("utf-8", "replace")
        assert shown(spelled) == shown(tokenizer.decode_target(ids))


def test_special_tokens_spell_nothing_but_the_unknown_one(tokenizer: Tokenizer) -> None:
    pieces = piece_bytes(tokenizer.target)
    assert [pieces[token] for token in (PAD, BOS, EOS)] == [b""] * 3
    assert pieces[UNK].decode().strip() == "\u2047"
