"""The `notify` handler: sends messages to people by mail, chat and other services."""

from winchester_core.errors import PluginError

try:
    from winchester_handlers.notify.handler import NotifyHandler
except ImportError as error:
    raise PluginError.missing_extra("winchester.handlers", "notify", "notify", error) from error

__all__ = ["NotifyHandler"]
