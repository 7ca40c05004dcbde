"""What the configuration's fields are made of: the base of every section, the checks of single values, the shorthands.

Not here: the fields themselves (`mt.config`) and reading files (`mt.config_file`).
"""

import difflib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from mt.encoding_names import encoding_problem

Builtin = Literal["demo", "copy", "reverse"]
BUILTINS: tuple[str, ...] = get_args(Builtin)
TABLE_ENDINGS = (".tsv", ".csv", ".jsonl", ".json", ".parquet", ".tsv.gz", ".csv.gz", ".jsonl.gz", ".json.gz")
SPLITS = ("train", "valid", "test")


class Combination(NamedTuple):
    """Values that are fine one by one and impossible together."""

    keys: tuple[str, ...]
    """The keys it concerns, relative to the section, the one most likely wrong first."""
    message: str
    """What does not fit, and what to change."""


def refuse(sentence: str) -> PydanticCustomError:
    """The error a field's own check raises: one plain sentence, kept word for word in the message to the user."""
    return PydanticCustomError("refused", "{sentence}", {"sentence": sentence})


class Section(BaseModel):
    """What every part of the configuration has in common: frozen, strict, nothing unknown, no NaN."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        protected_namespaces=(),  # `model_type` is a good name for a field
    )

    def combinations(self) -> Iterator[Combination]:
        """Yield every combination of values in this section that cannot work."""
        yield from ()

    @model_validator(mode="after")
    def check_combinations(self) -> Self:
        """Refuse the impossible combinations, all of them in one error."""
        found = list(self.combinations())
        if found:
            text = "; ".join(combination.message for combination in found)
            raise PydanticCustomError("combinations", "{text}", {"text": text, "found": found})
        return self


CORPORA_HINT = (
    ". MT_DATA is the folder that holds the public corpora of the shipped configurations; where they come from and how to lay them out: "
    "the first lines of the configuration, and docs/corpora.md. To train on pairs of your own: mt train --data FILE"
)
"""What to say when the folder of the shipped configurations' corpora is not known."""


def expand_path(value: Any) -> Any:
    """A path with `~`, `$NAME` and `${NAME}` replaced; `$$` is a dollar sign. Unset variables are refused."""
    if not isinstance(value, str):
        return value

    def replace(match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        if match["broken"]:
            raise refuse("'${' must be followed by a variable's name and '}'; a dollar sign itself is written '$$'")
        variable = match["braced"] or match["bare"]
        if not os.environ.get(variable):
            hint = CORPORA_HINT if variable == "MT_DATA" else ""
            raise refuse(f"the environment variable {variable} is not set; set it, or write the path out{hint}")
        return os.environ[variable]

    if not value.strip():
        raise refuse("the path is empty")
    path = os.path.expanduser(value)
    if path.startswith("~"):
        raise refuse("no such user's home folder; write the path out, or put './' before a name that begins with '~'")
    pattern = r"\$(?:(?P<dollar>\$)|\{(?P<braced>[A-Za-z_]\w*)\}|(?P<broken>\{)|(?P<bare>[A-Za-z_]\w*))"
    return Path(re.sub(pattern, replace, path))


def unexpanded_path(path: Path) -> str:
    """The text that expand_path reads back as this path: `$` doubled, `./` before a leading `~` and before nothing but spaces."""
    text = str(path).replace("$", "$$")
    return f"./{text}" if text.startswith("~") or not text.strip() else text


def check_table_ending(path: Path) -> Path:
    """Refuse a corpus file whose ending does not say how to read it."""
    if not path.name.lower().endswith(TABLE_ENDINGS):
        nearest = difflib.get_close_matches(path.name, BUILTINS, n=1)
        if nearest:
            raise refuse(f"neither a built-in corpus nor a file of pairs; did you mean {nearest[0]}?")
        if advice := other_ending(path):
            raise refuse(advice)
        raise refuse(
            "neither a built-in corpus (demo, copy, reverse) nor a file ending in .tsv, .csv, .jsonl, .json (also .gz) "
            "or .parquet; two parallel text files are given as `source:` and `target:`"
        )
    return path


_ARCHIVES = (".xz", ".zip", ".bz2", ".zst", ".7z", ".rar", ".tar", ".tgz", ".lzma", ".lz4", ".z")
_SHEETS = (".xlsx", ".xls", ".ods")


def other_ending(path: Path) -> str:
    """What to do with a file of pairs in an archive or a spreadsheet, judging by its name; "" for others."""
    ending = path.suffix.lower()
    if ending in _ARCHIVES:
        return f"'{ending}' is an archive: unpack it, or compress the file with gzip instead (.gz is read as it is)"
    if ending in _SHEETS:
        return f"'{ending}' is a spreadsheet: save the sheet as CSV (UTF-8) or as tab-separated text named .tsv"
    return ""


def check_encoding(name: str) -> str:
    """Refuse what is not the name of an encoding of texts."""
    if problem := encoding_problem(name):
        raise refuse(problem)
    return name


def check_language(code: str) -> str:
    """Refuse what is not a language code: two or three lower-case letters, perhaps a region."""
    if not re.fullmatch(r"[a-z]{2,3}(-[a-z0-9]{2,8})?", code):
        raise refuse("not a language code: two or three lower-case letters, perhaps with a region (ko, en, pt-br)")
    return code


def check_name(name: str) -> str:
    """Refuse a name that is not a plain folder name on every system."""
    if name in ("", ".", "..") or name != name.strip() or re.search(r'[/\\:*?"<>|\x00-\x1f\x7f]', name):
        raise refuse("not a plain folder name: the run directory is called so; use letters, digits, '-', '_' and '.'")
    if len(name.encode()) > 200:
        raise refuse("too long for a folder name: at most 200 bytes in UTF-8")
    return name


def check_device(device: str) -> str:
    """Refuse what is not a device we can run on."""
    if not re.fullmatch(r"auto|cpu|mps|cuda(:[0-9]+)?", device):
        raise refuse("expected auto, cpu, cuda, mps, or one GPU by its number such as cuda:1")
    return device


def expand_corpora(value: Any) -> Any:
    """The shorthands of a split: `demo`, `pairs.tsv` or one mapping stand for a list with that one corpus."""
    if value is None:
        return ()
    if isinstance(value, str):
        return ({"builtin" if value in BUILTINS else "file": value},)
    if isinstance(value, dict | Section):
        return (value,)
    if isinstance(value, list | tuple):
        return tuple(expand_corpora(item)[0] if isinstance(item, str) else item for item in value)
    return value


def expand_data(value: Any) -> Any:
    """The shorthand of the whole section: `data: demo` takes all three splits from the built-in corpus."""
    if isinstance(value, str):
        if value not in BUILTINS:
            raise refuse("not a built-in corpus (demo, copy, reverse); files are named as `data: {train: …, valid: …, test: …}`")
        return {"train": value, "valid": value, "test": value}
    return value


def list_to_tuple(value: Any) -> Any:
    """A YAML list as the tuple that a frozen field holds."""
    return tuple(value) if isinstance(value, list) else value


def column_text(value: Any) -> Any:
    """The number of a column, written without quotes, as its text; other values as they are."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


ColumnName = Annotated[str, BeforeValidator(column_text, json_schema_input_type=str | int)]
Encoding = Annotated[str, AfterValidator(check_encoding)]
InputPath = Annotated[
    Path,
    BeforeValidator(expand_path, json_schema_input_type=str),
    PlainSerializer(unexpanded_path, when_used="json"),
]
TablePath = Annotated[InputPath, AfterValidator(check_table_ending)]
Language = Annotated[
    str, AfterValidator(check_language), WithJsonSchema({"type": "string", "pattern": "^[a-z]{2,3}(-[a-z0-9]{2,8})?$"})
]
LARGEST = 10**15
"""No count is above this: what is larger does not fit into 64 bits once it is multiplied. As an interval it means "never"."""
Positive = Annotated[int, Field(ge=1, le=LARGEST)]
Count = Annotated[int, Field(ge=0, le=LARGEST)]
Layers = Annotated[int, Field(ge=1, le=1000)]
Width = Annotated[int, Field(ge=1, le=1_000_000)]
Hypotheses = Annotated[int, Field(ge=1, le=5000)]
Rate = Annotated[float, Field(gt=0, le=1000)]
Probability = Annotated[float, Field(ge=0, lt=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
