"""Plugins and templates import only public modules and the names that these export."""

from __future__ import annotations

import ast
from collections import Counter
from importlib import import_module
from pathlib import Path

import pytest
from generated_reference.public_names import PUBLIC_MODULES, names_of

ROOT = Path(__file__).resolve().parents[2]
PLUGIN_CODE = sorted(
    path
    for place in (
        "plugins-example",
        "winchester_core/cli/plugin_templates",
        "winchester_handlers",
    )
    for path in (ROOT / place).rglob("*.py")
    if "build" not in path.parts
)


def imports_of_core(path: Path) -> list[tuple[str, str]]:
    """Return module and name of each import from Winchester."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("winchester_core"):
            found += [(str(node.module), alias.name) for alias in node.names]
        if isinstance(node, ast.Import):
            found += [(n.name, "") for n in node.names if n.name.startswith("winchester_core.")]
    return found


@pytest.mark.parametrize("module", PUBLIC_MODULES)
def test_a_public_module_has_its_public_names(module: str) -> None:
    names = names_of(module)
    assert names
    for name in names:
        assert hasattr(import_module(module), name)


def test_each_public_name_is_in_one_module() -> None:
    modules = Counter(name for module in PUBLIC_MODULES for name in names_of(module))
    assert [name for name, number in modules.items() if number > 1] == []


@pytest.mark.parametrize("path", PLUGIN_CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_plugins_import_public_names_only(path: Path) -> None:
    private = [
        (module, name)
        for module, name in imports_of_core(path)
        if module not in PUBLIC_MODULES or (name and name not in names_of(module))
    ]
    assert private == []
