"""A step that a message recommends can be typed: the command exists, with these options, and so does the setting."""

from pathlib import Path

import pytest

from tests.recommended import PACKAGE, command_names, recommended, recommended_in, texts_in, wrong, wrong_settings

MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("module", MODULES)
def test_the_commands_and_settings_that_a_module_recommends_exist(module: str) -> None:
    messages = texts_in(PACKAGE / module)
    assert [(line, found) for line, text in messages for found in wrong(text)] == []
    assert [(line, found) for line, text in messages for found in wrong_settings(text)] == []


def test_the_search_finds_commands_and_what_is_wrong_with_them(tmp_path: Path) -> None:
    assert sum(len(recommended_in(PACKAGE / module)) for module in MODULES) > 40
    assert {"train", "inspect shapes"} <= command_names()
    assert recommended("first 'mt init FILE --force', then 'mt train --config C --restart'") == [
        ("init", frozenset({"--force"})), ("train", frozenset({"--config", "--restart"}))]  # fmt: skip
    assert wrong("add --source, or type: mt train --config C --sauce ko") == ["mt train --sauce: there is no such option"]
    assert wrong("try 'mt trane --config C'") == ["mt trane: there is no such command"]
    assert wrong("mt reads no .xlsx files; save them as CSV") == []
    assert wrong_settings("raise training.max_stepps or data.max_length") == ["training.max_stepps"]
    (tmp_path / "module.py").write_text('"""mt nonesuch --here: a docstring."""\nx = f"mt init {1} --nonesuch"\n', encoding="utf-8")
    assert recommended_in(tmp_path / "module.py") == [(2, "init", frozenset({"--nonesuch"}))]
