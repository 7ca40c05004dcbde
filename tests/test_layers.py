"""The house stands: a file imports only from lower layers, there are no cycles, nothing heavy loads early, all is explained."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import mt

PACKAGE = Path(mt.__file__).parent
LAYERS = (
    ("mt.errors", "mt.encoding_names", "mt.files", "mt.visible", "mt.text_table", "mt.output", "mt.translation", "mt.memory",
     "mt.install_hint"),
    ("mt.config", "mt.config_fields", "mt.config_problems", "mt.config_yaml", "mt.config_file", "mt.config_advice", "mt.config_kinds",
     "mt.config_explain"),
    ("mt.data", "mt.model", "mt.decoding"),
    ("mt.runs", "mt.run_lock", "mt.engine_record", "mt.stored_files", "mt.stored_model", "mt.stored_shortlist", "mt.run_facts",
     "mt.run_table", "mt.run_record", "mt.run_diff"),
    ("mt.translator", "mt.evaluation", "mt.training", "mt.inspection", "mt.export", "mt.instant", "mt.serving", "mt.selftest",
     "mt.minimum_bayes_risk", "mt.word_alignment", "mt.proposal", "mt.documents"),
    ("mt.commands", "mt.check_command", "mt.init_command", "mt.init_record", "mt.translate_command",
     "mt.inspect_commands", "mt.document_command", "mt.ship_commands", "mt.config_commands", "mt.runs_commands", "mt.tokenizer_commands"),
    ("mt.cli", "mt.cli_options", "mt.cli_read", "mt.help_text"),
    ("mt", "mt.__main__"),
)
"""From the ground up. A name stands for the module, or for all modules of the package of that name."""

HEAVY = {"torch", "numpy", "datasets", "sentencepiece", "sacrebleu", "pydantic"}


@cache
def trees() -> dict[str, ast.Module]:
    """The syntax tree of every module of the package."""
    found = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        parts = ("mt", *file.relative_to(PACKAGE).with_suffix("").parts)
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(file.read_text(encoding="utf-8"))
    return found


def imports(nodes: Iterator[ast.AST]) -> set[str]:
    """The modules of the package that these nodes import: `from mt.data import demo` is mt.data.demo where that exists."""
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"a relative import in line {node.lineno}: write the module's full name"
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                found.add(submodule if submodule in trees() else node.module)
    return {name for name in found if name.split(".")[0] == "mt"}


def all_imports(module: str) -> set[str]:
    """Those inside functions too."""
    return imports(ast.walk(trees()[module]))


def import_time_imports(module: str) -> set[str]:
    """Those that run when the module is imported: not inside functions, not for type checkers only."""

    def running(nodes: list[ast.stmt]) -> Iterator[ast.AST]:
        for node in nodes:
            for_types = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
            if not for_types and not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield node
                yield from running([child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)])

    return imports(running(trees()[module].body))


def layer(module: str) -> int:
    """How high a module stands; a new top-level name must first be given a layer above."""
    name = module if module == "mt" else ".".join(module.split(".")[:2])
    [number] = [number for number, names in enumerate(LAYERS) if name in names] or [None]
    assert number is not None, f"{module} has no place in LAYERS of {Path(__file__).name}"
    return number


@pytest.mark.parametrize("module", trees())
def test_a_module_imports_from_its_own_layer_or_lower(module: str) -> None:
    upwards = sorted(name for name in all_imports(module) if layer(name) > layer(module))
    if module == "mt.cli":
        upwards.remove("mt")  # the version, inside the function that prints it
    assert upwards == []


def test_modules_do_not_import_one_another_in_a_circle() -> None:
    finished: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " → ".join((*path, module))
        if module not in finished:
            for name in sorted(import_time_imports(module)):
                visit(name, (*path, module))
            finished.add(module)

    for module in trees():
        visit(module, ())
    assert finished == set(trees())


def test_search_knows_of_models_their_interface_alone() -> None:
    for module in trees():
        if module.startswith("mt.decoding"):
            assert {name for name in all_imports(module) if name.startswith("mt.model")} <= {"mt.model.interface"}, module


def test_data_knows_no_model_and_models_know_of_data_the_special_ids_alone() -> None:
    for module in trees():
        names = all_imports(module)
        if module.startswith("mt.data"):
            assert not any(name.startswith(("mt.model", "mt.decoding")) for name in names), module
        if module.startswith("mt.model"):
            assert not any(name.startswith("mt.decoding") for name in names), module
            assert {name for name in names if name.startswith("mt.data")} <= {"mt.data.special_ids"}, module


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("mt", HEAVY),
        ("mt.cli", HEAVY),
        ("mt.errors", HEAVY),
        ("mt.config", HEAVY - {"pydantic"}),
        ("mt.config_file", HEAVY - {"pydantic"}),
            ("mt.translator", {"datasets", "sacrebleu", "torch._dynamo"}),
        ("mt.translate_command", HEAVY),
        ("mt.export.engine", HEAVY - {"pydantic", "sentencepiece"}),
        ("mt.instant.translator", HEAVY - {"pydantic", "sentencepiece"}),
        ("mt.engine_record", HEAVY - {"pydantic"}),
        ("mt.instant.search", HEAVY - {"pydantic", "numpy"}),
        ("mt.training.trainer", {"datasets", "sacrebleu"}),
    ],
)
def test_importing_a_module_loads_nothing_heavy(module: str, unwanted: set[str]) -> None:
    """So that `mt --help` feels instant; everywhere `datasets` and `sacrebleu` load when they are used."""
    code = f"import sys, {module}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(run.stdout.split()) & unwanted == set()


def without_docstring(node: ast.AST, path: str) -> Iterator[str]:
    """The public modules, classes, functions and methods at and below a node that are not explained."""
    if ast.get_docstring(node) is None:
        yield path
    for child in node.body:
        is_property_setter = any(ast.unparse(mark).endswith(".setter") for mark in getattr(child, "decorator_list", ()))
        definition = isinstance(child, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        if definition and not child.name.startswith("_") and not is_property_setter:
            if isinstance(child, ast.ClassDef):
                yield from without_docstring(child, f"{path}.{child.name}")
            elif ast.get_docstring(child) is None:
                yield f"{path}.{child.name}"


@pytest.mark.parametrize("module", trees())
def test_everything_public_has_a_docstring(module: str) -> None:
    tree = trees()[module]
    if tree.body:  # an empty __init__.py says nothing
        assert list(without_docstring(tree, module)) == []
