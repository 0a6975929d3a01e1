"""LISTEN and NOTIFY of PostgreSQL: wake idle workers when a stream becomes ready.

The notification is a separate transaction after the commit. Inside the main transaction, NOTIFY
would take a server-wide lock until the commit is on disk (PostgreSQL, `PreCommit_Notify`), which
would serialize all ingest.
"""

from __future__ import annotations

import logging
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from winchester_core.clock import monotonic
from winchester_core.storage.sql.dialects.base import WorkerNotifier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Engine

logger = logging.getLogger(__name__)

CHANNEL = "winchester_ready"

# a notification contains no data, so only this transaction need not wait for the disk
_NOTIFY = text(
    "SELECT set_config('synchronous_commit', 'off', true), pg_notify(:channel, '')"
).bindparams(channel=CHANNEL)

POLL_SECONDS = 0.5
"""Interval at which the listener thread checks whether to stop."""

RECONNECT_SECONDS = 2.0

CHECK_SECONDS = 2.0
"""Interval at which the listener checks whether its server is still the primary."""


class PostgresqlNotifier(WorkerNotifier):
    """Notifier of a PostgreSQL database. It uses LISTEN and NOTIFY.

    `accepts_writes` checks the server of a connection. It is None if connections cannot listen,
    because they are pooled by transaction; workers then poll.
    """

    def __init__(self, engine: Engine, accepts_writes: Callable[[Any], bool] | None) -> None:
        self._engine = engine
        self._accepts_writes = accepts_writes
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
        if self._accepts_writes is None:
            logger.info("transactions are pooled, workers poll instead of listening")
            yield
            return
        done = threading.Event()
        thread = threading.Thread(
            target=self._listen,
            args=(wake, done, self._accepts_writes),
            name="notification-listener",
            daemon=True,
        )
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _listen(
        self, wake: Callable[[], None], done: threading.Event, usable: Callable[[Any], bool]
    ) -> None:
        """Listen until `done`, and reconnect after errors. The body of a thread."""
        driver_error = self._engine.dialect.loaded_dbapi.Error
        while not done.is_set():
            try:
                with closing(self._detached_connection()) as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    wake()  # notifications before LISTEN are lost
                    while not done.is_set() and usable(connection):
                        self._await_notifications(connection, wake, done)
            except (SQLAlchemyError, driver_error) as error:
                logger.debug("cannot listen for notifications, retrying: error=%s", error)
                done.wait(RECONNECT_SECONDS)

    @staticmethod
    def _await_notifications(
        connection: Any, wake: Callable[[], None], done: threading.Event
    ) -> None:
        """Wait a few seconds for notifications, and wake workers for each."""
        check_at = monotonic() + CHECK_SECONDS
        while not done.is_set() and monotonic() < check_at:
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
