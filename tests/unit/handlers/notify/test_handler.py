"""Messages that notify queues: one for each target, rendered when the stream is processed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from support.builders.effects import effect
from winchester_core.interfaces import RetryAfter
from winchester_core.interfaces.templates import TemplateFailed
from winchester_core.testing import make_env, make_event
from winchester_handlers.notify import NotifyHandler

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TARGETS = {"one": "json://one.example.org", "two": "json://two.example.org"}
EVENTS = [
    make_event("disk.full", message_id="m1", timestamp=NOON, size=1),
    make_event("disk.freed", message_id="m2", timestamp=NOON, size=2),
]


def handled(events: list[Any] = EVENTS, **params: Any) -> Any:
    """Return the outbox after the handler has processed the events."""
    given = {"targets": TARGETS, "body": "{{ stream.count }} events"} | params
    env = make_env(stream_name="disks", reason="expire", stream_url="https://w/streams/1")
    handler = NotifyHandler(**NotifyHandler.config_schema(given))
    assert handler.handle_events(list(events), env) == list(events)
    return env["outbox"]


def test_each_target_gets_the_message_of_the_stream() -> None:
    outbox = handled(body="{{ stream.count }} {{ stream_url }}", type={"expire": "failure"})

    message = {
        "title": "disks: expire",
        "body": "2 https://w/streams/1",
        "type": "failure",
        "format": "text",
    }
    assert outbox.payloads == [{"target": "one", **message}, {"target": "two", **message}]
    assert outbox.receivers == ["one", "two"]


def test_each_event_may_have_a_message() -> None:
    outbox = handled(send="event", targets={"one": TARGETS["one"]}, body="{{ event.size }}")

    assert [payload["body"] for payload in outbox.payloads] == ["1", "2"]


def test_only_matching_events_count() -> None:
    outbox = handled(event_types="*.full", targets={"one": TARGETS["one"]})

    assert [payload["body"] for payload in outbox.payloads] == ["1 events"]
    assert handled(event_types="other.*").payloads == []
    assert handled([]).payloads == []


def test_an_empty_text_is_not_sent() -> None:
    body = "{% if event.size > 1 %}large{% endif %}\n"
    outbox = handled(send="event", targets={"one": TARGETS["one"]}, body=body)

    assert [payload["body"] for payload in outbox.payloads] == ["large"]


def test_a_template_that_fails_fails_the_run() -> None:
    with pytest.raises(TemplateFailed, match=r"the template 'body', line 1: .* no attribute 'sze'"):
        handled(body="{{ first.sze }}")


def test_receivers_are_the_targets() -> None:
    assert NotifyHandler.effect_receivers({"targets": TARGETS}) == ("one", "two")


def test_an_effect_of_another_handler_is_delayed() -> None:
    handler = NotifyHandler(**NotifyHandler.config_schema({"targets": TARGETS, "body": "text"}))
    (outcome,) = handler.deliver([effect({"event": EVENTS[0]})])
    assert isinstance(outcome, RetryAfter)
