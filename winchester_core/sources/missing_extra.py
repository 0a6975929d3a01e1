"""The error for a source whose optional dependency is not installed."""

from __future__ import annotations

from winchester_core.errors import PluginError

GROUP = "winchester.event_sources"


def missing_extra(source: str, extra: str, error: ImportError) -> PluginError:
    """What is raised when the import of `source` fails; it names what to install."""
    needed = error.name or "a package"
    reason = f"the event source {source!r} needs {needed}: pip install 'winchester[{extra}]'"
    return PluginError(GROUP, source, reason)
