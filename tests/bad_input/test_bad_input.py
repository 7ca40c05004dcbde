"""Each kind gives one message with file, line or key, value and what to do, exit code 2, no traceback; no file of the user's changes."""

from pathlib import Path

import pytest

from tests.bad_input import KINDS, cell, contents, said
from tests.bad_input.kinds import Kind, Place
from tests.command_line import run_mt
from tests.recommended import wrong


@pytest.fixture(scope="session")
def good_run(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """A finished run of two updates."""
    folder = tmp_path_factory.mktemp("good")
    place = Place(folder, folder)
    place.corpus()
    place.config()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MT_RUNS", str(folder / "runs"))
        patch.setenv("MT_CACHE", str(cache))
        patch.chdir(folder)
        outcome = run_mt(*place.training())
    assert outcome.exit_code == 0, outcome.stderr
    return folder / "runs" / "bad"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.group}: {kind.name}")
def test_one_clear_message(kind: Kind, good_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(tmp_path, good_run)
    place.corpus()
    place.config()
    arguments = kind.prepare(place)
    before = contents(tmp_path)
    outcome = run_mt(*arguments)
    assert outcome.exit_code == kind.exit_code, outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert wrong(outcome.stderr) == [], "a step that cannot be typed"
    missing = [words for words in kind.says if words not in outcome.stdout + outcome.stderr]
    assert not missing, f"{missing} not in:\n{outcome.stderr}"
    assert contents(tmp_path) == before
    assert not (tmp_path / "ran").exists()
    pages = [(Path(__file__).parents[2] / "docs" / name).read_text(encoding="utf-8") for name in ("bad_input.md", "bad_input.ko.md")]
    message = cell(said(outcome.stdout + outcome.stderr, tmp_path))
    assert all(message in page for page in pages), f"python scripts/bad_input.py writes the pages anew: {message}"


def test_kinds_are_many_and_named_once() -> None:
    names = [(kind.group, kind.name) for kind in KINDS]
    assert len(names) == len(set(names)) >= 60
    assert len({(kind.group, kind.korean) for kind in KINDS}) == len(names)
