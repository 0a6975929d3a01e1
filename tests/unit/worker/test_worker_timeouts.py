"""Runs that hang: those past `pipeline_timeout` are recorded as failed by their own worker."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.scenes.sites import wait_until
from support.scenes.workers import HandlerWithoutCommit, ScriptedHandler
from winchester_core.errors import DatabaseUnavailable
from winchester_core.model.stream import StreamState
from winchester_core.telemetry.counters import Count

if TYPE_CHECKING:
    from support.scenes.workers import HandlerScript, Scene


def wait_for_state(scene: Scene, stream_id: int, state: StreamState) -> None:
    wait_until(lambda: scene.store.get_stream_by_id(stream_id).state is state)


@pytest.mark.parametrize("handler", [ScriptedHandler, HandlerWithoutCommit])
def test_a_run_past_its_timeout_fails_at_once_and_finds_its_lease_lost(
    scene: Scene, script: HandlerScript, handler: type, caplog: pytest.LogCaptureFixture
) -> None:
    ids = [scene.complete_stream(instance) for instance in "ab"]
    worker = scene.worker(handlers=(handler,), pipeline_timeout_seconds=0.5, purge_completed=False)

    def hang(events: list[Any], env: dict[str, Any]) -> list[Any]:
        if env["stream_id"] == ids[0]:
            wait_for_state(scene, ids[0], StreamState.RETRY_FIRE)
        return events

    script.on_handle = hang
    assert worker.run_once() == 2
    first, second = (scene.store.get_stream_by_id(each) for each in ids)
    assert (first.state, first.failures, first.attempts) == (StreamState.RETRY_FIRE, 1, 1)
    assert first.last_error == "exceeded pipeline_timeout (0.5 s) in handle_events of h0"
    assert second.state is StreamState.COMPLETED
    assert ("rollback", ids[0]) in script.calls
    assert ("commit", ids[0]) not in script.calls
    assert worker.counters[Count.RUNS_HUNG] == 1
    assert worker.counters[Count.STREAMS_FAILED] == 1
    assert f"run hangs: stream={ids[0]} trigger=vm" in caplog.text


def test_the_last_timeout_ends_in_error(scene: Scene, script: HandlerScript) -> None:
    stream_id = scene.complete_stream()

    def hang(events: list[Any], _env: dict[str, Any]) -> list[Any]:
        wait_for_state(scene, stream_id, StreamState.ERROR)
        return events

    script.on_handle = hang
    worker = scene.worker(pipeline_timeout_seconds=0.05, max_attempts=1)
    worker.run_once()
    assert worker.counters[Count.STREAMS_IN_ERROR] == 1


def test_a_commit_past_the_timeout_is_repeated_as_a_later_attempt(
    scene: Scene, script: HandlerScript
) -> None:
    stream_id = scene.complete_stream()

    def hang() -> None:
        wait_for_state(scene, stream_id, StreamState.RETRY_FIRE)

    script.on_commit = hang
    worker = scene.worker(pipeline_timeout_seconds=0.05)
    worker.run_once()
    stream = scene.store.get_stream_by_id(stream_id)
    assert (stream.state, stream.attempts, stream.failures) == (StreamState.RETRY_FIRE, 1, 1)
    assert "rollback" not in [name for name, _ in script.calls]


def test_a_timeout_is_recorded_when_the_database_is_back(
    scene: Scene, script: HandlerScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream_id = scene.complete_stream()
    record, calls = scene.store.fail, 0

    def away_at_first(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise DatabaseUnavailable("gone")
        return record(*arguments)

    def hang(events: list[Any], _env: dict[str, Any]) -> list[Any]:
        wait_for_state(scene, stream_id, StreamState.RETRY_FIRE)
        return events

    monkeypatch.setattr(scene.store, "fail", away_at_first)
    script.on_handle = hang
    scene.worker(pipeline_timeout_seconds=0.05, lease=timedelta(seconds=1)).run_once()
    assert calls == 2


def test_without_a_timeout_a_run_counts_as_hung_after_ten_leases(
    scene: Scene, script: HandlerScript
) -> None:
    stream_id = scene.complete_stream()
    worker = scene.worker(lease=timedelta(milliseconds=30), purge_completed=False)

    def hang(events: list[Any], _env: dict[str, Any]) -> list[Any]:
        wait_until(lambda: worker.counters[Count.RUNS_HUNG])
        return events

    script.on_handle = hang
    assert worker.run_once() == 1
    assert worker.counters[Count.RUNS_HUNG] == 1
    assert scene.store.get_stream_by_id(stream_id).state is StreamState.COMPLETED
