"""The `http` source: events, notifications and CloudEvents over HTTP."""

from winchester_core.sources.missing_extra import missing_extra

try:
    from winchester_core.sources.http.source import HttpSource
except ImportError as error:
    raise missing_extra("http", "http", error) from error

__all__ = ["HttpSource"]
