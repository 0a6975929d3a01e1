"""The pattern on MariaDB: many rows per statement."""

from __future__ import annotations

from datetime import UTC
from itertools import chain
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

    from sqlalchemy import Connection, CursorResult

_INSERT_EVENTS = """
INSERT IGNORE INTO hand_events (message_id, event_type, timestamp, traits) VALUES {}
"""
_MOVE_STREAMS = """
INSERT INTO hand_streams (open_key, state, serial, first_event, last_event, expire_timestamp,
    fire_timestamp, event_count) VALUES {}
ON DUPLICATE KEY UPDATE
    first_event = least(first_event, values(first_event)),
    last_event = greatest(last_event, values(last_event)),
    expire_timestamp = greatest(expire_timestamp, values(expire_timestamp)),
    fire_timestamp = coalesce(fire_timestamp, values(fire_timestamp)),
    event_count = event_count + values(event_count)
RETURNING open_key, id
"""
_INSERT_LINKS = "INSERT INTO hand_links (stream_id, event_id) VALUES {}"
_READY = """
SELECT id, serial FROM hand_streams WHERE state = 'active' AND fire_timestamp <= %s
ORDER BY fire_timestamp LIMIT %s FOR UPDATE SKIP LOCKED
"""
_CLAIM = """
UPDATE hand_streams SET state = 'firing', serial = serial + 1, open_key = NULL,
    worker = %s, lease_until = %s WHERE id IN ({})
"""
_LOAD = """
SELECT l.stream_id, e.message_id, e.event_type, e.timestamp, e.traits
FROM hand_links l JOIN hand_events e ON e.id = l.event_id
WHERE l.stream_id IN ({}) ORDER BY l.stream_id, e.timestamp, e.id
"""
_HELD = "SELECT id, serial FROM hand_streams WHERE id IN ({}) ORDER BY id FOR UPDATE"


class MariadbPattern(WritePattern):
    """See `WritePattern`."""

    def insert_events(
        self, connection: Connection, batch: Sequence[Mapping[str, Any]]
    ) -> dict[str, int]:
        rows = [
            (
                event["message_id"],
                event["event_type"],
                event["timestamp"].replace(tzinfo=None),
                traits_of(event),
            )
            for event in batch
        ]
        result = _insert(connection, _INSERT_EVENTS, rows)
        if result.rowcount == len(rows):  # then their ids are consecutive
            return {row[0]: result.lastrowid + place for place, row in enumerate(rows)}
        known = connection.exec_driver_sql(
            f"SELECT message_id, id FROM hand_events WHERE id >= {result.lastrowid} AND "
            f"message_id IN ({_placeholders(len(rows))})",
            tuple(row[0] for row in rows),
        )
        return dict(known.fetchall()) if result.rowcount else {}

    def move_streams(
        self, connection: Connection, changes: Sequence[StreamChange], now: datetime
    ) -> dict[bytes, int]:
        rows = [
            (
                each.key,
                "active",
                0,
                each.first.replace(tzinfo=None),
                each.last.replace(tzinfo=None),
                (each.last + EXPIRATION).replace(tzinfo=None),
                now.replace(tzinfo=None) if each.fires else None,
                each.events,
            )
            for each in changes
        ]
        return dict(_insert(connection, _MOVE_STREAMS, rows).fetchall())

    def insert_links(self, connection: Connection, links: list[tuple[int, int]]) -> None:
        _insert(connection, _INSERT_LINKS, sorted(links))

    def claim(self, connection: Connection, now: datetime, limit: int) -> list[Claim]:
        found = connection.exec_driver_sql(_READY, (now.replace(tzinfo=None), limit)).fetchall()
        if found:
            until = (now + LEASE).replace(tzinfo=None)
            _execute_for_ids(connection, _CLAIM, [row.id for row in found], WORKER, until)
        return [Claim(row.id, row.serial + 1) for row in sorted(found)]

    def load(self, connection: Connection, claims: Sequence[Claim]) -> Iterable[Sequence[Any]]:
        rows = _execute_for_ids(connection, _LOAD, [each.id for each in claims])
        return [(*head, moment.replace(tzinfo=UTC), traits) for *head, moment, traits in rows]

    def complete(self, connection: Connection, claims: Sequence[Claim]) -> int:
        serials = {each.id: each.serial for each in claims}
        rows = _execute_for_ids(connection, _HELD, list(serials)).fetchall()
        held = [row.id for row in rows if serials[row.id] == row.serial]
        if held:
            _execute_for_ids(connection, "DELETE FROM hand_links WHERE stream_id IN ({})", held)
            _execute_for_ids(connection, "DELETE FROM hand_streams WHERE id IN ({})", held)
        return len(held)


def _insert(
    connection: Connection, statement: str, rows: Sequence[Sequence[Any]]
) -> CursorResult[Any]:
    row = f"({_placeholders(len(rows[0]))})"
    values = ",".join([row] * len(rows))
    return connection.exec_driver_sql(statement.format(values), tuple(chain.from_iterable(rows)))


def _execute_for_ids(
    connection: Connection, statement: str, ids: Sequence[int], *before: Any
) -> CursorResult[Any]:
    return connection.exec_driver_sql(statement.format(_placeholders(len(ids))), (*before, *ids))


def _placeholders(number: int) -> str:
    return ",".join(["%s"] * number)
