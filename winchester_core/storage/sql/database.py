"""A database: its connections, its transactions, and what its errors mean."""

from __future__ import annotations

import logging
import random
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from winchester_core.clock import SystemClock, monotonic, pause
from winchester_core.config.secrets import mask_url
from winchester_core.distribution import install_command
from winchester_core.errors import (
    ConcurrentChange,
    ConfigurationError,
    DatabaseUnavailable,
    DataRefused,
    StorageError,
)
from winchester_core.model.json import dump_traits, load_traits
from winchester_core.storage.dialects import Fault, dialect_for
from winchester_core.storage.dialects.sqlite import READ_ONLY
from winchester_core.storage.sql.liveness import check_idle_connections
from winchester_core.telemetry.counters import Count, Counters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection, Engine, Pool

    from winchester_core.clock import Clock

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

PATIENCE_SECONDS = 30.0
"""How long a transaction is tried again while others are first; each time one of them commits."""

FIRST_PAUSE_SECONDS = 0.005
LONGEST_PAUSE_SECONDS = 0.25

_POOL = "winchester"

_EXTRAS = {"psycopg": "postgresql", "pymysql": "mysql"}


class Database:
    """One database. Safe to share between threads; not across a fork."""

    def __init__(
        self, url: str, *, host_clock: Clock | None = None, counters: Counters | None = None
    ) -> None:
        self.dialect = dialect_for(url, host_clock or SystemClock())
        self.counters = counters or Counters()
        self.engine = self._create_engine(self.dialect.prepare_url(url))
        _tell_no_tracebacks_of(self.engine.pool)
        self.dialect.set_up(self.engine)
        if not self.dialect.serverless:
            check_idle_connections(self.engine)
        self._readers = self.engine.execution_options(**{READ_ONLY: True})

    @property
    def masked_url(self) -> str:
        """The URL without its password: fit for logs and screens."""
        return mask_url(self.engine.url.render_as_string(hide_password=True))

    def write(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work` in one transaction, and again from its start when another was first.

        Raises `ConcurrentChange` when others were first for 30 seconds, `DataRefused`,
        `DatabaseUnavailable`, or `StorageError` for anything else the database says.
        """
        started = monotonic()
        for attempt in count(1):
            try:
                with self._translated(), self.engine.begin() as connection:
                    return work(connection)
            except ConcurrentChange as conflict:
                if monotonic() - started >= PATIENCE_SECONDS:
                    raise
                self.counters.add(Count.TRANSACTIONS_RETRIED)
                logger.debug("transaction tried again: %s", conflict)
                pause(_jittered(attempt))
        raise AssertionError("unreachable")

    def read(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work`, which only reads, in one transaction. Raises as `write`."""
        with self._translated(), self._readers.begin() as connection:
            return work(connection)

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    def _create_engine(self, url: str) -> Engine:
        try:
            return create_engine(
                url,
                pool_logging_name=_POOL,
                json_serializer=dump_traits,
                json_deserializer=load_traits,
                **self.dialect.engine_options(make_url(url)),
            )
        except ModuleNotFoundError as error:
            extra = _EXTRAS.get(error.name or "", "all")
            raise ConfigurationError([_missing_driver(error.name or "", extra)]) from error
        except NoSuchModuleError as error:
            raise ConfigurationError([f"database.url: {error}"]) from error

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise self._translate(error) from error
        except PoolTimeoutError as error:
            raise DatabaseUnavailable(str(error)) from error
        except SQLAlchemyError as error:
            raise StorageError(f"{type(error).__name__}: {_first_line(error)}") from error

    def _translate(self, error: DBAPIError) -> StorageError:
        cause = error.orig if error.orig is not None else error
        reason = f"{type(cause).__name__}: {_first_line(cause)}"
        if error.connection_invalidated:
            return DatabaseUnavailable(reason)
        match self.dialect.fault(cause):
            case Fault.CONFLICT:
                return ConcurrentChange(reason)
            case Fault.UNAVAILABLE:
                return DatabaseUnavailable(reason)
            case Fault.REFUSED:
                return DataRefused(reason)
            case Fault.UNKNOWN:
                return StorageError(reason)


def _tell_no_tracebacks_of(pool: Pool) -> None:
    """Keep a pool from logging each connection that it finds broken: an outage is told once."""
    name = f"{type(pool).__module__}.{type(pool).__qualname__}.{_POOL}"
    logging.getLogger(name).addFilter(_is_no_broken_connection)


def _is_no_broken_connection(record: logging.LogRecord) -> bool:
    if not record.exc_info:
        return True
    logger.debug("a connection is given up: %s", record.exc_info[1])
    return False


def _missing_driver(driver: str, extra: str) -> str:
    return f"database.url: {driver!r} is not installed: {install_command(extra)}"


def _jittered(attempt: int) -> float:
    longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(attempt, 10))
    return random.uniform(longest / 4, longest)  # noqa: S311 - spreads the tries, no secret


def _first_line(error: BaseException) -> str:
    """What the database said, without the statement's values, which may be secret."""
    return str(error).partition("\n")[0][:300]
