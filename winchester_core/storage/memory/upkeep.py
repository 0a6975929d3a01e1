"""What keeps the holdings in order: refreshing, trimming, resetting, purging, counting work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winchester_core.errors import IllegalTransition
from winchester_core.model.stream import REASON_STATES, Reason, StreamState, states_including
from winchester_core.storage.memory.claiming import (
    RETRYING,
    WORKING,
    abandoned,
    ready_again,
    ready_first_time,
)
from winchester_core.storage.records import MOST_COUNTED, Trimmed, Workload
from winchester_core.triggers import progress

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from winchester_core.storage.memory.holdings import HeldStream, Holdings
    from winchester_core.storage.memory.transaction import Transaction
    from winchester_core.storage.records import StreamVersion
    from winchester_core.triggers.definition import TriggerDefinition


def refresh(
    held: Holdings,
    transaction: Transaction,
    definition: TriggerDefinition,
    now: datetime,
    limit: int,
) -> int:
    """Count up to `limit` open streams anew by their trigger's present rules; return how many."""
    stale = [
        stream
        for stream in held.open_streams.values()
        if stream.name == definition.name and stream.facts.fingerprint != definition.fingerprint
    ][:limit]
    for stream in stale:
        transaction.keep(stream)
        progress.recalculate(definition, stream.facts, held.events_of(stream), now)
    return len(stale)


def trim(held: Holdings, older_than: datetime, stored_before: datetime, limit: int) -> Trimmed:
    """Remove up to `limit` events that no uncompleted stream holds. It needs no cursor."""
    in_use = {
        message_id
        for stream in held.streams.values()
        if stream.state is not StreamState.COMPLETED
        for message_id in stream.members
    }
    old = [
        message_id
        for message_id, each in held.events.items()
        if each.event["timestamp"] < older_than
        and each.stored_at < stored_before
        and message_id not in in_use
    ]
    # a stable sort: events of one time stay in the order of their arrival
    old.sort(key=lambda message_id: held.events[message_id].event["timestamp"])
    doomed = set(old[:limit])
    for message_id in doomed:
        del held.events[message_id]
    for stream in held.streams.values():
        stream.members = [each for each in stream.members if each not in doomed]
    return Trimmed(len(doomed), more=len(old) > limit)


def reset(
    held: Holdings, transaction: Transaction, stream_id: int, real_now: datetime
) -> StreamState:
    """Make a stream in error ready again, with all its attempts; return its new state."""
    stream = held.stream(stream_id)
    lane = states_including(stream.state)
    if lane is None or stream.state is not lane.failed:
        raise IllegalTransition(stream.state, "ready again: only a stream in error can be reset")
    transaction.keep(stream)
    stream.become(lane.retry, real_now)
    stream.attempts, stream.retry_at = 0, real_now
    stream.worker, stream.last_error = None, None
    return stream.state


def unchanged(held: Holdings, versions: Sequence[StreamVersion]) -> list[HeldStream]:
    """Those in error that are as they were."""
    in_error = {lane.failed for lane in REASON_STATES}
    streams = ((held.streams.get(cursor.stream_id), cursor.serial) for cursor in versions)
    return [
        stream
        for stream, serial in streams
        if stream is not None and stream.serial == serial and stream.state in in_error
    ]


def purge(held: Holdings, transaction: Transaction, stream_id: int) -> None:
    """Remove a stream and its links, never its events."""
    stream = held.stream(stream_id)
    if stream.state in WORKING:
        raise IllegalTransition(stream.state, "purged: a worker has it in hand")
    held.remove(stream, transaction)


def workload(held: Holdings, now: datetime | None, real_now: datetime) -> Workload:
    """What waits for workers at the stream time `now`."""
    streams = held.streams.values()
    retries = [
        stream.retry_at
        for stream in streams
        if stream.state in RETRYING and stream.retry_at is not None
    ]
    waiting = [retry_at for retry_at in retries if retry_at > real_now]
    ready = sum(len(ready_again(held, reason, real_now)) for reason in Reason)
    if now is not None:
        ready += sum(len(ready_first_time(held, reason, now)) for reason in Reason)
    return Workload(
        ready=min(ready, MOST_COUNTED),
        working=min(sum(stream.state in WORKING for stream in streams), MOST_COUNTED),
        retrying=min(len(waiting), MOST_COUNTED),
        next_retry_seconds=(min(waiting) - real_now).total_seconds() if waiting else None,
        next_due=min((_due_at(each) for each in streams if _is_active(each)), default=None),
        abandoned=min(len(abandoned(held, real_now)), MOST_COUNTED),
        oldest_effect_seconds=held.outbox.oldest_seconds(real_now),
    )


def _is_active(stream: HeldStream) -> bool:
    return stream.state is StreamState.ACTIVE


def _due_at(stream: HeldStream) -> datetime:
    return stream.facts.fire_timestamp or stream.facts.expire_timestamp
