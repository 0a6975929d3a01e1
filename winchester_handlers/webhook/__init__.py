"""The `webhook` handler: tells a web service of events, or of whole streams."""

from winchester_core.errors import PluginError

try:
    from winchester_handlers.webhook.handler import WebhookHandler
except ImportError as error:
    raise PluginError.missing_extra("winchester.handlers", "webhook", "http-out", error) from error

__all__ = ["WebhookHandler"]
