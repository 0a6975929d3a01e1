"""SQLite: one writer at a time, write-ahead log, every commit synced to disk."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, Integer, Select, Text, event, func, type_coerce
from sqlalchemy.pool import QueuePool

from winchester_core.model.json import dump_traits
from winchester_core.storage.sql.dialects import bulk, driver_statements
from winchester_core.storage.sql.dialects.base import DatabaseErrorKind, SqlDialect
from winchester_core.storage.sql.dialects.driver_statements import ColumnKind, Encoders, RowEncoder
from winchester_core.storage.sql.types import format_naive_utc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import URL, ColumnElement, Connection

    from winchester_core.clock import Clock
BUSY_TIMEOUT_SECONDS = 30.0
FILE_MODE = 0o640

CACHE_KIB = 65_536
"""Page cache of each connection.

SQLite's default of 2 MiB is too small for the indexes of a large table.
"""

CACHED_STATEMENTS = 32
"""Prepared statements cached by each connection.

Statements of batches differ by the number of rows and take half a MiB each, so the driver's default
of 128 is too much.
"""

CHECKPOINT_PAGES = 8_000
"""Size of the write-ahead log (32 MiB) at which it is checkpointed.

SQLite's default of 4 MiB is reached after two batches. Commits are written to disk in any case.
"""

READ_ONLY = "winchester_read_only"
"""Execution option of a read-only connection, which does not wait for the writer."""

_CONFLICTS = frozenset({sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY})
_UNAVAILABLE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_NOMEM,
    }
)
_REFUSED = frozenset({sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH})


class SqliteDialect(SqlDialect):
    """SQLite through the standard library's driver."""

    name = "sqlite"
    embedded = True
    pairs_keyword = "VALUES "

    def __init__(self, host_clock: Any, *, is_private: bool) -> None:
        super().__init__(host_clock)
        self._is_private = is_private
        self.bulk = SqliteWriter(host_clock)

    def last_characters(self, text: ColumnElement[str], length: int) -> ColumnElement[str]:
        return func.substr(text, -length, type_=Text())

    def engine_options(self, url: URL) -> dict[str, Any]:
        del url
        arguments = {
            "check_same_thread": False,
            "timeout": BUSY_TIMEOUT_SECONDS,
            "cached_statements": CACHED_STATEMENTS,
        }
        if self._is_private:  # a single connection that threads share
            pool = {"poolclass": QueuePool, "pool_size": 1, "max_overflow": 0}
            return {"connect_args": arguments, **pool}
        return {"connect_args": arguments}

    def configure_engine(self, engine: Engine) -> None:
        if self._is_private:
            event.listen(engine, "connect", _configure_private_connection)
        else:
            event.listen(engine, "do_connect", _create_with_file_mode)
            event.listen(engine, "connect", _configure_connection)
        event.listen(engine, "begin", _begin)

    def matches_glob(self, column: ColumnElement[str], glob: str) -> ColumnElement[bool]:
        # on SQLite LIKE ignores case; in GLOB a bracket begins a character class
        return column.bool_op("GLOB")(glob.replace("[", "[[]"))

    def filter_only(self, condition: ColumnElement[bool]) -> ColumnElement[Any]:
        # SQLite might choose an index that matches the whole table; `+ 0` prevents that
        return type_coerce(condition.self_group(), Integer) + 0

    def lock_rows(self, query: Select[Any], *, skip_locked: bool = False) -> Select[Any]:
        return query  # BEGIN IMMEDIATE has locked everything

    def classify_error(self, error: BaseException) -> DatabaseErrorKind:
        code = getattr(error, "sqlite_errorcode", None)
        if code in _CONFLICTS:
            return DatabaseErrorKind.CONFLICT
        primary = code & 0xFF if isinstance(code, int) else None
        if primary in _UNAVAILABLE:
            return DatabaseErrorKind.UNAVAILABLE
        if primary in _REFUSED or isinstance(error, sqlite3.DataError):
            return DatabaseErrorKind.REFUSED
        return DatabaseErrorKind.UNKNOWN


def _create_with_file_mode(_dialect: object, _record: object, arguments: Any, options: Any) -> None:
    """Create a missing database file, accessible only to its owner and group.

    SQLite creates the other files (log and shared memory) with the same mode. Only a new file is
    opened, because closing a file in use would release this process's POSIX locks on it.
    """
    if not options.get("uri"):
        with suppress(OSError):  # the file exists, or SQLite will report the error
            os.close(os.open(arguments[0], os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE))


def _configure_connection(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # transactions are begun by _begin
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
    cursor.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
    cursor.close()


def _configure_private_connection(connection: sqlite3.Connection, _record: object) -> None:
    """Keep the journal in memory and do not wait for the disk; the database is temporary."""
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=MEMORY")
    cursor.execute("PRAGMA synchronous=OFF")
    cursor.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
    cursor.close()


def _begin(connection: Connection) -> None:
    read_only = connection.get_execution_options().get(READ_ONLY, False)
    driver_statements.execute(connection, "BEGIN" if read_only else "BEGIN IMMEDIATE", ())


_ENCODERS: Encoders = {ColumnKind.TIMESTAMP: format_naive_utc, ColumnKind.JSON: dump_traits}


class SqliteWriter(bulk.BulkWriter):
    """Writer for SQLite. It uses the host's time."""

    name = "sqlite"

    def __init__(self, host_clock: Clock) -> None:
        self._host_clock = host_clock

    def _insert(self, statement: bulk.RowInsert, rows: bulk.Rows) -> bulk.BoundStatement:
        names, listed = statement.names, _encoder(statement).encode(rows)
        if statement.timestamp_column is not None:
            names = (*names, statement.timestamp_column)
            now = (format_naive_utc(self._host_clock.now()),)
            listed = (row + now for row in listed)
        text = [f"INSERT INTO {statement.table.name} ({', '.join(names)})"]
        text.append(f"VALUES {bulk.values_list(('?',) * len(names), len(rows))}")
        if statement.conflict_column is not None:
            text.append(f"ON CONFLICT ({statement.conflict_column}) DO NOTHING")
        if statement.returning:
            text.append(f"RETURNING {', '.join(statement.returning)}")
        return " ".join(text), tuple(chain.from_iterable(listed))

    def _update(self, statement: bulk.RowUpdate, rows: bulk.Rows) -> bulk.BoundStatement:
        table, columns = statement.table.name, statement.columns
        names = ", ".join(column.name for column in columns)
        values = bulk.values_list(("?",) * len(columns), len(rows))
        changes = ", ".join(f"{name} = listed.{name}" for name in statement.names)
        text = [f"WITH listed ({names}) AS (VALUES {values}) UPDATE {table} SET {changes}"]
        text.append(f"FROM listed WHERE {table}.{statement.key} = listed.{statement.key}")
        return " ".join(text), tuple(chain.from_iterable(_encoder(statement).encode(rows)))

    def _lock(self, statement: bulk.RowLock, keys: Sequence[Any]) -> bulk.BoundStatement:
        # the transaction has locked the whole file
        text = [f"SELECT {', '.join(statement.names)} FROM {statement.table.name}"]
        text.append(f"WHERE {statement.key} IN {bulk.values_list(('?',) * len(keys), 1)}")
        text.append(f"ORDER BY {statement.key}")
        return " ".join(text), tuple(keys)

    def _delete(self, statement: bulk.RowDelete, keys: Sequence[Any]) -> bulk.BoundStatement:
        values = bulk.values_list(("?",) * len(keys), 1)
        text = f"DELETE FROM {statement.table.name} WHERE {statement.key} IN {values}"
        return text, tuple(keys)


@cache
def _encoder(statement: bulk.RowInsert | bulk.RowUpdate) -> RowEncoder:
    return RowEncoder(statement.columns, _ENCODERS)
