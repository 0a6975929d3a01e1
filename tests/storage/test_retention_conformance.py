"""Every store: which events trimming removes."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from support.builders.events import (
    NOON,
    VM,
    at,
    claim_all,
    ingest,
    make_event,
    make_trigger,
    matched_events,
    only_stream,
)
from winchester_core.clock import FixedTime
from winchester_core.model.stream import StreamState
from winchester_core.storage.filters import EventFilter, StreamFilter
from winchester_core.storage.records import Completion, Failure

if TYPE_CHECKING:
    from winchester_core.storage.interface import Store

HOUR = timedelta(hours=1)


def left(store: Store) -> list[str]:
    return sorted(event["message_id"] for event in store.find_events(EventFilter()))


def trim(store: Store, older_than: float, limit: int = 100) -> int:
    """Trim by event time alone: everything was stored before an hour from now."""
    return store.trim(at(older_than), store.real_time() + HOUR, limit).removed


def test_old_events_in_no_stream_are_removed(store: Store) -> None:
    ingest(store, VM, *(make_event(str(i), "lone", seconds=i) for i in range(4)))
    assert trim(store, older_than=2) == 2
    assert left(store) == ["2", "3"]


def test_recently_stored_events_stay_however_old_they_are(store: Store) -> None:
    ingest(store, VM, make_event("1", "lone", seconds=-9e8))
    assert store.trim(at(0), store.real_time() - HOUR, limit=100).removed == 0
    assert left(store) == ["1"]


def test_no_more_than_the_limit_are_removed_the_oldest_first(store: Store) -> None:
    for message_id, seconds in (("c", 3), ("a", 1), ("b", 2)):
        ingest(store, VM, make_event(message_id, "lone", seconds=seconds))
    assert trim(store, older_than=100, limit=2) == 2
    assert left(store) == ["c"]
    assert trim(store, older_than=100, limit=2) == 1
    assert trim(store, older_than=100, limit=2) == 0


@pytest.mark.parametrize(
    "state",
    [StreamState.ACTIVE, StreamState.FIRING, StreamState.RETRY_FIRE, StreamState.ERROR],
)
def test_events_of_an_uncompleted_stream_stay(store: Store, state: StreamState) -> None:
    ingest(store, VM, make_event("1", "vm.end"), make_event("2", "lone"))
    if state is not StreamState.ACTIVE:
        (held,) = claim_all(store)
        if state is StreamState.RETRY_FIRE:
            store.release([held])
        if state is StreamState.ERROR:
            store.fail(Failure(held, "no", HOUR, final=True), max_attempts=5)
    assert only_stream(store).state is state
    assert trim(store, older_than=100) == 1
    assert left(store) == ["1"]


def test_events_of_a_completed_stream_are_removed_with_their_links(store: Store) -> None:
    ingest(store, VM, make_event("1", "vm.end"), make_event("2", seconds=50))
    (held,) = claim_all(store)
    store.complete([Completion(held, purge=False)], FixedTime(NOON))
    assert trim(store, older_than=10) == 1
    stream = store.get_stream_by_id(held.stream_id)
    assert [event["message_id"] for event in store.get_stream_events(stream.id)] == ["2"]
    assert (stream.event_count, stream.first_event) == (2, at(0))
    assert store.count_streams(StreamFilter(event_type="vm.end")) == 0


def test_events_of_a_purged_stream_are_removed(store: Store) -> None:
    ingest(store, VM, make_event("1", "vm.end"))
    (held,) = claim_all(store)
    store.complete([Completion(held)], FixedTime(NOON))
    assert trim(store, older_than=10) == 1


def test_an_event_in_a_completed_and_in_an_uncompleted_stream_stays(store: Store) -> None:
    ingest(store, VM, make_event("1", "vm.end"))
    (held,) = claim_all(store)
    store.complete([Completion(held, purge=False)], FixedTime(NOON))
    both = [VM, make_trigger("types", by=["event_type"], fire=[{"event_type": "never"}])]
    store.record(matched_events(both, [make_event("2", "vm.end", instance="b")]), FixedTime(NOON))
    (held,) = claim_all(store)
    store.complete([Completion(held, purge=False)], FixedTime(NOON))
    assert trim(store, older_than=10) == 1
    assert left(store) == ["2"]


def test_a_trimmed_event_can_be_stored_again(store: Store) -> None:
    ingest(store, VM, make_event("1", "lone"))
    trim(store, older_than=10)
    assert ingest(store, VM, make_event("1", "lone")).stored == (True,)
