"""What to type when an optional package is missing: mt itself is on no package index, so its extras cannot be named there."""

import shlex
import shutil
import sys
from pathlib import Path

PACKAGES = {
    "plots": ("matplotlib",),
    "export": ("ctranslate2",),
    "marian": ("transformers",),
    "onnx": ("onnx", "onnxruntime"),
    "korean": ("sacrebleu[ko]",),
}
"""The extras of pyproject.toml and what each of them installs."""


def install_command(*extras: str) -> str:
    """The command that installs the packages of these extras into the environment that runs this program."""
    return install_packages(*(package for extra in extras for package in PACKAGES[extra]))


def install_packages(*packages: str, upgrade: bool = False) -> str:
    """The same for packages as pip names them, with or without a version."""
    found = shutil.which("pip")
    ours = found is not None and Path(found).parent == Path(sys.executable).parent
    pip = "pip" if ours else f"{shlex.quote(sys.executable)} -m pip"
    return f"{pip} install {'--upgrade ' * upgrade}{' '.join(map(shlex.quote, packages))}"
