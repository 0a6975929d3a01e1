"""LISTEN and NOTIFY: idle workers hear at once that a stream is ready.

The notification is a transaction of its own, after the commit that it tells of. Within that
commit it would take a lock on the whole server (PostgreSQL, `PreCommit_Notify`), behind which
all ingest would queue while each in turn waits for the disk.
"""

from __future__ import annotations

import logging
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from winchester_core.storage.dialects.wakeup import Wakeup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Engine

logger = logging.getLogger(__name__)

CHANNEL = "winchester_ready"

# what is notified bears no data, hence need not wait for the disk; this holds for it alone
_NOTIFY = text(
    "SELECT set_config('synchronous_commit', 'off', true), pg_notify(:channel, '')"
).bindparams(channel=CHANNEL)

LOOK_UP_SECONDS = 0.5
"""How often the listening thread looks whether it is to end."""

RECONNECT_SECONDS = 2.0


class PostgresqlWakeup(Wakeup):
    """The bell of one PostgreSQL database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._ringing = engine.execution_options(isolation_level="AUTOCOMMIT")

    def ring(self) -> None:
        """See `Wakeup.ring`."""
        try:
            with self._ringing.connect() as connection:
                connection.execute(_NOTIFY)
        except SQLAlchemyError as error:
            logger.debug("workers were not woken, they will look by themselves: %s", error)

    @contextmanager
    def listen(self, wake: Callable[[], None]) -> Iterator[None]:
        """See `Wakeup.listen`."""
        done = threading.Event()
        thread = threading.Thread(
            target=self._listen, args=(wake, done), name="wakeup-listener", daemon=True
        )
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _listen(self, wake: Callable[[], None], done: threading.Event) -> None:
        """Hear until `done`, through every loss of the connection. The body of a thread."""
        driver_error = self._engine.dialect.loaded_dbapi.Error
        while not done.is_set():
            try:
                self._hear(wake, done)
            except (SQLAlchemyError, driver_error) as error:
                logger.debug("cannot listen for notifications, trying again: %s", error)
                done.wait(RECONNECT_SECONDS)

    def _hear(self, wake: Callable[[], None], done: threading.Event) -> None:
        with closing(self._own_connection()) as connection:
            connection.execute(f"LISTEN {CHANNEL}")
            wake()  # it may have rung while nobody listened
            while not done.is_set():
                for _ in connection.notifies(timeout=LOOK_UP_SECONDS, stop_after=1):
                    wake()

    def _own_connection(self) -> Any:
        """A connection of the driver that is none of the pool's any more."""
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
