"""The `redis` source: notifications or events from streams of Redis or Valkey."""

from winchester_core.errors import PluginError

try:
    from winchester_core.sources.redis.source import RedisSource
except ImportError as error:
    raise PluginError.missing_extra("winchester.event_sources", "redis", "redis", error) from error

__all__ = ["RedisSource"]
