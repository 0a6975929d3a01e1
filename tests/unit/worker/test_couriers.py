"""Behaviour section 7: a worker delivers effects, each endpoint for itself."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from builders import at
from outbox_scene import PATIENCE_SECONDS, Post, at_work, sender, take_all
from winchester_core.errors import DatabaseUnavailable, StorageError
from winchester_core.interfaces import Delivered, Refused, RetryAfter
from winchester_core.model.effect import EffectState, Endpoint
from winchester_core.pipelines import HandlerSpec
from winchester_core.storage.effect_records import EffectFilter, Settled
from winchester_core.telemetry.checkpoints import Checkpoint, on_reach
from winchester_core.telemetry.counters import Count, Counters
from winchester_core.telemetry.outage import Outage
from winchester_core.worker import WorkerOptions
from winchester_core.worker.outbox.courier import Courier

if TYPE_CHECKING:
    from collections.abc import Iterator

    from winchester_core.interfaces import Effect
    from worker_scene import Scene

FIRE = Endpoint("fire", "h0")
DEAD = EffectFilter(state=EffectState.DEAD)


@pytest.fixture
def at_point() -> Iterator[dict[Checkpoint, Any]]:
    """What is called at checkpoints; a test adds to it."""
    actions: dict[Checkpoint, Any] = {}
    on_reach(lambda point: actions.get(point, lambda: None)())
    yield actions
    on_reach(None)


class TestRunOnce:
    """One round delivers one batch of each endpoint, in the calling thread."""

    def test_what_was_just_recorded_goes_out(self, scene: Scene) -> None:
        post = Post()
        worker = scene.worker(handlers=(sender(post, "first", "second"),))
        scene.complete_stream()
        assert worker.run_once() == 1
        assert post.payloads == [["first"]]
        assert worker.run_once() == 0
        assert post.payloads == [["first"], ["second"]]
        assert scene.store.count_effects() == 0
        assert worker.counters.snapshot()["effects_recorded"] == 2
        assert worker.counters.snapshot()["effects_delivered"] == 2

    def test_a_call_has_at_most_the_batch_and_one_new_instance(self, scene: Scene) -> None:
        post = Post()
        worker = scene.worker(handlers=(sender(post),), outbox_batch_size=2)
        for name in "abc":
            scene.complete_stream(name)
        worker.run_once()
        worker.run_once()
        assert [len(call) for call in post.calls] == [2, 1]
        assert len({id(each) for each in post.instances}) == 2

    def test_each_entry_of_a_name_delivers_its_own(self, scene: Scene) -> None:
        one, two = Post(), Post()
        worker = scene.worker(handlers=(sender(one, 1), sender(two, 2)))
        scene.complete_stream()
        worker.run_once()
        assert (one.taken, two.taken) == ([1], [2])

    def test_what_waits_is_tried_again_when_its_time_comes(self, scene: Scene) -> None:
        answers = iter([[RetryAfter(60, "busy")], [Delivered()]])
        post = Post(lambda _: next(answers))
        worker = scene.worker(handlers=(sender(post),))
        scene.complete_stream()
        worker.run_once()
        scene.clock.set(at(59))
        worker.run_once()
        assert len(post.calls) == 1
        scene.clock.set(at(60))
        worker.run_once()
        (first,), (second,) = post.calls
        assert (first.id, first.attempt, second.attempt) == (second.id, 1, 2)
        assert worker.counters[Count.EFFECTS_RETRIED] == 1
        assert scene.store.count_effects() == 0

    def test_what_is_refused_is_a_dead_letter_and_blocks_nothing(self, scene: Scene) -> None:
        answers = iter([[Refused("no such user")], [Delivered()]])
        post = Post(lambda _: next(answers))
        worker = scene.worker(handlers=(sender(post, "bad", "good"),))
        scene.complete_stream()
        worker.run_once()
        worker.run_once()
        assert post.taken == ["bad", "good"]
        (letter,) = scene.store.find_effects()
        assert (letter.state, letter.last_error) == (EffectState.DEAD, "no such user")
        assert worker.counters[Count.EFFECTS_DEAD] == 1

    def test_what_nobody_takes_is_given_up_at_its_age(
        self, scene: Scene, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(_effects: list[Effect]) -> Any:
            raise ConnectionError("refused")

        worker = scene.worker(handlers=(sender(Post(fail)),), outbox_max_age=timedelta(hours=2))
        scene.complete_stream()
        worker.run_once()
        scene.clock.set(at(7200))
        worker.run_once()
        assert scene.store.count_effects(DEAD) == 0
        scene.clock.advance(timedelta(seconds=1))
        worker.run_once()
        (letter,) = scene.store.find_effects()
        expected = "given up after 2:00:00: attempts 2, the last of them: ConnectionError: refused"
        assert (letter.state, letter.last_error) == (EffectState.DEAD, expected)
        assert worker.counters[Count.EFFECTS_DEAD] == 1
        assert "1 effects of handler 'h0' of pipeline 'fire' were not delivered" in caplog.text

    def test_effects_of_a_handler_that_is_configured_no_more_are_given_up_too(
        self, scene: Scene
    ) -> None:
        post = Post()
        scene.complete_stream()
        scene.worker(handlers=(sender(post),)).process_ready_streams(9)
        other = scene.worker(handlers=())
        scene.clock.advance(timedelta(days=7, seconds=1))
        other.run_once()
        (letter,) = scene.store.find_effects()
        assert "no worker has had handler 'h0' of pipeline 'fire'" in (letter.last_error or "")
        assert post.calls == []

    def test_the_lease_is_lost_meanwhile(
        self, scene: Scene, caplog: pytest.LogCaptureFixture
    ) -> None:
        second = Post()

        def slow(effects: list[Effect]) -> Any:
            scene.clock.advance(timedelta(minutes=2))  # as if this process had been stopped
            scene.worker(handlers=(sender(second),), name="other").run_once()
            return take_all(effects)

        first = Post(slow)
        worker = scene.worker(handlers=(sender(first),))
        scene.complete_stream()
        worker.run_once()
        assert first.calls[0][0].id == second.calls[0][0].id
        assert worker.counters[Count.EFFECTS_DELIVERED] == 0
        assert "the leases of 1 effects were lost" in caplog.text
        assert scene.store.count_effects() == 0

    def test_after_a_stop_nothing_is_claimed(self, scene: Scene) -> None:
        post = Post()
        worker = scene.worker(handlers=(sender(post),))
        scene.complete_stream()
        worker.process_ready_streams(9)
        worker.stop()
        worker.run_once()
        assert post.calls == []
        assert scene.store.find_effects()[0].attempts == 0

    def test_what_was_claimed_when_the_stop_came_is_released(
        self, scene: Scene, at_point: dict[Checkpoint, Any]
    ) -> None:
        post = Post()
        worker = scene.worker(handlers=(sender(post),))
        scene.complete_stream()
        at_point[Checkpoint.EFFECTS_CLAIMED] = worker.stop
        worker.run_once()
        (effect,) = scene.store.find_effects()
        assert (post.calls, effect.attempts, effect.worker) == ([], 0, None)

    def test_a_failed_run_sends_nothing(self, scene: Scene) -> None:
        class Failing:
            def handle_events(self, _events: list[Any], _env: dict[str, Any]) -> list[Any]:
                raise RuntimeError

            def commit(self) -> None:
                raise AssertionError

            def rollback(self) -> None:
                """Nothing was done."""

        post = Post()
        worker = scene.worker(handlers=(sender(post), Failing))
        scene.complete_stream()
        worker.run_once()
        assert scene.store.count_effects() == 0
        assert worker.counters[Count.EFFECTS_RECORDED] == 0


class TestThreads:
    """Each endpoint has a thread, so that none waits for another, nor a pipeline for one."""

    def test_run_until_idle_delivers_everything(self, scene: Scene) -> None:
        one, two = Post(), Post()
        worker = scene.worker(handlers=(sender(one, *range(5)), sender(two)))
        ids = [scene.complete_stream(name) for name in "abc"]
        worker.run_until_idle()
        assert sorted(two.taken) == sorted(ids)
        by_stream = [
            [effect.payload for call in one.calls for effect in call if effect.stream_id == each]
            for each in ids
        ]
        assert by_stream == [[0, 1, 2, 3, 4]] * 3
        assert scene.store.count_effects() == 0

    def test_run_until_idle_waits_for_tries_to_come(self, scene: Scene) -> None:
        answers = iter([[RetryAfter(0)], [Delivered()]])
        post = Post(lambda _: next(answers))
        scene.complete_stream()
        scene.worker(handlers=(sender(post),)).run_until_idle()
        assert len(post.calls) == 2

    def test_run_until_idle_waits_for_no_handler_of_others(self, scene: Scene) -> None:
        scene.complete_stream()
        scene.worker(handlers=(sender(Post()),)).process_ready_streams(9)
        scene.worker(handlers=()).run_until_idle()
        assert scene.store.count_effects() == 1

    def test_a_hung_endpoint_blocks_no_pipeline_and_no_other_endpoint(self, scene: Scene) -> None:
        hangs, may_go_on, second_came = (threading.Event() for _ in range(3))

        def hang(effects: list[Effect]) -> Any:
            hangs.set()
            assert may_go_on.wait(PATIENCE_SECONDS)
            return take_all(effects)

        def note_second(effects: list[Effect]) -> Any:
            if second in [effect.stream_id for effect in effects]:
                second_came.set()
            return take_all(effects)

        slow, quick = Post(hang), Post(note_second)
        worker = scene.worker(handlers=(sender(slow), sender(quick)), idle_delay_seconds=0.01)
        first, second = scene.complete_stream("a"), 0
        with at_work(worker):
            assert hangs.wait(PATIENCE_SECONDS)
            second = scene.complete_stream("b")
            assert second_came.wait(PATIENCE_SECONDS)
            assert [[effect.stream_id for effect in call] for call in slow.calls] == [[first]]
            may_go_on.set()
        assert sorted(quick.taken) == [first, second]

    def test_a_recorded_effect_wakes_its_courier(
        self, scene: Scene, at_point: dict[Checkpoint, Any]
    ) -> None:
        post = Post()
        worker = scene.worker(handlers=(sender(post),), idle_delay_seconds=3600)
        settled, resting = threading.Event(), threading.Event()
        at_point[Checkpoint.EFFECTS_SETTLED] = settled.set
        look_up = scene.store.next_effect_seconds

        def noted(endpoint: Endpoint) -> float | None:
            if endpoint == FIRE:
                resting.set()
            return look_up(endpoint)

        scene.store.next_effect_seconds = noted  # type: ignore[method-assign]
        with worker._couriers:
            assert resting.wait(PATIENCE_SECONDS)
            scene.complete_stream()
            worker.process_ready_streams(9)
            assert settled.wait(PATIENCE_SECONDS)
        assert len(post.calls) == 1

    def test_stop_lets_a_delivery_in_hand_finish(self, scene: Scene) -> None:
        began = threading.Event()

        def stop_first(effects: list[Effect]) -> Any:
            worker.stop()
            began.set()
            return take_all(effects)

        post = Post(stop_first)
        scene.complete_stream()
        worker = scene.worker(handlers=(sender(post, 1, 2),), idle_delay_seconds=3600)
        with at_work(worker):
            assert began.wait(PATIENCE_SECONDS)
        assert post.taken == [1]
        (left,) = scene.store.find_effects()
        assert (left.payload, left.attempts) == ("2", 0)

    def test_one_that_hangs_at_the_end_is_left_behind(
        self, scene: Scene, caplog: pytest.LogCaptureFixture
    ) -> None:
        hangs, may_go_on = threading.Event(), threading.Event()

        def hang(effects: list[Effect]) -> Any:
            hangs.set()
            assert may_go_on.wait(PATIENCE_SECONDS)
            return take_all(effects)

        worker = scene.worker(
            handlers=(sender(Post(hang)),), lease=timedelta(milliseconds=10), idle_delay_seconds=60
        )
        scene.complete_stream()
        with at_work(worker):
            assert hangs.wait(PATIENCE_SECONDS)
        assert "hangs in its delivery" in caplog.text
        may_go_on.set()

    def test_the_lease_is_renewed_while_a_delivery_lasts(self, scene: Scene) -> None:
        renewed = threading.Event()
        renew = scene.store.renew_effects

        def noted(claims: Any, lease: timedelta) -> int:
            scene.clock.advance(timedelta(hours=1))
            number = renew(claims, lease)
            renewed.set()
            return number

        def wait(effects: list[Effect]) -> Any:
            assert renewed.wait(PATIENCE_SECONDS)
            return take_all(effects)

        scene.store.renew_effects = noted  # type: ignore[method-assign]
        worker = scene.worker(handlers=(sender(Post(wait)),), lease=timedelta(milliseconds=30))
        scene.complete_stream()
        worker.run_once()
        assert worker.counters[Count.EFFECTS_DELIVERED] == 1

    def test_an_endpoint_that_takes_nothing_is_left_alone_ever_longer(self, scene: Scene) -> None:
        pauses: list[float] = []
        enough = threading.Event()

        class Ending(threading.Event):
            def wait(self, timeout: float | None = None) -> bool:
                assert timeout is not None
                pauses.append(timeout)
                if len(pauses) == 8:
                    enough.set()
                return super().wait(0)

        scene.complete_stream()
        post = Post(lambda effects: [RetryAfter(0) for _ in effects])
        scene.worker(handlers=(sender(post),)).process_ready_streams(9)
        courier = Courier(
            store=scene.store,
            endpoint=FIRE,
            spec=HandlerSpec("h0", sender(post)),
            worker="w",
            options=WorkerOptions(),
            counters=Counters(),
            outage=Outage("database", Counters()),
            stop=threading.Event(),
        )
        ending = Ending()
        thread = threading.Thread(target=courier.run, args=(ending, lambda: None))
        thread.start()
        assert enough.wait(PATIENCE_SECONDS)
        ending.set()
        thread.join(PATIENCE_SECONDS)
        longest = [1, 2, 4, 8, 16, 32, 60, 60]
        assert all(
            0.8 * most <= pause <= most for pause, most in zip(pauses, longest, strict=False)
        )

    def test_while_the_database_is_away_it_waits(self, scene: Scene) -> None:
        post = Post()
        claim = scene.store.claim_effects
        refusals = iter([DatabaseUnavailable("gone")] * 2)

        def fail_twice(*args: Any, **options: Any) -> Any:
            for refusal in refusals:
                raise refusal
            return claim(*args, **options)

        scene.store.claim_effects = fail_twice  # type: ignore[method-assign]
        scene.complete_stream()
        scene.worker(handlers=(sender(post),)).run_until_idle()
        assert len(post.calls) == 1

    def test_settling_waits_for_the_database_and_sends_nothing_twice(self, scene: Scene) -> None:
        post = Post()
        settle = scene.store.settle_effects
        refusals = iter([DatabaseUnavailable("gone")] * 2)

        def fail_twice(settlements: Any) -> Settled:
            for refusal in refusals:
                raise refusal
            return settle(settlements)

        scene.store.settle_effects = fail_twice  # type: ignore[method-assign]
        scene.complete_stream()
        worker = scene.worker(handlers=(sender(post),))
        worker.run_until_idle()
        assert len(post.calls) == 1
        assert worker.counters[Count.EFFECTS_DELIVERED] == 1

    def test_what_a_courier_dies_of_ends_the_worker(self, scene: Scene) -> None:
        def fail(*_args: Any, **_options: Any) -> Any:
            raise StorageError("no such table")

        scene.store.claim_effects = fail  # type: ignore[method-assign]
        scene.complete_stream()
        with pytest.raises(StorageError, match="no such table"):
            scene.worker(handlers=(sender(Post()),)).run_until_idle()

    def test_without_endpoints_there_are_no_threads(self, scene: Scene) -> None:
        names = []
        scene.complete_stream()

        class Watching:
            def handle_events(self, events: list[Any], _env: dict[str, Any]) -> list[Any]:
                names.extend(each.name for each in threading.enumerate())
                return events

            def commit(self) -> None:
                """Nothing to do."""

            def rollback(self) -> None:
                """Nothing to undo."""

        scene.worker(handlers=(Watching,)).run_until_idle()
        assert names
        assert not [name for name in names if name.startswith("courier")]
