"""Text to token ids and back: SentencePiece vocabularies.

A tokenizer is one vocabulary for both sides or one for each. It belongs to a model: its hash stands in the weights' metadata.
Normalisation to NFC happens when a corpus is read (mt/data/corpus.py); SentencePiece itself changes nothing but runs of spaces. How a
vocabulary is made is tokenizer_training.py; here nothing heavy is imported.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import sentencepiece

from mt.data.special_ids import BOS, EOS, PAD, SPECIAL_IDS
from mt.errors import TokenizerError
from mt.files import write_atomically

_SHARED_FILE, _SOURCE_FILE, _TARGET_FILE = "tokenizer.model", "tokenizer.source.model", "tokenizer.target.model"


@dataclass(frozen=True)
class Vocabulary:
    """One SentencePiece model."""

    model_bytes: bytes
    """The serialised model, as SentencePiece writes it."""
    processor: sentencepiece.SentencePieceProcessor
    """The same, loaded."""

    @classmethod
    def from_bytes(cls, model_bytes: bytes, origin: str) -> "Vocabulary":
        """Load a serialised model. TokenizerError when it is not one, or when its special ids are not ours."""
        processor = sentencepiece.SentencePieceProcessor()
        try:
            processor.LoadFromSerializedProto(model_bytes)
        except RuntimeError as error:
            raise TokenizerError(
                f"{origin}: this is not a SentencePiece model, or it is damaged; copy it again from where the run was made"
            ) from error
        ids = (processor.pad_id(), processor.unk_id(), processor.bos_id(), processor.eos_id())
        if ids != SPECIAL_IDS:
            raise TokenizerError(
                f"{origin}: its special ids (pad, unk, bos, eos) are {ids}, but mt uses {SPECIAL_IDS}; "
                "train a tokenizer with 'mt tokenizer'"
            )
        return cls(model_bytes, processor)

    def __len__(self) -> int:
        """The number of pieces, the special ones included."""
        return self.processor.get_piece_size()


@dataclass(frozen=True)
class Tokenizer:
    """Both sides' vocabularies; the same object twice when they are shared."""

    source: Vocabulary
    target: Vocabulary

    @property
    def shared(self) -> bool:
        """Whether both sides have one vocabulary."""
        return self.source is self.target

    def fingerprint(self) -> str:
        """A sha256 of the vocabularies, in hexadecimal: what the weights' metadata names."""
        digest = hashlib.sha256(self.source.model_bytes)
        if not self.shared:
            digest.update(self.target.model_bytes)
        return digest.hexdigest()

    def encode_source(self, lines: Sequence[str]) -> list[list[int]]:
        """Token ids of source sentences, EOS at the end. A line without text is EOS alone."""
        return self.source.processor.encode(list(lines), add_eos=True, num_threads=1)

    def encode_target(self, lines: Sequence[str]) -> list[list[int]]:
        """Token ids of target sentences, EOS at the end."""
        return self.target.processor.encode(list(lines), add_eos=True, num_threads=1)

    def decode_target(self, ids: Sequence[int]) -> str:
        """The text of target token ids without special ones, on one line. Bytes that are no UTF-8 become U+FFFD."""
        kept = [int(token) for token in ids if token not in (PAD, BOS, EOS)]
        # A model can spell line ends in bytes, and a line of output must stay one line.
        return self.target.processor.decode(kept).replace("\n", " ").replace("\r", " ")

    def save(self, directory: Path) -> None:
        """Write the vocabularies into a run directory: one file when shared, two otherwise."""
        if self.shared:
            write_atomically(directory / _SHARED_FILE, self.source.model_bytes)
        else:
            write_atomically(directory / _SOURCE_FILE, self.source.model_bytes)
            write_atomically(directory / _TARGET_FILE, self.target.model_bytes)

    @classmethod
    def load(cls, directory: Path) -> "Tokenizer":
        """Read the vocabularies of a run directory. TokenizerError when there are none."""
        shared = directory / _SHARED_FILE
        if shared.is_file():
            vocabulary = Vocabulary.from_bytes(shared.read_bytes(), str(shared))
            return cls(vocabulary, vocabulary)
        sides = [directory / _SOURCE_FILE, directory / _TARGET_FILE]
        missing = [path.name for path in sides if not path.is_file()]
        if missing:
            raise TokenizerError(
                f"{directory}: there is no tokenizer here (no {_SHARED_FILE}, no {missing[0]}); copy it from where the run was made"
            )
        return cls(*(Vocabulary.from_bytes(path.read_bytes(), str(path)) for path in sides))
