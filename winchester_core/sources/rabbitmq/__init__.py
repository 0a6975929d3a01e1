"""The `rabbitmq` source: notifications or events from queues of RabbitMQ."""

from winchester_core.errors import PluginError

try:
    from winchester_core.sources.rabbitmq.source import RabbitmqSource
except ImportError as error:
    raise PluginError.missing_extra(
        "winchester.event_sources", "rabbitmq", "rabbitmq", error
    ) from error

__all__ = ["RabbitmqSource"]
