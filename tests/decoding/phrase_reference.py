"""Where a phrase occurs in a text, character by character: what the automaton of mt/decoding/phrases.py is compared with."""

import unicodedata

WITHOUT_SPACES = ("THAI", "LAO", "MYANMAR", "KHMER", "CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HALFWIDTH", "IDEOGRAPHIC")


def continues_word(character: str) -> bool:
    """A letter, digit or combining mark of a script with spaces, by the character's name."""
    name = unicodedata.name(character, "")
    if unicodedata.category(character)[0] not in "LMN" or name.startswith("HALFWIDTH HANGUL"):
        return name.startswith("HALFWIDTH HANGUL")
    return not name.startswith(WITHOUT_SPACES)


def contains(text: str, phrase: str) -> bool:
    """Whether the phrase occurs in the text, not as a part of a longer word; with a star at its end anything may follow."""
    star, body = phrase.endswith("*"), phrase.removesuffix("*")
    for first in range(len(text) - len(body) + 1):
        before, after = text[first - 1 : first] if first else "", text[first + len(body) :][:1]
        glued_before = before and continues_word(before) and continues_word(body[0])
        glued_after = not star and after and continues_word(after) and continues_word(body[-1])
        if text.startswith(body, first) and not glued_before and not glued_after:
            return True
    return False


def decoded(data: bytes) -> str:
    """Bytes as SentencePiece reads them: each that is no UTF-8 is U+FFFD."""
    text = ""
    while data:
        for length in range(1, 5):
            try:
                text += data[:length].decode()
            except UnicodeDecodeError:
                continue
            data = data[length:]
            break
        else:
            text, data = text + "\ufffd", data[1:]
    return text
