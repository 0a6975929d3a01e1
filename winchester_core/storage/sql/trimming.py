"""Trimming: old events go in small transactions that wait for nobody.

Events are looked at in the order of their times, without a lock. Only those that go are locked,
and those that another worker removes at this moment are passed over. An event is linked to streams
in the transaction that stores it and never later, so that one that is visible and that no
uncompleted stream holds stays so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from winchester_core.storage.records import TrimCursor, Trimmed
from winchester_core.storage.sql.queries import events, links

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from winchester_core.storage.dialects import SqlDialect

PAGES = 10
"""How many times `limit` events are looked at, at most, before one is found that may go."""


def trim(
    connection: Connection,
    dialect: SqlDialect,
    *,
    older_than: datetime,
    stored_before: datetime,
    limit: int,
    cursor: TrimCursor | None,
) -> Trimmed:
    """Remove up to `limit` events that no uncompleted stream holds, and their links."""
    removed = kept = 0
    for _ in range(PAGES):
        page = events.older(connection, older_than, cursor, limit)
        old = [row.id for row in page if row.stored_at < stored_before]
        removed = _remove(connection, dialect, old)
        kept += len(page) - removed
        if page:
            cursor = TrimCursor(page[-1].timestamp, page[-1].id)
        if removed or len(page) < limit:
            break
    return Trimmed(removed, kept, cursor, more=len(page) == limit)


def _remove(connection: Connection, dialect: SqlDialect, old: list[int]) -> int:
    held = links.held(connection, old)
    doomed = events.lock_free(connection, dialect, [each for each in old if each not in held])
    links.delete_to(connection, dialect, doomed)
    return events.delete_all(connection, doomed)
