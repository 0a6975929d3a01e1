"""The docstring of a plugin is read without importing its module."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from winchester_core.plugins import (
    HANDLERS,
    describe_plugin,
    docstring_in_source,
    installed_plugins,
    summary_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    Install = Callable[..., None]

DOCUMENTED = "class Good:\n    '''A handler.\n\n    At length.\n    '''\n"


def test_a_class_docstring_is_read_without_importing(install: Install) -> None:
    install("acme", {}, {"acme_good": DOCUMENTED + "raise AssertionError\n"})

    assert docstring_in_source("acme_good:Good") == "A handler.\n\nAt length."
    assert "acme_good" not in sys.modules


@pytest.mark.parametrize("name", installed_plugins(HANDLERS))
def test_the_docstring_equals_that_of_the_loaded_class(name: str) -> None:
    plugin = installed_plugins(HANDLERS)[name]
    module = sys.modules[plugin.load().__module__].__name__
    value = f"{module}:{plugin.load().__name__}"

    assert docstring_in_source(value) == describe_plugin(plugin.load()).text


@pytest.mark.parametrize(
    ("source", "value"),
    [
        (DOCUMENTED, "acme_good:Other"),
        (DOCUMENTED, "acme_good:Good.inner"),
        (DOCUMENTED, "acme_good"),
        ("class Good:\n    pass\n", "acme_good:Good"),
        ("Good = type('Good', (), {'__doc__': 'A handler.'})\n", "acme_good:Good"),
        ("def Good():\n    '''A handler.'''\n", "acme_good:Good"),
        ("if True:\n    class Good:\n        '''A handler.'''\n", "acme_good:Good"),
        ("1 +", "acme_good:Good"),
        (DOCUMENTED, "no_such_module:Good"),
        (DOCUMENTED, "no_such_package.module:Good"),
        (DOCUMENTED, "acme_good.module:Good"),
        (DOCUMENTED, "sys:Good"),
        (DOCUMENTED, ""),
    ],
)
def test_the_docstring_is_unknown_when_it_depends_on_the_import(
    install: Install, source: str, value: str
) -> None:
    install("acme", {}, {"acme_good": source})

    assert docstring_in_source(value) is None


@pytest.mark.parametrize(
    "statement",
    ["secret = 1", "secret: int = 1", "other = secret = 1", "def secret(self): pass"],
)
def test_the_docstring_is_unknown_when_the_class_overrides_it(
    install: Install, statement: str
) -> None:
    install("acme", {}, {"acme_good": f"{DOCUMENTED}    {statement}\n"})

    assert docstring_in_source("acme_good:Good", unless_defined={"secret"}) is None
    assert docstring_in_source("acme_good:Good", unless_defined={"public"}) is not None


def test_broken_package_code_does_not_matter(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("acme", {}, {"acme_exits": "raise SystemExit(1)\n"})

    assert docstring_in_source("acme_exits.module:Good") is None


def test_a_summary_is_the_first_paragraph_in_one_line() -> None:
    assert summary_of("  A handler\n  of events.\n\n  At length.\n") == "A handler of events."
    assert summary_of("") == ""
