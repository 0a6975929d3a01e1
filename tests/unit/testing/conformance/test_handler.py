"""The handler suite finds each fault and names it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID, uuid4, uuid5

import pytest
from voluptuous import Optional, Schema

from support.scenes.conformance_suites import assert_failure, failures_of
from winchester_core.interfaces import Delivered, PipelineHandler
from winchester_core.testing import HandlerConformance, make_event

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from winchester_core.interfaces import DeliveryOutcome, Effect
    from winchester_core.model.event import Event

IDS = UUID("5f4e7a2e-0f0c-4a8e-9a6d-3f5d6c1b2a90")
OUTSIDE: dict[str, Any] = {}
PREPARED: dict[str, Any] = {}


@pytest.fixture(autouse=True)
def _outside() -> Iterator[None]:
    """Clear the external state of the handlers before each test."""
    yield
    OUTSIDE.clear()
    PREPARED.clear()


class Writer(PipelineHandler):
    """A correct handler: prepares, writes on commit, and adds an event.

    The others have one fault each.
    """

    config_schema: ClassVar[Schema] = Schema({Optional("event_type", default="test.written"): str})

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self.key = ""

    def handle_events(self, events: list[Event], env: dict[str, Any]) -> list[Event]:
        self.key = f"{env['stream_name']}-{env['stream_id']}"
        PREPARED[self.key] = len(events)
        return [*events, *self.added(events, env)]

    def added(self, events: list[Event], env: dict[str, Any]) -> list[Event]:
        if not events:
            return []
        event_id = str(uuid5(IDS, f"{self.key} {events[0]['message_id']}"))
        return [
            make_event(self.params["event_type"], message_id=event_id, number=len(events)),
        ]

    def commit(self) -> None:
        OUTSIDE[self.key] = PREPARED.pop(self.key)

    def rollback(self) -> None:
        PREPARED.pop(self.key, None)


class ActingEarly(Writer):
    def handle_events(self, events: list[Event], env: dict[str, Any]) -> list[Event]:
        OUTSIDE["early"] = len(events)
        return super().handle_events(events, env)


class LeavingTracesOnRollback(Writer):
    def rollback(self) -> None:
        pass


class AddingAtEachCommit(Writer):
    def commit(self) -> None:
        OUTSIDE.setdefault(self.key, []).append(PREPARED.pop(self.key))


class DoingNothing(Writer):
    def commit(self) -> None:
        PREPARED.pop(self.key)


class FailingCommit(Writer):
    def commit(self) -> None:
        raise OSError("the disk is full")


class FailingRollback(Writer):
    def rollback(self) -> None:
        del PREPARED[self.key]


class RandomIds(Writer):
    def added(self, events: list[Event], env: dict[str, Any]) -> list[Event]:
        return [each | {"message_id": str(uuid4())} for each in super().added(events, env)]


class DependingOnTheAttempt(Writer):
    def added(self, events: list[Event], env: dict[str, Any]) -> list[Event]:
        return [each | {"attempt": env["attempt"]} for each in super().added(events, env)]


class KeepingOnTheClass(Writer):
    seen: ClassVar[list[str]] = []

    def added(self, events: list[Event], env: dict[str, Any]) -> list[Event]:
        self.seen.extend(event["message_id"] for event in events)
        return []


BESIDE: list[str] = []


class KeepingInTheModule(Writer):
    """Its new event depends on runs that are still open."""

    def added(self, events: list[Event], env: dict[str, Any]) -> list[Event]:
        BESIDE.append(self.key)
        return [each | {"beside": len(BESIDE)} for each in super().added(events, env)]

    def rollback(self) -> None:
        super().rollback()
        BESIDE.remove(self.key)


class DeclaringOtherTypes(Writer):
    @classmethod
    def emitted_event_types(cls, params: Mapping[str, Any]) -> list[str]:
        return ["test.other"]


class ReturningATuple(Writer):
    def handle_events(self, events: list[Event], env: dict[str, Any]) -> list[Event]:
        return tuple(events)  # type: ignore[return-value]


class ReturningNothing(Writer):
    def handle_events(self, events: list[Event], env: dict[str, Any]) -> list[Event]:
        super().handle_events(events, env)
        return None  # type: ignore[return-value]


class AddingAnInvalidEvent(Writer):
    def added(self, events: list[Event], env: dict[str, Any]) -> list[Event]:
        return [{"event_type": "test.written"}]


class NeedingEvents(Writer):
    def handle_events(self, events: list[Event], env: dict[str, Any]) -> list[Event]:
        env["begun"] = events[0]["timestamp"]
        return super().handle_events(events, env)


class NotForCancelling(Writer):
    def handle_events(self, events: list[Event], env: dict[str, Any]) -> list[Event]:
        self.verb = {"fire": "fired", "expire": "expired"}[env["reason"]]
        return super().handle_events(events, env)


class NotForExpiry(Writer):
    def handle_events(self, events: list[Event], env: dict[str, Any]) -> list[Event]:
        return super().handle_events(events, env) if env["reason"] == "fire" else None  # type: ignore[return-value]


class ChangingTheEnv(Writer):
    def handle_events(self, events: list[Event], env: dict[str, Any]) -> list[Event]:
        returned = super().handle_events(events, env)
        env["stream_name"] = "mine"
        return returned


class WithoutRollback(Writer):
    rollback = None  # type: ignore[assignment]


class TakingAnything(Writer):
    config_schema: ClassVar[Schema] = Schema({"event_type": str}, extra=True)


class ChangingParams(Writer):
    config_schema: ClassVar[Schema] = Schema(lambda params: params.setdefault("x", 1) and {})


class BreakingSchema(Writer):
    config_schema: ClassVar[Schema] = Schema(lambda params: {"event_type": params["event_type"]})


class RefusingItsParams(Writer):
    def __init__(self) -> None:
        super().__init__()


class Sender(PipelineHandler):
    """A correct handler with effects."""

    def handle_events(self, events: list[Event], env: dict[str, Any]) -> list[Event]:
        for event in events:
            env["outbox"].put({"event": event})
        return events

    def deliver(self, effects: list[Effect]) -> list[DeliveryOutcome]:
        return [Delivered() for _ in effects]


class ReturningOneResult(Sender):
    def deliver(self, effects: list[Effect]) -> list[DeliveryOutcome]:
        return [Delivered()]


class ReturningNoResults(Sender):
    def deliver(self, effects: list[Effect]) -> list[DeliveryOutcome]:
        return None  # type: ignore[return-value]


class ReturningTrue(Sender):
    def deliver(self, effects: list[Effect]) -> list[DeliveryOutcome]:
        return [True for _ in effects]  # type: ignore[misc]


class RaisingInDeliver(Sender):
    def deliver(self, effects: list[Effect]) -> list[DeliveryOutcome]:
        raise ConnectionError("nobody listens")


class QueueingNothing(Sender):
    def handle_events(self, events: list[Event], env: dict[str, Any]) -> list[Event]:
        return events


class QueueingAnObject(Sender):
    def handle_events(self, events: list[Event], env: dict[str, Any]) -> list[Event]:
        env["outbox"].put(object())
        return events


class WithoutExternalState:
    """Begins without external state."""

    def __init__(self) -> None:
        OUTSIDE.clear()
        PREPARED.clear()


class WriterSuite(HandlerConformance):
    """The suite of a writer; each test sets `plugin`."""

    def params(self) -> dict[str, Any]:
        return {"event_type": "test.written"}

    def observe_effects(self) -> Any:
        return OUTSIDE

    def observe_traces(self) -> Any:
        return {**OUTSIDE, **PREPARED}


def suite_of(handler: type[Any], suite: type[Any] = WriterSuite, **attributes: Any) -> type[Any]:
    """Return a suite for a handler, whose tests begin without external state."""
    return type("Suite", (WithoutExternalState, suite), {"plugin": handler, **attributes})


@pytest.mark.parametrize(
    ("handler", "suite"), [(Writer, WriterSuite), (Sender, HandlerConformance)]
)
def test_a_correct_handler_passes(handler: type[Any], suite: type[Any]) -> None:
    assert failures_of(suite_of(handler, suite)) == {}


LIST = "test_returns_a_list_of_valid_events"
RETRY = "test_a_second_attempt_returns_the_same_result"
SHARED = "test_instances_share_no_state"
TAKES = "test_schema_accepts_params"


@pytest.mark.parametrize(
    ("handler", "test", "message"),
    [
        (
            ActingEarly,
            "test_no_effect_before_commit",
            "ActingEarly has an effect before commit: observe_effects() has 'early' only",
        ),
        (
            LeavingTracesOnRollback,
            "test_rollback_leaves_no_trace",
            "rollback of LeavingTracesOnRollback leaves a trace",
        ),
        (
            AddingAtEachCommit,
            "test_commit_is_idempotent",
            "commit of AddingAtEachCommit is not idempotent",
        ),
        (
            DoingNothing,
            "test_effects_are_observable",
            "observe_effects shows no effect of commit of DoingNothing",
        ),
        (
            FailingCommit,
            "test_commit_works_after_an_empty_list",
            "commit of FailingCommit raised OSError: the disk is full",
        ),
        (
            FailingRollback,
            "test_rollback_works_before_handle_events",
            "rollback of FailingRollback, before handle_events, raised KeyError",
        ),
        (RandomIds, RETRY, "a second attempt gives another result: the list it returns[3]"),
        (DependingOnTheAttempt, RETRY, "['attempt'] is 1 and then 2"),
        (
            KeepingOnTheClass,
            SHARED,
            "class attribute KeepingOnTheClass.seen has changed in a run",
        ),
        (
            KeepingInTheModule,
            SHARED,
            "share state: concurrently with another run: the list it returns[3]",
        ),
        (ReturningATuple, LIST, "given 3 events: returned tuple instead of a list of events"),
        (ReturningNothing, LIST, "returned NoneType instead of a list of events"),
        (AddingAnInvalidEvent, LIST, "returned an invalid event: message_id: is missing"),
        (NotForExpiry, LIST, "returned NoneType instead of a list"),
        (NotForCancelling, LIST, "KeyError: 'cancel'"),
        (NeedingEvents, "test_accepts_an_empty_list", "given 0 events: IndexError"),
        (
            ChangingTheEnv,
            "test_leaves_the_run_facts_in_env_unchanged",
            "env['stream_name'] is 'conformance' and then 'mine'",
        ),
        (
            DeclaringOtherTypes,
            "test_declares_the_types_of_new_events",
            "adds events of types that emitted_event_types does not name: test.",
        ),
        (WithoutRollback, "test_has_the_handler_methods", "has no method rollback"),
        (
            TakingAnything,
            "test_schema_rejects_unknown_parameters",
            "accepts a parameter that does not exist",
        ),
        (ChangingParams, TAKES, "config_schema of ChangingParams changes its input"),
        (
            BreakingSchema,
            "test_schema_raises_only_invalid",
            "given None, raised TypeError",
        ),
        (RefusingItsParams, TAKES, "it must accept what its schema accepts"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_each_fault_is_found_and_named(handler: type[Any], test: str, message: str) -> None:
    assert_failure(suite_of(handler), test, message)


DELIVER = "test_deliver_returns_one_outcome_per_effect"


@pytest.mark.parametrize(
    ("handler", "test", "message"),
    [
        (ReturningOneResult, DELIVER, "must return one outcome for each effect, not 1 for 3"),
        (ReturningNoResults, DELIVER, "must return a list of outcomes, not NoneType"),
        (ReturningTrue, DELIVER, "must return Delivered, RetryAfter or Refused, not True"),
        (RaisingInDeliver, DELIVER, "raised ConnectionError: nobody listens; return RetryAfter"),
        (QueueingNothing, DELIVER, "queues no effect for the events of Suite"),
        (QueueingAnObject, LIST, "an effect's payload cannot be stored: a value of type object"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_each_fault_with_effects_is_found_and_named(
    handler: type[Any], test: str, message: str
) -> None:
    assert_failure(suite_of(handler, HandlerConformance), test, message)


def test_an_unobserved_commit_is_reported() -> None:
    assert_failure(
        suite_of(Writer, HandlerConformance),
        "test_effects_are_observable",
        "Writer overrides commit: Suite must define observe_effects",
    )


def test_a_reused_instance_is_found() -> None:
    only = Writer(event_type="test.written")
    assert_failure(
        suite_of(Writer, make_handler=lambda _self: only),
        "test_each_run_gets_a_new_instance",
        "Writer must have a new instance for each run",
    )


def test_a_commit_may_be_declared_not_idempotent() -> None:
    suite = suite_of(AddingAtEachCommit, commit_is_idempotent=False)
    assert "test_commit_is_idempotent" not in failures_of(suite)
