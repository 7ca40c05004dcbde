"""The shape tracer: what every tensor named after its dimensions was, and whether its name told the truth.

While `trace_shapes` is on, each function of the package is looked at when it returns: a local `x_BSD` must have three
dimensions, each letter must have one size within the function, `1` must be 1, and a local number of one capital letter
(`B, S, D = x_BSD.shape`) must be that letter's size. A name ends in `_` and its dimensions, capital letters and digits;
lists and tuples are not looked at, nor are attributes, nor what a name held before it was assigned again. Only the thread
that traces is watched.

Legend of the letters in mt/model/interface.py.
"""

import os
import re
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import numpy
from torch import Tensor, nn

from mt.text_table import text_table

PACKAGE_FOLDER = Path(__file__).parents[1]
"""Where the package's own functions are: what is traced by default."""

_NAME = re.compile(r"_*[a-z]\w*_([A-Z0-9]+)")


@dataclass(frozen=True)
class ShapeRecord:
    """One tensor, seen when its function returned."""

    function: str
    """The function's module and qualified name, such as mt.model.attention.split_heads."""
    call: int
    """The number of the call, from 1, in the order in which functions were entered."""
    name: str
    """The local name, such as x_BSD."""
    letters: str
    """The name's dimensions, such as BSD."""
    shape: tuple[int, ...]
    """The sizes it had."""
    module: str = field(default="", compare=False)
    """The module that computed it, or that called the function that did, such as encoder.0.self_attention; "" outside of all."""
    given: bool = field(default=False, compare=False)
    """Whether it was an argument of the function: made elsewhere."""
    returned: int = field(default=0, compare=False)
    """The number of the return, from 1, in the order in which functions returned."""


@dataclass(frozen=True)
class ShapeTrace:
    """What a trace has seen; both lists grow while it runs."""

    records: list[ShapeRecord] = field(default_factory=list)
    """Every tensor with dimensions in its name, once per call, in the order of the calls when the trace has ended."""
    violations: list[str] = field(default_factory=list)
    """A sentence for every name that did not tell the truth, each once."""


@contextmanager
def trace_shapes(folder: Path = PACKAGE_FOLDER, model: nn.Module | None = None) -> Iterator[ShapeTrace]:
    """Watch the functions whose code lies under `folder`, in this thread, until the block ends. model: whose modules are named.

    Slows down every function call of the thread, so it is for tests and for looking, not for training. A profiler that was
    set before pauses and is set again afterwards.
    """
    trace = ShapeTrace()
    prefix = f"{folder}{os.sep}"  # not resolved: code knows its file by the path it was imported from
    calls: dict[int, int] = {}  # the number of the call that each live frame belongs to
    modules = {id(module): name for name, module in model.named_modules()} if model is not None else {}
    count = returned = 0

    def watch(frame: FrameType, event: str, _: object) -> None:
        nonlocal count, returned
        if event not in ("call", "return") or not frame.f_code.co_filename.startswith(prefix):
            return
        if event == "call":
            count += 1
            calls[id(frame)] = count
        elif id(frame) in calls:
            returned += 1
            _look_at(frame, calls.pop(id(frame)), returned, trace, modules)

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        yield trace
    finally:
        sys.setprofile(before)
        trace.records.sort(key=lambda record: record.call)


def _module_of(frame: FrameType | None, modules: dict[int, str]) -> str:
    """The name of the module whose method this is, or that called it."""
    while frame is not None and modules:
        name = modules.get(id(frame.f_locals.get("self")))
        if name is not None:
            return name
        frame = frame.f_back
    return ""


def _look_at(frame: FrameType, call: int, returned: int, trace: ShapeTrace, modules: dict[int, str]) -> None:
    """Add the records and violations of one function that returns."""
    function = f"{frame.f_globals.get('__name__', '?')}.{frame.f_code.co_qualname}"
    variables = dict(frame.f_locals)
    module = _module_of(frame, modules)
    arguments = frame.f_code.co_varnames[: frame.f_code.co_argcount]
    records = [
        ShapeRecord(function, call, name, match[1], tuple(value.shape), module, name in arguments, returned)
        for name, value in variables.items()
        if isinstance(value, (Tensor, numpy.ndarray)) and (match := _NAME.fullmatch(name))
    ]
    trace.records.extend(records)
    place = f"{Path(frame.f_code.co_filename).name}:{frame.f_code.co_firstlineno}, {frame.f_code.co_qualname}"
    for problem in frame_problems(variables, records):
        sentence = f"{place}: {problem}"
        if sentence not in trace.violations:
            trace.violations.append(sentence)


def frame_problems(variables: dict[str, Any], records: list[ShapeRecord]) -> list[str]:
    """What is untrue in one function's names: one clause for each tensor at fault.

    The first to use a letter sets its size: numbers of one capital letter before all tensors.
    """
    sizes = {
        name: (value, f"{name} is {value}")
        for name, value in variables.items()
        if len(name) == 1 and name.isascii() and name.isupper() and isinstance(value, int) and not isinstance(value, bool)
    }
    problems = []
    for record in records:
        described = f"{record.name} has the shape {record.shape}"
        if len(record.letters) != len(record.shape):
            problems.append(f"{described}: {len(record.shape)} dimensions, but its name says {len(record.letters)}")
            continue
        for letter, size in zip(record.letters, record.shape, strict=True):
            known = (int(letter), f"{letter} means {letter}") if letter.isdigit() else sizes.get(letter)
            if known is None:
                sizes[letter] = (size, described)
            elif known[0] != size:
                problems.append(f"{described}: its {letter} is {size}, but {known[1]}")
                break
    return problems


def format_trace(trace: ShapeTrace) -> str:
    """The records as a table for people: function, tensor, sizes, and how many calls saw exactly that.

    In the order of the first call; equal lines of repeated calls (the layers of a stack, the steps of a search) are one.
    """
    rows = Counter((record.function, record.name, record.shape) for record in trace.records)
    lines, last = [], ""
    for (function, name, shape), times in rows.items():
        lines.append(("" if function == last else function, name, " × ".join(map(str, shape)), f"{times}×"))
        last = function
    return text_table(("function", "tensor", "shape", "seen"), lines, numbers_from=2)
