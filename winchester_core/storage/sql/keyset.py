"""Keyset pagination in both directions, with filters of any selectivity.

To find the first rows of an order that meet a filter, a database has two plans. It can scan the
index of the order, which reads the whole table if matches come last. Or it can scan the filter's
index, which sorts millions of rows if most rows match. The planner assumes that matches are spread
evenly, but ids of events and streams grow with their times. So both plans are used in turn, each
where it is cheap. If no index serves the filter, the index of the order is scanned in windows.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import and_, case, literal, or_, select, tuple_

from winchester_core.model.event import MAX_INT
from winchester_core.storage.records import ListOrder
from winchester_core.storage.sql.dialects.bulk import parameter_batches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Column, ColumnElement, Row, Select, Table

    from winchester_core.storage.sql.database import Transaction

Comparison: TypeAlias = Callable[[Any, Any], "ColumnElement[bool]"]

SCAN_WINDOW_ROWS = 10_000
"""Number of rows to scan in order before the filters' indexes are used."""


@dataclass(frozen=True, slots=True)
class Keyset:
    """An order of rows: `columns` of an index, ascending or descending together.

    The last column is the row id. `least` and `greatest` are bounds of the first column. A key is a
    tuple of the values of `columns`. `index` is the name of the index, None for the primary key.
    """

    columns: tuple[Column[Any], ...]
    least: Any
    greatest: Any
    order: ListOrder
    index: str | None = None

    @property
    def is_newest(self) -> bool:
        """Return whether the order is descending."""
        return ListOrder(self.order) is ListOrder.NEWEST

    @property
    def row_id(self) -> Column[int]:
        """Return the column of the row id."""
        return self.columns[-1]

    def after(self, key: Sequence[Any] | None) -> ColumnElement[bool]:
        """Return the condition for rows after `key` in this order; for all rows if it is None."""
        if key is not None:
            return _compare(self.columns, key, operator.lt if self.is_newest else operator.gt)
        # always true, so that every plan has an index range
        if self.is_newest:
            return _compare(self.columns[:1], (self.greatest,), operator.le)
        return _compare(self.columns[:1], (self.least,), operator.ge)

    def through(self, key: Sequence[Any]) -> ColumnElement[bool]:
        """Return the condition for rows up to `key` in this order, including `key`."""
        return _compare(self.columns, key, operator.ge if self.is_newest else operator.le)

    def sort(self, query: Select[Any], *, by_index: bool = True) -> Select[Any]:
        """Return `query` in this order. Unless `by_index`, no index can provide the order."""
        columns: list[ColumnElement[Any]] = [*self.columns]
        if not by_index:
            columns = [case((self.row_id >= 0, each)) for each in columns]
        return query.order_by(*(each.desc() if self.is_newest else each for each in columns))


def id_keyset(table: Table, order: ListOrder, index: str | None = None) -> Keyset:
    """Return the order by id, which is the order of storing.

    It is the order of an `index` whose other columns are equal in all rows of the list.
    """
    return Keyset((table.c.id,), 0, MAX_INT, order, index)


def id_key(cursor: int | None) -> tuple[int] | None:
    """Return the key of a row by its id."""
    return None if cursor is None else (int(cursor),)


def _compare(
    columns: Sequence[Column[Any]], key: Sequence[Any], compare: Comparison
) -> ColumnElement[bool]:
    """Return the condition that `columns` compare with `key` as tuples do.

    So that the index range begins at `key` even among many rows with the same time, MariaDB needs
    the comparison of each column, and PostgreSQL that of the tuples. SQLite reads the rows with the
    same time, but only in the index.
    """
    condition = compare(columns[-1], key[-1])
    if len(columns) == 1:
        return condition
    strict = operator.lt if compare in (operator.lt, operator.le) else operator.gt
    for column, value in zip(reversed(columns[:-1]), reversed(key[:-1]), strict=True):
        condition = or_(strict(column, value), and_(column == value, condition))
    values = (literal(value, each.type) for each, value in zip(columns, key, strict=True))
    return and_(condition, compare(tuple_(*columns), tuple_(*values)))


def find_ids(
    tx: Transaction,
    keyset: Keyset,
    cursor: Sequence[Any] | None,
    limit: int,
    conditions: Sequence[ColumnElement[bool]],
    *,
    indexed_conditions: Sequence[ColumnElement[bool]] | None,
    within: Sequence[ColumnElement[bool]] = (),
) -> list[int]:
    """Return the first `limit` ids after the key `cursor` of rows that meet all conditions.

    See `find_keys`.
    """
    keys = find_keys(
        tx,
        keyset,
        cursor,
        limit,
        conditions,
        indexed_conditions=indexed_conditions,
        within=within,
    )
    return [key[-1] for key in keys]


def find_keys(
    tx: Transaction,
    keyset: Keyset,
    cursor: Sequence[Any] | None,
    limit: int,
    conditions: Sequence[ColumnElement[bool]],
    *,
    indexed_conditions: Sequence[ColumnElement[bool]] | None,
    within: Sequence[ColumnElement[bool]] = (),
) -> list[tuple[Any, ...]]:
    """Return the first `limit` keys after the key `cursor` of rows that meet all conditions.

    `indexed_conditions` is equivalent to `conditions`, in a form that is fast if few rows match, or
    None if no index serves any of them. `within` are further conditions; the index of the order
    serves them.
    """
    found: list[tuple[Any, ...]] = []
    while True:
        rest = select(*keyset.columns).where(*within, keyset.after(cursor))
        in_order = keyset.sort(rest)
        if keyset.index is not None:
            in_order = tx.dialect.force_index(in_order, keyset.row_id.table, keyset.index)
        if not conditions:
            return _keys(tx, in_order.limit(limit))
        # the window counts rows, not ids, because trimming leaves gaps in the ids of events
        last = _keys(tx, in_order.offset(SCAN_WINDOW_ROWS - 1).limit(1))
        window = in_order.where(keyset.through(last[0])) if last else in_order
        filtered = window.where(*map(tx.dialect.filter_only, conditions))
        found += _keys(tx, filtered.limit(limit - len(found)))
        if len(found) >= limit or not last:
            return found
        (cursor,) = last
        if indexed_conditions is not None:
            # not by the index of the order, because scanning it would read all rows
            after = tx.dialect.filter_only(keyset.after(cursor))
            rest = select(*keyset.columns).where(*within, after, *indexed_conditions)
            return found + _keys(tx, keyset.sort(rest, by_index=False).limit(limit - len(found)))


def rows_in_order(
    tx: Transaction, query: Select[Any], row_id: ColumnElement[int], ids: Sequence[int]
) -> list[Row[Any]]:
    """Return the rows of `query` with these ids, in the order of `ids`."""
    rows: dict[int, Row[Any]] = {}
    with_ids = query.add_columns(row_id.label("row_id"))
    for batch in parameter_batches(ids):
        found = tx.execute(with_ids.where(tx.dialect.is_one_of(row_id, batch)).order_by(row_id))
        rows.update((row.row_id, row) for row in found)
    return [rows[each] for each in ids if each in rows]


def _keys(tx: Transaction, query: Select[Any]) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in tx.execute(query)]
