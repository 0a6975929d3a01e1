"""The transaction of ingest: store events, let them join their streams, move the event clock.

The order of locks is the same everywhere: events by message id, open streams by group key, new
streams, the event clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from winchester_core.storage.records import Arrival, Recorded
from winchester_core.storage.sql.queries import (
    clocks,
    events,
    links,
    open_streams,
    stream_traits,
)
from winchester_core.telemetry.checkpoints import Checkpoint, reach
from winchester_core.triggers import progress
from winchester_core.triggers.plan import BatchPlan, StreamDraft
from winchester_core.triggers.stream_time import EventTime, TimePolicy, Times, times_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from winchester_core.storage.dialects import SqlDialect
    from winchester_core.triggers.matcher import Match


@dataclass(frozen=True, slots=True)
class _Newcomer:
    """An arrival that was stored: its place in the batch, its row, and its "now"."""

    index: int
    arrival: Arrival
    row_id: int
    now: datetime


def record(
    connection: Connection, dialect: SqlDialect, arrivals: Sequence[Arrival], policy: TimePolicy
) -> Recorded:
    """Do all that a batch of arrivals causes, inside the caller's transaction."""
    clock = clocks.stream_time(connection) if isinstance(policy, EventTime) else None
    row_ids = events.insert_new(connection, dialect, [arrival.event for arrival in arrivals])
    reach(Checkpoint.EVENTS_STORED)
    newcomers, times = _newcomers(arrivals, row_ids, policy, clock)
    plan = _plan(connection, dialect, newcomers)
    _carry_out(connection, dialect, plan, newcomers)
    reach(Checkpoint.STREAMS_STORED)
    if times.end is not None and times.end != clock:
        clocks.raise_to(connection, times.end)
    stored = {newcomer.index for newcomer in newcomers}
    return Recorded(
        stored=tuple(index in stored for index in range(len(arrivals))),
        streams_opened=plan.opened,
        streams_born_expired=plan.born_expired,
        streams_decided=plan.decided,
        refused_jumps=tuple(newcomers[each].index for each in times.refused),
    )


def _newcomers(
    arrivals: Sequence[Arrival],
    row_ids: dict[str, int],
    policy: TimePolicy,
    clock: datetime | None,
) -> tuple[list[_Newcomer], Times]:
    """The arrivals that were stored; of two with one id in this batch, the first."""
    first: dict[str, int] = {}
    for index, arrival in enumerate(arrivals):
        message_id = arrival.event["message_id"]
        if message_id in row_ids:
            first.setdefault(message_id, index)
    indexes = sorted(first.values())
    times = times_of(policy, clock, [arrivals[index].stamp for index in indexes])
    newcomers = [
        _Newcomer(index, arrivals[index], row_ids[arrivals[index].event["message_id"]], now)
        for index, now in zip(indexes, times.nows, strict=True)
    ]
    return newcomers, times


def _plan(connection: Connection, dialect: SqlDialect, newcomers: Sequence[_Newcomer]) -> BatchPlan:
    plan = BatchPlan(_open_drafts(connection, dialect, newcomers))
    for place, newcomer in enumerate(newcomers):
        for match in newcomer.arrival.matches:
            plan.admit(place, newcomer.arrival.event, newcomer.now, match)
    return plan


def _open_drafts(
    connection: Connection, dialect: SqlDialect, newcomers: Sequence[_Newcomer]
) -> dict[bytes, StreamDraft]:
    """The open streams that the batch touches, by group, counted by the present rules."""
    matches: dict[bytes, tuple[Match, datetime]] = {}
    for newcomer in newcomers:
        for match in newcomer.arrival.matches:
            matches.setdefault(match.group.key, (match, newcomer.now))
    drafts: dict[bytes, StreamDraft] = {}
    stale: list[tuple[StreamDraft, datetime]] = []
    for stream in open_streams.lock_open(connection, dialect, list(matches)):
        match, now = matches[stream.open_key]
        draft = StreamDraft(
            match.definition,
            match.group,
            stream.facts,
            id=stream.id,
            was_decided=stream.facts.fire_timestamp is not None,
            stored_facts=(stream.facts.fingerprint, stream.facts.first_event),
        )
        drafts[stream.open_key] = draft
        if stream.facts.fingerprint != match.definition.fingerprint:
            stale.append((draft, now))
    recount(connection, stale)
    return drafts


def recount(connection: Connection, stale: Iterable[tuple[StreamDraft, datetime]]) -> None:
    """Count streams anew by their trigger's present rules, from their members."""
    by_id = {draft.id: (draft, now) for draft, now in stale if draft.id is not None}
    if not by_id:
        return
    for stream_id, members in events.of_streams(connection, list(by_id)).items():
        draft, now = by_id[stream_id]
        progress.recount(draft.definition, draft.facts, members, now)


def _carry_out(
    connection: Connection, dialect: SqlDialect, plan: BatchPlan, newcomers: Sequence[_Newcomer]
) -> None:
    drafts = plan.drafts
    known = sorted((each for each in drafts if each.id is not None), key=lambda each: each.id or 0)
    new = [each for each in drafts if each.id is None]
    # a stream that closes gives its group's key up before its successor takes it
    open_streams.move(connection, dialect, known)
    open_streams.open_new(connection, dialect, sorted(new, key=lambda each: each.group.key))
    stream_traits.insert_all(
        connection, dialect, ((draft.id or 0, draft.group.values) for draft in new)
    )
    links.insert_all(
        connection,
        dialect,
        (
            (draft.id or 0, position, newcomers[place].row_id)
            for draft in drafts
            for position, place in draft.members
        ),
    )
