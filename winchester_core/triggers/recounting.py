"""What it does to an open stream when its trigger's rules change. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from winchester_core.triggers import progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from typing import Any

    from winchester_core.triggers.definition import TriggerDefinition
    from winchester_core.triggers.progress import StreamFacts


class Effect(StrEnum):
    """What being counted by other rules comes to, for a stream."""

    FIRES_AT_ONCE = "fires at once"
    FIRES_LATER = "fires later"
    EXPIRES_AT_ONCE = "expires at once"
    EXPIRES_EARLIER = "expires earlier"
    EXPIRES_LATER = "expires later"
    DECIDED = "fires when it was to fire"
    SAME_TIMES = "is counted anew, with the same times"


@dataclass(frozen=True, slots=True)
class Recounting:
    """A stream as it was and as it will be, at the same stream time."""

    before: StreamFacts
    after: StreamFacts
    effect: Effect


def foresee_recount(
    definition: TriggerDefinition,
    facts: StreamFacts,
    events: Iterable[Mapping[str, Any]],
    now: datetime,
) -> Recounting:
    """What `progress.recount` will do to a stream with these members, which stays as it is."""
    after = replace(facts, counts=list(facts.counts))
    progress.recount(definition, after, events, now)
    return Recounting(facts, after, _effect(facts, after, now))


def _effect(before: StreamFacts, after: StreamFacts, now: datetime) -> Effect:
    if before.fire_timestamp is not None:
        return Effect.DECIDED
    if after.fire_timestamp is not None:
        return Effect.FIRES_AT_ONCE if after.fire_timestamp <= now else Effect.FIRES_LATER
    if after.expire_timestamp > before.expire_timestamp:
        return Effect.EXPIRES_LATER
    if after.expire_timestamp == before.expire_timestamp:
        return Effect.SAME_TIMES
    at_once = after.expire_timestamp <= now < before.expire_timestamp
    return Effect.EXPIRES_AT_ONCE if at_once else Effect.EXPIRES_EARLIER
