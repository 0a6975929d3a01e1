"""The `kafka` handler: publishes events or whole streams to a topic of Kafka."""

from winchester_core.errors import PluginError

try:
    from winchester_handlers.kafka.handler import KafkaHandler
except ImportError as error:
    raise PluginError.missing_extra("winchester.handlers", "kafka", "kafka", error) from error

__all__ = ["KafkaHandler"]
