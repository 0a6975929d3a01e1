"""The `webhook` handler: sends events or whole streams to a web service."""

from winchester_core.errors import PluginError

try:
    from winchester_handlers.webhook.handler import WebhookHandler
except ImportError as error:
    raise PluginError.missing_extra("winchester.handlers", "webhook", "http-out", error) from error

__all__ = ["WebhookHandler"]
