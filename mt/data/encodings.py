"""From the bytes of a text file to its text: strict UTF-8, and a name for what is not UTF-8.

A translation corpus that is silently read in the wrong encoding trains a model on noise, so nothing is guessed for the
user: what is not UTF-8 is refused, with the encoding it looks like and the command that converts it. This file does not
know what the text means (lines, columns, pairs): see corpus.py and tables.py.
"""

import gzip
import shlex
import unicodedata
import zlib
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

from mt.errors import DataError

_WIDE_BOMS = (  # the UTF-32 marks first: a UTF-32-LE mark begins with the UTF-16-LE one
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
BLOCK_BYTES = 1 << 24
"""How much of a file is read at once."""
_SAMPLE_BYTES = 1 << 16  # a multiple of 4, so that a sample never cuts a UTF-16 or UTF-32 unit in two


def read_bytes(path: Path, size: int = -1) -> bytes:
    """The content of a file, decompressed when its name ends in `.gz`.

    size: how many bytes of the file to read at most; -1: all. Raises DataError when the file does not exist
    (the nearest name in its folder is suggested), is a folder, may not be read, or is a damaged gzip file.
    """
    try:
        with path.open("rb") as file:
            data = file.read(size)
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file. {_nearest_name(path)}") from None
    except NotADirectoryError:
        raise DataError(f"{path}: there is no such file, because a part of the path is a file and not a folder.") from None
    except IsADirectoryError:
        raise DataError(f"{path}: this is a folder. Give the name of a file in it.") from None
    except PermissionError:
        raise DataError(f"{path}: no permission to read this file. Try: chmod u+r {shlex.quote(str(path))}") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}.") from None
    if path.suffix.lower() != ".gz":
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(_damaged_gzip(path, error)) from None


def text_blocks(path: Path) -> Iterator[str]:
    """The text of a file in blocks of some 16 MB that end at line feeds, decompressed when its name ends in `.gz`.

    Raises DataError as read_bytes and decode_text do, with the line counted from the beginning of the file.
    """
    rest, first_line = [], 1
    for data in _chunks(path):
        end = data.rfind(b"\n") + 1
        if not end:
            rest.append(data)
            continue
        block = b"".join([*rest, data[:end]])
        rest = [data[end:]]
        yield decode_text(block, path, first_line)
        first_line += block.count(b"\n")
    if any(rest) or first_line == 1:
        yield decode_text(b"".join(rest), path, first_line)


def _chunks(path: Path) -> Iterator[bytes]:
    """The bytes of a file, BLOCK_BYTES at a time."""
    read_bytes(path, size=1 if path.suffix.lower() != ".gz" else 0)  # raises for a missing file, a folder and the like
    with path.open("rb") as file:
        if path.suffix.lower() != ".gz":
            while data := file.read(BLOCK_BYTES):
                yield data
            return
        try:
            with gzip.GzipFile(fileobj=file) as unpacked:
                while data := unpacked.read(BLOCK_BYTES):
                    yield data
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(_damaged_gzip(path, error)) from None


def _damaged_gzip(path: Path, error: Exception) -> str:
    return (
        f"{path}: this gzip file is damaged, cut short or not gzip at all ({error}). "
        "Copy or download it again, or drop `.gz` from its name if it is plain text."
    )


def _nearest_name(path: Path) -> str:
    """What to try instead of a file that does not exist."""
    if not path.parent.is_dir():
        return f"Its folder {path.parent} does not exist either (the current folder is {Path.cwd()})."
    names = [entry.name for entry in path.parent.iterdir() if entry.is_file()]
    nearest = get_close_matches(path.name, names, n=1, cutoff=0.5)
    if nearest:
        return f"The nearest name in that folder is {nearest[0]}."
    return f"No file in {path.parent.resolve()} has a similar name."


def decode_text(data: bytes, path: Path | str, first_line: int = 1) -> str:
    """Decode strict UTF-8; a byte order mark at the start of a file is accepted and removed.

    data: the content of a file, or the part of it that begins with line first_line. path: only for the message. Raises
    DataError naming the encoding the bytes look like and how to convert them, or the byte and the line that are not UTF-8
    text.
    """
    if first_line == 1:
        _refuse_other_kinds(data, path)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(_not_utf8(data, error, path, first_line)) from None
    if "\0" in text:
        if encoding := _wide_encoding(data, least_nul_share=0.4):
            raise DataError(_conversion_advice(path, encoding, "so many of its bytes are NUL"))
        line = data.count(b"\n", 0, data.index(b"\0")) + first_line
        raise DataError(f"{path}: line {line} holds a NUL byte, which no text has. Repair or remove that line.")
    return text.removeprefix("\ufeff") if first_line == 1 else text


def _refuse_other_kinds(data: bytes, path: Path | str) -> None:
    """Raise DataError for a beginning that only other encodings and archives have."""
    for mark, encoding in _WIDE_BOMS:
        if data.startswith(mark):
            raise DataError(_conversion_advice(path, encoding, "it begins with that byte order mark"))
    if data.startswith(b"\x1f\x8b"):
        raise DataError(f"{path}: this is a gzip file. Add `.gz` to its name, or decompress it with gunzip.")
    if data.startswith(b"PK\x03\x04"):
        raise DataError(f"{path}: this is a ZIP archive or an Excel file. Unpack it, or export the sheet as CSV in UTF-8.")


def _not_utf8(data: bytes, error: UnicodeDecodeError, path: Path | str, first_line: int) -> str:
    """The message for bytes that are not UTF-8: the encoding when it can be recognised, else the first wrong byte."""
    if encoding := _wide_encoding(data, least_nul_share=0.02):
        return _conversion_advice(path, encoding, "without a byte order mark")
    if _looks_like_cp949(data):
        return _conversion_advice(path, "cp949", "Korean Windows, a superset of EUC-KR")
    line = data.count(b"\n", 0, error.start) + first_line
    return (
        f"{path}: not UTF-8: byte 0x{data[error.start]:02x} at line {line}. "
        f"Repair that line, or convert the file with: {_conversion(path, 'ENCODING')}"
    )


def _conversion_advice(path: Path | str, encoding: str, reason: str) -> str:
    return f"{path}: not UTF-8: looks like {encoding} ({reason}). Convert it with: {_conversion(path, encoding)}"


def _conversion(path: Path | str, encoding: str) -> str:
    """A shell line that converts the file, decompressing it on the way if need be."""
    name = str(path)
    if name.lower().endswith(".gz"):
        plain = name[:-3]
        return f"gunzip -c {shlex.quote(name)} | iconv -f {encoding} -t utf-8 > {shlex.quote(_utf8_name(plain))}"
    return f"iconv -f {encoding} -t utf-8 {shlex.quote(name)} > {shlex.quote(_utf8_name(name))}"


def _utf8_name(name: str) -> str:
    """`train.ko` becomes `train.utf8.ko`: the ending stays, since it says how a table is read."""
    path = Path(name)
    return str(path.with_name(f"{path.stem}.utf8{path.suffix}"))


def _wide_encoding(data: bytes, least_nul_share: float) -> str | None:
    """utf-16-le, utf-16-be, utf-32-le or utf-32-be when the bytes look like it, else None.

    Only called for bytes that are not clean UTF-8. Real text in these encodings has spaces, digits or line ends, whose
    high byte is NUL; least_nul_share is how many of the bytes must be NUL at the least (bytes that are valid UTF-8 apart
    from their NULs are refused more readily than bytes that are not).
    """
    sample = data[:_SAMPLE_BYTES]
    if sample.count(0) < least_nul_share * len(sample):
        return None
    candidates = {}
    for encoding, width in (("utf-32-le", 4), ("utf-32-be", 4), ("utf-16-le", 2), ("utf-16-be", 2)):
        text = sample[: len(sample) - len(sample) % width].decode(encoding, "replace")
        candidates[encoding] = _plausibility(text)
    best = max(candidates, key=candidates.__getitem__)
    return best if candidates[best] > 0.9 else None


def _plausibility(text: str) -> float:
    """The share of characters that people write: ASCII, Latin, Greek, Cyrillic, Hangul, kana, Chinese, punctuation.

    Bytes read in the wrong width or order give NULs, unassigned and private characters, or a scatter of rare scripts.
    """
    ranges = ((0x20, 0x7E), (0xA0, 0x52F), (0x1100, 0x11FF), (0x2010, 0x2122), (0x3000, 0x318F), (0x4E00, 0x9FFF))
    ranges += ((0xAC00, 0xD7A3), (0xFF00, 0xFFEF), (0x1F300, 0x1FAFF))
    known = sum(character in "\t\r\n" or any(a <= ord(character) <= b for a, b in ranges) for character in text)
    return known / max(len(text), 1)


def encoding_of(start: bytes) -> tuple[str, str]:
    """The encoding that the beginning of a file looks like, and why: utf-8 unless another is recognised."""
    for mark, encoding in _WIDE_BOMS:
        if start.startswith(mark):
            return encoding, "it begins with that byte order mark"
    if b"\0" in start and (encoding := _wide_encoding(start, least_nul_share=0.02)):
        return encoding, "so many of its bytes are NUL"
    if _looks_like_cp949(start):
        return "cp949", "Korean Windows, a superset of EUC-KR"
    return "utf-8", ""


def _looks_like_cp949(data: bytes) -> bool:
    """True when the bytes read as cp949 are Korean: nearly every non-ASCII character a Hangul syllable.

    A UTF-8 file with one broken byte must not be taken for it, so bytes that are mostly good UTF-8 are excluded first.
    A share of undecodable characters is allowed, because such files are often cut in the middle of a character.
    """
    sample = data[:_SAMPLE_BYTES]

    def shares(encoding: str) -> tuple[float, float]:
        foreign = [c for c in sample.decode(encoding, "replace") if not c.isascii()]
        num_bad = foreign.count("\ufffd")
        num_hangul = sum("\uac00" <= c <= "\ud7a3" for c in foreign)
        return num_bad / max(len(foreign), 1), num_hangul / max(len(foreign), 1)

    utf8_bad, _ = shares("utf-8")
    cp949_bad, cp949_hangul = shares("cp949")
    return utf8_bad > 0.2 and cp949_bad < 0.02 and cp949_hangul > 0.8


def normalise(text: str) -> str:
    """One sentence as everything after this file sees it: Unicode NFC, carriage returns and line feeds at the ends gone.

    Nothing else is dropped or replaced. Korean typed on macOS often arrives decomposed (NFD: three jamo for one
    syllable); without this, the same word would be two different words to the tokenizer.
    """
    return unicodedata.normalize("NFC", text).strip("\r\n")
