"""What keeps the tables in order: refreshing, resetting, purging."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winchester_core.errors import IllegalTransition, UnknownStream
from winchester_core.model.stream import REASON_STATES, StreamState, states_including
from winchester_core.storage.sql.completion import purge
from winchester_core.storage.sql.queries import claims, clocks, errors, open_streams
from winchester_core.storage.sql.recording import recount
from winchester_core.triggers.batch_plan import PendingStream
from winchester_core.triggers.grouping import Group

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from winchester_core.model.stream import ReasonStates
    from winchester_core.storage.dialects import SqlDialect
    from winchester_core.storage.records import StreamVersion
    from winchester_core.triggers.definition import TriggerDefinition


def refresh(
    connection: Connection,
    dialect: SqlDialect,
    definition: TriggerDefinition,
    now: datetime,
    limit: int,
) -> int:
    """Count up to `limit` open streams anew by their trigger's present rules; return how many."""
    stale = open_streams.lock_stale(
        connection, dialect, definition.name, definition.fingerprint, limit
    )
    pending_streams = [
        PendingStream(definition, Group(key, {}), stream_progress, id=stream_id)
        for stream_id, key, stream_progress in stale
    ]
    recount(connection, dialect, [(pending, now) for pending in pending_streams])
    dialect.bulk.carry_out(
        connection, open_streams.moves(sorted(pending_streams, key=lambda each: each.id or 0))
    )
    return len(pending_streams)


def reset(connection: Connection, dialect: SqlDialect, stream_id: int) -> StreamState:
    """Make a stream in error ready again, with all its attempts; return its new state.

    Raises `UnknownStream`, or `IllegalTransition` when it is not in error.
    """
    row = claims.lock_one(connection, dialect, stream_id)
    if row is None:
        raise UnknownStream(stream_id)
    lane = states_including(StreamState(row.state))
    if lane is None or row.state != lane.failed:
        raise IllegalTransition(row.state, "ready again: only a stream in error can be reset")
    _make_ready(connection, dialect, {stream_id: lane})
    return lane.retry


def reset_all(
    connection: Connection, dialect: SqlDialect, versions: Sequence[StreamVersion]
) -> dict[int, StreamState]:
    """Make ready again those in error that are as they were; return their new states."""
    lanes = errors.lock_unchanged(connection, dialect, versions)
    _make_ready(connection, dialect, lanes)
    return {stream_id: lane.retry for stream_id, lane in lanes.items()}


def _make_ready(
    connection: Connection, dialect: SqlDialect, lanes: Mapping[int, ReasonStates]
) -> None:
    """Let locked streams in error begin anew in their lanes, with all their attempts."""
    real_now = clocks.real_time(connection, dialect)
    fresh = {"attempts": 0, "retry_at": real_now, "worker": None, "last_error": None}
    for lane in REASON_STATES:
        stream_ids = [each for each, its in lanes.items() if its is lane]
        claims.finish(connection, dialect, stream_ids, lane.retry, **fresh)


def discard_all(
    connection: Connection, dialect: SqlDialect, versions: Sequence[StreamVersion]
) -> frozenset[int]:
    """Remove those in error that are as they were; return which."""
    lanes = errors.lock_unchanged(connection, dialect, versions)
    purge(connection, dialect, sorted(lanes))
    return frozenset(lanes)


def purge_one(connection: Connection, dialect: SqlDialect, stream_id: int) -> None:
    """Remove a stream and its links, never its events.

    Raises `UnknownStream`, or `IllegalTransition` when a worker has it in hand.
    """
    row = claims.lock_one(connection, dialect, stream_id)
    if row is None:
        raise UnknownStream(stream_id)
    if row.state in (StreamState.FIRING, StreamState.EXPIRING):
        raise IllegalTransition(row.state, "purged: a worker has it in hand")
    purge(connection, dialect, [stream_id])
