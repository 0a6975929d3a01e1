"""The `http` source: events, notifications and CloudEvents over HTTP. Needs the extra `http`."""

from winchester_core.sources.http.extra import require_uvicorn

require_uvicorn()

from winchester_core.sources.http.source import HttpSource  # noqa: E402 - imports uvicorn

__all__ = ["HttpSource"]
