"""PostgreSQL through psycopg 3, at READ COMMITTED with row locks."""

from __future__ import annotations

import re
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Text,
    all_,
    any_,
    bindparam,
    cast,
    event,
    func,
    select,
    text,
    true,
    tuple_,
)

from winchester_core.errors import ConfigurationError
from winchester_core.storage.sql.dialects import base, driver_statements
from winchester_core.storage.sql.dialects.base import DatabaseErrorKind, SqlDialect, WorkerNotifier
from winchester_core.storage.sql.dialects.postgresql_bulk import PostgresqlWriter
from winchester_core.storage.sql.dialects.postgresql_notifier import PostgresqlNotifier
from winchester_core.storage.sql.types import UtcDateTime

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import (
        URL,
        BindParameter,
        ColumnElement,
        Connection,
        Engine,
        Executable,
        FromClause,
        Insert,
        Table,
    )

    from winchester_core.clock import Clock

_CONNECT_ARGS = {
    "connect_timeout": base.CONNECT_TIMEOUT_SECONDS,
    "keepalives_idle": base.KEEPALIVE_IDLE_SECONDS,
    "keepalives_interval": base.KEEPALIVE_INTERVAL_SECONDS,
    "keepalives_count": base.KEEPALIVE_COUNT,
    "tcp_user_timeout": base.TCP_USER_TIMEOUT_SECONDS * 1000,
    # the default is the database's encoding, which may lack characters
    "client_encoding": "utf8",
}
"""Parameters for libpq; the URL may override them."""

_IDLE_TIMEOUT = "idle_in_transaction_session_timeout"
_WRITE_TIMEOUT = "tcp_user_timeout"
"""Ends the session of a client that is paused and does not read a result."""

_SESSION_SETTINGS = {
    "timezone": "UTC",
    "lock_timeout": f"{base.LOCK_TIMEOUT_SECONDS}s",
    _IDLE_TIMEOUT: f"{base.IDLE_TRANSACTION_TIMEOUT_SECONDS}s",
    # every query has an index; for a few hundred rows the planner would prefer a sequential scan,
    # because its default costs are those of spinning disks
    "enable_seqscan": "off",
    # no query takes long enough to be worth compiling
    "jit": "off",
}
"""Settings of each session on the server; `options` in the URL may override them."""

# while the primary writes nothing, its last transaction becomes older, but the data is current
_REPLICA_QUERY = """
SELECT current_setting('transaction_read_only') = 'on',
  CASE
    WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()
      AND EXISTS (SELECT pid FROM pg_stat_wal_receiver) THEN 0
    ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())
  END
"""

# SQLSTATE codes and classes: PostgreSQL manual, appendix A
_CONFLICTS = frozenset({"40001", "40P01", "55P03", "23505"})
_STATEMENT_LOST = frozenset({"26000", "42P05"})
_QUERY_CANCELED = "57014"
_REFUSED_CLASSES = frozenset({"21", "22", "23", "44", "54", "P0"})
_DRIVER_ERRORS = {
    "OperationalError": DatabaseErrorKind.UNAVAILABLE,
    "InterfaceError": DatabaseErrorKind.UNAVAILABLE,
    "DataError": DatabaseErrorKind.REFUSED,
}


class PostgresqlDialect(SqlDialect):
    """PostgreSQL."""

    name = "postgresql"
    bulk = PostgresqlWriter()

    def __init__(self, host_clock: Clock) -> None:
        super().__init__(host_clock)
        self._pools_transactions = False
        self._prepares_statements = True
        self._lacks_characters = False
        self._settings = dict(_SESSION_SETTINGS)

    def prepare_url(self, url: str) -> str:
        return re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", url)

    def engine_options(self, url: URL) -> dict[str, Any]:
        arguments = {**_CONNECT_ARGS}
        arguments |= {name: value for name, value in url.query.items() if name in _CONNECT_ARGS}
        if "prepare_threshold" in url.query:  # the driver expects no text
            arguments["prepare_threshold"] = _prepare_threshold(url.query["prepare_threshold"])
        self._settings |= _parse_options(url.query.get("options", ""))
        if self.limits is not None:  # the URL does not override them
            milliseconds = round(self.limits.statement_timeout_seconds * 1000)
            self._settings["statement_timeout"] = f"{milliseconds}ms"
            for name in (_IDLE_TIMEOUT, _WRITE_TIMEOUT):
                self._settings[name] = f"{base.IDLE_TRANSACTION_TIMEOUT_SECONDS}s"
        arguments["options"] = "" if self._pools_transactions else _format_options(self._settings)
        return {"isolation_level": "READ COMMITTED", "connect_args": arguments}

    def configure_engine(self, engine: Engine) -> None:
        event.listen(engine, "connect", self._configure_connection)
        if self._pools_transactions:
            event.listen(engine, "begin", self._configure_transaction)

    def use_transaction_pooling(self) -> None:
        self._pools_transactions = True
        self.disable_prepared_statements()

    def disable_prepared_statements(self) -> None:
        self._prepares_statements = False

    def accepts_writes(self, connection: Any) -> bool:
        autocommit, connection.autocommit = connection.autocommit, True
        try:
            (is_read_only,) = connection.execute("SHOW transaction_read_only").fetchone()
        finally:
            if not connection.closed:
                connection.autocommit = autocommit
        return bool(is_read_only == "off")

    def replica_query(self) -> Executable:
        return text(_REPLICA_QUERY)

    def _configure_connection(self, connection: Any, _record: object) -> None:
        from psycopg.types.array import ListBinaryDumper

        from winchester_core.storage.sql.dialects.postgresql_cursor import UnpreparedCursor

        encoding = connection.info.parameter_status("server_encoding")
        self._lacks_characters = encoding not in (None, "UTF8", "SQL_ASCII")
        connection.cursor_factory = UnpreparedCursor
        if not self._prepares_statements:
            connection.prepare_threshold = None
        # the driver takes several times as long to encode arrays as text
        connection.adapters.register_dumper(list, ListBinaryDumper)

    def _configure_transaction(self, connection: Connection) -> None:
        driver: Any = connection.connection.driver_connection
        if driver.autocommit:
            return
        calls = ", ".join(["set_config(%s, %s, true)"] * len(self._settings))
        driver_statements.execute(connection, f"SELECT {calls}", [*chain(*self._settings.items())])

    def real_time(self) -> ColumnElement[datetime]:
        return func.clock_timestamp(type_=UtcDateTime())

    def real_time_text(self) -> ColumnElement[str]:
        utc = func.timezone("UTC", func.clock_timestamp())
        text = func.to_char(utc, 'YYYY-MM-DD"T"HH24:MI:SS.US', type_=Text())
        return select(text).scalar_subquery()  # evaluated once, not for each row

    def storable(self, text: str) -> str:
        return text.encode("ascii", "backslashreplace").decode() if self._lacks_characters else text

    def is_one_of(self, column: ColumnElement[int], numbers: Sequence[int]) -> ColumnElement[bool]:
        # one array parameter, so that the statement text is the same for any number of values
        return column == any_(_bigint_array(numbers))

    @contextmanager
    def without_sorting(self, connection: Connection) -> Iterator[None]:
        # if its statistics are of an empty table, PostgreSQL reads and sorts all rows that meet the
        # condition, because it expects one
        driver_statements.execute(connection, "SET LOCAL enable_sort = off", ())
        yield
        driver_statements.execute(connection, "SET LOCAL enable_sort = DEFAULT", ())

    def is_none_of(self, column: ColumnElement[str], texts: Sequence[str]) -> ColumnElement[bool]:
        # one array parameter, because a statement has at most 65,535 parameters
        return column != all_(bindparam(None, list(texts), type_=ARRAY(Text)))

    def pair_is_one_of(
        self,
        columns: tuple[ColumnElement[int], ColumnElement[int]],
        pairs: Sequence[tuple[int, int]],
    ) -> ColumnElement[bool]:
        first, second = (_bigint_array([pair[index] for pair in pairs]) for index in (0, 1))
        return tuple_(*columns).in_(select(func.unnest(first), func.unnest(second)))

    def lateral_index_lookup(
        self, outer: FromClause, inner: Table, on: ColumnElement[bool]
    ) -> tuple[FromClause, FromClause]:
        # OFFSET 0 keeps the planner from flattening the subquery into another kind of join
        found = select(inner).where(on).offset(0).lateral()
        return outer.join(found, true()), found

    def json_text(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        return cast(column, Text())  # the driver decodes values of the type JSON

    def insert_or_add(self, table: Table, sums: Collection[str]) -> Insert:
        from sqlalchemy.dialects.postgresql import insert

        statement = insert(table)
        return statement.on_conflict_do_update(
            index_elements=list(table.primary_key),
            set_={name: table.c[name] + statement.excluded[name] for name in sums},
        )

    def notifier(self, engine: Engine) -> WorkerNotifier:
        return PostgresqlNotifier(engine, None if self._pools_transactions else self.accepts_writes)

    def index_order(
        self, order: ColumnElement[Any], *, after_null: ColumnElement[Any] | None
    ) -> tuple[ColumnElement[Any], ...]:
        # the planner recognizes the order of the index only if the null column is included
        return (order,) if after_null is None else (after_null, order)

    def contains(self, column: ColumnElement[str], text: str) -> ColumnElement[bool]:
        return func.strpos(column, text) > 0

    def is_server_error(self, error: BaseException) -> bool:
        return getattr(error, "sqlstate", None) is not None

    def classify_error(self, error: BaseException) -> DatabaseErrorKind:
        state = getattr(error, "sqlstate", None)
        if state is None:  # raised by the driver, not the server
            return _DRIVER_ERRORS.get(type(error).__name__, DatabaseErrorKind.UNKNOWN)
        if state in _CONFLICTS:
            return DatabaseErrorKind.CONFLICT
        if state in _STATEMENT_LOST:
            return DatabaseErrorKind.STATEMENT_LOST
        if state == _QUERY_CANCELED:
            return DatabaseErrorKind.TIMED_OUT
        is_refused = state[:2] in _REFUSED_CLASSES
        return DatabaseErrorKind.REFUSED if is_refused else DatabaseErrorKind.UNAVAILABLE


def _prepare_threshold(text: str | tuple[str, ...]) -> int | None:
    """Return the number of executions after which the driver prepares a statement (None: never)."""
    if text == "None":
        return None
    if isinstance(text, str) and text.isdecimal():
        return int(text)
    message = f"database.url: prepare_threshold is {text!r}; expected a number, or None for never"
    raise ConfigurationError([message])


_OPTION = re.compile(r"(?:-c\s*|--)([\w.-]+)=((?:\\.|[^\s\\])*)", re.ASCII | re.DOTALL)


def _parse_options(text: str | tuple[str, ...]) -> dict[str, str]:
    """Return the settings in libpq's `options`, such as `-c statement_timeout=5s`."""
    rest = "".join(text) if isinstance(text, str) else " ".join(text)
    settings = {}
    while rest := rest.lstrip():
        option = _OPTION.match(rest)
        if option is None:
            message = f"database.url: options: expected '-c NAME=VALUE', found {rest!r}"
            raise ConfigurationError([message])
        name, value = option.groups()
        settings[name.replace("-", "_").lower()] = re.sub(r"\\(.)", r"\1", value)
        rest = rest[option.end() :]
    return settings


def _format_options(settings: Mapping[str, str]) -> str:
    escaped = {name: re.sub(r"([\s\\])", r"\\\1", value) for name, value in settings.items()}
    return " ".join(f"-c {name}={value}" for name, value in escaped.items())


def _bigint_array(numbers: Sequence[int]) -> BindParameter[Any]:
    return bindparam(None, list(numbers), type_=ARRAY(BigInteger))
