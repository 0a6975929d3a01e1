"""The pattern in SQLAlchemy Core, for every database: many rows as the library sends them."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    JSON,
    Text,
    bindparam,
    cast,
    delete,
    func,
    insert,
    select,
    tuple_,
    type_coerce,
    update,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.types import TypeDecorator

from benchmarks.hand_written.pattern import (
    EXPIRATION,
    LEASE,
    WORKER,
    Claim,
    StreamChange,
    WritePattern,
    traits_of,
)
from benchmarks.hand_written.tables import events, links, streams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Dialect, Engine
    from sqlalchemy.sql.dml import Insert


class _Traits(TypeDecorator[Any]):
    """JSON column that stores the traits of a whole event."""

    impl = JSON
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any]:
        return traits_of


class CorePattern(WritePattern):
    """See `WritePattern`."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._insert_events, self._upsert_streams = _upserts(engine.dialect.name)

    def insert_events(
        self, connection: Connection, batch: Sequence[Mapping[str, Any]]
    ) -> dict[str, int]:
        rows = [
            {
                "message_id": event["message_id"],
                "event_type": event["event_type"],
                "timestamp": event["timestamp"],
                "traits": event,
            }
            for event in batch
        ]
        return dict(connection.execute(self._insert_events, rows).all())

    def move_streams(
        self, connection: Connection, changes: Sequence[StreamChange], now: datetime
    ) -> dict[bytes, int]:
        rows = [
            {
                "open_key": each.key,
                "state": "active",
                "serial": 0,
                "first_event": each.first,
                "last_event": each.last,
                "expire_timestamp": each.last + EXPIRATION,
                "fire_timestamp": now if each.fires else None,
                "event_count": each.events,
            }
            for each in changes
        ]
        return dict(connection.execute(self._upsert_streams, rows).all())

    def insert_links(self, connection: Connection, links_: list[tuple[int, int]]) -> None:
        rows = [{"stream_id": stream, "event_id": event} for stream, event in links_]
        connection.execute(insert(links), rows)

    def claim(self, connection: Connection, now: datetime, limit: int) -> list[Claim]:
        ready = (
            select(streams.c.id, streams.c.serial)
            .where(streams.c.state == "active", streams.c.fire_timestamp <= now)
            .order_by(streams.c.fire_timestamp)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        claims = [Claim(row.id, row.serial + 1) for row in connection.execute(ready)]
        connection.execute(
            update(streams)
            .where(streams.c.id.in_([each.id for each in claims]))
            .values(
                state="firing",
                serial=streams.c.serial + 1,
                open_key=None,
                worker=WORKER,
                lease_until=now + LEASE,
            )
        )
        return claims

    def load(self, connection: Connection, claims: Sequence[Claim]) -> Iterable[Sequence[Any]]:
        traits: Any = events.c.traits
        is_postgresql = self.engine.dialect.name == "postgresql"
        query = (
            select(
                links.c.stream_id,
                events.c.message_id,
                events.c.event_type,
                events.c.timestamp,
                cast(traits, Text()) if is_postgresql else type_coerce(traits, Text()),
            )
            .join_from(links, events, events.c.id == links.c.event_id)
            .where(links.c.stream_id.in_([each.id for each in claims]))
            .order_by(links.c.stream_id, events.c.timestamp, events.c.id)
        )
        rows = connection.execute(query).all()
        if is_postgresql:
            return rows
        return [(*row[:3], row[3].replace(tzinfo=UTC), row[4]) for row in rows]

    def complete(self, connection: Connection, claims: Sequence[Claim]) -> int:
        proofs = [(each.id, each.serial) for each in claims]
        mine = tuple_(streams.c.id, streams.c.serial).in_(proofs)
        query = select(streams.c.id).where(mine).with_for_update()
        held = list(connection.execute(query).scalars())
        connection.execute(delete(links).where(links.c.stream_id.in_(held)))
        connection.execute(delete(streams).where(streams.c.id.in_(held)))
        return len(held)


def _upserts(dialect: str) -> tuple[Insert, Insert]:
    """Return the database's statements that skip known events and move existing streams."""
    event_ids, stream_ids = (events.c.message_id, events.c.id), (streams.c.open_key, streams.c.id)
    traits = {"traits": bindparam("traits", type_=_Traits())}
    if dialect == "mariadb":
        moved = mysql.insert(streams)
        changes = _changes(moved.inserted, func.least, func.greatest)
        return (
            insert(events).prefix_with("IGNORE").values(traits).returning(*event_ids),
            moved.on_duplicate_key_update(changes).returning(*stream_ids),
        )
    kind: Any = {"postgresql": postgresql, "sqlite": sqlite}[dialect]
    least, greatest = (func.least, func.greatest) if kind is postgresql else (func.min, func.max)
    new, moved = kind.insert(events), kind.insert(streams)
    changes = _changes(moved.excluded, least, greatest)
    return (
        new.on_conflict_do_nothing(index_elements=["message_id"])
        .values(traits)
        .returning(*event_ids),
        moved.on_conflict_do_update(index_elements=["open_key"], set_=changes).returning(
            *stream_ids
        ),
    )


def _changes(new: Any, least: Any, greatest: Any) -> dict[str, Any]:
    now = streams.c
    return {
        "first_event": least(now.first_event, new.first_event),
        "last_event": greatest(now.last_event, new.last_event),
        "expire_timestamp": greatest(now.expire_timestamp, new.expire_timestamp),
        "fire_timestamp": func.coalesce(now.fire_timestamp, new.fire_timestamp),
        "event_count": now.event_count + new.event_count,
    }
