"""PostgreSQL through psycopg 3, at READ COMMITTED with row locks."""

from __future__ import annotations

import logging
import re
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Text,
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
from sqlalchemy.exc import SQLAlchemyError

from winchester_core.storage.sql.dialects import base
from winchester_core.storage.sql.dialects.base import DatabaseErrorKind, SqlDialect, WorkerNotifier
from winchester_core.storage.sql.dialects.postgresql_bulk import PostgresqlWriter
from winchester_core.storage.sql.types import UtcDateTime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from sqlalchemy import URL, BindParameter, ColumnElement, Engine, FromClause, Table

_CONNECT_ARGS = {
    "connect_timeout": base.CONNECT_TIMEOUT_SECONDS,
    "keepalives_idle": base.KEEPALIVE_IDLE_SECONDS,
    "keepalives_interval": base.KEEPALIVE_INTERVAL_SECONDS,
    "keepalives_count": base.KEEPALIVE_COUNT,
    "tcp_user_timeout": base.TCP_USER_TIMEOUT_SECONDS * 1000,
    # else it is the database's encoding, in which the driver cannot write every text
    "client_encoding": "utf8",
}
"""Parameters of libpq; a URL may override them."""

_SESSION_OPTIONS = (
    "-c timezone=UTC"
    f" -c lock_timeout={base.LOCK_TIMEOUT_SECONDS}s"
    f" -c idle_in_transaction_session_timeout={base.IDLE_TRANSACTION_TIMEOUT_SECONDS}s"
    # every query has an index; for a few hundred rows the planner would prefer a sequential scan,
    # because its default costs assume spinning disks
    " -c enable_seqscan=off"
    # no query takes long enough to be worth compiling
    " -c jit=off"
)

# SQLSTATE codes and classes: PostgreSQL manual, appendix A
_CONFLICTS = frozenset({"40001", "40P01", "55P03", "23505"})
_UNAVAILABLE_CLASSES = frozenset({"08", "25", "28", "3D", "53", "57", "58"})
_READ_ONLY = "25006"
_REFUSED_CLASSES = frozenset({"22", "23", "54"})
_DRIVER_ERRORS = {
    "OperationalError": DatabaseErrorKind.UNAVAILABLE,
    "InterfaceError": DatabaseErrorKind.UNAVAILABLE,
    "DataError": DatabaseErrorKind.REFUSED,
}


class PostgresqlDialect(SqlDialect):
    """PostgreSQL."""

    name = "postgresql"
    bulk = PostgresqlWriter()

    def prepare_url(self, url: str) -> str:
        return re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", url)

    def engine_options(self, url: URL) -> dict[str, Any]:
        given = {name: value for name, value in url.query.items() if name in _CONNECT_ARGS}
        # the last value of a setting wins: the URL's
        options = f"{_SESSION_OPTIONS} {url.query.get('options', '')}".strip()
        return {
            "isolation_level": "READ COMMITTED",
            "connect_args": {**_CONNECT_ARGS, **given, "options": options},
        }

    def configure_engine(self, engine: Engine) -> None:
        event.listen(engine, "connect", _configure_connection)

    def real_time(self) -> ColumnElement[datetime]:
        return func.clock_timestamp(type_=UtcDateTime())

    def real_time_text(self) -> ColumnElement[str]:
        utc = func.timezone("UTC", func.clock_timestamp())
        text = func.to_char(utc, 'YYYY-MM-DD"T"HH24:MI:SS.US', type_=Text())
        return select(text).scalar_subquery()  # evaluated once, not for each row

    def is_one_of(self, column: ColumnElement[int], numbers: Sequence[int]) -> ColumnElement[bool]:
        # one array parameter: one statement text for any number of values
        return column == any_(_bigint_array(numbers))

    def pair_is_one_of(
        self,
        columns: tuple[ColumnElement[int], ColumnElement[int]],
        pairs: Sequence[tuple[int, int]],
    ) -> ColumnElement[bool]:
        first, second = (_bigint_array([pair[index] for pair in pairs]) for index in (0, 1))
        return tuple_(*columns).in_(select(func.unnest(first), func.unnest(second)))

    def lateral_index_lookup(
        self, outer: Table, inner: Table, on: ColumnElement[bool]
    ) -> tuple[FromClause, FromClause]:
        # OFFSET 0 keeps the planner from flattening the subquery into another kind of join
        found = select(inner).where(on).offset(0).lateral()
        return outer.join(found, true()), found

    def json_text(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        return cast(column, Text())  # the driver decodes values of the type JSON

    def notifier(self, engine: Engine) -> WorkerNotifier:
        return PostgresqlNotifier(engine)

    def index_order(
        self, order: ColumnElement[Any], *, after_null: ColumnElement[Any] | None
    ) -> tuple[ColumnElement[Any], ...]:
        # the planner recognizes the order of the index only if the null column is named
        return (order,) if after_null is None else (after_null, order)

    def contains(self, column: ColumnElement[str], text: str) -> ColumnElement[bool]:
        return func.strpos(column, text) > 0

    def is_read_only(self, error: BaseException) -> bool:
        return getattr(error, "sqlstate", None) == _READ_ONLY

    def classify_error(self, error: BaseException) -> DatabaseErrorKind:
        state = getattr(error, "sqlstate", None)
        if state is None:  # raised by the driver, not the server
            return _DRIVER_ERRORS.get(type(error).__name__, DatabaseErrorKind.UNKNOWN)
        if state in _CONFLICTS:
            return DatabaseErrorKind.CONFLICT
        if state[:2] in _UNAVAILABLE_CLASSES:
            return DatabaseErrorKind.UNAVAILABLE
        return (
            DatabaseErrorKind.REFUSED
            if state[:2] in _REFUSED_CLASSES
            else DatabaseErrorKind.UNKNOWN
        )


def _configure_connection(connection: Any, _record: object) -> None:
    from psycopg.types.array import ListBinaryDumper

    from winchester_core.storage.sql.dialects.postgresql_cursor import UnpreparedCursor

    connection.cursor_factory = UnpreparedCursor
    # the driver takes several times as long to encode arrays as text
    connection.adapters.register_dumper(list, ListBinaryDumper)


def _bigint_array(numbers: Sequence[int]) -> BindParameter[Any]:
    return bindparam(None, list(numbers), type_=ARRAY(BigInteger))


# LISTEN and NOTIFY: wake idle workers when a stream becomes ready.
#
# The notification is a separate transaction after the commit. Within it, NOTIFY would take a
# server-wide lock until the commit is on disk (PostgreSQL, `PreCommit_Notify`), and serialize all
# ingest.

logger = logging.getLogger(__name__)

CHANNEL = "winchester_ready"

# a notification carries no data, so its transaction (and only it) need not wait for the disk
_NOTIFY = text(
    "SELECT set_config('synchronous_commit', 'off', true), pg_notify(:channel, '')"
).bindparams(channel=CHANNEL)

POLL_SECONDS = 0.5
"""Interval at which the listener thread checks whether to stop."""

RECONNECT_SECONDS = 2.0


class PostgresqlNotifier(WorkerNotifier):
    """The notifier of a PostgreSQL database, by LISTEN and NOTIFY."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._notify_engine = engine.execution_options(isolation_level="AUTOCOMMIT")

    def notify(self) -> None:
        """See `WorkerNotifier.notify`."""
        try:
            with self._notify_engine.connect() as connection:
                connection.execute(_NOTIFY)
        except SQLAlchemyError as error:
            logger.debug("notification of workers failed, workers will poll: error=%s", error)

    @contextmanager
    def listen(self, wake: Callable[[], None]) -> Iterator[None]:
        """See `WorkerNotifier.listen`."""
        done = threading.Event()
        thread = threading.Thread(
            target=self._listen, args=(wake, done), name="notification-listener", daemon=True
        )
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _listen(self, wake: Callable[[], None], done: threading.Event) -> None:
        """Listen until `done`, reconnecting after errors. The body of a thread."""
        driver_error = self._engine.dialect.loaded_dbapi.Error
        while not done.is_set():
            try:
                self._listen_until(wake, done)
            except (SQLAlchemyError, driver_error) as error:
                logger.debug("cannot listen for notifications, retrying: error=%s", error)
                done.wait(RECONNECT_SECONDS)

    def _listen_until(self, wake: Callable[[], None], done: threading.Event) -> None:
        with closing(self._detached_connection()) as connection:
            connection.execute(f"LISTEN {CHANNEL}")
            wake()  # notifications before LISTEN are lost
            while not done.is_set():
                for _ in connection.notifies(timeout=POLL_SECONDS, stop_after=1):
                    wake()

    def _detached_connection(self) -> Any:
        """Return a driver connection that is detached from the pool."""
        pooled = self._engine.raw_connection()
        connection: Any = pooled.driver_connection
        pooled.detach()
        try:
            connection.rollback()
            connection.autocommit = True
        except BaseException:
            connection.close()
            raise
        return connection
