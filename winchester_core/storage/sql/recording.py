"""The transaction of ingest: store events, let them join their streams, move the event clock.

The order of locks is the same everywhere: events by message id, open streams by group key, new
streams, the event clock.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from winchester_core.storage.records import Recorded
from winchester_core.storage.sql.queries import (
    clocks,
    events,
    links,
    members,
    open_streams,
    stream_traits,
)
from winchester_core.telemetry.checkpoints import Checkpoint, reach
from winchester_core.triggers import progress
from winchester_core.triggers.batch_plan import BatchPlan, PendingStream
from winchester_core.triggers.stream_time import EventTime, TimePolicy, compute_batch_times

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from winchester_core.storage.dialects import SqlDialect
    from winchester_core.storage.records import Arrival
    from winchester_core.triggers.matcher import Match


def record(
    connection: Connection, dialect: SqlDialect, arrivals: Sequence[Arrival], policy: TimePolicy
) -> Recorded:
    """Do all that a batch of arrivals causes, inside the caller's transaction."""
    clock = clocks.stream_time(connection) if isinstance(policy, EventTime) else None
    groups = {match.group.key for arrival in arrivals for match in arrival.matches}
    row_ids, open_rows = events.insert_new(
        connection,
        dialect,
        [arrival.event for arrival in arrivals],
        open_streams.LOCK_OPEN,
        sorted(groups),
    )
    reach(Checkpoint.EVENTS_STORED)
    new = _new(arrivals, row_ids)
    times = compute_batch_times(policy, clock, [arrivals[index].stamp for index in new])
    nows = dict(zip(new, times.event_times, strict=True))
    plan = BatchPlan(_load_open_streams(connection, dialect, open_rows, arrivals, nows))
    for index, now in nows.items():
        for match in arrivals[index].matches:
            plan.add_event(index, arrivals[index].event, now, match)
    _carry_out(connection, dialect, plan, arrivals, row_ids)
    reach(Checkpoint.STREAMS_STORED)
    if times.end is not None and times.end != clock:
        clocks.raise_to(connection, times.end)
    stored = set(new)
    return Recorded(
        stored=tuple(index in stored for index in range(len(arrivals))),
        streams_opened=plan.opened,
        streams_opened_expired=plan.opened_expired,
        streams_decided=plan.fire_times_set,
        refused_jumps=tuple(new[each] for each in times.refused),
    )


def _new(arrivals: Sequence[Arrival], row_ids: Mapping[str, int]) -> Sequence[int]:
    """The indexes of the arrivals that were stored; of two with one id in this batch, the first."""
    if len(row_ids) == len(arrivals):
        return range(len(arrivals))
    first: dict[str, int] = {}
    for index, arrival in enumerate(arrivals):
        first.setdefault(arrival.event["message_id"], index)
    return sorted(first[message_id] for message_id in row_ids)


def _load_open_streams(
    connection: Connection,
    dialect: SqlDialect,
    open_rows: Sequence[Sequence[Any]],
    arrivals: Sequence[Arrival],
    nows: Mapping[int, datetime],
) -> dict[bytes, PendingStream]:
    """The open streams that the new arrivals touch, by group, counted by the present rules.

    `event_times` holds the indexes of these arrivals, in order, and their times.
    """
    matches: dict[bytes, tuple[Match, datetime]] = {}
    for index, now in nows.items():
        for match in arrivals[index].matches:
            matches.setdefault(match.group.key, (match, now))
    pending_streams: dict[bytes, PendingStream] = {}
    stale: list[tuple[PendingStream, datetime]] = []
    for stream_id, key, stream_progress in map(open_streams.read_open, open_rows):
        if key not in matches:  # of events that were stored before
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
            stale.append((pending, now))
    recount(connection, dialect, stale)
    return pending_streams


def recount(
    connection: Connection, dialect: SqlDialect, stale: Iterable[tuple[PendingStream, datetime]]
) -> None:
    """Count streams anew by their trigger's present rules, from their members."""
    by_id = {pending.id: (pending, now) for pending, now in stale if pending.id is not None}
    if not by_id:
        return
    stale_members = members.of_streams(connection, dialect, list(by_id))
    for stream_id, (pending, now) in by_id.items():
        progress.recalculate(
            pending.definition, pending.progress, stale_members.take(stream_id), now
        )


def _carry_out(
    connection: Connection,
    dialect: SqlDialect,
    plan: BatchPlan,
    arrivals: Sequence[Arrival],
    row_ids: Mapping[str, int],
) -> None:
    pending_streams = plan.changed_streams
    known = sorted(
        (each for each in pending_streams if each.id is not None), key=lambda each: each.id or 0
    )
    new = sorted(
        (each for each in pending_streams if each.id is None), key=lambda each: each.group.key
    )
    keys = open_streams.keys_of_new(new)

    def members(of: Any, pending: PendingStream) -> Iterator[tuple[Any, int, int]]:
        for position, index in pending.members:
            yield of, position, row_ids[arrivals[index].event["message_id"]]

    joined = chain.from_iterable(members(pending.id, pending) for pending in known)
    began = chain.from_iterable(map(members, keys, new))
    traits = zip(keys, (pending.group.values for pending in new), strict=True)
    # a stream that closes gives its group's key up before its successor takes it
    open_streams.close(connection, known)
    dialect.bulk.carry_out(
        connection,
        [*open_streams.moves(known), links.insertions(joined)],
        open_streams.openings(
            keys, new, [stream_traits.insertions(traits), links.insertions_into_new(began)]
        ),
    )
    open_streams.close_new(connection, dialect, keys, new)
