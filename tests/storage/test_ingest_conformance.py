"""Every store: events are stored once, and a batch is all or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.builders.events import (
    VM,
    at,
    ingest,
    make_event,
    make_trigger,
    matched_events,
    only_stream,
)
from support.scenes.failing_transactions import crash_at
from winchester_core.clock import EventTime, FixedTime
from winchester_core.failpoints import Failpoint
from winchester_core.storage.filters import EventFilter, StreamFilter
from winchester_core.storage.records import IngestResult

if TYPE_CHECKING:
    from winchester_core.storage.interface import Store


INSIDE = pytest.mark.parametrize(
    "point",
    [Failpoint.EVENTS_STORED, Failpoint.STREAMS_STORED, Failpoint.BEFORE_INGEST_COMMIT],
)


def test_an_empty_batch_records_nothing(store: Store) -> None:
    assert store.record([], FixedTime(at(0))) == IngestResult(())


def test_a_duplicate_within_a_batch_is_not_stored_and_not_matched(store: Store) -> None:
    recorded = ingest(store, VM, make_event("1"), make_event("2"), make_event("1", seconds=5))
    assert recorded.stored == (True, True, False)
    assert store.count_events(EventFilter()) == 2
    stream = only_stream(store)
    assert stream.event_count == 2
    assert stream.last_event == at(0)


def test_the_first_of_two_events_with_one_id_is_stored(store: Store) -> None:
    ingest(store, VM, make_event("1", size=1), make_event("1", size=2))
    event = store.get_event_by_message_id("1")
    assert event is not None
    assert event["size"] == 1


def test_a_duplicate_of_an_earlier_batch_is_not_stored_and_not_matched(store: Store) -> None:
    ingest(store, VM, make_event("1"))
    recorded = ingest(store, VM, make_event("1", "vm.end", 5), make_event("2", seconds=7))
    assert recorded.stored == (False, True)
    stream = only_stream(store)
    assert (stream.event_count, stream.progress, stream.fire_timestamp) == (2, (0,), None)


def test_a_batch_of_duplicates_alone_changes_nothing(store: Store) -> None:
    ingest(store, VM, make_event("1"), make_event("2"))
    before = store.find_streams(StreamFilter())
    assert ingest(store, VM, make_event("2"), make_event("1")).stored == (False, False)
    assert store.find_streams(StreamFilter()) == before


def test_an_event_that_matches_no_trigger_is_stored(store: Store) -> None:
    recorded = ingest(store, VM, make_event("1", "volume.create"))
    assert recorded == IngestResult((True,))
    assert store.get_event_by_message_id("1") == make_event("1", "volume.create")
    assert store.count_streams(StreamFilter()) == 0


def test_an_event_joins_a_stream_of_every_trigger_that_it_matches(store: Store) -> None:
    triggers = [VM, make_trigger("each type", by=["event_type"]), make_trigger("none", match="x")]
    recorded = store.record(matched_events(triggers, [make_event("1")]), FixedTime(at(0)))
    assert recorded.streams_opened == 2
    assert {stream.name for stream in store.find_streams(StreamFilter())} == {"vm", "each type"}


@INSIDE
def test_a_crash_leaves_nothing_of_a_first_batch(store: Store, point: Failpoint) -> None:
    batch = matched_events([VM], [make_event("1"), make_event("2", "vm.end", seconds=9)])
    with crash_at(point):
        store.record(batch, EventTime())
    assert store.count_events(EventFilter()) == 0
    assert store.count_streams(StreamFilter()) == 0
    assert store.event_clock() is None


@INSIDE
def test_a_redelivery_after_a_crash_completes_the_work(store: Store, point: Failpoint) -> None:
    batch = matched_events([VM], [make_event("1"), make_event("2", "vm.end", seconds=9)])
    with crash_at(point):
        store.record(batch, EventTime())
    assert store.record(batch, EventTime()).stored == (True, True)
    assert only_stream(store).fire_timestamp == at(9)
    assert store.event_clock() == at(9)


@INSIDE
def test_a_crash_does_not_change_existing_streams(store: Store, point: Failpoint) -> None:
    store.record(
        matched_events([VM], [make_event("1"), make_event("b", instance="b")]), EventTime()
    )
    before = store.find_streams(StreamFilter())
    joins, succeeds = make_event("2", "vm.end", 3599), make_event("c", seconds=3600, instance="b")
    with crash_at(point):
        store.record(matched_events([VM], [joins, succeeds]), EventTime())
    assert store.find_streams(StreamFilter()) == before
    assert store.get_stream_events(only_stream(store, instance="a").id) == [make_event("1")]
    assert store.event_clock() == at(0)
    # the groups' keys are where they were: both streams take these events after all
    store.record(matched_events([VM], [joins, make_event("b2", instance="b")]), FixedTime(at(0)))
    assert [stream.event_count for stream in store.find_streams(StreamFilter())] == [2, 2]
