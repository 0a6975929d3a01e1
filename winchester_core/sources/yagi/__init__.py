"""The `yagi` source: the queues of an existing `yagi.conf`, without Yagi."""

from winchester_core.sources.missing_extra import missing_extra

try:
    from winchester_core.sources.yagi.source import YagiSource
except ImportError as error:
    raise missing_extra("yagi", "rabbitmq", error) from error

__all__ = ["YagiSource"]
