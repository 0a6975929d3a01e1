"""A database: connections, transactions with retries, translation of errors."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, TypeVarTuple, overload

from sqlalchemy import Text, create_engine, event, literal, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    DBAPIError,
    InvalidatePoolError,
    NoSuchModuleError,
    SQLAlchemyError,
    StatementError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from winchester_core.clock import SystemClock, monotonic, sleep
from winchester_core.distribution import install_command
from winchester_core.errors import (
    ConcurrentChange,
    ConfigurationError,
    ConnectionBroken,
    DatabaseUnavailable,
    DataRefused,
    QueryTimeout,
    StorageError,
)
from winchester_core.masking import mask_url
from winchester_core.model.json import dump_traits, load_traits
from winchester_core.model.stream import history_time
from winchester_core.retry import Backoff
from winchester_core.storage.sql.dialects import DatabaseErrorKind, dialect_for, driver_statements
from winchester_core.storage.sql.dialects.sqlite import READ_ONLY
from winchester_core.telemetry.counters import Count, Counters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, CursorResult, Engine, Executable, Pool
    from sqlalchemy.sql.selectable import TypedReturnsRows

    from winchester_core.clock import Clock
    from winchester_core.storage.database_limits import DatabaseLimits
    from winchester_core.storage.sql.dialects import SqlDialect


logger = logging.getLogger(__name__)

Result = TypeVar("Result")

MAX_RETRY_SECONDS = 30.0
"""Maximum time for retries of a conflicting transaction.

At each conflict, another transaction has committed.
"""

FIRST_BACKOFF_SECONDS = 0.01
MAX_BACKOFF_SECONDS = 0.25

_POOL = "winchester"

_EXTRAS = {"psycopg": "postgresql", "pymysql": "mysql", "MySQLdb": "mysqlclient"}


class Database:
    """Connection pool of a database. Safe to share between threads, but not across a fork.

    Unless `read_only_allowed`, connections to servers that accept no writes are replaced.
    """

    def __init__(
        self,
        url: str,
        *,
        transaction_pooling: bool = False,
        host_clock: Clock | None = None,
        counters: Counters | None = None,
        limits: DatabaseLimits | None = None,
        read_only_allowed: bool = False,
    ) -> None:
        self.dialect = dialect_for(url, host_clock or SystemClock())
        self.dialect.limits = limits
        if transaction_pooling:
            self.dialect.use_transaction_pooling()
        self.counters = counters or Counters()
        self.engine = self._create_engine(self.dialect.prepare_url(url))
        _silence_pool_tracebacks(self.engine.pool)
        self.dialect.configure_engine(self.engine)
        if not self.dialect.embedded:
            _check_connections(self.engine, self.dialect, read_only_allowed=read_only_allowed)
        self._read_engine = self.engine.execution_options(**{READ_ONLY: True})

    @property
    def masked_url(self) -> str:
        """The URL without its password, for logs and output."""
        return mask_url(self.engine.url.render_as_string(hide_password=True))

    def write(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work` in one transaction. If it conflicts with another, retry it as a whole.

        Raises `ConcurrentChange` after 30 seconds of conflicts, `DataRefused`,
        `DatabaseUnavailable`, `QueryTimeout` if the connections have limits, or `StorageError` for
        any other error of the database.
        """
        return self._retry_conflicts(self.engine.begin, work)

    def read(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work` in one transaction. It must only read. Retries and raises as `write`."""
        return self._retry_conflicts(self._read_engine.begin, work)

    def migrate(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work`; it begins and ends transactions itself. Retries and raises as `write`."""
        return self._retry_conflicts(self.engine.connect, work)

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    def _retry_conflicts(
        self,
        connect: Callable[[], AbstractContextManager[Connection]],
        work: Callable[[Connection], Result],
    ) -> Result:
        started = monotonic()
        backoff: Backoff | None = None
        while True:
            try:
                with self._translated_errors(), connect() as connection:
                    return work(connection)
            except ConcurrentChange as conflict:
                if monotonic() - started >= MAX_RETRY_SECONDS:
                    raise
                self.counters.add(Count.TRANSACTIONS_RETRIED)
                logger.debug("transaction conflict, retrying: error=%s", conflict)
                backoff = backoff or Backoff(
                    first_seconds=FIRST_BACKOFF_SECONDS, max_seconds=MAX_BACKOFF_SECONDS
                )
                sleep(backoff.next_seconds())

    def _create_engine(self, url: str) -> Engine:
        try:
            return create_engine(
                url,
                pool_logging_name=_POOL,
                json_serializer=dump_traits,
                json_deserializer=load_traits,
                **{**self._pool_options(), **self.dialect.engine_options(make_url(url))},
            )
        except ModuleNotFoundError as error:
            command = install_command(_EXTRAS.get(error.name or "", "all"))
            problem = f"database.url: {error.name or ''!r} is not installed: {command}"
            raise ConfigurationError([problem]) from error
        except ImportError as error:  # the driver requires a library that is missing
            raise ConfigurationError([f"database.url: {error}"]) from error
        except NoSuchModuleError as error:
            raise ConfigurationError([f"database.url: {error}"]) from error

    def _pool_options(self) -> dict[str, Any]:
        limits = self.dialect.limits
        if limits is None:
            return {}
        return {
            "pool_size": limits.pool_size,
            "max_overflow": 0,
            "pool_timeout": limits.pool_timeout_seconds,
        }

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise self._storage_error(error) from error
        except StatementError as error:  # the value cannot be encoded, so nothing was sent
            raise driver_statements.value_error(error.orig or error) from error
        except PoolTimeoutError as error:
            raise DatabaseUnavailable("all connections are in use") from error
        except SQLAlchemyError as error:
            raise StorageError(
                f"{type(error).__name__}: {driver_statements.first_line(error)}"
            ) from error

    def _storage_error(self, error: DBAPIError) -> StorageError:
        cause = error.orig if error.orig is not None else error
        reason = f"{type(cause).__name__}: {driver_statements.first_line(cause)}"
        if error.connection_invalidated:
            self._renew_connections()
            is_explained = self.dialect.is_server_error(cause)
            return DatabaseUnavailable(reason) if is_explained else ConnectionBroken(reason)
        match self.dialect.classify_error(cause):
            case DatabaseErrorKind.CONFLICT:
                return ConcurrentChange(reason)
            case DatabaseErrorKind.STATEMENT_LOST:
                logger.warning(
                    "prepared statements disabled, see transaction_pooling: error=%s", reason
                )
                self.dialect.disable_prepared_statements()
                self._renew_connections()
                return ConcurrentChange(reason)
            case DatabaseErrorKind.TIMED_OUT if self.dialect.limits is not None:
                return QueryTimeout(reason)
            case DatabaseErrorKind.UNAVAILABLE | DatabaseErrorKind.TIMED_OUT:
                self._renew_connections()
                return DatabaseUnavailable(reason)
            case DatabaseErrorKind.REFUSED:
                return DataRefused(reason)
            case DatabaseErrorKind.UNKNOWN:
                return StorageError(reason)

    def _renew_connections(self) -> None:
        """Use new connections from now on, because old ones may lead to an old primary.

        Old ones may also be in a transaction, because a failing server may refuse the rollback.
        """
        if not self.dialect.embedded:
            self.engine.dispose()


def _silence_pool_tracebacks(pool: Pool) -> None:
    """Suppress a traceback for each broken connection; an outage is logged once elsewhere."""
    name = f"{type(pool).__module__}.{type(pool).__qualname__}.{_POOL}"
    logging.getLogger(name).addFilter(_without_traceback)


def _without_traceback(record: logging.LogRecord) -> bool:
    if not record.exc_info:
        return True
    logger.debug("connection lost: error=%s", record.exc_info[1])
    return False


# Connection check: before use, but at most once a second, ask whether the server accepts writes.
#
# SQLAlchemy's pre-ping costs a round trip for every transaction. If a connection breaks between two
# checks, its transaction fails and is retried. Without the check, a server that has become
# read-only after a failover would be used for reading forever.

CHECK_INTERVAL_SECONDS = 1.0
_CHECKED_AT = "winchester_checked_at"


def _check_connections(engine: Engine, dialect: SqlDialect, *, read_only_allowed: bool) -> None:
    """Make `engine` replace all connections if one is broken or its server is read-only."""

    def on_checkout(connection: Any, record: Any, _proxy: Any) -> None:
        now = monotonic()
        if now - record.info.setdefault(_CHECKED_AT, now) < CHECK_INTERVAL_SECONDS:
            return
        try:
            accepts_writes = dialect.accepts_writes(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError("the connection broke while idle") from error
        if not accepts_writes and not read_only_allowed:
            raise InvalidatePoolError("the server does not accept writes")
        record.info[_CHECKED_AT] = now

    event.listen(engine, "checkout", on_checkout)


Parameters: TypeAlias = "Mapping[str, Any] | Sequence[Mapping[str, Any]]"
Columns = TypeVarTuple("Columns")


@dataclass(frozen=True, slots=True)
class Transaction:
    """A connection with an open transaction, and the dialect of its database."""

    connection: Connection
    dialect: SqlDialect

    @overload
    def execute(  # type: ignore[overload-overlap]
        self, statement: TypedReturnsRows[*Columns], parameters: Parameters | None = None
    ) -> CursorResult[*Columns]: ...
    @overload
    def execute(
        self, statement: Executable, parameters: Parameters | None = None
    ) -> CursorResult[Any]: ...
    def execute(
        self, statement: Executable, parameters: Parameters | None = None
    ) -> CursorResult[Any]:
        """Execute a statement, once for each mapping of `parameters`.

        Raises `SQLAlchemyError`, or `DataRefused` if the driver fails on a value in another way.
        """
        try:
            return self.connection.execute(statement, parameters)
        except SQLAlchemyError:
            raise
        except Exception as error:
            raise driver_statements.value_error(error) from error

    def real_time(self) -> datetime:
        """Return the database server's time, aware UTC. For SQLite it is the host's time."""
        if self.dialect.embedded:
            return self.dialect.host_clock.now()
        return self.connection.execute(select(self.dialect.real_time())).scalar_one()

    def real_time_text(self) -> ColumnElement[str]:
        """Return the real time as a text expression, which saves the round trip for reading it."""
        if self.dialect.embedded:
            return literal(history_time(self.dialect.host_clock.now()), Text())
        return self.dialect.real_time_text()
