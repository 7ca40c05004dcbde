"""Which target word was made from which source word, read off the attention: a by-product, not a trained aligner.

When the decoder writes a piece it looks at source pieces; a target word is aligned with the source word that its pieces look at most. Words
are what stands between spaces.
"""

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
    """The source word of each target word. Pieces end with the end token, which is no word."""
    source_words, target_words = words_of(source_pieces[:-1]), words_of(target_pieces[:-1])
    looked_TW = weights_TS.new_zeros(len(target_words), max(source_words) + 1)
    source_S = weights_TS.new_tensor(source_words).long()
    looked_TW.index_add_(1, source_S, weights_TS[: len(target_words), : len(source_words)])
    looked_UW = looked_TW.new_zeros(max(target_words) + 1, looked_TW.shape[1])
    looked_UW.index_add_(0, weights_TS.new_tensor(target_words).long(), looked_TW)
    return looked_UW.argmax(dim=1).tolist()


def words_of(pieces: Sequence[str]) -> list[int]:
    """The word that each piece belongs to, from 0: a piece that begins with a space begins a word."""
    words, word = [], -1
    for piece in pieces:
        word += piece.startswith("▁")
        words.append(max(word, 0))
    return words
