"""The duration of each run is counted once, by pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.builders.manual_clock import ManualClock
from winchester_core.worker import stream_run

if TYPE_CHECKING:
    from support.scenes.workers import HandlerScript, Scene


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    clock = ManualClock()
    monkeypatch.setattr(stream_run, "monotonic", clock)
    return clock


def test_a_run_is_timed_including_commit(
    scene: Scene, script: HandlerScript, clock: ManualClock
) -> None:
    script.on_handle = lambda events, _env: clock.advance(2) or events
    script.on_commit = lambda: clock.advance(0.5)
    worker = scene.worker()
    scene.complete_stream("a")
    scene.complete_stream("b")
    worker.run_once()
    taken = worker.counters.run_seconds.snapshot()
    assert taken.keys() == {"fire"}
    assert (taken["fire"].number, taken["fire"].seconds) == (2, 5.0)


def test_a_failed_run_is_timed_without_its_rollback(
    scene: Scene, script: HandlerScript, clock: ManualClock
) -> None:
    def fail(events: list[object], _env: object) -> list[object]:
        clock.advance(3)
        raise ValueError(events)

    script.on_handle = fail
    script.on_rollback = lambda: clock.advance(100)
    worker = scene.worker()
    scene.complete_stream()
    worker.run_once()
    taken = worker.counters.run_seconds.snapshot()["fire"]
    assert (taken.number, taken.seconds) == (1, 3.0)


def test_metric_labels_are_the_configured_pipeline_names(scene: Scene) -> None:
    names = scene.worker().label_values
    assert set(names.triggers) == {"vm"}
    assert set(names.pipelines) == {"fire", "expire"}
    assert names.endpoints == set()
