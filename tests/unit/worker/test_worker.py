"""Processing of ready streams by a worker."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from oracle import MemoryStore
from support.builders.events import at, ingest, make_event, make_trigger, only_stream
from support.scenes.workers import HandlerWithoutCommit
from winchester_core.clock import SystemClock
from winchester_core.errors import UnknownStream
from winchester_core.model.stream import StreamState
from winchester_core.storage.filters import StreamFilter
from winchester_core.telemetry.counters import Count
from winchester_core.timex import parse

if TYPE_CHECKING:
    from support.scenes.workers import HandlerScript, Scene


def test_a_ready_stream_fires_once_with_its_events_in_order_and_is_purged(
    scene: Scene, script: HandlerScript
) -> None:
    ingest(
        scene.store,
        scene.trigger,
        make_event("late", seconds=50),
        make_event("tie-1", seconds=20),
        make_event("tie-2", seconds=20),
        make_event("end", "vm.end", 10),
    )
    worker = scene.worker()
    assert worker.run_once() == 1
    assert worker.run_once() == 0
    ((events, env),) = script.seen
    assert [each["message_id"] for each in events] == ["end", "tie-1", "tie-2", "late"]
    assert (env["stream_name"], env["reason"], env["attempt"]) == ("vm", "fire", 1)
    assert dict(env["distinguished_by"]) == {"instance": "a"}
    assert scene.store.count_streams(StreamFilter()) == 0
    assert scene.store.has_event("late")


def test_a_stream_expires_at_its_expiry(scene: Scene, script: HandlerScript) -> None:
    ingest(scene.store, scene.trigger, make_event("m"))
    worker = scene.worker(purge_completed=False)
    scene.clock.set(at(3599))
    assert worker.run_once() == 0
    scene.clock.set(at(3600))
    assert worker.run_once() == 1
    assert script.seen[0][1]["reason"] == "expire"
    assert only_stream(scene.store, instance="a").state is StreamState.COMPLETED
    assert worker.counters[Count.STREAMS_EXPIRED] == 1


def test_process_ready_streams_respects_batch_size_and_reason(
    scene: Scene, script: HandlerScript
) -> None:
    for instance in "abc":
        scene.complete_stream(instance)
    worker = scene.worker()
    assert worker.process_ready_streams(2) == 2
    assert worker.process_ready_streams(2, expire=True) == 0
    assert worker.process_ready_streams(2) == 1
    assert len(script.seen) == 3


def test_process_ready_streams_may_exceed_the_batch_size_of_the_options(
    scene: Scene, script: HandlerScript
) -> None:
    del script
    for number in range(3):
        scene.complete_stream(f"i{number}")
    assert scene.worker(batch_size=1).process_ready_streams(3) == 3


def test_new_events_are_saved_and_matched_by_triggers(scene: Scene, script: HandlerScript) -> None:
    made = make_event("made", "vm.made", 30, instance="b")
    script.on_handle = lambda events, _env: [*events, made] if len(events) == 2 else events
    scene.complete_stream()
    worker = scene.worker()
    worker.run_once()
    assert scene.store.get_event_by_message_id("made") == made
    assert only_stream(scene.store, instance="b").event_count == 1
    assert worker.counters.labels(Count.EVENTS_CREATED) == {"vm.made": 1}


def test_one_stream_can_be_fired_or_expired_at_any_time(
    scene: Scene, script: HandlerScript
) -> None:
    ingest(scene.store, scene.trigger, make_event("m"))
    worker = scene.worker(purge_completed=False)
    stream_id = only_stream(scene.store, instance="a").id
    assert worker.expire_stream(stream_id) is True
    assert worker.expire_stream(stream_id) is False
    assert worker.fire_stream(stream_id) is False
    assert script.seen[0][1]["reason"] == "expire"
    with pytest.raises(UnknownStream):
        worker.fire_stream(999)


def test_events_are_trimmed_when_both_their_times_are_past_the_age(scene: Scene) -> None:
    ingest(
        scene.store, make_trigger(match="none"), make_event("old"), make_event("new", "x", 10**6)
    )
    worker = scene.worker(trim_age=parse("$timestamp - 1d"), trim_batch_size=10)
    assert worker.process_trim_events() == 0
    scene.clock.advance(timedelta(days=2))
    assert worker.process_trim_events() == 1
    assert not scene.store.has_event("old")
    assert scene.worker().process_trim_events() == 0


def test_open_streams_are_recalculated_when_a_worker_starts(
    scene: Scene, script: HandlerScript
) -> None:
    ingest(scene.store, scene.trigger, make_event("m", "vm.update"))
    changed = make_trigger(fire=[{"event_type": "vm.update"}])
    worker = scene.worker(triggers=[changed])
    assert worker.run_once() == 1
    assert worker.counters[Count.STREAMS_RECALCULATED] == 1
    assert script.seen[0][1]["reason"] == "fire"


def test_run_until_idle_waits_for_retries(scene: Scene, script: HandlerScript) -> None:
    scene.clock = SystemClock()  # type: ignore[assignment]
    scene.store = MemoryStore(scene.clock)
    scene.trigger = make_trigger(expiration="$timestamp + 1h")

    def fail_first(events: list[Any], env: dict[str, Any]) -> list[Any]:
        if env["attempt"] == 1:
            raise ValueError("not yet")
        return events

    script.on_handle = fail_first
    scene.complete_stream()
    scene.worker(retry_delay=timedelta(seconds=0.05)).run_until_idle()
    assert [env["attempt"] for _, env in script.seen] == [1, 2]


def test_statistics_are_logged_with_stable_keys(
    scene: Scene, script: HandlerScript, caplog: pytest.LogCaptureFixture
) -> None:
    scene.complete_stream()
    with caplog.at_level(logging.INFO):
        scene.worker(statistics_period_seconds=0.0).run_until_idle()
    assert "statistics: streams_claimed=1 streams_fired=1" in caplog.text
    assert len(script.seen) == 1


@pytest.mark.parametrize(("longest_seconds", "left"), [(3600.0, [3, 3, 3]), (0.0, [3, 2, 1])])
def test_a_successful_run_waits_a_bounded_time_for_slow_runs_before_completion(
    scene: Scene,
    script: HandlerScript,
    monkeypatch: pytest.MonkeyPatch,
    longest_seconds: float,
    left: list[int],
) -> None:
    for name in ("executor.MAX_DEFER_SECONDS", "slot.STEP_SECONDS_WITHOUT_COMMIT"):
        monkeypatch.setattr(f"winchester_core.worker.{name}", longest_seconds)
    for instance in "abc":
        scene.complete_stream(instance)
    uncompleted: list[int] = []

    def look(events: list[Any], _env: dict[str, Any]) -> list[Any]:
        uncompleted.append(scene.store.count_streams(StreamFilter()))
        return events

    script.on_handle = look
    assert scene.worker(handlers=(HandlerWithoutCommit,)).run_once() == 3
    assert uncompleted == left
    assert scene.store.count_streams(StreamFilter()) == 0


def test_threads_and_claims_are_metrics(scene: Scene, script: HandlerScript) -> None:
    worker = scene.worker(handlers=(HandlerWithoutCommit,))
    seen: list[dict[str, object]] = []

    def look(events: list[Any], _env: dict[str, Any]) -> list[Any]:
        seen.append({each.metric.name: each.value for each in worker.collect_metrics()})
        return events

    script.on_handle = look
    for instance in "ab":
        scene.complete_stream(instance)
    worker.run_once()
    look([], {})
    assert [tuple(each.values()) for each in seen] == [(1, 1, 2), (1, 1, 2), (1, 0, 0)]
    assert set(seen[0]) == {
        "winchester_worker_threads",
        "winchester_worker_busy_threads",
        "winchester_worker_claimed_streams",
    }
