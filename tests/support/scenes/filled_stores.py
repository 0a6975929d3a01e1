"""Stores with many rows, distributed like real ones, for tests of query plans.

Nearly all streams are completed or not due, and few are ready.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.builders.bulk_rows import Bulk, analyze, fill
from winchester_core.storage.records import Rejection
from winchester_core.storage.sql.store import SqlStore

if TYPE_CHECKING:
    from support.servers.databases import Databases

EVENTS = 100_000
BULK = Bulk(EVENTS)
REJECTED = 500


def filled_store(databases: Databases, backend: str) -> SqlStore:
    """Return a store with many events and streams, and with rejected messages."""
    store = SqlStore(databases.emptied(backend))
    fill(store.database, EVENTS)
    store.insert_rejected(
        [
            Rejection(f"source {i % 7}", "event", "broken", b"{", 1, i.to_bytes(32))
            for i in range(REJECTED)
        ]
    )
    analyze(store.database)
    return store
