"""Measures of a package's source: sizes of files and functions, importers, import cycles.

The files are parsed, not imported, so that any checkout can be measured.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

SMALL_LINES = 40
LARGE_LINES = 450

EXCLUDED_FROM_MEDIAN = ("migrations", "plugin_templates")
"""Directories whose files are excluded from the median."""


@dataclass(frozen=True, slots=True)
class Module:
    """File of a package."""

    name: str
    path: Path
    text: str
    tree: ast.Module
    is_package: bool

    @property
    def package(self) -> str:
        """The dotted name of the module's package; for a package, its own name."""
        return self.name if self.is_package else self.name.rpartition(".")[0]

    @property
    def line_count(self) -> int:
        """The number of lines, as `wc -l` counts them."""
        return self.text.count("\n")

    @property
    def counts_for_median(self) -> bool:
        """Return whether the file is included in the median."""
        return not self.is_package and not any(
            each in self.path.parts for each in EXCLUDED_FROM_MEDIAN
        )

    def function_lengths(self) -> Iterator[int]:
        """Return the number of lines of each function and method."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield (node.end_lineno or node.lineno) - node.lineno + 1


class SourceTree:
    """The modules of one package in a checkout, and their imports."""

    def __init__(self, checkout: Path, package: str) -> None:
        self.modules = {each.name: each for each in _read(checkout, package)}

    @cached_property
    def imports(self) -> Mapping[str, frozenset[str]]:
        """The modules of the package that each module imports.

        Imports inside functions and under TYPE_CHECKING are included.
        """
        return {
            name: frozenset(self._targets(module)) - {name} for name, module in self.modules.items()
        }

    @cached_property
    def importers(self) -> Mapping[str, frozenset[str]]:
        """The modules that import each module."""
        importers = defaultdict(set)
        for name, targets in self.imports.items():
            for target in targets:
                importers[target].add(name)
        return {name: frozenset(importers[name]) for name in self.modules}

    def import_cycles(self) -> list[list[str]]:
        """Return the strongly connected components of two or more modules, the largest first."""
        cycles = [sorted(each) for each in strongly_connected(self.imports) if len(each) > 1]
        return sorted(cycles, key=lambda each: (-len(each), each))

    def single_importer_modules(self) -> list[str]:
        """Return the modules that only one module imports, in the same package."""
        return [
            name
            for name, module in self.modules.items()
            if not module.is_package
            and len(self.importers[name]) == 1
            and all(self.modules[each].package == module.package for each in self.importers[name])
        ]

    def measures(self) -> dict[str, float]:
        """Return the measures by name."""
        modules = self.modules.values()
        sizes = [each.line_count for each in modules]
        median_sizes = [each.line_count for each in modules if each.counts_for_median]
        functions = [length for each in modules for length in each.function_lengths()]
        return {
            "files": len(modules),
            "lines": sum(sizes),
            "median_file": median(median_sizes or [0]),
            f"files_under_{SMALL_LINES}": sum(each < SMALL_LINES for each in sizes),
            f"files_over_{LARGE_LINES}": sum(each > LARGE_LINES for each in sizes),
            "single_importer_modules": len(self.single_importer_modules()),
            "median_function": median(functions or [0]),
            "import_cycles": len(self.import_cycles()),
        }

    def _targets(self, module: Module) -> Iterator[str]:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield from self._known(alias.name)
            elif isinstance(node, ast.ImportFrom):
                base = _absolute(module, node)
                for alias in node.names:
                    yield from self._known(f"{base}.{alias.name}") or self._known(base)

    def _known(self, name: str) -> list[str]:
        return [name] if name in self.modules else []


def strongly_connected(graph: Mapping[str, Collection[str]]) -> list[set[str]]:
    """Return the strongly connected components of a graph (Tarjan's algorithm, iterative)."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    path: list[str] = []
    on_path: set[str] = set()
    components: list[set[str]] = []
    for root in graph:
        if root in order:
            continue
        calls = [(root, iter(sorted(graph[root])))]
        order[root] = lowest[root] = len(order)
        path.append(root)
        on_path.add(root)
        while calls:
            node, targets = calls[-1]
            for target in targets:
                if target not in order:
                    order[target] = lowest[target] = len(order)
                    path.append(target)
                    on_path.add(target)
                    calls.append((target, iter(sorted(graph[target]))))
                    break
                if target in on_path:
                    lowest[node] = min(lowest[node], order[target])
            else:
                calls.pop()
                if calls:
                    caller = calls[-1][0]
                    lowest[caller] = min(lowest[caller], lowest[node])
                if lowest[node] == order[node]:
                    start = path.index(node)
                    components.append(set(path[start:]))
                    on_path.difference_update(path[start:])
                    del path[start:]
    return components


def _read(checkout: Path, package: str) -> Iterator[Module]:
    for path in sorted((checkout / package).rglob("*.py")):
        relative = path.relative_to(checkout)
        is_package = path.name == "__init__.py"
        parts = relative.parent.parts if is_package else relative.with_suffix("").parts
        text = path.read_text(encoding="utf-8")
        yield Module(".".join(parts), relative, text, ast.parse(text, str(path)), is_package)


def _absolute(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = module.package.split(".")
    base = parts[: len(parts) - node.level + 1]
    return ".".join([*base, node.module] if node.module else base)
