"""Public, versioned interfaces of plugins: base classes and helpers for plugin authors."""

from winchester_core.interfaces.condition import Condition
from winchester_core.interfaces.handler import (
    Delivered,
    DeliveryOutcome,
    Effect,
    PipelineHandler,
    Refused,
    RetryAfter,
)
from winchester_core.interfaces.json_schema import case_insensitive_enum, json_schema
from winchester_core.interfaces.mapping_names import mapping_names
from winchester_core.interfaces.params import event_types
from winchester_core.interfaces.source import EventSource
from winchester_core.interfaces.trait_plugin import TraitPlugin
from winchester_core.masking import is_secret_header
from winchester_core.model.event_types import EventTypePatterns

INTERFACE_VERSION = 1

__all__ = [
    "INTERFACE_VERSION",
    "Condition",
    "Delivered",
    "DeliveryOutcome",
    "Effect",
    "EventSource",
    "EventTypePatterns",
    "PipelineHandler",
    "Refused",
    "RetryAfter",
    "TraitPlugin",
    "case_insensitive_enum",
    "event_types",
    "is_secret_header",
    "json_schema",
    "mapping_names",
]
