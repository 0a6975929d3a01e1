"""Bulk statements of MariaDB: many rows in a statement, several statements in a round trip."""

from __future__ import annotations

from functools import cache, lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any

import orjson

from winchester_core.model.json import dump_traits
from winchester_core.storage.sql.dialects import bulk, driver_statements
from winchester_core.storage.sql.dialects.driver_statements import (
    ColumnKind,
    Converters,
    RowDecoder,
    RowEncoder,
    by_value,
    column_kind,
)
from winchester_core.storage.sql.types import format_naive_utc_times, parse_naive_utc

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Column, Connection


class JsonLiteral:
    """The text of a JSON document. The driver quotes it by `to_literal`.

    In a `str`, the driver would escape every double quote. JSON has many quotes, so this took a
    fifth of the time per event.
    """

    __slots__ = ("text",)

    def __init__(self, traits: Mapping[str, Any]) -> None:
        self.text = dump_traits(traits)

    @staticmethod
    def to_literal(document: JsonLiteral, _converters: object) -> str:
        """Return the SQL literal. In our `sql_mode`, the backslash is an escape character."""
        return "'" + document.text.replace("\\", "\\\\").replace("'", "\\'") + "'"


_MAX_CACHED_TEXTS = 32
"""Number of cached SQL texts; there is one for each statement and number of rows."""

_ENCODERS: Converters = {
    ColumnKind.TIMESTAMP: format_naive_utc_times,
    ColumnKind.JSON: by_value(JsonLiteral),
}

_DECODERS: Converters = {
    ColumnKind.TIMESTAMP: by_value(parse_naive_utc),
    ColumnKind.BYTES: by_value(bytes.fromhex),
}
"""Decoders of the output of `_json_element`."""


class MariadbWriter(bulk.BulkWriter):
    """Writer for MariaDB. Its INSERT IGNORE skips both duplicates and invalid rows."""

    name = "mariadb"

    def insert_and_lock(
        self,
        connection: Connection,
        insert: bulk.RowInsert,
        rows: bulk.Rows,
        lock: bulk.RowLock,
        keys: Sequence[Any],
    ) -> tuple[list[tuple[Any, ...]], list[Sequence[Any]]]:
        """Execute `insert`, then `lock`. For few rows, this takes one round trip."""
        if not keys or len(rows) + len(keys) > bulk.SMALL_BATCH_ROWS:
            return super().insert_and_lock(connection, insert, rows, lock, keys)
        is_single = len(rows) == 1
        insertion = (
            _insert_without_returning(insert, rows) if is_single else self._insert(insert, rows)
        )
        result, locked = _execute_in_one_round_trip(connection, [insertion, self._lock(lock, keys)])
        inserted = _inserted_row_result(insert, rows[0], result) if is_single else list(result.rows)
        return inserted, list(self._decode(lock, locked.rows))

    def execute_all(
        self,
        connection: Connection,
        changes: Sequence[bulk.RowChange],
        new_parents: bulk.ParentChildInsert | None = None,
    ) -> None:
        """Execute `changes` and insert `new_parents`. For few rows, this takes one round trip."""
        if new_parents is not None and new_parents.rows:
            parents, children = [(new_parents.parent, new_parents.rows)], new_parents.children
        else:
            parents, children = [], []
        if sum(len(rows) for _, rows in (*changes, *parents, *children)) > bulk.SMALL_BATCH_ROWS:
            super().execute_all(connection, changes, new_parents)
            return
        statements = [
            *(_insert_without_returning(insert, rows) for insert, rows in parents),
            *(self._render(statement, rows) for statement, rows in changes if rows),
            *(_child_insert(child, rows) for child, rows in children if rows),
        ]
        if statements:
            _execute_in_one_round_trip(connection, statements)

    def delete(
        self, connection: Connection, statements: Sequence[bulk.RowDelete], keys: Sequence[Any]
    ) -> None:
        """Execute `statements` in order. For few rows, this takes one round trip."""
        if not keys or len(keys) > bulk.SMALL_BATCH_ROWS:
            super().delete(connection, statements, keys)
        else:
            _execute_in_one_round_trip(
                connection, [self._delete(each, keys) for each in statements]
            )

    def _insert(self, statement: bulk.RowInsert, rows: bulk.Rows) -> bulk.BoundStatement:
        return _returning_text(statement, len(rows)), _parameters(statement, rows)

    def _update(self, statement: bulk.RowUpdate, rows: bulk.Rows) -> bulk.BoundStatement:
        if len(rows) == 1:
            key, *values = _parameters(statement, rows)
            return _update_one_text(statement), (*values, key)
        return _update_text(statement, len(rows)), _parameters(statement, rows)

    def _lock(self, statement: bulk.RowLock, keys: Sequence[Any]) -> bulk.BoundStatement:
        return _lock_text(statement, len(keys)), tuple(keys)

    def _delete(self, statement: bulk.RowDelete, keys: Sequence[Any]) -> bulk.BoundStatement:
        values = bulk.values_list(("%s",) * len(keys), 1)
        text = f"DELETE FROM {statement.table.name} WHERE {statement.key} IN {values}"
        return text, tuple(keys)

    def _decode(self, statement: bulk.RowLock, rows: Sequence[Any]) -> Sequence[Sequence[Any]]:
        return _decoder(statement).decode([orjson.loads(text) for (text,) in rows])


def _inserted_row_result(
    statement: bulk.RowInsert, row: Sequence[Any], result: driver_statements.StatementResult
) -> list[tuple[Any, ...]]:
    """Return the key and id of a single inserted row, from `lastrowid` instead of RETURNING.

    Reading a returned row takes the driver longer than sending the values.
    """
    key, _ = statement.returning
    return [(row[statement.names.index(key)], result.first_id)] if result.inserted else []


def _execute_in_one_round_trip(
    connection: Connection, statements: Sequence[bulk.BoundStatement]
) -> list[driver_statements.StatementResult]:
    texts, parameters = zip(*statements, strict=True)
    return driver_statements.fetch_multiple(
        connection, "; ".join(texts), tuple(chain.from_iterable(parameters))
    )


def _insert_without_returning(statement: bulk.RowInsert, rows: bulk.Rows) -> bulk.BoundStatement:
    """Return an insert without RETURNING: children find their parents by key."""
    return _insert_text(statement, len(rows)), _parameters(statement, rows)


def _child_insert(statement: bulk.ChildInsert, rows: bulk.Rows) -> bulk.BoundStatement:
    return _child_text(statement, len(rows)), _parameters(statement, rows)


def _parameters(
    statement: bulk.RowInsert | bulk.RowUpdate | bulk.ChildInsert, rows: bulk.Rows
) -> tuple[Any, ...]:
    return tuple(chain.from_iterable(_encoder(statement).encode(rows)))


@lru_cache(maxsize=_MAX_CACHED_TEXTS)
def _insert_text(statement: bulk.RowInsert, rows: int) -> str:
    names = statement.names
    placeholders = ["%s"] * len(names)
    if statement.timestamp_column is not None:
        names = (*names, statement.timestamp_column)
        placeholders.append("utc_timestamp(6)")
    insert = "INSERT" if statement.conflict_column is None else "INSERT IGNORE"
    text = f"{insert} INTO {statement.table.name} ({', '.join(names)})"
    return f"{text} VALUES {bulk.values_list(tuple(placeholders), rows)}"


@lru_cache(maxsize=_MAX_CACHED_TEXTS)
def _returning_text(statement: bulk.RowInsert, rows: int) -> str:
    text = _insert_text(statement, rows)
    return f"{text} RETURNING {', '.join(statement.returning)}" if statement.returning else text


@lru_cache(maxsize=_MAX_CACHED_TEXTS)
def _child_text(statement: bulk.ChildInsert, rows: int) -> str:
    key, row_id = statement.parent.returning
    parent = f"(SELECT {row_id} FROM {statement.parent.table.name} WHERE {key} = %s)"
    insert = statement.insert
    placeholders = (parent, *["%s"] * (len(insert.names) - 1))
    text = f"INSERT INTO {insert.table.name} ({', '.join(insert.names)})"
    return f"{text} VALUES {bulk.values_list(placeholders, rows)}"


@cache
def _update_one_text(statement: bulk.RowUpdate) -> str:
    changes = ", ".join(f"{name} = %s" for name in statement.names)
    return f"UPDATE {statement.table.name} SET {changes} WHERE {statement.key} = %s"


@lru_cache(maxsize=_MAX_CACHED_TEXTS)
def _update_text(statement: bulk.RowUpdate, rows: int) -> str:
    # join order and index are fixed, because MariaDB locks every row that it reads
    table, columns = statement.table.name, statement.columns
    names = ", ".join(column.name for column in columns)
    values = bulk.values_list(("%s",) * len(columns), rows)
    changes = ", ".join(f"{table}.{name} = listed.{name}" for name in statement.names)
    text = [
        f"UPDATE (WITH listed ({names}) AS (VALUES {values}) SELECT * FROM listed) AS listed",
        f"STRAIGHT_JOIN {table} FORCE INDEX (PRIMARY)",
        f"ON {table}.{statement.key} = listed.{statement.key} SET {changes}",
    ]
    return " ".join(text)


@lru_cache(maxsize=_MAX_CACHED_TEXTS)
def _lock_text(statement: bulk.RowLock, keys: int) -> str:
    # one JSON column, because the driver needs as much time for a column's metadata as for a row
    values = ", ".join(map(_json_element, statement.columns))
    text = [f"SELECT JSON_ARRAY({values}) FROM {statement.table.name}"]
    text.append(f"FORCE INDEX ({statement.index})")
    text.append(f"WHERE {statement.key} IN {bulk.values_list(('%s',) * keys, 1)}")
    text.append(f"ORDER BY {statement.key} FOR UPDATE")
    return " ".join(text)


def _json_element(column: Column[Any]) -> str:
    return f"HEX({column.name})" if column_kind(column) is ColumnKind.BYTES else column.name


@cache
def _encoder(statement: bulk.RowInsert | bulk.RowUpdate | bulk.ChildInsert) -> RowEncoder:
    return RowEncoder(statement.columns, _ENCODERS)


@cache
def _decoder(statement: bulk.RowLock) -> RowDecoder:
    return RowDecoder(statement.columns, _DECODERS)
