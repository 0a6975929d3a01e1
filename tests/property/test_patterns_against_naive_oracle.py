"""Triggers with order, windows, cancelling, waiting and silence: every database agrees with the
memory oracle, which decides each event from the whole list of members.

Compared after every step: results, and streams with their members, times and outcomes.
"""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from oracle import MemoryStore
from oracle.pattern_members import satisfies
from support.builders.events import at, claim_all, ingest, make_event
from support.builders.patterns import (
    PatternStep,
    make_pattern,
    pattern_events,
    pattern_runs,
    patterns,
)
from support.probes.hypothesis_examples import examples
from support.scenes.pattern_runs import ALL, PatternRun, ids_of
from support.scenes.sql_stores import LATER
from winchester_core.storage.filters import StreamFilter
from winchester_core.testing.builders import FakeClock
from winchester_core.triggers.counting import kept_members

if TYPE_CHECKING:
    from collections.abc import Sequence

    from support.scenes.sql_stores import SqlStores
    from winchester_core.model.event import Event
    from winchester_core.storage.interface import Store
    from winchester_core.triggers.definition import TriggerDefinition

DAY = 86_400
EXAMPLES = {"sqlite": examples(400), "postgresql": examples(100), "mariadb": examples(100)}


def test_every_database_agrees_with_the_naive_oracle(stores: SqlStores) -> None:
    @given(trigger=patterns(), run=pattern_runs, by_events=st.booleans())
    @settings(max_examples=EXAMPLES[stores.backend], suppress_health_check=[HealthCheck.too_slow])
    def agree(trigger: TriggerDefinition, run: list[PatternStep], by_events: bool) -> None:
        on_sql = PatternRun(stores.fresh(), trigger, by_events=by_events)
        in_memory = PatternRun(MemoryStore(FakeClock(LATER)), trigger, by_events=by_events)
        for step in run:
            assert on_sql.do(step) == in_memory.do(step), step
            assert on_sql.state() == in_memory.state(), step

    agree()


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, sqlite: SqlStores) -> Store:
    return MemoryStore(FakeClock(LATER)) if request.param == "memory" else sqlite.fresh()


def test_at_most_a_thousand_events_of_a_group_wait_the_latest(store: Store) -> None:
    trigger = make_pattern(
        [{"event_type": "b", "number": 2000}],
        match_criteria=[{"event_type": "b", "opens": False}, {"event_type": "a"}],
        lateness="1m",
    )
    waiting = [make_event(f"b{number}", "b", number) for number in range(1003)]
    result = ingest(store, trigger, *waiting)
    assert (result.events_held, result.held_dropped) == (1003, 3)
    assert store.find_streams() == []
    ingest(store, trigger, make_event("a", "a", -1), now=at(59))
    (stream,) = store.find_streams()
    members = ids_of(store.get_stream_events(stream.id))
    assert members == ["a", *(f"b{number}" for number in range(3, 1003))]


def test_a_stream_that_begins_with_waiting_events_is_not_expired_if_these_prolong_it(
    store: Store,
) -> None:
    trigger = make_pattern(
        match_criteria=[{"event_type": "b", "opens": False}, {"event_type": "a"}],
        lateness="1m",
        expiration="$last + 10s",
    )
    ingest(store, trigger, make_event("b", "b", 40), now=at(40))
    result = ingest(store, trigger, make_event("a", "a", 20), now=at(41))
    (stream,) = store.find_streams()
    assert stream.expire_timestamp == at(50)
    assert (result.streams_opened, result.streams_opened_expired) == (1, 0)


def test_a_worker_is_given_no_member_older_than_what_is_kept(
    store: Store,
) -> None:
    trigger = make_pattern([{"event_type": "b", "number": 2}], fire_within="5s", keep="6s")
    ingest(store, trigger, *(make_event(f"b{second}", "b", second) for second in (0, 9, 10)))
    (claim,) = claim_all(store)
    (stream,) = store.find_streams()
    assert stream.first_event == at(0)
    members = store.events_of([claim.stream_id])[claim.stream_id]
    assert ids_of(kept_members(trigger, members)) == ["b9", "b10"]


file_events = st.lists(
    pattern_events(ids=1000), min_size=1, max_size=10, unique_by=lambda each: each["message_id"]
)


def split(events: Sequence[Event], size: int) -> list[Sequence[Event]]:
    return [events[start : start + size] for start in range(0, len(events), size)]


def outcome_of_file(
    store: Store, trigger: TriggerDefinition, events: Sequence[Event], size: int
) -> list[Any]:
    """Return members and outcomes; nothing is claimed before the file has ended."""
    run = PatternRun(store, trigger, by_events=False)
    for batch in split(events, size):
        run.ingest(batch)
    found = store.find_streams(StreamFilter(), limit=ALL)
    members = store.events_of([each.id for each in found])
    return sorted(
        (
            sorted(ids_of(members[each.id])),
            each.first_event,
            each.last_event,
            each.fire_timestamp,
            each.decision,
        )
        for each in found
    )


@given(
    trigger=patterns(may_end=False, may_cancel=False),
    events=file_events,
    size=st.integers(1, 10),
    data=st.data(),
)
@settings(max_examples=examples(200), suppress_health_check=[HealthCheck.too_slow])
def test_the_order_of_a_file_does_not_matter(
    sqlite: SqlStores,
    trigger: TriggerDefinition,
    events: list[Event],
    size: int,
    data: st.DataObject,
) -> None:
    assume(not arrival_decides(trigger, events))
    permuted = data.draw(st.permutations(events))
    assert outcome_of_file(sqlite.fresh(), trigger, events, 1) == outcome_of_file(
        sqlite.fresh(), trigger, permuted, size
    )


def arrival_decides(trigger: TriggerDefinition, events: Sequence[Event]) -> bool:
    """Return whether two events may stand for each other in several steps, at one time."""
    places = []
    for event in events if trigger.in_sequence else ():
        criteria = enumerate(trigger.fire_criteria)
        steps = [index for index, criterion in criteria if satisfies(criterion, event)]
        if len(steps) > 1:
            places.append((event["timestamp"], event["instance"], steps[0], steps[-1]))
    return len(set(places)) < len(places)


@given(
    trigger=patterns(may_end=False),
    events=file_events,
    size=st.integers(1, 10),
    data=st.data(),
)
@settings(max_examples=examples(200), suppress_health_check=[HealthCheck.too_slow])
def test_with_cancelling_the_order_does_not_decide_whether_anything_fires(
    sqlite: SqlStores,
    trigger: TriggerDefinition,
    events: list[Event],
    size: int,
    data: st.DataObject,
) -> None:
    slow = with_delay(trigger, DAY)  # what has fired is not called back
    assume(not arrival_decides(trigger, events))
    permuted = data.draw(st.permutations(events))
    one = sqlite.fresh()
    outcome_of_file(one, slow, events, 1)
    before = fires(one)
    other = sqlite.fresh()
    outcome_of_file(other, slow, permuted, size)
    assert before == fires(other)


def with_delay(trigger: TriggerDefinition, seconds: int) -> TriggerDefinition:
    """Return the trigger with another `fire_delay`."""
    values = {each.name: getattr(trigger, each.name) for each in fields(trigger) if each.init}
    return type(trigger)(**{**values, "fire_delay": timedelta(seconds=seconds)})


def fires(store: Store) -> set[str]:
    """Return the instances of which a stream fires."""
    found = store.find_streams(StreamFilter(), limit=ALL)
    return {
        each.distinguished_by["instance"]
        for each in found
        if each.decision is None and each.fire_timestamp is not None
    }
