"""StackDistiller and its JSONPath parsers, which come with the extra `openstack`.

Nothing here is imported before it is used, so that a program without notifications needs none
of it.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

from winchester_core.distribution import install_command
from winchester_core.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

INSTALL_COMMAND = install_command("openstack")


def import_stackdistiller() -> ModuleType:
    """Return the module `stackdistiller.distiller`. Raises `PluginError` when it is absent."""
    return _import_required("stackdistiller.distiller")


def import_jsonpath_parsers() -> tuple[Callable[[str], Any], ...]:
    """Return the parsers of field paths, the one that StackDistiller itself uses first.

    The second, where jsonpath-rw-ext is installed, knows `split()`, filters and other functions
    of newer ceilometer files. Raises `PluginError` when not even the first is there.
    """
    plain = _import_required("jsonpath_rw").parse
    try:
        return plain, _import_without_warnings("jsonpath_rw_ext").parse
    except ImportError:
        return (plain,)


def _import_required(module: str) -> ModuleType:
    try:
        return _import_without_warnings(module)
    except ImportError as error:
        reason = f"distilling notifications needs {module}: {INSTALL_COMMAND}"
        raise PluginError("openstack", module, reason) from error


def _import_without_warnings(module: str) -> ModuleType:
    # These packages are of 2014: their string escapes are warned of when they are first compiled.
    with warnings.catch_warnings():
        for category in (DeprecationWarning, SyntaxWarning):
            warnings.simplefilter("ignore", category)
        return import_module(module)
