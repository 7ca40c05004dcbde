"""Pairs as a command line names them: files, columns and languages, as corpora of a configuration.

What the options leave open is filled in from names (file endings, headers) and then from the text itself (languages.py). What contradicts
the text is refused: a corpus with the wrong label trains a model that nobody asked for.
"""

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mt.config import CorpusConfig
from mt.config_fields import TABLE_ENDINGS
from mt.data.columns import of_no_side
from mt.data.country_codes import refuse_countries
from mt.data.encodings import encoding_of, read_bytes, text_blocks
from mt.data.given_columns import Column, spread, table_columns
from mt.data.language_codes import SHORT_CODES, short_code
from mt.data.language_names import codes_by_name, language_named
from mt.data.languages import contradiction, language_called, look_at, named, seems_exchanged
from mt.data.table_text import split_lines
from mt.errors import ConfigError, DataError

_SOURCE_NAMES = frozenset(["source", "src", "원문", "출발어", "원본"])
_TARGET_NAMES = frozenset(["target", "tgt", "trg", "translation", "번역문", "번역", "도착어", "역문"])
_KNOWN_CODES = frozenset([*SHORT_CODES, *SHORT_CODES.values(), *codes_by_name().values()])
_NOT_LANGUAGES = ("txt", "src", "tgt", "ref", "raw", "tok")
_SAMPLE_BYTES = 1 << 16
_OFFICE = (".xlsx", ".xls", ".ods", ".docx", ".hwp", ".hwpx")


@dataclass(frozen=True)
class Asked:
    """What the options say; None where they leave it open."""

    source: str | None = None
    """The language to translate from."""
    target: str | None = None
    source_column: str | None = None
    """A column's name, or its number from 1; of every table."""
    target_column: str | None = None
    encoding: str | None = None
    """Of the text files; None: UTF-8."""
    columns_must_exist: bool = True
    """False: a table without the named columns is looked at as if none were named."""


@dataclass(frozen=True)
class GivenPairs:
    """Corpora, with the languages of their sides."""

    corpora: tuple[CorpusConfig, ...]
    source: str
    target: str
    statements: tuple[str, ...]
    """For each corpus a line for a person: which column or file is which language."""
    guessed: tuple[str, ...]
    """Those of the statements that rest on the text, since neither names nor options say it."""


@dataclass(frozen=True)
class _Found:
    """One corpus with what was found out about it."""

    corpus: CorpusConfig
    languages: tuple[str, str]
    statement: str
    guessed: bool
    sides: Sequence[Column]


class _OtherLanguagesError(DataError):
    """A table without columns of the languages that were given."""


def given_pairs(files: Sequence[Path], asked: Asked, what: str = "", strict: bool = True) -> GivenPairs:
    """The corpora of these files: a table is one corpus, two text files that follow one another are one, the source first.

    what: the option that gives them, for messages. strict: refuse languages that contradict the text and languages that nobody can tell;
    otherwise the languages may come out as "source" and "target". ConfigError or DataError with the options to add.
    """
    _check_codes(asked)
    corpora, statements, guessed = [], [], []
    options = () if what else (asked.source, asked.target)
    for group in grouped(files, what):
        try:
            found = _find(group, asked, strict)
        except DataError as error:
            if strict or (isinstance(error, _OtherLanguagesError) and any(options)):
                raise
            corpora.append(corpus_of(group, asked))  # what cannot be read is told by whoever looks through it
            continue
        refuse_countries((asked.source, asked.target), [side.facts.language for side in found.sides])
        if not strict and any(options):
            _refuse_other_scripts(found, group, asked)
        corpora.append(found.corpus)
        statements.append(found.statement)
        guessed += [found.statement] if found.guessed else []
        known = {side: code for side, code in zip(("source", "target"), found.languages, strict=True) if code != side}
        asked = replace(asked, **known)
    return GivenPairs(tuple(corpora), asked.source or "source", asked.target or "target", tuple(statements), tuple(guessed))


def _find(group: Sequence[Path], asked: Asked, strict: bool) -> _Found:
    """A corpus as its text shows it. Where not strict, a file is read in the encoding that it looks like, for whoever looks through it."""
    find = _of_table if len(group) == 1 else _of_text
    if strict or asked.encoding or len(group) != 1 or group[0].name.lower().endswith((".parquet", ".gz")):
        return find(group, asked, strict)
    encoding, _ = encoding_of(read_bytes(group[0], size=_SAMPLE_BYTES))
    if encoding == "utf-8":
        return find(group, asked, strict)
    found = find(group, replace(asked, encoding=encoding), strict)
    return replace(found, corpus=found.corpus.model_copy(update={"encoding": None}))


def grouped(files: Sequence[Path], what: str) -> list[tuple[Path, ...]]:
    """The files of each corpus. ConfigError for a text file without its partner and for a file that is given twice."""
    what = f"{what}: " if what else ""
    twice = [file for at, file in enumerate(files) if file in files[:at]]
    if twice:
        raise ConfigError(f"{what}{twice[0]} is given twice; give each file once")
    groups: list[tuple[Path, ...]] = []
    waiting: Path | None = None
    for file in files:
        if waiting is not None and not is_table(file):
            groups.append((waiting, file))
            waiting = None
        elif waiting is not None:
            raise ConfigError(_alone(waiting, what))
        elif is_table(file):
            groups.append((file,))
        else:
            waiting = file
    if waiting is not None:
        raise ConfigError(_alone(waiting, what))
    return groups


def is_table(file: Path) -> bool:
    """Whether a file's ending says that it is a table of pairs."""
    return file.name.lower().endswith(TABLE_ENDINGS)


def _alone(file: Path, what: str) -> str:
    """What to say about a text file that has no partner."""
    if file.name.lower().endswith(_OFFICE):
        return f"{what}{file}: mt reads no {file.suffix} files; save it as 'CSV UTF-8', and give the .csv file"
    message = f"{what}{file}: a text file is one side only; give one table of pairs ({', '.join(TABLE_ENDINGS[:5])}), or two text files, "
    message += "the source side first"
    if file.is_file() and b"\t" in read_bytes(file, size=4000 if file.suffix.lower() != ".gz" else -1)[:4000]:
        message += f". Its lines have tabs: if it is a table, call it {file.with_suffix('.tsv').name}"
    return message


def corpus_of(group: Sequence[Path], asked: Asked = Asked()) -> CorpusConfig:
    """One corpus of one table or two text files, with the columns that were named."""
    if len(group) == 1:
        names = {"source_column": asked.source_column, "target_column": asked.target_column}
        return CorpusConfig(file=group[0], **names, **_encoding(group[0], asked))
    return CorpusConfig(source=group[0], target=group[1], encoding=asked.encoding)


def _encoding(table: Path, asked: Asked) -> dict[str, str]:
    """The encoding of a table; a Parquet file has its own."""
    return {"encoding": asked.encoding} if asked.encoding and not table.name.lower().endswith(".parquet") else {}


def is_code(text: str) -> bool:
    """Whether a text has the form of a language code."""
    return re.fullmatch(r"[a-z]{2,3}(-[a-z0-9]{2,8})?", text) is not None and text not in _NOT_LANGUAGES


def _check_codes(asked: Asked) -> None:
    for option, code in (("--source", asked.source), ("--target", asked.target)):
        if code is not None and not is_code(code):
            meant = language_called(code)
            hint = f"; did you mean {option} {meant}?" if meant else ""
            raise ConfigError(
                f"{option}: '{code}' is not a language code: two or three lower-case letters, perhaps with a region (ko, en, pt-br){hint}"
            )
    refuse_countries((asked.source, asked.target))
    if asked.source_column is not None and asked.source_column == asked.target_column:
        raise ConfigError(f"--source-column and --target-column are both {asked.source_column}; give each side its own")


# ── two text files ──────────────────────────────────────────────────────────────────────────────────────────────────


def _of_text(group: Sequence[Path], asked: Asked, strict: bool) -> _Found:
    """Two text files as a corpus. What is asked of columns is of no matter."""
    sides = [_text_side(file, asked.encoding) for file in group]
    languages = _languages(sides, asked, strict)
    if strict:
        _refuse_contradictions(sides, languages, bool(asked.source or asked.target))
    return _Found(corpus_of(group, asked), languages, _statement("", sides, languages), not _told(sides, asked), sides)


def _text_side(file: Path, encoding: str | None) -> Column:
    """A text file as a side; its ending may name the language."""
    ending = file.name.removesuffix(".gz").split(".")[-1]
    lines = split_lines(next(iter(text_blocks(file, encoding)), ""))
    known = is_code(ending) and short_code(ending) in _KNOWN_CODES  # .dev and .out have the form of codes
    return Column(str(file), str(file), look_at(spread(lines)), ending if known else None)


# ── a table ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _of_table(group: Sequence[Path], asked: Asked, strict: bool) -> _Found:
    """A table as a corpus with its two columns."""
    [path] = group
    columns = table_columns(path, [name for name in (asked.source_column, asked.target_column) if name], asked.encoding)
    plain = not strict and [column.name for column in columns] == ["1", "2"]  # to tell exchanged sides is then a checker's business
    sides = _choose(path, columns, replace(asked, source=None, target=None) if plain else asked)
    languages = _languages(sides, asked, strict, f"{path}: ")
    if strict:
        _refuse_contradictions(sides, languages, bool(asked.source or asked.target), path)
    names = tuple(side.name for side in sides)
    columns_given = {} if names == languages else {"source_column": names[0], "target_column": names[1]}
    guessed = not _told(sides, asked) or (len(columns) > 2 and not (asked.source_column and asked.target_column))
    corpus = CorpusConfig(file=path, **columns_given, **_encoding(path, asked))
    order = ""
    if _by_order(columns, sides, asked):
        order = (f" ({sides[0].label} is taken for {_name(languages[0])} because it comes first; if not: "
                 f"--source-column {sides[1].name} --target-column {sides[0].name})")  # fmt: skip
    return _Found(corpus, languages, _statement(f"{path}: ", sides, languages, order), guessed, sides)


def _by_order(columns: Sequence[Column], sides: Sequence[Column], asked: Asked) -> bool:
    """Whether nothing but the order of two columns says which of the two languages asked for is in which."""
    if len(columns) != 2 or None in (asked.source, asked.target) or asked.source_column or asked.target_column:
        return False
    alike = sides[0].facts.script == sides[1].facts.script
    return alike and not any(side.called or side.facts.language or _side_called(side.name) for side in sides)


def _name(code: str) -> str:
    """A language's name, where it has one, without its code."""
    return named(code).removesuffix(f" ({code})")


def _side_called(name: str) -> str | None:
    """'source' or 'target' for a column called so."""
    words = set(re.split(r"[\W_]+", name.strip().casefold()))
    if words & _SOURCE_NAMES:
        return "source"
    return "target" if words & _TARGET_NAMES else None


def _choose(path: Path, columns: Sequence[Column], asked: Asked) -> tuple[Column, Column]:
    """The two columns that are meant. DataError with the options to add where several pairs of columns could be."""
    chosen = [_asked_column(path, columns, option, name, asked)
              for option, name in (("--source-column", asked.source_column), ("--target-column", asked.target_column))]  # fmt: skip
    languages = (asked.source, asked.target)
    candidates = _candidates(columns)
    possible = [
        [column] if column else [one for one in candidates if one.facts.worded >= 0.5 and _may_be(one, language, other)]
        for column, language, other in zip(chosen, languages, languages[::-1], strict=True)
    ]
    pairs = [(source, target) for source in possible[0] for target in possible[1] if source is not target]
    rules: list[Callable[[Column, Column], bool]] = [
        lambda source, target: _language(source) is None or _language(source) != _language(target),
        lambda source, target: all(_same(side.called, language) for side, language in zip((source, target), languages, strict=True)),
        lambda source, target: (source.name, target.name) == languages,
        lambda source, target: all(side.called and language_named(side.name) for side in (source, target)),
        lambda source, target: bool(source.called and target.called),
        lambda source, target: _side_called(source.name) == "source" and _side_called(target.name) == "target",
        lambda source, target: bool(_side_called(source.name) and _side_called(target.name)),
        lambda source, target: min(source.facts.distinct, target.facts.distinct) > 0.2,
        lambda source, target: all(_same(_language(side), language) for side, language in zip((source, target), languages, strict=True)),
    ]  # fmt: skip
    for rule in rules:
        pairs = [pair for pair in pairs if rule(*pair)] or pairs
    if len(pairs) == 2 and pairs[0] == pairs[1][::-1]:
        pairs = [min(pairs, key=lambda pair: columns.index(pair[0]))]
    if len(pairs) == 1:
        return pairs[0]
    given = not pairs and (asked.source or asked.target)
    raise (_OtherLanguagesError if given else DataError)(_ask_for_columns(path, columns, pairs, asked))


def _ask_for_columns(path: Path, columns: Sequence[Column], pairs: Sequence[tuple[Column, Column]], asked: Asked) -> str:
    """What to say when no pair of columns, or more than one, could be the two sides."""
    listed = ", ".join(f"{column.label.removeprefix('column ')} ({column.facts.described})" for column in columns[:8])
    listed += ", …" * (len(columns) > 8)
    if pairs:
        source, target = (shlex.quote(side.name) for side in pairs[0])
        return f"{path}: cannot tell which columns are the two sides: {listed}. Name them, for example: --source-column {source} --target-column {target}"  # noqa: E501
    wanted = " and ".join(named(code) for code in (asked.source, asked.target) if code)
    if wanted:
        return (f"{path}: no two columns are {wanted}: {listed}. Give the languages that the columns have with --source and --target, "
                "or name the columns with --source-column and --target-column")  # fmt: skip
    return f"{path}: there are no two columns of text: {listed}. Give a table with both sides, or two text files"


def _asked_column(path: Path, columns: Sequence[Column], option: str, name: str | None, asked: Asked) -> Column | None:
    """The column of an option, by name or by number. DataError when there is none."""
    if name is None:
        return None
    for column in columns:
        if column.name == name:
            return column
    if name.isdecimal() and 1 <= int(name) <= len(columns):
        return columns[int(name) - 1]
    if not asked.columns_must_exist:
        return None
    there = ", ".join(f"{number} {column.name}" if column.name != str(number) else column.name for number, column in enumerate(columns, 1))
    raise DataError(f"{path}: {option} {name}: there is no such column. There are: {there}. Give a name, or a number from 1")


def _candidates(columns: Sequence[Column]) -> Sequence[Column]:
    """The columns that may be a side: with two that are called after languages, those called id, note and the like are none."""
    rest = [column for column in columns if column.called or not of_no_side(column.name)]
    return rest if len({column.called for column in columns} - {None}) >= 2 else columns


def _may_be(column: Column, language: str | None, other: str | None) -> bool:
    """Whether a column may hold a language. other: the language of the other side, which it then does not hold."""
    if language is None:
        return True
    return not contradiction(language, column.facts) and (other is None or not seems_exchanged(column.facts, language, other))


# ── languages ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _language(side: Column) -> str | None:
    """The language of a side by its name, else by its text."""
    return side.called or side.facts.language


def _same(code: str | None, other: str | None) -> bool:
    """Whether two codes may mean the same language: kor and ko do, and None is any."""
    return code is None or other is None or short_code(code) == short_code(other)


def _languages(sides: Sequence[Column], asked: Asked, strict: bool, where: str = "") -> tuple[str, str]:
    """The languages of the two sides: as asked, else as named, else as the text shows. ConfigError where that leaves one open.

    Two languages of one script are asked for, since common words alone are a guess.
    """
    told = [given or side.called for given, side in zip((asked.source, asked.target), sides, strict=True)]
    guesses = [side.facts.language for side in sides]
    same_script = sides[0].facts.script == sides[1].facts.script
    found = told if told == [None, None] and same_script else [code or guess for code, guess in zip(told, guesses, strict=True)]
    if found[0] == found[1]:
        found = told
    settled = None not in found and (found[0] != found[1] or asked.source == asked.target)
    if not strict or settled:
        return found[0] or "source", found[1] or "target"
    described = ", ".join(f"{side.label} is {side.facts.described}" for side in sides)
    missing = [(option, guess) for option, code, guess in zip(("--source", "--target"), found, guesses, strict=True) if code is None]
    missing = missing or [("--source", guesses[0]), ("--target", guesses[1])]
    options = " and ".join(option for option, _ in missing)
    example = " ".join(f"{option} {guess or ('ko' if option == '--source' else 'en')}" for option, guess in missing)
    raise ConfigError(
        f"{where}cannot tell the languages (no language code in the file name or header; {described}). Add {options}, for example: "
        f"{example}"
    )


def _refuse_contradictions(sides: Sequence[Column], languages: tuple[str, str], asked: bool, path: Path | None = None) -> None:
    """ConfigError for sides whose text cannot be in the language they would be labelled with.

    asked: whether options named a language. path: of the table; None: two text files.
    """
    given = list(zip(sides, languages, languages[::-1], strict=True))
    wrong = [(side, own) for side, own, _ in given if contradiction(own, side.facts)]
    exchanged = not any(contradiction(other, side.facts) for side, _, other in given)
    if not wrong:  # one script: common words tell, and one side is enough
        wrong = [(side, own) for side, own, other in given if seems_exchanged(side.facts, own, other)]
    if not wrong and tuple(side.facts.language for side in sides) == tuple(map(short_code, languages[::-1])):
        wrong = [(side, own) for side, own, _ in given]  # related languages: both sides must say it
    if not wrong:
        return
    if not exchanged:
        advice = "Give the languages that the text has with --source and --target"
        advice += "" if path is None else ", or other columns with --source-column and --target-column"
    elif path is None and asked:
        advice = f"The source side comes first: give {' '.join(shlex.quote(side.name) for side in sides[::-1])}"
    else:
        advice = f"To take the text for what it is, add: --source {languages[1]} --target {languages[0]}"
    described = "; ".join(f"{side.label} would be {named(code)}, but it is {side.facts.described}" for side, code in wrong)
    raise ConfigError(f"{f'{path}: ' if path is not None else ''}{described}. {advice}")


def _refuse_other_scripts(found: _Found, group: Sequence[Path], asked: Asked) -> None:
    """ConfigError for a corpus to look through where the options name languages that the text is not in; exchanged sides are findings."""
    given = list(zip(found.sides, found.languages, found.languages[::-1], strict=True))
    worded = all(side.facts.worded >= 0.5 for side in found.sides)
    if worded and any(contradiction(other, side.facts) for side, _, other in given):
        _find(group, asked, strict=True)


def _told(sides: Sequence[Column], asked: Asked) -> bool:
    """Whether options or names say both languages."""
    return all(given or side.called for given, side in zip((asked.source, asked.target), sides, strict=True))


def _statement(where: str, sides: Sequence[Column], languages: tuple[str, str], order: str = "") -> str:
    """The line that says which side is which language, and the direction."""
    said = ", ".join(f"{side.label} is {named(code)}" for side, code in zip(sides, languages, strict=True))
    return f"{where}{said}{order}" + ("" if "source" in languages or "target" in languages else f"; translating {' → '.join(languages)}")
