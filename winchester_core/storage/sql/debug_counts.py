"""Statements on the debug counts of triggers."""

from __future__ import annotations

import json
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, insert, select, update

from winchester_core.storage.records import DebugRecord
from winchester_core.storage.sql import clocks
from winchester_core.storage.sql.dialects.bulk import parameter_batches
from winchester_core.storage.sql.tables import debug_counts
from winchester_core.telemetry.debug import DebugGroup

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Row

    from winchester_core.storage.sql.database import Database
    from winchester_core.storage.sql.dialects import SqlDialect

NAMES_PER_BATCH = 100
"""Triggers whose counts are locked and read at a time; each may have 100 KB of reasons."""


def add(
    connection: Connection, dialect: SqlDialect, groups: Mapping[str, DebugGroup], now: datetime
) -> None:
    """Add counts by trigger name. Row locks serialize processes that add to the same trigger."""
    for names in parameter_batches(sorted(groups), NAMES_PER_BATCH):
        stored = _lock(connection, dialect, names)
        changed: list[dict[str, Any]] = []
        new: list[dict[str, Any]] = []
        for name in names:
            group = stored.get(name, DebugGroup())
            group.add(groups[name])
            (changed if name in stored else new).append(_values(name, group))
        if changed:
            statement = update(debug_counts).where(debug_counts.c.name == bindparam("where_name"))
            connection.execute(statement.values(counted_at=now), _update_parameters(changed))
        if new:
            connection.execute(insert(debug_counts).values(since=now, counted_at=now), new)


def read_all(connection: Connection) -> dict[str, DebugRecord]:
    """Return the counts of each trigger by name."""
    rows = connection.execute(select(debug_counts).order_by(debug_counts.c.name))
    return {row.name: _record_from_row(row) for row in rows}


def reset(connection: Connection, name: str) -> bool:
    """Delete the counts of a trigger; return False when it has none."""
    deleted = connection.execute(delete(debug_counts).where(debug_counts.c.name == name))
    return bool(deleted.rowcount)


def _lock(
    connection: Connection, dialect: SqlDialect, names: Sequence[str]
) -> dict[str, DebugGroup]:
    """Lock the rows of these triggers in the order of their names; return their counts."""
    query = select(debug_counts).where(debug_counts.c.name.in_(names))
    rows = connection.execute(dialect.lock_rows(query.order_by(debug_counts.c.name)))
    return {row.name: _group_from_row(row) for row in rows}


def _values(name: str, group: DebugGroup) -> dict[str, Any]:
    return {
        "name": name,
        "matched": group.matched,
        "mismatched": group.mismatched,
        "reasons": json.dumps(group.reasons),
    }


def _update_parameters(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rename the key: WHERE and SET need distinct bind names."""
    return [{"where_name": row["name"], **{k: row[k] for k in row if k != "name"}} for row in rows]


def _group_from_row(row: Row[Any]) -> DebugGroup:
    return DebugGroup(row.matched, row.mismatched, Counter(json.loads(row.reasons)))


def _record_from_row(row: Row[Any]) -> DebugRecord:
    return DebugRecord.from_group(_group_from_row(row), since=row.since, counted_at=row.counted_at)


class SqlDebugStore:
    """A `DebugStore` on SQLite, PostgreSQL or MariaDB. Safe to share between threads."""

    database: Database
    _dialect: SqlDialect

    def add_debug_counts(self, groups: Mapping[str, DebugGroup]) -> None:
        """See `DebugStore.add_debug_counts`."""

        def work(connection: Connection) -> None:
            now = clocks.real_time(connection, self._dialect)
            add(connection, self._dialect, groups, now)

        if groups:
            self.database.write(work)

    def debug_counts(self) -> dict[str, DebugRecord]:
        """See `DebugStore.debug_counts`."""
        return self.database.read(read_all)

    def reset_debug_counts(self, name: str) -> bool:
        """See `DebugStore.reset_debug_counts`."""
        return self.database.write(partial(reset, name=name))
