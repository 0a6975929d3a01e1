"""From notifications to events: StackDistiller's definition files, trait plugins, envelopes."""

from winchester_core.distill.definition_schema import validate_definitions
from winchester_core.distill.distiller import Distilled, Distiller
from winchester_core.distill.envelope import open_envelope, read_object
from winchester_core.distill.timestamps import notification_time

__all__ = [
    "Distilled",
    "Distiller",
    "notification_time",
    "open_envelope",
    "read_object",
    "validate_definitions",
]
