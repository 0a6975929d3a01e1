"""Trimming: deletion of old events in small transactions that never wait for locks.

Candidates are read in the order of their times, without locks. Only events to delete are locked;
rows that another worker has locked are skipped. Checking without a lock is safe, because an event
is linked to streams only in the transaction that stores it. So if a visible event belongs to no
uncompleted stream, this stays true.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, or_, select

from winchester_core.model.stream import StreamState
from winchester_core.storage.records import TrimCursor, TrimResult
from winchester_core.storage.sql.dialects.bulk import parameter_batches
from winchester_core.storage.sql.tables import events, stream_events, streams

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from typing import Any

    from sqlalchemy import Row

    from winchester_core.storage.sql.database import Transaction

MAX_PAGES = 10
"""Maximum number of pages (of `limit` events) to check until an event can be deleted."""


def trim(
    tx: Transaction,
    older_than: datetime,
    stored_before: datetime,
    limit: int,
    cursor: TrimCursor | None = None,
) -> TrimResult:
    """Delete up to `limit` events that belong to no uncompleted stream, and their links."""
    removed = kept = 0
    for _ in range(MAX_PAGES):
        page = _older_events(tx, older_than, cursor, limit)
        old = [row.id for row in page if row.stored_at < stored_before]
        removed = _delete_unused(tx, old)
        kept += len(page) - removed
        if page:
            cursor = TrimCursor(page[-1].timestamp, page[-1].id)
        if removed or len(page) < limit:
            break
    return TrimResult(removed, kept, cursor, more=len(page) == limit)


def _delete_unused(tx: Transaction, old: list[int]) -> int:
    in_use = _linked_to_uncompleted(tx, old)
    deletable = _lock_skipping_locked(tx, [each for each in old if each not in in_use])
    _delete_links(tx, deletable)
    return sum(
        tx.execute(delete(events).where(events.c.id.in_(batch))).rowcount
        for batch in parameter_batches(deletable)
    )


def _older_events(
    tx: Transaction, older_than: datetime, cursor: TrimCursor | None, limit: int
) -> list[Row[Any]]:
    """Return up to `limit` events (id, both times) after `cursor` with an older timestamp."""
    query = (
        select(events.c.id, events.c.timestamp, events.c.stored_at)
        .where(events.c.timestamp < older_than)
        .order_by(events.c.timestamp, events.c.id)
        .limit(limit)
    )
    if cursor is not None:
        # the first condition limits the index range on every database
        query = query.where(
            events.c.timestamp >= cursor.timestamp,
            or_(events.c.timestamp > cursor.timestamp, events.c.id > cursor.row_id),
        )
    return list(tx.execute(query))


def _lock_skipping_locked(tx: Transaction, row_ids: Sequence[int]) -> list[int]:
    """Lock these events, except events that are locked or deleted; return the locked ids."""
    locked: list[int] = []
    for batch in parameter_batches(row_ids):
        query = select(events.c.id).where(events.c.id.in_(batch)).order_by(events.c.id)
        indexed = tx.dialect.force_index(query, events, "PRIMARY")
        locked += tx.execute(tx.dialect.lock_rows(indexed, skip_locked=True)).scalars()
    return locked


def _linked_to_uncompleted(tx: Transaction, event_ids: Sequence[int]) -> set[int]:
    """Return the ids of the events that belong to an uncompleted stream."""
    found: set[int] = set()
    for batch in parameter_batches(event_ids):
        query = (
            select(stream_events.c.event_id)
            .join(streams, streams.c.id == stream_events.c.stream_id)
            .where(
                stream_events.c.event_id.in_(batch),
                streams.c.state != StreamState.COMPLETED.value,
            )
        )
        found.update(tx.execute(query).scalars())
    return found


def _delete_links(tx: Transaction, event_ids: Sequence[int]) -> None:
    statement = tx.dialect.delete_by_index(stream_events, "ix_stream_events_event_id")
    for batch in parameter_batches(event_ids):
        tx.execute(statement.where(stream_events.c.event_id.in_(batch)))
