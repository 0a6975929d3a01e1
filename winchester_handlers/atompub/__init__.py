"""The `atompub` handler: publishes events to an AtomPub server."""

from winchester_core.errors import PluginError

try:
    from winchester_handlers.atompub.handler import AtomPubHandler
except ImportError as error:
    raise PluginError.missing_extra("winchester.handlers", "atompub", "http-out", error) from error

__all__ = ["AtomPubHandler"]
