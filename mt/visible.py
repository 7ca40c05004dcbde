"""What characters look like on a screen: control characters written out, and substitutes for what an encoding cannot show.

Text from files, arguments and paths may hold anything. Sent to a terminal as it is, an escape sequence clears the screen, a carriage return
overwrites the line, and a mark of direction shows the text in another order.
"""

import re

_HIDDEN = re.compile(
    "[\0-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""Control characters but newline and tab, marks of direction, invisible characters, bytes that were no text. Words need the joiners."""
_SHORT = {"\r": r"\r", "\0": r"\0"}
_PLAIN = str.maketrans({
    "…": "...", "→": "->", "←": "<-", "–": "-", "—": "-", "−": "-", "─": "-", "│": "|", "├": "|", "└": "`", "·": "-", "•": "-",
    "×": "x", "✕": "x", "✂": "x", "■": "#", "≤": "<=", "≥": ">=", "√": "sqrt", "“": '"', "”": '"', "‘": "'", "’": "'", "▁": "_",
    "░": ":", "▒": "+", "▓": "*", "█": "#", "▂": "2", "▃": "3", "▄": "4", "▅": "5", "▆": "6", "▇": "7", "ᵀ": "^T", "\u00a0": " ",
})  # fmt: skip
"""The characters that the program itself writes, in ASCII."""


def visible(text: str) -> str:
    r"""The text with its control and invisible characters written out: \x1b, \r, \u202e. Newlines and tabs stay.

    A byte that could not be read as text (Python's surrogateescape) is shown as that byte: \xff.
    """
    if text.isascii() and text.isprintable():
        return text
    return _HIDDEN.sub(_written_out, text)


def _written_out(match: re.Match[str]) -> str:
    """One character as a Python programmer would type it."""
    character = match[0]
    code = ord(character)
    if character in _SHORT:
        return _SHORT[character]
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def showable(text: str, encoding: str | None) -> str:
    r"""The visible text with nothing in it that the encoding lacks. None: any character can be shown.

    The program's own signs become ASCII (→ is ->), other characters are written out (가 is \uac00). Showing what was shown changes nothing.
    """
    text = visible(text)
    if encoding is None or text.isascii():
        return text
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return "".join(_encodable(character, encoding) for character in text)
    return text


def _encodable(character: str, encoding: str) -> str:
    """One character, or what stands for it."""
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        plain = character.translate(_PLAIN)
        return plain if plain.isascii() else character.encode("ascii", "backslashreplace").decode("ascii")
    return character


def undecodable(text: str) -> bool:
    """Whether bytes are in it that could not be read as text, or halves of characters."""
    return not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)
