"""Run of a pipeline: input of handlers, saved events, failures."""

from __future__ import annotations

import logging
import subprocess
import sys
import tracemalloc
from asyncio import CancelledError
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from winchester_core.errors import HandlerFailed, InvalidEvent
from winchester_core.interfaces import PipelineHandler
from winchester_core.model.stream import Reason
from winchester_core.pipelines import (
    HandlerSpec,
    PipelineDefinition,
    PipelineRun,
    StreamInfo,
    new_handler,
)

NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)
STREAM = StreamInfo(7, "usage", {"instance_id": "i-1"}, Reason.FIRE, 2, NOON)
Handle = Callable[[list[Any], dict[str, Any]], Any]


def event(message_id: str, **traits: Any) -> dict[str, Any]:
    return {"message_id": message_id, "event_type": "test.thing", "timestamp": NOON} | traits


def handler(
    handle: Handle = lambda events, _env: events,
    commit: Callable[[], object] = lambda: None,
    rollback: Callable[[], object] = lambda: None,
) -> type[PipelineHandler]:
    """Return a handler class made of three functions."""

    class Handler(PipelineHandler):
        def handle_events(self, events: list[Any], env: dict[str, Any]) -> Any:
            return handle(events, env)

        def commit(self) -> None:
            commit()

        def rollback(self) -> None:
            rollback()

    return Handler


def run_of(*classes: Callable[..., Any], **options: Any) -> PipelineRun:
    """Return a run of handlers h1, h2, ..."""
    specs = tuple(HandlerSpec(f"h{number}", c) for number, c in enumerate(classes, 1))
    return PipelineRun(PipelineDefinition("bills", specs), STREAM, **options)


def adding(*added: Any) -> type[PipelineHandler]:
    return handler(lambda events, _env: [*events, *added])


def raising(error: BaseException) -> Callable[..., Any]:
    def fail(*_args: Any) -> Any:
        raise error

    return fail


def test_env_has_the_documented_keys() -> None:
    seen: dict[str, Any] = {}
    run_of(handler(lambda events, env: seen.update(env) or events)).handle([])
    assert seen == {
        "stream_id": 7,
        "stream_name": "usage",
        "distinguished_by": {"instance_id": "i-1"},
        "reason": "fire",
        "attempt": 2,
        "stream_time": NOON,
        "stream_url": None,
        "outbox": seen["outbox"],
    }
    assert type(seen["reason"]) is str


def test_handlers_of_a_run_share_one_env() -> None:
    def write(events: list[Any], env: dict[str, Any]) -> list[Any]:
        env["note"] = "from the first"
        return events

    read: list[str] = []
    run_of(handler(write), handler(lambda events, env: read.append(env["note"]) or events)).handle(
        []
    )
    assert read == ["from the first"]


def test_a_handler_sees_the_events_in_the_order_given() -> None:
    seen: list[str] = []
    take = handler(lambda events, _env: seen.extend(e["message_id"] for e in events) or events)
    run_of(take).handle([event("b"), event("a"), event("c")])
    assert seen == ["b", "a", "c"]


def test_changes_to_given_events_reach_later_handlers_and_are_not_stored() -> None:
    given = [event("a", state="active")]

    def change(events: list[Any], _env: object) -> list[Any]:
        events[0]["state"] = "gone"
        return events

    seen: list[str] = []
    look = handler(lambda events, _env: seen.append(events[0]["state"]) or events)
    assert run_of(handler(change), look).handle(given) == ()
    assert seen == ["gone"]


def test_new_events_have_unknown_ids_and_keep_the_order_of_first_appearance() -> None:
    new = run_of(adding(event("n2")), adding(event("n1"))).handle([event("a")])
    assert [e["message_id"] for e in new] == ["n2", "n1"]


def test_a_handler_may_filter_given_events() -> None:
    seen: list[int] = []
    count = handler(lambda events, _env: seen.append(len(events)) or events)
    assert run_of(handler(lambda _events, _env: []), count).handle([event("a")]) == ()
    assert seen == [0]


def test_a_new_event_filtered_out_by_a_later_handler_is_not_saved() -> None:
    assert run_of(adding(event("n")), handler(lambda ev, _env: ev[:1])).handle([event("a")]) == ()


def test_a_later_handlers_change_to_a_new_event_is_saved() -> None:
    def price(events: list[Any], _env: object) -> list[Any]:
        events[-1]["price"] = 3
        return events

    new = run_of(adding(event("n")), handler(price)).handle([event("a")])
    assert new == (event("n", price=3),)


def test_new_events_are_cleaned_and_dropped_traits_are_logged_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    there = datetime(2026, 3, 14, 14, tzinfo=timezone(timedelta(hours=2)))
    dirty = event("n", timestamp=there, none=None, many=[1], fine=1.0)
    run = run_of(adding(dirty), handler())
    assert run.handle([event("a")]) == (event("n", fine=1.0),)
    assert run.dropped_traits == 1
    records = [r.getMessage() for r in caplog.records]
    assert records == [
        (
            "trait of a new event dropped: pipeline=bills stream=7 event=n trait=many "
            "reason=a trait cannot be of type list"
        )
    ]


def test_a_new_event_listed_twice_is_saved_once(caplog: pytest.LogCaptureFixture) -> None:
    same = event("n")
    assert run_of(adding(same, same, event("n"))).handle([]) == (same,)
    assert caplog.records == []


def test_two_different_new_events_with_one_id_keep_the_first_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert run_of(adding(event("n", a=1), event("n", a=2)), handler()).handle([]) == (
        event("n", a=1),
    )
    assert [r.getMessage() for r in caplog.records] == [
        "different new events with the same id, using the first: pipeline=bills stream=7 event=n"
    ]


class Abort(BaseException):
    """An exception of a library that is no `Exception`."""


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no price"),
        SystemExit(3),
        RecursionError("deep"),
        CancelledError(),
        Abort(),
        BaseExceptionGroup("several", [Abort(), ValueError("one")]),
    ],
)
def test_an_exception_in_a_handler_fails_the_run_with_its_cause(error: BaseException) -> None:
    with pytest.raises(HandlerFailed) as caught:
        run_of(handler(), handler(raising(error))).handle([event("a")])
    assert (caught.value.pipeline, caught.value.handler) == ("bills", "h2")
    assert type(error).__name__ in caught.value.reason
    assert caught.value.__cause__ is error


def test_a_failure_reason_shows_no_password() -> None:
    error = ConnectionError("amqp://guest:sesame@rabbit/ refused")
    with pytest.raises(HandlerFailed) as caught:
        run_of(handler(raising(error))).handle([])
    assert caught.value.reason == "ConnectionError: amqp://guest:***@rabbit/ refused"


def test_an_exception_that_cannot_be_printed_fails_the_run() -> None:
    class UnspeakableError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    with pytest.raises(HandlerFailed) as caught:
        run_of(handler(raising(UnspeakableError()))).handle([])
    assert caught.value.reason == "UnspeakableError: (its message cannot be shown)"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), GeneratorExit()])
def test_exceptions_that_stop_the_program_propagate(error: BaseException) -> None:
    with pytest.raises(type(error)):
        run_of(handler(raising(error))).handle([])


@pytest.mark.parametrize("error", [TypeError("unexpected keyword"), SystemExit(1), Abort()])
def test_a_handler_whose_constructor_fails_fails_the_run(error: BaseException) -> None:
    with pytest.raises(HandlerFailed) as caught:
        run_of(handler(), raising(error)).handle([])
    assert (caught.value.handler, caught.value.__cause__) == ("h2", error)
    assert caught.value.reason.startswith("cannot be created: ")


FORKING_RUN = """
import os, sys
from datetime import UTC, datetime
from winchester_core.model.stream import Reason
from winchester_core.pipelines import HandlerSpec, PipelineDefinition, PipelineRun, StreamInfo

class Handler:
    def __init__(self):
        self.fork_in("__init__")
    def handle_events(self, events, env):
        self.fork_in("handle_events")
        return events
    def commit(self):
        self.fork_in("commit")
    def fork_in(self, phase):
        if phase == sys.argv[1]:
            child = os.fork()
            if not child and sys.argv[2:]:
                print("in the child")
                raise eval(sys.argv[2])
            if child:
                print("child ended with", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

run = PipelineRun(
    PipelineDefinition("bills", (HandlerSpec("h", Handler),)),
    StreamInfo(7, "usage", {}, Reason.FIRE, 1, datetime(2026, 3, 14, tzinfo=UTC)),
)
run.handle([])
run.commit()
print("completed", flush=True)
"""


@pytest.mark.parametrize("phase", ["__init__", "handle_events", "commit"])
def test_a_child_that_a_handler_forked_ends_when_its_call_returns(phase: str) -> None:
    command = [sys.executable, "-W", "ignore", "-c", FORKING_RUN, phase]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ended.stdout == "child ended with 1\ncompleted\n"


@pytest.mark.parametrize(
    ("raised", "status", "error"),
    [
        ("SystemExit(3)", 3, ""),
        ("SystemExit()", 0, ""),
        ("SystemExit('no such file')", 1, "no such file\n"),
        ("ValueError('token=swordfish')", 1, "ValueError: token=***\n"),
    ],
)
@pytest.mark.parametrize("phase", ["__init__", "handle_events", "commit"])
def test_a_child_that_raises_ends_with_its_own_status_and_output(
    phase: str, raised: str, status: int, error: str
) -> None:
    command = [sys.executable, "-W", "ignore", "-c", FORKING_RUN, phase, raised]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ended.stdout == f"in the child\nchild ended with {status}\ncompleted\n"
    assert ended.stderr.endswith(error)
    assert ended.stderr.count("Traceback") == ("ValueError" in raised)


@pytest.mark.parametrize("result", [None, (), {}, "events", iter([])])
def test_a_return_value_that_is_not_a_list_fails_the_run(result: object) -> None:
    with pytest.raises(HandlerFailed, match="instead of a list") as caught:
        run_of(handler(lambda _events, _env: result), handler()).handle([event("a")])
    assert caught.value.handler == "h1"


def test_an_item_that_is_not_a_dict_fails_the_run() -> None:
    with pytest.raises(HandlerFailed, match="returned NoneType among the events") as caught:
        run_of(adding(None), handler()).handle([])
    assert caught.value.handler == "h1"


@pytest.mark.parametrize(
    ("bad", "key"),
    [
        ({"event_type": "t", "timestamp": NOON}, "message_id"),
        ({"message_id": ["n"], "event_type": "t", "timestamp": NOON}, "message_id"),
        ({"message_id": "n", "event_type": "", "timestamp": NOON}, "event_type"),
        ({"message_id": "n", "event_type": "t", "timestamp": 5}, "timestamp"),
    ],
)
def test_an_invalid_new_event_fails_the_run_naming_its_handler_and_key(
    bad: dict[str, Any], key: str
) -> None:
    dropping = handler(lambda events, _env: events[:1])
    with pytest.raises(HandlerFailed) as caught:
        run_of(handler(), adding(bad), dropping).handle([event("a")])
    assert caught.value.handler == "h2"
    assert key in caught.value.reason
    assert isinstance(caught.value.__cause__, InvalidEvent)


def test_each_run_has_new_handler_instances() -> None:
    made: list[object] = []

    class Remembering(PipelineHandler):
        def handle_events(self, events: list[Any], env: dict[str, Any]) -> list[Any]:
            made.append(self)
            return events

    for _ in range(2):
        run_of(Remembering).handle([])
    assert made[0] is not made[1]


def test_a_handler_cannot_change_the_params_of_the_next_run() -> None:
    spec = HandlerSpec("s", PipelineHandler, {"types": ["a", {"b": [1]}], "level": 3})
    first = new_handler(spec)
    first.params["types"].append("c")
    first.params["types"][1]["b"].append(2)
    assert new_handler(spec).params == {"types": ["a", {"b": [1]}], "level": 3}


def test_a_run_cannot_be_reused() -> None:
    run = run_of(handler())
    run.handle([])
    with pytest.raises(RuntimeError):
        run.handle([])


def test_commit_calls_every_handler_in_order() -> None:
    calls: list[int] = []
    run = run_of(handler(commit=lambda: calls.append(1)), handler(commit=lambda: calls.append(2)))
    run.handle([])
    assert (run.commit(), calls) == ((), [1, 2])


@pytest.mark.parametrize("phase", ["commit", "rollback"])
@pytest.mark.parametrize(
    "error", [OSError("password=sesame"), SystemExit(1), CancelledError(), Abort()]
)
def test_an_error_in_commit_or_rollback_is_logged_and_the_other_handlers_are_called(
    phase: str, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[str] = []
    run = run_of(
        handler(**{phase: raising(error)}),
        handler(commit=lambda: calls.append("commit"), rollback=lambda: calls.append("rollback")),
    )
    run.handle([])
    (fault,) = getattr(run, phase)()
    assert (fault.handler, fault.phase, calls) == ("h1", phase, [phase])
    assert type(error).__name__ in fault.traceback_text
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert f"phase={phase} pipeline=bills handler=h1 stream=7" in record.getMessage()
    assert "sesame" not in record.getMessage() + fault.traceback_text


def test_an_interrupt_in_commit_propagates() -> None:
    run = run_of(handler(commit=raising(KeyboardInterrupt())))
    run.handle([])
    with pytest.raises(KeyboardInterrupt):
        run.commit()


def test_rollback_reaches_handlers_created_before_one_failed_to_construct() -> None:
    calls: list[int] = []
    run = run_of(handler(rollback=lambda: calls.append(1)), raising(ValueError()))
    with pytest.raises(HandlerFailed):
        run.handle([])
    assert (run.rollback(), calls) == ((), [1])


def test_a_run_of_a_large_stream_uses_little_memory_beyond_its_events() -> None:
    count = 5_000
    tracemalloc.start()
    try:
        events = [
            event(f"m{n}", **{f"{t}_{n}": f"value {t} of {n}" for t in "abcdefgh"})
            for n in range(count)
        ]
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        run_of(handler(), handler(lambda given, _env: list(given))).handle(events)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1.2 * before


@pytest.mark.parametrize(
    ("root", "url"),
    [(None, None), ("https://site.example.org/w", "https://site.example.org/w/streams/7")],
)
def test_env_has_the_url_of_the_stream(root: str | None, url: str | None) -> None:
    seen = []
    handle = handler(lambda events, env: seen.append(env["stream_url"]) or events)
    definition = PipelineDefinition("bills", (HandlerSpec("h1", handle),))

    PipelineRun(definition, STREAM._replace(console_root=root)).handle([event("m1")])

    assert seen == [url]
