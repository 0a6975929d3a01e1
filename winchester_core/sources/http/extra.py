"""The server that comes with the extra `http`."""

from __future__ import annotations

from importlib.util import find_spec

from winchester_core.errors import PluginError

INSTALL_COMMAND = "pip install 'winchester[http]'"


def require_uvicorn() -> None:
    """Raise `PluginError`, which says what to install, when the server is absent."""
    if find_spec("uvicorn") is None:
        raise PluginError(
            "winchester.event_sources",
            "http",
            f"the event source 'http' needs uvicorn: {INSTALL_COMMAND}",
        )
