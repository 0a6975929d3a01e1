"""Parameters and messages of the `nats` handler."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from voluptuous import Invalid

from support.builders.effects import effect, effect_id, queued
from winchester_handlers.nats import NatsHandler
from winchester_handlers.nats.message import build_message

EVENT = {"message_id": "m1", "event_type": "a.b", "timestamp": datetime(2026, 3, 1, tzinfo=UTC)}


def test_matching_events_or_the_stream_are_queued() -> None:
    events = [EVENT, {**EVENT, "message_id": "m2", "event_type": "c"}]
    each = NatsHandler(subject="s", event_types=["a.*"])
    whole = NatsHandler(subject="s", send="stream")
    none = NatsHandler(subject="s", send="stream", event_types="x")
    assert [e.payload["event"]["message_id"] for e in queued(each, events)] == ["m1"]
    (stream,) = [e.payload["stream"] for e in queued(whole, events)]
    assert [event["message_id"] for event in stream["events"]] == ["m1", "m2"]
    assert queued(none, events) == []


def test_no_effects_need_no_connection() -> None:
    assert NatsHandler(subject="s", url="nats://nowhere.invalid").deliver([]) == []


@pytest.mark.parametrize("form", ["json", "cloudevent", "cloudevent_binary"])
def test_a_message_is_the_same_at_every_attempt(form: str) -> None:
    first, second = (
        build_message(effect({"event": EVENT}, attempt=attempt), form, "/s") for attempt in (1, 2)
    )
    assert first == second
    assert first.headers["Nats-Msg-Id"] == effect_id(1)


def test_the_size_includes_the_headers() -> None:
    message = build_message(effect({"event": EVENT}), "json", "/s")
    lines = "".join(f"{name}: {text}\r\n" for name, text in message.headers.items())
    assert message.size_bytes == len(message.body) + len(f"NATS/1.0\r\n{lines}\r\n")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "required key not provided"),
        ({"subject": "a.*"}, "expected a subject without wildcards"),
        ({"subject": "a b"}, "expected a subject without wildcards"),
        ({"subject": "a", "timeout": 0}, "expected seconds"),
        ({"subject": "a", "token": "t", "user": "u"}, "token and user exclude each other"),
        ({"subject": "a", "source": "a b"}, "expected a URI"),
    ],
)
def test_invalid_parameters(params: dict[str, Any], message: str) -> None:
    with pytest.raises(Invalid, match=message):
        NatsHandler.config_schema(params)
