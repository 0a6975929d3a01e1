"""Criteria: which events a trigger takes, and which fulfil its wish to fire. Pure.

Criteria see events as they are stored: datetimes are aware UTC, and no trait is None.
"""

from winchester_core.matching.compilation import compile_criterion
from winchester_core.matching.criterion import Criterion
from winchester_core.matching.verdict import Verdict
from winchester_core.model.event_types import EventTypePatterns

__all__ = ["Criterion", "EventTypePatterns", "Verdict", "compile_criterion"]
