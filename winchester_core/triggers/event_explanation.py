"""Why an event does, or does not, belong to a trigger's streams, criterion by criterion. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from winchester_core.triggers.distinguishing import NoGroup

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from winchester_core.matching import Criterion
    from winchester_core.triggers.definition import TriggerDefinition
    from winchester_core.triggers.group_key import GroupValue


@dataclass(frozen=True, slots=True)
class CriterionVerdict:
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
    match_criteria: tuple[CriterionVerdict, ...]
    fire_criteria: tuple[CriterionVerdict, ...]
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
        stand_ins = definition.match_criteria[place].map_distinguished_by
        group = definition.grouping.of(event, stand_ins)
    except NoGroup as reason:
        return EventExplanation(False, f"{decided}, but {reason}", verdicts, fire)
    return EventExplanation(True, decided, verdicts, fire, group.values)


def explain_criteria(
    criteria: Iterable[Criterion], event: Mapping[str, Any]
) -> tuple[CriterionVerdict, ...]:
    """The verdict of each criterion, in order."""
    return tuple(CriterionVerdict(words_of(each), *verdict_of(each, event)) for each in criteria)


def verdict_of(criterion: Criterion, event: Mapping[str, Any]) -> tuple[bool, str]:
    """Whether `event` meets `criterion`, and why.

    Of an event of another type nothing else is said: its traits were never meant.
    """
    verdict = criterion.explain(event)
    of_type = verdict.parts[0]
    if verdict.matched or of_type.matched:
        return verdict.matched, verdict.reason
    return False, of_type.reason


def words_of(criterion: Criterion) -> str:
    """What a criterion demands of each event; how many it wants is told apart from that."""
    return criterion.describe().removeprefix(f"{criterion.number} events: ")
