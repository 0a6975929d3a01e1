"""A private temporary SQLite database for dry runs and tests of triggers.

SQLite keeps it in memory, and moves data that exceeds the page cache to an unlinked file. The
operating system removes this file when the connection is closed or the process dies.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import cache
from typing import cast

from sqlalchemy import create_engine, insert

from winchester_core.storage.sql.clocks import CLOCK_ROW_ID
from winchester_core.storage.sql.database import Database
from winchester_core.storage.sql.store import SqlStore
from winchester_core.storage.sql.tables import event_clock, metadata_for_ddl

TEMPORARY_URL = "sqlite:///file:?uri=true"
"""An SQLite URI without a file name: https://sqlite.org/inmemorydb.html#temp_db"""

_idle: list[Database] = []
"""The last closed database. It is reused, because its engine has cached statements."""


class TemporaryStore(SqlStore):
    """An empty store with the current schema. Threads share its single connection."""

    def __init__(self) -> None:
        try:
            database = _idle.pop()
        except IndexError:
            database = Database(TEMPORARY_URL)
        super().__init__(database)
        self._is_open = True
        with closing(database.engine.raw_connection()) as connection:
            _template().backup(cast("sqlite3.Connection", connection.driver_connection))

    def close(self) -> None:
        """Delete the database. Idempotent."""
        if self._is_open:
            self._is_open = False
            super().close()
            _idle[:] = [self.database]


@cache
def _template() -> sqlite3.Connection:
    """Return an empty database with the tables. It is copied to each store.

    The tables are created from the metadata, because importing alembic takes longer than most test
    files. A test verifies that the migrations create the same tables.
    """
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    engine = create_engine("sqlite://", creator=lambda: connection)
    with engine.begin() as transaction:
        metadata_for_ddl().create_all(transaction)
        transaction.execute(insert(event_clock).values(id=CLOCK_ROW_ID, stream_time=None))
    return connection
