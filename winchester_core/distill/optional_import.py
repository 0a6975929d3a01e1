"""Deferred import of StackDistiller and its JSONPath parsers (extra `openstack`).

They are imported on first use, so that programs without notifications do not need them.
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
    """Return the module `stackdistiller.distiller`. Raises `PluginError` if not installed."""
    return _import_required("stackdistiller.distiller")


def import_jsonpath_parsers() -> tuple[Callable[[str], Any], ...]:
    """Return the parsers of field paths. The first is the one that StackDistiller itself uses.

    The second is jsonpath-rw-ext, if it is installed. It supports `split()`, filters and other
    functions in newer ceilometer files. Raises `PluginError` if the first is not installed.
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
    # these packages are from 2014; compiling them raises warnings about string escapes
    with warnings.catch_warnings():
        for category in (DeprecationWarning, SyntaxWarning):
            warnings.simplefilter("ignore", category)
        return import_module(module)
