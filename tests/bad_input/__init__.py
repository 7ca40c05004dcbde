"""Bad input, kind by kind: what a person gives by mistake, and what `mt` must say to it; and the page that tells it."""

import re
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path

from tests.bad_input import checks, corpora, models, requests, settings
from tests.bad_input.kinds import KINDS, Kind

__all__ = ["KINDS", "contents", "page", "said"]
assert checks and corpora and models and requests and settings  # they have entered their kinds

GROUPS = {"check": "살펴보기", "corpus": "말뭉치", "configuration": "설정", "model": "모델", "translation": "번역과 채점"}


def contents(folder: Path) -> dict[str, bytes]:
    """The files of the user in a folder; what is below belongs to `mt`."""
    return {str(path): path.read_bytes() for path in folder.iterdir() if path.is_file()}


def said(output: str, folder: Path) -> str:
    """The message in what a command wrote, without the folder it ran in."""
    output = output.replace(f"{Path(__file__).resolve().parents[2]}/", "")
    lines = output.replace(f"{folder.resolve()}/", "").replace(f"{folder.resolve()}", "this folder").strip().splitlines()
    begin = [number for number, line in enumerate(lines) if re.match(r"error:|Usage:|Error:|error  |warning  |note  ", line)]
    kept = [line.strip() for line in (lines[begin[0] :] if begin else lines[:1])]
    return "\n".join(line for line in kept if line and not line.startswith(("Usage:", "Try ")))


def page(answers: Mapping[Kind, str], korean: bool) -> str:
    """The page of docs/ that shows each kind with its message."""
    if korean:
        head = (
            "# 잘못된 입력과 그에 대한 답\n\n[English](bad_input.md)\n\n"
            f"사람이 실수로 줄 수 있는 입력 {len(answers)}가지와 `mt`의 답. 모두 파일이나 키, 값, 다음에 할 일을 한 번에 말하고, "
            "종료 코드는 2이며, 사용자의 파일은 하나도 바뀌지 않는다. 종료 코드가 다르면 메시지 앞에 적었다.\n\n"
            "이 쪽은 `python scripts/bad_input.py`가 만든다. 각 입력은 별도의 프로세스에 주어진다.\n"
        )
    else:
        head = (
            "# Bad input, and what is said to it\n\n[한국어](bad_input.ko.md)\n\n"
            f"{len(answers)} kinds of input that a person may give by mistake, with the answer of `mt`. Each says file or key, value and "
            "what to do next, once; the exit code is 2, and no file of the user's is changed. Another exit code stands before the "
            "message.\n\n"
            "This page is made by `python scripts/bad_input.py`, which gives each kind to a process of its own.\n"
        )
    parts = [head]
    for group, kinds in groupby(answers, key=lambda kind: kind.group):
        title, header = (GROUPS[group], "| 입력 | 답 |") if korean else (group.capitalize(), "| input | answer |")
        parts.append(f"\n## {title}\n\n{header}\n|---|---|\n")
        for kind in kinds:
            code = "" if kind.exit_code == 2 else f"({kind.exit_code}) "
            parts.append(f"| {kind.korean if korean else kind.name} | {code}{cell(answers[kind])} |\n")
    return "".join(parts)


def cell(message: str) -> str:
    """A message as it stands in a table of Markdown."""
    return "<br>".join(f"`{line.replace('|', '¦').replace('`', '‘')}`" for line in message.splitlines())
