"""An ingester embedded in a program: outcomes, counts, triggers added and removed."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from oracle import MemoryStore
from winchester_core.clock import ClockKind, StreamClock
from winchester_core.criteria.conditions.numbers import IntCondition
from winchester_core.errors import (
    ConfigurationError,
    ConnectionBroken,
    DatabaseUnavailable,
    DataRefused,
)
from winchester_core.ingest import EventStatus, Ingester
from winchester_core.ingest.decoding import Decoder
from winchester_core.ingest.ingester import IngestConfiguration
from winchester_core.model.message import Message, MessageKind
from winchester_core.storage.filters import EventFilter, StreamFilter
from winchester_core.telemetry.counters import Count
from winchester_core.testing import FakeClock
from winchester_core.triggers.definition import TriggerDefinition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from winchester_core.clock import TimePolicy
    from winchester_core.storage.records import IngestResult, MatchedEvent

NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)
CONDITIONS = {"int": IntCondition}
TRIGGER = {
    "name": "orders",
    "distinguished_by": ["order"],
    "match_criteria": [{"event_type": "order.*"}],
    "fire_criteria": [{"event_type": "order.shipped"}],
    "expiration": "$last + 1h",
    "fire_pipeline": "p",
}


def event(message_id: str, event_type: str = "order.paid", **traits: Any) -> dict[str, Any]:
    return {
        "message_id": message_id,
        "event_type": event_type,
        "timestamp": NOON,
        "order": "o-1",
        **traits,
    }


def manager_on(
    store: MemoryStore, *configs: dict[str, Any], kind: ClockKind = ClockKind.SYSTEM
) -> Ingester:
    return Ingester(
        store=store,
        stream_clock=StreamClock(kind, store, FakeClock(NOON), max_jump=timedelta(days=1)),
        configuration=IngestConfiguration(
            [TriggerDefinition.from_config(each, CONDITIONS) for each in configs], Decoder(None)
        ),
        conditions=CONDITIONS,
    )


class RefusingStore(MemoryStore):
    """Refuses any batch with an event that has the trait `bad`, as a database would."""

    def record(self, matched_events: Sequence[MatchedEvent], policy: TimePolicy) -> IngestResult:
        if any("bad" in matched_event.event for matched_event in matched_events):
            raise DataRefused("no such value here")
        return super().record(matched_events, policy)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(FakeClock(NOON))


@pytest.fixture
def manager(store: MemoryStore) -> Ingester:
    return manager_on(store, TRIGGER)


def test_add_event_returns_whether_it_was_stored(manager: Ingester) -> None:
    assert manager.add_event(event("m-1")) is True
    assert manager.add_event(event("m-1")) is False
    assert manager.add_event({"event_type": "order.paid"}) is False
    assert (manager.received, manager.saved) == (3, 1)


def test_add_events_returns_an_outcome_per_event_in_order(manager: Ingester) -> None:
    result = manager.add_events(
        [event("m-1"), {"message_id": "m-2"}, event("m-1", order="other"), event("m-3")]
    )
    kinds = [outcome.status for outcome in result.outcomes]
    assert kinds == [
        EventStatus.STORED,
        EventStatus.INVALID,
        EventStatus.DUPLICATE,
        EventStatus.STORED,
    ]
    assert (result.stored, result.duplicates, result.invalid, result.dropped) == (2, 1, 1, 0)
    assert result.outcomes[1].reason == "event_type: is missing"
    assert result.outcomes[1].message_id == "m-2"


def test_a_dropped_trait_is_logged_with_event_trait_and_reason(
    manager: Ingester, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert manager.add_event(event("m-1", nested={"a": 1}))
    assert (
        "trait dropped: event=m-1 trait=nested reason=a trait cannot be of type dict" in caplog.text
    )
    assert manager.counters[Count.TRAITS_DROPPED] == 1


class FragileConnection(MemoryStore):
    """Breaks the connection on a batch with an event that has the trait `huge`."""

    attempts = 0

    def record(self, matched_events: Sequence[MatchedEvent], policy: TimePolicy) -> IngestResult:
        self.attempts += 1
        if any("huge" in matched_event.event for matched_event in matched_events):
            raise ConnectionBroken("server has gone away")
        return super().record(matched_events, policy)


def test_a_batch_on_which_the_connection_breaks_twice_is_split() -> None:
    store = FragileConnection(FakeClock(NOON))
    events = [event(f"m-{n}", **({"huge": 1} if n == 3 else {})) for n in range(100)]
    result = manager_on(store, TRIGGER).add_events(events)
    assert (result.stored, result.invalid) == (99, 1)
    reason = (
        "the database refuses it: the connection broke twice while storing it: server has gone away"
    )
    assert result.outcomes[3].reason == reason
    assert store.attempts <= 2 * 8 + 7


def test_a_connection_that_breaks_once_costs_no_event() -> None:
    class BreaksOnce(MemoryStore):
        broken = False

        def record(self, events: Sequence[MatchedEvent], policy: TimePolicy) -> IngestResult:
            if not self.broken:
                self.broken = True
                raise ConnectionBroken("reset by peer")
            return super().record(events, policy)

    result = manager_on(BreaksOnce(FakeClock(NOON)), TRIGGER).add_events([event("1"), event("2")])
    assert (result.stored, result.invalid) == (2, 0)


@pytest.mark.parametrize("breaks", [1, 2])
def test_an_outage_is_no_error_of_the_events(breaks: int) -> None:
    class Away(MemoryStore):
        attempts = 0

        def record(self, events: Sequence[MatchedEvent], policy: TimePolicy) -> IngestResult:
            self.attempts += 1
            raise ConnectionBroken("reset by peer")

        def event_clock(self) -> datetime | None:
            if self.attempts >= breaks:
                raise DatabaseUnavailable("connection refused")
            return super().event_clock()

    with pytest.raises(DatabaseUnavailable, match="connection refused"):
        manager_on(Away(FakeClock(NOON)), TRIGGER).add_events([event("1"), event("2")])


class Poison(dict[str, Any]):
    """A mapping whose methods raise, as only another program's class could."""

    def __init__(self, error: Exception, method: str) -> None:
        super().__init__(event("poison"))
        self._error, self._method = error, method

    def get(self, *args: Any) -> Any:
        if self._method == "get":
            raise self._error
        return super().get(*args)

    def items(self) -> Any:
        if self._method == "items":
            raise self._error
        return super().items()


@pytest.mark.parametrize("method", ["get", "items"])
@pytest.mark.parametrize("error", [RuntimeError("odd"), MemoryError(), RecursionError("deep")])
def test_whatever_a_library_raises_on_an_event_costs_that_event_alone(
    store: MemoryStore, manager: Ingester, error: Exception, method: str
) -> None:
    given = [event(str(n)) for n in range(99)]
    result = manager.add_events([*given[:50], Poison(error, method), *given[50:]])
    assert (result.stored, result.invalid) == (99, 1)
    assert str(result.outcomes[50].reason).startswith(f"cannot be read: {type(error).__name__}")
    assert store.count_events() == 99


def test_a_refused_batch_is_split_until_the_bad_message_is_isolated() -> None:
    store = RefusingStore(FakeClock(NOON))
    manager = manager_on(store, TRIGGER)
    events = [event(f"m-{n}", **({"bad": 1} if n in (3, 6) else {})) for n in range(10)]
    result = manager.add_events(events)
    invalid = [n for n, each in enumerate(result.outcomes) if each.status is EventStatus.INVALID]
    assert invalid == [3, 6]
    assert result.outcomes[3].reason == "the database refuses it: no such value here"
    stored = [each["message_id"] for each in store.find_events(EventFilter())]
    assert stored == [f"m-{n}" for n in range(10) if n not in (3, 6)]
    (stream,) = store.find_streams(StreamFilter())
    assert stream.event_count == 8


def test_old_events_under_the_system_clock_are_counted_and_warned_about_once(
    store: MemoryStore, manager: Ingester, caplog: pytest.LogCaptureFixture
) -> None:
    yesterday = NOON - timedelta(days=1)
    for number in range(3):
        manager.add_event(event(f"m-{number}", timestamp=yesterday, order=f"o-{number}"))
    warnings = [record.message for record in caplog.records if "clock: event" in record.message]
    assert len(warnings) == 1
    assert manager.counters[Count.STREAMS_OPENED_EXPIRED] == 3


def test_an_event_clock_jump_is_refused_with_a_warning(
    store: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    manager = manager_on(store, TRIGGER, kind=ClockKind.EVENT)
    manager.add_event(event("m-1"))
    manager.add_event(event("m-2", timestamp=NOON + timedelta(days=2)))
    assert manager.current_time() == NOON
    assert manager.saved == 2
    assert manager.counters[Count.CLOCK_JUMPS_REFUSED] == 1
    assert "event=m-2 timestamp=2026-03-16T12:00:00+00:00" in caplog.text


def test_triggers_can_be_added_replaced_and_removed(store: MemoryStore, manager: Ingester) -> None:
    manager.add_trigger_definition([{**TRIGGER, "name": "second"}])
    manager.add_event(event("m-1"))
    manager.delete_trigger_definition("orders")
    manager.add_event(event("m-2"))
    counts = {stream.name: stream.event_count for stream in store.find_streams(StreamFilter())}
    assert counts == {"orders": 1, "second": 2}
    with pytest.raises(ConfigurationError, match=r"no trigger is named 'orders'; available: seco"):
        manager.delete_trigger_definition("orders")


def test_an_invalid_trigger_is_refused_with_every_problem_and_nothing_is_added(
    manager: Ingester,
) -> None:
    bad = {**TRIGGER, "name": "new", "expiration": "$nobody + 1d", "fire_delay": -1}
    with pytest.raises(ConfigurationError) as caught:
        manager.add_trigger_definition([{**TRIGGER, "name": "good"}, bad])
    assert len(caught.value.problems) == 2
    with pytest.raises(ConfigurationError):
        manager.delete_trigger_definition("good")


def test_load_criteria_passed_by_a_program_are_ignored_with_a_warning(
    manager: Ingester, caplog: pytest.LogCaptureFixture
) -> None:
    manager.add_trigger_definition([{**TRIGGER, "name": "second", "load_criteria": []}])
    assert "load_criteria: has no effect" in caplog.text
    manager.delete_trigger_definition("second")


def test_an_invalid_event_is_an_outcome_not_an_exception(manager: Ingester) -> None:
    result = manager.add_events(["text", None, 5, event("m-1")])  # type: ignore[list-item]
    assert (result.invalid, result.stored) == (3, 1)


def test_the_record_of_an_invalid_message_names_its_id(
    manager: Ingester, caplog: pytest.LogCaptureFixture
) -> None:
    body = b'{"message_id": "m-7", "event_type": "order.paid", "timestamp": "yesterday"}'
    prepared = manager.prepare_messages([Message(body, MessageKind.EVENT)])
    assert "event invalid: event=m-7 " in caplog.text
    assert [(each.status, each.message_id) for each in manager.add_prepared(prepared).outcomes] == [
        (EventStatus.INVALID, "m-7")
    ]


def test_debug_counts_explain_why_events_did_not_match(
    store: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    criteria = [{"event_type": "order.*", "traits": {"size": {"int": "> 3"}}}]
    manager = manager_on(store, {**TRIGGER, "debug_level": 2, "match_criteria": criteria})
    manager.add_events([event("m-1", size=4), event("m-2", size=1), event("m-3")])
    with caplog.at_level(logging.INFO):
        manager.debug.flush()
    assert "matched=1 mismatched=2 trigger=orders" in caplog.text
    assert caplog.text.count("mismatched=1 trigger=orders reason=") == 2
    assert set(store.debug_counts()["orders"].reasons.values()) == {1}


def test_notifications_without_definitions_are_a_configuration_error(
    manager: Ingester,
) -> None:
    with pytest.raises(ConfigurationError, match="distiller_config"):
        manager.add_notification({"event_type": "x"})
