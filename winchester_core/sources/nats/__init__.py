"""The `nats` source: notifications or events from a stream of NATS JetStream."""

from winchester_core.errors import PluginError

try:
    from winchester_core.sources.nats.source import NatsSource
except ImportError as error:
    raise PluginError.missing_extra("winchester.event_sources", "nats", "nats", error) from error

__all__ = ["NatsSource"]
