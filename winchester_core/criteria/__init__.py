"""Criteria: they decide which events match a trigger, and which count towards firing. Pure.

Criteria are evaluated on clean events: datetimes are aware UTC, and no trait is None.
"""

from winchester_core.criteria.compiler import compile_criterion
from winchester_core.criteria.criterion import CriteriaList, Criterion, MatchRole
from winchester_core.criteria.predicates import MatchResult
from winchester_core.model.event_types import EventTypePatterns

__all__ = [
    "CriteriaList",
    "Criterion",
    "EventTypePatterns",
    "MatchResult",
    "MatchRole",
    "compile_criterion",
]
