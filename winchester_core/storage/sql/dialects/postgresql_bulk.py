"""Bulk statements of PostgreSQL: rows are sent as one binary array for each column.

If each value had a parameter, the driver would spend more time on the statement's text than the
server on the rows.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from winchester_core.model.json import dump_traits
from winchester_core.storage.sql.dialects import bulk, driver_statements
from winchester_core.storage.sql.dialects.driver_statements import (
    ColumnKind,
    Converters,
    RowEncoder,
    by_value,
    column_kind,
    raise_dbapi_error,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import Column, Connection

    RowStatement = bulk.RowInsert | bulk.RowUpdate | bulk.ChildInsert
    Send = Callable[[str, Sequence[Any]], Any]

_ENCODERS: Converters = {ColumnKind.JSON: by_value(dump_traits)}

_TYPES = {
    ColumnKind.TIMESTAMP: "timestamptz",
    ColumnKind.JSON: "text",
    ColumnKind.BYTES: "bytea",
    ColumnKind.BIGINT: "bigint",
    ColumnKind.INTEGER: "integer",
    ColumnKind.TEXT: "text",
}


PIPELINE_ROWS = 250
"""Rows per pipelined statement; the server processes them while the next rows are encoded."""


class PostgresqlWriter(bulk.BulkWriter):
    """The writer for PostgreSQL."""

    name = "postgresql"
    driver_options = MappingProxyType({"prepare": None})
    """Rows are found by unique keys, so one plan suits all values. See `UnpreparedCursor`."""

    def insert_and_lock(
        self,
        connection: Connection,
        insert: bulk.RowInsert,
        rows: bulk.Rows,
        lock: bulk.RowLock,
        keys: Sequence[Any],
    ) -> tuple[list[tuple[Any, ...]], list[Sequence[Any]]]:
        """Execute `insert`, then `lock`, in one round trip to the server."""
        is_small = len(rows) + len(keys) <= bulk.SMALL_BATCH_ROWS
        if is_small and keys:
            return self._insert_and_lock_few(connection, insert, rows, lock, keys)
        if is_small or not supports_pipeline():
            return super().insert_and_lock(connection, insert, rows, lock, keys)
        with pipeline(connection, **self.driver_options) as send:
            inserts = [
                send(*self._insert(insert, batch))
                for batch in bulk.parameter_batches(rows, PIPELINE_ROWS)
            ]
            locks = [send(*self._lock(lock, batch)) for batch in bulk.parameter_batches(keys)]
        # reading within the pipeline would cost another round trip
        inserted = [row for cursor in inserts for row in cursor.fetchall()]
        locked = [row for cursor in locks for row in cursor.fetchall()]
        return inserted, list(self._decode(lock, locked))

    def _insert_and_lock_few(
        self,
        connection: Connection,
        insert: bulk.RowInsert,
        rows: bulk.Rows,
        lock: bulk.RowLock,
        keys: Sequence[Any],
    ) -> tuple[list[tuple[Any, ...]], list[Sequence[Any]]]:
        """Insert and lock in one statement, which takes the driver less time than a pipeline.

        The insert may wait for another transaction. Rows that the other transaction changed are
        then locked in their new version, but rows that it inserted are not visible. If this
        transaction later inserts the same row, this is a conflict.
        """
        insert_text, inserts = self._insert(insert, rows)
        lock_text, locks = self._lock(lock, keys)
        text = _insert_and_lock_text(insert, insert_text, lock, lock_text)
        combined = driver_statements.fetch(
            connection, text, (*inserts, *locks), **self.driver_options
        )
        width = len(insert.returning)
        inserted = [row[:width] for row in combined if row[0] is not None]
        locked = [row[width:] for row in combined if row[0] is None]
        return inserted, list(self._decode(lock, locked))

    def execute_all(
        self,
        connection: Connection,
        changes: Sequence[bulk.RowChange],
        new_parents: bulk.ParentChildInsert | None = None,
    ) -> None:
        """Execute `changes` and insert `new_parents`. Few new rows take one statement."""
        if new_parents is None or not new_parents.rows or new_parents.size > bulk.SMALL_BATCH_ROWS:
            super().execute_all(connection, changes, new_parents)
            return
        parents = self._insert(new_parents.parent, new_parents.rows)
        children = [_child_insert(child, rows) for child, rows in new_parents.children if rows]
        self._execute(connection, [parents, *self._render_all(changes), *children])

    def _execute_all(self, connection: Connection, changes: Sequence[bulk.RowChange]) -> None:
        if any(len(rows) > bulk.MAX_ROWS for _, rows in changes):
            super()._execute_all(connection, changes)
        else:
            self._execute(connection, self._render_all(changes))

    def _render_all(self, changes: Sequence[bulk.RowChange]) -> list[bulk.BoundStatement]:
        return [self._render(statement, rows) for statement, rows in changes if rows]

    def _execute(self, connection: Connection, statements: Sequence[bulk.BoundStatement]) -> None:
        """Execute independent statements as one statement, in a single round trip."""
        if statements:
            texts, parameters = zip(*statements, strict=True)
            values = tuple(chain.from_iterable(parameters))
            driver_statements.execute(
                connection, _combined_text(texts), values, **self.driver_options
            )

    def _insert(self, statement: bulk.RowInsert, rows: bulk.Rows) -> bulk.BoundStatement:
        return _insert_text(statement, _row_source(statement, rows)), _parameters(statement, rows)

    def _update(self, statement: bulk.RowUpdate, rows: bulk.Rows) -> bulk.BoundStatement:
        return _update_text(statement, _row_source(statement, rows)), _parameters(statement, rows)

    def _lock(self, statement: bulk.RowLock, keys: Sequence[Any]) -> bulk.BoundStatement:
        placeholder, parameters = _key_placeholder(keys)
        return _lock_text(statement, placeholder), parameters

    def _delete(self, statement: bulk.RowDelete, keys: Sequence[Any]) -> bulk.BoundStatement:
        placeholder, parameters = _key_placeholder(keys)
        return _delete_text(statement, placeholder), parameters


def _child_insert(statement: bulk.ChildInsert, rows: bulk.Rows) -> bulk.BoundStatement:
    return _child_text(statement, _row_source(statement, rows)), _parameters(statement, rows)


def _parameters(statement: RowStatement, rows: bulk.Rows) -> tuple[Any, ...]:
    columns = _encoder(statement).encode_columns(rows)
    if len(rows) == 1:
        return tuple(value for (value,) in columns)
    return tuple(map(list, columns))


@cache
def _combined_text(texts: tuple[str, ...]) -> str:
    *ctes, last = texts
    if not ctes:
        return last
    parts = ", ".join(f"{_cte_name(index)} AS ({text})" for index, text in enumerate(ctes))
    return f"WITH {parts} {last}"


def _cte_name(index: int) -> str:
    return f"part{index}"


@cache
def _insert_and_lock_text(
    insert: bulk.RowInsert, insert_text: str, lock: bulk.RowLock, lock_text: str
) -> str:
    """Return the union of inserted rows (then nulls) and locked rows (after nulls)."""
    inserted, locked = _cte_name(0), _cte_name(1)
    nulls_after, nulls_before = (
        ", ".join(["NULL"] * len(each)) for each in (lock.names, insert.returning)
    )
    return (
        f"WITH {inserted} AS ({insert_text}), {locked} AS ({lock_text})"
        f" SELECT {', '.join(insert.returning)}, {nulls_after} FROM {inserted}"
        f" UNION ALL SELECT {nulls_before}, {', '.join(lock.names)} FROM {locked}"
    )


@cache
def _insert_text(statement: bulk.RowInsert, row_source: str) -> str:
    names = [*statement.names]
    values = [_value(column) for column in statement.columns]
    if statement.timestamp_column is not None:
        names.append(statement.timestamp_column)
        values.append("clock_timestamp()")
    text = [f"INSERT INTO {statement.table.name} ({', '.join(names)})"]
    text.append(f"SELECT {', '.join(values)} FROM {row_source}")
    if statement.conflict_column is not None:
        text.append(f"ON CONFLICT ({statement.conflict_column}) DO NOTHING")
    if statement.returning:
        text.append(f"RETURNING {', '.join(statement.returning)}")
    return " ".join(text)


@cache
def _child_text(statement: bulk.ChildInsert, row_source: str) -> str:
    """Return an insert of child rows, for a statement whose first CTE inserts the parents."""
    parents, insert = _cte_name(0), statement.insert
    key, row_id = statement.parent.returning
    _, *columns = insert.columns
    values = [f"{parents}.{row_id}", *map(_value, columns)]
    text = [f"INSERT INTO {insert.table.name} ({', '.join(insert.names)})"]
    text.append(f"SELECT {', '.join(values)} FROM {parents} JOIN {row_source}")
    text.append(f"ON listed.{key} = {parents}.{key}")
    return " ".join(text)


@cache
def _update_text(statement: bulk.RowUpdate, row_source: str) -> str:
    table = statement.table.name
    _, *columns = statement.columns
    changes = ", ".join(f"{column.name} = {_value(column)}" for column in columns)
    text = [f"UPDATE {table} SET {changes} FROM {row_source}"]
    text.append(f"WHERE {table}.{statement.key} = listed.{statement.key}")
    return " ".join(text)


@cache
def _lock_text(statement: bulk.RowLock, placeholder: str) -> str:
    text = [f"SELECT {', '.join(statement.names)} FROM {statement.table.name}"]
    text.append(_where(statement, placeholder))
    text.append(f"ORDER BY {statement.key} FOR UPDATE")
    return " ".join(text)


@cache
def _delete_text(statement: bulk.RowDelete, placeholder: str) -> str:
    return f"DELETE FROM {statement.table.name} {_where(statement, placeholder)}"


def _key_placeholder(keys: Sequence[Any]) -> bulk.BoundStatement:
    """Return the placeholder of `keys`, to format with their type, and its parameter."""
    return ("%b::{}", tuple(keys)) if len(keys) == 1 else ("ANY(%b::{}[])", (list(keys),))


def _where(statement: bulk.RowLock | bulk.RowDelete, placeholder: str) -> str:
    kind = column_kind(statement.table.c[statement.key])
    return f"WHERE {statement.key} = {placeholder.format(_TYPES[kind])}"


def _row_source(statement: RowStatement, rows: bulk.Rows) -> str:
    return _single_row_source(statement) if len(rows) == 1 else _array_row_source(statement)


@cache
def _single_row_source(statement: RowStatement) -> str:
    # encoding one-element arrays would take the driver longer than everything else here
    values = ", ".join(f"%b::{_TYPES[column_kind(column)]}" for column in statement.columns)
    return f"(VALUES ({values})) AS listed ({_names(statement)})"


@cache
def _array_row_source(statement: RowStatement) -> str:
    arrays = ", ".join(f"%b::{_TYPES[column_kind(column)]}[]" for column in statement.columns)
    return f"unnest({arrays}) AS listed ({_names(statement)})"


def _names(statement: RowStatement) -> str:
    return ", ".join(column.name for column in statement.columns)


def _value(column: Column[Any]) -> str:
    cast = "::json" if column_kind(column) is ColumnKind.JSON else ""
    return f"listed.{column.name}{cast}"


@cache
def _encoder(statement: RowStatement) -> RowEncoder:
    return RowEncoder(statement.columns, _ENCODERS)


# psycopg's pipeline mode: statements are sent without waiting for the results of earlier ones.


@contextmanager
def pipeline(connection: Connection, **driver_options: bool | None) -> Iterator[Send]:
    """Yield a function that sends a statement and returns its cursor. Read the cursor afterwards.

    The server executes each statement as soon as it arrives. If a statement fails, later statements
    are not executed. Raises `DBAPIError` as SQLAlchemy does.
    """
    psycopg: Any = connection.connection.driver_connection
    sent: list[str] = []

    def send(text: str, parameters: Sequence[Any]) -> Any:
        sent.append(text)
        return psycopg.cursor().execute(text, parameters, **driver_options)

    try:
        with psycopg.pipeline():
            yield send
    except BaseException as error:  # noqa: BLE001 - raised again
        raise_dbapi_error(connection, sent[-1] if sent else None, error)


def supports_pipeline() -> bool:
    """Return whether libpq supports pipeline mode (14 or later)."""
    from psycopg import Pipeline

    return Pipeline.is_supported()
