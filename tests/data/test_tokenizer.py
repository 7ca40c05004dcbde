"""The tokenizer: what goes in comes out again, sizes that cannot be are told, and the cache is only a cache."""

import random
from pathlib import Path

import pytest

from mt.config import TokenizerConfig
from mt.data import tokenizer_training as tokenizer_module
from mt.data.demo import demo_pairs
from mt.data.special_ids import BOS, EOS, PAD, UNK
from mt.data.subword_sampling import SubwordSampler
from mt.data.tokenizer import Tokenizer, Vocabulary
from mt.data.tokenizer_training import TrainedTokenizer, cache_directory, cut_long_lines, train_tokenizer
from mt.errors import TokenizerError

PAIRS = demo_pairs("train")[:400]
KOREAN, ENGLISH = [korean for korean, _ in PAIRS], [english for _, english in PAIRS]
RARE = [
    "뷁쀍 똠방각하",
    "😀 👩‍👩‍👧 🇰🇷",
    "日本語 и кириллица, ελληνικά",
    "naïve café — “quotes” … ½ €",
    "x = {'a': [1, 2]}; <b>&amp;</b> C:\\n",
    "ᄒᆞᆫ글 옛말",
    "<unk> <s> </s> <0x0A>",
]
"""Characters that the corpus does not have; NFC, single spaces."""


@pytest.fixture(autouse=True)
def fresh_cache(isolated: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MT_CACHE", str(tmp_path / "cache"))


def trained(**options: object) -> TrainedTokenizer:
    return train_tokenizer(TokenizerConfig(**({"vocab_size": 800} | options)), KOREAN, ENGLISH)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("model_type", ["unigram", "bpe"])
def test_text_comes_back_from_its_ids(model_type: str, shared: bool) -> None:
    """Any NFC text with single spaces, because bytes spell what the vocabulary has not."""
    made = trained(model_type=model_type, shared=shared).tokenizer
    assert made.shared is shared
    assert len(made.source) > 700 and len(made.target) > 700
    for line, ids in zip(ENGLISH + RARE, made.encode_target(ENGLISH + RARE), strict=True):
        assert ids[-1] == EOS and EOS not in ids[:-1]
        assert not {PAD, BOS, UNK} & set(ids)
        assert made.decode_target(ids) == line
        assert made.decode_target([BOS, *ids, PAD, PAD]) == line
    for line, ids in zip(KOREAN + RARE, made.encode_source(KOREAN + RARE), strict=True):
        assert ids[-1] == EOS and UNK not in ids
        assert made.source.processor.decode(ids[:-1]) == line


def test_random_unicode_comes_back_too() -> None:
    made = trained().tokenizer
    draw = random.Random(random.randrange(10**9))
    ranges = [(0x21, 0x7E), (0xAC00, 0xD7A3), (0x4E00, 0x9FFF), (0x1F300, 0x1F64F), (0xA1, 0x17F)]
    for _ in range(200):
        words = ["".join(chr(draw.randint(*draw.choice(ranges))) for _ in range(draw.randint(1, 6))) for _ in range(draw.randint(1, 5))]
        line = " ".join(words)
        assert made.decode_target(made.encode_target([line])[0]) == line


def test_runs_of_spaces_become_one_and_a_line_without_text_is_its_end_alone() -> None:
    made = trained().tokenizer
    assert made.decode_target(made.encode_target(["  I   go. "])[0]) == "I go."
    assert made.encode_source(["", "   "]) == [[EOS], [EOS]]
    assert made.encode_source([]) == []


def test_decoded_text_is_one_line_and_bytes_that_are_no_text_are_replaced() -> None:
    made = trained().tokenizer
    byte = {number: made.target.processor.piece_to_id(f"<0x{number:02X}>") for number in (0x0A, 0x0D, 0xEA, 0x41)}
    assert made.decode_target([byte[0x41], byte[0x0A], byte[0x41], byte[0x0D], byte[0x41]]) == "A A A"
    assert made.decode_target([byte[0xEA], byte[0x41]]) == "\ufffdA"


def test_without_byte_fallback_a_character_outside_is_unknown() -> None:
    made = trained(byte_fallback=False, vocab_size=900).tokenizer
    assert UNK in made.encode_target(["뷁"])[0]
    assert made.target.processor.piece_to_id("<0x41>") == UNK


def test_the_special_ids_are_ours_and_a_model_with_others_is_refused() -> None:
    import io

    import sentencepiece

    processor = trained().tokenizer.source.processor
    assert (processor.pad_id(), processor.unk_id(), processor.bos_id(), processor.eos_id()) == (PAD, UNK, BOS, EOS) == (0, 1, 2, 3)
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(ENGLISH), model_writer=written, vocab_size=100, minloglevel=2, num_threads=1
    )
    with pytest.raises(TokenizerError, match=r"theirs\.model: its special ids .* are \(-1, 0, 1, 2\), but mt uses \(0, 1, 2, 3\)"):
        Vocabulary.from_bytes(written.getvalue(), "theirs.model")


@pytest.mark.parametrize("model_type", ["unigram", "bpe"])
@pytest.mark.parametrize("byte_fallback", [True, False])
def test_a_vocabulary_too_large_becomes_the_largest_that_fits(model_type: str, byte_fallback: bool) -> None:
    options = {"model_type": model_type, "byte_fallback": byte_fallback}
    result = train_tokenizer(TokenizerConfig(vocab_size=8000, **options), KOREAN[:30], ENGLISH[:30])
    size = len(result.tokenizer.source)
    assert size < 8000
    assert result.notices == (
        f"tokenizer.vocab_size: 8000 asked, but the shared corpus (60 lines) gives at most {size} {model_type} pieces; using {size}",
    )
    again = train_tokenizer(TokenizerConfig(vocab_size=8000, **options), KOREAN[:30], ENGLISH[:30])
    assert again.from_cache and again.notices == result.notices
    exact = train_tokenizer(TokenizerConfig(vocab_size=size, **options), KOREAN[:30], ENGLISH[:30])
    assert exact.notices == () and len(exact.tokenizer.source) == size


def test_each_side_has_its_own_notice() -> None:
    notices = train_tokenizer(TokenizerConfig(vocab_size=9000, shared=False), KOREAN[:20], ENGLISH[:20]).notices
    assert ["source" in notices[0], "target" in notices[1], len(notices)] == [True, True, 2]


@pytest.mark.parametrize("model_type", ["unigram", "bpe"])
def test_a_vocabulary_too_small_is_told_with_the_size_that_works(model_type: str) -> None:
    with pytest.raises(TokenizerError, match=r"tokenizer\.vocab_size: 400 is too small for the shared corpus") as caught:
        trained(vocab_size=400, model_type=model_type)
    needed = int(str(caught.value).split("set tokenizer.vocab_size to at least ")[1].split(",")[0])
    assert trained(vocab_size=needed, model_type=model_type).notices == ()


def test_the_second_time_it_comes_from_the_cache_and_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    first = trained()
    monkeypatch.setattr(tokenizer_module, "_train_sentencepiece", lambda *_: pytest.fail("trained again"))
    second = trained()
    assert (first.from_cache, second.from_cache) == (False, True)
    assert second.tokenizer.fingerprint() == first.tokenizer.fingerprint()
    assert trained(sampling=0.5, max_sentences=5000).from_cache, "what does not change the vocabulary does not count"


def test_other_text_or_other_options_miss_the_cache() -> None:
    trained()
    assert not trained(vocab_size=801).from_cache
    assert not trained(model_type="bpe").from_cache
    assert not trained(character_coverage=0.99).from_cache
    assert not trained(byte_fallback=False).from_cache
    assert not trained(max_sentences=300).from_cache
    assert not train_tokenizer(TokenizerConfig(vocab_size=800), KOREAN, [*ENGLISH[:-1], "Another."]).from_cache
    assert not train_tokenizer(TokenizerConfig(vocab_size=800), KOREAN[1:], ENGLISH).from_cache
    assert trained().from_cache


def test_training_is_repeatable() -> None:
    first = trained().tokenizer.fingerprint()
    for path in cache_directory().iterdir():
        path.unlink()
    assert trained().tokenizer.fingerprint() == first


def test_a_cache_that_cannot_be_written_is_no_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MT_CACHE", str(tmp_path / "file" / "below"))
    assert not trained().from_cache
    assert not trained().from_cache


@pytest.mark.parametrize("damage", [b"", b"garbage", b"\x00" * 1000, None])
def test_a_damaged_file_in_the_cache_is_made_again(damage: bytes | None) -> None:
    whole = trained().tokenizer.fingerprint()
    (path,) = cache_directory().iterdir()
    path.write_bytes(path.read_bytes()[:-300] if damage is None else damage)
    result = trained()
    assert not result.from_cache
    assert result.tokenizer.fingerprint() == whole
    assert trained().from_cache


def test_where_the_cache_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_directory() == tmp_path / "cache" / "tokenizers"
    monkeypatch.delenv("MT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_directory() == tmp_path / "xdg" / "mt" / "tokenizers"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_directory() == tmp_path / "home" / ".cache" / "mt" / "tokenizers"


@pytest.mark.parametrize("model_type", ["unigram", "bpe"])
def test_sampled_segmentations_depend_on_seed_and_epoch_alone_and_spell_the_same_text(model_type: str) -> None:
    made = trained(model_type=model_type).tokenizer

    def drawn(seed: int, epoch: int) -> list[list[int]]:
        sampler = SubwordSampler(made.target.processor, model_type, 0.3, seed)
        return [ids.tolist() for ids in sampler.draw(sampler.words(ENGLISH), seed, epoch)]

    first = drawn(1, 0)
    assert drawn(1, 0) == first
    assert drawn(1, 1) != first and drawn(2, 0) != first
    assert first != made.encode_target(ENGLISH)
    assert [made.decode_target(ids) for ids in first] == ENGLISH


@pytest.mark.parametrize("shared", [True, False])
def test_saving_and_loading_keep_the_fingerprint(shared: bool, tmp_path: Path) -> None:
    made = trained(shared=shared).tokenizer
    made.save(tmp_path)
    loaded = Tokenizer.load(tmp_path)
    assert loaded.shared is shared
    assert loaded.fingerprint() == made.fingerprint()
    assert loaded.encode_source(KOREAN[:9]) == made.encode_source(KOREAN[:9])
    files = {path.name for path in tmp_path.iterdir() if path.suffix == ".model"}
    assert files == ({"tokenizer.model"} if shared else {"tokenizer.source.model", "tokenizer.target.model"})


def test_the_fingerprint_tells_vocabularies_and_sides_apart() -> None:
    one, other = trained(shared=False).tokenizer, trained(vocab_size=801).tokenizer
    swapped = Tokenizer(one.target, one.source)
    assert len({one.fingerprint(), other.fingerprint(), swapped.fingerprint()}) == 3
    assert len(one.fingerprint()) == 64


def test_a_folder_without_a_tokenizer_is_told(tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match="there is no tokenizer here"):
        Tokenizer.load(tmp_path)
    made = trained(shared=False).tokenizer
    made.save(tmp_path)
    (tmp_path / "tokenizer.target.model").unlink()
    with pytest.raises(TokenizerError, match=r"tokenizer\.target\.model"):
        Tokenizer.load(tmp_path)


# ── long lines ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_lines_of_any_length_are_learned_from() -> None:
    """SentencePiece leaves out lines of more than 4192 bytes; a corpus of paragraphs would get the vocabulary of its headings."""
    short = ["tiny heading here"] * 50
    long = ["zebra quagga xylophone " * 300] * 20
    config = TokenizerConfig(vocab_size=60, shared=True, byte_fallback=False)
    made = train_tokenizer(config, short + long, short + long).tokenizer
    [ids] = made.encode_source(["zebra quagga xylophone"])
    assert UNK not in ids, "the letters of the long lines are known"


def test_long_lines_are_cut_at_spaces_and_nothing_is_lost() -> None:
    draw = random.Random(seed := random.randrange(10**6))
    for _ in range(200):
        words = ["".join(draw.choices("a가é😀", k=draw.randint(1, draw.choice([5, 60])))) for _ in range(draw.randint(1, 60))]
        line, most = " ".join(words), draw.randint(8, 300)
        parts = cut_long_lines([line, "x"], most)
        assert parts[-1] == "x" and all(0 < len(part.encode()) <= most for part in parts), seed
        assert "".join(parts[:-1]).replace(" ", "") == line.replace(" ", ""), seed
        if all(len(word) <= most // 4 for word in words):
            assert " ".join(parts[:-1]) == line, seed
    assert cut_long_lines(["a" * 4192, "b"]) == ["a" * 4192, "b"]
