"""Explanations of large streams, large groups, and events in many streams, within bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from oracle import MemoryStore
from support.builders.events import VM, at, ingest, make_event, make_trigger, matched_events
from winchester_core.clock import FixedTime
from winchester_core.inspection.event_explanation import explain_stored_event
from winchester_core.inspection.stream_explanation import ExplanationBounds, explain_stream
from winchester_core.testing.builders import FakeClock

if TYPE_CHECKING:
    from winchester_core.storage.interface import Store

BOUNDS = ExplanationBounds(events=5, streams=6)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(FakeClock())


def explain(store: Store, stream_id: int, bounds: ExplanationBounds | None) -> dict[str, Any]:
    return explain_stream(store, {"vm": VM}, stream_id, at(10), bounds)


def test_a_small_stream_is_explained_as_without_bounds(store: MemoryStore) -> None:
    ingest(store, VM, *(make_event(f"e{number}", seconds=number) for number in range(5)))
    (stream,) = store.find_streams()
    bounded = explain(store, stream.id, BOUNDS)
    assert bounded.pop("events_evaluated") == 5
    assert bounded.pop("others_omitted") is False
    assert bounded == explain(store, stream.id, None)


@pytest.mark.parametrize("number", [6, 10, 11, 33])
def test_only_the_newest_events_of_a_large_stream_are_evaluated(
    store: MemoryStore, number: int
) -> None:
    ingest(store, VM, *(make_event(f"e{each:02}", seconds=each) for each in range(number)))
    (stream,) = store.find_streams()
    found = explain(store, stream.id, BOUNDS)
    assert (found["event_count"], found["events_evaluated"]) == (number, 5)
    (criterion,) = found["fire_criteria"]
    (mismatch,) = criterion["not_counted"]
    assert (mismatch["events"], mismatch["first"]) == (5, f"e{number - 5:02}")
    assert (
        f"only its newest 5 events were evaluated: the {number - 5} older" in found["reasons"][-1]
    )
    assert not any("trimmed" in each for each in found["reasons"])
    whole = explain(store, stream.id, None)
    assert found["reasons"][:-1] == [
        each.replace(f"{number} events", "5 events") for each in whole["reasons"]
    ]


def test_the_streams_next_to_one_of_a_large_group_are_listed(store: MemoryStore) -> None:
    for number in range(20):
        event = make_event(f"e{number}", seconds=number * 10_000)
        ingest(store, VM, event, now=at(number * 10_000))
    ids = [each.id for each in store.find_streams()]
    assert len(ids) == 20
    found = explain(store, ids[9], BOUNDS)
    assert [each["id"] for each in found["others_of_group"]] == [*ids[6:9], *ids[10:13]]
    assert found["others_omitted"] is True
    assert len(explain(store, ids[9], None)["others_of_group"]) == 19


def test_only_the_newest_streams_of_an_event_are_listed(store: MemoryStore) -> None:
    triggers = {f"trigger{number}": make_trigger(f"trigger{number}") for number in range(4)}
    store.record(matched_events(triggers.values(), [make_event("e1")]), FixedTime(at(0)))
    event = store.get_event_by_message_id("e1")
    found = explain_stored_event(store, triggers, event, at(10), max_streams=3)
    assert found["streams_omitted"] is True
    assert [len(each["streams"]) for each in found["triggers"]] == [0, 1, 1, 1]
    found = explain_stored_event(store, triggers, event, at(10), max_streams=4)
    assert found.pop("streams_omitted") is False
    assert found == explain_stored_event(store, triggers, event, at(10))
