"""Explanations: why an event matches a trigger, and what a stream still needs to fire. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from winchester_core.triggers.grouping import GroupingError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from winchester_core.criteria import Criterion
    from winchester_core.model.stream import StreamRecord
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

    If `matched` is true, the event belongs to the stream of the group `distinguished_by`.
    `fire_criteria` contains the results if the event is a member of a stream.
    """

    matched: bool
    reason: str
    match_criteria: tuple[CriterionResult, ...]
    fire_criteria: tuple[CriterionResult, ...]
    distinguished_by: Mapping[str, GroupValue] | None = None


def explain_event(definition: TriggerDefinition, event: Mapping[str, Any]) -> EventExplanation:
    """Explain whether `event` matches `definition`. Agrees with `TriggerSet.match`."""
    match = explain_criteria(definition.match_criteria, event)
    fire = explain_criteria(definition.fire_criteria, event)
    position = next((n for n, each in enumerate(match) if each.is_met), None)
    if position is None:
        return EventExplanation(False, "it meets no match criterion", match, fire)
    reason = f"it meets match criterion {position + 1}"
    try:
        trait_mapping = definition.match_criteria[position].map_distinguished_by
        group = definition.grouping.group_of(event, trait_mapping)
    except GroupingError as error:
        return EventExplanation(False, f"{reason}, but {error}", match, fire)
    return EventExplanation(True, reason, match, fire, group.values)


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


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A reason why `number` events of a stream do not count for a fire criterion.

    `message_id` is the id of the first. `type_matches` is true if their types match the
    criterion.
    """

    reason: str
    number: int
    message_id: str
    type_matches: bool


@dataclass(frozen=True, slots=True)
class CriterionProgress:
    """Number of events that a fire criterion has counted in a stream, and the number it needs.

    `mismatches` are the reasons why other events do not count, events of matching types first.
    """

    criterion: str
    has: float
    needs: float
    mismatches: tuple[Mismatch, ...]

    @property
    def is_met(self) -> bool:
        """Return whether the criterion has all events that it needs."""
        return self.has >= self.needs


def explain_progress(
    definition: TriggerDefinition, stream: StreamRecord, events: Sequence[Mapping[str, Any]]
) -> tuple[CriterionProgress, ...]:
    """Return the progress of `stream` by fire criterion. `events` are its stored events.

    If the stored counts were counted by `definition`, they are used. Otherwise the events are
    counted again, as ingest or a worker will do.
    """
    is_current = stream.fingerprint == definition.fingerprint
    stored = stream.progress if is_current else (None,) * len(definition.fire_criteria)
    return tuple(
        _explain_fire_criterion(criterion, events, has)
        for criterion, has in zip(definition.fire_criteria, stored, strict=True)
    )


def describe_missing(position: int, progress: CriterionProgress) -> str:
    """Return what the fire criterion at `position` (from 1) lacks, and why similar events fail."""
    counted = f"fire criterion {position} has {progress.has} of {progress.needs}"
    mismatches = "; ".join(
        f"{_matching_type_events(each.number)} not count: {each.reason}"
        for each in progress.mismatches
        if each.type_matches
    )
    other = "other " if progress.has else ""
    return f"{counted} ({progress.criterion}); " + (
        mismatches or f"no {other}event has a matching type"
    )


def _matching_type_events(number: int) -> str:
    if number == 1:
        return "1 event of a matching type does"
    return f"{number} events of a matching type do"


def _explain_fire_criterion(
    criterion: Criterion, events: Iterable[Mapping[str, Any]], stored: float | None
) -> CriterionProgress:
    counted = 0
    mismatches: dict[str, Mismatch] = {}
    for event in events:
        is_met, reason = evaluate_criterion(criterion, event)
        if is_met:
            counted += 1
        else:
            known = mismatches.get(reason)
            mismatches[reason] = (
                replace(known, number=known.number + 1)
                if known
                else _first_mismatch(criterion, reason, event)
            )
    return CriterionProgress(
        criterion=describe_criterion(criterion),
        has=min(counted, criterion.number) if stored is None else stored,
        needs=criterion.number,
        mismatches=tuple(
            sorted(mismatches.values(), key=lambda each: (not each.type_matches, -each.number))
        ),
    )


def _first_mismatch(criterion: Criterion, reason: str, event: Mapping[str, Any]) -> Mismatch:
    type_matches = criterion.event_types.matches(event["event_type"])
    return Mismatch(reason, 1, event["message_id"], type_matches)
