"""SQLite: one writer at a time, write-ahead log, every commit synced to disk."""

from __future__ import annotations

import math
import os
import sqlite3
from contextlib import suppress
from functools import cache, lru_cache
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, Integer, Select, Text, event, func, type_coerce
from sqlalchemy.pool import QueuePool

from winchester_core.clock import monotonic
from winchester_core.model.json import dump_traits
from winchester_core.storage.sql.dialects import bulk, driver_statements
from winchester_core.storage.sql.dialects.base import DatabaseErrorKind, SqlDialect
from winchester_core.storage.sql.dialects.driver_statements import (
    ColumnKind,
    Converters,
    RowEncoder,
    by_value,
)
from winchester_core.storage.sql.types import format_naive_utc, format_naive_utc_times

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from sqlalchemy import URL, ColumnElement, Connection, Insert, Table

    from winchester_core.clock import Clock
BUSY_TIMEOUT_SECONDS = 30.0
FILE_MODE = 0o640

CACHE_KIB = 65_536
"""Page cache of each connection.

SQLite's default of 2 MiB is too small for the indexes of a large table.
"""

CACHED_STATEMENTS = 32
"""Prepared statements cached by each connection.

Statements of batches differ by their rounded number of rows and take half a MiB each, so the
driver's default of 128 is too much.
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
        limits = self.limits
        busy_timeout = BUSY_TIMEOUT_SECONDS if limits is None else limits.statement_timeout_seconds
        arguments = {
            "check_same_thread": False,
            "timeout": busy_timeout,
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
        if self.limits is not None:
            _interrupt_late_transactions(engine, self.limits.statement_timeout_seconds)

    def insert_or_add(self, table: Table, sums: Collection[str]) -> Insert:
        from sqlalchemy.dialects.sqlite import insert

        statement = insert(table)
        return statement.on_conflict_do_update(
            index_elements=list(table.primary_key),
            set_={name: table.c[name] + statement.excluded[name] for name in sums},
        )

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
        if primary == sqlite3.SQLITE_INTERRUPT:
            return DatabaseErrorKind.TIMED_OUT
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


_DEADLINE = "winchester_deadline"

INSTRUCTIONS_PER_CHECK = 20_000
"""Instructions of SQLite's virtual machine between two checks of the clock, about a millisecond."""


class _Deadline:
    """The time at which the transaction of a connection is interrupted."""

    def __init__(self) -> None:
        self.at = math.inf

    def is_over(self) -> bool:
        """Return whether to interrupt the current statement."""
        return monotonic() > self.at


def _interrupt_late_transactions(engine: Engine, seconds: float) -> None:
    """Make SQLite interrupt the statement that a transaction executes after this time."""

    def on_connect(connection: sqlite3.Connection, record: Any) -> None:
        deadline = record.info[_DEADLINE] = _Deadline()
        connection.set_progress_handler(deadline.is_over, INSTRUCTIONS_PER_CHECK)

    def on_begin(connection: Connection) -> None:
        connection.info[_DEADLINE].at = monotonic() + seconds

    event.listen(engine, "connect", on_connect)
    event.listen(engine, "begin", on_begin)


_ENCODERS: Converters = {
    ColumnKind.TIMESTAMP: format_naive_utc_times,
    ColumnKind.JSON: by_value(dump_traits),
}


class SqliteWriter(bulk.BulkWriter):
    """Writer for SQLite. It uses the host's time.

    Preparing a statement takes SQLite as long as executing it for half of the rows. So the number
    of rows is rounded up, and the missing rows are null, so that few statements are prepared.
    """

    name = "sqlite"

    def __init__(self, host_clock: Clock) -> None:
        self._host_clock = host_clock

    def insert(
        self, connection: Connection, statement: bulk.RowInsert, rows: bulk.Rows
    ) -> list[tuple[Any, ...]]:
        """See `BulkWriter.insert`. The statement returns a key and the id.

        Ids are assigned in ascending order, and without gaps if there are no conflicts. This takes
        a third of the time of RETURNING, which stores the rows in a temporary table first.
        """
        if not statement.returning:
            return super().insert(connection, statement, rows)
        key, row_id = statement.returning
        position = statement.names.index(key)
        returned: list[tuple[Any, ...]] = []
        for batch in bulk.parameter_batches(rows, bulk.MAX_ROWS):
            text, parameters = self._insert(statement, batch)
            inserted, last_id = driver_statements.execute_insert(connection, text, parameters)
            if inserted == len(batch):
                keys = [row[position] for row in batch]
                returned += zip(keys, range(last_id - inserted + 1, last_id + 1), strict=True)
            elif inserted:
                text = f"SELECT {key}, {row_id} FROM {statement.table.name}"
                text += f" ORDER BY {row_id} DESC LIMIT ?"
                returned += driver_statements.fetch(connection, text, (inserted,))
        return returned

    def _insert(self, statement: bulk.RowInsert, rows: bulk.Rows) -> bulk.BoundStatement:
        listed = _encoder(statement).encode(rows)
        now: tuple[Any, ...] = ()
        if statement.timestamp_column is not None:
            now = (format_naive_utc(self._host_clock.now()),)
        size, parameters = _padded(len(rows), len(statement.names), listed)
        return _insert_text(statement, size), (*parameters, *now)

    def _update(self, statement: bulk.RowUpdate, rows: bulk.Rows) -> bulk.BoundStatement:
        listed = _encoder(statement).encode(rows)
        size, parameters = _padded(len(rows), len(statement.columns), listed)
        return _update_text(statement, size), tuple(parameters)

    def _lock(self, statement: bulk.RowLock, keys: Sequence[Any]) -> bulk.BoundStatement:
        # the transaction has locked the whole file
        size, parameters = _padded(len(keys), 1, ((key,) for key in keys))
        return _lock_text(statement, size), tuple(parameters)

    def _delete(self, statement: bulk.RowDelete, keys: Sequence[Any]) -> bulk.BoundStatement:
        size, parameters = _padded(len(keys), 1, ((key,) for key in keys))
        return _delete_text(statement, size), tuple(parameters)


def _padded(number: int, width: int, rows: Iterable[Sequence[Any]]) -> tuple[int, Iterator[Any]]:
    """Return the number of rows rounded up to one significant digit, and the values of the rows."""
    step = 10 ** (len(str(number - 1)) - 1)
    size = -(-number // step) * step
    return size, chain(chain.from_iterable(rows), repeat(None, (size - number) * width))


_MAX_CACHED_TEXTS = 64
"""Number of cached SQL texts; there is one for each statement and number of rows."""


@lru_cache(_MAX_CACHED_TEXTS)
def _insert_text(statement: bulk.RowInsert, size: int) -> str:
    names = ", ".join(statement.names)
    values = bulk.values_list(("?",) * len(statement.names), size)
    columns, selected = names, names
    if statement.timestamp_column is not None:
        columns, selected = f"{names}, {statement.timestamp_column}", f"{names}, ?"
    # the driver counts the rows of a statement that begins with INSERT, not with WITH
    text = [f"INSERT INTO {statement.table.name} ({columns})"]
    text.append(f"WITH listed ({names}) AS (VALUES {values}) SELECT {selected} FROM listed")
    text.append(f"WHERE {statement.names[0]} IS NOT NULL")
    if statement.conflict_column is not None:
        text.append(f"ON CONFLICT ({statement.conflict_column}) DO NOTHING")
    return " ".join(text)


@lru_cache(_MAX_CACHED_TEXTS)
def _update_text(statement: bulk.RowUpdate, size: int) -> str:
    table, columns = statement.table.name, statement.columns
    names = ", ".join(column.name for column in columns)
    values = bulk.values_list(("?",) * len(columns), size)
    changes = ", ".join(f"{name} = listed.{name}" for name in statement.names)
    text = [f"WITH listed ({names}) AS (VALUES {values}) UPDATE {table} SET {changes}"]
    text.append(f"FROM listed WHERE {table}.{statement.key} = listed.{statement.key}")
    return " ".join(text)


@lru_cache(_MAX_CACHED_TEXTS)
def _lock_text(statement: bulk.RowLock, size: int) -> str:
    text = [f"SELECT {', '.join(statement.names)} FROM {statement.table.name}"]
    text.append(f"WHERE {statement.key} IN {bulk.values_list(('?',) * size, 1)}")
    text.append(f"ORDER BY {statement.key}")
    return " ".join(text)


@lru_cache(_MAX_CACHED_TEXTS)
def _delete_text(statement: bulk.RowDelete, size: int) -> str:
    values = bulk.values_list(("?",) * size, 1)
    return f"DELETE FROM {statement.table.name} WHERE {statement.key} IN {values}"


@cache
def _encoder(statement: bulk.RowInsert | bulk.RowUpdate) -> RowEncoder:
    return RowEncoder(statement.columns, _ENCODERS)
