"""Taking a statistics of the holdings."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from winchester_core.model.effect import EffectState
from winchester_core.model.statistics import EffectBacklog, StoreStatistics, seconds_since
from winchester_core.model.stream import Reason, StreamState
from winchester_core.storage.effect_records import ANY_EFFECT
from winchester_core.storage.memory.claiming import ready_again, ready_first_time
from winchester_core.storage.memory.reading import count_states_by_trigger

if TYPE_CHECKING:
    from datetime import datetime

    from winchester_core.model.effect import Endpoint
    from winchester_core.storage.effect_records import StoredEffect
    from winchester_core.storage.memory.holdings import Holdings
    from winchester_core.storage.memory.outbox import HeldOutbox


def take(held: Holdings, now: datetime | None, real_now: datetime) -> StoreStatistics:
    """The statistics at the stream time `now`."""
    active = (each for each in held.streams.values() if each.state is StreamState.ACTIVE)
    oldest = min((each.facts.first_event for each in active), default=None)
    return StoreStatistics(
        stream_time=now,
        streams=count_states_by_trigger(held),
        oldest_ready_seconds={
            reason: _ready_seconds(held, reason, now, real_now) for reason in Reason
        },
        oldest_unexpired_seconds=seconds_since(oldest, now),
        effects=_backlogs(held.outbox, real_now),
        rejected=len(held.rejected),
    )


def _ready_seconds(
    held: Holdings, reason: Reason, now: datetime | None, real_now: datetime
) -> float:
    waits = [seconds_since(each.retry_at, real_now) for each in ready_again(held, reason, real_now)]
    if now is not None:
        waits += [
            seconds_since(each.facts.fire_timestamp or each.facts.expire_timestamp, now)
            for each in ready_first_time(held, reason, now)
        ]
    return max(waits, default=0.0)


def _backlogs(outbox: HeldOutbox, real_now: datetime) -> dict[Endpoint, EffectBacklog]:
    by_endpoint: dict[Endpoint, list[StoredEffect]] = {}
    for effect in outbox.matching(ANY_EFFECT):
        by_endpoint.setdefault(effect.endpoint, []).append(effect)
    return {endpoint: _backlog(each, real_now) for endpoint, each in by_endpoint.items()}


def _backlog(stored: list[StoredEffect], real_now: datetime) -> EffectBacklog:
    states = Counter(each.state for each in stored)
    waiting = (each.waiting_since for each in stored if each.state is EffectState.PENDING)
    return EffectBacklog(
        states[EffectState.PENDING],
        states[EffectState.DEAD],
        seconds_since(min(waiting, default=None), real_now),
    )
