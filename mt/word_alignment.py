"""Which target word was made from which source word, read off the attention: a by-product, not a trained aligner.

When the decoder writes a piece it looks at source pieces; a target word is aligned with the source word that its pieces look at most. Words
are separated by white space of any kind, as str.split() separates them. An unknown character counts as a letter.
"""

import re
from collections.abc import Sequence

from torch import Tensor

from mt.decoding.cross_attention import cross_attention_weights
from mt.translator import Translator


def align(translator: Translator, sources: Sequence[str], translations: Sequence[str]) -> list[str]:
    """For each pair `0-0 1-2 …`: source word and target word, counted from 0, in the order of the target (the Pharaoh format).

    Every target word has one source word; a pair with an empty side gives an empty line. DecodingError for a model without attention.
    """
    encoded = [translator.tokenizer.encode_source(sources), translator.tokenizer.encode_target(translations)]
    asked = [number for number, (source, target) in enumerate(zip(*encoded, strict=True)) if len(source) > 1 and len(target) > 1]
    weights = cross_attention_weights(translator.model, *([side[number] for number in asked] for side in encoded))
    lines = [""] * len(sources)
    for number, weights_TS in zip(asked, weights, strict=True):
        vocabularies = (translator.tokenizer.source, translator.tokenizer.target)
        pieces = [vocabulary.processor.id_to_piece(side[number]) for vocabulary, side in zip(vocabularies, encoded, strict=True)]
        lines[number] = " ".join(f"{source}-{target}" for target, source in enumerate(word_links(weights_TS, *pieces)))
    return lines


def word_links(weights_TS: Tensor, source_pieces: Sequence[str], target_pieces: Sequence[str]) -> list[int]:
    """The source word of each target word; none where a side has no words. Pieces end with the end token, which is no word."""
    source_words, target_words = words_of(source_pieces[:-1]), words_of(target_pieces[:-1])
    if not (source_words and source_words[-1] and target_words and target_words[-1]):
        return []
    looked_TW = _add_up(weights_TS[: len(target_words), : len(source_words)].T, source_words).T
    looked_UW = _add_up(looked_TW, target_words)
    return looked_UW.argmax(dim=1).tolist()


def _add_up(weights_PX: Tensor, words: Sequence[range]) -> Tensor:
    """weights_WX: the rows of the pieces of each word, added up."""
    pairs = [(piece, word) for piece, own in enumerate(words) for word in own]
    piece_N, word_N = weights_PX.new_tensor(pairs).long().T
    return weights_PX.new_zeros(words[-1].stop, weights_PX.shape[1]).index_add_(0, word_N, weights_PX[piece_N])


def words_of(pieces: Sequence[str]) -> list[range]:
    """The words, counted from 0, that each piece has a share in: mostly one, several where white space is within a piece.

    A piece of white space alone belongs to the next word, at the end to the last; where there are no words, to none.
    """
    spelled = [bytes([int(piece[3:5], 16)]) if _BYTE.fullmatch(piece) else piece.replace("▁", " ").encode() for piece in pieces]
    owners = [number for number, data in enumerate(spelled) for _ in data]
    firsts: list[int | None] = [None] * len(pieces)
    lasts = [0] * len(pieces)
    word, between, place = -1, True, 0
    for character in b"".join(spelled).decode(errors="surrogateescape"):
        following = place + len(character.encode(errors="surrogateescape"))
        if not character.isspace():
            word += between
            for owner in owners[place:following]:
                firsts[owner] = word if firsts[owner] is None else firsts[owner]
                lasts[owner] = word
        between, place = character.isspace(), following
    found: list[range] = []
    next_word = max(word, 0)
    for first, last in zip(reversed(firsts), reversed(lasts), strict=True):
        next_word = next_word if first is None else first
        found.append(range(next_word, min(word, next_word if first is None else last) + 1))
    return found[::-1]


_BYTE = re.compile("<0x[0-9A-F]{2}>")
