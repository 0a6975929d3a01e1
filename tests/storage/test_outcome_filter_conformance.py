"""Every store: streams are found by their outcome, as their records show it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.builders.events import LEASE, at, make_event, matched_events
from winchester_core.clock import EventTime
from winchester_core.model.stream import Reason, StreamOutcome
from winchester_core.storage.filters import StreamFilter
from winchester_core.storage.records import Completion, Failure
from winchester_core.triggers.definition import TriggerDefinition

if TYPE_CHECKING:
    from winchester_core.storage.interface import Store

CONFIG: dict[str, Any] = {
    "name": "alarm",
    "distinguished_by": ["instance"],
    "match_criteria": [{"event_type": "a"}, {"event_type": "b"}],
    "fire_criteria": [{"event_type": "a"}],
    "cancel_criteria": [{"event_type": "c"}],
    "fire_delay": "10s",
    "suppress": "1h",
    "expiration": "$first + 5m",
    "fire_pipeline": "fire",
    "expire_pipeline": "expire",
}
ALARM = TriggerDefinition.from_config(CONFIG, {})
LATER = at(4000)


def record(store: Store, *events: tuple[str, str, float, str]) -> None:
    """Store events, each with its id, type, seconds and instance."""
    for message_id, event_type, seconds, instance in events:
        event = make_event(message_id, event_type, seconds, instance=instance)
        store.record(matched_events([ALARM], [event]), EventTime(None))


def run_ready(store: Store, reason: Reason, *, fails: frozenset[str] = frozenset()) -> None:
    """Complete the ready streams, or let those of some instances fail for good."""
    worker = "a firing expiring worker"
    for claim in store.claim_ready(worker=worker, reason=reason, now=LATER, limit=100, lease=LEASE):
        if claim.distinguished_by["instance"] in fails:
            store.fail(Failure(claim, "it failed", timedelta(0), final=True), 1)
        else:
            store.complete([Completion(claim, purge=False)], EventTime(None))


@pytest.fixture
def filled(store: Store) -> Store:
    """Return a store with streams of all outcomes, in all states that they can have."""
    record(store, ("1", "a", 0, "fired"), ("2", "a", 0, "failed"), ("3", "a", 0, "silenced"))
    record(store, ("4", "b", 0, "expired"), ("5", "b", 0, "expire-failed"))
    record(store, ("6", "b", 0, "cancelled"), ("7", "c", 1, "cancelled"))
    run_ready(store, Reason.FIRE, fails=frozenset({"failed"}))
    run_ready(store, Reason.EXPIRE, fails=frozenset({"expire-failed"}))
    record(store, ("8", "a", 400, "silenced"), ("9", "a", 3900, "new"), ("10", "b", 3900, "open"))
    record(store, ("11", "b", 3900, "late"), ("12", "c", 3901, "late"))
    return store


@pytest.mark.parametrize("outcome", StreamOutcome)
def test_a_filter_finds_the_streams_whose_records_have_the_outcome(
    filled: Store, outcome: StreamOutcome
) -> None:
    streams = filled.find_streams()
    expected = [each.id for each in streams if each.outcome is outcome]
    assert expected
    filters = StreamFilter(outcomes=(outcome,))
    assert [each.id for each in filled.find_streams(filters)] == expected
    assert filled.count_streams(filters) == len(expected)
    assert [each.id for each in filled.page_of_streams(filters).items] == expected


def test_several_outcomes_select_any_of_them(filled: Store) -> None:
    filters = StreamFilter(outcomes=(StreamOutcome.FIRED, StreamOutcome.FAILED), name="alarm")
    found = {each.distinguished_by["instance"] for each in filled.find_streams(filters)}
    assert found == {"fired", "silenced", "failed", "expire-failed"}
