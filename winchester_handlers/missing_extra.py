"""The error for a handler whose optional dependency is not installed."""

from __future__ import annotations

from winchester_core.errors import PluginError

GROUP = "winchester.handlers"


def missing_extra(handler: str, extra: str, error: ImportError) -> PluginError:
    """What is raised when the import of `handler` fails; it names what to install."""
    needed = error.name or "a package"
    reason = f"the handler {handler!r} needs {needed}: pip install 'winchester[{extra}]'"
    return PluginError(GROUP, handler, reason)
