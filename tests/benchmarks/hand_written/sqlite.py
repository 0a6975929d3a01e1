"""The pattern on SQLite: one prepared statement for the rows of each table."""

from __future__ import annotations

from datetime import UTC, datetime
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

    from sqlalchemy import Connection

_INSERT_EVENTS = """
INSERT OR IGNORE INTO hand_events (id, message_id, event_type, timestamp, traits)
VALUES (?, ?, ?, ?, ?)
"""
_MOVE_STREAMS = """
INSERT INTO hand_streams (open_key, state, serial, first_event, last_event, expire_timestamp,
    fire_timestamp, event_count) VALUES (?, 'active', 0, ?, ?, ?, ?, ?)
ON CONFLICT (open_key) DO UPDATE SET
    first_event = min(first_event, excluded.first_event),
    last_event = max(last_event, excluded.last_event),
    expire_timestamp = max(expire_timestamp, excluded.expire_timestamp),
    fire_timestamp = coalesce(fire_timestamp, excluded.fire_timestamp),
    event_count = event_count + excluded.event_count
"""
_CLAIM = """
UPDATE hand_streams SET state = 'firing', serial = serial + 1, open_key = NULL,
    worker = ?, lease_until = ?
WHERE id IN (SELECT id FROM hand_streams WHERE state = 'active' AND fire_timestamp <= ?
    ORDER BY fire_timestamp LIMIT ?) RETURNING id, serial
"""
_LOAD = """
SELECT l.stream_id, e.message_id, e.event_type, e.timestamp, e.traits
FROM hand_links l JOIN hand_events e ON e.id = l.event_id
WHERE l.stream_id IN ({}) ORDER BY l.stream_id, e.timestamp, e.id
"""


class SqlitePattern(WritePattern):
    """See `WritePattern`. With a single writer, ids can be assigned in advance."""

    def insert_events(
        self, connection: Connection, batch: Sequence[Mapping[str, Any]]
    ) -> dict[str, int]:
        last = connection.exec_driver_sql("SELECT max(id) FROM hand_events").scalar() or 0
        rows = [
            (
                last + place,
                event["message_id"],
                event["event_type"],
                _text(event["timestamp"]),
                traits_of(event),
            )
            for place, event in enumerate(batch, 1)
        ]
        stored = connection.exec_driver_sql(_INSERT_EVENTS, rows).rowcount
        if stored == len(rows):
            return {row[1]: row[0] for row in rows}
        found = connection.exec_driver_sql(
            "SELECT message_id, id FROM hand_events WHERE id > ?", (last,)
        )
        return dict(found.fetchall())

    def move_streams(
        self, connection: Connection, changes: Sequence[StreamChange], now: datetime
    ) -> dict[bytes, int]:
        rows = [
            (
                each.key,
                _text(each.first),
                _text(each.last),
                _text(each.last + EXPIRATION),
                _text(now) if each.fires else None,
                each.events,
            )
            for each in changes
        ]
        connection.exec_driver_sql(_MOVE_STREAMS, rows)
        keys = tuple(each.key for each in changes)
        found = connection.exec_driver_sql(
            f"SELECT open_key, id FROM hand_streams WHERE open_key IN ({_placeholders(keys)})", keys
        )
        return dict(found.fetchall())

    def insert_links(self, connection: Connection, links: list[tuple[int, int]]) -> None:
        connection.exec_driver_sql(
            "INSERT INTO hand_links (stream_id, event_id) VALUES (?, ?)", links
        )

    def claim(self, connection: Connection, now: datetime, limit: int) -> list[Claim]:
        values = (WORKER, _text(now + LEASE), _text(now), limit)
        rows = connection.exec_driver_sql(_CLAIM, values)
        return [Claim(*row) for row in rows.fetchall()]

    def load(self, connection: Connection, claims: Sequence[Claim]) -> Iterable[Sequence[Any]]:
        ids = tuple(each.id for each in claims)
        rows = connection.exec_driver_sql(_LOAD.format(_placeholders(ids)), ids)
        return [(stream, *head, _moment(text), traits) for stream, *head, text, traits in rows]

    def complete(self, connection: Connection, claims: Sequence[Claim]) -> int:
        serials = {each.id: each.serial for each in claims}
        ids = tuple(serials)
        rows = connection.exec_driver_sql(
            f"SELECT id, serial FROM hand_streams WHERE id IN ({_placeholders(ids)})", ids
        )
        held = tuple(stream_id for stream_id, serial in rows if serials[stream_id] == serial)
        for statement in ("hand_streams WHERE id", "hand_links WHERE stream_id"):
            connection.exec_driver_sql(f"DELETE FROM {statement} IN ({_placeholders(held)})", held)
        return len(held)


def _placeholders(values: Sequence[Any]) -> str:
    return ",".join("?" * len(values))


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
