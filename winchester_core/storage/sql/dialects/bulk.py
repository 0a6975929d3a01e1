"""Statements on many rows, and the base class of the databases' writers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from winchester_core.storage.sql.dialects import driver_statements
from winchester_core.storage.sql.dialects.driver_statements import ColumnKind, RowDecoder, by_value
from winchester_core.storage.sql.types import time_decoder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Column, Connection, Table


MAX_ROWS = 1_000
"""Maximum number of rows in a statement; enough for a batch of ingest."""

SMALL_BATCH_ROWS = 100
"""Number of rows up to which the round trip to the server costs more than the rows."""


class BulkWriter:
    """Sends many rows in one statement.

    SQLAlchemy's statements have a parameter for each value and convert the values one by one, which
    takes longer than the database needs for the rows.
    """

    name = ""
    """The name of the dialect."""

    driver_options: Mapping[str, bool | None] = MappingProxyType({})
    """Arguments of the driver's `execute`."""

    def insert(
        self, connection: Connection, statement: RowInsert, rows: Rows
    ) -> list[tuple[Any, ...]]:
        """Execute `statement`; return its `returning` columns of the inserted rows."""
        returned: list[tuple[Any, ...]] = []
        for batch in parameter_batches(rows, MAX_ROWS):
            text, parameters = self._insert(statement, batch)
            if statement.returning:
                returned += driver_statements.fetch(
                    connection, text, parameters, **self.driver_options
                )
            else:
                driver_statements.execute(connection, text, parameters, **self.driver_options)
        return returned

    def lock(
        self, connection: Connection, statement: RowLock, keys: Sequence[Any]
    ) -> list[Sequence[Any]]:
        """Execute `statement` for these values of its key, in ascending order; return the rows."""
        locked: list[Sequence[Any]] = []
        for batch in parameter_batches(keys):
            text, parameters = self._lock(statement, batch)
            rows = driver_statements.fetch(connection, text, parameters, **self.driver_options)
            locked += self._decode(statement, rows)
        return locked

    def insert_and_lock(
        self,
        connection: Connection,
        insert: RowInsert,
        rows: Rows,
        lock: RowLock,
        keys: Sequence[Any],
    ) -> tuple[list[tuple[Any, ...]], list[Sequence[Any]]]:
        """Execute `insert`, then `lock`; return the results of both."""
        inserted = self.insert(connection, insert, rows)
        return inserted, self.lock(connection, lock, keys)

    def execute_all(
        self,
        connection: Connection,
        changes: Sequence[RowChange],
        new_parents: ParentChildInsert | None = None,
    ) -> None:
        """Execute the independent `changes`, and insert `new_parents`."""
        if new_parents is not None and new_parents.rows:
            changes = _merge_by_statement(
                [*changes, *self._insert_parents(connection, new_parents)]
            )
        self._execute_all(connection, changes)

    def delete(
        self, connection: Connection, statements: Sequence[RowDelete], keys: Sequence[Any]
    ) -> None:
        """Execute `statements` in order, all for the same values of their keys."""
        for batch in parameter_batches(keys):
            self._execute(connection, [self._delete(each, batch) for each in statements])

    def _execute(self, connection: Connection, statements: Sequence[BoundStatement]) -> None:
        for text, parameters in statements:
            driver_statements.execute(connection, text, parameters, **self.driver_options)

    def _insert_parents(
        self, connection: Connection, new_parents: ParentChildInsert
    ) -> list[RowChange]:
        """Insert the parents; return the inserts of their children."""
        ids = {
            bytes(key): row_id
            for key, row_id in self.insert(connection, new_parents.parent, new_parents.rows)
        }
        return [
            (child.insert, [(ids[key], *others) for key, *others in rows])
            for child, rows in new_parents.children
        ]

    def _execute_all(self, connection: Connection, changes: Sequence[RowChange]) -> None:
        for statement, rows in changes:
            for batch in parameter_batches(rows, MAX_ROWS):
                text, parameters = self._render(statement, batch)
                driver_statements.execute(connection, text, parameters, **self.driver_options)

    def _render(self, statement: RowInsert | RowUpdate, rows: Rows) -> BoundStatement:
        if isinstance(statement, RowUpdate):
            return self._update(statement, rows)
        return self._insert(statement, rows)

    def _decode(self, statement: RowLock, rows: Sequence[Any]) -> Sequence[Sequence[Any]]:
        return _decoder(statement, self.name).decode(rows)

    def _insert(self, statement: RowInsert, rows: Rows) -> BoundStatement:
        raise NotImplementedError

    def _lock(self, statement: RowLock, keys: Sequence[Any]) -> BoundStatement:
        raise NotImplementedError

    def _update(self, statement: RowUpdate, rows: Rows) -> BoundStatement:
        raise NotImplementedError

    def _delete(self, statement: RowDelete, keys: Sequence[Any]) -> BoundStatement:
        raise NotImplementedError


def _merge_by_statement(changes: Sequence[RowChange]) -> list[RowChange]:
    merged: dict[RowInsert | RowUpdate, list[Sequence[Any]]] = {}
    for statement, rows in changes:
        merged.setdefault(statement, []).extend(rows)
    return list(merged.items())


@cache
def _decoder(statement: RowLock, name: str) -> RowDecoder:
    return RowDecoder(statement.columns, {ColumnKind.TIMESTAMP: by_value(time_decoder(name))})


# Statements on many rows, independent of the database.
#
# Statements compare by identity, because their SQL texts are looked up in a cache for each event.


@dataclass(frozen=True, slots=True, eq=False)
class RowInsert:
    """Insert rows; each is a tuple with the values of `names`.

    If the value of the unique column `conflict_column` is already stored, the row is not inserted.
    The column `timestamp_column` is set to the database's time. For each inserted row, the columns
    in `returning` are returned, in any order.
    """

    table: Table
    names: tuple[str, ...]
    conflict_column: str | None = None
    timestamp_column: str | None = None
    returning: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[Column[Any], ...]:
        """The columns of a row."""
        return tuple(self.table.c[name] for name in self.names)


@dataclass(frozen=True, slots=True, eq=False)
class RowUpdate:
    """Set the columns `names` of existing rows; each is a tuple with its `key` and the values."""

    table: Table
    key: str
    names: tuple[str, ...]

    @property
    def columns(self) -> tuple[Column[Any], ...]:
        """The columns of a row, its key first."""
        return tuple(self.table.c[name] for name in (self.key, *self.names))


@dataclass(frozen=True, slots=True, eq=False)
class RowLock:
    """Read the columns `names` of rows by the values of the unique column `key`.

    The rows are locked in the order of `key` until the transaction ends. `index` is the index of
    `key`.
    """

    table: Table
    key: str
    names: tuple[str, ...]
    index: str

    @property
    def columns(self) -> tuple[Column[Any], ...]:
        """The columns that are read."""
        return tuple(self.table.c[name] for name in self.names)


@dataclass(frozen=True, slots=True, eq=False)
class RowDelete:
    """Delete rows by the values of the column `key`, which is the first of an index."""

    table: Table
    key: str


@dataclass(frozen=True, slots=True, eq=False)
class ChildInsert:
    """Insert child rows of the rows that `parent` inserts.

    `parent` returns two columns, a unique key and the id. The first column of a child is the
    parent's id; rows are passed with the parent's key instead.
    """

    insert: RowInsert
    parent: RowInsert

    @property
    def columns(self) -> tuple[Column[Any], ...]:
        """The columns of a row as passed: the parent's key first."""
        key, _ = self.parent.returning
        return (self.parent.table.c[key], *self.insert.columns[1:])


Rows: TypeAlias = "Sequence[Sequence[Any]]"
"""The values of rows."""

BoundStatement: TypeAlias = "tuple[str, tuple[Any, ...]]"
"""A statement's text, and its parameters for the driver."""

RowChange: TypeAlias = "tuple[RowInsert | RowUpdate, Rows]"
"""A statement and its rows."""


@dataclass(frozen=True, slots=True)
class ParentChildInsert:
    """Rows for `parent` to insert, and their child rows."""

    parent: RowInsert
    rows: Rows
    children: Sequence[tuple[ChildInsert, Rows]]

    @property
    def size(self) -> int:
        """Number of rows, including children."""
        return len(self.rows) + sum(len(rows) for _, rows in self.children)


@lru_cache
def values_list(placeholders: tuple[str, ...], rows: int) -> str:
    """Return `placeholders` for a number of rows: `(?, ?), (?, ?)`."""
    return ", ".join([f"({', '.join(placeholders)})"] * rows)


Item = TypeVar("Item")

MAX_PARAMETERS = 10_000
"""SQLite allows 32,766 parameters in a statement, PostgreSQL 65,535; an item may need two."""


def parameter_batches(
    items: Sequence[Item], size: int = MAX_PARAMETERS
) -> Iterator[Sequence[Item]]:
    """Yield `items` in slices of at most `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
