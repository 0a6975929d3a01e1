"""The `usage` handler: is the billing record of an instance right?"""

from winchester_handlers.usage.handler import UsageHandler

__all__ = ["UsageHandler"]
