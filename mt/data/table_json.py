"""Tables in JSON: an object a line, a list of objects, or an object around one such list. Every command reads them through this file alone.

A text is a string. A number is written out as it stands in the file; null, or no value, is an empty text. What else may stand there (true,
a list, an infinite number) is no text and is refused by `value_text`. A name that occurs twice in an object is refused: one of the
two would be lost.
"""

import json
import math
import re
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from json.decoder import scanstring

from mt.data.columns import listed_names
from mt.data.table_text import BLOCK_ROWS, Faults, split_lines
from mt.errors import DataError

_NO_TEXT = re.compile("[\0\ud800-\udfff]")
_BREAK = re.compile(r"\r\n|\n|\r")
_BLANK = re.compile(r"[ \t\r\n]*")
_BETWEEN_OBJECTS = re.compile(r"\}([ \t\r\n]*,[ \t\r\n]*)(?=\{)")
PIECE_CHARACTERS = 1 << 16
"""The least length of what is decoded at a time where a list is read quickly; of each file the last piece is read member by member."""
_MOST_FAILED = 8
"""So many more pieces than succeeded may fail, at most, before the rest of a list is read member by member."""
_LEAST_NAMED = 3
"""Rows of an object of rows: with fewer it may be one row with objects in it."""


class _TwiceError(ValueError):
    """A name that occurs twice in an object."""


def _number(text: str) -> str | float:
    value = float(text)
    return text if math.isfinite(value) else value


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise _TwiceError(next(name for name in names if names.count(name) > 1))
    return found


DECODER = json.JSONDecoder(parse_float=_number, parse_int=str, object_pairs_hook=_object)
"""Numbers become the text that stands for them, those that are none (1e400, NaN) floats."""


@dataclass(frozen=True)
class ObjectRows:
    """Rows that stand one after another, each with some of the names."""

    rows: Sequence[Mapping[str, object]]
    lines: Sequence[int]
    """The line of each, or its number where rows have no lines of their own; from 1."""

    def names(self) -> list[str]:
        """All names, in the order in which they first occur."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def column(self, name: str) -> list[object]:
        """The values under a name; None where a row has none."""
        return [row.get(name) for row in self.rows]


def value_text(value: object) -> tuple[str, str]:
    """A value as text, its line breaks spaces (everything later has a sentence a line), and what is wrong with it ("": nothing).

    The text is NFC only after `normalise`.
    """
    if isinstance(value, float) and math.isfinite(value):
        value = repr(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value is None:
        return "", ""
    if not isinstance(value, str):
        what = {"bool": str(value).lower(), "float": f"the number {value}"}.get(type(value).__name__, f"a {type(value).__name__}")
        what = {"a dict": "an object", "a list": "a list"}.get(what, what)
        return "", f"holds {what}, not a text. Choose other columns with source_column and target_column, or repair that row"
    if wrong := _NO_TEXT.search(value):
        return "", f"holds U+{ord(wrong[0]):04X}, which is a NUL or half a character. Repair or remove that pair"
    return (_BREAK.sub(" ", value.strip("\r\n")) if "\n" in value or "\r" in value else value), ""


def flatten(item: dict[str, object]) -> dict[str, object]:
    """{"translation": {"ko": …}} becomes {"translation.ko": …}, as `Dataset.flatten` does."""
    if dict not in map(type, item.values()):
        return item
    flat: dict[str, object] = {}
    for name, value in item.items():
        if isinstance(value, dict):
            flat.update({f"{name}.{inner}": inner_value for inner, inner_value in value.items()})
        else:
            flat[name] = value
    return flat


def read_json(texts: Iterator[str], faults: Faults) -> tuple[Iterator[ObjectRows], str]:
    """The rows of a JSON file in blocks, and what counts them: "line", or "row" where rows have no lines of their own.

    texts: blocks that end at line feeds.
    """
    first, texts = has_lines(texts)
    if first:
        return json_lines(texts, faults), "line"
    return _blocks(numbered_rows("".join(texts), faults)), "row"


def has_lines(texts: Iterator[str]) -> tuple[bool, Iterator[str]]:
    """Whether a JSON file has an object on each line, and the same blocks; else it is one list or object."""
    read = []
    for text in texts:
        read.append(text)
        if text.strip():
            break
    start = "".join(read).lstrip()
    line = start.partition("\n")[0].rstrip()
    lines = True
    if start.startswith("["):
        lines = False
    elif start.startswith("{"):
        try:
            item = DECODER.decode(line)
        except json.JSONDecodeError as error:
            lines = error.pos < len(line)
        except (ValueError, RecursionError):
            pass
        else:
            more = bool(start[len(line) :].strip())
            while not more and (text := next(texts, None)) is not None:
                read.append(text)
                more = bool(text.strip())
            lines = more or not (_lists_in(item) or _is_named(item))
    return lines, chain(read, texts)


def json_lines(texts: Iterator[str], faults: Faults) -> Iterator[ObjectRows]:
    """JSON Lines: an object a row. Lines without text are none."""
    next_line = 1
    for text in texts:
        rows, numbers = [], []
        for number, line in enumerate(split_lines(text), next_line):
            next_line = number + 1
            try:
                item = json_object(line, number, faults)
            except DataError:
                if rows:
                    yield ObjectRows(rows, numbers)  # what is wrong in an earlier row is found first
                raise
            if item is not None:
                rows.append(flatten(item))
                numbers.append(number)
        if rows:
            yield ObjectRows(rows, numbers)
    faults.finish()


def json_object(line: str, number: int, faults: Faults) -> dict[str, object] | None:
    """The object on a line; None for a line without text, and for one that is told."""
    try:
        item = DECODER.decode(line.rstrip("\r"))
    except (ValueError, RecursionError) as error:
        if line.strip():
            faults.row(number, f"{not_json(error)}. Repair that line: one object on each, or one array around them all", line)
        return None
    if not isinstance(item, dict):
        faults.row(number, NO_OBJECT, line)
        return None
    return item


NO_OBJECT = 'this is not an object. Expected {"ko": "…", "en": "…"} or the like'


def not_json(error: ValueError | RecursionError) -> str:
    """What is wrong with something that JSON's decoder does not take."""
    if isinstance(error, _TwiceError):
        return f"the name {str(error)!r} occurs twice in one object"
    if isinstance(error, json.JSONDecodeError):
        return f"this is not JSON: {error.msg} (column {error.colno})"
    return "this is not JSON that can be read: it is nested too deeply"


Member = tuple[str, object, int, int]
"""Something in a list or an object: its name (\"\" in a list), its value, where that begins and ends."""


@dataclass(frozen=True)
class Item:
    """A row of a list, and where it stands in the text."""

    value: dict[str, object]
    start: int
    stop: int


def document_rows(text: str, faults: Faults) -> Iterator[tuple[int, Item]]:
    """The rows, with their numbers from 1, of a JSON text that is a list of objects, or an object around one.

    They are read member by member, so that each has its place. `numbered_rows` gives the same rows sooner, without their places.
    """
    if found := _find_rows(text, faults):
        yield from _each_row(text, found.members(), 0, found.begin, faults)


def numbered_rows(text: str, faults: Faults) -> Iterator[tuple[int, dict[str, object]]]:
    """The rows of `document_rows`, flattened. Many objects of a list are decoded at a time.

    From the first place where that fails, member by member: what is wrong there is told in the same words.
    """
    if not (found := _find_rows(text, faults)):
        return
    number, stop, following = 0, found.begin, None
    if text.startswith("[", found.begin):
        for rows, end, next_begin in _pieces(text, found.begin + 1):
            yield from enumerate(map(flatten, rows), number + 1)
            number, stop, following = number + len(rows), end, next_begin
    members = found.members() if following is None else found.members(following)
    for row, item in _each_row(text, members, number, stop, faults):
        yield row, flatten(item.value)


def _pieces(text: str, place: int) -> Iterator[tuple[list[dict[str, object]], int, int]]:
    """The first objects of the list whose members begin at `place`, some at a time, where the last of them ends and the next begins.

    A piece ends where "}, {" is in the text. If that is within a string or a member, the piece in brackets is no list, and the next such
    place is tried; if it is a list, its members are those of the whole: the same characters were read in the same way. Pieces bound the
    memory that the objects take.
    """
    allowed, least = _MOST_FAILED, place + PIECE_CHARACTERS
    while allowed > 0 and (between := _BETWEEN_OBJECTS.search(text, least)):
        try:
            rows = DECODER.decode(f"[{text[place : between.start(1)]}]")
        except (ValueError, RecursionError):
            allowed -= 1
            least = between.end()
            continue
        if set(map(type, rows)) != {dict}:
            return
        yield rows, between.start(1), between.end()
        allowed = min(allowed + 1, _MOST_FAILED)
        place = between.end()
        least = place + PIECE_CHARACTERS


@dataclass(frozen=True)
class _Found:
    """Where the rows of a JSON text are."""

    members: Callable[..., Iterator[Member]]
    """Gives them; for a list, on request from the member that begins at a place."""
    begin: int
    """Where the list, or the object that holds the rows, begins."""


def _find_rows(text: str, faults: Faults) -> _Found | None:
    """Where the rows are. What the text is instead is told, and gives None."""
    begin = _BLANK.match(text).end()
    try:
        if text.startswith("{", begin):
            return _inner_list(text, list(_members(text, begin)), begin, faults)
    except (ValueError, RecursionError) as error:
        _tell_syntax(text, error, begin, faults)
        return None
    return _Found(partial(_members, text, begin), begin)


def _each_row(text: str, members: Iterator[Member], number: int, place: int, faults: Faults) -> Iterator[tuple[int, Item]]:
    """The rows among the members. number: how many came before; place: where those end."""
    while True:
        try:
            member = next(members, None)
        except (ValueError, RecursionError) as error:
            _tell_syntax(text, error, place, faults)
            break
        if member is None:
            break
        number += 1
        _, value, start, place = member
        if isinstance(value, dict):
            yield number, Item(value, start, place)
        else:
            faults.row(number, NO_OBJECT, text[start:place][:200], unit="row")
    faults.finish()


def _tell_syntax(text: str, error: Exception, place: int, faults: Faults) -> None:
    """A place at which the text is no JSON."""
    place = error.pos if isinstance(error, json.JSONDecodeError) else place
    faults.row(text.count("\n", 0, place) + 1, f"{not_json(error)}. Repair that line", text[place : place + 200])


def _members(text: str, begin: int, first: int | None = None) -> Iterator[Member]:
    """The members of the list or object that begins at `begin`, and that nothing follows. ValueError where it is no JSON."""
    place = yield from members_of(text, begin, first)
    if (rest := _BLANK.match(text, place).end()) < len(text):
        raise json.JSONDecodeError("Extra data", text, rest)


def members_of(text: str, begin: int, first: int | None = None) -> Generator[Member, None, int]:
    """The members of the list or object that begins at `begin`; returns where it ends. ValueError where it is no JSON.

    first: where an object in the list begins; reading starts there, not at the first member.
    """
    is_object = text[begin] == "{"
    closing = "}" if is_object else "]"
    place = _BLANK.match(text, begin + 1).end() if first is None else first
    names: set[str] = set()
    while not (not names and text.startswith(closing, place)):
        name = ""
        if is_object:
            if not text.startswith('"', place):
                raise json.JSONDecodeError("Expecting property name enclosed in double quotes", text, place)
            name, place = scanstring(text, place + 1)
            if name in names:
                raise _TwiceError(name)
            place = _BLANK.match(text, place).end()
            if not text.startswith(":", place):
                raise json.JSONDecodeError("Expecting ':' delimiter", text, place)
            place = _BLANK.match(text, place + 1).end()
        names.add(name)
        value, stop = DECODER.raw_decode(text, place)
        yield name, value, place, stop
        place = _BLANK.match(text, stop).end()
        if text.startswith(closing, place):
            break
        if not text.startswith(",", place):
            raise json.JSONDecodeError("Expecting ',' delimiter", text, place)
        place = _BLANK.match(text, place + 1).end()
    return place + 1


def _inner_list(text: str, members: Sequence[Member], begin: int, faults: Faults) -> _Found:
    """The rows in the object that begins at `begin`: its one list of objects, or all its values. What it is instead is told: no rows."""
    item = {name: value for name, value, _, _ in members}
    lists = _lists_in(item)
    if len(lists) == 1:
        inner = next(start for name, _, start, _ in members if name == lists[0])
        return _Found(partial(members_of, text, inner), inner)
    if not lists and _is_named(item):
        return _Found(lambda: iter(members), begin)
    if lists:
        problem = f"this is an object with {len(lists)} lists of objects: {listed_names(lists)}. Save the one with the pairs as a file"
    else:
        problem = f"this is one object with the names {listed_names(list(item))}, and no list of pairs in it"
    faults.row(1, f'{problem}. Expected [{{"ko": "…", "en": "…"}}, …], an object a line, or an object around one such list')
    return _Found(lambda: iter(()), begin)


def _lists_in(item: Mapping[str, object]) -> list[str]:
    """The names of lists of objects."""
    return [
        name for name, value in item.items() if isinstance(value, list) and value and all(isinstance(inner, dict) for inner in value)
    ]


def _is_named(item: Mapping[str, object]) -> bool:
    """Whether the values are rows: objects that all have the same names."""
    values = list(item.values())
    return len(values) >= _LEAST_NAMED and all(isinstance(value, dict) and value.keys() == values[0].keys() for value in values)


def _blocks(items: Iterator[tuple[int, dict[str, object]]]) -> Iterator[ObjectRows]:
    """Rows in blocks; those before one that is refused come first."""
    done = False
    while not done:
        rows, numbers, refused = [], [], None
        try:
            for number, row in islice(items, BLOCK_ROWS):
                rows.append(row)
                numbers.append(number)
        except DataError as error:
            refused = error
        if rows:
            yield ObjectRows(rows, numbers)
        if refused is not None:
            raise refused
        done = not rows
