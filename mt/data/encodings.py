"""From the bytes of a text file to its text: strict UTF-8 or the encoding that is asked for, and a name for what is neither.

A translation corpus that is silently read in the wrong encoding trains a model on noise, so nothing is guessed for the
user: what is not UTF-8 is refused, with the encoding it looks like and two ways to read it. Every command reads text through
this file, so its rules hold for all formats: a line ends with a line feed, with or without carriage returns before it; a carriage
return anywhere else is refused, and so are NUL, and lines that no text has. What the text means (lines, columns, pairs) is in
corpus.py and table_text.py.
"""

import codecs
import gzip
import re
import shlex
import unicodedata
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from itertools import chain
from pathlib import Path

from mt.errors import DataError

_WIDE_BOMS = (  # the UTF-32 marks first: a UTF-32-LE mark begins with the UTF-16-LE one
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
BLOCK_BYTES = 1 << 22
"""How much of a file is read at once."""
LONGEST_LINE = 1 << 24
"""Bytes of a line, and characters of a CSV record: a longer one is a file without line ends, or a quotation mark that is not closed."""
_SAMPLE_BYTES = 1 << 16  # a multiple of 4, so that a sample never cuts a UTF-16 or UTF-32 unit in two
_HALF = re.compile("[\ud800-\udfff]")
_LONE_RETURN = re.compile(r"(?<!\r)\r++(?!\n|\Z)")
_ARCHIVES = (
    (b"\x1f\x8b", "a gzip file", "Add `.gz` to its name, or decompress it with gunzip."),
    (b"PK\x03\x04", "a ZIP archive or an Excel file", "Unpack it, or export the sheet as CSV in UTF-8."),
    (b"PK\x05\x06", "an empty ZIP archive", "Give the text file itself."),
    (b"\xfd7zXZ\x00", "an xz archive", "Decompress it (`xz -d`, or 7-Zip on Windows), or compress it with gzip: .gz is read as it is."),
    (tuple(b"BZh%d1AY&SY" % level for level in range(1, 10)), "a bzip2 archive",
     "Decompress it (`bzip2 -d`, or 7-Zip on Windows), or compress it with gzip: .gz is read as it is."),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive", "Decompress it (`zstd -d`), or compress it with gzip: .gz is read as it is."),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "Unpack it and give the text file itself."),
    (b"Rar!\x1a\x07", "a RAR archive", "Unpack it and give the text file itself."),
    (b"PAR1", "a Parquet file", "Name it .parquet."),
    (b"%PDF-", "a PDF file", "Export its text as UTF-8."),
    (b"\x89PNG\r\n\x1a\n", "an image", "Give a text file."),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office file (.xls, .doc)", "Export it as CSV or text in UTF-8."),
)  # fmt: skip
"""How files begin that are no text, what they are and what to do."""


def read_bytes(path: Path, size: int = -1) -> bytes:
    """The content of a file, decompressed when its name ends in `.gz`.

    size: how many bytes of the file to read at most; -1: all. Raises DataError when the file does not exist
    (the nearest name in its folder is suggested), is a folder, may not be read, or is a damaged gzip file.
    """
    with _explained(path), path.open("rb") as file:
        data = file.read(size)
    if path.suffix.lower() != ".gz":
        return data
    with _explained(path):
        return gzip.decompress(data)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Inside, what goes wrong with reading a file becomes a DataError that says what it is; only a damaged archive is called damaged."""
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(_damaged_gzip(path, error)) from None
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file. {_nearest_name(path)}") from None
    except NotADirectoryError:
        raise DataError(f"{path}: there is no such file, because a part of the path is a file and not a folder.") from None
    except IsADirectoryError:
        raise DataError(f"{path}: this is a folder. Give the name of a file in it.") from None
    except PermissionError:
        raise DataError(
            f"{path}: no permission to read this file. Try: chmod u+r {shlex.quote(str(path))} (on Windows: Properties, Security)"
        ) from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}.") from None


def text_blocks(path: Path, encoding: str | None = None, longest: int | None = LONGEST_LINE) -> Iterator[str]:
    """The text of a file in blocks of some 4 MB that end at line feeds, decompressed when its name ends in `.gz`.

    encoding: None: UTF-8. longest: the bytes that a line may have; None: any number. Raises DataError as read_bytes and decode_text do,
    with the line counted from the beginning of the file.
    """
    return _blocks(_chunks(path), path, encoding, longest)


def text_of(
    data: bytes, name: Path | str, encoding: str | None = None, longest: int | None = LONGEST_LINE
) -> Iterator[str]:
    """The same for bytes that are there already, those of standard input above all. name: for messages."""
    return _blocks((data[at : at + BLOCK_BYTES] for at in range(0, len(data), BLOCK_BYTES)), name, encoding, longest)


def _blocks(chunks: Iterator[bytes], name: Path | str, encoding: str | None, longest: int | None) -> Iterator[str]:
    """Chunks of bytes as blocks of text."""
    if encoding is not None and not is_utf8(encoding):
        yield from _converted_blocks(chunks, name, encoding, longest)
        return
    rest, length, first_line = [], 0, 1
    for data in chunks:
        end = data.rfind(b"\n") + 1
        if longest is not None and length + ((data.find(b"\n") + 1) or len(data)) > longest + 1:
            start = b"".join([*rest, data])[:_SAMPLE_BYTES]
            decode_text(start[: start.rfind(b"\n") + 1] or _whole_characters(start), name, first_line)  # says what it is, if it is no text
            raise DataError(_long_line(name, first_line, longest))
        if not end:
            rest.append(data)
            length += len(data)
            continue
        block = b"".join([*rest, data[:end]])
        rest, length = [data[end:]], len(data) - end
        yield decode_text(block, name, first_line)
        first_line += block.count(b"\n")
    if any(rest) or first_line == 1:
        yield decode_text(b"".join(rest), name, first_line)


def _whole_characters(data: bytes) -> bytes:
    """UTF-8 without a character that is cut off at its end."""
    end = len(data)
    while end > max(0, len(data) - 4) and data[end - 1] & 0xC0 == 0x80:
        end -= 1
    return data[: end - 1] if end and data[end - 1] >= 0xC0 else data


def _long_line(name: Path | str, line: int, longest: int) -> str:
    return f"{name}: line {line} is longer than {longest // 1000000} MB. A text has a line for each sentence: put line ends into it."


def _converted_blocks(chunks: Iterator[bytes], name: Path | str, encoding: str, longest: int | None) -> Iterator[str]:
    """Text in an encoding that was asked for."""
    decoder = codecs.getincrementaldecoder(encoding)()
    rest, first_line, first = "", 1, True
    for data in chain(chunks, (None,)):
        if first and data is not None:
            _refuse_archives(data, name)
        try:
            text = rest + decoder.decode(data or b"", final=data is None)
        except UnicodeError as error:
            good = getattr(error, "object", b"")[: getattr(error, "start", 0)]
            line = first_line + rest.count("\n") + good.decode(encoding, "replace").count("\n")
            raise DataError(_wrong_encoding(name, line, encoding)) from None
        if wrong := _HALF.search(text, len(rest)):
            raise DataError(_wrong_encoding(name, first_line + text.count("\n", 0, wrong.start()), encoding))
        end = len(text) if data is None else text.rfind("\n") + 1
        block, rest = text[:end], text[end:]
        if longest is not None and len(rest) > longest:
            raise DataError(_long_line(name, first_line + block.count("\n"), longest))
        if block or data is None and first:
            yield _plain(block, name, first_line)
            first = False
        first_line += block.count("\n")


def _wrong_encoding(name: Path | str, line: int, encoding: str) -> str:
    return (
        f"{name}: line {line} is not {encoding}, the encoding that was asked for. Name another one (--encoding; in a configuration "
        "`encoding:`), or repair that line."
    )


def tolerant_blocks(path: Path, encoding: str | None, other: Callable[[str, str], None]) -> Iterator[str]:
    """The text of a file in blocks that end at line feeds, in the encoding that was asked for, else the one that it looks like.

    other: called with an encoding that is not UTF-8 and was not asked for, and why it is thought to be that one. Bytes that fit none stay
    (surrogateescape), and so do NUL and lone carriage returns. DataError for a file that is not there, may not be read or is an archive.
    """
    chunks = _chunks(path, BLOCK_BYTES // 4)
    start = next(chunks, b"")
    _refuse_archives(start, path)
    if encoding is None:
        encoding, reason = encoding_of(start[:_SAMPLE_BYTES])
        if encoding != "utf-8":
            other(encoding, reason)
    encoding = "utf-8" if is_utf8(encoding) else encoding
    errors = "surrogateescape" if encoding in ("utf-8", "cp949") else "replace"
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    rest, first_line = "", 1
    for data in chain((start,), chunks, (None,)):
        text = rest + decoder.decode(data or b"", final=data is None)
        end = len(text) if data is None else text.rfind("\n") + 1
        block, rest = text[:end], text[end:]
        if len(rest) > 4 * LONGEST_LINE:
            raise DataError(_long_line(path, first_line + block.count("\n"), LONGEST_LINE))
        if block:
            yield block.removeprefix("\ufeff") if first_line == 1 else block
            first_line += block.count("\n")


def is_utf8(encoding: str) -> bool:
    """Whether a name is one of UTF-8's."""
    return codecs.lookup(encoding).name in ("utf-8", "utf-8-sig", "ascii")


def _chunks(path: Path, size: int | None = None) -> Iterator[bytes]:
    """The bytes of a file, BLOCK_BYTES or `size` at a time."""
    with _explained(path), path.open("rb") as file:
        unpacked = gzip.GzipFile(fileobj=file) if path.suffix.lower() == ".gz" else file
        while data := unpacked.read(size or BLOCK_BYTES):
            yield data


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
    if "\0" in text and (encoding := _wide_encoding(data, least_nul_share=0.4)):
        raise DataError(_conversion_advice(path, encoding, "so many of its bytes are NUL"))
    return _plain(text, path, first_line)


def _plain(text: str, path: Path | str, first_line: int) -> str:
    """Text without a byte order mark at its start. DataError for NUL, and for a carriage return that no line feed follows."""
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + first_line
        raise DataError(f"{path}: line {line} holds a NUL byte, which no text has. Repair or remove that line.")
    if (place := lone_return(text)) >= 0:
        raise DataError(f"{path}: line {text.count(chr(10), 0, place) + first_line} {LONE_RETURN}")
    return text.removeprefix("\ufeff") if first_line == 1 else text


LONE_RETURN = (
    "has a carriage return (\\r) inside, perhaps old Mac line ends. Remove it, or save the file with Unix or Windows line ends in an editor"
)
"""What to say of it; behind "line 3"."""


def lone_return(text: str) -> int:
    """Where the first carriage return is that does not belong to a line end, or end the text; -1: there is none."""
    if "\r" not in text or text.count("\r") == text.count("\r\n"):
        return -1
    found = _LONE_RETURN.search(text)
    return -1 if found is None else found.start()


def _refuse_other_kinds(data: bytes, path: Path | str) -> None:
    """Raise DataError for a beginning that only other encodings and archives have."""
    for mark, encoding in _WIDE_BOMS:
        if data.startswith(mark):
            raise DataError(_conversion_advice(path, encoding, "it begins with that byte order mark"))
    _refuse_archives(data, path)


def _refuse_archives(data: bytes, path: Path | str) -> None:
    for mark, what, remedy in _ARCHIVES:
        if data.startswith(mark) and (b"\0" in data[:_SAMPLE_BYTES] or not data[:8].isascii() or not data[:4].isalnum()):
            raise DataError(f"{path}: this is {what}. {remedy}")


def _not_utf8(data: bytes, error: UnicodeDecodeError, path: Path | str, first_line: int) -> str:
    """The message for bytes that are not UTF-8: the encoding when it can be recognised, else the first wrong byte."""
    if encoding := _wide_encoding(data, least_nul_share=0.02):
        return _conversion_advice(path, encoding, "without a byte order mark")
    if _looks_like_cp949(data):
        return _conversion_advice(path, "cp949", "Korean Windows, a superset of EUC-KR")
    line = data.count(b"\n", 0, error.start) + first_line
    return (
        f"{path}: not UTF-8: byte 0x{data[error.start]:02x} at line {line}. "
        f"Repair that line, or name the file's encoding with --encoding (in a configuration `encoding:`), "
        f"or convert it with: {_conversion(path, 'ENCODING')}"
    )


def _conversion_advice(path: Path | str, encoding: str, reason: str) -> str:
    return (
        f"{path}: not UTF-8: looks like {encoding} ({reason}). Add --encoding {encoding} (in a configuration `encoding: {encoding}`), "
        f"or convert it with: {_conversion(path, encoding)}"
    )


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
