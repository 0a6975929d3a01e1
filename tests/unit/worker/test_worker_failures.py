"""Failed runs, commits and workers."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.builders.events import NOON, make_event, make_trigger
from support.scenes.workers import HandlerWithoutCommit, ScriptedHandler
from winchester_core.errors import DatabaseUnavailable, DataRefused
from winchester_core.model.stream import Reason, StreamState
from winchester_core.storage.records import Failure
from winchester_core.telemetry.counters import Count

if TYPE_CHECKING:
    from support.scenes.workers import HandlerScript, Scene
    from winchester_core.storage.interface import Members
    from winchester_core.storage.records import Claim


def test_a_failed_run_is_rolled_back_stores_nothing_and_is_retried(
    scene: Scene, script: HandlerScript
) -> None:
    made = make_event("made", "other")

    def fail_first(events: list[Any], env: dict[str, Any]) -> list[Any]:
        if env["attempt"] == 1:
            raise ValueError("password=hunter2 was wrong")
        return [*events, made]

    script.on_handle = fail_first
    stream_id = scene.complete_stream()
    worker = scene.worker(purge_completed=False)
    worker.run_once()
    stream = scene.store.get_stream_by_id(stream_id)
    assert stream.state is StreamState.RETRY_FIRE
    assert stream.attempts == 1
    assert stream.retry_at is not None
    assert timedelta(seconds=5) <= stream.retry_at - scene.clock.now() <= timedelta(seconds=10)
    assert "ValueError" in str(stream.last_error)
    assert "hunter2" not in str(stream.last_error)
    assert [name for name, _ in script.calls] == ["handle", "rollback"]
    assert not scene.store.has_event("made")
    assert worker.run_once() == 0
    scene.clock.advance(timedelta(seconds=10))
    assert worker.run_once() == 1
    assert scene.store.get_stream_by_id(stream_id).state is StreamState.COMPLETED
    assert [env["attempt"] for _, env in script.seen] == [1, 2]
    assert scene.store.has_event("made")


def test_exhausted_attempts_end_in_an_error_state_and_reset_starts_over(
    scene: Scene, script: HandlerScript
) -> None:
    def fail(_events: list[Any], _env: dict[str, Any]) -> list[Any]:
        raise SystemExit(3)

    script.on_handle = fail
    stream_id = scene.complete_stream()
    worker = scene.worker(max_attempts=3)
    for _ in range(3):
        assert worker.run_once() == 1
        scene.clock.advance(timedelta(hours=1))
    stream = scene.store.get_stream_by_id(stream_id)
    assert (stream.state, stream.attempts) == (StreamState.ERROR, 3)
    assert stream.worker is not None
    assert stream.worker.startswith("w:")
    assert "SystemExit" in str(stream.last_error)
    assert "Traceback" in str(stream.last_error)
    assert worker.counters[Count.STREAMS_IN_ERROR] == 1
    assert worker.run_once() == 0
    assert scene.store.reset_stream(stream_id) is StreamState.RETRY_FIRE
    script.on_handle = lambda events, _env: events
    assert worker.run_once() == 1
    assert script.seen[-1][1]["attempt"] == 4


@pytest.mark.parametrize(
    ("returned", "reason"),
    [
        (None, "returned NoneType instead of a list"),
        (({},), "returned tuple instead of a list"),
        ([{"message_id": "x", "event_type": "t"}], "timestamp: is missing"),
    ],
)
def test_an_invalid_return_value_fails_the_run_naming_the_handler(
    scene: Scene, script: HandlerScript, returned: Any, reason: str
) -> None:
    script.on_handle = lambda _events, _env: returned
    stream_id = scene.complete_stream()
    scene.worker().run_once()
    error = str(scene.store.get_stream_by_id(stream_id).last_error)
    assert "handler 'h0'" in error
    assert reason in error


def test_a_stream_of_an_unknown_trigger_is_left_to_other_workers(
    scene: Scene, script: HandlerScript
) -> None:
    stream_id = scene.complete_stream()
    other = scene.worker(triggers=[make_trigger("other")])
    assert other.run_once() == 0
    assert not other.fire_stream(stream_id)
    stream = scene.store.get_stream_by_id(stream_id)
    assert (stream.state, stream.attempts, stream.history) == (StreamState.ACTIVE, 0, ())
    assert script.calls == []
    assert scene.worker().run_once() == 1


def test_a_trigger_without_a_pipeline_for_the_reason_completes_without_a_run(
    scene: Scene, script: HandlerScript
) -> None:
    scene.trigger = replace(scene.trigger, pipelines={**scene.trigger.pipelines, Reason.FIRE: None})
    stream_id = scene.complete_stream()
    scene.worker(purge_completed=False).run_once()
    assert scene.store.get_stream_by_id(stream_id).state is StreamState.COMPLETED
    assert script.calls == []


def test_a_commit_error_is_recorded_other_handlers_commit_and_the_stream_is_kept(
    scene: Scene, script: HandlerScript
) -> None:
    def fault() -> None:
        raise RuntimeError("the far end hung up")

    script.on_commit = fault
    stream_id = scene.complete_stream()
    worker = scene.worker(handlers=(ScriptedHandler, ScriptedHandler))
    worker.run_once()
    stream = scene.store.get_stream_by_id(stream_id)
    assert stream.state is StreamState.COMPLETED
    assert str(stream.last_error).count("the far end hung up") >= 2
    assert [name for name, _ in script.calls] == ["handle", "handle", "commit", "commit"]
    assert worker.counters[Count.HANDLER_COMMIT_ERRORS] == 2


def test_a_worker_that_lost_its_lease_rolls_back_and_completes_nothing(
    scene: Scene, script: HandlerScript, caplog: pytest.LogCaptureFixture
) -> None:
    stream_id = scene.complete_stream()

    def lose_the_lease(events: list[Any], _env: dict[str, Any]) -> list[Any]:
        scene.clock.advance(timedelta(seconds=61))
        scene.store.rescue(max_attempts=5, limit=10)
        return [*events, make_event("made", "other")]

    script.on_handle = lose_the_lease
    worker = scene.worker()
    worker.run_once()
    assert [name for name, _ in script.calls] == ["handle", "rollback"]
    assert scene.store.get_stream_by_id(stream_id).state is StreamState.RETRY_FIRE
    assert not scene.store.has_event("made")
    assert worker.counters[Count.LEASES_LOST] == 1
    assert "lease lost: stream=" in caplog.text


def test_a_lost_lease_affects_no_other_stream_of_the_batch(
    scene: Scene, script: HandlerScript
) -> None:
    ids = [scene.complete_stream(instance) for instance in "abc"]

    def lose_one(events: list[Any], env: dict[str, Any]) -> list[Any]:
        if env["stream_id"] == ids[1]:
            (held,) = [each for each in claims if each.stream_id == ids[1]]
            scene.store.fail(Failure(held, "stolen", timedelta(0)), 5)
        return [*events, make_event(f"made-{env['stream_id']}", "other")]

    worker = scene.worker(handlers=(HandlerWithoutCommit,), purge_completed=False)
    claims = scene.store.claim_ready(
        worker=worker.name,
        reason=Reason.FIRE,
        now=scene.clock.now(),
        limit=10,
        lease=timedelta(seconds=60),
    )
    script.on_handle = lose_one
    worker._process(claims)
    states = [scene.store.get_stream_by_id(each).state for each in ids]
    assert states == [StreamState.COMPLETED, StreamState.RETRY_FIRE, StreamState.COMPLETED]
    made = [scene.store.has_event(f"made-{each}") for each in ids]
    assert made == [True, False, True]
    assert [call for call in script.calls if call[0] == "rollback"] == [("rollback", ids[1])]


class UnavailableAtFirst:
    """Makes the first calls of a store's method fail, as if the database were unavailable.

    With `after`, the method takes effect and only its result is lost.
    """

    def __init__(self, scene: Scene, method: str, *, times: int = 1, after: bool = False) -> None:
        self._method = getattr(scene.store, method)
        self._left, self._after = times, after
        self.calls = 0

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        self.calls += 1
        if self._left <= 0:
            return self._method(*arguments, **named)
        self._left -= 1
        if self._after:
            self._method(*arguments, **named)
        raise DatabaseUnavailable("gone")


@pytest.mark.parametrize("method", ["members_of", "renew", "complete"])
def test_a_database_outage_during_a_run_is_waited_for_and_counts_no_attempt(
    scene: Scene, script: HandlerScript, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    stream_id = scene.complete_stream()
    worker = scene.worker(purge_completed=False)
    away = UnavailableAtFirst(scene, method, times=2)
    monkeypatch.setattr(scene.store, method, away)
    assert worker.run_once() == 1
    assert away.calls == (4 if method == "renew" else 3)  # it first renews its leases
    stream = scene.store.get_stream_by_id(stream_id)
    assert (stream.state, stream.attempts) == (StreamState.COMPLETED, 1)
    assert [name for name, _ in script.calls] == ["handle", "commit"]
    assert worker.counters[Count.OUTAGES] == 1


def test_handlers_are_rolled_back_when_stopped_before_the_lease_is_confirmed(
    scene: Scene, script: HandlerScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.complete_stream()
    worker = scene.worker()

    def away(*_: Any) -> int:
        worker.stop()
        raise DatabaseUnavailable("gone")

    monkeypatch.setattr(scene.store, "renew", away)
    worker.run_once()
    assert [name for name, _ in script.calls] == ["handle", "rollback"]


@pytest.mark.parametrize("handler", [ScriptedHandler, HandlerWithoutCommit])
def test_a_completion_of_unknown_outcome_is_counted_and_not_undone(
    scene: Scene, script: HandlerScript, monkeypatch: pytest.MonkeyPatch, handler: type
) -> None:
    stream_id = scene.complete_stream()
    worker = scene.worker(handlers=(handler,), purge_completed=False)
    monkeypatch.setattr(scene.store, "complete", UnavailableAtFirst(scene, "complete", after=True))
    worker.run_once()
    assert scene.store.get_stream_by_id(stream_id).state is StreamState.COMPLETED
    assert "rollback" not in [name for name, _ in script.calls]
    assert worker.counters[Count.COMPLETIONS_UNKNOWN] == 1
    assert worker.counters[Count.LEASES_LOST] == 0


def test_a_failure_of_unknown_outcome_is_counted_once(
    scene: Scene, script: HandlerScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_events: list[Any], _env: dict[str, Any]) -> list[Any]:
        raise ValueError("not today")

    script.on_handle = fail
    stream_id = scene.complete_stream()
    worker = scene.worker()
    monkeypatch.setattr(scene.store, "fail", UnavailableAtFirst(scene, "fail", after=True))
    worker.run_once()
    stream = scene.store.get_stream_by_id(stream_id)
    assert (stream.state, stream.attempts) == (StreamState.RETRY_FIRE, 1)
    assert worker.counters[Count.COMPLETIONS_UNKNOWN] == 1
    assert worker.counters[Count.LEASES_LOST] == 0


def test_claims_of_unknown_outcome_are_released(
    scene: Scene, script: HandlerScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream_id = scene.complete_stream()
    worker = scene.worker(purge_completed=False)
    monkeypatch.setattr(
        scene.store, "claim_ready", UnavailableAtFirst(scene, "claim_ready", after=True)
    )
    with pytest.raises(DatabaseUnavailable):
        worker.run_once()
    assert scene.store.get_stream_by_id(stream_id).state is StreamState.FIRING
    assert worker.run_once() == 1
    stream = scene.store.get_stream_by_id(stream_id)
    assert (stream.state, stream.attempts, stream.failures) == (StreamState.COMPLETED, 2, 0)
    assert [env["attempt"] for _, env in script.seen] == [2]


def test_completed_runs_are_stored_if_the_worker_stops_while_it_loads_streams_one_by_one(
    scene: Scene, script: HandlerScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [scene.complete_stream(instance) for instance in "abc"]
    worker = scene.worker(handlers=(HandlerWithoutCommit,), purge_completed=False)
    members_of = scene.store.members_of

    def load(stream_ids: list[int]) -> Members:
        if len(stream_ids) > 1:
            raise ValueError("one cannot be read")
        if stream_ids == [ids[1]]:
            worker.stop()
        return members_of(stream_ids)

    monkeypatch.setattr(scene.store, "members_of", load)
    worker.run()
    states = [scene.store.get_stream_by_id(each).state.value for each in ids]
    assert states == ["completed", "retry_fire", "retry_fire"]
    assert [each for each in script.calls if each[0] == "handle"] == [("handle", ids[0])]


def test_a_worker_waits_if_the_database_refuses_a_claim(
    scene: Scene, script: HandlerScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream_id = scene.complete_stream()
    worker = scene.worker(purge_completed=False)
    claim_ready, refusals = scene.store.claim_ready, iter(range(2))

    def claim(**options: Any) -> list[Claim]:
        if next(refusals, None) is not None:
            raise DataRefused("a constraint of the administrator")
        return claim_ready(**options)

    monkeypatch.setattr(scene.store, "claim_ready", claim)
    worker.run_until_idle()
    assert scene.store.get_stream_by_id(stream_id).state is StreamState.COMPLETED
    assert worker.counters[Count.OUTAGES] == 1


def test_stop_finishes_the_running_stream_and_releases_the_rest_without_an_attempt(
    scene: Scene, script: HandlerScript
) -> None:
    ids = [scene.complete_stream(instance) for instance in "abc"]
    worker = scene.worker(purge_completed=False)

    def stop(events: list[Any], _env: dict[str, Any]) -> list[Any]:
        worker.stop()
        return events

    script.on_handle = stop
    worker.run()
    streams = [scene.store.get_stream_by_id(each) for each in ids]
    assert [each.state.value for each in streams] == ["completed", "retry_fire", "retry_fire"]
    assert [each.attempts for each in streams] == [1, 0, 0]
    assert worker.counters[Count.STREAMS_RELEASED] == 2
    assert scene.worker(name="next").run_once() == 2


def test_streams_of_a_dead_worker_are_rescued_by_another_worker(
    scene: Scene, script: HandlerScript
) -> None:
    stream_id = scene.complete_stream()
    scene.store.claim_ready(
        worker="dead", reason=Reason.FIRE, now=NOON, limit=1, lease=timedelta(seconds=60)
    )
    worker = scene.worker(purge_completed=False)
    assert worker.run_once() == 0
    scene.clock.advance(timedelta(seconds=61))
    assert worker.run_once() == 1
    assert scene.store.get_stream_by_id(stream_id).state is StreamState.COMPLETED
    assert script.seen[0][1]["attempt"] == 2
    assert worker.counters[Count.STREAMS_RESCUED] == 1


def test_rollback_errors_and_dropped_traits_of_new_events_are_counted(
    scene: Scene, script: HandlerScript
) -> None:
    def fail_once(events: list[Any], env: dict[str, Any]) -> list[Any]:
        if env["attempt"] == 1:
            raise ValueError("not yet")
        return [*events, make_event("made", "other", nested={"a": 1})]

    def fault() -> None:
        raise RuntimeError("cannot be undone")

    script.on_handle, script.on_rollback = fail_once, fault
    stream_id = scene.complete_stream()
    worker = scene.worker(purge_completed=False)
    worker.run_once()
    assert worker.counters[Count.HANDLER_COMMIT_ERRORS] == 1
    assert "cannot be undone" in str(scene.store.get_stream_by_id(stream_id).last_error)
    scene.clock.advance(timedelta(seconds=10))
    worker.run_once()
    assert worker.counters[Count.TRAITS_DROPPED] == 1
    assert "nested" not in scene.store.get_event_by_message_id("made")
