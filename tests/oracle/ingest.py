"""Ingest, one event at a time."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from oracle.pattern_streams import PatternIngest
from oracle.state import IngestCounts, MemoryEvent, MemoryStream
from winchester_core.clock import EventTime, TimePolicy, compute_batch_times
from winchester_core.failpoints import Failpoint, hit
from winchester_core.model.stream import Reason
from winchester_core.storage.records import IngestResult, RejectedMessage
from winchester_core.triggers import progress, recalculation

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from oracle.state import MemoryState
    from oracle.transaction import Transaction
    from winchester_core.model.event import Event
    from winchester_core.storage.records import MatchedEvent, Rejection
    from winchester_core.triggers.matcher import Match
    from winchester_core.triggers.progress import StreamProgress


def record(
    memory: MemoryState,
    transaction: Transaction,
    matched_events: Sequence[MatchedEvent],
    policy: TimePolicy,
    real_now: datetime,
) -> IngestResult:
    """Store a batch of events and update their streams."""
    new = tuple(
        _store(memory, transaction, matched_event.event, real_now)
        for matched_event in matched_events
    )
    hit(Failpoint.EVENTS_STORED)
    clock = memory.event_clock if isinstance(policy, EventTime) else None
    counts = IngestCounts()
    refused_jumps: list[int] = []
    for index, matched_event in enumerate(matched_events):
        if not new[index]:
            continue
        times = compute_batch_times(policy, clock, [matched_event.stamp])
        clock = times.end
        refused_jumps += [index] * len(times.refused)
        for match in matched_event.matches:
            _join_or_open(
                memory, transaction, matched_event.event, times.arrival_times[0], match, counts
            )
    hit(Failpoint.STREAMS_STORED)
    if clock is not None:
        advance_clock(memory, transaction, clock)
    return IngestResult(
        stored=new,
        opened_by_trigger=counts.opened,
        streams_opened_expired=counts.opened_expired,
        fire_times_set=counts.fire_times_set,
        refused_jumps=tuple(refused_jumps),
        events_held=counts.held,
        held_dropped=counts.held_dropped,
    )


def _store(memory: MemoryState, transaction: Transaction, event: Event, real_now: datetime) -> bool:
    message_id = event["message_id"]
    if message_id in memory.events:
        return False
    memory.events[message_id] = MemoryEvent(dict(event), real_now, next(memory.event_ids))
    transaction.on_rollback(partial(memory.events.pop, message_id))
    return True


def _join_or_open(
    memory: MemoryState,
    transaction: Transaction,
    event: Event,
    now: datetime,
    match: Match,
    counts: IngestCounts,
) -> None:
    """Add `event` to its group's open stream, or open one for it."""
    stream = memory.open_streams.get(match.group.key)
    has_pattern = stream is not None and stream.pattern is not None
    if has_pattern or not match.definition.is_plain or match.definition.suppress:
        PatternIngest(memory, transaction, counts, match, now).take(event)
        return
    if stream is not None:
        stream.save(transaction)
        had_fire_time = stream.progress.fire_timestamp is not None
        if stream.progress.fingerprint != match.definition.fingerprint:
            recalculation.recalculate(
                match.definition, stream.progress, memory.events_of(stream), now
            )
        if progress.accepts_events(match.definition, stream.progress, now):
            progress.add_event(match.definition, stream.progress, event, now)
            stream.members.append(event["message_id"])
            counts.fire_times_set += (
                stream.progress.fire_timestamp is not None and not had_fire_time
            )
            return
        memory.close(stream, transaction)
        counts.fire_times_set += stream.progress.fire_timestamp is not None and not had_fire_time
    stream_progress = _open(memory, transaction, event, now, match)
    counts.opened[match.definition.name] += 1
    counts.opened_expired += progress.due_reason(stream_progress, now) is Reason.EXPIRE
    counts.fire_times_set += stream_progress.fire_timestamp is not None


def _open(
    memory: MemoryState, transaction: Transaction, event: Event, now: datetime, match: Match
) -> StreamProgress:
    stream_progress = progress.start(match.definition, event, now)
    stream = MemoryStream(
        next(memory.stream_ids), match.definition.name, match.group, stream_progress
    )
    stream.members.append(event["message_id"])
    memory.streams[stream.id] = memory.open_streams[match.group.key] = stream
    transaction.on_rollback(partial(memory.streams.pop, stream.id))
    transaction.on_rollback(partial(memory.open_streams.pop, match.group.key))
    return stream_progress


def advance_clock(memory: MemoryState, transaction: Transaction, moment: datetime) -> None:
    """Move the event clock forward to `moment`; an earlier time changes nothing."""
    if memory.event_clock is None or memory.event_clock < moment:
        transaction.on_rollback(partial(setattr, memory, "event_clock", memory.event_clock))
        memory.event_clock = moment


def insert_rejected(memory: MemoryState, rejection: Rejection, received_at: datetime) -> bool:
    """Insert a rejected message; return False when the same source has it with the same digest."""
    identity = (rejection.source, rejection.digest)
    if identity in memory.rejected:
        return False
    memory.rejected[identity] = RejectedMessage(
        id=next(memory.rejected_ids),
        source=rejection.source,
        kind=rejection.kind,
        reason=rejection.reason,
        received_at=received_at,
        body=rejection.body,
        body_length=rejection.body_length,
        digest=rejection.digest,
        context=rejection.context,
    )
    return True
