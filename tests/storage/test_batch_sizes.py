"""Batches of any size are stored alike; on SQLite their statements are few and padded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.builders.events import VM, ingest, make_event
from support.probes.sent_statements import before_each_statement

if TYPE_CHECKING:
    from winchester_core.model.event import Event
    from winchester_core.storage.sql.store import SqlStore


def vms(first: int, last: int) -> list[Event]:
    """Return an event for each of these instances."""
    return [make_event(f"m{n}", "vm.update", seconds=n, instance=n) for n in range(first, last)]


def members(store: SqlStore) -> dict[int, list[str]]:
    """Return the message ids of the events of each stream, by instance."""
    instances = {
        stream.id: stream.distinguished_by["instance"]
        for stream in store.find_streams(limit=10_000)
    }
    events = store.events_of(list(instances))
    return {
        instances[stream_id]: [event["message_id"] for event in each]
        for stream_id, each in events.items()
    }


@pytest.mark.parametrize("size", [2, 10, 11, 101, 1000, 1001])
def test_new_events_between_duplicates_join_their_own_streams(
    sql_store: SqlStore, size: int
) -> None:
    ingest(sql_store, VM, *vms(0, size)[1::3])
    ingest(sql_store, VM, *vms(0, size))
    assert members(sql_store) == {n: [f"m{n}"] for n in range(size)}
    assert sql_store.count_events() == size


def test_events_after_deleted_ones_join_their_own_streams(sql_store: SqlStore) -> None:
    """On SQLite, the ids of new rows are computed; ids are never used again."""
    ingest(sql_store, VM, *vms(0, 30))
    with sql_store.database.engine.begin() as connection:
        for table in ("events", "streams", "stream_events", "stream_traits"):
            connection.exec_driver_sql(f"DELETE FROM {table}")
    ingest(sql_store, VM, *vms(0, 10))
    ingest(sql_store, VM, *vms(5, 20))
    assert members(sql_store) == {n: [f"m{n}"] for n in range(20)}


def test_batches_of_similar_sizes_share_their_statements(sql_store: SqlStore) -> None:
    if sql_store.database.dialect.name != "sqlite":
        pytest.skip("other databases prepare statements, or none, in other ways")
    texts: set[str] = set()

    def ingest_twice(size: int) -> None:
        first = 1000 * size
        for again in ("", "again/"):
            events = vms(first, first + size)
            ingest(sql_store, VM, *(e | {"message_id": again + e["message_id"]} for e in events))

    with before_each_statement(sql_store.database, lambda _, text, __: texts.add(text)):
        ingest_twice(110)
        known = len(texts)
        for size in range(111, 190, 13):
            ingest_twice(size)
    assert len(texts) == known
