"""The `atompub` handler: publishes events to an AtomPub server."""

from winchester_handlers.missing_extra import missing_extra

try:
    from winchester_handlers.atompub.handler import AtomPubHandler
except ImportError as error:
    raise missing_extra("atompub", "http-out", error) from error

__all__ = ["AtomPubHandler"]
