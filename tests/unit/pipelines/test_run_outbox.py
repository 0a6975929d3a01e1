"""Effects that the handlers of a run queue."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from support.builders.events import NOON
from winchester_core.errors import EffectNotQueued, HandlerFailed, UnstorablePayload
from winchester_core.interfaces import Delivered, DeliveryOutcome, Effect, PipelineHandler
from winchester_core.model.effect import Endpoint
from winchester_core.model.json import load_payload
from winchester_core.model.stream import Reason
from winchester_core.pipelines import HandlerSpec, PipelineDefinition, PipelineRun, StreamInfo

STREAM = StreamInfo(7, "usage", {"instance_id": "i-1"}, Reason.FIRE, 2, NOON)
Act = Callable[[Any], object]


def nothing(_outbox: Any) -> None:
    """Leave the outbox alone."""


def sender(
    on_handle: Act = nothing, on_commit: Act = nothing, on_rollback: Act = nothing
) -> type[PipelineHandler]:
    """Return a handler that delivers; its functions get the current env["outbox"]."""

    class Sender(PipelineHandler):
        def handle_events(self, events: list[Any], env: dict[str, Any]) -> list[Any]:
            self._env = env
            on_handle(env["outbox"])
            return events

        def commit(self) -> None:
            on_commit(self._env["outbox"])

        def rollback(self) -> None:
            on_rollback(self._env["outbox"])

        def deliver(self, effects: list[Effect]) -> list[DeliveryOutcome]:
            return [Delivered() for _ in effects]

    return Sender


def without_deliver(on_handle: Act) -> type[PipelineHandler]:
    """Return a handler without `deliver`."""

    class Mute(PipelineHandler):
        def handle_events(self, events: list[Any], env: dict[str, Any]) -> list[Any]:
            on_handle(env["outbox"])
            return events

    return Mute


def putting(*payloads: Any) -> Act:
    return lambda outbox: [outbox.put(payload) for payload in payloads]


def run_of(*entries: tuple[str, type[PipelineHandler]]) -> PipelineRun:
    specs = tuple(HandlerSpec(name, handler_class) for name, handler_class in entries)
    return PipelineRun(PipelineDefinition("bills", specs), STREAM)


def sent(run: PipelineRun) -> list[tuple[str, int, Any]]:
    return [
        (each.endpoint.handler, each.endpoint.place, load_payload(each.payload))
        for each in run.effects
    ]


def test_effects_of_handle_and_commit_keep_their_order() -> None:
    run = run_of(
        ("mail", sender(putting(1, 2), putting(5))), ("http", sender(putting(3), putting(6)))
    )
    run.handle([])
    assert sent(run) == [("mail", 0, 1), ("mail", 0, 2), ("http", 0, 3)]
    assert run.commit() == ()
    assert sent(run)[3:] == [("mail", 0, 5), ("http", 0, 6)]


def test_each_effect_has_a_unique_id() -> None:
    ids: list[str] = []
    run = run_of(("mail", sender(lambda outbox: ids.extend(outbox.put(n) for n in range(3)))))
    run.handle([])
    assert [each.id for each in run.effects] == ids
    assert len(set(ids)) == 3


def test_a_retained_outbox_belongs_to_its_handler() -> None:
    kept: list[Any] = []
    run = run_of(
        ("mail", sender(kept.append, lambda _: kept[0].put("late"))), ("http", sender(kept.append))
    )
    run.handle([])
    run.commit()
    assert sent(run) == [("mail", 0, "late")]


def test_two_entries_of_one_handler_are_distinct() -> None:
    run = run_of(*(("mail", sender(putting(n))) for n in range(2)), ("http", sender(putting(2))))
    run.handle([])
    assert sent(run) == [("mail", 0, 0), ("mail", 1, 1), ("http", 0, 2)]


def test_a_payload_is_copied_when_queued() -> None:
    payload = {"at": datetime(2024, 5, 17, tzinfo=UTC)}

    def put_and_change(outbox: Any) -> None:
        outbox.put(payload)
        payload.clear()

    run = run_of(("mail", sender(put_and_change)))
    run.handle([])
    assert sent(run) == [("mail", 0, {"at": datetime(2024, 5, 17, tzinfo=UTC)})]


def test_effects_survive_a_commit_that_fails_after_queueing() -> None:
    def put_and_fail(outbox: Any) -> None:
        outbox.put("sent all the same")
        raise RuntimeError

    run = run_of(("mail", sender(on_commit=put_and_fail)), ("http", sender(on_commit=putting(2))))
    run.handle([])
    assert [fault.handler for fault in run.commit()] == ["mail"]
    assert sent(run) == [("mail", 0, "sent all the same"), ("http", 0, 2)]


def test_effects_of_a_failed_run_are_discarded() -> None:
    def fail(_outbox: Any) -> None:
        raise RuntimeError

    run = run_of(("mail", sender(putting(1))), ("http", sender(fail)))
    with pytest.raises(HandlerFailed):
        run.handle([])
    run.rollback()
    assert run.effects == ()


def test_a_handler_without_deliver_fails_the_run() -> None:
    run = run_of(("mail", sender()), ("counter", without_deliver(putting(1))))
    message = r"pipeline 'bills', handler 'counter': has no method deliver"
    with pytest.raises(HandlerFailed, match=message) as failed:
        run.handle([])
    assert isinstance(failed.value.__cause__, EffectNotQueued)


def test_an_unstorable_payload_fails_the_run_and_is_located() -> None:
    run = run_of(("mail", sender(putting({"to": [{"ids": {1, 2}}]}))))
    message = r"handler 'mail': an effect's payload\.to\[0\]\.ids cannot be stored: .* type set"
    with pytest.raises(HandlerFailed, match=message) as failed:
        run.handle([])
    assert isinstance(failed.value.__cause__.__cause__, UnstorablePayload)  # type: ignore[union-attr]
    assert run.effects == ()


def test_nothing_is_queued_after_the_run() -> None:
    kept: list[Any] = []
    run = run_of(("mail", sender(kept.append)))
    run.handle([])
    run.commit()
    with pytest.raises(EffectNotQueued, match="'bills', handler 'mail': the run has ended"):
        kept[0].put(1)
    assert run.effects == ()


def test_nothing_is_queued_in_a_rollback() -> None:
    run = run_of(("mail", sender(on_rollback=putting(1))))
    run.handle([])
    (fault,) = run.rollback()
    assert "the run has ended" in fault.traceback_text
    assert run.effects == ()


def test_an_endpoint_is_named_by_pipeline_entry_and_position() -> None:
    handlers = tuple(HandlerSpec(name, sender()) for name in ("mail", "http", "mail"))
    endpoints = [endpoint for endpoint, _ in PipelineDefinition("bills", handlers).endpoints]
    assert endpoints == [
        Endpoint("bills", "mail"),
        Endpoint("bills", "http"),
        Endpoint("bills", "mail", 1),
    ]
    assert str(endpoints[2]) == "handler 'mail' (2) of pipeline 'bills'"


def put_for(receiver: str | None) -> Callable[[Any, Any], Any]:
    def handle(events: Any, env: Any) -> Any:
        env["outbox"].put(1, receiver=receiver)
        return events

    return handle


def run_with_receivers(receiver: str | None, *receivers: str) -> PipelineRun:
    class Sender(PipelineHandler):
        handle_events = staticmethod(put_for(receiver))  # type: ignore[assignment]

        def deliver(self, effects: Any) -> Any: ...

    spec = HandlerSpec("notify", Sender, receivers=receivers)
    return PipelineRun(PipelineDefinition("bills", (spec,)), STREAM)


def test_an_effect_belongs_to_its_receiver() -> None:
    run = run_with_receivers("chat", "mail", "chat")
    run.handle([])
    assert [effect.endpoint for effect in run.effects] == [Endpoint("bills", "notify:chat")]


@pytest.mark.parametrize(
    ("receiver", "receivers", "known"),
    [(None, ("mail", "chat"), "mail, chat"), ("sms", ("mail",), "mail"), ("mail", (), "none")],
)
def test_an_effect_for_an_unknown_receiver_is_not_queued(
    receiver: str | None, receivers: tuple[str, ...], known: str
) -> None:
    run = run_with_receivers(receiver, *receivers)
    message = f"has no receiver {receiver!r}; its receivers: {known}"
    with pytest.raises(HandlerFailed, match=message):
        run.handle([])
    assert run.effects == ()
