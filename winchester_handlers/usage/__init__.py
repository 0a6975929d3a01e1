"""The `usage` handler: verification of the billing records of instances."""

from winchester_handlers.usage.handler import UsageHandler

__all__ = ["UsageHandler"]
