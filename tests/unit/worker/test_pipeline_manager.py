"""Behaviour section 6: what a worker does with streams that are ready."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from builders import NOON, at, ingest, make_event, make_trigger, only_stream
from winchester_core.errors import UnknownStream
from winchester_core.interfaces import PipelineHandler
from winchester_core.model.stream import Reason, StreamState
from winchester_core.pipelines import HandlerSpec, PipelineDefinition
from winchester_core.storage.memory import MemoryStore
from winchester_core.storage.records import Failure, StreamFilter
from winchester_core.storage.stream_clock import ClockKind, StreamClock
from winchester_core.telemetry.counters import Count
from winchester_core.testing import FakeClock
from winchester_core.timex import parse
from winchester_core.worker import PipelineManager, WorkerOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from winchester_core.triggers.definition import TriggerDefinition


@dataclass
class Script:
    """What the handlers of a test do, and what was asked of them."""

    on_handle: Callable[[list[Any], dict[str, Any]], list[Any]] = lambda events, _env: events
    on_commit: Callable[[], None] = lambda: None
    on_rollback: Callable[[], None] = lambda: None
    calls: list[tuple[str, int]] = field(default_factory=list)
    seen: list[tuple[list[Any], dict[str, Any]]] = field(default_factory=list)


class ScriptedHandler:
    """Any object with the three methods will do."""

    script = Script()

    def handle_events(self, events: list[Any], env: dict[str, Any]) -> list[Any]:
        self._stream = env["stream_id"]
        self.script.calls.append(("handle", self._stream))
        self.script.seen.append((events, dict(env)))
        return self.script.on_handle(events, env)

    def commit(self) -> None:
        self.script.calls.append(("commit", self._stream))
        self.script.on_commit()

    def rollback(self) -> None:
        self.script.calls.append(("rollback", self._stream))
        self.script.on_rollback()


class QuietHandler(PipelineHandler):
    """A handler without a commit of its own."""

    def handle_events(self, events: list[Any], env: dict[str, Any]) -> list[Any]:
        script = ScriptedHandler.script
        script.calls.append(("handle", env["stream_id"]))
        return script.on_handle(events, env)


@pytest.fixture
def script() -> Iterator[Script]:
    ScriptedHandler.script = script = Script()
    yield script
    ScriptedHandler.script = Script()


class Scene:
    """A store with one trigger, a clock, and workers on them."""

    def __init__(self) -> None:
        self.clock = FakeClock(NOON)
        self.store = MemoryStore(self.clock)
        self.trigger = make_trigger()

    def worker(
        self,
        *,
        triggers: list[TriggerDefinition] | None = None,
        handlers: tuple[Any, ...] = (ScriptedHandler,),
        name: str = "w",
        **options: Any,
    ) -> PipelineManager:
        specs = tuple(HandlerSpec(f"h{n}", each) for n, each in enumerate(handlers))
        return PipelineManager(
            store=self.store,
            stream_clock=StreamClock(ClockKind.SYSTEM, self.store, self.clock),
            definitions=[self.trigger] if triggers is None else triggers,
            pipelines={name: PipelineDefinition(name, specs) for name in ("fire", "expire")},
            options=WorkerOptions(**options),
            name=name,
        )

    def complete_stream(self, instance: str = "a", number: int = 0) -> int:
        ingest(
            self.store,
            self.trigger,
            make_event(f"u-{instance}-{number}", instance=instance),
            make_event(f"e-{instance}-{number}", "vm.end", 1, instance=instance),
            now=self.clock.now(),
        )
        return only_stream(self.store, instance=instance).id


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_ready_stream_fires_once_with_its_events_in_order_and_is_purged(
    scene: Scene, script: Script
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
    assert scene.store.get_event_by_message_id("late") is not None


def test_a_stream_expires_when_its_time_comes_first(scene: Scene, script: Script) -> None:
    ingest(scene.store, scene.trigger, make_event("m"))
    worker = scene.worker(purge_completed=False)
    scene.clock.set(at(3599))
    assert worker.run_once() == 0
    scene.clock.set(at(3600))
    assert worker.run_once() == 1
    assert script.seen[0][1]["reason"] == "expire"
    assert only_stream(scene.store, instance="a").state is StreamState.COMPLETED
    assert worker.counters[Count.STREAMS_EXPIRED] == 1


def test_process_ready_streams_keeps_to_its_batch_and_its_lane(
    scene: Scene, script: Script
) -> None:
    for instance in "abc":
        scene.complete_stream(instance)
    worker = scene.worker()
    assert worker.process_ready_streams(2) == 2
    assert worker.process_ready_streams(2, expire=True) == 0
    assert worker.process_ready_streams(2) == 1
    assert len(script.seen) == 3


def test_new_events_are_saved_and_pass_through_the_triggers(scene: Scene, script: Script) -> None:
    made = make_event("made", "vm.made", 30, instance="b")
    script.on_handle = lambda events, _env: [*events, made] if len(events) == 2 else events
    scene.complete_stream()
    worker = scene.worker()
    worker.run_once()
    assert scene.store.get_event_by_message_id("made") == made
    assert only_stream(scene.store, instance="b").event_count == 1
    assert worker.counters.labels(Count.EVENTS_CREATED) == {"vm.made": 1}


def test_a_failed_run_is_rolled_back_stores_nothing_and_is_tried_again_later(
    scene: Scene, script: Script
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
    assert timedelta(seconds=8) <= stream.retry_at - scene.clock.now() <= timedelta(seconds=10)
    assert "ValueError" in str(stream.last_error)
    assert "hunter2" not in str(stream.last_error)
    assert [name for name, _ in script.calls] == ["handle", "rollback"]
    assert scene.store.get_event_by_message_id("made") is None
    assert worker.run_once() == 0
    scene.clock.advance(timedelta(seconds=10))
    assert worker.run_once() == 1
    assert scene.store.get_stream_by_id(stream_id).state is StreamState.COMPLETED
    assert [env["attempt"] for _, env in script.seen] == [1, 2]
    assert scene.store.get_event_by_message_id("made") is not None


def test_attempts_end_in_an_error_state_with_traceback_and_reset_begins_anew(
    scene: Scene, script: Script
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
    assert script.seen[-1][1]["attempt"] == 1


@pytest.mark.parametrize(
    ("returned", "reason"),
    [
        (None, "returned NoneType instead of a list"),
        (({},), "returned tuple instead of a list"),
        ([{"message_id": "x", "event_type": "t"}], "timestamp: is missing"),
    ],
)
def test_anything_but_valid_events_returned_fails_the_run_naming_the_handler(
    scene: Scene, script: Script, returned: Any, reason: str
) -> None:
    script.on_handle = lambda _events, _env: returned
    stream_id = scene.complete_stream()
    scene.worker().run_once()
    error = str(scene.store.get_stream_by_id(stream_id).last_error)
    assert "handler 'h0'" in error
    assert reason in error


def test_a_trigger_that_is_configured_nowhere_sends_its_stream_to_error(
    scene: Scene, script: Script
) -> None:
    stream_id = scene.complete_stream()
    scene.worker(triggers=[make_trigger("other")]).run_once()
    stream = scene.store.get_stream_by_id(stream_id)
    assert stream.state is StreamState.ERROR
    assert stream.last_error == "no trigger is named 'vm' in this configuration"
    assert script.calls == []


def test_a_trigger_without_a_pipeline_for_the_reason_completes_without_a_run(
    scene: Scene, script: Script
) -> None:
    from dataclasses import replace

    scene.trigger = replace(scene.trigger, fire_pipeline=None)
    stream_id = scene.complete_stream()
    scene.worker(purge_completed=False).run_once()
    assert scene.store.get_stream_by_id(stream_id).state is StreamState.COMPLETED
    assert script.calls == []


def test_a_fault_in_commit_is_recorded_the_others_still_commit_and_the_stream_is_kept(
    scene: Scene, script: Script
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
    assert worker.counters[Count.COMMIT_FAULTS] == 1


def test_a_worker_whose_lease_was_lost_rolls_back_and_completes_nothing(
    scene: Scene, script: Script, caplog: pytest.LogCaptureFixture
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
    assert scene.store.get_event_by_message_id("made") is None
    assert worker.counters[Count.LEASES_LOST] == 1
    assert "the lease was lost" in caplog.text


def test_a_lost_lease_undoes_nothing_of_the_other_streams_of_the_batch(
    scene: Scene, script: Script
) -> None:
    ids = [scene.complete_stream(instance) for instance in "abc"]

    def lose_one(events: list[Any], env: dict[str, Any]) -> list[Any]:
        if env["stream_id"] == ids[1]:
            (held,) = [each for each in claims if each.stream_id == ids[1]]
            scene.store.fail(Failure(held, "stolen", timedelta(0)), 5)
        return [*events, make_event(f"made-{env['stream_id']}", "other")]

    worker = scene.worker(handlers=(QuietHandler,), purge_completed=False)
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
    made = [scene.store.get_event_by_message_id(f"made-{each}") is not None for each in ids]
    assert made == [True, False, True]


def test_stop_finishes_the_run_in_hand_and_releases_the_rest_without_an_attempt(
    scene: Scene, script: Script
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


def test_a_dead_workers_streams_are_rescued_by_the_next_round_of_another(
    scene: Scene, script: Script
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


def test_one_stream_can_be_fired_or_expired_whatever_its_time(scene: Scene, script: Script) -> None:
    ingest(scene.store, scene.trigger, make_event("m"))
    worker = scene.worker(purge_completed=False)
    stream_id = only_stream(scene.store, instance="a").id
    assert worker.expire_stream(stream_id) is True
    assert worker.expire_stream(stream_id) is False
    assert worker.fire_stream(stream_id) is False
    assert script.seen[0][1]["reason"] == "expire"
    with pytest.raises(UnknownStream):
        worker.fire_stream(999)


def test_old_events_are_trimmed_when_both_their_times_are_past_the_age(scene: Scene) -> None:
    ingest(
        scene.store, make_trigger(match="none"), make_event("old"), make_event("new", "x", 10**6)
    )
    worker = scene.worker(trim_age=parse("$timestamp - 1d"), trim_batch_size=10)
    assert worker.process_trim_events() == 0
    scene.clock.advance(timedelta(days=2))
    assert worker.process_trim_events() == 1
    assert scene.store.get_event_by_message_id("old") is None
    assert scene.worker().process_trim_events() == 0


def test_open_streams_are_brought_up_to_date_when_a_worker_starts(
    scene: Scene, script: Script
) -> None:
    ingest(scene.store, scene.trigger, make_event("m", "vm.update"))
    changed = make_trigger(fire=[{"event_type": "vm.update"}])
    worker = scene.worker(triggers=[changed])
    assert worker.run_once() == 1
    assert worker.counters[Count.STREAMS_REFRESHED] == 1
    assert script.seen[0][1]["reason"] == "fire"


def test_run_until_idle_waits_for_retries(scene: Scene, script: Script) -> None:
    from winchester_core.clock import SystemClock

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
    scene: Scene, script: Script, caplog: pytest.LogCaptureFixture
) -> None:
    scene.complete_stream()
    with caplog.at_level(logging.INFO):
        scene.worker(statistics_period_seconds=0.0).run_until_idle()
    assert "statistics: streams_fired=1 streams_loaded=1" in caplog.text
    assert len(script.seen) == 1
