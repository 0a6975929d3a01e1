"""Distilling of notifications into events, with event definitions in StackDistiller's format."""

from winchester_core.distill.definition_schema import validate_definitions
from winchester_core.distill.distiller import Distiller, DistillResult
from winchester_core.distill.notification import notification_time, open_envelope

__all__ = [
    "DistillResult",
    "Distiller",
    "notification_time",
    "open_envelope",
    "validate_definitions",
]
