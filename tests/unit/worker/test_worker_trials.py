"""A worker tries streams of dead workers alone, by turns with the others."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.builders.events import NOON, make_trigger
from support.builders.manual_clock import ManualClock
from support.scenes.workers import HandlerWithoutCommit
from winchester_core.model.stream import Reason, StreamState, Trial
from winchester_core.storage.records import Claim
from winchester_core.telemetry.counters import Count
from winchester_core.worker import WorkerOptions, trials
from winchester_core.worker.options import WorkerConfiguration

if TYPE_CHECKING:
    from support.scenes.workers import HandlerScript, Scene

LEASE_SECONDS = 60


def mark(scene: Scene, number: int, prefix: str = "m") -> list[int]:
    """Let a worker die that holds so many streams; return their ids."""
    ids = [scene.complete_stream(f"{prefix}{each}") for each in range(number)]
    scene.store.claim_ready(
        worker="dead", reason=Reason.FIRE, now=NOON, limit=number, lease=timedelta(seconds=-1)
    )
    assert scene.store.rescue(max_attempts=5, limit=number) == (number, 0)
    return ids


def test_marked_streams_are_run_and_completed_one_by_one(
    scene: Scene, script: HandlerScript
) -> None:
    ids = mark(scene, 3)
    claimed: list[int] = []

    def look(events: list[Any], _env: dict[str, Any]) -> list[Any]:
        claimed.append(scene.store.backlog(NOON).claimed)
        return events

    script.on_handle = look
    worker = scene.worker(handlers=(HandlerWithoutCommit,), purge_completed=False)
    assert worker.run_once() == 3
    assert claimed == [1, 1, 1]
    for each in ids:
        stream = scene.store.get_stream_by_id(each)
        assert (stream.state, stream.trial, stream.attempts) == (StreamState.COMPLETED, None, 2)


@pytest.mark.parametrize(
    ("batch_size", "expected"),
    [(1, "mo" * 7 + "oo"), (3, "mooommmooommmooo"), (5, "mooooommmoooommm")],
)
def test_marked_and_other_streams_take_turns_of_equal_time(
    scene: Scene,
    script: HandlerScript,
    monkeypatch: pytest.MonkeyPatch,
    batch_size: int,
    expected: str,
) -> None:
    """Each run takes 10 seconds: three fit into half a lease."""
    now = 1000.0
    monkeypatch.setattr("winchester_core.worker.trials.monotonic", lambda: now)
    marked = set(mark(scene, 7))
    for number in range(9):
        scene.complete_stream(f"o{number}")
    turns: list[str] = []

    def take_10_seconds(events: list[Any], env: dict[str, Any]) -> list[Any]:
        nonlocal now
        now += 10
        turns.append("m" if env["stream_id"] in marked else "o")
        return events

    script.on_handle = take_10_seconds
    worker = scene.worker(batch_size=batch_size, lease=timedelta(seconds=LEASE_SECONDS))
    while worker.run_once():
        pass
    assert "".join(turns) == expected


def test_after_a_long_trial_others_get_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()
    monkeypatch.setattr(trials, "monotonic", clock)
    claim = Claim(1, "t", 1, "w", Reason.FIRE, 1, {}, 1, NOON)
    turns = trials.Trials(lambda: claim, lambda _: clock.advance(30), lambda: False)
    with turns.measuring_others():
        clock.seconds += 10
    assert turns.run(timedelta(hours=1)) == 1
    clock.seconds += 29
    assert not turns.is_due(others_ready=True)
    assert turns.is_due(others_ready=False)
    clock.seconds += 1
    assert turns.is_due(others_ready=True)


def test_an_interrupted_worker_claims_no_trial() -> None:
    def claim() -> Claim:
        raise AssertionError("claimed")

    assert trials.Trials(claim, lambda _: None, lambda: True).run(timedelta(hours=1)) == 0


def test_a_failed_trial_is_an_ordinary_failure(scene: Scene, script: HandlerScript) -> None:
    (stream_id,) = mark(scene, 1)

    def fail(_events: list[Any], _env: dict[str, Any]) -> list[Any]:
        raise ValueError("not today")

    script.on_handle = fail
    worker = scene.worker()
    assert worker.run_once() == 1
    stream = scene.store.get_stream_by_id(stream_id)
    assert (stream.state, stream.failures, stream.trial) == (StreamState.RETRY_FIRE, 1, None)
    assert worker.counters[Count.STREAMS_FAILED] == 1


def test_a_stop_leaves_the_other_marked_streams(scene: Scene, script: HandlerScript) -> None:
    mark(scene, 3)
    worker = scene.worker()

    def stop(events: list[Any], _env: dict[str, Any]) -> list[Any]:
        worker.stop()
        return events

    script.on_handle = stop
    worker.run()
    marks = [each.trial for each in scene.store.find_streams()]
    assert marks == [Trial.DUE, Trial.DUE]


def test_until_idle_waits_for_the_backoff_of_a_death_alone(
    scene: Scene, script: HandlerScript
) -> None:
    del script
    mark(scene, 1)
    claim = scene.store.claim_trial(worker="dead", lease=timedelta(seconds=-1))
    assert claim is not None
    scene.store.rescue(max_attempts=5, limit=1, backoff=lambda _: timedelta(seconds=30))
    backlog = scene.store.backlog(NOON)
    assert (backlog.has_trials, backlog.next_trial_seconds, backlog.is_idle) == (False, 30, False)
    scene.clock.advance(timedelta(seconds=30))
    scene.worker().run_until_idle()
    assert scene.store.find_streams() == []


def test_after_a_reload_only_streams_of_the_new_triggers_are_tried(
    scene: Scene, script: HandlerScript
) -> None:
    (stream_id,) = mark(scene, 1)
    worker = scene.worker()
    worker.reload(WorkerConfiguration([make_trigger(name="other")], {}, WorkerOptions()))
    assert worker.run_once() == 0
    assert script.calls == []
    assert scene.store.get_stream_by_id(stream_id).trial is Trial.DUE


def test_streams_that_threads_run_get_as_much_time_as_trials(
    scene: Scene, script: HandlerScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them are claimed at once, so that no other stream is ready while they run."""
    now = 1000.0
    monkeypatch.setattr("winchester_core.worker.trials.monotonic", lambda: now)
    marked = set(mark(scene, 2))
    for number in range(6):
        scene.complete_stream(f"o{number}")
    lock, turns = threading.Lock(), ""

    def take_time(events: list[Any], env: dict[str, Any]) -> list[Any]:
        nonlocal now, turns
        is_trial = env["stream_id"] in marked
        with lock:
            now += 10 if is_trial else 4
            turns += "m" if is_trial else "o"
        return events

    script.on_handle = take_time
    worker = scene.worker(concurrency=2, commit_batch=1, lease=timedelta(seconds=LEASE_SECONDS))
    worker.run_until_idle()
    assert turns.count("o") == 6
    assert turns.startswith("mooo")
