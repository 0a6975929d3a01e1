"""The `rabbitmq` source: notifications or events from queues of RabbitMQ."""

from winchester_core.sources.missing_extra import missing_extra

try:
    from winchester_core.sources.rabbitmq.source import RabbitmqSource
except ImportError as error:
    raise missing_extra("rabbitmq", "rabbitmq", error) from error

__all__ = ["RabbitmqSource"]
