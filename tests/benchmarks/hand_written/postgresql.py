"""The pattern on PostgreSQL: arrays, one statement for each table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.hand_written.pattern import (
    EXPIRATION,
    LEASE,
    WORKER,
    Claim,
    StreamChange,
    WritePattern,
    traits_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

_INSERT_EVENTS = """
INSERT INTO hand_events (message_id, event_type, timestamp, traits)
SELECT m, t, w, j::json FROM unnest(%b::text[], %b::text[], %b::timestamptz[], %b::text[])
AS rows(m, t, w, j) ON CONFLICT (message_id) DO NOTHING RETURNING message_id, id
"""
_MOVE_STREAMS = """
INSERT INTO hand_streams AS s (open_key, state, serial, first_event, last_event,
    expire_timestamp, fire_timestamp, event_count)
SELECT k, 'active', 0, f, l, l + %s, CASE WHEN fires THEN %s::timestamptz END, n
FROM unnest(%b::bytea[], %b::timestamptz[], %b::timestamptz[], %b::boolean[], %b::int[])
AS rows(k, f, l, fires, n)
ON CONFLICT (open_key) DO UPDATE SET
    first_event = least(s.first_event, excluded.first_event),
    last_event = greatest(s.last_event, excluded.last_event),
    expire_timestamp = greatest(s.expire_timestamp, excluded.expire_timestamp),
    fire_timestamp = coalesce(s.fire_timestamp, excluded.fire_timestamp),
    event_count = s.event_count + excluded.event_count
RETURNING open_key, id
"""
_INSERT_LINKS = """
INSERT INTO hand_links (stream_id, event_id) SELECT * FROM unnest(%b::bigint[], %b::bigint[])
"""
_CLAIM = """
UPDATE hand_streams s SET state = 'firing', serial = s.serial + 1, open_key = NULL,
    worker = %s, lease_until = %s
FROM (SELECT id FROM hand_streams WHERE state = 'active' AND fire_timestamp <= %s
    ORDER BY fire_timestamp LIMIT %s FOR UPDATE SKIP LOCKED) ready
WHERE s.id = ready.id RETURNING s.id, s.serial
"""
_LOAD = """
SELECT l.stream_id, e.message_id, e.event_type, e.timestamp, e.traits::text
FROM hand_links l JOIN hand_events e ON e.id = l.event_id
WHERE l.stream_id = ANY(%s) ORDER BY l.stream_id, e.timestamp, e.id
"""
_COMPLETE = """
WITH held AS (DELETE FROM hand_streams s USING unnest(%b::bigint[], %b::int[]) AS mine(id, serial)
    WHERE s.id = mine.id AND s.serial = mine.serial RETURNING s.id),
unlinked AS (DELETE FROM hand_links WHERE stream_id IN (SELECT id FROM held))
SELECT count(*) FROM held
"""


class PostgresqlPattern(WritePattern):
    """See `WritePattern`."""

    def insert_events(
        self, connection: Connection, batch: Sequence[Mapping[str, Any]]
    ) -> dict[str, int]:
        columns = (
            [event["message_id"] for event in batch],
            [event["event_type"] for event in batch],
            [event["timestamp"] for event in batch],
            [traits_of(event) for event in batch],
        )
        return dict(connection.exec_driver_sql(_INSERT_EVENTS, columns).fetchall())

    def move_streams(
        self, connection: Connection, changes: Sequence[StreamChange], now: datetime
    ) -> dict[bytes, int]:
        columns = (
            EXPIRATION,
            now,
            [each.key for each in changes],
            [each.first for each in changes],
            [each.last for each in changes],
            [each.fires for each in changes],
            [each.events for each in changes],
        )
        return dict(connection.exec_driver_sql(_MOVE_STREAMS, columns).fetchall())

    def insert_links(self, connection: Connection, links: list[tuple[int, int]]) -> None:
        columns = ([stream for stream, _ in links], [event for _, event in links])
        connection.exec_driver_sql(_INSERT_LINKS, columns)

    def claim(self, connection: Connection, now: datetime, limit: int) -> list[Claim]:
        values = (WORKER, now + LEASE, now, limit)
        return [Claim(*row) for row in connection.exec_driver_sql(_CLAIM, values)]

    def load(self, connection: Connection, claims: Sequence[Claim]) -> Iterable[Sequence[Any]]:
        return connection.exec_driver_sql(_LOAD, ([each.id for each in claims],)).fetchall()

    def complete(self, connection: Connection, claims: Sequence[Claim]) -> int:
        columns = ([each.id for each in claims], [each.serial for each in claims])
        return int(connection.exec_driver_sql(_COMPLETE, columns).scalar_one())
