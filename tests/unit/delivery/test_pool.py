"""Each endpoint has its own delivery thread."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.scenes.outbox_handlers import (
    TIMEOUT_SECONDS,
    ScriptedEndpoint,
    accept_all,
    make_effect_handler,
    running_worker,
)
from winchester_core.delivery.worker import DeliveryWorker
from winchester_core.errors import DatabaseUnavailable, StorageError
from winchester_core.failpoints import Failpoint, on_hit
from winchester_core.interfaces import Delivered, RetryAfter
from winchester_core.model.effect import Endpoint
from winchester_core.pipelines import HandlerSpec
from winchester_core.retry import OutageState
from winchester_core.telemetry.counters import Count, Counters
from winchester_core.worker import WorkerOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.scenes.workers import Scene
    from winchester_core.interfaces import Effect
    from winchester_core.storage.effect_records import EffectResultCounts

FIRE = Endpoint("fire", "h0")


@pytest.fixture
def at_point() -> Iterator[dict[Failpoint, Any]]:
    """Functions called at failpoints; a test adds to it."""
    actions: dict[Failpoint, Any] = {}
    on_hit(lambda point: actions.get(point, lambda: None)())
    yield actions
    on_hit(None)


def deliver_after(scene: Scene, event: threading.Event) -> None:
    """Deliver an effect under a short lease; the delivery waits for `event`."""

    def wait(effects: list[Effect]) -> Any:
        assert event.wait(TIMEOUT_SECONDS)
        return accept_all(effects)

    worker = scene.worker(
        handlers=(make_effect_handler(ScriptedEndpoint(wait)),),
        lease=timedelta(milliseconds=30),
    )
    scene.complete_stream()
    worker.run_once()
    assert worker.counters[Count.EFFECTS_DELIVERED] == 1


class TestThreads:
    """Each endpoint has a thread, so that neither endpoints nor pipelines wait for another."""

    def test_run_until_idle_delivers_everything(self, scene: Scene) -> None:
        one, two = ScriptedEndpoint(), ScriptedEndpoint()
        worker = scene.worker(
            handlers=(make_effect_handler(one, *range(5)), make_effect_handler(two))
        )
        ids = [scene.complete_stream(name) for name in "abc"]
        worker.run_until_idle()
        assert sorted(two.delivered) == sorted(ids)
        by_stream = [
            [effect.payload for call in one.calls for effect in call if effect.stream_id == each]
            for each in ids
        ]
        assert by_stream == [[0, 1, 2, 3, 4]] * 3
        assert scene.store.count_effects() == 0

    def test_run_until_idle_waits_for_pending_retries(self, scene: Scene) -> None:
        answers = iter([[RetryAfter(0)], [Delivered()]])
        endpoint = ScriptedEndpoint(lambda _: next(answers))
        scene.complete_stream()
        scene.worker(handlers=(make_effect_handler(endpoint),)).run_until_idle()
        assert len(endpoint.calls) == 2

    def test_run_until_idle_ignores_effects_of_other_handlers(self, scene: Scene) -> None:
        scene.complete_stream()
        scene.worker(handlers=(make_effect_handler(ScriptedEndpoint()),)).process_ready_streams(9)
        scene.worker(handlers=()).run_until_idle()
        assert scene.store.count_effects() == 1

    def test_a_hung_endpoint_blocks_neither_pipelines_nor_other_endpoints(
        self, scene: Scene
    ) -> None:
        hangs, may_go_on, second_came = (threading.Event() for _ in range(3))

        def hang(effects: list[Effect]) -> Any:
            hangs.set()
            assert may_go_on.wait(TIMEOUT_SECONDS)
            return accept_all(effects)

        def note_second(effects: list[Effect]) -> Any:
            if second in [effect.stream_id for effect in effects]:
                second_came.set()
            return accept_all(effects)

        slow, quick = ScriptedEndpoint(hang), ScriptedEndpoint(note_second)
        worker = scene.worker(
            handlers=(make_effect_handler(slow), make_effect_handler(quick)),
            idle_delay_seconds=0.01,
        )
        first, second = scene.complete_stream("a"), 0
        with running_worker(worker):
            assert hangs.wait(TIMEOUT_SECONDS)
            second = scene.complete_stream("b")
            assert second_came.wait(TIMEOUT_SECONDS)
            assert [[effect.stream_id for effect in call] for call in slow.calls] == [[first]]
            may_go_on.set()
        assert sorted(quick.delivered) == [first, second]

    def test_a_queued_effect_wakes_its_delivery_worker(
        self, scene: Scene, at_point: dict[Failpoint, Any]
    ) -> None:
        endpoint = ScriptedEndpoint()
        worker = scene.worker(handlers=(make_effect_handler(endpoint),), idle_delay_seconds=3600)
        settled, resting = threading.Event(), threading.Event()
        at_point[Failpoint.EFFECT_RESULTS_STORED] = settled.set
        look_up = scene.store.next_effect_seconds

        def noted(endpoint: Endpoint) -> float | None:
            if endpoint == FIRE:
                resting.set()
            return look_up(endpoint)

        scene.store.next_effect_seconds = noted  # type: ignore[method-assign]
        with worker._delivery_pool:
            assert resting.wait(TIMEOUT_SECONDS)
            scene.complete_stream()
            worker.process_ready_streams(9)
            assert settled.wait(TIMEOUT_SECONDS)
        assert len(endpoint.calls) == 1

    def test_stop_waits_for_the_running_delivery(self, scene: Scene) -> None:
        began = threading.Event()

        def stop_first(effects: list[Effect]) -> Any:
            worker.stop()
            began.set()
            return accept_all(effects)

        endpoint = ScriptedEndpoint(stop_first)
        scene.complete_stream()
        worker = scene.worker(
            handlers=(make_effect_handler(endpoint, 1, 2),), idle_delay_seconds=3600
        )
        with running_worker(worker):
            assert began.wait(TIMEOUT_SECONDS)
        assert endpoint.delivered == [1]
        (left,) = scene.store.find_effects()
        assert (left.payload, left.attempts) == ("2", 0)

    def test_a_delivery_that_hangs_at_shutdown_is_abandoned(
        self, scene: Scene, caplog: pytest.LogCaptureFixture
    ) -> None:
        hangs, may_go_on = threading.Event(), threading.Event()

        def hang(effects: list[Effect]) -> Any:
            hangs.set()
            assert may_go_on.wait(TIMEOUT_SECONDS)
            return accept_all(effects)

        worker = scene.worker(
            handlers=(make_effect_handler(ScriptedEndpoint(hang)),),
            lease=timedelta(milliseconds=10),
            idle_delay_seconds=60,
        )
        scene.complete_stream()
        with running_worker(worker):
            assert hangs.wait(TIMEOUT_SECONDS)
        assert "abandoned a hanging delivery" in caplog.text
        may_go_on.set()

    def test_the_lease_is_renewed_during_a_delivery(self, scene: Scene) -> None:
        renewed = threading.Event()
        renew = scene.store.renew_effects

        def noted(claims: Any, lease: timedelta) -> int:
            scene.clock.advance(timedelta(hours=1))
            number = renew(claims, lease)
            renewed.set()
            return number

        scene.store.renew_effects = noted  # type: ignore[method-assign]
        deliver_after(scene, renewed)

    @pytest.mark.parametrize("error", [StorageError("no such column"), MemoryError()])
    def test_a_renewal_that_fails_is_logged_and_repeated(
        self, scene: Scene, error: Exception, caplog: pytest.LogCaptureFixture
    ) -> None:
        renew, renewed, errors = scene.store.renew_effects, threading.Event(), [error]

        def fail_first(claims: Any, lease: timedelta) -> int:
            if errors:
                raise errors.pop()
            renewed.set()
            return renew(claims, lease)

        scene.store.renew_effects = fail_first  # type: ignore[method-assign]
        deliver_after(scene, renewed)
        assert "lease renewal of effects failed: effects=1 endpoint=" in caplog.text
        assert type(error).__name__ in caplog.text

    @pytest.mark.parametrize(
        ("success", "longest"),
        [(None, [1, 2, 4, 8, 16, 32, 60, 60]), (5, [1, 2, 4, 8, 1, 2, 4, 8])],
        ids=["never", "once"],
    )
    def test_an_endpoint_is_retried_ever_more_rarely_until_it_succeeds(
        self, scene: Scene, success: int | None, longest: list[float]
    ) -> None:
        pauses: list[float] = []
        enough = threading.Event()

        class Ending(threading.Event):
            def wait(self, timeout: float | None = None) -> bool:
                assert timeout is not None
                pauses.append(timeout)
                if len(pauses) == 8:
                    enough.set()
                return super().wait(0)

        def respond(effects: list[Effect]) -> list[Any]:
            """Deliver the first effect in the call number `success`."""
            first = Delivered() if len(endpoint.calls) == success else RetryAfter(0)
            return [first, *(RetryAfter(0) for _ in effects[1:])]

        scene.complete_stream("a")
        scene.complete_stream("b")
        endpoint = ScriptedEndpoint(respond)
        scene.worker(handlers=(make_effect_handler(endpoint),)).process_ready_streams(9)
        delivery_worker = DeliveryWorker(
            store=scene.store,
            endpoint=FIRE,
            spec=HandlerSpec("h0", make_effect_handler(endpoint)),
            worker_id="w",
            options=WorkerOptions(),
            counters=Counters(),
            outage=OutageState("database", Counters()),
            stop=threading.Event(),
        )
        ending = Ending()
        thread = threading.Thread(target=delivery_worker.run, args=(ending, lambda: None))
        thread.start()
        assert enough.wait(TIMEOUT_SECONDS)
        ending.set()
        thread.join(TIMEOUT_SECONDS)
        assert all(
            0.5 * most <= pause <= most for pause, most in zip(pauses, longest, strict=False)
        )

    def test_delivery_waits_while_the_database_is_unavailable(self, scene: Scene) -> None:
        endpoint = ScriptedEndpoint()
        claim = scene.store.claim_effects
        refusals = iter([DatabaseUnavailable("gone")] * 2)

        def fail_twice(*args: Any, **options: Any) -> Any:
            for refusal in refusals:
                raise refusal
            return claim(*args, **options)

        scene.store.claim_effects = fail_twice  # type: ignore[method-assign]
        scene.complete_stream()
        scene.worker(handlers=(make_effect_handler(endpoint),)).run_until_idle()
        assert len(endpoint.calls) == 1

    def test_recording_results_waits_for_the_database_without_a_second_delivery(
        self, scene: Scene
    ) -> None:
        endpoint = ScriptedEndpoint()
        settle = scene.store.apply_effect_results
        refusals = iter([DatabaseUnavailable("gone")] * 2)

        def fail_twice(settlements: Any) -> EffectResultCounts:
            for refusal in refusals:
                raise refusal
            return settle(settlements)

        scene.store.apply_effect_results = fail_twice  # type: ignore[method-assign]
        scene.complete_stream()
        worker = scene.worker(handlers=(make_effect_handler(endpoint),))
        worker.run_until_idle()
        assert len(endpoint.calls) == 1
        assert worker.counters[Count.EFFECTS_DELIVERED] == 1

    def test_an_unexpected_error_in_a_delivery_thread_stops_the_worker(self, scene: Scene) -> None:
        def fail(*_args: Any, **_options: Any) -> Any:
            raise StorageError("no such table")

        scene.store.claim_effects = fail  # type: ignore[method-assign]
        scene.complete_stream()
        with pytest.raises(StorageError, match="no such table"):
            scene.worker(handlers=(make_effect_handler(ScriptedEndpoint()),)).run_until_idle()

    def test_errors_of_delivery_threads_after_a_stop_are_reported(
        self, scene: Scene, caplog: pytest.LogCaptureFixture
    ) -> None:
        stopped = threading.Event()

        def fail(endpoint: Endpoint, **_options: Any) -> Any:
            assert stopped.wait(TIMEOUT_SECONDS)
            raise StorageError(f"no table for {endpoint.handler}")

        scene.store.claim_effects = fail  # type: ignore[method-assign]
        handlers = [make_effect_handler(ScriptedEndpoint()) for _ in range(3)]
        pool = scene.worker(handlers=tuple(handlers))._delivery_pool
        with pytest.raises(StorageError, match="no table for h"), pool:
            stopped.set()
        logged = [each.getMessage() for each in caplog.records]
        assert len(logged) == 5
        assert all(
            "delivery thread failed: error=StorageError: no table" in each for each in logged
        )

    def test_an_error_of_a_delivery_thread_does_not_hide_that_of_the_worker(
        self, scene: Scene, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(*_args: Any, **_options: Any) -> Any:
            raise StorageError("no such table")

        scene.store.claim_effects = fail  # type: ignore[method-assign]
        worker = scene.worker(handlers=(make_effect_handler(ScriptedEndpoint()),))
        with pytest.raises(ZeroDivisionError), worker._delivery_pool:
            raise ZeroDivisionError
        assert "delivery thread failed: error=StorageError: no such table" in caplog.text

    def test_no_threads_are_started_without_endpoints(self, scene: Scene) -> None:
        names = []
        scene.complete_stream()

        class Watching:
            def handle_events(self, events: list[Any], _env: dict[str, Any]) -> list[Any]:
                names.extend(each.name for each in threading.enumerate())
                return events

            def commit(self) -> None:
                """Do nothing."""

            def rollback(self) -> None:
                """Do nothing."""

        scene.worker(handlers=(Watching,)).run_until_idle()
        assert names
        assert not [name for name in names if name.startswith("delivery")]
