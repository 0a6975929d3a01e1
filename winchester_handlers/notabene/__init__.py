"""The `notabene` handler: publishes notifications to RabbitMQ."""

from winchester_handlers.missing_extra import missing_extra

try:
    from winchester_handlers.notabene.handler import NotabeneHandler
except ImportError as error:
    raise missing_extra("notabene", "rabbitmq", error) from error

__all__ = ["NotabeneHandler"]
