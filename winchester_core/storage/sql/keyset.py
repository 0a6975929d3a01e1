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
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import and_, case, literal, or_, select, tuple_

from winchester_core.model.event import MAX_INT
from winchester_core.storage.filters import ListOrder
from winchester_core.storage.sql.dialects.bulk import parameter_batches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Column, ColumnElement, Row, Select, Subquery, Table

    from winchester_core.storage.sql.database import Transaction
    from winchester_core.storage.sql.dialects import SqlDialect

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

    @property
    def types(self) -> list[type]:
        """The types of the values of a key."""
        return [type(self.least), *(int for _ in self.columns[1:])]

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

    def over(self, rows: Subquery) -> Keyset:
        """Return the same order of the rows of a subquery, which has the columns of the key."""
        columns: Any = tuple(rows.c[column.name] for column in self.columns)
        return replace(self, columns=columns, index=None)

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


@dataclass(frozen=True, slots=True)
class Candidates:
    """A query for one column `id`, through one index, that finds the rows that may match.

    If the ids are of another table, `to_row_ids` returns the query for the ids of the list's rows,
    from the rows of `query`; it may repeat ids. `index` is the name of the index, for databases
    that need an index hint. `remaining` are the filters that the rows may not meet; None for all of
    the search.
    """

    query: Select[Any]
    index: str | None = None
    to_row_ids: Callable[[Subquery], Select[Any]] | None = None
    remaining: Sequence[ColumnElement[bool]] | None = None


@dataclass(frozen=True, slots=True)
class Search:
    """A search for rows in an order.

    `conditions` are those of the filters. `indexed_conditions` are equivalent, in a form that is
    fast if few rows match, or None if no index serves any of them. `within` are further conditions
    that the index of the order serves, `base` those that nearly all rows meet. `member_count` is
    the column with the number of members of a row, if these are read to compare it.
    """

    keyset: Keyset
    conditions: Sequence[ColumnElement[bool]]
    indexed_conditions: Sequence[ColumnElement[bool]] | None = None
    within: Sequence[ColumnElement[bool]] = ()
    base: Sequence[ColumnElement[bool]] = ()
    candidates: Candidates | None = None
    member_count: Column[int] | None = None

    @property
    def filters(self) -> list[ColumnElement[bool]]:
        """The conditions that the index of the order does not serve."""
        return [*self.base, *self.conditions]

    @property
    def counted(self) -> list[ColumnElement[bool]]:
        """All conditions, in the form for all rows at once."""
        indexed = self.indexed_conditions
        return [*self.within, *self.base, *(self.conditions if indexed is None else indexed)]

    def in_order(self, dialect: SqlDialect, cursor: Sequence[Any] | None) -> Select[Any]:
        """Return the query for the keys after `cursor` within the conditions of the order."""
        keyset = self.keyset
        query = select(*keyset.columns).where(*self.within, keyset.after(cursor))
        in_order = keyset.sort(query)
        if keyset.index is None:
            return in_order
        return dialect.force_index(in_order, keyset.row_id.table, keyset.index)


def find_keys(
    tx: Transaction, search: Search, cursor: Sequence[Any] | None, limit: int
) -> list[tuple[Any, ...]]:
    """Return the first `limit` keys after the key `cursor` of rows that meet all conditions."""
    keyset, conditions = search.keyset, search.filters
    found: list[tuple[Any, ...]] = []
    while True:
        in_order = search.in_order(tx.dialect, cursor)
        if not conditions:
            return fetch_keys(tx, in_order.limit(limit))
        # the window counts rows, not ids, because trimming leaves gaps in the ids of events
        last = fetch_keys(tx, in_order.offset(SCAN_WINDOW_ROWS - 1).limit(1))
        window = in_order.where(keyset.through(last[0])) if last else in_order
        filtered = window.where(*map(tx.dialect.filter_only, conditions))
        found += fetch_keys(tx, filtered.limit(limit - len(found)))
        if len(found) >= limit or not last:
            return found
        (cursor,) = last
        if search.indexed_conditions is not None:
            # not by the index of the order, because scanning it would read all rows
            after = tx.dialect.filter_only(keyset.after(cursor))
            rest = select(*keyset.columns).where(*search.counted, after)
            ordered = keyset.sort(rest, by_index=False)
            return found + fetch_keys(tx, ordered.limit(limit - len(found)))


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


def fetch_keys(tx: Transaction, query: Select[Any]) -> list[tuple[Any, ...]]:
    """Return the rows of a query for keys."""
    return [tuple(row) for row in tx.execute(query)]
