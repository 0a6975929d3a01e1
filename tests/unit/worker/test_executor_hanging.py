"""Threads that run handlers, while a handler or the database does not return."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.builders.events import NOON, ingest, make_event
from support.probes.time_limits import BOUND_SECONDS
from support.scenes.sites import wait_until
from support.scenes.workers import HandlerWithoutCommit
from winchester_core import retry
from winchester_core.errors import ConcurrentChange, DatabaseUnavailable, UnknownStream
from winchester_core.model.stream import Reason, StreamState
from winchester_core.telemetry.counters import Count
from winchester_core.telemetry.watchdog import Watchdog
from winchester_core.worker.executor import Executor
from winchester_core.worker.worker import MAX_BUSY_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.scenes.workers import HandlerScript, Scene
    from winchester_core.worker import Worker

SHORT_LEASE = timedelta(milliseconds=50)


@contextmanager
def running(worker: Worker) -> Iterator[None]:
    """Run the worker in another thread; at the end, wait until it is idle."""
    thread = threading.Thread(target=worker.run_until_idle)
    thread.start()
    try:
        yield
    finally:
        thread.join(BOUND_SECONDS)
        assert not thread.is_alive()


class Gate:
    """Handlers of the given streams hang in it until it is opened."""

    def __init__(self, *stream_ids: int) -> None:
        self._stream_ids = stream_ids
        self.is_open = threading.Event()

    def pass_through(self, events: list[Any], env: dict[str, Any]) -> list[Any]:
        if env["stream_id"] in self._stream_ids:
            assert self.is_open.wait(BOUND_SECONDS)
        return events


def count_rounds(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Let the worker begin rounds often; return a list that grows with each."""
    rounds: list[None] = []
    backlog = scene.store.backlog

    def counted(*arguments: Any) -> Any:
        rounds.append(None)
        return backlog(*arguments)

    monkeypatch.setattr(scene.store, "backlog", counted)
    monkeypatch.setattr("winchester_core.worker.worker.MAX_BUSY_SECONDS", 0.01)
    return rounds


def wait_for_rounds(rounds: list[None]) -> None:
    number = len(rounds) + 3
    wait_until(lambda: len(rounds) >= number)


def is_completed(scene: Scene, stream_id: int) -> bool:
    try:
        return scene.store.get_stream_by_id(stream_id).state is StreamState.COMPLETED
    except UnknownStream:
        return True


def test_while_all_threads_hang_no_streams_are_claimed(
    scene: Scene, script: HandlerScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = count_rounds(scene, monkeypatch)
    ids = [scene.complete_stream(f"i{number}") for number in range(5)]
    first: list[int] = []
    gate = threading.Event()

    def hang_at_first(events: list[Any], env: dict[str, Any]) -> list[Any]:
        first.append(env["stream_id"])
        assert gate.wait(BOUND_SECONDS)
        return events

    script.on_handle = hang_at_first
    worker = scene.worker(concurrency=2, lease=SHORT_LEASE)
    with running(worker):
        wait_until(lambda: worker.counters[Count.STREAMS_RELEASED] == 3)
        wait_for_rounds(rounds)
        assert worker.counters[Count.STREAMS_CLAIMED] == 5
        gate.set()
    assert all(is_completed(scene, each) for each in ids)


def test_while_the_threads_of_a_pipeline_hang_only_other_streams_are_claimed(
    scene: Scene, script: HandlerScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = count_rounds(scene, monkeypatch)
    first = scene.complete_stream("first")
    gate = Gate(first)
    script.on_handle = gate.pass_through
    worker = scene.worker(concurrency=2, pipeline_concurrency={"fire": 1}, lease=SHORT_LEASE)

    def are_claimed(stream_ids: list[int]) -> bool:
        states = [scene.store.get_stream_by_id(each).state for each in stream_ids]
        return StreamState.FIRING in states

    with running(worker):
        wait_until(lambda: ("handle", first) in script.calls)
        others = [scene.complete_stream(f"i{number}") for number in range(2)]
        wait_until(lambda: worker.counters[Count.RUNS_HUNG])
        wait_until(lambda: not are_claimed(others))
        wait_for_rounds(rounds)
        claimed = worker.counters[Count.STREAMS_CLAIMED]
        late = make_event("late", "vm.begin", -7200, instance="late")
        ingest(scene.store, scene.trigger, late, now=NOON)
        wait_until(lambda: worker.counters[Count.STREAMS_EXPIRED] == 1)
        wait_for_rounds(rounds)
        assert worker.counters[Count.STREAMS_CLAIMED] == claimed + 1
        assert not are_claimed(others)
        gate.is_open.set()
    assert all(is_completed(scene, each) for each in (first, *others))


@pytest.mark.parametrize("concurrency", [1, 2])
def test_a_failed_release_behind_a_hanging_run_is_repeated(
    scene: Scene, script: HandlerScript, monkeypatch: pytest.MonkeyPatch, concurrency: int
) -> None:
    monkeypatch.setattr("winchester_core.worker.lease_renewer.TICK_SECONDS", 0.01)
    ids = [scene.complete_stream(f"i{number}") for number in range(5)]
    gate = Gate(*ids)
    release, failed = scene.store.release, 0

    def fail_twice(*arguments: Any) -> int:
        nonlocal failed
        if failed < 2:
            failed += 1
            raise DatabaseUnavailable("gone")
        return release(*arguments)

    monkeypatch.setattr(scene.store, "release", fail_twice)
    script.on_handle = gate.pass_through
    worker = scene.worker(concurrency=concurrency, lease=timedelta(milliseconds=500))
    with running(worker):
        wait_until(lambda: worker.counters[Count.STREAMS_RELEASED])
        streams = [scene.store.get_stream_by_id(each) for each in ids]
        released = [each for each in streams if each.state is StreamState.RETRY_FIRE]
        gate.is_open.set()
    assert {(each.attempts, each.trial) for each in released} == {(0, None)}
    assert failed == 2
    assert len(released) == worker.counters[Count.STREAMS_RELEASED] == 5 - concurrency
    assert all(is_completed(scene, each) for each in ids)


def test_a_worker_without_room_for_ready_streams_does_not_look_for_them_often(
    scene: Scene, script: HandlerScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(9):
        scene.complete_stream(f"i{number}")
    gate = threading.Event()
    seconds_served: list[float] = []
    advance = Executor.advance

    def serve(executor: Executor, seconds: float, is_done: Any) -> None:
        if len(script.calls) == 2:  # both threads hang
            seconds_served.append(seconds)
            gate.set()
        advance(executor, seconds, is_done)

    def hang(events: list[Any], _env: dict[str, Any]) -> list[Any]:
        assert gate.wait(BOUND_SECONDS)
        return events

    monkeypatch.setattr(Executor, "advance", serve)
    script.on_handle = hang
    scene.worker(concurrency=2, batch_size=4, commit_batch=1).run_until_idle()
    assert seconds_served[0] == MAX_BUSY_SECONDS


def test_a_stream_is_not_tried_beside_a_run_that_has_just_timed_out(
    scene: Scene, script: HandlerScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = count_rounds(scene, monkeypatch)
    ids = [scene.complete_stream(instance) for instance in "ab"]
    scene.store.claim_ready(
        worker="dead", reason=Reason.FIRE, now=NOON, limit=2, lease=timedelta(seconds=-1)
    )
    assert scene.store.rescue(max_attempts=5, limit=2) == (2, 0)
    gate = threading.Event()

    def hang_at_first(events: list[Any], _env: dict[str, Any]) -> list[Any]:
        if len(script.calls) == 1:
            assert gate.wait(BOUND_SECONDS)
        return events

    script.on_handle = hang_at_first
    worker = scene.worker(concurrency=2, pipeline_timeout_seconds=0.05, max_attempts=1)
    with running(worker):
        wait_until(lambda: worker.counters[Count.STREAMS_IN_ERROR] == 1)
        wait_for_rounds(rounds)
        calls = len(script.calls)
        gate.set()
    assert calls == 1
    assert sum(is_completed(scene, each) for each in ids) == 1


def test_at_a_stop_handlers_in_progress_end_although_the_database_is_unavailable(
    scene: Scene, script: HandlerScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        scene.complete_stream(f"i{number}")
    worker = scene.worker(concurrency=2, commit_batch=1)
    is_unavailable = threading.Event()

    def release(*_: Any) -> int:
        is_unavailable.set()
        raise DatabaseUnavailable("gone")

    def stop(events: list[Any], _env: dict[str, Any]) -> list[Any]:
        worker.stop()
        assert is_unavailable.wait(BOUND_SECONDS)
        return events

    monkeypatch.setattr(scene.store, "release", release)
    script.on_handle = stop
    worker.run()
    handled = [each for name, each in script.calls if name == "handle"]
    committed = [each for name, each in script.calls if name == "commit"]
    assert handled
    assert sorted(committed) == sorted(handled)


def test_a_thread_that_hung_when_the_worker_ended_rolls_back_later(
    scene: Scene, script: HandlerScript
) -> None:
    hung = scene.complete_stream("hung")
    gate, watchdog = Gate(hung), Watchdog()
    script.on_handle = gate.pass_through
    worker = scene.worker(
        concurrency=2, pipeline_timeout_seconds=0.05, max_attempts=1, watchdog=watchdog
    )
    worker.run_until_idle()
    assert scene.store.get_stream_by_id(hung).state is StreamState.ERROR
    later = scene.complete_stream("later")

    def go_on(events: list[Any], _env: dict[str, Any]) -> list[Any]:
        gate.is_open.set()
        wait_until(lambda: ("rollback", hung) in script.calls)
        return events

    script.on_handle = go_on
    worker.run_until_idle()
    assert is_completed(scene, later)
    assert ("commit", hung) not in script.calls


def test_a_run_that_hangs_in_two_calls_is_reported_once(
    scene: Scene, script: HandlerScript
) -> None:
    scene.complete_stream()
    worker = scene.worker(lease=SHORT_LEASE)
    renew, renewals = scene.store.renew, 0

    def counted(*arguments: Any) -> Any:
        nonlocal renewals
        renewals += 1
        return renew(*arguments)

    def hang_in_commit() -> None:
        before = renewals
        wait_until(lambda: renewals >= before + 2)  # between them, all runs are checked

    def hang(events: list[Any], _env: dict[str, Any]) -> list[Any]:
        wait_until(lambda: worker.counters[Count.RUNS_HUNG])
        return events

    scene.store.renew = counted  # type: ignore[method-assign]
    script.on_handle, script.on_commit = hang, hang_in_commit
    assert worker.run_once() == 1
    assert worker.counters[Count.RUNS_HUNG] == 1


@pytest.mark.parametrize("concurrency", [1, 2])
def test_results_are_stored_while_the_worker_waits_for_the_database(
    scene: Scene, script: HandlerScript, concurrency: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker loads the second stream when the first one has ended."""
    monkeypatch.setattr("winchester_core.worker.run_loader.MEMORY_BATCH_STREAMS", 1)
    first, second = (scene.complete_stream(instance) for instance in "ab")
    members_of = scene.store.members_of

    def hang(stream_ids: list[int]) -> Any:
        if second in stream_ids:
            wait_until(lambda: is_completed(scene, first))
        return members_of(stream_ids)

    monkeypatch.setattr(scene.store, "members_of", hang)
    worker = scene.worker(handlers=(HandlerWithoutCommit,), concurrency=concurrency)
    worker.run_until_idle()
    assert ("handle", second) in script.calls


def test_leases_are_renewed_while_results_cannot_be_stored(
    scene: Scene, script: HandlerScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "MAX_CONFLICTS", 1)
    first, second = (scene.complete_stream(instance) for instance in "ab")
    complete, renew, renewals = scene.store.complete, scene.store.renew, 0
    renewals_at_first: list[int] = []

    def conflict(*arguments: Any) -> Any:
        renewals_at_first.append(renewals)
        if renewals < renewals_at_first[0] + 2:
            raise ConcurrentChange("busy")
        return complete(*arguments)

    def counted(*arguments: Any) -> Any:
        nonlocal renewals
        renewals += 1
        return renew(*arguments)

    def hang(events: list[Any], env: dict[str, Any]) -> list[Any]:
        if env["stream_id"] == second:
            wait_until(lambda: is_completed(scene, first))
        return events

    monkeypatch.setattr(scene.store, "complete", conflict)
    monkeypatch.setattr(scene.store, "renew", counted)
    script.on_handle = hang
    assert scene.worker(handlers=(HandlerWithoutCommit,), lease=SHORT_LEASE).run_once() == 2
    assert is_completed(scene, second)
