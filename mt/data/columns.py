"""Which columns of a table are the source and the target: by their names, their numbers, or the order of a file without a header.

One rule for every format and every command. Names are compared without regard to case and the spaces around them; a language may be
called by its code or its name ('ko', 'KOR', 'Korean', '한국어'), the sides by words such as 'source' and 'tgt'. What cannot be told is
asked for, never guessed.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from mt.data.language_codes import short_code
from mt.data.language_names import folded, language_named
from mt.errors import DataError

_SOURCE = frozenset({"source", "src", "원문", "원본", "원시문"})
_TARGET = frozenset({"target", "tgt", "trg", "번역문", "번역", "대역문"})
_OTHERS = frozenset(re.split(r"\s+", """
    id sid idx index no no. # number num key text sentence sentences phrase string translation reference ref original domain topic category
    type style score split comment note speaker date url file line segment 번호 순번 식별자 문장 텍스트 대분류 중분류 소분류 분류 분야
    주제 상황 출처 파일명 화자 비고 자동분류 키워드 url주소 언론사 날짜""")) - {""}  # fmt: skip
"""Words of headers that are of no side."""
_MOST_LISTED = 9
_LONGEST_NAME = 40
_SENTENCE_END = re.compile(r"[.?!。？！]\s*$")
SIDES = ("source", "target")


@dataclass(frozen=True)
class Wanted:
    """What is known of the two columns before the table is opened."""

    languages: tuple[str, str]
    """Language codes of source and target."""
    chosen: tuple[str | None, str | None] = (None, None)
    """source_column and target_column: a name, or a number counted from 1; None: to be found."""


@dataclass(frozen=True)
class Choice:
    """The two columns of a table."""

    places: tuple[int, int]
    """Counted from 0 in the names."""
    header: bool
    """Whether the first row of a TSV file is a header, and no pair."""
    by_order: bool = False
    """Whether nothing but the order of two columns tells which is which."""


def choose(names: Sequence[str], named: bool, wanted: Wanted, origin: str) -> Choice:
    """The columns of the source and the target.

    names: the first row of a table, or the keys of its objects. named: whether those are names in any case (CSV, JSON, Parquet); a TSV
    file may begin with a pair. Raises DataError when it does not come out which column is which, or both are one.
    """
    if named:
        refuse_one_column(names, origin)
    elif len(names) < 2:
        raise DataError(f"{origin}: line 1 has no tab. A TSV file has the two sides in columns separated by a tab.")
    header = named or looks_like_header(names)
    places = [None if name is None else _place(names, name, header, origin) for name in wanted.chosen]
    missing = [name for name, place in zip(wanted.chosen, places, strict=True) if name is not None and place is None]
    if missing:
        raise _no_column(names, missing, wanted, origin, header)
    if None not in places and places[0] == places[1]:
        raise DataError(f"{origin}: source_column and target_column are both {wanted.chosen[0]!r}. Give each its own.")
    found = _complete(names, places, wanted, origin)
    if found is not None:
        by_name = any(choice is None or not choice.isdecimal() for choice in wanted.chosen)
        return Choice(found, header or by_name)
    if len(names) == 2 and (not header or places != [None, None]):
        first = places[0] if places[0] is not None else 0 if places[1] is None else 1 - places[1]
        return Choice((first, 1 - first), header, by_order=places == [None, None])
    for side, language in enumerate(wanted.languages if header else ()):
        for candidates in _tiers(names, language, side):
            if candidates:
                _single(names, candidates, language, origin)  # raises for a name that occurs twice
    raise _cannot_tell(names, header, wanted, origin)


def place_of_source(names: Sequence[str], language: str, origin: str) -> int | None:
    """The column of a table's header that has the source side, by its name; None where there is none."""
    for places in _tiers(names, language, 0):
        if places:
            return _single(names, places, language, origin)
    return None


def place_named(names: Sequence[str], column: str, header: bool, origin: str) -> int | None:
    """The column with this name, or of this number counted from 1; None where there is none.

    header: whether `names` are names; in a row of texts a number is a number, also where some text is the same.
    """
    return _place(names, column, header, origin)


def looks_like_header(cells: Sequence[str]) -> bool:
    """Whether the first row of a table names its columns: all cells of two, or two of more, are made of words that headers have."""
    known = [names_a_column(cell) for cell in cells]
    if any(len(cell) > _LONGEST_NAME or _SENTENCE_END.search(cell) for cell in cells):
        return False
    return all(known) if len(cells) <= 2 else sum(known) >= 2


def names_a_column(cell: str) -> bool:
    """Whether a whole cell is made of words that headers have: 'ko', 'Korean sentence', 'SID'; a sentence with such a word is none."""
    words = _words(cell)
    return len(cell) <= _LONGEST_NAME and not _SENTENCE_END.search(cell) and bool(words) and all(map(_is_known, words))


def of_no_side(name: str) -> bool:
    """Whether a column's whole name is a word of headers that is of no side: id, no, note, date."""
    return folded(name) in _OTHERS


def refuse_one_column(names: Sequence[str], origin: str) -> None:
    """Raise DataError for a header that has another separator than the comma."""
    if len(names) != 1 or not (mark := re.search(r"[;\t|]", names[0])):
        return
    if mark[0] == "\t":
        raise DataError(f"{origin}: the columns are separated by tabs, as in a .tsv file; rename the file to end in .tsv")
    what = {";": "semicolons", "|": "vertical bars"}[mark[0]]
    raise DataError(
        f"{origin}: the first row, {names[0][:80]!r}, is separated by {what}; save it again with commas, or with tabs as .tsv (renaming "
        "is not enough)"
    )


def listed_names(names: Sequence[str]) -> str:
    """The names for a message: at most nine, each cut."""
    shown = [repr(name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…") for name in names[:_MOST_LISTED]]
    return ", ".join(shown) + (f", … ({len(names):,} columns)" if len(names) > _MOST_LISTED else "")


def _words(cell: str) -> list[str]:
    """'Korean_sentence 2' is korean and sentence."""
    plain = folded(cell)
    if _is_known(plain):
        return [plain]
    return [word for word in re.split(r"[\s\-.:/()\[\]]+", plain) if word and not word.isdecimal()]


def _is_known(word: str) -> bool:
    return word in _SOURCE or word in _TARGET or word in _OTHERS or language_named(word) is not None


def _tiers(names: Sequence[str], language: str, side: int) -> list[list[int]]:
    """The columns that may be of a side, the surest kind of name first."""
    plain = [folded(name) for name in names]
    base = short_code(language)
    words = (_SOURCE, _TARGET)[side]
    inner = [re.match(r"translations?\.(.+)", name) for name in plain]
    return [
        [at for at, name in enumerate(names) if name.strip() == language],
        [at for at, name in enumerate(plain) if language_named(name) == base],
        [at for at, name in enumerate(plain) if name in words],
        [at for at, found in enumerate(inner) if found and (found[1] == folded(language) or language_named(found[1]) == base)],
        [at for at, name in enumerate(names) if _only_language(name) == base],
    ]


def _only_language(name: str) -> str | None:
    """The one language in a name whose other words are those of headers: 'Korean sentence', 'text_ko'."""
    words = _words(name)
    languages = {language_named(word) for word in words} - {None}
    return languages.pop() if len(words) > 1 and len(languages) == 1 and all(map(_is_known, words)) else None


def _complete(names: Sequence[str], places: Sequence[int | None], wanted: Wanted, origin: str) -> tuple[int, int] | None:
    """Both columns, those that are not chosen found by name: both by names of the same kind, where none is chosen."""
    if None not in places:
        return places[0], places[1]
    tiers = [_tiers(names, language, side) for side, language in enumerate(wanted.languages)]
    if places != [None, None]:
        side = places.index(None)
        for candidates in tiers[side]:
            rest = [at for at in candidates if at not in places]
            if rest:
                at = _single(names, rest, wanted.languages[side], origin)
                return (at, places[1]) if side == 0 else (places[0], at)
        return None
    exact, *loose = zip(*tiers, strict=True)
    same_base = short_code(wanted.languages[0]) == short_code(wanted.languages[1])
    for sources, targets in [exact, *(loose[1:] if same_base else loose)]:
        if sources and targets:
            pair = (_single(names, sources, wanted.languages[0], origin), _single(names, targets, wanted.languages[1], origin))
            return pair
    mixed = [next((places for places in each if places), None) for each in tiers]
    if None not in mixed and not same_base:
        return tuple(_single(names, places, language, origin) for places, language in zip(mixed, wanted.languages, strict=True))
    return None


def _single(names: Sequence[str], places: Sequence[int], what: str, origin: str) -> int:
    """The only one. DataError where there are several."""
    if len(places) > 1:
        same = [names[at] for at in places]
        if len({name.strip() for name in same}) == 1:
            raise DataError(f"{origin}: the header names the column {same[0].strip()!r} {_times(len(same))}. Rename one of them.")
        raise DataError(
            f"{origin}: {len(same)} columns may be {what!r}: {listed_names(same)}. Choose with source_column and target_column "
            "(--source-column, --target-column)."
        )
    return places[0]


def _times(count: int) -> str:
    return "twice" if count == 2 else f"{count} times"


def _exact(names: Sequence[str], wanted: str) -> list[int]:
    """The columns of a name: as it is written, else but for case and the spaces around it."""
    exact = [at for at, name in enumerate(names) if name.strip() == wanted.strip()]
    return exact or [at for at, name in enumerate(names) if folded(name) == folded(wanted)]


def _place(names: Sequence[str], wanted: str, header: bool, origin: str) -> int | None:
    """The column of that name, else of that number."""
    if (header or not wanted.isdecimal()) and (places := _exact(names, wanted)):
        return _single(names, places, wanted, origin)
    number = int(wanted) if wanted.isdecimal() and len(wanted) < 7 else 0
    return number - 1 if 1 <= number <= len(names) else None


def _no_column(names: Sequence[str], missing: Sequence[str], wanted: Wanted, origin: str, header: bool) -> DataError:
    nearest = sorted(names, key=lambda name: -max(_similarity(name, want) for want in missing))
    keys = [f"{side}_column" for side, name in zip(SIDES, wanted.chosen, strict=True) if name in missing]
    message = (
        f"{origin}: there is no column {' and no column '.join(map(repr, missing))}. The columns are {listed_names(nearest)}. "
        f"Set {' and '.join(keys)} to {'one' if len(keys) == 1 else 'two'} of them, or to a number counted from 1."
    )
    if not header:
        message += " In a TSV file without a header, columns are called by their number: '1', '2'."
    return DataError(message)


def _similarity(name: str, other: str) -> float:
    return SequenceMatcher(None, name[:100].lower(), other.lower()).ratio()


def _cannot_tell(names: Sequence[str], header: bool, wanted: Wanted, origin: str) -> DataError:
    ask = "Set source_column and target_column (--source-column, --target-column) to two of"
    if header:
        source, target = wanted.languages
        return DataError(
            f"{origin}: cannot tell which columns are the source and the target: there are no {source!r} and {target!r}. "
            f"{ask} {listed_names(names)}."
        )
    return DataError(
        f"{origin}: the first row is no header and has {len(names)} columns, so nothing tells which are the source and the target. "
        f"{ask} the numbers 1 to {len(names)}. The first row: {listed_names(names)}"
    )


def describe(path: Path | str, names: Sequence[str], choice: Choice, wanted: Wanted, example: tuple[str, str]) -> str:
    """The log line: which column is read as which, with the first pair."""
    shown = [repr(text if len(text) <= _LONGEST_NAME else f"{text[: _LONGEST_NAME - 1]}…") for text in example]
    called = [repr(names[place]) if choice.header else str(place + 1) for place in choice.places]
    start = "" if choice.header else "no header; "
    parts = [
        f"column {name} is the {side} ({language}): {text}"
        for name, side, language, text in zip(called, SIDES, wanted.languages, shown, strict=True)
    ]
    return f"{path}: {start}{', '.join(parts)}"
