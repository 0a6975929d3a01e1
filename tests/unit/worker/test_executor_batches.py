"""Batches of runs whose handlers have a commit: the order of calls, and the end of a run."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.builders.manual_clock import ManualClock
from support.probes.time_limits import BOUND_SECONDS
from support.scenes.sites import wait_until
from support.scenes.workers import ScriptedHandler
from winchester_core.errors import DataRefused, UnknownStream
from winchester_core.model.stream import StreamState
from winchester_core.telemetry.counters import Count
from winchester_core.worker import slot
from winchester_core.worker.slot import MAX_EXPIRED_PROOFS, STEP_SECONDS

if TYPE_CHECKING:
    from support.scenes.workers import HandlerScript, Scene

BOTH = pytest.mark.parametrize("concurrency", [1, 2])


@pytest.fixture(autouse=True)
def long_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, a batch is handled and committed in one step each."""
    monkeypatch.setattr(slot, "STEP_SECONDS", BOUND_SECONDS)


class CommitsAlone(ScriptedHandler):
    """A handler that must not be batched."""

    commit_alone = True


def record_transactions(
    scene: Scene, script: HandlerScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Add the proofs and completions, with their numbers of streams, to the calls of handlers."""

    def recorded(name: str) -> Any:
        method = getattr(scene.store, name)

        def call(of_streams: list[Any], *arguments: Any) -> Any:
            script.calls.append((name, len(of_streams)))
            return method(of_streams, *arguments)

        return call

    for name in ("renew", "complete"):
        monkeypatch.setattr(scene.store, name, recorded(name))


def three_streams(scene: Scene) -> list[int]:
    return [scene.complete_stream(instance) for instance in "abc"]


def state_of(scene: Scene, stream_id: int) -> tuple[StreamState, int] | None:
    """Return the state and the number of attempts of a stream, or None if it was purged."""
    try:
        stream = scene.store.get_stream_by_id(stream_id)
    except UnknownStream:
        return None
    return stream.state, stream.attempts


def slot_threads() -> set[threading.Thread]:
    return {each for each in threading.enumerate() if each.name.startswith("run-")}


GIVEN_BACK = (StreamState.RETRY_FIRE, 0)


def test_a_batch_is_handled_proved_committed_and_completed(
    scene: Scene, script: HandlerScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_transactions(scene, script, monkeypatch)
    ids = three_streams(scene)
    assert scene.worker().run_once() == 3
    assert script.calls == [
        *(("handle", each) for each in ids),
        ("renew", 3),
        *(("commit", each) for each in ids),
        ("complete", 3),
    ]


@pytest.mark.parametrize(
    ("handler", "commit_batch"), [(ScriptedHandler, 1), (CommitsAlone, 100)], ids=str
)
def test_streams_that_must_not_be_batched_are_committed_one_after_the_other(
    scene: Scene,
    script: HandlerScript,
    monkeypatch: pytest.MonkeyPatch,
    handler: type,
    commit_batch: int,
) -> None:
    record_transactions(scene, script, monkeypatch)
    ids = three_streams(scene)
    scene.worker(handlers=(handler,), commit_batch=commit_batch).run_once()
    steps = (("handle", None), ("renew", 1), ("commit", None), ("complete", 1))
    assert script.calls == [(name, number or each) for each in ids for name, number in steps]


def test_a_step_of_200_ms_ends_the_handling_and_the_committing(
    scene: Scene, script: HandlerScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ManualClock()
    monkeypatch.setattr(slot, "monotonic", clock)
    monkeypatch.setattr(slot, "STEP_SECONDS", STEP_SECONDS)
    record_transactions(scene, script, monkeypatch)
    for number in range(3):
        scene.complete_stream(f"i{number}")

    def take_125_ms(events: list[Any], _env: dict[str, Any]) -> list[Any]:
        clock.seconds += 0.125
        return events

    def take_250_ms() -> None:
        clock.seconds += 0.25

    script.on_handle, script.on_commit = take_125_ms, take_250_ms
    scene.worker().run_once()
    assert [name for name, _ in script.calls] == [
        *("handle", "handle", "renew", "commit", "complete", "renew", "commit", "complete"),
        *("handle", "renew", "commit", "complete"),
    ]


def test_leases_are_proved_again_after_a_quarter(
    scene: Scene, script: HandlerScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ManualClock()
    for module in ("slot", "lease_proof"):
        monkeypatch.setattr(f"winchester_core.worker.{module}.boottime", clock)
    record_transactions(scene, script, monkeypatch)
    for number in range(4):
        scene.complete_stream(f"i{number}")

    def take_8_seconds() -> None:
        clock.seconds += 8

    script.on_commit = take_8_seconds
    scene.worker(lease=timedelta(seconds=60)).run_once()
    assert [name for name, _ in script.calls] == [
        *["handle"] * 4,
        *("renew", "commit", "commit", "complete", "renew", "commit", "commit", "complete"),
    ]


@BOTH
def test_runs_whose_leases_are_proved_too_slowly_are_given_back(
    scene: Scene,
    script: HandlerScript,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    concurrency: int,
) -> None:
    clock = ManualClock()
    for module in ("slot", "lease_proof"):
        monkeypatch.setattr(f"winchester_core.worker.{module}.boottime", clock)
    ids = three_streams(scene)
    renew = scene.store.renew
    proofs: list[int] = []

    def renew_slowly(claims: list[Any], lease: timedelta) -> list[Any]:
        if not worker.counters[Count.STREAMS_RELEASED]:
            proofs.append(len(claims))
            clock.seconds += 16
        return renew(claims, lease)

    monkeypatch.setattr(scene.store, "renew", renew_slowly)
    worker = scene.worker(concurrency=concurrency, lease=timedelta(seconds=60))
    worker.run_until_idle()
    assert len(proofs) >= MAX_EXPIRED_PROOFS
    assert worker.counters[Count.STREAMS_RELEASED] >= 1
    assert "leases not proved within a quarter of a lease" in caplog.text
    assert "rollback" in [name for name, _ in script.calls]
    for each in ids:
        assert state_of(scene, each) is None
        assert script.calls.count(("commit", each)) == 1


@BOTH
def test_at_a_stop_a_run_whose_lease_is_proved_too_slowly_is_given_back(
    scene: Scene, script: HandlerScript, monkeypatch: pytest.MonkeyPatch, concurrency: int
) -> None:
    clock = ManualClock()
    for module in ("slot", "lease_proof"):
        monkeypatch.setattr(f"winchester_core.worker.{module}.boottime", clock)
    stream_id = scene.complete_stream()
    renew = scene.store.renew

    def renew_slowly(*arguments: Any) -> Any:
        clock.seconds += 16
        return renew(*arguments)

    def stop(events: list[Any], _env: dict[str, Any]) -> list[Any]:
        worker.stop()
        return events

    monkeypatch.setattr(scene.store, "renew", renew_slowly)
    script.on_handle = stop
    worker = scene.worker(concurrency=concurrency, lease=timedelta(seconds=60))
    worker.run()
    assert [name for name, _ in script.calls] == ["handle", "rollback"]
    assert state_of(scene, stream_id) == GIVEN_BACK


@BOTH
def test_a_lost_lease_costs_no_other_run_of_the_batch(
    scene: Scene, script: HandlerScript, monkeypatch: pytest.MonkeyPatch, concurrency: int
) -> None:
    ids = three_streams(scene)
    victim = ids[1]
    renew, is_lost = scene.store.renew, False
    threads: list[int] = []

    def lose_once(claims: list[Any], lease: timedelta) -> list[Any]:
        nonlocal is_lost
        lost = [each for each in claims if each.stream_id == victim and not is_lost]
        if lost:
            is_lost = True
            scene.store.release(lost, began_commit=True)
        return renew(claims, lease)

    def note_thread(events: list[Any], env: dict[str, Any]) -> list[Any]:
        if env["stream_id"] == victim:
            threads.append(threading.get_ident())
        return events

    monkeypatch.setattr(scene.store, "renew", lose_once)
    script.on_handle = note_thread
    script.on_rollback = lambda: threads.append(threading.get_ident())
    worker = scene.worker(concurrency=concurrency)
    worker.run_until_idle()
    assert worker.counters[Count.LEASES_LOST] == 1
    of_victim = [name for name, each in script.calls if each == victim]
    assert of_victim == ["handle", "rollback", "handle", "commit"]
    assert threads[0] == threads[1]
    assert sorted(each for name, each in script.calls if name == "commit") == ids
    assert scene.store.find_streams() == []


def test_an_error_in_commit_is_recorded_on_its_stream_alone(
    scene: Scene, script: HandlerScript
) -> None:
    ids = three_streams(scene)

    def fail_second() -> None:
        if script.calls[-1] == ("commit", ids[1]):
            raise ValueError("not today")

    script.on_commit = fail_second
    worker = scene.worker()
    assert worker.run_once() == 3
    (kept,) = scene.store.find_streams()
    assert (kept.id, kept.state, kept.failures) == (ids[1], StreamState.COMPLETED, 0)
    assert "not today" in (kept.last_error or "")
    assert worker.counters[Count.HANDLER_COMMIT_ERRORS] == 1
    assert "rollback" not in [name for name, _ in script.calls]


def test_a_refused_completion_of_committed_handlers_is_an_error_at_once(
    scene: Scene, script: HandlerScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = three_streams(scene)
    complete = scene.store.complete

    def refuse_second(completions: list[Any], *arguments: Any) -> Any:
        if ids[1] in [each.claim.stream_id for each in completions]:
            raise DataRefused("no such value")
        return complete(completions, *arguments)

    monkeypatch.setattr(scene.store, "complete", refuse_second)
    scene.worker(max_attempts=5).run_once()
    (kept,) = scene.store.find_streams()
    assert (kept.id, kept.state, kept.attempts) == (ids[1], StreamState.ERROR, 1)
    assert "the run was committed" in (kept.last_error or "")
    assert "no such value" in (kept.last_error or "")
    assert [name for name, _ in script.calls] == ["handle"] * 3 + ["commit"] * 3


def test_at_a_stop_while_handling_only_the_run_in_progress_is_committed(
    scene: Scene, script: HandlerScript
) -> None:
    first, second, third = three_streams(scene)
    worker = scene.worker()

    def stop_at_second(events: list[Any], env: dict[str, Any]) -> list[Any]:
        if env["stream_id"] == second:
            worker.stop()
        return events

    script.on_handle = stop_at_second
    worker.run()
    assert script.calls[:2] == [("handle", first), ("handle", second)]
    assert sorted(script.calls[2:]) == [("commit", second), ("rollback", first)]
    assert [state_of(scene, each) for each in (first, second, third)] == [
        GIVEN_BACK,
        None,
        GIVEN_BACK,
    ]


@BOTH
def test_at_a_stop_while_committing_the_rest_is_given_back(
    scene: Scene, script: HandlerScript, concurrency: int
) -> None:
    ids = [scene.complete_stream(f"i{number}") for number in range(6)]
    worker = scene.worker(concurrency=concurrency)
    script.on_commit = worker.stop
    worker.run()
    committed = {each for name, each in script.calls if name == "commit"}
    rolled_back = {each for name, each in script.calls if name == "rollback"}
    handled = {each for name, each in script.calls if name == "handle"}
    assert 1 <= len(committed) <= concurrency
    assert rolled_back == handled - committed
    for each in ids:
        assert state_of(scene, each) == (None if each in committed else GIVEN_BACK)


@BOTH
def test_behind_a_commit_that_outlasts_a_lease_runs_are_given_back(
    scene: Scene, script: HandlerScript, concurrency: int
) -> None:
    """The runs that have committed before it are completed meanwhile."""
    ids = [scene.complete_stream(f"i{number}") for number in range(6)]
    thread_of_first: list[int] = []
    hung: list[int] = []

    class HangsAtSecond(ScriptedHandler):
        """The second commit hangs in the thread that gets the first and largest batch."""

        def commit(self) -> None:
            super().commit()
            if self._stream == ids[0]:
                thread_of_first.append(threading.get_ident())
            elif thread_of_first == [threading.get_ident()] and not hung:
                hung.append(self._stream)
                wait_until(lambda: state_of(scene, ids[0]) is None)
                wait_until(lambda: worker.counters[Count.STREAMS_RELEASED] > 0)

    worker = scene.worker(
        handlers=(HangsAtSecond,), concurrency=concurrency, lease=timedelta(milliseconds=400)
    )
    worker.run_until_idle()
    assert [name for name, each in script.calls if each == hung[0]] == ["handle", "commit"]
    assert "rollback" in [name for name, _ in script.calls]
    for each in ids:
        assert state_of(scene, each) is None
        assert script.calls.count(("commit", each)) == 1


def test_an_interrupt_in_a_thread_ends_the_worker_after_the_rollbacks(
    scene: Scene, script: HandlerScript
) -> None:
    ids = [scene.complete_stream(f"i{number}") for number in range(4)]

    def interrupt_at_last(events: list[Any], env: dict[str, Any]) -> list[Any]:
        if env["stream_id"] == ids[-1]:
            raise KeyboardInterrupt
        return events

    script.on_handle = interrupt_at_last
    earlier = slot_threads()
    with pytest.raises(KeyboardInterrupt):
        scene.worker(concurrency=2).run()
    assert slot_threads() <= earlier
    ended = {"commit", "rollback"}
    handled = {each for name, each in script.calls if name == "handle"} - {ids[-1]}
    assert handled == {each for name, each in script.calls if name in ended}
    for each in ids:
        names = [name for name, stream in script.calls if stream == each]
        assert not ended <= set(names)


def test_an_interrupted_worker_does_not_wait_for_ever_for_a_rollback(
    scene: Scene, script: HandlerScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("winchester_core.worker.executor.MAX_ROLLBACK_SECONDS", 0.05)
    ids = [scene.complete_stream(instance) for instance in "ab"]
    gate = threading.Event()

    def interrupt_at_last(events: list[Any], env: dict[str, Any]) -> list[Any]:
        if env["stream_id"] == ids[-1]:
            wait_until(lambda: ("handle", ids[0]) in script.calls)
            raise KeyboardInterrupt
        assert gate.wait(BOUND_SECONDS)
        return events

    script.on_handle = interrupt_at_last
    earlier = slot_threads()
    with pytest.raises(KeyboardInterrupt):
        scene.worker(concurrency=2).run()
    assert ("rollback", ids[0]) not in script.calls
    gate.set()
    wait_until(lambda: slot_threads() <= earlier)
    assert ("rollback", ids[0]) in script.calls
