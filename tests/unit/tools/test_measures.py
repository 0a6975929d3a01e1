"""The static measures, on small packages with known figures."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tools.measures.__main__ import changed_files
from tools.measures.static import SourceTree, strongly_connected

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[[dict[str, str]], SourceTree]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write a package `shop` and read it."""

    def write(files: dict[str, str]) -> SourceTree:
        for name, text in files.items():
            path = tmp_path / "shop" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return SourceTree(tmp_path, "shop")

    return write


def test_all_files_and_lines_are_counted_but_the_median_excludes_packages(make: Make) -> None:
    tree = make(
        {
            "__init__.py": "\n" * 50,
            "a.py": "\n" * 10,
            "b.py": "\n" * 30,
            "sub/__init__.py": "",
            "sub/long.py": "\n" * 451,
            "migrations/one.py": "\n" * 500,
        }
    )
    measures = tree.measures()
    assert (measures["files"], measures["lines"]) == (6, 1041)
    assert measures["median_file"] == 30
    assert (measures["files_under_40"], measures["files_over_450"]) == (3, 2)


def test_functions_and_methods_have_lengths(make: Make) -> None:
    function = "def f():\n    return 1\n"
    method = "class C:\n    async def m(self):\n        a = 1\n        return a\n"
    assert make({"a.py": function + method}).measures()["median_function"] == 2.5


def test_an_imported_name_resolves_to_a_module_or_its_package(make: Make) -> None:
    tree = make(
        {
            "__init__.py": "",
            "a.py": "from shop import b\nfrom shop.sub import helper, c\nimport os, shop.sub.d\n",
            "b.py": "",
            "sub/__init__.py": "from .c import helper\n",
            "sub/c.py": "from ..b import x\nfrom . import d\n",
            "sub/d.py": "",
        }
    )
    assert tree.imports["shop.a"] == {"shop.b", "shop.sub", "shop.sub.c", "shop.sub.d"}
    assert tree.imports["shop.sub"] == {"shop.sub.c"}
    assert tree.imports["shop.sub.c"] == {"shop.b", "shop.sub.d"}


def test_lazy_and_type_checking_imports_count_in_cycles(make: Make) -> None:
    tree = make(
        {
            "a.py": "from shop.b import x\n",
            "b.py": "def f():\n    from shop.c import y\n",
            "c.py": "if TYPE_CHECKING:\n    from shop.a import z\n",
            "d.py": "from shop.a import x\n",
        }
    )
    assert tree.import_cycles() == [["shop.a", "shop.b", "shop.c"]]
    assert tree.measures()["import_cycles"] == 1


def test_separate_cycles_are_reported_separately() -> None:
    graph = {"a": ["b"], "b": ["a", "c"], "c": ["d"], "d": ["e"], "e": ["c"], "f": ["a", "e"]}
    found = sorted(sorted(each) for each in strongly_connected(graph))
    assert found == [["a", "b"], ["c", "d", "e"], ["f"]]


def test_only_a_single_importer_in_the_same_package_counts(make: Make) -> None:
    tree = make(
        {
            "alone.py": "",
            "twice.py": "",
            "far.py": "",
            "user.py": "from shop import alone, twice\n",
            "sub/other.py": "from shop import far, twice\n",
        }
    )
    assert tree.single_importer_modules() == ["shop.alone"]


def test_product_files_of_a_commit_are_counted(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True)

    git("init", "--quiet")
    for name in ("winchester_core/a.py", "winchester_handlers/b.py", "tests/c.py"):
        path = tmp_path / name
        path.parent.mkdir()
        path.write_text("")
    git("add", ".")
    git("commit", "--quiet", "--message", "first")
    assert changed_files(tmp_path, "HEAD") == ["winchester_core/a.py", "winchester_handlers/b.py"]
