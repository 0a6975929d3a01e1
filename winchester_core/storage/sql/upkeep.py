"""Upkeep: waits and silences that have ended, and old members.

Each function is one transaction of bounded size. Rows that other transactions have locked are
skipped; they are found again later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select, update

from winchester_core.model.stream import HOLDING, StreamState
from winchester_core.storage.sql import stream_rows
from winchester_core.storage.sql.dialects.bulk import parameter_batches
from winchester_core.storage.sql.queries import distinct_texts
from winchester_core.storage.sql.tables import events, silent_groups, stream_events, streams
from winchester_core.triggers.details import format_details, parse_details
from winchester_core.triggers.windows import TIMESTAMP

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime
    from typing import Any

    from sqlalchemy import Row, Select

    from winchester_core.storage.sql.database import Transaction
    from winchester_core.triggers.definition import TriggerDefinition

MAX_UNLINKED = 1_000
"""Maximum number of members of a stream that one transaction unlinks."""


def end_waiting(tx: Transaction, now: datetime, limit: int) -> int:
    """Delete up to `limit` rows in which every wait has ended at stream time `now`.

    Return their number. The events stay.
    """
    query = select(streams.c.id).where(streams.c.state == HOLDING)
    rows = _due(tx, query, now, limit)
    stream_rows.delete_streams(tx, sorted(row.id for row in rows))
    return len(rows)


def delete_silences(
    tx: Transaction, now: datetime, definitions: Collection[TriggerDefinition], limit: int
) -> int:
    """Delete up to `limit` silences of each of these triggers that are over at stream time `now`.

    Silences of a trigger without `suppress` are over. Return the number of deleted silences.
    """
    deleted = 0
    by_name = {each.name: each for each in definitions}
    for name in distinct_texts(tx, silent_groups.c.name):
        definition = by_name.get(name)
        if definition is not None:
            deleted += _delete_silences(tx, now, definition, limit)
    return deleted


def _delete_silences(
    tx: Transaction, now: datetime, definition: TriggerDefinition, limit: int
) -> int:
    query = select(silent_groups.c.group_key).where(silent_groups.c.name == definition.name)
    if definition.suppress:
        query = query.where(silent_groups.c.fire_timestamp <= now - definition.suppress)
    query = query.order_by(silent_groups.c.fire_timestamp).limit(limit)
    keys = list(tx.execute(tx.dialect.lock_rows(query, skip_locked=True)).scalars())
    for batch in parameter_batches(keys):
        tx.execute(delete(silent_groups).where(silent_groups.c.group_key.in_(batch)))
    return len(keys)


def unlink_old_members(
    tx: Transaction, definition: TriggerDefinition, now: datetime, limit: int
) -> int:
    """Unlink members of up to `limit` streams that do not count any more because of `keep`.

    Return `limit` if there may be more, otherwise a smaller number.
    """
    query = select(streams.c.id, streams.c.progress).where(
        streams.c.state == StreamState.ACTIVE.value, streams.c.name == definition.name
    )
    rows = _due(tx, query, now, limit)
    are_done = [_unlink(tx, definition, row) for row in rows]
    return len(rows) if all(are_done) else limit


def _unlink(tx: Transaction, definition: TriggerDefinition, row: Row[Any]) -> bool:
    """Unlink old members of a locked stream; return whether none is left."""
    details = parse_details(row.progress)
    keep = definition.keep
    if details is None or keep is None or details.ordered is None or not details.ordered.recent:
        tx.execute(update(streams).where(streams.c.id == row.id).values(upkeep_at=None))
        return True
    oldest = details.time(details.ordered.recent[-1][TIMESTAMP]) - keep
    members = stream_events.join(events, events.c.id == stream_events.c.event_id)
    of_stream = stream_events.c.stream_id == row.id
    query = select(stream_events.c.position).select_from(members)
    old = query.where(of_stream, events.c.timestamp < oldest).limit(MAX_UNLINKED)
    positions = list(tx.execute(old).scalars())
    for batch in parameter_batches(positions):
        tx.execute(delete(stream_events).where(of_stream, stream_events.c.position.in_(batch)))
    if len(positions) == MAX_UNLINKED:
        return False  # it stays due
    left = select(func.min(events.c.timestamp)).select_from(members).where(of_stream)
    first = tx.execute(left).scalar_one()
    details.oldest = None if first is None else details.offset(first)
    values = {"progress": format_details(details), "upkeep_at": None}
    tx.execute(update(streams).where(streams.c.id == row.id).values(values))
    return True


def _due(tx: Transaction, query: Select[Any], now: datetime, limit: int) -> list[Row[Any]]:
    """Lock and return the first `limit` rows of streams whose upkeep is due."""
    due = query.where(streams.c.upkeep_at <= now).order_by(streams.c.upkeep_at).limit(limit)
    indexed = tx.dialect.force_index(due, streams, "ix_streams_state_upkeep_at")
    return list(tx.execute(tx.dialect.lock_rows(indexed, skip_locked=True)))
