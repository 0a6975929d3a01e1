"""The `usage` handler: verification of the usage records of instances."""

from winchester_handlers.usage.handler import UsageHandler

__all__ = ["UsageHandler"]
