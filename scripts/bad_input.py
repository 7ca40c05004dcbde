"""Gives `mt` every kind of bad input in tests/bad_input, each to a process of its own, and writes what it says into docs/bad_input.md.

    python scripts/bad_input.py [--check]

A kind counts as answered when the process ends by itself within a minute, without a traceback, with the exit code and the words that are
wanted, and leaves the files of the user as they were. --check: write nothing; exit code 1 when a page is not what it would be.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

from tests.bad_input import KINDS, contents, page, said  # noqa: E402
from tests.bad_input.kinds import Kind, Place  # noqa: E402


def run(arguments: list[str], folder: Path) -> subprocess.CompletedProcess:
    """`mt ARGUMENTS` as a process, in that folder."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MT_") and name != "COLUMNS"}
    environment |= {"PYTHONPATH": str(REPOSITORY), "MT_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, "-m", "mt", *arguments], cwd=folder, env=environment, capture_output=True, text=True,
                          encoding="utf-8", timeout=60, stdin=subprocess.DEVNULL)  # fmt: skip


def answer(kind: Kind, folder: Path, good_run: Path) -> tuple[str, list[str], float]:
    """What `mt` says to a kind, what is wrong with that, and the seconds it took."""
    begun = time.monotonic()
    place = Place(folder, good_run)
    place.corpus()
    place.config()
    arguments = kind.prepare(place)
    before = contents(folder)
    outcome = run(arguments, folder)
    problems = [f"does not say {words!r}" for words in kind.says if words not in outcome.stdout + outcome.stderr]
    if outcome.returncode != kind.exit_code:
        problems.append(f"exit code {outcome.returncode}, not {kind.exit_code}")
    if "Traceback" in outcome.stderr:
        problems.append("a traceback")
    if contents(folder) != before:
        problems.append("a file of the user's is not what it was")
    return said(outcome.stdout + outcome.stderr, folder), problems, time.monotonic() - begun


def main() -> None:
    """Ask about every kind; write the pages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    answers, failed, slowest = {}, 0, 0.0
    with tempfile.TemporaryDirectory() as name:
        good = Place(Path(name) / "good", Path(name))
        good.folder.mkdir()
        good.corpus()
        good.config()
        assert run(good.training(), good.folder).returncode == 0
        folders = [Path(name) / str(number) for number in range(len(KINDS))]
        for folder in folders:
            folder.mkdir()
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            found = pool.map(lambda kind, folder: answer(kind, folder, good.folder / "runs" / "bad"), KINDS, folders)
        for kind, (message, problems, seconds) in zip(KINDS, found, strict=True):
            answers[kind], slowest = message, max(slowest, seconds)
            failed += bool(problems)
            for problem in problems:
                print(f"{kind.group}: {kind.name}: {problem}\n{answers[kind]}", file=sys.stderr)
    stale = 0
    for korean, file in ((False, "bad_input.md"), (True, "bad_input.ko.md")):
        path, text = REPOSITORY / "docs" / file, page(answers, korean)
        if check:
            stale += not path.is_file() or path.read_text(encoding="utf-8") != text
        else:
            path.write_text(text, encoding="utf-8")
    print(f"{len(KINDS)} kinds of bad input: {len(KINDS) - failed} answered as wanted, {failed} not; the slowest took {slowest:.1f} s")
    if stale:
        print("docs/bad_input.md is not what it would be now: python scripts/bad_input.py", file=sys.stderr)
    sys.exit(bool(failed or stale))


if __name__ == "__main__":
    main()
