"""A name of a type stands for one thing, wherever in the package it is met."""

import ast
from collections import defaultdict
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "circuitdsl"


def type_names(text: str) -> set[str]:
    """Classes and type aliases of a module's top level; not type variables, and not names that are private to it."""
    classes, assigned = set(), set()
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef):
            classes.add(node.name)
        elif isinstance(node, ast.Assign) and not (isinstance(node.value, ast.Call) and "TypeVar" in ast.unparse(node.value.func)):
            assigned |= {one.id for one in node.targets if isinstance(one, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            assigned.add(node.target.id)
    aliases = {name for name in assigned if name[0].isupper() and not name.isupper()}  # not constants
    return {name for name in classes | aliases if not name.startswith("_")}


def test_what_counts_as_the_name_of_a_type():
    text = """
class Point: ...
class OPT: ...
Pair = tuple[int, int]
Names: TypeAlias = list[str]
Item = TypeVar("Item")
FAMILY = Point()
_Private = dict[str, int]
number = 3
"""
    assert type_names(text) == {"Point", "OPT", "Pair", "Names"}


def test_no_two_modules_define_types_of_one_name():
    defined = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        for name in type_names(path.read_text(encoding="utf-8")):
            defined[name].append(path.relative_to(PACKAGE).as_posix())
    assert {name: paths for name, paths in defined.items() if len(paths) > 1} == {}
