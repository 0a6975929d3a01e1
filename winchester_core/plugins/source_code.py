"""Docstrings of plugins, read from their source files, because importing plugins is slow."""

from __future__ import annotations

import ast
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Set


def docstring_in_source(value: str, *, unless_defined: Set[str] = frozenset()) -> str | None:
    """Return the docstring of an entry point's class, without importing its module.

    `value` is "module:Class". Returns None if the class must be loaded to find out: its source is
    missing or invalid, it is not defined by a class statement at the top level of the module, it
    has no docstring of its own, or its body defines one of the names in `unless_defined`.
    """
    module, _, name = value.partition(":")
    for node in _statements(module):
        if isinstance(node, ast.ClassDef) and node.name == name:
            return None if _defined(node) & unless_defined else ast.get_docstring(node)
    return None


def _statements(module: str) -> list[ast.stmt]:
    try:
        spec: Any = find_spec(module)  # imports the packages that contain the module
        source: str = spec.loader.get_source(module)
        return ast.parse(source).body
    except (Exception, SystemExit):  # noqa: BLE001 - foreign code; loading the plugin reports it
        return []


def _defined(node: ast.ClassDef) -> set[str]:
    """Return the names that the body of a class assigns or defines as methods."""
    names = set()
    for statement in node.body:
        match statement:
            case ast.FunctionDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case ast.Assign(targets=targets):
                names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names
