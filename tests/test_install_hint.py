"""A missing package is named as pip knows it: mt itself is on no index."""

import re
import tomllib
from pathlib import Path

from mt.install_hint import PACKAGES, install_command, install_packages

ROOT = Path(__file__).resolve().parents[1]


def test_the_packages_are_those_of_the_extras() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    named = {extra: tuple(re.split("[<>=!~]", requirement)[0] for requirement in requirements) for extra, requirements in extras.items()}
    assert {extra: named[extra] for extra in PACKAGES} == PACKAGES and set(named) == {*PACKAGES, "dev"}


def test_the_command_is_that_of_this_environment() -> None:
    assert install_command("plots", "onnx").endswith("pip install matplotlib onnx onnxruntime")
    assert install_packages("a>=1", upgrade=True).endswith("pip install --upgrade 'a>=1'")


def test_nobody_is_sent_to_an_index_for_mt_itself() -> None:
    files = [*(ROOT / "mt").rglob("*.py"), *ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "scripts").rglob("*.py")]
    named = [file.name for file in files if re.search(r"pip install[^`\n]*mt-trainer|mt-trainer\[", file.read_text(encoding="utf-8"))]
    assert [name for name in named if name not in ("LOG.md", "CHANGELOG.md")] == []
