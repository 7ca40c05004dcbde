"""Vocabularies are trained on first use, and cached by the hash of all they depend on."""

import hashlib
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy
import sentencepiece

from mt.config import TokenizerConfig
from mt.data.special_ids import BOS, EOS, PAD, UNK
from mt.data.store import Joined, cache_root, take
from mt.data.tokenizer import Tokenizer, Vocabulary
from mt.errors import TokenizerError
from mt.files import write_atomically

MOST_BYTES = 4192
"""The longest line that SentencePiece's trainer takes (its max_sentence_length)."""
_TRAINER_THREADS = 4  # fixed, because SentencePiece sums in thread order: the model must not depend on the machine


@dataclass(frozen=True)
class TrainedTokenizer:
    """What training a tokenizer gave."""

    tokenizer: Tokenizer
    notices: tuple[str, ...]
    """What the user should know: a vocabulary that had to be smaller than asked."""
    from_cache: bool


def train_tokenizer(config: TokenizerConfig, sources: Sequence[str], targets: Sequence[str]) -> TrainedTokenizer:
    """A tokenizer for these texts: from the cache when the same inputs were seen before, trained otherwise.

    Lines beyond `tokenizer.max_sentences` (both sides together when shared) are left out evenly. TokenizerError when the
    vocabulary is too small for the characters of the corpus.
    """
    sides = [("shared", Joined([sources, targets]))] if config.shared else [("source", sources), ("target", targets)]
    trained = [_train_cached(config, lines, side) for side, lines in sides]
    vocabularies = [vocabulary for vocabulary, _, _ in trained]
    return TrainedTokenizer(
        Tokenizer(vocabularies[0], vocabularies[-1]),
        tuple(notice for _, notice, _ in trained if notice),
        all(cached for _, _, cached in trained),
    )


def cache_directory() -> Path:
    """Where trained tokenizers are kept: `tokenizers` in the cache."""
    return cache_root() / "tokenizers"


def _train_cached(config: TokenizerConfig, lines: Sequence[str], side: str) -> tuple[Vocabulary, str, bool]:
    """One vocabulary, a notice (or nothing), and whether it came from the cache."""
    lines = _thin_out(lines, config.max_sentences)
    whole, lines = len(lines), cut_long_lines(lines)
    path = cache_directory() / f"{_inputs_hash(config, lines)}.model"
    vocabulary = _read_cached(path)
    cached = vocabulary is not None
    if vocabulary is None:
        vocabulary = Vocabulary.from_bytes(_train_largest(config, lines, side), str(path))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, vocabulary.model_bytes)
        except OSError:
            pass  # a cache that cannot be written costs time, nothing else
    notice = ""
    if len(vocabulary) < config.vocab_size:
        notice = (
            f"tokenizer.vocab_size: {config.vocab_size} asked, but the {side} corpus ({whole} lines) gives at most "
            f"{len(vocabulary)} {config.model_type} pieces; using {len(vocabulary)}"
        )
    return vocabulary, notice, cached


def _read_cached(path: Path) -> Vocabulary | None:
    """A vocabulary of the cache; None when it is not there or damaged, since it can be made again."""
    try:
        return Vocabulary.from_bytes(path.read_bytes(), str(path))
    except (OSError, TokenizerError):
        return None


def _thin_out(lines: Sequence[str], most: int) -> list[str]:
    """At most `most` lines, taken at even distances over the whole corpus."""
    if len(lines) <= most:
        return list(lines)
    return take(lines, numpy.linspace(0, len(lines) - 1, most).astype(int))


def cut_long_lines(lines: Sequence[str], most: int = MOST_BYTES) -> list[str]:
    """The lines, those of more than `most` bytes in several: SentencePiece would leave them out without a word.

    They are cut at spaces, which no piece crosses, and inside a word only where the word alone is longer.
    """
    found: list[str] = []
    for line in lines:
        if len(line) * 4 <= most or len(line.encode("utf-8", "surrogatepass")) <= most:
            found.append(line)
        else:
            found += _cut(line, most)
    return found


def _cut(line: str, most: int) -> list[str]:
    """Parts of a line of at most `most` bytes each; a character has at most 4."""
    parts, size = [""], 0
    for word in line.split(" "):
        for first in range(0, len(word), most // 4):
            piece = word[first : first + most // 4]
            added = len(piece.encode("utf-8", "surrogatepass"))
            if first or size + 1 + added > most:
                parts.append(piece)
                size = added
            else:
                parts[-1] += f" {piece}" if size else piece
                size += added + (size > 0)
    return [part for part in parts if part]


def _inputs_hash(config: TokenizerConfig, lines: Iterable[str]) -> str:
    """A hash of all that a vocabulary depends on: the text, the options, the library's version."""
    options = (config.vocab_size, config.model_type, config.byte_fallback, config.character_coverage)
    digest = hashlib.sha256(repr((1, sentencepiece.__version__, options)).encode())
    for line in lines:
        digest.update(line.encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()[:32]


def _train_largest(config: TokenizerConfig, lines: Sequence[str], side: str) -> bytes:
    """Train at the asked size, or at the largest that SentencePiece says the corpus can fill."""
    size = config.vocab_size
    while True:
        try:
            return _train_sentencepiece(config, lines, size)
        except RuntimeError as error:
            too_high = re.search(r"set it to a value <= (\d+)", str(error))
            too_low = re.search(r"required_chars\. (\d+) vs (\d+)", str(error))
            if too_high and int(too_high[1]) < size:
                size = int(too_high[1])
            elif too_low:
                raise TokenizerError(
                    f"tokenizer.vocab_size: {config.vocab_size} is too small for the {side} corpus: its characters"
                    f"{', the bytes' if config.byte_fallback else ''} and the special tokens alone need {too_low[2]}; "
                    f"set tokenizer.vocab_size to at least {too_low[2]}, or lower tokenizer.character_coverage"
                ) from error
            else:
                raise TokenizerError(f"SentencePiece could not train the {side} vocabulary: {error}") from error


def _train_sentencepiece(config: TokenizerConfig, lines: Sequence[str], size: int) -> bytes:
    """One run of SentencePiece's trainer, in memory. RuntimeError from the library as it is."""
    writer = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=writer,
        vocab_size=size,
        model_type=config.model_type,
        character_coverage=config.character_coverage,
        byte_fallback=config.byte_fallback,
        normalization_rule_name="identity",
        pad_id=PAD,
        unk_id=UNK,
        bos_id=BOS,
        eos_id=EOS,
        num_threads=_TRAINER_THREADS,
        minloglevel=2,
    )
    return writer.getvalue()
