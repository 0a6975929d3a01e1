"""Stored events as a source: all of them in insertion order, repeatably."""

from __future__ import annotations

import pytest

from oracle import MemoryStore
from support.builders.events import VM, at, ingest, make_event
from winchester_core.backtest import StoredEventSource
from winchester_core.errors import StorageError
from winchester_core.storage.filters import ANY_EVENT, EventFilter
from winchester_core.testing.builders import FakeClock


@pytest.fixture
def store() -> MemoryStore:
    made = MemoryStore(FakeClock())
    for number in range(5):  # the later, the earlier in stream time
        ingest(made, VM, make_event(f"e{number}", seconds=-number))
    return made


def read(source: StoredEventSource, size: int = 2) -> list[str]:
    source.open()
    read = []
    while not source.exhausted:
        messages = source.receive(size, 1.0)
        source.ack(messages)
        read += [message.body["message_id"] for message in messages]
    source.close()
    return read


@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_every_event_is_read_once_in_insertion_order(store: MemoryStore, size: int) -> None:
    assert read(StoredEventSource(store, ANY_EVENT), size) == ["e0", "e1", "e2", "e3", "e4"]


def test_a_time_span_limits_the_events(store: MemoryStore) -> None:
    assert read(StoredEventSource(store, EventFilter(since=at(-3), until=at(-1)))) == ["e2", "e3"]
    assert read(StoredEventSource(store, EventFilter(since=at(1)))) == []


def test_a_second_read_excludes_events_stored_meanwhile(store: MemoryStore) -> None:
    source = StoredEventSource(store, ANY_EVENT)
    first = read(source)
    ingest(store, VM, make_event("e5"))
    assert read(source) == first
    assert read(StoredEventSource(store, ANY_EVENT))[-1] == "e5"


def test_events_trimmed_during_the_read_raise_an_error(store: MemoryStore) -> None:
    source = StoredEventSource(store, ANY_EVENT)
    source.open()
    assert len(source.receive(2, 1.0)) == 2
    for stream in store.find_streams():
        store.purge_stream(stream.id)
    assert store.trim(at(1), store.real_time(), 100).removed == 0  # stored just now
    late = store.real_time().replace(year=3000)
    assert store.trim(at(1), late, 100).removed == 5
    with pytest.raises(StorageError, match="event e1 was trimmed while"):
        source.receive(2, 1.0)
