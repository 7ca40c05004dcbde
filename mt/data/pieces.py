"""What every piece of a vocabulary spells, in bytes, so that a text can be followed from token to token however it is cut."""

from mt.data.special_ids import UNK
from mt.data.tokenizer import Vocabulary

_UNKNOWN = " \u2047 ".encode()  # what SentencePiece writes for it
_LINE_ENDS = bytes.maketrans(b"\r\n", b"  ")


def piece_bytes(vocabulary: Vocabulary) -> list[bytes]:
    """The bytes that each token id adds to a text, in UTF-8: '▁' is a space, a byte piece its byte, a control piece nothing.

    Joined they are what Tokenizer.decode_target makes of the ids, except for spaces at the beginning and for bytes that are no UTF-8.
    """
    processor = vocabulary.processor
    ids = list(range(len(vocabulary)))
    found = []
    for token, piece, is_byte, is_control in zip(
        ids, processor.id_to_piece(ids), processor.is_byte(ids), processor.is_control(ids), strict=True
    ):
        if is_control:
            found.append(b"")
        elif token == UNK:
            found.append(_UNKNOWN)
        else:
            spelled = bytes([int(piece[3:-1], 16)]) if is_byte else piece.replace("▁", " ").encode()
            found.append(spelled.translate(_LINE_ENDS))
    return found
