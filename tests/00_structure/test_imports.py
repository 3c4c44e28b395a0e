"""The rules that keep the stages apart: which package may import which, and where heavy libraries may be used."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "circuitdsl"

STAGES = {
    "borders": set(),
    "language": {"borders"},
    "prompts": {"borders"},
    "resolve": {"borders", "prompts"},
    "models": {"borders"},
    "measures": {"borders"},
    "planning": {"borders"},
    "engine": {"borders"},
    "oracle": {"borders"},
    "statistics": {"borders"},
    "figures": {"borders"},
    "reports": {"borders"},
}

ONLY_IN = {
    "lark": {"language"},
    "torch": {"models", "engine", "oracle"},
    "transformers": {"models"},
    "gguf": {"models"},
    "graphviz": {"figures"},
    "cairosvg": {"figures"},
    "tokenizers": {"models"},
    "typer": {"cli"},
    "sklearn": {"measures"},
    "pyarrow": {"prompts"},
}

IMPORTED_LATE = {"pyarrow", "scipy", "statsmodels", "networkx", "matplotlib", "cairosvg", "transformers", "gguf", "sklearn"}


def modules():
    return sorted(PACKAGE.rglob("*.py"))


def imports(path: Path, *, top_level_only: bool = False):
    """Full names of imported modules; those under `if TYPE_CHECKING` are left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    pending = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif not (top_level_only and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
            pending += ast.iter_child_nodes(node)


def calls(path: Path, name: str) -> bool:
    """Whether a function or class of that name is called in it."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return any(isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name for node in nodes)


def stage(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0]


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_stage_imports_only_the_borders_and_itself(path):
    own = stage(path)
    if own not in STAGES:
        return
    allowed = STAGES[own] | {own}
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "circuitdsl" and len(parts) > 1 and parts[1] != "__version__":
            assert parts[1] in allowed, f"{own} may not import {name}"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_library_is_imported_only_where_it_belongs(path):
    for name in imports(path):
        library = name.split(".")[0]
        assert stage(path) in ONLY_IN.get(library, {stage(path)}), f"{library} belongs in {ONLY_IN[library]}"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_slow_libraries_are_imported_where_they_are_used(path):
    slow = {name.split(".")[0] for name in imports(path, top_level_only=True)} & IMPORTED_LATE
    assert not slow, f"import {', '.join(sorted(slow))} inside the functions that use it"


def test_every_folder_of_the_package_has_a_rule():
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == STAGES.keys() | {"pipeline", "cli"}, "only the pipeline and the command line may import several stages"


def test_nothing_imports_the_command_line():
    for path in modules():
        if stage(path) not in ("cli", "__main__.py"):
            assert not any(name.startswith("circuitdsl.cli") for name in imports(path)), path


def test_the_libraries_that_the_package_imports_are_named_in_its_dependencies():
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [
        *project["dependencies"],
        *(one for extra in ("gguf", "probes", "parquet", "figures") for one in project["optional-dependencies"][extra]),
    ]
    named = {re.match(r"[\w-]+", one)[0].lower().replace("-", "_") for one in asked}
    distributions = packages_distributions()
    for path in modules():
        for library in {name.split(".")[0] for name in imports(path)} - {"circuitdsl", "__future__"} - sys.stdlib_module_names:
            names = {one.lower().replace("-", "_") for one in distributions.get(library, [library])}
            assert names & named, f"{path} imports {library}, which pyproject.toml does not name"


def test_diagnostics_are_made_by_the_collector_alone():
    """So that all errors are collected, said once and sorted in one way."""
    makers = {path.relative_to(PACKAGE).as_posix() for path in modules() if calls(path, "Diagnostic")}
    assert makers == {"borders/diagnostics.py", "language/syntax_errors.py"}
