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
from winchester_core.triggers.plan import BatchPlan, StreamDraft
from winchester_core.triggers.stream_time import EventTime, TimePolicy, times_of

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
    times = times_of(policy, clock, [arrivals[index].stamp for index in new])
    nows = dict(zip(new, times.nows, strict=True))
    plan = BatchPlan(_open_drafts(connection, dialect, open_rows, arrivals, nows))
    for index, now in nows.items():
        for match in arrivals[index].matches:
            plan.admit(index, arrivals[index].event, now, match)
    _carry_out(connection, dialect, plan, arrivals, row_ids)
    reach(Checkpoint.STREAMS_STORED)
    if times.end is not None and times.end != clock:
        clocks.raise_to(connection, times.end)
    stored = set(new)
    return Recorded(
        stored=tuple(index in stored for index in range(len(arrivals))),
        streams_opened=plan.opened,
        streams_opened_expired=plan.born_expired,
        streams_decided=plan.decided,
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


def _open_drafts(
    connection: Connection,
    dialect: SqlDialect,
    open_rows: Sequence[Sequence[Any]],
    arrivals: Sequence[Arrival],
    nows: Mapping[int, datetime],
) -> dict[bytes, StreamDraft]:
    """The open streams that the new arrivals touch, by group, counted by the present rules.

    `nows` holds the indexes of these arrivals, in order, and their times.
    """
    matches: dict[bytes, tuple[Match, datetime]] = {}
    for index, now in nows.items():
        for match in arrivals[index].matches:
            matches.setdefault(match.group.key, (match, now))
    drafts: dict[bytes, StreamDraft] = {}
    stale: list[tuple[StreamDraft, datetime]] = []
    for stream_id, key, facts in map(open_streams.read_open, open_rows):
        if key not in matches:  # of events that were stored before
            continue
        match, now = matches[key]
        draft = StreamDraft(
            match.definition,
            match.group,
            facts,
            id=stream_id,
            was_decided=facts.fire_timestamp is not None,
            stored_facts=(facts.fingerprint, facts.first_event, facts.expire_timestamp),
        )
        drafts[key] = draft
        if facts.fingerprint != match.definition.fingerprint:
            stale.append((draft, now))
    recount(connection, dialect, stale)
    return drafts


def recount(
    connection: Connection, dialect: SqlDialect, stale: Iterable[tuple[StreamDraft, datetime]]
) -> None:
    """Count streams anew by their trigger's present rules, from their members."""
    by_id = {draft.id: (draft, now) for draft, now in stale if draft.id is not None}
    if not by_id:
        return
    stale_members = members.of_streams(connection, dialect, list(by_id))
    for stream_id, (draft, now) in by_id.items():
        progress.recount(draft.definition, draft.facts, stale_members.take(stream_id), now)


def _carry_out(
    connection: Connection,
    dialect: SqlDialect,
    plan: BatchPlan,
    arrivals: Sequence[Arrival],
    row_ids: Mapping[str, int],
) -> None:
    drafts = plan.drafts
    known = sorted((each for each in drafts if each.id is not None), key=lambda each: each.id or 0)
    new = sorted((each for each in drafts if each.id is None), key=lambda each: each.group.key)
    keys = open_streams.keys_of_new(new)

    def members(of: Any, draft: StreamDraft) -> Iterator[tuple[Any, int, int]]:
        for position, index in draft.members:
            yield of, position, row_ids[arrivals[index].event["message_id"]]

    joined = chain.from_iterable(members(draft.id, draft) for draft in known)
    began = chain.from_iterable(map(members, keys, new))
    traits = zip(keys, (draft.group.values for draft in new), strict=True)
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
