"""Messages queued by the notabene handler, and its params."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from voluptuous import Invalid

from support.builders.effects import queued
from winchester_handlers.notabene import NotabeneHandler
from winchester_handlers.notabene.handler import _body
from winchester_handlers.usage import UsageHandler

REQUIRED = {"exchange": "nova", "queue_name": "monitor.info"}
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def event(event_type: str, **traits: Any) -> Any:
    return {"message_id": event_type, "event_type": event_type, "timestamp": NOON, **traits}


def make_handler(**params: Any) -> NotabeneHandler:
    return NotabeneHandler(**NotabeneHandler.config_schema(REQUIRED | params))


def payloads(handler: NotabeneHandler, *events: Any, **env: Any) -> list[Any]:
    return [effect.payload for effect in queued(handler, events, env)]


def test_the_lists_in_env_are_published_in_order() -> None:
    handler = make_handler(env_keys=["first", "none", "second"])
    nested = {"payload": {"at": NOON, "list": [1, None, {"x": True}]}}

    published = payloads(handler, event("a"), second=[{"n": 3}], first=[nested, {"n": 2}])

    assert published == [nested, {"n": 2}, {"n": 3}]


def test_matching_events_are_published_after_the_lists() -> None:
    handler = make_handler(env_keys=["messages"], event_types=["a.*", "!a.b"])

    published = payloads(handler, event("a.a"), event("a.b"), event("c"), messages=[{"n": 1}])

    assert published == [{"n": 1}, event("a.a")]


def test_nothing_is_published_without_keys_and_event_types() -> None:
    assert payloads(make_handler(), event("a"), messages=[{"n": 1}]) == []


@pytest.mark.parametrize("value", [{"n": 1}, "text", ({"n": 1},), None])
def test_a_value_that_is_not_a_list_fails_the_run(value: Any) -> None:
    with pytest.raises(TypeError, match=r"env\['messages'\] must be a list of notifications"):
        payloads(make_handler(env_keys=["messages"]), messages=value)


def test_verdicts_of_the_usage_handler_can_be_published_from_env() -> None:
    env: dict[str, Any] = {"stream_id": 7}
    added = UsageHandler().handle_events([event("compute.instance.exists", state="active")], env)[
        1:
    ]

    published = payloads(make_handler(env_keys=["usage_notifications"]), **env)

    assert [each["event_type"] for each in published] == ["compute.instance.exists.failed"]
    assert published == added


def test_datetimes_are_iso_texts_at_any_depth() -> None:
    body = _body({"at": NOON, "inner": [{"at": NOON.replace(microsecond=5)}], "ß": '<&"'})

    assert body.decode() == (
        '{"at":"2026-03-01T12:00:00+00:00",'
        '"inner":[{"at":"2026-03-01T12:00:00.000005+00:00"}],"ß":"<&\\""}'
    )


def test_the_schema_states_every_default() -> None:
    assert make_handler().params == {
        **REQUIRED,
        "host": "localhost",
        "port": 5672,
        "user": "guest",
        "password": "guest",
        "vhost": "/",
        "url": None,
        "exchange_type": "topic",
        "env_keys": [],
        "event_types": None,
        "tls": None,
        "timeout": 30,
        "library": None,
    }


@pytest.mark.parametrize(
    "params",
    [
        {"exchange": ""},
        {"exchange_type": "star"},
        {"queue_name": "x" * 256},
        {"port": "5672"},
        {"port": 0},
        {"port": True},
        {"url": "http://example.org"},
        {"env_keys": "usage_notifications"},
        {"event_types": []},
        {"tls": "yes"},
        {"tls": {"verify": False}},
        {"tls": {"ca_file": "/nowhere/ca.pem"}},
        {"tls": {"ca_file": "x" * 300}},
        {"timeout": 0},
        {"queue": "x"},
    ],
)
def test_the_schema_refuses(params: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        NotabeneHandler.config_schema(REQUIRED | params)


@pytest.mark.parametrize("missing", REQUIRED)
def test_exchange_and_queue_are_required(missing: str) -> None:
    with pytest.raises(Invalid):
        NotabeneHandler.config_schema({key: REQUIRED[key] for key in REQUIRED if key != missing})
