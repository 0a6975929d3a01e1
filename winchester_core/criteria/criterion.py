"""A criterion: which events it takes, by type, time and traits."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from winchester_core.criteria.predicates import (
    AllPredicate,
    MatchResult,
    failure_reasons,
    required_values_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from winchester_core.criteria.predicates import Predicate
    from winchester_core.model.event_types import EventTypePatterns

logger = logging.getLogger(__name__)


class Criterion:
    """An entry of `match_criteria` or `fire_criteria`, compiled. Safe to share between threads.

    `config` is the mapping it came from. `number` is how many events fulfil it (1 for match
    criteria). `map_distinguished_by` maps a distinguishing name to the trait that stands in for
    it. Make one with `compile_criterion`.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        event_types: EventTypePatterns,
        demands: Iterable[Predicate],
        *,
        number: int = 1,
        map_distinguished_by: Mapping[str, str] | None = None,
    ) -> None:
        self.config = config
        self.event_types = event_types
        self.number = number
        self.map_distinguished_by = map_distinguished_by or {}
        self._demands = tuple(demands)
        flattened = tuple(_flatten_all(self._demands))
        self.required_values = required_values_of(flattened)
        """The only values of some traits that an event which satisfies it can have."""
        self._checks = tuple(demand.matches for demand in flattened)
        self._fault_reported = False

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Tell whether `event` satisfies it."""
        return self.event_types.matches(event["event_type"]) and self.matches_traits(event)

    def matches_traits(self, event: Mapping[str, Any]) -> bool:
        """The same for an event whose type is known to match.

        A condition that breaks its contract and raises makes the whole criterion unsatisfied; it
        is logged once for this criterion.
        """
        try:
            for matches in self._checks:
                if not matches(event):
                    return False
        except Exception as error:  # noqa: BLE001 - a plugin's code is called
            self._report(error)
            return False
        return True

    def explain(self, event: Mapping[str, Any]) -> MatchResult:
        """Say whether `event` satisfies it and why; every demand that fails is named.

        `parts` holds the verdict on the event type, then one on each demand in order.
        """
        parts = (
            self._explain_type(event),
            *(_explain_predicate(each, event) for each in self._demands),
        )
        matched = all(part.matched for part in parts)
        return MatchResult(matched, self.describe() if matched else failure_reasons(parts), parts)

    def describe(self) -> str:
        """Say in words which events it takes, and how many where that is more than one."""
        demands = [f"event type {self.event_types.describe()}"]
        demands += [demand.describe() for demand in self._demands]
        count = f"{self.number} events: " if self.number > 1 else ""
        return count + " and ".join(demands)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.describe()}>"

    def _explain_type(self, event: Mapping[str, Any]) -> MatchResult:
        described = self.event_types.describe()
        if self.event_types.matches(event["event_type"]):
            return MatchResult(True, f"its event type is {described}")
        return MatchResult(False, f"its event type is not {described}")

    def _report(self, error: Exception) -> None:
        if not self._fault_reported:
            self._fault_reported = True
            logger.error(
                "a condition raised %s, so that no event matches where it does; criterion: %s",
                type(error).__name__,
                self.describe(),
                exc_info=error,
            )


def _flatten_all(demands: Iterable[Predicate]) -> Iterator[Predicate]:
    for demand in demands:
        if isinstance(demand, AllPredicate):
            yield from _flatten_all(demand)
        else:
            yield demand


def _explain_predicate(demand: Predicate, event: Mapping[str, Any]) -> MatchResult:
    try:
        return demand.explain(event)
    except Exception as error:  # noqa: BLE001 - a plugin's code is called
        raised = type(error).__name__
        return MatchResult(False, f"a condition raised {raised}; wanted: {demand.describe()}")
