"""Threads of a worker that hang, or continue after its end."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from support.probes.time_limits import BOUND_SECONDS
from support.scenes.sites import wait_until
from winchester_core.model.stream import StreamState
from winchester_core.telemetry.counters import Count

if TYPE_CHECKING:
    from support.scenes.workers import HandlerScript, Scene

SHORT_LEASE = timedelta(seconds=0.3)


def test_a_worker_whose_threads_all_hang_leaves_the_streams_to_others(
    scene: Scene, script: HandlerScript
) -> None:
    hanging = {scene.complete_stream(f"h{number}") for number in range(2)}
    other = scene.complete_stream("other")
    go_on = threading.Event()
    rounds = 0

    def hang(events: list[Any], env: dict[str, Any]) -> list[Any]:
        if env["stream_id"] in hanging:
            go_on.wait(BOUND_SECONDS)
        return events

    def count_rounds(*arguments: Any) -> Any:
        nonlocal rounds
        rounds += 1
        return backlog(*arguments)

    script.on_handle = hang
    backlog = scene.store.backlog
    scene.store.backlog = count_rounds  # type: ignore[method-assign]
    worker = scene.worker(concurrency=2, lease=SHORT_LEASE, purge_completed=False)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(worker.run)
        try:
            wait_until(lambda: worker.counters[Count.STREAMS_RELEASED])
            assert {each for _, each in script.calls} == hanging
            claimed, seen = worker.counters[Count.STREAMS_CLAIMED], rounds
            wait_until(lambda: rounds >= seen + 4)
            assert worker.counters[Count.STREAMS_CLAIMED] == claimed
            assert scene.worker(name="other", purge_completed=False).run_once() == 1
            assert scene.store.get_stream_by_id(other).state is StreamState.COMPLETED
        finally:
            go_on.set()
            worker.stop()
        running.result(BOUND_SECONDS)
    assert {scene.store.get_stream_by_id(each).state for each in hanging} == {StreamState.COMPLETED}


def test_a_thread_that_goes_on_after_the_end_of_its_worker_rolls_back(
    scene: Scene, script: HandlerScript
) -> None:
    stream_id = scene.complete_stream()
    go_on = threading.Event()

    def hang(events: list[Any], _env: dict[str, Any]) -> list[Any]:
        go_on.wait(BOUND_SECONDS)
        return events

    script.on_handle = hang
    worker = scene.worker(concurrency=2, pipeline_timeout_seconds=0.05, max_attempts=1)
    worker.run_until_idle()
    assert scene.store.get_stream_by_id(stream_id).state is StreamState.ERROR
    go_on.set()
    wait_until(lambda: ("rollback", stream_id) in script.calls)
    assert ("commit", stream_id) not in script.calls
