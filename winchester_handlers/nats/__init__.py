"""The `nats` handler: publishes events or whole streams to NATS JetStream."""

from winchester_core.errors import PluginError

try:
    from winchester_handlers.nats.handler import NatsHandler
except ImportError as error:
    raise PluginError.missing_extra("winchester.handlers", "nats", "nats", error) from error

__all__ = ["NatsHandler"]
