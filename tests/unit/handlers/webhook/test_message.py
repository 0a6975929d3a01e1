"""Requests of the webhook handler: event, stream and CloudEvents, and the signature."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import pytest
from voluptuous import Invalid

from support.builders.effects import CREATED_AT, effect_id, queued
from winchester_core.model.event import clean_event
from winchester_core.model.json import read_event
from winchester_core.model.time_range import TimeRange
from winchester_handlers.webhook import WebhookHandler
from winchester_handlers.webhook.message import build_request, signature_headers

URL = "https://hooks.example.org/x"
NOON = datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=UTC)


def event(event_type: str = "order.placed", message_id: str = "m1", **traits: Any) -> Any:
    return {"message_id": message_id, "event_type": event_type, "timestamp": NOON, **traits}


def make_handler(**params: Any) -> WebhookHandler:
    return WebhookHandler(**WebhookHandler.config_schema({"url": URL, **params}))


def requests(handler: WebhookHandler, *events: Any, **env: Any) -> list[Any]:
    source, form = handler.params["source"], handler.params["format"]
    return [build_request(each, form, source) for each in queued(handler, events, env)]


def test_each_matching_event_is_one_message() -> None:
    handler = make_handler(event_types=["order.*", "!*.draft"])

    messages = requests(handler, event(), event("order.draft"), event("other"), event("order.paid"))

    assert [json.loads(each.body)["event_type"] for each in messages] == [
        "order.placed",
        "order.paid",
    ]
    assert all(each.headers == {"Content-Type": "application/json"} for each in messages)


def test_an_event_round_trips() -> None:
    sent = event(paid_at=NOON, total=1.5, count=2, is_new=True, note='a "quoted" <ß>')

    (message_,) = requests(make_handler(), sent)

    read, drops = read_event(json.loads(message_.body))
    assert (clean_event(read).event, drops) == (sent, [])


def test_a_stream_is_one_message_with_its_matching_events() -> None:
    day = TimeRange(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC))
    handler = make_handler(send="stream", event_types="order.*")

    (message_,) = requests(
        handler, event(), event("other"), distinguished_by={"shop": 3, "timestamp": day}
    )

    assert json.loads(message_.body) == {
        "stream_id": 7,
        "stream_name": "lifecycle",
        "reason": "fire",
        "distinguished_by": {
            "shop": 3,
            "timestamp": {
                "begin": "2026-03-01T00:00:00+00:00",
                "end": "2026-03-02T00:00:00+00:00",
            },
        },
        "events": [
            {
                "message_id": "m1",
                "event_type": "order.placed",
                "timestamp": "2026-03-01T12:00:00.000005+00:00",
            }
        ],
    }


def test_a_stream_without_matching_events_sends_no_message() -> None:
    assert requests(make_handler(send="stream", event_types="order.*"), event("other")) == []


def test_a_structured_cloudevent_has_the_event_as_its_data() -> None:
    (message_,) = requests(
        make_handler(format="cloudevent", source="https://example.org/w"), event(total=1)
    )

    assert message_.headers == {"Content-Type": "application/cloudevents+json"}
    assert json.loads(message_.body) == {
        "specversion": "1.0",
        "id": "m1",
        "source": "https://example.org/w",
        "type": "order.placed",
        "time": "2026-03-01T12:00:00.000005+00:00",
        "datacontenttype": "application/json",
        "data": {
            "message_id": "m1",
            "event_type": "order.placed",
            "timestamp": "2026-03-01T12:00:00.000005+00:00",
            "total": 1,
        },
    }


def test_a_binary_cloudevent_has_its_attributes_as_headers() -> None:
    special = 'ß "50 %"\r\nX: y'

    (message_,) = requests(make_handler(format="cloudevent_binary"), event(message_id=special))

    assert message_.headers["Content-Type"] == "application/json"
    assert message_.headers["ce-specversion"] == "1.0"
    assert message_.headers["ce-source"] == "/winchester"
    assert message_.headers["ce-type"] == "order.placed"
    assert message_.headers["ce-id"] == "%C3%9F%20%2250%20%25%22%0D%0AX:%20y"
    assert unquote(message_.headers["ce-id"]) == special
    assert json.loads(message_.body)["message_id"] == special


def test_a_stream_cloudevent_has_the_id_of_its_effect() -> None:
    (message_,) = requests(
        make_handler(format="cloudevent", send="stream"), event(), reason="expire"
    )

    payload = json.loads(message_.body)
    assert (payload["id"], payload["type"]) == (effect_id(1), "winchester.stream.expire")
    assert (payload["subject"], payload["time"]) == ("lifecycle", CREATED_AT.isoformat())
    assert payload["data"]["reason"] == "expire"


@pytest.mark.parametrize(
    ("secret", "key"),
    [("correct horse", b"correct horse"), ("whsec_" + base64.b64encode(b"\0k").decode(), b"\0k")],
)
def test_the_signature_covers_id_time_and_body(secret: str, key: bytes) -> None:
    headers = signature_headers(secret, "e1", 1767225600, b'{"a": 1}')

    digest = hmac.new(key, b'e1.1767225600.{"a": 1}', hashlib.sha256).digest()
    assert headers == {
        "Webhook-Id": "e1",
        "Webhook-Timestamp": "1767225600",
        "Webhook-Signature": "v1," + base64.b64encode(digest).decode(),
    }


def test_the_signature_matches_the_published_example() -> None:
    # an example of the libraries of Standard Webhooks
    headers = signature_headers(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )

    assert headers["Webhook-Signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    "params",
    [
        {"url": "ftp://example.org"},
        {"url": "https://"},
        {"url": "https://exa mple.org"},
        {"url": "https://example.org:port/"},
        {"event_types": []},
        {"event_types": ["!"]},
        {"event_types": 3},
        {"send": "events"},
        {"format": "xml"},
        {"source": "a b"},
        {"headers": {"a b": "c"}},
        {"headers": {"X-Line": "a\r\nb: c"}},
        {"headers": {"X-Number": 3}},
        {"headers": {"Idempotency-Key": "mine"}},
        {"headers": {"CE-Id": "mine"}},
        {"headers": {"content-type": "text/plain"}},
        {"headers": []},
        {"secret": ""},
        {"secret": "whsec_"},
        {"secret": "whsec_!"},
        {"timeout": 0},
        {"timeout": "soon"},
        {"tls": {"ca_file": "/nowhere/ca.pem"}},
        {"tls": {"ca_file": "x" * 300}},
        {"tls": {"verify": False}},
        {"urls": []},
    ],
)
def test_the_schema_refuses(params: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        WebhookHandler.config_schema({"url": URL, **params})


def test_the_schema_states_every_default() -> None:
    assert make_handler().params == {
        "url": URL,
        "event_types": ["*"],
        "send": "event",
        "format": "json",
        "source": "/winchester",
        "headers": {},
        "secret": None,
        "timeout": 30,
        "tls": None,
        "body": None,
        "content_type": "application/json",
        "secrets": {},
        "path": None,
    }
