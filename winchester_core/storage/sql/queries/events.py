"""Statements on the table of events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, or_, select

from winchester_core.errors import DataRefused
from winchester_core.model.event import REQUIRED_KEYS, Event
from winchester_core.storage.dialects.bulk import RowInsert, RowLock
from winchester_core.storage.sql.finding import ids_past
from winchester_core.storage.sql.globs import matches_glob
from winchester_core.storage.sql.pages import pages
from winchester_core.storage.sql.tables import events

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, Row

    from winchester_core.storage.dialects import SqlDialect
    from winchester_core.storage.records import EventFilter, TrimCursor

_NEW = RowInsert(
    events,
    (*REQUIRED_KEYS, "traits"),
    known_by="message_id",
    stamp="stored_at",
    returning=("message_id", "id"),
)

_COLUMNS = (events.c.message_id, events.c.event_type, events.c.timestamp, events.c.traits)


def insert_new(
    connection: Connection,
    dialect: SqlDialect,
    batch: Sequence[Event],
    lock: RowLock,
    keys: Sequence[Any],
) -> tuple[dict[str, int], list[Sequence[Any]]]:
    """Store the events whose ids are not known yet, and then carry out `lock` for `keys`.

    Returns the events' row ids by message id, and the rows that were locked. Rows go in by message
    id, so that two processes with overlapping batches wait for each other
    instead of locking each other out.
    """
    first = {event["message_id"]: event for event in reversed(batch)}
    rows = [_row(first[message_id]) for message_id in sorted(first)]
    inserted, locked = dialect.bulk.insert_and_lock(connection, _NEW, rows, lock, keys)
    stored: dict[str, int] = dict(inserted)
    if dialect.hides_refusals and (passed_over := first.keys() - stored.keys()):
        _check_known(connection, sorted(passed_over))
    return stored, locked


def _row(event: Event) -> tuple[Any, ...]:
    traits = event.copy()
    return (*map(traits.pop, REQUIRED_KEYS), traits)


def _check_known(connection: Connection, message_ids: Sequence[str]) -> None:
    known: set[str] = set()
    for page in pages(message_ids):
        query = select(events.c.message_id).where(events.c.message_id.in_(page))
        known.update(connection.execute(query).scalars())
    missing = [each for each in message_ids if each not in known]
    if missing:
        raise DataRefused(f"{len(missing)} rows were refused for their content")


def event_of(row: Any) -> Event:
    """The event that a row holds."""
    return {
        "message_id": row.message_id,
        "event_type": row.event_type,
        "timestamp": row.timestamp,
        **row.traits,
    }


def by_message_id(connection: Connection, message_id: str) -> Event | None:
    """The event with this id, if it is stored."""
    row = connection.execute(select(*_COLUMNS).where(events.c.message_id == message_id)).first()
    return event_of(row) if row else None


def page_after(
    connection: Connection, dialect: SqlDialect, wanted: EventFilter, cursor: int, limit: int
) -> list[tuple[int, Event]]:
    """Up to `limit` (row id, event) past the row `cursor`, by row id; traits are not looked at."""
    ids = ids_past(connection, dialect, events.c.id, cursor, limit, _conditions(dialect, wanted))
    found: list[tuple[int, Event]] = []
    for page in pages(ids):
        query = select(events.c.id, *_COLUMNS).where(events.c.id.in_(page)).order_by(events.c.id)
        found += [(row.id, event_of(row)) for row in connection.execute(query)]
    return found


def count(connection: Connection, dialect: SqlDialect, wanted: EventFilter) -> int:
    """How many events there are; traits are not looked at."""
    query = select(func.count()).select_from(events).where(*_conditions(dialect, wanted))
    return connection.execute(query).scalar_one()


def row_id(connection: Connection, message_id: str) -> int | None:
    """The row of the event with this id."""
    query = select(events.c.id).where(events.c.message_id == message_id)
    return connection.execute(query).scalar_one_or_none()


def _conditions(dialect: SqlDialect, wanted: EventFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.event_type is not None:
        conditions.append(matches_glob(dialect, events.c.event_type, wanted.event_type))
    if wanted.since is not None:
        conditions.append(events.c.timestamp >= wanted.since)
    if wanted.until is not None:
        conditions.append(events.c.timestamp < wanted.until)
    return conditions


def older(
    connection: Connection, older_than: datetime, cursor: TrimCursor | None, limit: int
) -> list[Row[Any]]:
    """The first `limit` events (id, both times) past `cursor` whose own time is older."""
    query = (
        select(events.c.id, events.c.timestamp, events.c.stored_at)
        .where(events.c.timestamp < older_than)
        .order_by(events.c.timestamp, events.c.id)
        .limit(limit)
    )
    if cursor is not None:
        # the first of these bounds the index range on every database
        query = query.where(
            events.c.timestamp >= cursor.timestamp,
            or_(events.c.timestamp > cursor.timestamp, events.c.id > cursor.row_id),
        )
    return list(connection.execute(query))


def lock_free(connection: Connection, dialect: SqlDialect, row_ids: Sequence[int]) -> list[int]:
    """Lock these events; those that another process has locked, or removed, are passed over."""
    locked: list[int] = []
    for page in pages(row_ids):
        query = select(events.c.id).where(events.c.id.in_(page)).order_by(events.c.id)
        indexed = dialect.through_index(query, events, "PRIMARY")
        locked += connection.execute(dialect.lock_rows(indexed, skip_locked=True)).scalars()
    return locked


def delete_all(connection: Connection, row_ids: Sequence[int]) -> int:
    """Remove these events; return how many there were."""
    return sum(
        connection.execute(delete(events).where(events.c.id.in_(page))).rowcount
        for page in pages(row_ids)
    )
