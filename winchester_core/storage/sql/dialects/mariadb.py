"""MariaDB, at READ COMMITTED with row locks, in strict mode."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, Table, Text, delete, event, func, select, text

from winchester_core.errors import ConfigurationError
from winchester_core.storage.sql.dialects import base
from winchester_core.storage.sql.dialects.base import DatabaseErrorKind, SqlDialect
from winchester_core.storage.sql.dialects.mariadb_bulk import MariadbWriter
from winchester_core.storage.sql.dialects.mariadb_drivers import DRIVERS, PyMySqlDriver
from winchester_core.storage.sql.types import UtcDateTime

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from sqlalchemy import (
        URL,
        Column,
        ColumnElement,
        Delete,
        Executable,
        FromClause,
        Insert,
        Select,
    )

    from winchester_core.clock import Clock


_CONNECT_TIMEOUT = {"connect_timeout": base.CONNECT_TIMEOUT_SECONDS}

_SESSION_VARIABLES = ", ".join(
    f"SESSION {setting}"
    for setting in (
        "sql_mode = 'TRADITIONAL,NO_ENGINE_SUBSTITUTION'",
        "time_zone = '+00:00'",
        f"innodb_lock_wait_timeout = {base.LOCK_TIMEOUT_SECONDS}",
        f"idle_transaction_timeout = {base.IDLE_TRANSACTION_TIMEOUT_SECONDS}",
        # the default of 1000 truncates the result of a recursive query
        f"max_recursive_iterations = {2**32 - 1}",
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
# only a privileged user may ask the server for its lag; every process reports each few seconds
_REPLICA_QUERY = """
SELECT @@read_only,
  timestampdiff(MICROSECOND, (SELECT max(seen_at) FROM processes), utc_timestamp(6)) / 1000000
"""

_STATEMENT_TIMEOUT = 1969
_CLIENT_ERRORS = range(2000, 3000)


class MariadbDialect(SqlDialect):
    """MariaDB 10.6 and later."""

    name = "mariadb"
    bulk = MariadbWriter()
    ignores_invalid_rows = True

    def __init__(self, host_clock: Clock, driver_name: str = PyMySqlDriver.name) -> None:
        super().__init__(host_clock)
        if driver_name not in DRIVERS:
            known = " and ".join(f"mysql+{name}" for name in DRIVERS)
            raise ConfigurationError(
                [f"database.url: driver {driver_name!r} is not supported; the drivers are {known}"]
            )
        self._driver = DRIVERS[driver_name]()

    def prepare_url(self, url: str) -> str:
        return re.sub(r"^\w+(\+\w+)?://", f"mariadb+{self._driver.name}://", url)

    def engine_options(self, url: URL) -> dict[str, Any]:
        timeout = {} if "connect_timeout" in url.query else _CONNECT_TIMEOUT
        return {
            "isolation_level": "READ COMMITTED",
            "pool_reset_on_return": None,  # transactions end explicitly; saves a round trip
            "connect_args": {"charset": "utf8mb4", **timeout},
        }

    def insert_or_add(self, table: Table, sums: Collection[str]) -> Insert:
        from sqlalchemy.dialects.mysql import insert

        statement = insert(table)
        return statement.on_duplicate_key_update(
            {name: table.c[name] + statement.inserted[name] for name in sums}
        )

    def configure_engine(self, engine: Engine) -> None:
        event.listen(engine, "do_connect", self._connect)
        event.listen(engine, "connect", self._configure_connection)

    def _connect(
        self, _dialect: object, _record: object, _arguments: object, options: dict[str, Any]
    ) -> Any:
        return self._driver.connect(options)

    def _configure_connection(self, connection: Any, _record: object) -> None:
        variables = _SESSION_VARIABLES
        if self.limits is not None:
            seconds = self.limits.statement_timeout_seconds
            variables = f"{variables}, SESSION max_statement_time = {seconds:f}"
            # ends the session of a client that is paused and does not read a result
            write_timeout = base.IDLE_TRANSACTION_TIMEOUT_SECONDS
            variables = f"{variables}, SESSION net_write_timeout = {write_timeout}"
        with connection.cursor() as cursor:
            cursor.execute(f"SET {variables}")
        with self._driver.socket_of(connection) as client_socket:  # no driver has a setting for it
            _enable_keepalive(client_socket)

    def real_time(self) -> ColumnElement[datetime]:
        return func.utc_timestamp(6, type_=UtcDateTime())

    def real_time_text(self) -> ColumnElement[str]:
        return func.date_format(func.utc_timestamp(6), "%Y-%m-%dT%H:%i:%S.%f", type_=Text())

    def force_index(self, query: Select[Any], table: FromClause, index: str) -> Select[Any]:
        # MariaDB locks every row that it reads, so a table scan would wait for other workers
        return query.with_hint(table, f"FORCE INDEX ({index})")

    def distinct_values(self, column: Column[str]) -> Select[Any]:
        # in a correlated subquery, min() reads all later entries of the index; DISTINCT skips from
        # value to value, or without statistics reads the index once
        return select(column).distinct()

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

    def replica_query(self) -> Executable:
        return text(_REPLICA_QUERY)

    def is_server_error(self, error: BaseException) -> bool:
        number = _error_number(error)
        return bool(number) and number not in _CLIENT_ERRORS

    def classify_error(self, error: BaseException) -> DatabaseErrorKind:
        number = _error_number(error)
        if number in _CONFLICTS:
            return DatabaseErrorKind.CONFLICT
        if number == _STATEMENT_TIMEOUT:
            return DatabaseErrorKind.TIMED_OUT
        if number in _REFUSED or type(error).__name__ in ("DataError", "IntegrityError"):
            return DatabaseErrorKind.REFUSED
        if number is not None or type(error).__name__ == "InterfaceError":
            return DatabaseErrorKind.UNAVAILABLE
        return DatabaseErrorKind.UNKNOWN


def _error_number(error: BaseException) -> int | None:
    return error.args[0] if error.args and isinstance(error.args[0], int) else None


def _enable_keepalive(client_socket: socket.socket) -> None:
    """Enable TCP keepalive to detect a dead server, as libpq does by its parameters."""
    if client_socket.family == socket.AF_UNIX:
        return
    client_socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _TCP_OPTIONS.items():
        if hasattr(socket, option):
            client_socket.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
