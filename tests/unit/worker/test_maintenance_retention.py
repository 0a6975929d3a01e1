"""Retention in a worker: batch after batch from a cursor, for a bounded time."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.builders.events import NOON, at, ingest, make_event, make_trigger
from winchester_core.clock import ClockKind, StreamClock
from winchester_core.model.effect import Endpoint
from winchester_core.retry import OutageState
from winchester_core.storage.filters import EventFilter
from winchester_core.storage.records import TrimCursor, TrimResult
from winchester_core.telemetry.counters import Count, Counters
from winchester_core.telemetry.watchdog import Watchdog
from winchester_core.testing import FakeClock
from winchester_core.timex import parse
from winchester_core.worker import WorkerOptions, maintenance
from winchester_core.worker.rescue import RESCUE_BATCH, Rescuer

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.scenes.workers import Scene

FULL_BATCH = {Endpoint("fire", "mail"): maintenance.OVERDUE_EFFECTS_BATCH}
OPTIONS = WorkerOptions(trim_age=parse("$timestamp - 1d"), trim_batch_size=10)
HALFWAY = TrimCursor(at(1), 7)
END = TrimCursor(at(2), 9)


@dataclass
class ScriptedStore:
    """Returns the next of `answers` for each batch, then an empty result."""

    answers: list[TrimResult]
    cursors: list[TrimCursor | None] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    stop_after: int = 10**9

    def real_time(self) -> datetime:
        return NOON

    def trim(
        self, older: datetime, stored: datetime, limit: int, cursor: TrimCursor | None
    ) -> TrimResult:
        assert (older, stored, limit) == (NOON - timedelta(days=1), NOON - timedelta(days=1), 10)
        self.cursors.append(cursor)
        if len(self.cursors) == self.stop_after:
            self.stop.set()
        return self.answers.pop(0) if self.answers else TrimResult(0, cursor=cursor)


@pytest.mark.parametrize("age", ["$timestamp - 1100y", "$timestamp + 9000y"])
def test_an_age_beyond_the_years_of_events_ends_no_worker(scene: Scene, age: str) -> None:
    scene.complete_stream()
    worker = scene.worker(trim_age=parse(age))
    worker.run_until_idle()
    assert scene.store.count_events() == (2 if "-" in age else 0)


class Seconds:
    """A monotonic clock that advances by `step` at each call."""

    def __init__(self, step: float = 0.0) -> None:
        self.now = 0.0
        self.step = step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> Seconds:
    clock = Seconds()
    monkeypatch.setattr(maintenance, "monotonic", clock)
    return clock


def trimmer_of(store: ScriptedStore, counters: Counters | None = None) -> maintenance.Trimmer:
    clock = StreamClock(ClockKind.SYSTEM, store, FakeClock(NOON))  # type: ignore[arg-type]
    counted = counters or Counters()
    return maintenance.Trimmer(store, clock, OPTIONS, counted, store.stop)  # type: ignore[arg-type]


def test_trimming_continues_while_batches_are_full(seconds: Seconds) -> None:
    store = ScriptedStore([TrimResult(10, 0, HALFWAY, more=True), TrimResult(3, 0, END)])
    counters = Counters()
    trimmer_of(store, counters).round()
    assert store.cursors == [None, HALFWAY]
    assert counters[Count.EVENTS_TRIMMED] == 13


def test_trimming_pauses_after_half_a_second_and_resumes_at_the_cursor(
    seconds: Seconds,
) -> None:
    seconds.step = 0.1
    store = ScriptedStore([TrimResult(10, 0, HALFWAY, more=True)] * 50)
    trimming = trimmer_of(store)
    trimming.round()
    assert 1 < len(store.cursors) <= 5
    assert trimming.has_more
    trimming.round()
    assert store.cursors[-1] == HALFWAY


def test_trimming_ends_on_stop(seconds: Seconds) -> None:
    store = ScriptedStore([TrimResult(10, 0, HALFWAY, more=True)] * 50, stop_after=4)
    trimmer_of(store).round()
    assert len(store.cursors) == 4


def test_trimming_restarts_at_once_when_no_stream_holds_events(seconds: Seconds) -> None:
    store = ScriptedStore([TrimResult(10, 0, HALFWAY, more=True), TrimResult(3, 0, END)])
    trimming = trimmer_of(store)
    trimming.round()
    trimming.round()
    assert store.cursors == [None, HALFWAY, None]


def test_events_held_by_streams_are_rechecked_with_increasing_delay(seconds: Seconds) -> None:
    store = ScriptedStore([TrimResult(0, 30_000, HALFWAY, more=True), TrimResult(0, 30_000, END)])
    trimming = trimmer_of(store)
    trimming.round()
    for elapsed, mark in ((0, END), (30, END), (59, END), (61, None), (62, None)):
        seconds.now = elapsed
        trimming.round()
        assert store.cursors[-1] == mark


def test_a_worker_does_not_sleep_while_there_is_more_to_trim(scene: Scene) -> None:
    ingest(scene.store, make_trigger(match="none"), *(make_event(f"{i}") for i in range(57)))
    scene.clock.advance(timedelta(days=2))
    worker = scene.worker(
        trim_age=parse("$timestamp - 1d"), trim_batch_size=2, idle_delay_seconds=1e6
    )
    worker.run_until_idle()
    assert scene.store.count_events(EventFilter()) == 0


class EndlessStore:
    """Always has another full batch; sets `stop` in the third."""

    def __init__(self) -> None:
        self.batches = 0
        self.stop = threading.Event()

    def _batch(self) -> None:
        self.batches += 1
        if self.batches == 3:
            self.stop.set()

    def mark_overdue_effects_dead(self, **_options: Any) -> dict[Endpoint, int]:
        self._batch()
        return FULL_BATCH

    def rescue(self, **_options: Any) -> tuple[int, int]:
        self._batch()
        return RESCUE_BATCH, 0


def test_a_stop_ends_maintenance_after_the_batch_in_progress() -> None:
    store, counters = EndlessStore(), Counters()
    deadline = Watchdog().deadline("worker")
    typed: Any = store
    maintenance.mark_overdue_effects_dead(typed, timedelta(days=7), counters, deadline, store.stop)
    assert counters[Count.EFFECTS_DEAD] == 3 * maintenance.OVERDUE_EFFECTS_BATCH
    endless = EndlessStore()
    typed = endless
    Rescuer(
        store=typed,
        worker_id="w",
        counters=counters,
        outage=OutageState("database", counters),
        deadline=deadline,
        stop=endless.stop,
    ).rescue_expired(WorkerOptions())
    assert counters[Count.STREAMS_RESCUED] == 3 * RESCUE_BATCH


def test_marking_overdue_effects_dead_extends_the_deadline_before_each_batch() -> None:
    store, counters, watchdog = EndlessStore(), Counters(), Watchdog()
    deadline = watchdog.deadline("worker")
    mark, overdue = store.mark_overdue_effects_dead, []

    def slow(**options: Any) -> dict[Endpoint, int]:
        overdue.append(watchdog.overdue())
        deadline.set(-1.0)  # the batch took longer than the deadline
        return mark(**options)

    store.mark_overdue_effects_dead = slow  # type: ignore[method-assign]
    typed: Any = store
    maintenance.mark_overdue_effects_dead(typed, timedelta(days=7), counters, deadline, store.stop)
    assert overdue == [[], [], []]


def test_a_rescue_counts_and_reports_its_streams_and_extends_the_deadline(
    caplog: pytest.LogCaptureFixture,
) -> None:
    counters, watchdog = Counters(), Watchdog()
    deadline = watchdog.deadline("worker")
    results, overdue, delays = [(2, 1), (RESCUE_BATCH, 0)], [], []

    class Store:
        def rescue(self, *, backoff: Callable[[int], timedelta], **_options: Any) -> Any:
            overdue.append(watchdog.overdue())
            deadline.set(-1.0)  # the batch took longer than the deadline
            delays.append(backoff(3))
            return results.pop()

    store: Any = Store()
    Rescuer(
        store=store,
        worker_id="w",
        counters=counters,
        outage=OutageState("database", counters),
        deadline=deadline,
        stop=threading.Event(),
    ).rescue_expired(WorkerOptions(retry_delay=timedelta(seconds=10)))
    assert overdue == [[], []]
    assert (counters[Count.STREAMS_RESCUED], counters[Count.STREAMS_IN_ERROR]) == (
        RESCUE_BATCH + 2,
        1,
    )
    assert "rescheduled=2 failures_exhausted=1" in caplog.text
    assert all(timedelta(seconds=20) <= each <= timedelta(seconds=40) for each in delays)
