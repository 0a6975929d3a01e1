"""Why an event does, or does not, belong to a trigger's streams, criterion by criterion. Pure."""

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
    """Whether an event meets a criterion, and why. `criterion` says in words what it demands."""

    criterion: str
    is_met: bool
    reason: str


@dataclass(frozen=True, slots=True)
class EventExplanation:
    """What a trigger makes of an event.

    `matched` tells whether it belongs to a stream of the trigger: that of the group
    `distinguished_by`. `fire_criteria` says for which of them it counts, were it in a stream.
    """

    matched: bool
    reason: str
    match_criteria: tuple[CriterionResult, ...]
    fire_criteria: tuple[CriterionResult, ...]
    distinguished_by: Mapping[str, GroupValue] | None = None


def explain_event(definition: TriggerDefinition, event: Mapping[str, Any]) -> EventExplanation:
    """Say what `definition` makes of `event`. Decides as `TriggerSet.match` does."""
    verdicts = explain_criteria(definition.match_criteria, event)
    fire = explain_criteria(definition.fire_criteria, event)
    place = next((place for place, each in enumerate(verdicts) if each.is_met), None)
    if place is None:
        return EventExplanation(False, "it meets no match criterion", verdicts, fire)
    decided = f"it meets match criterion {place + 1}"
    try:
        trait_mapping = definition.match_criteria[place].map_distinguished_by
        group = definition.grouping.group_of(event, trait_mapping)
    except GroupingError as reason:
        return EventExplanation(False, f"{decided}, but {reason}", verdicts, fire)
    return EventExplanation(True, decided, verdicts, fire, group.values)


def explain_criteria(
    criteria: Iterable[Criterion], event: Mapping[str, Any]
) -> tuple[CriterionResult, ...]:
    """The verdict of each criterion, in order."""
    return tuple(
        CriterionResult(describe_criterion(each), *evaluate_criterion(each, event))
        for each in criteria
    )


def evaluate_criterion(criterion: Criterion, event: Mapping[str, Any]) -> tuple[bool, str]:
    """Whether `event` meets `criterion`, and why.

    Of an event of another type nothing else is said: its traits were never meant.
    """
    verdict = criterion.explain(event)
    of_type = verdict.parts[0]
    if verdict.matched or of_type.matched:
        return verdict.matched, verdict.reason
    return False, of_type.reason


def describe_criterion(criterion: Criterion) -> str:
    """What a criterion demands of each event; how many it wants is told apart from that."""
    return criterion.describe().removeprefix(f"{criterion.number} events: ")


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Why `number` of a stream's events do not count; `message_id` is that of the first.

    `type_matches` tells that they are of a type that is wanted: they came near.
    """

    reason: str
    number: int
    message_id: str
    type_matches: bool


@dataclass(frozen=True, slots=True)
class CriterionProgress:
    """What a stream has of what a fire criterion needs.

    `mismatches` say why the others of its events do not count, those that came near first.
    """

    criterion: str
    has: int
    needs: int
    mismatches: tuple[Mismatch, ...]

    @property
    def is_met(self) -> bool:
        """Whether it has all that it needs."""
        return self.has >= self.needs


def explain_progress(
    definition: TriggerDefinition, stream: StreamRecord, events: Sequence[Mapping[str, Any]]
) -> tuple[CriterionProgress, ...]:
    """The progress of `stream`, whose stored events are `events`, towards each fire criterion.

    What the stream has counted is taken as it is stored, if it was counted by the rules of
    `definition`; else it is counted anew, as ingest or a worker will.
    """
    is_current = stream.fingerprint == definition.fingerprint
    stored = stream.progress if is_current else (None,) * len(definition.fire_criteria)
    return tuple(
        _progress(criterion, events, has)
        for criterion, has in zip(definition.fire_criteria, stored, strict=True)
    )


def describe_missing(place: int, progress: CriterionProgress) -> str:
    """Say what the fire criterion at `place` (from 1) lacks, and what came near it."""
    counted = f"fire criterion {place} has {progress.has} of {progress.needs}"
    near = "".join(
        f", and {each.number} of a type that it wants {'does' if each.number == 1 else 'do'} not "
        f"count, since {each.reason}"
        for each in progress.mismatches
        if each.type_matches
    )
    other = "other " if progress.has else ""
    return f"{counted} ({progress.criterion})" + (
        near or f", and no {other}event of a type that it wants"
    )


def _progress(
    criterion: Criterion, events: Iterable[Mapping[str, Any]], stored: int | None
) -> CriterionProgress:
    counted = 0
    found: dict[str, Mismatch] = {}
    for event in events:
        is_met, reason = evaluate_criterion(criterion, event)
        if is_met:
            counted += 1
        else:
            known = found.get(reason)
            found[reason] = (
                _first_mismatch(criterion, reason, event) if known is None else _count_again(known)
            )
    return CriterionProgress(
        criterion=describe_criterion(criterion),
        has=min(counted, criterion.number) if stored is None else stored,
        needs=criterion.number,
        mismatches=tuple(
            sorted(found.values(), key=lambda each: (not each.type_matches, -each.number))
        ),
    )


def _first_mismatch(criterion: Criterion, reason: str, event: Mapping[str, Any]) -> Mismatch:
    is_of_type = criterion.event_types.matches(event["event_type"])
    return Mismatch(reason, 1, event["message_id"], is_of_type)


def _count_again(known: Mismatch) -> Mismatch:
    return replace(known, number=known.number + 1)
