"""Bodies of the webhook handler that are texts of templates."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from voluptuous import Invalid

from support.builders.effects import effect
from winchester_core.interfaces.templates import TemplateFailed
from winchester_core.testing import make_env, make_event
from winchester_handlers.webhook import WebhookHandler
from winchester_handlers.webhook.text_body import SecretMissing, is_json, text_request

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
URL = "https://hooks.example.org"
CANARY = 'c4n4ry"S3cr3t'
EVENTS = [make_event("disk.full", message_id=f"m{n}", timestamp=NOON, n=n) for n in (1, 2)]


def make_handler(**params: Any) -> WebhookHandler:
    return WebhookHandler(**WebhookHandler.config_schema({"url": URL, **params}))


def payloads(events: list[Any] = EVENTS, **params: Any) -> list[Any]:
    """Return the payloads that the handler queues."""
    env = make_env(stream_name="disks")
    assert make_handler(**params).handle_events(list(events), env) == list(events)
    payloads: list[Any] = env["outbox"].payloads
    return payloads


def test_the_text_is_stored_for_each_event_or_for_the_stream() -> None:
    by_event = payloads(body='{"n": {{ event.n }}}')
    by_stream = payloads(body="[{{ stream.count }}]", send="stream", event_types="*")

    assert by_event == [{"body": '{"n": 1}'}, {"body": '{"n": 2}'}]
    assert by_stream == [{"body": "[2]"}]
    assert payloads(body="[]", send="stream", event_types="other") == []


def test_a_text_that_should_be_json_and_is_not_fails_the_run() -> None:
    with pytest.raises(
        TemplateFailed, match=r"the template .body.: the text is not JSON: .*line 1"
    ):
        payloads(body='{"n": {{ event.event_type }}}')
    assert payloads(EVENTS[:1], body="{{ event.event_type }}", content_type="text/plain") == [
        {"body": "disk.full"}
    ]


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("application/json", True),
        ("application/JSON; charset=utf-8", True),
        ("application/vnd.api+json", True),
        ("text/plain", False),
        ("application/jsonl", False),
    ],
)
def test_content_types_of_json(content_type: str, expected: bool) -> None:
    assert is_json(content_type) is expected


def test_a_secret_is_replaced_at_delivery_only() -> None:
    source = '{"key": {{ secrets.key | json }}, "text": {{ event.note | json }}}'
    note = 'secret:0:key: and "quotes"'  # as a placeholder
    event = make_event("disk.full", timestamp=NOON, note=note)
    params = {"body": source, "secrets": {"key": CANARY, "unused": "x"}}

    (payload,) = payloads([event], **params)
    request = text_request(effect(payload), make_handler(**params).params)

    assert "c4n4ry" not in json.dumps(payload)
    assert list(payload["secrets"]) == ["key"]
    assert json.loads(request.body) == {"key": CANARY, "text": note}
    assert request.headers == {"Content-Type": "application/json"}


def test_a_secret_in_a_text_is_not_escaped() -> None:
    params = {
        "body": "token={{ secrets.key }}",
        "content_type": "text/plain",
        "secrets": {"key": CANARY},
    }
    (payload,) = payloads(EVENTS[:1], **params)

    assert text_request(effect(payload), make_handler(**params).params).body == (
        f"token={CANARY}".encode()
    )


@pytest.mark.parametrize("use", ["| urlencode", "| upper", "| truncate(5)", "| length", ".lower()"])
def test_a_changed_secret_fails_the_run(use: str) -> None:
    body = f"token={{{{ secrets.Key {use} }}}}"
    with pytest.raises(TemplateFailed, match="a filter changes a secret"):
        payloads(body=body, content_type="text/plain", secrets={"Key": CANARY})


def test_a_secret_that_was_removed_is_named() -> None:
    (payload,) = payloads(EVENTS[:1], body='"{{ secrets.key }}"', secrets={"key": CANARY})

    with pytest.raises(SecretMissing, match="the handler has no secret 'key'"):
        text_request(effect(payload), make_handler(body="[]").params)


def test_an_unknown_secret_fails_the_run() -> None:
    with pytest.raises(TemplateFailed, match="has no attribute 'kay'"):
        payloads(body="\"{{ secrets['k' ~ 'ay'] }}\"", secrets={"key": CANARY})


@pytest.mark.parametrize(
    ("path", "rendered"),
    [
        ("/{{ 'a/b c?' | urlencode }}/close?x=y", "/a%2Fb%20c%3F/close?x=y"),
        ("?n={{ event.n }}\n", "?n=1"),
    ],
)
def test_a_path_is_rendered(path: str, rendered: str) -> None:
    assert payloads(EVENTS[:1], body="[]", path=path) == [{"body": "[]", "path": rendered}]


@pytest.mark.parametrize("path", ["@evil.example.org/", "/a b", "/ä", ".evil", "{# empty #}"])
def test_a_path_cannot_change_the_host(path: str) -> None:
    with pytest.raises(TemplateFailed, match="the template 'path': expected a text that begins"):
        payloads(body="[]", path=path)


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"body": "{{ nope }}"}, "no variable is named 'nope'"),
        ({"body": "{{ event.n }}", "send": "stream"}, "no variable is named 'event'"),
        ({"body": "{{ secrets.kay }}", "secrets": {"key": CANARY}}, "did you mean 'key'?"),
        ({"body": "{{ secrets.key }}"}, "'secrets' has no key 'key'; keys: none"),
        ({"body": "[]", "path": "/{{ secrets.key }}"}, "no variable is named 'secrets'"),
        (
            {"body": "[]", "path": "/{{ event.n }}", "send": "stream"},
            "no variable is named 'event'",
        ),
        ({"path": "/x"}, "has an effect only with a body"),
        ({"secrets": {"key": CANARY}}, "has an effect only with a body"),
        ({"body": "[]", "format": "cloudevent"}, "has no effect with a body"),
        ({"body": "[]", "content_type": "json"}, "expected a media type"),
        ({"body": "[]", "content_type": "a/b\r\nX: y"}, "expected a media type"),
        ({"body": "[]", "secrets": {"a-b": CANARY}}, "expected a name of letters, digits and _"),
        ({"body": "[]", "secrets": {"a": 7}}, "expected text, normally from a variable"),
        ({"body": "[]", "secrets": [CANARY]}, "expected a mapping of names to secrets"),
        ({"body": "[]", "path": "/x", "url": f"{URL}/?a=b"}, "expected a URL without [?] and #"),
    ],
)
def test_invalid_parameters_are_refused(params: dict[str, Any], problem: str) -> None:
    with pytest.raises(Invalid, match=problem) as caught:
        make_handler(**params)
    assert "c4n4ry" not in str(caught.value)
