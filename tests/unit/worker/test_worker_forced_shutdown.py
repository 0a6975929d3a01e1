"""Release of claims when a worker's process ends during a run."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.probes.time_limits import BOUND_SECONDS
from support.scenes.workers import HandlerWithoutCommit, ScriptedHandler
from winchester_core.errors import DatabaseUnavailable, StorageError
from winchester_core.model.stream import StreamState
from winchester_core.telemetry.counters import Count
from winchester_core.telemetry.watchdog import DEADLINE_SECONDS, Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.scenes.workers import HandlerScript, Scene


def _in_another_thread(act: Callable[[], None]) -> None:
    thread = threading.Thread(target=act)
    thread.start()
    thread.join()


@pytest.mark.parametrize("handler", [ScriptedHandler, HandlerWithoutCommit])
def test_a_run_that_continues_after_the_forced_shutdown_commits_and_stores_nothing(
    scene: Scene, script: HandlerScript, handler: type, caplog: pytest.LogCaptureFixture
) -> None:
    ids = [scene.complete_stream(instance) for instance in "abc"]
    worker = scene.worker(handlers=(handler,), purge_completed=False)

    def force_shutdown(events: list[Any], _env: dict[str, Any]) -> list[Any]:
        worker.stop()
        _in_another_thread(worker.release_all)
        return events

    script.on_handle = force_shutdown
    worker.run()
    streams = [scene.store.get_stream_by_id(each) for each in ids]
    assert {(each.state, each.attempts) for each in streams} == {(StreamState.RETRY_FIRE, 0)}
    assert [name for name, _ in script.calls] == ["handle", "rollback"]
    assert worker.counters[Count.STREAMS_RELEASED] == 3
    assert f"run interrupted by forced shutdown: stream={ids[0]} trigger=vm" in caplog.text
    assert "commit_started=no handler=h0 phase=handle_events" in caplog.text
    assert "claims released by forced shutdown: streams=2" in caplog.text
    script.on_handle = lambda events, _env: events
    assert scene.worker(name="next").run_once() == 3


def test_a_run_interrupted_in_commit_is_told_so_when_retried(
    scene: Scene, script: HandlerScript, caplog: pytest.LogCaptureFixture
) -> None:
    stream_id = scene.complete_stream()
    worker = scene.worker(purge_completed=False)

    class Cut(KeyboardInterrupt):
        """End of the process."""

    def end() -> None:
        _in_another_thread(worker.release_all)
        raise Cut

    script.on_commit = end
    with pytest.raises(Cut):
        worker.run_once()
    assert "commit_started=yes handler=h0 phase=commit" in caplog.text
    script.on_commit = lambda: None
    scene.clock.advance(timedelta(microseconds=1))
    assert scene.worker(name="next", purge_completed=False).run_once() == 1
    assert scene.store.get_stream_by_id(stream_id).state is StreamState.COMPLETED
    assert [env["attempt"] for _, env in script.seen] == [1, 2]


def test_claims_that_cannot_be_released_are_reported(
    scene: Scene,
    script: HandlerScript,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    stream_id = scene.complete_stream()
    worker = scene.worker()

    def away(*_: Any, **_named: Any) -> int:
        raise DatabaseUnavailable("gone")

    def force_shutdown(_events: list[Any], _env: dict[str, Any]) -> list[Any]:
        with monkeypatch.context() as patched:
            patched.setattr(scene.store, "release", away)
            _in_another_thread(worker.release_all)
        raise ValueError("enough")

    script.on_handle = force_shutdown
    worker.run_once()
    assert "claims not released, their leases will expire: streams=" in caplog.text
    assert scene.store.get_stream_by_id(stream_id).state is StreamState.RETRY_FIRE


def test_a_run_counts_as_alive_until_its_timeout(
    scene: Scene, script: HandlerScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    for module in ("telemetry.watchdog", "worker.slot_state"):
        monkeypatch.setattr(f"winchester_core.{module}.monotonic", lambda: now)
    watchdog = Watchdog()
    worker = scene.worker(watchdog=watchdog, pipeline_timeout_seconds=DEADLINE_SECONDS + 5)
    seen: list[list[str]] = []

    def look_twice(events: list[Any], _env: dict[str, Any]) -> list[Any]:
        nonlocal now
        for seconds in (DEADLINE_SECONDS + 4, 2):
            now += seconds
            seen.append(watchdog.overdue())
        return events

    script.on_handle = look_twice
    scene.complete_stream()
    assert worker.run_once() == 1
    assert seen == [[], ["worker"]]
    assert watchdog.overdue() == []


def test_a_worker_hung_in_the_database_is_overdue_but_not_one_waiting_for_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker's thread reads its own health from within the store."""
    watchdog = Watchdog()
    worker = scene.worker(watchdog=watchdog)
    monkeypatch.setattr("winchester_core.telemetry.watchdog.DEADLINE_SECONDS", 0.05)
    seen: list[list[str]] = []

    def hang(*_: object) -> Any:
        while not watchdog.overdue():
            threading.Event().wait(0.01)
        seen.append(watchdog.overdue())
        monkeypatch.setattr("winchester_core.telemetry.watchdog.DEADLINE_SECONDS", 3600)
        monkeypatch.setattr(scene.store, "backlog", away)
        raise DatabaseUnavailable("gone")

    def away(*_: object) -> Any:
        seen.append(watchdog.overdue())
        if len(seen) == 3:
            worker.stop()
        raise DatabaseUnavailable("gone")

    monkeypatch.setattr(scene.store, "backlog", hang)
    worker.run()
    assert seen == [["worker"], [], []]


def test_records_of_failed_renewals_and_releases_name_the_streams(
    scene: Scene, script: HandlerScript, caplog: pytest.LogCaptureFixture
) -> None:
    ids = [scene.complete_stream(f"i{number}") for number in range(25)]
    worker = scene.worker(purge_completed=False)

    def fail(*_args: Any, **_named: Any) -> Any:
        raise StorageError("no such column")

    def shut_down(events: list[Any], _env: dict[str, Any]) -> list[Any]:
        scene.store.release = fail  # type: ignore[method-assign]
        worker.stop()
        _in_another_thread(worker.release_all)
        return events

    script.on_handle = shut_down
    worker.run()
    shown = ",".join(map(str, ids[:20]))
    assert f"streams={shown},... (25) error=no such column" in caplog.text


def test_the_record_of_a_failed_renewal_names_the_streams(
    scene: Scene, script: HandlerScript, caplog: pytest.LogCaptureFixture
) -> None:
    stream_id = scene.complete_stream()
    worker = scene.worker(handlers=(HandlerWithoutCommit,), lease=timedelta(milliseconds=30))
    failures, logged = iter(range(2)), threading.Event()

    def fail(*_args: Any) -> Any:
        if next(failures, 1):  # the second failure follows the record of the first
            logged.set()
        raise StorageError("no such column")

    def wait(events: list[Any], _env: dict[str, Any]) -> list[Any]:
        assert logged.wait(BOUND_SECONDS)
        return events

    scene.store.renew = fail  # type: ignore[method-assign]
    script.on_handle = wait
    worker.run_once()
    error = "StorageError: no such column"
    assert f"lease renewal failed: streams={stream_id} error={error}" in caplog.text


def test_an_outage_during_a_renewal_is_reported(scene: Scene, script: HandlerScript) -> None:
    scene.complete_stream()
    worker = scene.worker(handlers=(HandlerWithoutCommit,), lease=timedelta(milliseconds=30))
    renew, failures, renewed = scene.store.renew, iter(range(1)), threading.Event()

    def fail_first(*arguments: Any) -> int:
        if next(failures, None) is not None:
            raise DatabaseUnavailable("gone")
        renewed.set()
        return renew(*arguments)

    def wait(events: list[Any], _env: dict[str, Any]) -> list[Any]:
        assert renewed.wait(BOUND_SECONDS)
        return events

    scene.store.renew = fail_first  # type: ignore[method-assign]
    script.on_handle = wait
    assert worker.run_once() == 1
    assert worker.counters[Count.OUTAGES] == 1
