"""The `oslo` source: notifications through oslo.messaging, over any of its transports."""

from winchester_core.errors import PluginError

try:
    from winchester_core.sources.oslo.source import OsloSource
except ImportError as error:
    raise PluginError.missing_extra("winchester.event_sources", "oslo", "oslo", error) from error

__all__ = ["OsloSource"]
