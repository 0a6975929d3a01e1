"""The `webhook` handler: tells a web service of events, or of whole streams."""

from winchester_handlers.missing_extra import missing_extra

try:
    from winchester_handlers.webhook.handler import WebhookHandler
except ImportError as error:
    raise missing_extra("webhook", "http-out", error) from error

__all__ = ["WebhookHandler"]
