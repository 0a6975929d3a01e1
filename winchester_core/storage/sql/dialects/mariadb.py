"""MariaDB through PyMySQL, at READ COMMITTED with row locks, in strict mode."""

from __future__ import annotations

import re
import socket
from datetime import datetime
from functools import cache, lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import Engine, Table, Text, delete, event, func

from winchester_core.model.json import dump_traits
from winchester_core.storage.sql.dialects import base, driver_statements
from winchester_core.storage.sql.dialects.base import DatabaseErrorKind, SqlDialect
from winchester_core.storage.sql.dialects.bulk import SMALL_BATCH_ROWS, BulkWriter, values_list
from winchester_core.storage.sql.dialects.driver_statements import (
    ColumnKind,
    Decoders,
    Encoders,
    RowDecoder,
    RowEncoder,
    column_kind,
)
from winchester_core.storage.sql.types import UtcDateTime, format_naive_utc, parse_naive_utc

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import URL, Column, ColumnElement, Connection, Delete, FromClause, Select

    from winchester_core.storage.sql.dialects.bulk import (
        BoundStatement,
        ChildInsert,
        ParentChildInsert,
        RowChange,
        RowDelete,
        RowInsert,
        RowLock,
        Rows,
        RowUpdate,
    )


class JsonLiteral:
    """The text of a JSON document. The driver quotes it by `to_literal`.

    In a `str` the driver would escape every double quote. JSON has many, which took a fifth of the
    time per event.
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

_ENCODERS: Encoders = {ColumnKind.TIMESTAMP: format_naive_utc, ColumnKind.JSON: JsonLiteral}

_DECODERS: Decoders = {ColumnKind.TIMESTAMP: parse_naive_utc, ColumnKind.BYTES: bytes.fromhex}
"""Decoders of the output of `_json_element`."""


class MariadbWriter(BulkWriter):
    """Writer for MariaDB. Its INSERT IGNORE skips both duplicates and invalid rows."""

    name = "mariadb"

    def insert_and_lock(
        self,
        connection: Connection,
        insert: RowInsert,
        rows: Rows,
        lock: RowLock,
        keys: Sequence[Any],
    ) -> tuple[list[tuple[Any, ...]], list[Sequence[Any]]]:
        """Execute `insert`, then `lock`. For few rows, this takes one round trip."""
        if not keys or len(rows) + len(keys) > SMALL_BATCH_ROWS:
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
        changes: Sequence[RowChange],
        new_parents: ParentChildInsert | None = None,
    ) -> None:
        """Execute `changes` and insert `new_parents`. For few rows, this takes one round trip."""
        if new_parents is not None and new_parents.rows:
            parents, children = [(new_parents.parent, new_parents.rows)], new_parents.children
        else:
            parents, children = [], []
        if sum(len(rows) for _, rows in (*changes, *parents, *children)) > SMALL_BATCH_ROWS:
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
        self, connection: Connection, statements: Sequence[RowDelete], keys: Sequence[Any]
    ) -> None:
        """Execute `statements` in order. For few rows, this takes one round trip."""
        if not keys or len(keys) > SMALL_BATCH_ROWS:
            super().delete(connection, statements, keys)
        else:
            _execute_in_one_round_trip(
                connection, [self._delete(each, keys) for each in statements]
            )

    def _insert(self, statement: RowInsert, rows: Rows) -> BoundStatement:
        return _returning_text(statement, len(rows)), _parameters(statement, rows)

    def _update(self, statement: RowUpdate, rows: Rows) -> BoundStatement:
        if len(rows) == 1:
            key, *values = _parameters(statement, rows)
            return _update_one_text(statement), (*values, key)
        return _update_text(statement, len(rows)), _parameters(statement, rows)

    def _lock(self, statement: RowLock, keys: Sequence[Any]) -> BoundStatement:
        return _lock_text(statement, len(keys)), tuple(keys)

    def _delete(self, statement: RowDelete, keys: Sequence[Any]) -> BoundStatement:
        values = values_list(("%s",) * len(keys), 1)
        text = f"DELETE FROM {statement.table.name} WHERE {statement.key} IN {values}"
        return text, tuple(keys)

    def _decode(self, statement: RowLock, rows: Sequence[Any]) -> Sequence[Sequence[Any]]:
        return _decoder(statement).decode([orjson.loads(text) for (text,) in rows])


def _inserted_row_result(
    statement: RowInsert, row: Sequence[Any], result: driver_statements.StatementResult
) -> list[tuple[Any, ...]]:
    """Return the key and id of a single inserted row, from `lastrowid` instead of RETURNING.

    Reading a returned row takes the driver longer than sending the values.
    """
    key, _ = statement.returning
    return [(row[statement.names.index(key)], result.first_id)] if result.inserted else []


def _execute_in_one_round_trip(
    connection: Connection, statements: Sequence[BoundStatement]
) -> list[driver_statements.StatementResult]:
    texts, parameters = zip(*statements, strict=True)
    return driver_statements.fetch_multiple(
        connection, "; ".join(texts), tuple(chain.from_iterable(parameters))
    )


def _insert_without_returning(statement: RowInsert, rows: Rows) -> BoundStatement:
    """Return an insert without RETURNING: children find their parents by key."""
    return _insert_text(statement, len(rows)), _parameters(statement, rows)


def _child_insert(statement: ChildInsert, rows: Rows) -> BoundStatement:
    return _child_text(statement, len(rows)), _parameters(statement, rows)


def _parameters(statement: RowInsert | RowUpdate | ChildInsert, rows: Rows) -> tuple[Any, ...]:
    return tuple(chain.from_iterable(_encoder(statement).encode(rows)))


@lru_cache(maxsize=_MAX_CACHED_TEXTS)
def _insert_text(statement: RowInsert, rows: int) -> str:
    names = statement.names
    placeholders = ["%s"] * len(names)
    if statement.timestamp_column is not None:
        names = (*names, statement.timestamp_column)
        placeholders.append("utc_timestamp(6)")
    insert = "INSERT" if statement.conflict_column is None else "INSERT IGNORE"
    text = f"{insert} INTO {statement.table.name} ({', '.join(names)})"
    return f"{text} VALUES {values_list(tuple(placeholders), rows)}"


@lru_cache(maxsize=_MAX_CACHED_TEXTS)
def _returning_text(statement: RowInsert, rows: int) -> str:
    text = _insert_text(statement, rows)
    return f"{text} RETURNING {', '.join(statement.returning)}" if statement.returning else text


@lru_cache(maxsize=_MAX_CACHED_TEXTS)
def _child_text(statement: ChildInsert, rows: int) -> str:
    key, row_id = statement.parent.returning
    parent = f"(SELECT {row_id} FROM {statement.parent.table.name} WHERE {key} = %s)"
    insert = statement.insert
    placeholders = (parent, *["%s"] * (len(insert.names) - 1))
    text = f"INSERT INTO {insert.table.name} ({', '.join(insert.names)})"
    return f"{text} VALUES {values_list(placeholders, rows)}"


@cache
def _update_one_text(statement: RowUpdate) -> str:
    changes = ", ".join(f"{name} = %s" for name in statement.names)
    return f"UPDATE {statement.table.name} SET {changes} WHERE {statement.key} = %s"


@lru_cache(maxsize=_MAX_CACHED_TEXTS)
def _update_text(statement: RowUpdate, rows: int) -> str:
    # join order and index are fixed, because MariaDB locks every row that it reads
    table, columns = statement.table.name, statement.columns
    names = ", ".join(column.name for column in columns)
    values = values_list(("%s",) * len(columns), rows)
    changes = ", ".join(f"{table}.{name} = listed.{name}" for name in statement.names)
    text = [
        f"UPDATE (WITH listed ({names}) AS (VALUES {values}) SELECT * FROM listed) AS listed",
        f"STRAIGHT_JOIN {table} FORCE INDEX (PRIMARY)",
        f"ON {table}.{statement.key} = listed.{statement.key} SET {changes}",
    ]
    return " ".join(text)


@lru_cache(maxsize=_MAX_CACHED_TEXTS)
def _lock_text(statement: RowLock, keys: int) -> str:
    # one JSON column, because the driver needs as much time for a column's metadata as for a row
    values = ", ".join(map(_json_element, statement.columns))
    text = [f"SELECT JSON_ARRAY({values}) FROM {statement.table.name}"]
    text.append(f"FORCE INDEX ({statement.index})")
    text.append(f"WHERE {statement.key} IN {values_list(('%s',) * keys, 1)}")
    text.append(f"ORDER BY {statement.key} FOR UPDATE")
    return " ".join(text)


def _json_element(column: Column[Any]) -> str:
    """Return a column's element in a JSON array."""
    return f"HEX({column.name})" if column_kind(column) is ColumnKind.BYTES else column.name


@cache
def _encoder(statement: RowInsert | RowUpdate | ChildInsert) -> RowEncoder:
    return RowEncoder(statement.columns, _ENCODERS)


@cache
def _decoder(statement: RowLock) -> RowDecoder:
    return RowDecoder(statement.columns, _DECODERS)


_CONNECT_TIMEOUT = {"connect_timeout": base.CONNECT_TIMEOUT_SECONDS}

_SESSION_VARIABLES = ", ".join(
    f"SESSION {setting}"
    for setting in (
        "sql_mode = 'TRADITIONAL,NO_ENGINE_SUBSTITUTION'",
        "time_zone = '+00:00'",
        f"innodb_lock_wait_timeout = {base.LOCK_TIMEOUT_SECONDS}",
        f"idle_transaction_timeout = {base.IDLE_TRANSACTION_TIMEOUT_SECONDS}",
    )
)

_TCP_OPTIONS = {
    "TCP_KEEPIDLE": base.KEEPALIVE_IDLE_SECONDS,
    "TCP_KEEPINTVL": base.KEEPALIVE_INTERVAL_SECONDS,
    "TCP_KEEPCNT": base.KEEPALIVE_COUNT,
    "TCP_USER_TIMEOUT": base.TCP_USER_TIMEOUT_SECONDS * 1000,
}
"""Options of `socket`, if the system has them."""

# numbers of MariaDB's error codes
_CONFLICTS = frozenset({1062, 1205, 1213, 1020})
_REFUSED = frozenset({1048, 1105, 1118, 1139, 1153, 1264, 1265, 1292, 1300, 1301, 1364, 1366})
_REFUSED |= {1406, 1452, 1525, 1644, 1690, 1977, 3140, 4025}
_CLIENT_ERRORS = range(2000, 3000)


class MariadbDialect(SqlDialect):
    """MariaDB 10.6 and later."""

    name = "mariadb"
    bulk = MariadbWriter()
    ignores_invalid_rows = True

    def prepare_url(self, url: str) -> str:
        return re.sub(r"^(mysql|mariadb)(\+pymysql)?://", "mariadb+pymysql://", url)

    def engine_options(self, url: URL) -> dict[str, Any]:
        timeout = {} if "connect_timeout" in url.query else _CONNECT_TIMEOUT
        return {
            "isolation_level": "READ COMMITTED",
            "pool_reset_on_return": None,  # transactions end explicitly; saves a round trip
            "connect_args": {"charset": "utf8mb4", "conv": _converters(), **timeout},
        }

    def configure_engine(self, engine: Engine) -> None:
        event.listen(engine, "do_connect", _allow_multiple_statements)
        event.listen(engine, "connect", _configure_connection)

    def real_time(self) -> ColumnElement[datetime]:
        return func.utc_timestamp(6, type_=UtcDateTime())

    def real_time_text(self) -> ColumnElement[str]:
        return func.date_format(func.utc_timestamp(6), "%Y-%m-%dT%H:%i:%S.%f", type_=Text())

    def force_index(self, query: Select[Any], table: FromClause, index: str) -> Select[Any]:
        # MariaDB locks every row that it reads, so a table scan would wait for other workers
        return query.with_hint(table, f"FORCE INDEX ({index})")

    def delete_by_index(self, table: Table, index: str) -> Delete:
        # if MariaDB estimates that the table is small, it scans all rows, and waits for rows that a
        # purge has locked; DELETE accepts an index hint only if the table is named twice
        named = delete(table).prefix_with(table.name)
        return named.with_hint(f"FORCE INDEX ({index})", dialect_name="*")

    def matches_glob(self, column: ColumnElement[str], glob: str) -> ColumnElement[bool]:
        # for LIKE, 10.11 uses an index range that ends at U+FFFF and misses later characters;
        # concat() prevents that, and the caller's literal prefix bounds the range instead
        return super().matches_glob(func.concat(column), glob)

    def accepts_writes(self, connection: Any) -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT @@read_only")
            (is_read_only,) = cursor.fetchone()
        return not is_read_only

    def is_server_error(self, error: BaseException) -> bool:
        number = _error_number(error)
        return bool(number) and number not in _CLIENT_ERRORS

    def classify_error(self, error: BaseException) -> DatabaseErrorKind:
        number = _error_number(error)
        if number in _CONFLICTS:
            return DatabaseErrorKind.CONFLICT
        if number in _REFUSED or type(error).__name__ in ("DataError", "IntegrityError"):
            return DatabaseErrorKind.REFUSED
        if number is not None or type(error).__name__ == "InterfaceError":
            return DatabaseErrorKind.UNAVAILABLE
        return DatabaseErrorKind.UNKNOWN


def _error_number(error: BaseException) -> int | None:
    return error.args[0] if error.args and isinstance(error.args[0], int) else None


def _converters() -> dict[Any, Any]:
    """Return the driver's converters, with faster converters for times and JSON documents.

    The driver parses times by a regular expression, and escapes documents character by character.
    """
    from pymysql.constants import FIELD_TYPE
    from pymysql.converters import conversions

    return {
        **conversions,
        FIELD_TYPE.DATETIME: datetime.fromisoformat,
        JsonLiteral: JsonLiteral.to_literal,
    }


def _allow_multiple_statements(
    _dialect: object, _record: object, _arguments: object, options: dict[str, Any]
) -> None:
    """Allow several statements in one text, for a single round trip to the server."""
    from pymysql.constants import CLIENT

    options["client_flag"] = options.get("client_flag", 0) | CLIENT.MULTI_STATEMENTS


def _configure_connection(connection: Any, _record: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET {_SESSION_VARIABLES}")
    _enable_keepalive(connection._sock)  # the driver has no setting for it


def _enable_keepalive(client_socket: socket.socket) -> None:
    """Enable TCP keepalive to detect a dead server, as libpq does by its parameters."""
    client_socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _TCP_OPTIONS.items():
        if client_socket.family != socket.AF_UNIX and hasattr(socket, option):
            client_socket.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
