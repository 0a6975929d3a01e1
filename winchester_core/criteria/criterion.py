"""Criteria: predicates on the type, time and traits of events."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Any

from winchester_core.criteria.predicates import (
    AllPredicate,
    MatchResult,
    failure_reasons,
    required_values_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import timedelta
    from decimal import Decimal

    from winchester_core.criteria.predicates import Predicate
    from winchester_core.model.event_types import EventTypePatterns

logger = logging.getLogger(__name__)


class CriteriaList(StrEnum):
    """The list of a trigger that a criterion belongs to: its key in `triggers.yaml`."""

    MATCH = "match_criteria"
    FIRE = "fire_criteria"
    CANCEL = "cancel_criteria"


class MatchRole(Enum):
    """Effect of an event on the stream of its group."""

    OPENS = "opens"
    """It joins the open stream, or opens one."""

    JOINS = "joins"
    """It joins the open stream."""

    CANCELS = "cancels"
    """It cancels the open stream, except for members that are newer."""


@dataclass(frozen=True, slots=True)
class SumRequirement:
    """The total that the values of a trait must reach: exact, and greater than 0."""

    trait: str
    at_least: Decimal


@dataclass(frozen=True, slots=True)
class Requirement:
    """The events that a fire criterion needs.

    `number` events must match, within an interval of the length `within` if it is set. If
    `distinct` is set, `number` different values of this trait are needed. `sum` replaces them.
    """

    number: int = 1
    within: timedelta | None = None
    distinct: str | None = None
    sum: SumRequirement | None = None


ONE_EVENT = Requirement()


class Criterion:
    """A compiled entry of `match_criteria`, `fire_criteria` or `cancel_criteria`. Thread-safe.

    `config` is its configuration. `requirement` is what a fire criterion needs, and `number` its
    number of events (1 for others). `role` is the effect of a match or cancel criterion.
    `map_distinguished_by` maps a distinguishing name to the trait that replaces it. Create it
    with `compile_criterion`.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        event_types: EventTypePatterns,
        predicates: Iterable[Predicate],
        *,
        requirement: Requirement = ONE_EVENT,
        map_distinguished_by: Mapping[str, str] | None = None,
        role: MatchRole = MatchRole.OPENS,
    ) -> None:
        self.config = config
        self.event_types = event_types
        self.requirement = requirement
        self.number = requirement.number
        self.role = role
        self.map_distinguished_by = map_distinguished_by or {}
        self._predicates = tuple(predicates)
        flattened = tuple(_flatten_all(self._predicates))
        self.required_values = required_values_of(flattened)
        """The only values that a matching event can have, by trait."""
        self._checks = tuple(predicate.matches for predicate in flattened)
        self._error_logged = False

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Return whether `event` matches."""
        return self.event_types.matches(event["event_type"]) and self.matches_traits(event)

    def matches_traits(self, event: Mapping[str, Any]) -> bool:
        """Return whether `event` matches; its type is known to match.

        If a condition raises an exception, against its contract, the criterion does not match. The
        error is logged once per criterion.
        """
        try:
            for matches in self._checks:
                if not matches(event):
                    return False
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin's code is called
            self._log_once(error)
            return False
        return True

    def explain(self, event: Mapping[str, Any]) -> MatchResult:
        """Return whether `event` matches, and why. The reason names all predicates that fail.

        `parts` contains the result for the event type, then one result for each predicate in order.
        """
        parts = (
            self._explain_type(event),
            *(_explain_predicate(each, event) for each in self._predicates),
        )
        matched = all(part.matched for part in parts)
        return MatchResult(matched, self.describe() if matched else failure_reasons(parts), parts)

    def describe(self) -> str:
        """Return the criterion in words, with its number if greater than 1."""
        count = f"{self.number} events: " if self.number > 1 else ""
        return count + self.describe_event()

    def describe_event(self) -> str:
        """Return in words what one event must be like."""
        parts = [f"event type {self.event_types.describe()}"]
        parts += [predicate.describe() for predicate in self._predicates]
        return " and ".join(parts)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.describe()}>"

    def _explain_type(self, event: Mapping[str, Any]) -> MatchResult:
        described = self.event_types.describe()
        if self.event_types.matches(event["event_type"]):
            return MatchResult(True, f"its event type is {described}")
        return MatchResult(False, f"its event type is not {described}")

    def _log_once(self, error: BaseException) -> None:
        if not self._error_logged:
            self._error_logged = True
            logger.error(
                "condition raised, event treated as no match: error=%s criterion=%r",
                type(error).__name__,
                self.describe(),
                exc_info=error,
            )


def _flatten_all(predicates: Iterable[Predicate]) -> Iterator[Predicate]:
    for predicate in predicates:
        if isinstance(predicate, AllPredicate):
            yield from _flatten_all(predicate)
        else:
            yield predicate


def _explain_predicate(predicate: Predicate, event: Mapping[str, Any]) -> MatchResult:
    try:
        return predicate.explain(event)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin's code is called
        raised = type(error).__name__
        return MatchResult(False, f"a condition raised {raised}; expected: {predicate.describe()}")
