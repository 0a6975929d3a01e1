"""The `kafka` source: notifications or events from topics of Kafka."""

from winchester_core.errors import PluginError

try:
    from winchester_core.sources.kafka.source import KafkaSource
except ImportError as error:
    raise PluginError.missing_extra("winchester.event_sources", "kafka", "kafka", error) from error

__all__ = ["KafkaSource"]
