"""The recorder stores a process's row and activity, and never disturbs the process."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from oracle import MemoryStore
from support.builders.operations import EVENTS, make_report, trigger
from support.scenes.sites import wait_until
from winchester_core.errors import DatabaseUnavailable, StorageError
from winchester_core.model.activity import (
    MAX_NAMES,
    OTHER_NAMES,
    ActivityCounts,
    ActivityKey,
    Subject,
)
from winchester_core.service import process_recorder
from winchester_core.service.process_recorder import ProcessRecorder
from winchester_core.telemetry.counters import Count, Counters
from winchester_core.telemetry.watchdog import Watchdog
from winchester_core.testing.builders import FakeClock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from winchester_core.model.process import ProcessReport
    from winchester_core.storage.operation_records import ReportResult

TEN_MINUTES = timedelta(minutes=10)


class FailingStore(MemoryStore):
    """A store whose reports raise `error` while it is set."""

    error: BaseException | None = None

    def report_process(
        self, process: ProcessReport | None, counts: Mapping[ActivityKey, ActivityCounts]
    ) -> ReportResult:
        if self.error is not None:
            raise self.error
        return super().report_process(process, counts)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(clock: FakeClock) -> FailingStore:
    return FailingStore(clock)


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest.fixture
def recorder(store: FailingStore, counters: Counters) -> ProcessRecorder:
    return ProcessRecorder(store, make_report(), counters, Watchdog())


def activity(store: MemoryStore) -> dict[ActivityKey, ActivityCounts]:
    """Return the sums of the last hours."""
    found: dict[ActivityKey, ActivityCounts] = {}
    for each in store.read_activity(store.real_time() - timedelta(hours=1), 6 * 3_600).records:
        found[each.key] = found.get(each.key, ActivityCounts()).plus(each.counts)
    return found


def test_counts_are_added_by_differences(
    recorder: ProcessRecorder, store: FailingStore, counters: Counters
) -> None:
    counters.add(Count.EVENTS_STORED, 5)
    counters.add(Count.STREAMS_OPENED, 2, label="a")
    counters.run_seconds.observe("p", 0.5)
    assert recorder.record()
    counters.add(Count.EVENTS_CREATED, label="new")
    counters.add(Count.EVENTS_DUPLICATE, 3)
    counters.add(Count.MESSAGES_REJECTED, 4)
    counters.add(Count.STREAMS_FIRED, 1, label="a")
    counters.run_seconds.observe("p", 0.25)
    counters.add(Count.EFFECTS_DELIVERED, 7, label="p")
    assert recorder.record()
    assert recorder.record()
    assert activity(store) == {
        EVENTS: ActivityCounts(events_stored=6, events_duplicate=3, messages_rejected=4),
        trigger("a"): ActivityCounts(streams_opened=2, streams_fired=1),
        ActivityKey(Subject.PIPELINE, "p"): ActivityCounts(
            runs=2, run_seconds=0.75, effects_delivered=7
        ),
    }


def test_counts_survive_an_outage(
    recorder: ProcessRecorder,
    store: FailingStore,
    counters: Counters,
    caplog: pytest.LogCaptureFixture,
) -> None:
    counters.add(Count.EVENTS_STORED, 5)
    store.error = DatabaseUnavailable("away")
    assert not recorder.record()
    counters.add(Count.EVENTS_STORED, 2)
    assert not recorder.record()
    assert list(recorder.collect_metrics()) == []
    store.error = None
    assert recorder.record()
    assert activity(store) == {EVENTS: ActivityCounts(events_stored=7)}
    assert [each for each in caplog.records if each.levelno > logging.DEBUG] == []


@pytest.mark.parametrize("error", [StorageError("no such table"), ValueError("a bug")])
def test_other_failures_are_logged_once(
    recorder: ProcessRecorder,
    store: FailingStore,
    error: Exception,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for _ in range(2):
        for _ in range(3):
            store.error = error
            assert not recorder.record()
        store.error = None
        assert recorder.record()
    warnings = [each.getMessage() for each in caplog.records]
    assert warnings == [f"process report not stored, retrying: error={error}"] * 2


def test_further_names_of_a_minute_are_counted_together(
    recorder: ProcessRecorder, store: FailingStore, counters: Counters, clock: FakeClock
) -> None:
    clock.set(clock.now().replace(second=0))
    for number in range(MAX_NAMES - 1):
        counters.add(Count.STREAMS_OPENED, label=f"t{number}")
    recorder.record()
    clock.advance(timedelta(seconds=10))
    for name in ("t0", "x", "y", "z"):
        counters.add(Count.STREAMS_OPENED, 2, label=name)
    recorder.record()
    counted = activity(store)
    assert counted[trigger("t0")].streams_opened == 3
    assert counted[trigger("x")].streams_opened == 2
    assert counted[trigger(OTHER_NAMES)].streams_opened == 4
    assert len(counted) == MAX_NAMES + 1
    clock.advance(timedelta(minutes=1))
    recorder.record()
    counters.add(Count.STREAMS_OPENED, 5, label="y")
    recorder.record()
    assert activity(store)[trigger("y")].streams_opened == 5


def test_a_reload_changes_the_fingerprints(
    recorder: ProcessRecorder, store: FailingStore, loaded: object
) -> None:
    recorder.record()
    recorder.configure(loaded)  # type: ignore[arg-type]
    recorder.record()
    (process,) = store.find_processes()
    assert (process.triggers_fingerprint, process.pipelines_fingerprint) == ("t2", None)


@pytest.fixture
def loaded() -> object:
    class Loaded:
        triggers_fingerprint = "t2"
        pipelines_fingerprint = None

    return Loaded()


def test_a_lasting_difference_is_logged_once_and_exposed(
    recorder: ProcessRecorder,
    store: FailingStore,
    clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    other = make_report("other", name="worker-2", triggers_fingerprint="t2")
    recorder.record()
    store.report_process(other, {})
    recorder.record()
    assert {sample.value for sample in recorder.collect_metrics()} == {False}
    clock.advance(TEN_MINUTES)
    for _ in range(3):
        store.report_process(other, {})
        recorder.record()
    found = {sample.labels[0] for sample in recorder.collect_metrics() if sample.value}
    assert found == {"triggers"}
    (message,) = [each.getMessage() for each in caplog.records]
    assert message.endswith("difference=triggers")
    store.end_process("other", {})
    recorder.record()
    assert {sample.value for sample in recorder.collect_metrics()} == {False}


def test_the_row_exists_while_the_process_runs(
    recorder: ProcessRecorder, store: FailingStore, counters: Counters
) -> None:
    with recorder:
        wait_until(lambda: bool(store.find_processes()))
        counters.add(Count.EVENTS_STORED, 3)
    assert store.find_processes() == []
    assert activity(store) == {EVENTS: ActivityCounts(events_stored=3)}


def test_a_short_lived_process_stores_only_its_activity(
    store: FailingStore, counters: Counters
) -> None:
    with ProcessRecorder(store, make_report(), counters, Watchdog(), keeps_row=False) as recorder:
        counters.add(Count.EVENTS_STORED, 3)
        assert recorder.record()
        assert store.find_processes() == []
    assert activity(store) == {EVENTS: ActivityCounts(events_stored=3)}


def test_nothing_is_stored_while_the_database_is_only_read(
    store: FailingStore, counters: Counters
) -> None:
    standby = [True]
    recorder = ProcessRecorder(
        store, make_report(), counters, Watchdog(), reads_only=lambda: standby[0]
    )
    counters.add(Count.EVENTS_STORED, 3)
    assert not recorder.record()
    assert (store.find_processes(), activity(store)) == ([], {})
    assert list(recorder.collect_metrics()) == []
    standby[0] = False
    assert recorder.record()
    assert len(store.find_processes()) == 1
    assert activity(store) == {EVENTS: ActivityCounts(events_stored=3)}


def test_the_overdue_components_are_reported(store: FailingStore, counters: Counters) -> None:
    watchdog = Watchdog()
    watchdog.deadline("worker").set(-1.0)
    ProcessRecorder(store, make_report(), counters, watchdog).record()
    (process,) = store.find_processes()
    assert process.overdue == ("worker",)


def test_the_process_ends_although_a_report_hangs(
    recorder: ProcessRecorder, store: FailingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_recorder, "CLEANUP_SECONDS", 0.01)
    begun, released = threading.Event(), threading.Event()

    def hang(*_arguments: object) -> None:
        begun.set()
        released.wait()
        raise DatabaseUnavailable("away")

    monkeypatch.setattr(store, "report_process", hang)
    with recorder:
        begun.wait()
    released.set()
