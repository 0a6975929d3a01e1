"""The `notabene` handler: publishes notifications to RabbitMQ."""

from winchester_core.errors import PluginError

try:
    from winchester_handlers.notabene.handler import NotabeneHandler
except ImportError as error:
    raise PluginError.missing_extra("winchester.handlers", "notabene", "rabbitmq", error) from error

__all__ = ["NotabeneHandler"]
