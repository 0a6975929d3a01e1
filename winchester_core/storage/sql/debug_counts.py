"""Statements on the debug counts of triggers."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, insert, select, update

from winchester_core.storage.records import DebugRecord
from winchester_core.storage.sql.dialects.bulk import parameter_batches
from winchester_core.storage.sql.tables import debug_counts
from winchester_core.storage.sql.types import equals_text
from winchester_core.telemetry.debug_counts import DebugGroup

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Row

    from winchester_core.storage.sql.database import Transaction

NAMES_PER_BATCH = 100
"""Number of triggers whose counts are locked at a time; each may have 100 KB of reasons."""


def add(tx: Transaction, groups: Mapping[str, DebugGroup]) -> None:
    """Add counts by trigger name. Row locks serialize processes that add to the same trigger."""
    now = tx.real_time()
    for names in parameter_batches(sorted(groups), NAMES_PER_BATCH):
        stored = _lock(tx, names)
        changed: list[dict[str, Any]] = []
        new: list[dict[str, Any]] = []
        for name in names:
            group = stored.get(name, DebugGroup())
            group.add(groups[name])
            (changed if name in stored else new).append(_values(name, group))
        if changed:
            statement = update(debug_counts).where(debug_counts.c.name == bindparam("where_name"))
            tx.execute(statement.values(counted_at=now), _update_parameters(changed))
        if new:
            tx.execute(insert(debug_counts).values(since=now, counted_at=now), new)


def read_all(tx: Transaction) -> dict[str, DebugRecord]:
    """Return the counts of each trigger by name."""
    rows = tx.execute(select(debug_counts).order_by(debug_counts.c.name))
    return {
        row.name: DebugRecord.from_group(
            _group_from_row(row), since=row.since, counted_at=row.counted_at
        )
        for row in rows
    }


def reset(tx: Transaction, name: str) -> bool:
    """Delete the counts of a trigger; return False if it has none."""
    deleted = tx.execute(delete(debug_counts).where(equals_text(debug_counts.c.name, name)))
    return bool(deleted.rowcount)


def _lock(tx: Transaction, names: Sequence[str]) -> dict[str, DebugGroup]:
    """Lock the rows of these triggers in the order of their names; return their counts."""
    query = select(debug_counts).where(debug_counts.c.name.in_(names))
    rows = tx.execute(tx.dialect.lock_rows(query.order_by(debug_counts.c.name)))
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
