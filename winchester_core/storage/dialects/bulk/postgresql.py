"""PostgreSQL takes rows fastest as one array for each column, in the binary format.

With a parameter for each value the driver would go through the statement's text for longer than
the server works.
"""

from __future__ import annotations

from functools import cache
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from winchester_core.model.json import dump_traits
from winchester_core.storage.dialects.bulk import driver
from winchester_core.storage.dialects.bulk.encoding import Encoders, Kind, RowEncoder, kind_of
from winchester_core.storage.dialects.bulk.pipeline import can_pipeline, pipeline
from winchester_core.storage.dialects.bulk.writer import FEW, MAX_ROWS, BulkWriter
from winchester_core.storage.sql.pages import pages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Column, Connection

    from winchester_core.storage.dialects.bulk.statements import (
        ChildInsert,
        Family,
        RowDelete,
        RowInsert,
        RowLock,
        Rows,
        RowUpdate,
        Statement,
        Work,
    )

    Listed = RowInsert | RowUpdate | ChildInsert

_ENCODERS: Encoders = {Kind.DOCUMENT: dump_traits}

_TYPES = {
    Kind.MOMENT: "timestamptz",
    Kind.DOCUMENT: "text",
    Kind.BYTES: "bytea",
    Kind.LONG: "bigint",
    Kind.INTEGER: "integer",
    Kind.TEXT: "text",
}


AT_ONCE = 250
"""Rows that are sent together: the server works on them while the next are written down."""


class PostgresqlWriter(BulkWriter):
    """For PostgreSQL."""

    name = "postgresql"
    how = MappingProxyType({"prepare": None})
    """What is written is found by its key: one plan suits all values. See `PlanningCursor`."""

    def insert_and_lock(
        self,
        connection: Connection,
        insert: RowInsert,
        rows: Rows,
        lock: RowLock,
        keys: Sequence[Any],
    ) -> tuple[list[tuple[Any, ...]], list[Sequence[Any]]]:
        """Carry out `insert`, then `lock`, with one journey to the server for both."""
        few = len(rows) + len(keys) <= FEW
        if few and keys:
            return self._insert_and_lock_few(connection, insert, rows, lock, keys)
        if few or not can_pipeline():
            return super().insert_and_lock(connection, insert, rows, lock, keys)
        with pipeline(connection, **self.how) as send:
            inserts = [send(*self._insert(insert, page)) for page in pages(rows, AT_ONCE)]
            locks = [send(*self._lock(lock, page)) for page in pages(keys)]
        # to read within the pipeline would be a journey of its own
        inserted = [row for cursor in inserts for row in cursor.fetchall()]
        locked = [row for cursor in locks for row in cursor.fetchall()]
        return inserted, list(self._decoded(lock, locked))

    def _insert_and_lock_few(
        self,
        connection: Connection,
        insert: RowInsert,
        rows: Rows,
        lock: RowLock,
        keys: Sequence[Any],
    ) -> tuple[list[tuple[Any, ...]], list[Sequence[Any]]]:
        """The same in one statement, which takes the driver less time than its pipeline.

        The insert may have to wait for another transaction. Rows that this one changed are locked
        as they are by then, but those that it inserted are not seen: who is about to insert such a
        row as well is in conflict with it.
        """
        insert_text, inserts = self._insert(insert, rows)
        lock_text, locks = self._lock(lock, keys)
        text = _both_text(insert, insert_text, lock, lock_text)
        found = driver.fetch(connection, text, (*inserts, *locks), **self.how)
        place = len(insert.returning)
        inserted = [row[:place] for row in found if row[0] is not None]
        locked = [row[place:] for row in found if row[0] is None]
        return inserted, list(self._decoded(lock, locked))

    def carry_out(
        self, connection: Connection, work: Sequence[Work], family: Family | None = None
    ) -> None:
        """Do it in one statement, for each would cost a journey to the server."""
        if family is None or not family.rows or family.size > FEW:
            super().carry_out(connection, work, family)
            return
        parents = self._insert(family.parent, family.rows)
        children = [_child(child, rows) for child, rows in family.children if rows]
        self._execute(connection, [parents, *self._written_all(work), *children])

    def _carry_out(self, connection: Connection, work: Sequence[Work]) -> None:
        if any(len(rows) > MAX_ROWS for _, rows in work):
            super()._carry_out(connection, work)
        else:
            self._execute(connection, self._written_all(work))

    def _written_all(self, work: Sequence[Work]) -> list[Statement]:
        return [self._written(statement, rows) for statement, rows in work if rows]

    def _execute(self, connection: Connection, statements: Sequence[Statement]) -> None:
        """Do all in one statement: none of them needs another done."""
        if statements:
            texts, parameters = zip(*statements, strict=True)
            values = tuple(chain.from_iterable(parameters))
            driver.execute(connection, _together(texts), values, **self.how)

    def _insert(self, statement: RowInsert, rows: Rows) -> Statement:
        return _insert_text(statement, _listed(statement, rows)), _parameters(statement, rows)

    def _update(self, statement: RowUpdate, rows: Rows) -> Statement:
        return _update_text(statement, _listed(statement, rows)), _parameters(statement, rows)

    def _lock(self, statement: RowLock, keys: Sequence[Any]) -> Statement:
        mark, parameters = _among(keys)
        return _lock_text(statement, mark), parameters

    def _delete(self, statement: RowDelete, keys: Sequence[Any]) -> Statement:
        mark, parameters = _among(keys)
        return _delete_text(statement, mark), parameters


def _child(statement: ChildInsert, rows: Rows) -> Statement:
    return _child_text(statement, _listed(statement, rows)), _parameters(statement, rows)


def _parameters(statement: Listed, rows: Rows) -> tuple[Any, ...]:
    columns = _encoder(statement).encode_columns(rows)
    if len(rows) == 1:
        return tuple(value for (value,) in columns)
    return tuple(map(list, columns))


@cache
def _together(texts: tuple[str, ...]) -> str:
    *first, last = texts
    if not first:
        return last
    parts = ", ".join(f"{_part(place)} AS ({text})" for place, text in enumerate(first))
    return f"WITH {parts} {last}"


def _part(place: int) -> str:
    return f"part{place}"


@cache
def _both_text(insert: RowInsert, insert_text: str, lock: RowLock, lock_text: str) -> str:
    """First what the insert returns, followed by nulls, then behind nulls what is locked."""
    inserted, locked = _part(0), _part(1)
    behind, before = (", ".join(["NULL"] * len(each)) for each in (lock.names, insert.returning))
    return (
        f"WITH {inserted} AS ({insert_text}), {locked} AS ({lock_text})"
        f" SELECT {', '.join(insert.returning)}, {behind} FROM {inserted}"
        f" UNION ALL SELECT {before}, {', '.join(lock.names)} FROM {locked}"
    )


@cache
def _insert_text(statement: RowInsert, listed: str) -> str:
    names = [*statement.names]
    values = [_value(column) for column in statement.columns]
    if statement.stamp is not None:
        names.append(statement.stamp)
        values.append("clock_timestamp()")
    text = [f"INSERT INTO {statement.table.name} ({', '.join(names)})"]
    text.append(f"SELECT {', '.join(values)} FROM {listed}")
    if statement.known_by is not None:
        text.append(f"ON CONFLICT ({statement.known_by}) DO NOTHING")
    if statement.returning:
        text.append(f"RETURNING {', '.join(statement.returning)}")
    return " ".join(text)


@cache
def _child_text(statement: ChildInsert, listed: str) -> str:
    """For a statement whose first part inserts the parents."""
    parents, insert = _part(0), statement.insert
    key, row_id = statement.parent.returning
    _, *columns = insert.columns
    values = [f"{parents}.{row_id}", *map(_value, columns)]
    text = [f"INSERT INTO {insert.table.name} ({', '.join(insert.names)})"]
    text.append(f"SELECT {', '.join(values)} FROM {parents} JOIN {listed}")
    text.append(f"ON listed.{key} = {parents}.{key}")
    return " ".join(text)


@cache
def _update_text(statement: RowUpdate, listed: str) -> str:
    table = statement.table.name
    _, *columns = statement.columns
    changes = ", ".join(f"{column.name} = {_value(column)}" for column in columns)
    text = [f"UPDATE {table} SET {changes} FROM {listed}"]
    text.append(f"WHERE {table}.{statement.key} = listed.{statement.key}")
    return " ".join(text)


@cache
def _lock_text(statement: RowLock, mark: str) -> str:
    text = [f"SELECT {', '.join(statement.names)} FROM {statement.table.name}"]
    text.append(_where(statement, mark))
    text.append(f"ORDER BY {statement.key} FOR UPDATE")
    return " ".join(text)


@cache
def _delete_text(statement: RowDelete, mark: str) -> str:
    return f"DELETE FROM {statement.table.name} {_where(statement, mark)}"


def _among(keys: Sequence[Any]) -> Statement:
    """The mark of the parameter that `keys` are, for the name of their type, and itself."""
    return ("%b::{}", tuple(keys)) if len(keys) == 1 else ("ANY(%b::{}[])", (list(keys),))


def _where(statement: RowLock | RowDelete, mark: str) -> str:
    kind = kind_of(statement.table.c[statement.key])
    return f"WHERE {statement.key} = {mark.format(_TYPES[kind])}"


def _listed(statement: Listed, rows: Rows) -> str:
    return _one_row(statement) if len(rows) == 1 else _many_rows(statement)


@cache
def _one_row(statement: Listed) -> str:
    # writing arrays of one would take the driver longer than anything else here
    values = ", ".join(f"%b::{_TYPES[kind_of(column)]}" for column in statement.columns)
    return f"(VALUES ({values})) AS listed ({_names(statement)})"


@cache
def _many_rows(statement: Listed) -> str:
    arrays = ", ".join(f"%b::{_TYPES[kind_of(column)]}[]" for column in statement.columns)
    return f"unnest({arrays}) AS listed ({_names(statement)})"


def _names(statement: Listed) -> str:
    return ", ".join(column.name for column in statement.columns)


def _value(column: Column[Any]) -> str:
    cast = "::json" if kind_of(column) is Kind.DOCUMENT else ""
    return f"listed.{column.name}{cast}"


@cache
def _encoder(statement: Listed) -> RowEncoder:
    return RowEncoder(statement.columns, _ENCODERS)
