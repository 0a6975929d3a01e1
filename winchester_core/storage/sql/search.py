"""Finding rows in the order of their ids, by filters of which any may meet all rows or none.

A database that is asked for the first rows by id that meet a filter goes either through the ids,
and reads all rows when those that it looks for come last, or through the filter's index, and sorts
millions when most rows meet it. Which of the two it takes is a guess that rows are spread evenly,
which events and streams, whose ids grow with their times, never are. So both are tried here in
turn, each where it is cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, select

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection

    from winchester_core.storage.sql.dialects import SqlDialect

SCAN_WINDOW_ROWS = 10_000
"""How many rows are gone through before the filters' own indexes are asked."""


def ids_after(
    connection: Connection,
    dialect: SqlDialect,
    row_id: ColumnElement[int],
    cursor: int,
    limit: int,
    conditions: Sequence[ColumnElement[bool]],
    *,
    indexed_conditions: Sequence[ColumnElement[bool]] | None = None,
) -> list[int]:
    """The first `limit` ids past `cursor`, in order, of rows that meet all `conditions`.

    `indexed_conditions` says the same as `conditions`, in a form that finds few among many rows.
    """
    in_order = select(row_id).where(row_id > cursor).order_by(row_id)
    if not conditions:
        return _ids(connection, in_order.limit(limit))
    # of rows, not of ids: where events have been trimmed, few ids are left among many
    last = connection.execute(in_order.offset(SCAN_WINDOW_ROWS - 1).limit(1)).scalar_one_or_none()
    near = in_order if last is None else in_order.where(row_id <= last)
    found = _ids(connection, near.where(*map(dialect.filter_only, conditions)).limit(limit))
    if len(found) < limit and last is not None:
        # the sum hides the order of ids from the database, which would go through them all
        far = select(row_id).where(row_id > last).order_by(row_id + 0)
        wanted = conditions if indexed_conditions is None else indexed_conditions
        found += _ids(connection, far.where(*wanted).limit(limit - len(found)))
    return found


def _ids(connection: Connection, query: Any) -> list[int]:
    return list(connection.execute(query).scalars())


WILDCARDS = frozenset("*?")
_GREATEST = "\U0010ffff"


def matches_glob(dialect: SqlDialect, column: ColumnElement[str], glob: str) -> ColumnElement[bool]:
    """`column` matches `glob`. The part before the first wildcard bounds an index range."""
    prefix = literal_prefix(glob)
    if prefix == glob:
        return column == glob
    condition = dialect.matches_glob(column, glob)
    if not prefix:
        return condition
    return and_(column >= prefix, column < prefix + _GREATEST, condition)


def literal_prefix(glob: str) -> str:
    """What stands before the first wildcard."""
    for index, character in enumerate(glob):
        if character in WILDCARDS:
            return glob[:index]
    return glob
