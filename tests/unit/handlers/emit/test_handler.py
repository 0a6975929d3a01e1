"""The event that the emit handler makes."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from winchester_core.errors import HandlerFailed
from winchester_core.model import Event, Reason, TimeRange
from winchester_core.pipelines import HandlerSpec, PipelineDefinition, PipelineRun, StreamInfo
from winchester_core.testing import make_env, make_event, make_stream_events
from winchester_handlers.emit import EmitHandler

NOON = datetime(2024, 5, 17, 12, tzinfo=UTC)
DAY = TimeRange(NOON, NOON + timedelta(days=1))
EVENTS = make_stream_events("job.started", "job.failed", start=NOON, bytes=10)


def make_handler(event_type: str = "digest", **params: Any) -> EmitHandler:
    return EmitHandler(**EmitHandler.config_schema({"event_type": event_type, **params}))


def emitted(
    events: list[Event] = EVENTS, env: dict[str, Any] | None = None, **params: Any
) -> Event:
    """Return the new event of one handler."""
    *given, new = make_handler(**params).handle_events(events, make_env() if env is None else env)
    assert given == events
    return new


def run_of(*handlers: dict[str, Any]) -> PipelineRun:
    specs = [
        HandlerSpec("emit", EmitHandler, EmitHandler.config_schema(params)) for params in handlers
    ]
    stream = StreamInfo(7, "t", {}, Reason.FIRE, 1, NOON)
    return PipelineRun(PipelineDefinition("p", tuple(specs)), stream)


def test_the_event_has_the_traits_in_params() -> None:
    env = make_env(distinguished_by={"day": DAY, "host": "a"})
    traits = {
        "severity": "high",
        "day": {"distinguished_by": "day"},
        "host": {"distinguished_by": "host"},
        "events": {"count": "message_id"},
        "bytes": {"sum": "bytes"},
        "error": {"last": "error"},
        "last_type": {"last": "event_type"},
    }
    event = emitted(env=env, traits=traits)
    assert event == {
        "message_id": event["message_id"],
        "event_type": "digest",
        "timestamp": EVENTS[-1]["timestamp"],
        "emit_depth": 1,
        "severity": "high",
        "day": NOON,
        "host": "a",
        "events": 2,
        "bytes": 20,
        "last_type": "job.failed",
    }


@pytest.mark.parametrize(
    ("timestamp", "expected"),
    [
        ("first", NOON),
        ("last", NOON + timedelta(minutes=1)),
        ("now", NOON + timedelta(days=1)),
    ],
)
def test_the_timestamp_is_of_the_first_or_last_event_or_of_the_run(
    timestamp: str, expected: datetime
) -> None:
    env = make_env(stream_time=NOON + timedelta(days=1))
    assert emitted(env=env, timestamp=timestamp)["timestamp"] == expected


def test_a_retry_makes_the_same_event() -> None:
    assert emitted(timestamp="now") == emitted(env=make_env(attempt=2), timestamp="now")


@pytest.mark.parametrize(
    "difference",
    [
        {"stream_id": 2},
        {"stream_name": "other"},
        {"reason": "expire"},
        {"reason": "cancel"},
    ],
)
def test_another_stream_or_reason_gives_another_id(difference: dict[str, Any]) -> None:
    other = emitted(env=make_env(**difference))
    assert other["message_id"] != emitted()["message_id"]


def test_another_event_type_gives_another_id() -> None:
    assert emitted(event_type="other")["message_id"] != emitted()["message_id"]


def test_a_stream_with_the_same_id_in_another_database_gives_another_id() -> None:
    other = make_stream_events("job.started", "job.failed", start=NOON, bytes=10)
    assert emitted(other)["message_id"] != emitted()["message_id"]


def test_without_events_there_is_no_new_event() -> None:
    assert make_handler(timestamp="now").handle_events([], make_env()) == []


def test_events_of_other_emit_handlers_of_the_run_are_left_out() -> None:
    run = run_of(
        {"event_type": "a", "traits": {"n": {"count": "message_id"}}},
        {"event_type": "b", "traits": {"n": {"count": "message_id"}}},
    )
    first, second = run.handle([dict(event) for event in EVENTS])
    assert (first["event_type"], first["n"], first["emit_depth"]) == ("a", 2, 1)
    assert (second["event_type"], second["n"], second["emit_depth"]) == ("b", 2, 1)


def test_an_unknown_distinguishing_trait_fails_the_run() -> None:
    env = make_env(distinguished_by={"user": "u", "host": "h"})
    with pytest.raises(ValueError, match="no distinguishing trait 'usr'; it has: host, user"):
        emitted(env=env, traits={"user": {"distinguished_by": "usr"}})


@pytest.mark.parametrize(
    ("depths", "expected"),
    [
        ([None], 1),
        ([1, 3, 2, None], 4),
        ([14], 15),
        (["9", True, 8.0, -3], 1),
    ],
)
def test_the_depth_is_one_more_than_the_greatest_of_the_events(
    depths: list[Any], expected: int
) -> None:
    events = [make_event("a", emit_depth=depth) for depth in depths]
    assert emitted(events)["emit_depth"] == expected


@pytest.mark.parametrize("depth", [15, 2**63 - 1])
def test_a_depth_of_16_fails_the_run(depth: int) -> None:
    with pytest.raises(HandlerFailed) as caught:
        run_of({"event_type": "digest"}).handle([make_event("a", emit_depth=depth)])
    assert caught.value.handler == "emit"
    assert f"'digest' would have an emit_depth of {depth + 1}, and 16 is not" in str(caught.value)
    assert "circle" in str(caught.value)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([2**63 - 1, 1], "an integer beyond signed 64 bits"),
        ([1e308, 1e308], "inf cannot be stored by every database"),
    ],
)
def test_a_sum_that_cannot_be_stored_is_dropped_logged_and_counted(
    values: list[Any], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    run = run_of({"event_type": "digest", "traits": {"n": {"sum": "x"}, "m": {"max": "x"}}})
    with caplog.at_level(logging.WARNING):
        (event,) = run.handle([make_event("a", x=value) for value in values])
    assert "n" not in event
    assert event["m"] == max(values)
    assert run.dropped_traits == 1
    assert f"trait=n reason={reason}" in caplog.text


def test_the_type_of_the_new_event_is_declared() -> None:
    params = EmitHandler.config_schema({"event_type": "digest"})
    assert list(EmitHandler.emitted_event_types(params)) == ["digest"]
