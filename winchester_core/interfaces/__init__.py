"""The public interfaces of plugins, versioned: what an author subclasses."""

from winchester_core.interfaces.condition import Condition
from winchester_core.interfaces.effect import Delivered, Effect, Outcome, Refused, RetryAfter
from winchester_core.interfaces.handler import PipelineHandler
from winchester_core.interfaces.source import EventSource
from winchester_core.interfaces.trait_plugin import TraitPlugin

INTERFACE_VERSION = 1

__all__ = [
    "INTERFACE_VERSION",
    "Condition",
    "Delivered",
    "Effect",
    "EventSource",
    "Outcome",
    "PipelineHandler",
    "Refused",
    "RetryAfter",
    "TraitPlugin",
]
