"""The `yagi` source: the queues of an existing `yagi.conf`, without Yagi."""

from winchester_core.errors import PluginError

try:
    from winchester_core.sources.yagi.source import YagiSource
except ImportError as error:
    raise PluginError.missing_extra(
        "winchester.event_sources", "yagi", "rabbitmq", error
    ) from error

__all__ = ["YagiSource"]
