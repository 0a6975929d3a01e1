"""A worker delivers effects independently for each endpoint."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.builders.events import at
from support.scenes.outbox_handlers import ScriptedEndpoint, accept_all, make_effect_handler
from winchester_core.failpoints import Failpoint, on_hit
from winchester_core.interfaces import Delivered, Refused, RetryAfter
from winchester_core.model.effect import EffectState
from winchester_core.storage.effect_records import EffectFilter
from winchester_core.telemetry.counters import Count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.scenes.workers import Scene
    from winchester_core.interfaces import Effect

DEAD = EffectFilter(state=EffectState.DEAD)


@pytest.fixture
def at_point() -> Iterator[dict[Failpoint, Any]]:
    """Functions called at failpoints; a test adds to it."""
    actions: dict[Failpoint, Any] = {}
    on_hit(lambda point: actions.get(point, lambda: None)())
    yield actions
    on_hit(None)


class TestRunOnce:
    """A round delivers one batch of each endpoint, in the calling thread."""

    def test_a_queued_effect_is_delivered(self, scene: Scene) -> None:
        endpoint = ScriptedEndpoint()
        worker = scene.worker(handlers=(make_effect_handler(endpoint, "first", "second"),))
        scene.complete_stream()
        assert worker.run_once() == 1
        assert endpoint.payloads == [["first"]]
        assert worker.run_once() == 0
        assert endpoint.payloads == [["first"], ["second"]]
        assert scene.store.count_effects() == 0
        assert worker.counters.snapshot()["effects_recorded"] == 2
        assert worker.counters.snapshot()["effects_delivered"] == 2

    def test_each_call_gets_at_most_one_batch_and_a_new_handler(self, scene: Scene) -> None:
        endpoint = ScriptedEndpoint()
        worker = scene.worker(handlers=(make_effect_handler(endpoint),), outbox_batch_size=2)
        for name in "abc":
            scene.complete_stream(name)
        worker.run_once()
        worker.run_once()
        assert [len(call) for call in endpoint.calls] == [2, 1]
        assert len({id(each) for each in endpoint.instances}) == 2

    def test_two_entries_of_one_handler_deliver_their_own_effects(self, scene: Scene) -> None:
        one, two = ScriptedEndpoint(), ScriptedEndpoint()
        worker = scene.worker(handlers=(make_effect_handler(one, 1), make_effect_handler(two, 2)))
        scene.complete_stream()
        worker.run_once()
        assert (one.delivered, two.delivered) == ([1], [2])

    def test_a_rescheduled_effect_is_retried_when_due(self, scene: Scene) -> None:
        answers = iter([[RetryAfter(60, "busy")], [Delivered()]])
        endpoint = ScriptedEndpoint(lambda _: next(answers))
        worker = scene.worker(handlers=(make_effect_handler(endpoint),))
        scene.complete_stream()
        worker.run_once()
        scene.clock.set(at(59))
        worker.run_once()
        assert len(endpoint.calls) == 1
        scene.clock.set(at(60))
        worker.run_once()
        (first,), (second,) = endpoint.calls
        assert (first.id, first.attempt, second.attempt) == (second.id, 1, 2)
        assert worker.counters[Count.EFFECTS_RETRIED] == 1
        assert scene.store.count_effects() == 0

    def test_a_refused_effect_becomes_a_dead_letter_and_blocks_no_other(self, scene: Scene) -> None:
        answers = iter([[Refused("no such user")], [Delivered()]])
        endpoint = ScriptedEndpoint(lambda _: next(answers))
        worker = scene.worker(handlers=(make_effect_handler(endpoint, "bad", "good"),))
        scene.complete_stream()
        worker.run_once()
        worker.run_once()
        assert endpoint.delivered == ["bad", "good"]
        (letter,) = scene.store.find_effects()
        assert (letter.state, letter.last_error) == (EffectState.DEAD, "no such user")
        assert worker.counters[Count.EFFECTS_DEAD] == 1

    def test_an_undelivered_effect_is_marked_dead_at_its_maximum_age(
        self, scene: Scene, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(_effects: list[Effect]) -> Any:
            raise ConnectionError("refused")

        worker = scene.worker(
            handlers=(make_effect_handler(ScriptedEndpoint(fail)),),
            outbox_max_age=timedelta(hours=2),
        )
        scene.complete_stream()
        worker.run_once()
        scene.clock.set(at(7200))
        worker.run_once()
        assert scene.store.count_effects(DEAD) == 0
        scene.clock.advance(timedelta(seconds=1))
        worker.run_once()
        (letter,) = scene.store.find_effects()
        expected = "not delivered within 2:00:00: attempts: 2, last error: ConnectionError: refused"
        assert (letter.state, letter.last_error) == (EffectState.DEAD, expected)
        assert worker.counters[Count.EFFECTS_DEAD] == 1
        assert "undelivered effects marked dead: effects=1 " in caplog.text
        assert "endpoint=handler 'h0' of pipeline 'fire'" in caplog.text

    def test_effects_of_a_removed_handler_are_marked_dead_too(self, scene: Scene) -> None:
        endpoint = ScriptedEndpoint()
        scene.complete_stream()
        scene.worker(handlers=(make_effect_handler(endpoint),)).process_ready_streams(9)
        other = scene.worker(handlers=())
        scene.clock.advance(timedelta(days=7, seconds=1))
        other.run_once()
        (letter,) = scene.store.find_effects()
        assert "no worker had handler 'h0' of pipeline 'fire'" in (letter.last_error or "")
        assert endpoint.calls == []

    def test_a_lease_lost_during_delivery_records_nothing(
        self, scene: Scene, caplog: pytest.LogCaptureFixture
    ) -> None:
        second = ScriptedEndpoint()

        def slow(effects: list[Effect]) -> Any:
            scene.clock.advance(timedelta(minutes=2))  # as if this process had been stopped
            scene.worker(handlers=(make_effect_handler(second),), name="other").run_once()
            return accept_all(effects)

        first = ScriptedEndpoint(slow)
        worker = scene.worker(handlers=(make_effect_handler(first),))
        scene.complete_stream()
        worker.run_once()
        assert first.calls[0][0].id == second.calls[0][0].id
        assert worker.counters[Count.EFFECTS_DELIVERED] == 0
        assert "leases of effects lost: effects=1 " in caplog.text
        assert scene.store.count_effects() == 0

    def test_nothing_is_claimed_after_stop(self, scene: Scene) -> None:
        endpoint = ScriptedEndpoint()
        worker = scene.worker(handlers=(make_effect_handler(endpoint),))
        scene.complete_stream()
        worker.process_ready_streams(9)
        worker.stop()
        worker.run_once()
        assert endpoint.calls == []
        assert scene.store.find_effects()[0].attempts == 0

    def test_claims_taken_during_stop_are_released(
        self, scene: Scene, at_point: dict[Failpoint, Any]
    ) -> None:
        endpoint = ScriptedEndpoint()
        worker = scene.worker(handlers=(make_effect_handler(endpoint),))
        scene.complete_stream()
        at_point[Failpoint.EFFECTS_CLAIMED] = worker.stop
        worker.run_once()
        (effect,) = scene.store.find_effects()
        assert (endpoint.calls, effect.attempts, effect.worker) == ([], 0, None)

    def test_a_failed_run_delivers_nothing(self, scene: Scene) -> None:
        class Failing:
            def handle_events(self, _events: list[Any], _env: dict[str, Any]) -> list[Any]:
                raise RuntimeError

            def commit(self) -> None:
                raise AssertionError

            def rollback(self) -> None:
                """Do nothing."""

        endpoint = ScriptedEndpoint()
        worker = scene.worker(handlers=(make_effect_handler(endpoint), Failing))
        scene.complete_stream()
        worker.run_once()
        assert scene.store.count_effects() == 0
        assert worker.counters[Count.EFFECTS_RECORDED] == 0
