"""Explanations of events: why an event matches a trigger, and its effect on a stream. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from winchester_core.criteria import MatchRole
from winchester_core.triggers.grouping import GroupingError
from winchester_core.triggers.windows import MICROSECOND

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import timedelta

    from winchester_core.criteria import Criterion
    from winchester_core.triggers.definition import TriggerDefinition
    from winchester_core.triggers.grouping import GroupValue


@dataclass(frozen=True, slots=True)
class CriterionResult:
    """Result of a criterion for an event, with the reason. `criterion` is its description."""

    criterion: str
    is_met: bool
    reason: str


@dataclass(frozen=True, slots=True)
class EventExplanation:
    """Result of matching an event with a trigger, criterion by criterion.

    If `matched` is true, the event belongs to the stream of the group `distinguished_by`, and
    `role` is its effect on this stream. `fire_criteria` contains the results if the event is a
    member of a stream.
    """

    matched: bool
    reason: str
    match_criteria: tuple[CriterionResult, ...]
    fire_criteria: tuple[CriterionResult, ...]
    cancel_criteria: tuple[CriterionResult, ...] = ()
    distinguished_by: Mapping[str, GroupValue] | None = None
    role: MatchRole | None = None


def explain_event(definition: TriggerDefinition, event: Mapping[str, Any]) -> EventExplanation:
    """Explain whether `event` matches `definition`. Agrees with `TriggerSet.match`."""
    match = explain_criteria(definition.match_criteria, event)
    fire = explain_criteria(definition.fire_criteria, event)
    cancel = explain_criteria(definition.cancel_criteria, event)
    position = next((n for n, each in enumerate((*cancel, *match)) if each.is_met), None)
    if position is None:
        criteria = "match or cancel criterion" if cancel else "match criterion"
        return EventExplanation(False, f"it meets no {criteria}", match, fire, cancel)
    criterion = definition.evaluated_criteria[position]
    is_cancelling = criterion.role is MatchRole.CANCELS
    number = position + 1 if is_cancelling else position - len(cancel) + 1
    reason = f"it meets {'cancel' if is_cancelling else 'match'} criterion {number}"
    try:
        group = definition.grouping.group_of(event, criterion.map_distinguished_by)
    except GroupingError as error:
        return EventExplanation(False, f"{reason}, but {error}", match, fire, cancel)
    return EventExplanation(
        True,
        reason + _role_text(definition, criterion.role),
        match,
        fire,
        cancel,
        group.values,
        criterion.role,
    )


def _role_text(definition: TriggerDefinition, role: MatchRole) -> str:
    """Return the effect of an event that does not open a stream; otherwise, return no text."""
    if role is MatchRole.OPENS:
        return ""
    lateness = f"waits {length_text(definition.lateness)} (lateness) for an event that opens one"
    if role is MatchRole.JOINS:
        absent = f"if there is none, it {lateness}" if definition.lateness else "it opens none"
        return f": it joins the open stream of its group; {absent}"
    waits = f"; it also {lateness} and is not newer" if definition.lateness else ""
    return f": it cancels the open stream of its group, except for events that are newer{waits}"


def explain_criteria(
    criteria: Iterable[Criterion], event: Mapping[str, Any]
) -> tuple[CriterionResult, ...]:
    """Return the result of each criterion, in order."""
    return tuple(
        CriterionResult(describe_criterion(each), *evaluate_criterion(each, event))
        for each in criteria
    )


def evaluate_criterion(criterion: Criterion, event: Mapping[str, Any]) -> tuple[bool, str]:
    """Return whether `event` meets `criterion`, and why.

    If the event has a different type, the reason names only the type.
    """
    result = criterion.explain(event)
    type_result = result.parts[0]
    if result.matched or type_result.matched:
        return result.matched, result.reason
    return False, type_result.reason


def describe_criterion(criterion: Criterion) -> str:
    """Return a criterion in words, without its number of events."""
    return criterion.describe().removeprefix(f"{criterion.number} events: ")


def length_text(length: timedelta) -> str:
    """Return a duration as in a configuration, exactly: `1d 12h`."""
    seconds, microseconds = divmod(length // MICROSECOND, 1_000_000)
    parts = []
    for unit, size in _UNITS:
        number, seconds = divmod(seconds, size)
        parts += [f"{number}{unit}"] if number else []
    parts += [f"{microseconds}us"] if microseconds else []
    return " ".join(parts) or "0s"


_UNITS: Final = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))
