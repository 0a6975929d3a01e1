"""Members of streams: read together, taken one stream at a time."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import pytest

from support.builders.events import VM, ingest, make_event, only_stream
from winchester_core.storage.sql.store import SqlStore

if TYPE_CHECKING:
    from support.servers.databases import Databases

EVENTS = 5_000


def test_reading_a_huge_stream_takes_little_memory_beyond_its_events(
    databases: Databases,
) -> None:
    store = SqlStore(databases.emptied("sqlite"))
    for first in range(0, EVENTS, 1000):
        numbers = range(first, first + 1000)
        ingest(
            store,
            VM,
            *(make_event(f"m{n}", **{t: f"{t} of {n}" for t in "abcdefgh"}) for n in numbers),
        )
    stream_id = only_stream(store).id
    store.members_of([])  # connects
    tracemalloc.start()
    try:
        events = store.members_of([stream_id]).take(stream_id)
        left, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(events) == EVENTS
    assert peak < 1.5 * left


def test_events_can_be_taken_only_once(databases: Databases) -> None:
    store = SqlStore(databases.emptied("sqlite"))
    ingest(store, VM, make_event("m"))
    stream_id = only_stream(store).id
    members = store.members_of([stream_id])
    assert members.take(stream_id) == [make_event("m")]
    with pytest.raises(KeyError):
        members.take(stream_id)
