"""Reload of the configuration of a running worker."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from support.builders.events import NOON, VM, ingest, make_event, make_trigger, only_stream
from support.scenes.outbox_handlers import (
    TIMEOUT_SECONDS,
    ScriptedEndpoint,
    accept_all,
    make_effect_handler,
    running_worker,
)
from winchester_core.model.stream import StreamState
from winchester_core.pipelines import HandlerSpec, PipelineDefinition
from winchester_core.storage.filters import StreamFilter
from winchester_core.telemetry.counters import Count
from winchester_core.worker import WorkerOptions
from winchester_core.worker import maintenance as maintenance_module
from winchester_core.worker.options import WorkerConfiguration

if TYPE_CHECKING:
    from support.scenes.workers import HandlerScript, Scene
    from winchester_core.triggers.definition import TriggerDefinition
    from winchester_core.worker import Worker

BEGIN_ALONE = make_trigger(fire=({"event_type": "vm.begin"},))


def _change(
    worker: Worker,
    *handlers: Any,
    trigger: TriggerDefinition = VM,
    **options: Any,
) -> None:
    specs = tuple(HandlerSpec(f"h{n}", each) for n, each in enumerate(handlers))
    worker.reload(
        WorkerConfiguration(
            [trigger],
            {name: PipelineDefinition(name, specs) for name in ("fire", "expire")},
            WorkerOptions(**options),
        ),
    )


def _noting(calls: list[str], name: str) -> type:
    class Noting:
        def handle_events(self, events: list[Any], _env: dict[str, Any]) -> list[Any]:
            calls.append(f"{name} handles")
            return events

        def commit(self) -> None:
            calls.append(f"{name} commits")

        def rollback(self) -> None:
            calls.append(f"{name} rolls back")

    return Noting


def test_a_running_stream_keeps_its_configuration_and_the_next_uses_the_new_one(
    scene: Scene, script: HandlerScript
) -> None:
    calls: list[str] = []
    worker = scene.worker()
    for name in "ab":
        scene.complete_stream(name)

    def change_once(events: list[Any], _env: dict[str, Any]) -> list[Any]:
        _change(worker, _noting(calls, "new"))
        return events

    script.on_handle = change_once
    worker.run_once()
    first = scene.store.find_streams()
    assert [name for name, _ in script.calls] == ["handle", "commit"]
    assert [(each.state, each.attempts) for each in first] == [(StreamState.RETRY_FIRE, 0)]
    assert worker.counters[Count.STREAMS_RELEASED] == 1
    worker.run_once()
    assert calls == ["new handles", "new commits"]
    assert scene.store.count_streams(StreamFilter()) == 0


def test_open_streams_are_recalculated_and_fire_in_the_same_round(
    scene: Scene,
) -> None:
    ingest(scene.store, VM, make_event("m", "vm.begin"), now=NOON)
    worker = scene.worker()
    assert worker.run_once() == 0
    _change(worker, trigger=BEGIN_ALONE)
    assert worker.run_once() == 1
    assert worker.counters[Count.STREAMS_RECALCULATED] == 1


def test_options_are_reloaded(scene: Scene) -> None:
    worker = scene.worker()
    scene.complete_stream()
    _change(worker, purge_completed=False)
    worker.run_once()
    assert only_stream(scene.store, instance="a").state is StreamState.COMPLETED


@pytest.mark.parametrize("act", ["fire_stream", "process_ready_streams"])
def test_an_embedding_program_can_reload_without_running_the_worker(scene: Scene, act: str) -> None:
    calls: list[str] = []
    worker = scene.worker()
    stream_id = scene.complete_stream()
    _change(worker, _noting(calls, "new"))
    getattr(worker, act)(stream_id)
    assert calls == ["new handles", "new commits"]


def test_a_reload_wakes_a_sleeping_worker(scene: Scene) -> None:
    ingest(scene.store, VM, make_event("m", "vm.begin"), now=NOON)
    worker = scene.worker(idle_delay_seconds=3600)
    looked, fired = threading.Event(), threading.Event()
    workload = scene.store.backlog

    def noted(*arguments: Any) -> Any:
        looked.set()
        return workload(*arguments)

    scene.store.backlog = noted  # type: ignore[method-assign]

    class Firing:
        def handle_events(self, events: list[Any], _env: dict[str, Any]) -> list[Any]:
            return events

        def commit(self) -> None:
            fired.set()

        def rollback(self) -> None: ...

    with running_worker(worker):
        assert looked.wait(TIMEOUT_SECONDS)
        _change(worker, Firing, trigger=BEGIN_ALONE, idle_delay_seconds=3600)
        assert fired.wait(TIMEOUT_SECONDS)


class TestDelivery:
    """Delivery workers take handler instances from the current pipelines."""

    def test_pending_effects_are_delivered_by_the_new_handler(self, scene: Scene) -> None:
        old, new = ScriptedEndpoint(), ScriptedEndpoint()
        worker = scene.worker(handlers=(make_effect_handler(old),))
        stream_id = scene.complete_stream()
        worker.process_ready_streams(1)
        _change(worker, make_effect_handler(new))
        worker.run_once()
        assert (old.delivered, new.delivered) == ([], [stream_id])

    def test_a_running_delivery_keeps_its_handler_and_delays_no_later_one(
        self, scene: Scene
    ) -> None:
        hangs, may_go_on, delivered = threading.Event(), threading.Event(), threading.Event()

        def hang(effects: Any) -> Any:
            hangs.set()
            assert may_go_on.wait(TIMEOUT_SECONDS)
            return accept_all(effects)

        def deliver(effects: Any) -> Any:
            delivered.set()
            return accept_all(effects)

        old, new = ScriptedEndpoint(hang), ScriptedEndpoint(deliver)
        first = scene.complete_stream("a")
        worker = scene.worker(handlers=(make_effect_handler(old),), idle_delay_seconds=0.05)
        with running_worker(worker):
            assert hangs.wait(TIMEOUT_SECONDS)
            _change(worker, make_effect_handler(new), idle_delay_seconds=0.05)
            second = scene.complete_stream("b")
            assert delivered.wait(TIMEOUT_SECONDS)
            may_go_on.set()
        assert (old.delivered, new.delivered) == ([first], [second])
        assert scene.store.count_effects() == 0

    def test_effects_of_a_removed_handler_stay_in_the_outbox(self, scene: Scene) -> None:
        worker = scene.worker(handlers=(make_effect_handler(ScriptedEndpoint()),))
        scene.complete_stream()
        worker.process_ready_streams(1)
        _change(worker)
        worker.run_once()
        assert scene.store.count_effects() == 1


class TestRefreshing:
    """Open streams are recalculated in bounded batches, and checked again later."""

    @pytest.fixture(autouse=True)
    def small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(maintenance_module, "RECALCULATION_BATCH", 2)
        monkeypatch.setattr(maintenance_module, "RECALCULATION_ROUND_BATCHES", 2)

    def test_recalculation_is_bounded_per_round_and_continues(self, scene: Scene) -> None:
        for number in range(9):
            ingest(scene.store, VM, make_event(f"m{number}", "vm.begin", instance=str(number)))
        worker = scene.worker(triggers=[BEGIN_ALONE])
        done = []
        for _ in range(4):
            worker.run_once()
            done.append(worker.counters[Count.STREAMS_RECALCULATED])
        assert done == [4, 8, 9, 9]

    def test_streams_recalculated_by_slower_processes_are_found_again(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        later = make_trigger(expiration="$last + 2h")
        now = 1000.0
        monkeypatch.setattr(maintenance_module, "monotonic", lambda: now)
        worker = scene.worker(triggers=[later])
        for wait, counted in [(0, 0), (59, 0), (1, 1), (539, 1), (1, 2), (9999, 2)]:
            now += wait
            worker.run_once()
            assert worker.counters[Count.STREAMS_RECALCULATED] == counted
            ingest(scene.store, VM, make_event(f"m{now}", "vm.begin"))
