"""The ingest transaction: store events, add them to their streams, advance the event clock.

Locks are always taken in this order: events by message id, open streams by group key, silent
groups, new streams, the event clock.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from winchester_core.clock import EventTime, TimePolicy, compute_batch_times
from winchester_core.errors import DataRefused
from winchester_core.failpoints import Failpoint, hit
from winchester_core.model.event import REQUIRED_KEYS, Event
from winchester_core.storage.records import IngestResult
from winchester_core.storage.sql import clocks, silent_groups, stream_rows
from winchester_core.storage.sql.dialects.bulk import RowInsert, RowLock, parameter_batches
from winchester_core.storage.sql.events import members_in_order_of_arrival, members_of_streams
from winchester_core.storage.sql.tables import events
from winchester_core.triggers.batch_plan import BatchPlan
from winchester_core.triggers.grouping import Group
from winchester_core.triggers.pending_stream import PendingStream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from winchester_core.storage.records import MatchedEvent
    from winchester_core.storage.sql.database import Transaction
    from winchester_core.triggers.definition import TriggerDefinition
    from winchester_core.triggers.matcher import Match


_INSERT_EVENTS = RowInsert(
    events,
    (*REQUIRED_KEYS, "traits"),
    conflict_column="message_id",
    timestamp_column="stored_at",
    returning=("message_id", "id"),
)


def record(
    tx: Transaction,
    matched_events: Sequence[MatchedEvent],
    policy: TimePolicy,
) -> IngestResult:
    """Store a batch of events and update their streams, inside the caller's transaction."""
    clock = clocks.event_clock_time(tx) if isinstance(policy, EventTime) else None
    groups = {
        match.group.key for matched_event in matched_events for match in matched_event.matches
    }
    row_ids, open_rows = _insert_new(
        tx,
        [matched_event.event for matched_event in matched_events],
        stream_rows.LOCK_OPEN_STREAMS,
        sorted(groups),
    )
    hit(Failpoint.EVENTS_STORED)
    new = _stored_indexes(matched_events, row_ids)
    times = compute_batch_times(policy, clock, [matched_events[index].stamp for index in new])
    arrival_times = dict(zip(new, times.arrival_times, strict=True))
    plan = _start_plan(tx, open_rows, matched_events, arrival_times)
    for index, now in arrival_times.items():
        for match in matched_events[index].matches:
            plan.add_event(index, matched_events[index].event, now, match)
    _write_plan(tx, plan, matched_events, row_ids)
    if plan.silences.after is not None:
        silent_groups.write(tx, plan.silences)
    hit(Failpoint.STREAMS_STORED)
    if times.end is not None and times.end != clock:
        clocks.advance(tx, times.end)
    stored = set(new)
    return IngestResult(
        stored=tuple(index in stored for index in range(len(matched_events))),
        opened_by_trigger=plan.opened,
        streams_opened_expired=plan.opened_expired,
        fire_times_set=plan.fire_times_set,
        refused_jumps=tuple(new[each] for each in times.refused),
        streams_recounted=plan.recounted,
        events_held=plan.held,
        held_dropped=plan.held_dropped,
    )


def _insert_new(
    tx: Transaction,
    batch: Sequence[Event],
    lock: RowLock,
    keys: Sequence[Any],
) -> tuple[dict[str, int], list[Sequence[Any]]]:
    """Insert the events that are not stored yet, then lock rows with `lock` and `keys`.

    Returns the row ids of inserted events by message id, and the locked rows. Events are inserted
    in the order of message ids, so that processes with overlapping batches do not deadlock.
    """
    by_id = {event["message_id"]: event for event in reversed(batch)}  # the first wins
    rows = [_row_from_event(by_id[message_id]) for message_id in sorted(by_id)]
    inserted, locked = tx.dialect.bulk.insert_and_lock(
        tx.connection, _INSERT_EVENTS, rows, lock, keys
    )
    stored: dict[str, int] = dict(inserted)
    if tx.dialect.ignores_invalid_rows and (skipped := by_id.keys() - stored.keys()):
        _check_stored(tx, sorted(skipped))
    return stored, locked


def _row_from_event(event: Event) -> tuple[Any, ...]:
    traits = event.copy()
    required = [traits.pop(key) for key in REQUIRED_KEYS]
    return (*required, traits)


MAX_IDS_SHOWN = 3
"""Maximum number of message ids in the error about refused rows."""


def _check_stored(tx: Transaction, message_ids: Sequence[str]) -> None:
    known: set[str] = set()
    for batch in parameter_batches(message_ids):
        query = select(events.c.message_id).where(events.c.message_id.in_(batch))
        known.update(tx.execute(query).scalars())
    missing = [each for each in message_ids if each not in known]
    if missing:
        shown = ", ".join(map(repr, missing[:MAX_IDS_SHOWN]))
        more = ", ..." if len(missing) > MAX_IDS_SHOWN else ""
        raise DataRefused(f"events refused because of the content ({len(missing)}): {shown}{more}")


def _stored_indexes(
    matched_events: Sequence[MatchedEvent], row_ids: Mapping[str, int]
) -> Sequence[int]:
    """Return the indexes of the stored events; of duplicates in the batch, the first one."""
    if len(row_ids) == len(matched_events):
        return range(len(matched_events))
    first_indexes: dict[str, int] = {}
    for index, matched_event in enumerate(matched_events):
        first_indexes.setdefault(matched_event.event["message_id"], index)
    return sorted(first_indexes[message_id] for message_id in row_ids)


def _start_plan(
    tx: Transaction,
    open_rows: Sequence[Sequence[Any]],
    matched_events: Sequence[MatchedEvent],
    arrival_times: Mapping[int, datetime],
) -> BatchPlan:
    """Return a plan with the open streams of the new events' groups.

    `arrival_times` maps the indexes of the new events, in order, to their stream times. Streams
    with an outdated fingerprint are recalculated.
    """
    matches: dict[bytes, tuple[Match, datetime]] = {}
    for index, now in arrival_times.items():
        for match in matched_events[index].matches:
            matches.setdefault(match.group.key, (match, now))
    pending_streams: dict[bytes, PendingStream] = {}
    outdated: list[tuple[PendingStream, datetime]] = []
    for stream_id, key, stream_progress in map(stream_rows.decode_open_stream, open_rows):
        if key not in matches:  # only duplicates match it
            continue
        match, now = matches[key]
        pending = PendingStream(
            match.definition,
            match.group,
            stream_progress,
            id=stream_id,
            had_fire_time=stream_progress.fire_timestamp is not None,
            stored_progress=(
                stream_progress.fingerprint,
                stream_progress.first_event,
                stream_progress.expire_timestamp,
            ),
        )
        pending_streams[key] = pending
        if stream_progress.fingerprint != match.definition.fingerprint:
            outdated.append((pending, now))
    plan = BatchPlan(
        pending_streams,
        [each.event for each in matched_events],
        lambda stream_id: members_in_order_of_arrival(tx, stream_id),
        lambda: silent_groups.read(tx, matched_events),
    )
    _recalculate(tx, plan, outdated)
    return plan


def _recalculate(
    tx: Transaction, plan: BatchPlan, outdated: Iterable[tuple[PendingStream, datetime]]
) -> None:
    """Recalculate the progress of streams from their members, with the current definition."""
    by_id = {pending.id: (pending, now) for pending, now in outdated if pending.id is not None}
    if not by_id:
        return
    members = members_of_streams(tx, list(by_id))
    for stream_id, (pending, now) in by_id.items():
        plan.recalculate(pending, members.take(stream_id), now)


def _write_plan(
    tx: Transaction,
    plan: BatchPlan,
    matched_events: Sequence[MatchedEvent],
    row_ids: Mapping[str, int],
) -> None:
    pending_streams = plan.changed_streams
    deleted = sorted(each.id for each in pending_streams if each.is_deleted and each.id is not None)
    stored = sorted(
        (each for each in pending_streams if each.id is not None and not each.is_deleted),
        key=lambda each: each.id or 0,
    )
    new = sorted(
        (each for each in pending_streams if each.id is None), key=lambda each: each.group.key
    )
    keys = stream_rows.new_stream_keys(new)

    def links(stream_key: Any, pending: PendingStream) -> Iterator[tuple[Any, int, int]]:
        for position, index in pending.new_members:
            row_id = ~index if index < 0 else row_ids[matched_events[index].event["message_id"]]
            yield stream_key, position, row_id

    stored_links = chain.from_iterable(links(pending.id, pending) for pending in stored)
    new_links = chain.from_iterable(map(links, keys, new))
    traits = zip(keys, (pending.group.values for pending in new), strict=True)
    # release the group keys before new streams are inserted with them
    stream_rows.delete_streams(tx, deleted)
    stream_rows.close_streams(tx, stored)
    for pending in stored:
        if pending.unlink_before is not None and pending.id is not None:
            stream_rows.unlink(tx, pending.id, pending.unlink_before)
    tx.dialect.bulk.execute_all(
        tx.connection,
        [*stream_rows.stream_updates(stored), stream_rows.link_inserts(stored_links)],
        stream_rows.stream_inserts(
            keys,
            new,
            [stream_rows.trait_inserts(traits), stream_rows.link_inserts_of_new_streams(new_links)],
        ),
    )
    stream_rows.complete_new_streams(tx, keys, new)


def recalculate_streams(
    tx: Transaction,
    definition: TriggerDefinition,
    now: datetime,
    limit: int,
) -> int:
    """Recalculate up to `limit` open streams with an outdated fingerprint; return their number."""
    outdated = stream_rows.lock_outdated_streams(tx, definition.name, definition.fingerprint, limit)
    pending_streams = [
        PendingStream(
            definition,
            Group(key, {}),
            stream_progress,
            id=stream_id,
            had_fire_time=stream_progress.fire_timestamp is not None,
        )
        for stream_id, key, stream_progress in outdated
    ]
    keys = sorted(pending.group.key for pending in pending_streams)
    plan = BatchPlan({}, read_silences=lambda: silent_groups.read_groups(tx, keys))
    _recalculate(tx, plan, [(pending, now) for pending in pending_streams])
    tx.dialect.bulk.execute_all(
        tx.connection,
        stream_rows.stream_updates(sorted(pending_streams, key=lambda each: each.id or 0)),
    )
    if plan.silences.after is not None:
        silent_groups.write(tx, plan.silences)
    return len(pending_streams)
