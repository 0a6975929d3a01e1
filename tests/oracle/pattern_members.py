"""Times of a stream, and whether its criteria are met, computed from all its members. Pure.

Nothing is kept from one event to the next. `facts_of` and `is_met` read all members each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

from winchester_core.criteria import MatchRole
from winchester_core.triggers.grouping import encode_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime, timedelta

    from winchester_core.criteria import Criterion
    from winchester_core.model.event import Event
    from winchester_core.triggers.definition import TriggerDefinition


@dataclass(frozen=True, slots=True)
class Member:
    """An event of a stream, or one that waits for a stream.

    `waits_until` is its time of arrival plus the lateness of `trigger`, or None if it opens.
    `cancels` is whether it arrived in time to cancel.
    """

    event: Event
    role: MatchRole
    waits_until: datetime | None = None
    cancels: bool = False
    trigger: str = ""

    @property
    def message_id(self) -> str:
        """The id of the event."""
        message_id: str = self.event["message_id"]
        return message_id

    @property
    def timestamp(self) -> datetime:
        """The timestamp of the event."""
        timestamp: datetime = self.event["timestamp"]
        return timestamp


@dataclass(frozen=True, slots=True)
class Facts:
    """Times of a stream, and whether it fires. `first` is None if no event that opens is left.

    `newest_counts` is whether the member that joined last counts for these times.
    """

    first: datetime | None
    last: datetime | None
    oldest_kept: datetime | None
    newest_counts: bool
    is_met: bool


def facts_of(definition: TriggerDefinition, members: Sequence[Member]) -> Facts:
    """Return the facts of a stream with these members, in the order in which they joined."""
    cancelled = [
        each.timestamp for each in members if each.role is MatchRole.CANCELS if each.cancels
    ]
    left = [
        each
        for each in members
        if each.role is not MatchRole.CANCELS
        if all(each.timestamp > moment for moment in cancelled)
    ]
    first = min((each.timestamp for each in left if each.role is MatchRole.OPENS), default=None)
    if first is None:
        return Facts(None, None, None, newest_counts=False, is_met=False)
    counting = [each for each in left if each.timestamp >= first]
    last = max(each.timestamp for each in counting)
    newest_counts = members[-1] in counting
    oldest_kept = _oldest_kept(definition, members)
    if oldest_kept is not None:
        counting = [each for each in counting if each.timestamp >= oldest_kept]
    return Facts(first, last, oldest_kept, newest_counts, is_met(definition, counting))


def _oldest_kept(definition: TriggerDefinition, members: Iterable[Member]) -> datetime | None:
    """Return the time before which no member counts, or None."""
    if definition.keep is None:
        return None
    satisfying = [
        each.timestamp
        for each in members
        if each.role is not MatchRole.CANCELS
        if any(satisfies(criterion, each.event) for criterion in definition.fire_criteria)
    ]
    return max(satisfying) - definition.keep if satisfying else None


def satisfies(criterion: Criterion, event: Event) -> bool:
    """Return whether `event` satisfies a fire criterion: it also has the trait that is counted."""
    trait = criterion.requirement.distinct
    return criterion.matches(event) and (trait is None or event.get(trait) is not None)


class Sighting(NamedTuple):
    """A member that counts, in its place: the steps that it satisfies, and its distinct values."""

    timestamp: datetime
    event: Event
    steps: frozenset[int]


def is_met(definition: TriggerDefinition, counting: Iterable[Member]) -> bool:
    """Return whether these members, in the order in which they joined, meet the fire criteria."""
    criteria = definition.fire_criteria
    if not criteria:
        return False
    sightings = []
    for each in counting:
        steps = frozenset(i for i, one in enumerate(criteria) if satisfies(one, each.event))
        sightings.append(Sighting(each.timestamp, each.event, steps))

    def place(sighting: Sighting) -> tuple[datetime, int, int]:
        steps = sighting.steps if definition.in_sequence else ()
        return (sighting.timestamp, min(steps, default=0), max(steps, default=0))

    in_order = sorted(sightings, key=place)  # stable: one place keeps the order of arrival
    are_met = _steps_met if definition.in_sequence else _all_met
    if definition.fire_within is None:
        return are_met(criteria, in_order)
    return any(
        are_met(criteria, _between(in_order, start.timestamp, definition.fire_within))
        for start in in_order
    )


def _between(order: Sequence[Sighting], start: datetime, length: timedelta) -> list[Sighting]:
    return [each for each in order if start <= each.timestamp and each.timestamp - start <= length]


def _all_met(criteria: Sequence[Criterion], order: Sequence[Sighting]) -> bool:
    """Return whether each criterion by itself is met by these events."""
    return all(_end(index, each, order) is not None for index, each in enumerate(criteria))


def _steps_met(criteria: Sequence[Criterion], order: Sequence[Sighting]) -> bool:
    """Return whether the steps are met one after the other; each ends as early as it can."""
    for index, each in enumerate(criteria):
        end = _end(index, each, order)
        if end is None:
            return False
        order = order[end:]
    return True


def _end(index: int, criterion: Criterion, order: Sequence[Sighting]) -> int | None:
    """Return the least number of events, from the first on, that meet the criterion alone."""
    for end in range(1, len(order) + 1):
        fit = [each for each in order[:end] if index in each.steps]
        if _enough(criterion, fit):
            return end
    return None


def _enough(criterion: Criterion, fit: Sequence[Sighting]) -> bool:
    requirement = criterion.requirement
    if requirement.sum is not None:
        values = [_positive(each.event.get(requirement.sum.trait)) for each in fit]
        return sum(values, Fraction(0)) >= Fraction(requirement.sum.at_least)
    trait = requirement.distinct
    count: Callable[[Sequence[Sighting]], int] = len
    if trait is not None:
        count = lambda some: len({encode_value(each.event[trait]) for each in some})  # noqa: E731
    if requirement.within is None:
        return count(fit) >= requirement.number
    return any(
        count(_between(fit, start.timestamp, requirement.within)) >= requirement.number
        for start in fit
    )


def _positive(value: Any) -> Fraction:
    """Return the exact decimal value of a number over 0, and 0 for anything else."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return Fraction(repr(value)) if is_number and value > 0 else Fraction(0)
