"""Finding rows in the order of their ids, by filters of which any may meet all rows or none.

A database that is asked for the first rows by id that meet a filter goes either through the ids,
and reads all rows when those that it looks for come last, or through the filter's index, and sorts
millions when most rows meet it. Which of the two it takes is a guess that rows are spread evenly,
which events and streams, whose ids grow with their times, never are. So both are tried here in
turn, each where it is cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection

    from winchester_core.storage.dialects import SqlDialect

WINDOW = 10_000
"""How many rows are gone through before the filters' own indexes are asked."""


def ids_past(
    connection: Connection,
    dialect: SqlDialect,
    row_id: ColumnElement[int],
    cursor: int,
    limit: int,
    conditions: Sequence[ColumnElement[bool]],
    *,
    through_indexes: Sequence[ColumnElement[bool]] | None = None,
) -> list[int]:
    """The first `limit` ids past `cursor`, in order, of rows that meet all `conditions`.

    `through_indexes` says the same as `conditions`, in a form that finds few among many rows.
    """
    in_order = select(row_id).where(row_id > cursor).order_by(row_id)
    if not conditions:
        return _ids(connection, in_order.limit(limit))
    # of rows, not of ids: where events have been trimmed, few ids are left among many
    last = connection.execute(in_order.offset(WINDOW - 1).limit(1)).scalar_one_or_none()
    near = in_order if last is None else in_order.where(row_id <= last)
    found = _ids(connection, near.where(*map(dialect.row_by_row, conditions)).limit(limit))
    if len(found) < limit and last is not None:
        # the sum hides the order of ids from the database, which would go through them all
        far = select(row_id).where(row_id > last).order_by(row_id + 0)
        wanted = conditions if through_indexes is None else through_indexes
        found += _ids(connection, far.where(*wanted).limit(limit - len(found)))
    return found


def _ids(connection: Connection, query: Any) -> list[int]:
    return list(connection.execute(query).scalars())
