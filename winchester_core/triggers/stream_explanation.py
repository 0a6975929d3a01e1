"""How far a stream has come towards each fire criterion, and what its events lack. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from winchester_core.triggers.event_explanation import verdict_of, words_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from winchester_core.matching import Criterion
    from winchester_core.model.stream import StreamRecord
    from winchester_core.triggers.definition import TriggerDefinition


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Why `number` of a stream's events do not count; `message_id` is that of the first.

    `is_of_type` tells that they are of a type that is wanted: they came near.
    """

    reason: str
    number: int
    message_id: str
    is_of_type: bool


@dataclass(frozen=True, slots=True)
class CriterionProgress:
    """What a stream has of what a fire criterion needs.

    `shortfalls` say why the others of its events do not count, those that came near first.
    """

    criterion: str
    has: int
    needs: int
    shortfalls: tuple[Shortfall, ...]

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


def lacking(place: int, progress: CriterionProgress) -> str:
    """Say what the fire criterion at `place` (from 1) lacks, and what came near it."""
    counted = f"fire criterion {place} has {progress.has} of {progress.needs}"
    near = "".join(
        f", and {each.number} of a type that it wants {'does' if each.number == 1 else 'do'} not "
        f"count, since {each.reason}"
        for each in progress.shortfalls
        if each.is_of_type
    )
    other = "other " if progress.has else ""
    return f"{counted} ({progress.criterion})" + (
        near or f", and no {other}event of a type that it wants"
    )


def _progress(
    criterion: Criterion, events: Iterable[Mapping[str, Any]], stored: int | None
) -> CriterionProgress:
    counted = 0
    found: dict[str, Shortfall] = {}
    for event in events:
        is_met, reason = verdict_of(criterion, event)
        if is_met:
            counted += 1
        else:
            known = found.get(reason)
            found[reason] = _first(criterion, reason, event) if known is None else _one_more(known)
    return CriterionProgress(
        criterion=words_of(criterion),
        has=min(counted, criterion.number) if stored is None else stored,
        needs=criterion.number,
        shortfalls=tuple(
            sorted(found.values(), key=lambda each: (not each.is_of_type, -each.number))
        ),
    )


def _first(criterion: Criterion, reason: str, event: Mapping[str, Any]) -> Shortfall:
    is_of_type = criterion.event_types.matches(event["event_type"])
    return Shortfall(reason, 1, event["message_id"], is_of_type)


def _one_more(known: Shortfall) -> Shortfall:
    return replace(known, number=known.number + 1)
