"""Results of runs: each is stored once, also after errors of the database."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.builders.events import NOON
from support.scenes.workers import HandlerWithoutCommit, ScriptedHandler
from winchester_core import retry
from winchester_core.clock import ClockKind, StreamClock
from winchester_core.errors import ConcurrentChange, DatabaseUnavailable
from winchester_core.model.stream import Reason, StreamState
from winchester_core.retry import OutageState
from winchester_core.storage.records import Completion, Failure
from winchester_core.telemetry.counters import Count, Counters
from winchester_core.worker import WorkerOptions
from winchester_core.worker.in_flight import InFlight
from winchester_core.worker.results import Results
from winchester_core.worker.slot_state import Finished

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.scenes.workers import HandlerScript, Scene

HANDLERS = pytest.mark.parametrize("handler", [ScriptedHandler, HandlerWithoutCommit])


def raising_first(method: Callable[..., Any], *errors: Exception) -> Callable[..., Any]:
    """Return `method`, which first raises these errors, one for each call."""
    remaining = list(errors)

    def call(*arguments: Any, **options: Any) -> Any:
        if remaining:
            raise remaining.pop(0)
        return method(*arguments, **options)

    return call


@pytest.fixture(autouse=True)
def one_conflict_is_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "MAX_CONFLICTS", 1)


@HANDLERS
@pytest.mark.parametrize("step", ["members_of", "renew", "complete", "fail"])
def test_after_too_many_conflicts_threads_go_on_with_their_claims(
    scene: Scene, script: HandlerScript, handler: type, step: str
) -> None:
    ids = [scene.complete_stream(f"i{number}") for number in range(4)]

    def fail_once(events: list[Any], env: dict[str, Any]) -> list[Any]:
        if env["stream_id"] == ids[0] and env["attempt"] == 1:
            raise ValueError("not today")
        return events

    script.on_handle = fail_once
    setattr(scene.store, step, raising_first(getattr(scene.store, step), ConcurrentChange("busy")))
    worker = scene.worker(
        handlers=(handler,), concurrency=2, purge_completed=False, retry_delay=timedelta(0)
    )
    worker.run_until_idle()
    streams = [scene.store.get_stream_by_id(each) for each in ids]
    assert {each.state for each in streams} == {StreamState.COMPLETED}
    assert [each.attempts for each in streams] == [2, 1, 1, 1]
    assert worker.counters[Count.STREAMS_FAILED] == 1
    assert worker.counters[Count.LEASES_LOST] == 0


def test_before_a_conflict_is_retried_the_leases_are_renewed(
    scene: Scene, script: HandlerScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    del script
    monkeypatch.setattr(retry, "MAX_CONFLICTS", 3)
    scene.complete_stream()
    calls: list[str] = []
    renew, complete = scene.store.renew, scene.store.complete
    busy = raising_first(complete, ConcurrentChange("busy"))

    def note_renewal(*arguments: Any) -> Any:
        calls.append("renew")
        return renew(*arguments)

    def note_completion(*arguments: Any) -> Any:
        calls.append("complete")
        return busy(*arguments)

    monkeypatch.setattr(scene.store, "renew", note_renewal)
    monkeypatch.setattr(scene.store, "complete", note_completion)
    scene.worker(handlers=(HandlerWithoutCommit,)).run_once()
    assert calls == ["complete", "renew", "complete"]


def test_a_completion_that_may_be_stored_is_not_stored_again(
    scene: Scene, script: HandlerScript
) -> None:
    complete = scene.store.complete
    conflict = raising_first(complete, ConcurrentChange("busy"))
    calls = 0

    def lose_connection(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > 1:
            return conflict(*arguments)
        complete(*arguments)
        raise DatabaseUnavailable("gone")

    scene.store.complete = lose_connection  # type: ignore[method-assign]
    scene.complete_stream()
    worker = scene.worker(concurrency=2)
    worker.run_until_idle()
    assert calls == 2
    assert scene.store.find_streams() == []
    assert worker.counters[Count.COMPLETIONS_UNKNOWN] == 1
    assert ("rollback", 1) not in script.calls


def test_the_end_of_an_earlier_claim_is_no_completion_of_the_stream(scene: Scene) -> None:
    """A run past its timeout continues. Meanwhile another thread completes the stream."""

    def claim() -> Any:
        (one,) = scene.store.claim_ready(
            worker="w", reason=Reason.FIRE, now=NOON, limit=1, lease=timedelta(minutes=1)
        )
        return one

    scene.complete_stream()
    earlier = claim()
    scene.store.fail(Failure(earlier, "timeout", timedelta(0)), 5)
    later = claim()
    in_flight, counters = InFlight(), Counters()
    in_flight.add([later])
    results = Results(
        store=scene.store,
        clock=StreamClock(ClockKind.SYSTEM, scene.store, scene.clock),
        options=WorkerOptions(),
        counters=counters,
        outage=OutageState("database", counters),
        in_flight=in_flight,
        stop=threading.Event(),
        on_effects=lambda _: None,
        extend_deadline=lambda: None,
    )
    results.store([Finished(Completion(each), 0.0) for each in (earlier, later)])
    assert (counters[Count.STREAMS_FIRED], counters[Count.LEASES_LOST]) == (1, 1)
