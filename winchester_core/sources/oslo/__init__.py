"""The `oslo` source: notifications through oslo.messaging, whatever its transport."""

from winchester_core.sources.missing_extra import missing_extra

try:
    from winchester_core.sources.oslo.source import OsloSource
except ImportError as error:
    raise missing_extra("oslo", "oslo", error) from error

__all__ = ["OsloSource"]
