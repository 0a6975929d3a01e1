"""The debug counts' part of the store on an SQL database; each method is one transaction."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from winchester_core.storage.sql.queries import clocks, debugging

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from winchester_core.storage.dialects import SqlDialect
    from winchester_core.storage.records import DebugRecord
    from winchester_core.storage.sql.database import Database
    from winchester_core.telemetry.debug import DebugGroup


class SqlDebugStore:
    """A `DebugStore` on SQLite, PostgreSQL or MariaDB. Safe to share between threads."""

    database: Database
    _dialect: SqlDialect

    def add_debug_counts(self, groups: Mapping[str, DebugGroup]) -> None:
        """See `DebugStore.add_debug_counts`."""

        def work(connection: Connection) -> None:
            now = clocks.real_time(connection, self._dialect)
            debugging.add(connection, self._dialect, groups, now)

        if groups:
            self.database.write(work)

    def debug_counts(self) -> dict[str, DebugRecord]:
        """See `DebugStore.debug_counts`."""
        return self.database.read(debugging.read)

    def reset_debug_counts(self, name: str) -> bool:
        """See `DebugStore.reset_debug_counts`."""
        return self.database.write(partial(debugging.reset, name=name))
