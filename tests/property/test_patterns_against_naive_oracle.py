"""Triggers with order, windows, cancelling, waiting and silence: every database agrees with the
memory oracle, which decides each event from the whole list of members.

Compared after every step: results, and streams with their members, times and outcomes.
"""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oracle import MemoryStore
from support.builders.events import FAR, NOON, matched_events
from support.builders.patterns import (
    Arrive,
    PatternStep,
    Upkeep,
    Work,
    later,
    pattern_events,
    pattern_runs,
    patterns,
)
from support.probes.hypothesis_examples import examples
from support.servers.databases import Databases
from winchester_core.clock import EventTime, FixedTime
from winchester_core.model.stream import Decision
from winchester_core.storage.records import Completion, Failure, StreamFilter
from winchester_core.storage.sql.store import SqlStore
from winchester_core.testing.builders import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from winchester_core.model.event import Event
    from winchester_core.model.stream import StreamRecord
    from winchester_core.storage.interface import Store
    from winchester_core.triggers.definition import TriggerDefinition

ALL = 10_000
EXAMPLES = {"sqlite": examples(400), "postgresql": examples(100), "mariadb": examples(100)}
REAL_TIME = datetime(2100, 1, 1, tzinfo=UTC)


class SqlStores:
    """Empty stores on one database that is reused."""

    def __init__(self, folder: Path, backend: str) -> None:
        self.backend = backend
        self._databases = Databases(folder)

    def fresh(self) -> SqlStore:
        """Return an empty store with a fixed database time."""
        database = self._databases.emptied(self.backend)
        database.dialect.embedded = True
        database.dialect.host_clock = FakeClock(REAL_TIME)
        return SqlStore(database)

    def close(self) -> None:
        """Remove the database."""
        self._databases.close()


@pytest.fixture(scope="module", params=EXAMPLES)
def stores(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SqlStores]:
    with closing(SqlStores(tmp_path_factory.mktemp("patterns"), request.param)) as stores:
        yield stores


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlStores]:
    with closing(SqlStores(tmp_path_factory.mktemp("patterns"), "sqlite")) as stores:
        yield stores


class PatternRun:
    """A store, its stream time, and a trigger."""

    def __init__(self, store: Store, trigger: TriggerDefinition, *, by_events: bool) -> None:
        self._store = store
        self._trigger = trigger
        self._by_events = by_events
        self._now = NOON

    def do(self, step: PatternStep) -> Any:
        """Execute one step; return the result without surrogate keys."""
        match step:
            case Arrive(batch, seconds):
                self._now = later(self._now, seconds)
                return self.ingest(batch)
            case Work(reason, fails):
                return self._work(reason, fails=fails)
            case Upkeep():
                return self._tidy()

    def ingest(self, batch: Sequence[Event]) -> Any:
        """Ingest one batch."""
        policy = EventTime() if self._by_events else FixedTime(self._now)
        result = self._store.record(matched_events([self._trigger], batch), policy)
        return (
            result.stored,
            result.streams_opened,
            result.streams_opened_expired,
            result.events_held,
            result.held_dropped,
        )

    def _stream_time(self) -> datetime | None:
        return self._store.event_clock() if self._by_events else self._now

    def _work(self, reason: Any, *, fails: bool) -> Any:
        claims = self._store.claim_ready(
            worker="w",
            reason=reason,
            now=self._stream_time(),
            limit=ALL,
            lease=timedelta(days=1),
        )
        events = self._store.events_of([each.stream_id for each in claims])
        claimed = sorted(
            (ids_of(events[each.stream_id]), each.reason, str(each.decision), each.attempt)
            for each in claims
        )
        if fails:
            for each in claims:
                self._store.fail(Failure(each, "failed", timedelta(0)), 3)
        else:
            done = [Completion(each, purge=False) for each in claims]
            self._store.complete(done, EventTime(advances=False))
        return claimed

    def _tidy(self) -> Any:
        now = self._stream_time()
        if now is None:
            return None
        self._store.unlink_old_members(self._trigger, now, ALL)
        self._store.delete_silences(now, [self._trigger], ALL)
        self._store.end_waiting(now, ALL)
        return None

    def state(self) -> list[Any]:
        """Return the streams without surrogate keys."""
        found = self._store.find_streams(StreamFilter(), limit=ALL)
        events = self._store.events_of([each.id for each in found])
        assert self._store.count_streams() == len(found)
        return sorted((facts(each, ids_of(events[each.id])) for each in found), key=repr)


def ids_of(events: Sequence[Event]) -> list[str]:
    return [each["message_id"] for each in events]


def facts(stream: StreamRecord, members: list[str]) -> dict[str, Any]:
    """Return what is the same in every store; a cancelled stream has no times."""
    shown = {
        "members": members,
        "group": dict(stream.distinguished_by),
        "state": stream.state.value,
        "outcome": stream.outcome.value,
        "decision": stream.decision and stream.decision.value,
        "is_open": stream.is_open,
    }
    if stream.decision is Decision.CANCELLED:
        return shown
    times = {
        "first": stream.first_event,
        "last": stream.last_event,
        "expires": stream.expire_timestamp,
        "fires": stream.fire_timestamp,
    }
    return shown | {
        name: None if time is None else (time - NOON).total_seconds()
        for name, time in times.items()
    }


def test_every_database_agrees_with_the_naive_oracle(stores: SqlStores) -> None:
    @given(trigger=patterns(), run=pattern_runs, by_events=st.booleans())
    @settings(max_examples=EXAMPLES[stores.backend], suppress_health_check=[HealthCheck.too_slow])
    def agree(trigger: TriggerDefinition, run: list[PatternStep], by_events: bool) -> None:
        on_sql = PatternRun(stores.fresh(), trigger, by_events=by_events)
        in_memory = PatternRun(MemoryStore(FakeClock(REAL_TIME)), trigger, by_events=by_events)
        for step in run:
            assert on_sql.do(step) == in_memory.do(step), step
            assert on_sql.state() == in_memory.state(), step

    agree()


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
    # only the order of arrival of events of one place is part of the meaning
    permuted = keeping_ties(trigger, events, data.draw(st.permutations(events)))
    assert outcome_of_file(sqlite.fresh(), trigger, events, 1) == outcome_of_file(
        sqlite.fresh(), trigger, permuted, size
    )


def keeping_ties(
    trigger: TriggerDefinition, events: Sequence[Event], permuted: Sequence[Event]
) -> list[Event]:
    """Return `permuted` with the events of one timestamp in the order of `events`."""
    del trigger
    queues: dict[Any, list[Event]] = {}
    for each in events:
        queues.setdefault(each["timestamp"], []).append(each)
    return [queues[each["timestamp"]].pop(0) for each in permuted]


@given(
    trigger=patterns(may_end=False),
    events=file_events,
    size=st.integers(1, 10),
    delay=st.just(86_400),
    data=st.data(),
)
@settings(max_examples=examples(200), suppress_health_check=[HealthCheck.too_slow])
def test_with_cancelling_the_order_does_not_decide_whether_anything_fires(
    sqlite: SqlStores,
    trigger: TriggerDefinition,
    events: list[Event],
    size: int,
    delay: int,
    data: st.DataObject,
) -> None:
    slow = with_delay(trigger, delay)
    permuted = keeping_ties(trigger, events, data.draw(st.permutations(events)))
    one = sqlite.fresh()
    outcome_of_file(one, slow, events, 1)
    before = fires(one)
    other = sqlite.fresh()
    outcome_of_file(other, slow, permuted, size)
    assert before == fires(other)


def with_delay(trigger: TriggerDefinition, delay: int) -> TriggerDefinition:
    from dataclasses import fields

    values = {each.name: getattr(trigger, each.name) for each in fields(trigger) if each.init}
    return type(trigger)(**{**values, "fire_delay": timedelta(seconds=delay)})


def fires(store: Store) -> dict[str, bool]:
    """Return whether anything fires, by instance."""
    answer: dict[str, bool] = {}
    for each in store.find_streams(StreamFilter(), limit=ALL):
        name = each.distinguished_by["instance"]
        answer[name] = answer.get(name, False) or (
            each.decision is None and each.fire_timestamp is not None and each.fire_timestamp < FAR
        )
    return {name: answer[name] for name in answer if answer[name]}
