"""Stores on a database that is emptied and used again, under the test's clock."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from support.servers.databases import Databases
from winchester_core.storage.sql.store import SqlStore
from winchester_core.testing.builders import FakeClock

if TYPE_CHECKING:
    from pathlib import Path

LATER = datetime(2100, 1, 1, tzinfo=UTC)
"""Start of the databases' fake time. Servers record the real time at which they store an event."""


class SqlStores:
    """Empty stores on one database that is reused."""

    def __init__(self, folder: Path, backend: str) -> None:
        self.backend = backend
        self._databases = Databases(folder)

    def fresh(self, clock: FakeClock | None = None) -> SqlStore:
        """Return an empty store whose database time is that of `clock`, by default `LATER`."""
        database = self._databases.emptied(self.backend)
        database.dialect.embedded = True
        database.dialect.host_clock = clock or FakeClock(LATER)
        return SqlStore(database)

    def close(self) -> None:
        """Remove the database."""
        self._databases.close()
