"""The public interfaces of plugins, versioned: what an author subclasses."""

from winchester_core.interfaces.condition import Condition
from winchester_core.interfaces.effect import Delivered, Effect, Outcome, Refused, RetryAfter
from winchester_core.interfaces.event_types import event_types
from winchester_core.interfaces.handler import PipelineHandler
from winchester_core.interfaces.source import EventSource
from winchester_core.interfaces.takes import takes
from winchester_core.interfaces.trait_plugin import TraitPlugin
from winchester_core.model.event_types import EventTypePatterns

INTERFACE_VERSION = 1

__all__ = [
    "INTERFACE_VERSION",
    "Condition",
    "Delivered",
    "Effect",
    "EventSource",
    "EventTypePatterns",
    "Outcome",
    "PipelineHandler",
    "Refused",
    "RetryAfter",
    "TraitPlugin",
    "event_types",
    "takes",
]
