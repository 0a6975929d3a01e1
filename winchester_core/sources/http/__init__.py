"""The `http` source: events, notifications and CloudEvents over HTTP."""

from winchester_core.errors import PluginError

try:
    from winchester_core.sources.http.source import HttpSource
except ImportError as error:
    raise PluginError.missing_extra("winchester.event_sources", "http", "http", error) from error

__all__ = ["HttpSource"]
