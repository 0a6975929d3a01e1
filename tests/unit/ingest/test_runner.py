"""Many sources with a thread each: ends, failures, stopping."""

from __future__ import annotations

import json
import logging
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from oracle import MemoryStore
from support.builders.events import make_trigger
from support.scenes.sites import wait_until
from winchester_core.clock import ClockKind, StreamClock
from winchester_core.config import SourceEntry
from winchester_core.errors import ConfigurationError, PluginError, SourceError
from winchester_core.ingest import Ingester
from winchester_core.ingest.decoding import Decoder
from winchester_core.ingest.ingester import IngestConfiguration
from winchester_core.ingest.runner import SourceMetricsCollector, SourceRunner
from winchester_core.interfaces import EventSource
from winchester_core.model.message import Message, MessageKind
from winchester_core.storage.filters import EventFilter, RejectedFilter
from winchester_core.telemetry.metrics.catalogue import SOURCE_REFUSED
from winchester_core.telemetry.watchdog import Watchdog
from winchester_core.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class ListSource(EventSource):
    """Returns the messages of `ids` one at a time; fails this many times at `failing`."""

    kind = MessageKind.EVENT

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self.left = list(params["ids"])
        self.failures = params.get("failing", 0)
        self.error: BaseException = params.get("error", SourceError("list", "broken pipe"))
        self.opened = 0

    def open(self) -> None:
        self.opened += 1
        if self.failures:
            self.failures -= 1
            raise self.error

    def receive(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        self.exhausted = len(self.left) <= 1
        if not self.left:
            return []
        body = {
            "message_id": self.left.pop(0),
            "event_type": "test",
            "timestamp": "2015-01-20T10:00:00Z",
        }
        return [Message(json.dumps(body).encode(), self.kind)]


class NotificationSource(ListSource):
    kind = MessageKind.NOTIFICATION


class MisconfiguredSource(EventSource):
    def receive(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        raise ConfigurationError(["odd: invalid"])


class HangingSource(EventSource):
    """Never returns until its test is over."""

    def receive(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        self.params.get("meanwhile", bool)()
        self.params["until"].wait()
        return []


class EndlessSource(EventSource):
    """Never has a message, and never ends."""

    def receive(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        return []

    def ack(self, messages: Sequence[Message]) -> None:
        raise AssertionError("nothing was handed out")


def _entry(name: str, source: type[EventSource], **params: Any) -> SourceEntry:
    return SourceEntry(name, name, source, params, batch_size=10)


@pytest.fixture
def manager() -> Ingester:
    clock = FakeClock()
    store = MemoryStore(clock)
    return Ingester(
        store=store,
        stream_clock=StreamClock(ClockKind.SYSTEM, store, clock),
        configuration=IngestConfiguration([], Decoder(None)),
        conditions={},
    )


def _run(
    manager: Ingester,
    *entries: SourceEntry,
    stop: threading.Event | None = None,
    **more: Any,
) -> SourceRunner:
    stop = stop or threading.Event()
    return SourceRunner(entries, manager, stop=stop, statistics_period_seconds=0.05, **more)


def _stored(manager: Ingester) -> set[str]:
    return {event["message_id"] for event in manager.store.find_events(EventFilter())}


def test_debug_counts_are_stored_while_no_message_arrives() -> None:
    clock = FakeClock()
    store = MemoryStore(clock)
    debugged = make_trigger()
    manager = Ingester(
        store=store,
        stream_clock=StreamClock(ClockKind.SYSTEM, store, clock),
        configuration=IngestConfiguration([debugged], Decoder(None)),
        conditions={},
        debug_period_seconds=0.0,
    )
    manager.debug.counts.matched(debugged)
    stop = threading.Event()
    thread = threading.Thread(target=_run(manager, _entry("a", EndlessSource), stop=stop).run)
    thread.start()
    wait_until(lambda: manager.store.debug_counts() != {})
    stop.set()
    thread.join()
    assert manager.store.debug_counts()[debugged.name].matched == 1


def test_the_runner_ends_when_every_source_has_ended(manager: Ingester) -> None:
    runner = _run(
        manager, _entry("a", ListSource, ids=["1", "2"]), _entry("b", ListSource, ids=["2", "3"])
    )
    totals = runner.run()
    assert _stored(manager) == {"1", "2", "3"}
    assert (totals.received, totals.stored, totals.duplicates) == (4, 3, 1)


@pytest.mark.parametrize("error", [SourceError("list", "gone"), ZeroDivisionError(), SystemExit(3)])
def test_a_failed_source_is_reopened_and_reported_once(
    manager: Ingester, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    with caplog.at_level(logging.INFO):
        _run(
            manager,
            _entry("bad", ListSource, ids=["1"], failing=2, error=error),
            _entry("good", ListSource, ids=["2"]),
        ).run()
    assert _stored(manager) == {"1", "2"}
    outages = [
        record for record in caplog.records if "unavailable, retrying" in record.getMessage()
    ]
    assert len(outages) == 1
    assert any("available again" in record.getMessage() for record in caplog.records)


def test_stop_ends_endless_sources(manager: Ingester) -> None:
    stop = threading.Event()
    runner = _run(
        manager,
        _entry("endless", EndlessSource),
        _entry("broken", ListSource, ids=[], failing=10**9),
        stop=stop,
    )
    timer = threading.Timer(0.1, stop.set)
    timer.start()
    assert runner.run().received == 0
    timer.join()


def test_a_permanent_failure_stops_everything(manager: Ingester) -> None:
    runner = _run(manager, _entry("odd", MisconfiguredSource), _entry("endless", EndlessSource))
    with pytest.raises(ConfigurationError, match="odd: invalid"):
        runner.run()


def test_notifications_without_definitions_cost_themselves_alone(manager: Ingester) -> None:
    report = _run(
        manager,
        _entry("n", NotificationSource, ids=["1", "2"]),
        _entry("events", ListSource, ids=["3"]),
    ).run()
    assert report.received == 3
    assert manager.store.get_event_by_message_id("3")
    assert manager.store.count_events() == 1
    rejected = manager.store.find_rejected(RejectedFilter(), limit=10)
    assert [each.source for each in rejected] == ["n", "n"]
    assert "no event definitions are configured" in rejected[0].reason


def test_a_source_that_cannot_be_created_is_reported_by_name(manager: Ingester) -> None:
    with pytest.raises(PluginError, match="'odd' cannot be created: KeyError: 'ids'"):
        _run(manager, _entry("odd", ListSource))


def test_statistics_are_logged_while_running(
    manager: Ingester, caplog: pytest.LogCaptureFixture
) -> None:
    stop = threading.Event()

    class Watching(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "statistics: " in record.getMessage():
                stop.set()

    watching = Watching()
    runner_logger = logging.getLogger("winchester_core.ingest.runner")
    runner_logger.addHandler(watching)
    try:
        with caplog.at_level(logging.INFO):
            _run(manager, _entry("endless", EndlessSource), stop=stop).run()
    finally:
        runner_logger.removeHandler(watching)
    assert stop.is_set()


class QueueSource(ListSource):
    """Knows its lag."""

    def lag(self) -> int | None:
        return len(self.left) + 5


def test_statistics_report_throughput_and_lag_per_source(
    manager: Ingester, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        totals = _run(
            manager,
            _entry("queue", QueueSource, ids=["1", "1", "2"], failing=1),
            _entry("list", ListSource, ids=["x" * 300]),
        ).run()
    records = {text for text in caplog.messages if text.startswith("event source statistics: ")}
    assert "event source statistics: source=list received=1 rejected=1" in records
    assert any(
        text.startswith(
            "event source statistics: source=queue received=3 stored=2 duplicates=1 fail"
        )
        and " lag=" in text
        for text in records
    )
    assert (totals.received, totals.rejected, totals.failures) == (4, 1, 1)


def test_a_recovered_source_is_reported_even_when_idle(
    manager: Ingester, caplog: pytest.LogCaptureFixture
) -> None:
    stop = threading.Event()

    class LateSource(ListSource):
        def receive(self, max_messages: int, timeout_seconds: float) -> list[Message]:
            if any("available again" in text for text in caplog.messages):
                stop.set()
            return []

    _run(manager, _entry("late", LateSource, ids=[], failing=1), stop=stop).run()
    assert stop.is_set()


@pytest.fixture
def over() -> Iterator[threading.Event]:
    """Set when the test is over, so that no thread outlives it for long."""
    over = threading.Event()
    yield over
    over.set()


def test_a_hung_source_is_abandoned_and_named(
    manager: Ingester, over: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    stop = threading.Event()

    def stop_when_the_other_has_ended() -> None:
        wait_until(lambda: "source-ended" not in {each.name for each in threading.enumerate()})
        stop.set()

    runner = _run(
        manager,
        _entry("ended", ListSource, ids=["1"]),
        _entry("hung", HangingSource, until=over, meanwhile=stop_when_the_other_has_ended),
        stop=stop,
        shutdown_seconds=0.1,
    )
    runner.run()
    assert runner.hanging == ["hung"]
    assert "source=hung timeout_seconds=0.1 messages=" in caplog.text


def test_a_permanent_failure_does_not_wait_for_a_hung_source(
    manager: Ingester, over: threading.Event
) -> None:
    runner = _run(
        manager,
        _entry("odd", MisconfiguredSource),
        _entry("hung", HangingSource, until=over),
        shutdown_seconds=0.1,
    )
    with pytest.raises(ConfigurationError, match="odd: invalid"):
        runner.run()


def test_only_a_hung_source_misses_its_watchdog_deadline(
    manager: Ingester, over: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("winchester_core.telemetry.watchdog.DEADLINE_SECONDS", 0.5)
    stop, watchdog = threading.Event(), Watchdog()
    runner = _run(
        manager,
        _entry("hung", HangingSource, until=over),
        _entry("ended", ListSource, ids=["1"]),
        _entry("endless", EndlessSource),
        stop=stop,
        shutdown_seconds=0.0,
        watchdog=watchdog,
    )
    thread = threading.Thread(target=runner.run)
    thread.start()
    wait_until(lambda: watchdog.overdue() == ["event source 'hung'"])
    stop.set()
    thread.join()


class GuardedSource(ListSource):
    """Refuses requests, and its sender cannot correct a message."""

    replies_to_sender = True

    def receive(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        messages = super().receive(max_messages, timeout_seconds)
        return [replace(each, fault="odd", keep_invalid=len(self.left) == 0) for each in messages]

    def refused(self) -> dict[str, int]:
        return {"signature": 3, "token": 0}


def test_refused_requests_and_kept_messages_of_a_source_are_counted(manager: Ingester) -> None:
    runner = _run(manager, _entry("web", GuardedSource, ids=["1", "2"]))
    assert runner.run().rejected == 2
    samples = SourceMetricsCollector(lambda: runner.pumps)()
    refused = {each.labels: each.value for each in samples if each.metric is SOURCE_REFUSED}
    assert refused == {("web", "signature"): 3, ("web", "token"): 0}
    (kept,) = manager.store.find_rejected()
    assert b'"message_id": "2"' in kept.body
