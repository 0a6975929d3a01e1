"""Every MUST of the HTTP binding of CloudEvents 1.0.2 that concerns a receiver, and its web hooks.

The numbers are the sections of the HTTP binding, or of the JSON format where it says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest

from support.servers.http_source import outcomes

if TYPE_CHECKING:
    from conftest import Serve

ATTRIBUTES = {
    "specversion": "1.0",
    "type": "door.opened",
    "source": "/doors",
    "id": "1",
    "time": "2026-03-14T10:00:00Z",
}
HEADERS = {f"ce-{name}": value for name, value in ATTRIBUTES.items()}
JSON = {"content-type": "application/json"}
STRUCTURED = {"content-type": "application/cloudevents+json"}
BATCH = {"content-type": "application/cloudevents-batch+json"}
OPAQUE = {"datacontenttype": "image/png", "data_base64": "AAE="}


def structured(**members: Any) -> bytes:
    return orjson.dumps({**ATTRIBUTES, **members})


def batch(*events: dict[str, Any]) -> bytes:
    return orjson.dumps([{**ATTRIBUTES, **each} for each in events])


@pytest.mark.parametrize(
    ("headers", "body", "traits"),
    [
        pytest.param(STRUCTURED, structured(), {}, id="1.4 the JSON format is supported"),
        pytest.param(
            {"content-type": "Application/CloudEvents+JSON; charset=UTF-8"},
            structured(room="é"),
            {"room": "é"},
            id="3 the mode is that of the media type, in any case and with parameters",
        ),
        pytest.param(
            {**HEADERS, "content-type": "image/png"},
            b"\0\1",
            OPAQUE,
            id="3 any other media type is binary mode",
        ),
        pytest.param(
            {**HEADERS, "content-type": "application/json; charset=utf-8"},
            b'{"room": 7}',
            {"datacontenttype": "application/json; charset=utf-8", "room": 7},
            id="3.1.1 datacontenttype is the content type",
        ),
        pytest.param(
            {**HEADERS, "content-type": "image/png"},
            b"",
            {"datacontenttype": "image/png"},
            id="3.1.1 also without data",
        ),
        pytest.param(
            {**HEADERS, "CE-SubJect": "a", "ce-ext1": "b"},
            b"",
            {"subject": "a", "ext1": "b"},
            id="3.1.3 each attribute is a header of its name, in any case",
        ),
        pytest.param(
            {**STRUCTURED, **HEADERS, "ce-subject": "header", "ce-data": "x"},
            structured(subject="payload"),
            {"subject": "payload"},
            id="3.2.3 attributes are those of the payload, whatever the headers",
        ),
        pytest.param(BATCH, batch({}), {}, id="3.3 the JSON batch format is supported"),
        pytest.param(
            STRUCTURED,
            structured(data_base64="AAE=", datacontenttype="image/png"),
            OPAQUE,
            id="JSON format 3.1.1 binary data",
        ),
        pytest.param(
            STRUCTURED,
            structured(subject=None, data=None),
            {},
            id="JSON format 2.2 null is no value",
        ),
    ],
)
def test_an_event_is_read_as_the_binding_says(
    serve: Serve, headers: dict[str, str], body: bytes, traits: dict[str, Any]
) -> None:
    endpoint = serve()
    answer = endpoint.client.post("/v1/cloudevents", content=body, headers=headers)
    assert (answer.status_code, outcomes(answer)) == (202, ["stored"])
    stored = endpoint.stored()["/doors 1"]
    required = ("message_id", "event_type", "timestamp", "source")
    assert {name: value for name, value in stored.items() if name not in required} == traits


@pytest.mark.parametrize(
    ("header", "subject"),
    [
        pytest.param('"a \\"b\\""', 'a "b"', id="3.1.3.2 quoted strings are unescaped"),
        pytest.param('"a%22\\%2541"', 'a"%41', id="3.1.3.2 then one round of percent-decoding"),
        pytest.param(
            "Euro%20%E2%82%AC%20%F0%9F%98%80",
            "Euro € \N{GRINNING FACE}",
            id="3.1.3.2 characters beyond the basic plane are one character",
        ),
        pytest.param("%e2%82%ac", "€", id="3.1.3.2 lower-case digits are accepted"),
        pytest.param("%61%2D", "a-", id="3.1.3.2 unnecessary encoding is accepted"),
    ],
)
def test_the_value_of_a_header_is_decoded(serve: Serve, header: str, subject: str) -> None:
    endpoint = serve()
    headers = {**HEADERS, "ce-subject": header}
    assert endpoint.client.post("/v1/cloudevents", headers=headers).status_code == 202
    assert endpoint.stored()["/doors 1"]["subject"] == subject


@pytest.mark.parametrize(
    ("headers", "body", "reason"),
    [
        pytest.param(
            {**HEADERS, **JSON, "ce-datacontenttype": "application/json"},
            b"{}",
            "ce-datacontenttype: is not allowed",
            id="3.1.1 datacontenttype is no header",
        ),
        pytest.param(
            {**HEADERS, "ce-subject": "%C3%28"}, b"", "is not UTF-8", id="3.1.3.2 not UTF-8"
        ),
        pytest.param(
            {**HEADERS, "ce-subject": "%C0%A0"}, b"", "is not UTF-8", id="3.1.3.2 overlong UTF-8"
        ),
        *(
            pytest.param(
                STRUCTURED, structured(**{name: None}), f"{name}: ", id=f"{name} is required"
            )
            for name in ATTRIBUTES
        ),
        *(
            pytest.param(
                {**HEADERS, f"ce-{name}": ""}, b"", f"{name}: ", id=f"{name} must not be empty"
            )
            for name in ATTRIBUTES
        ),
        pytest.param(
            STRUCTURED,
            structured(data=1, data_base64="AAE="),
            "data_base64: must not be present beside data",
            id="JSON format 3.1.1 either data or data_base64",
        ),
    ],
)
def test_an_event_that_violates_the_binding_is_invalid(
    serve: Serve, headers: dict[str, str], body: bytes, reason: str
) -> None:
    endpoint = serve()
    answer = endpoint.client.post("/v1/cloudevents", content=body, headers=headers)
    assert (answer.status_code, outcomes(answer)) == (400, ["invalid"])
    assert reason in answer.json()["results"][0]["reason"]
    assert endpoint.stored() == {}


def test_a_batch_may_be_empty(serve: Serve) -> None:
    answer = serve().client.post("/v1/cloudevents", content=b"[]", headers=BATCH)
    assert (answer.status_code, outcomes(answer)) == (202, [])


@pytest.mark.parametrize("media_type", ["cloudevents+avro", "cloudevents-batch+xml", "cloudevents"])
def test_an_unknown_event_format_is_415(serve: Serve, media_type: str) -> None:
    headers = {**HEADERS, "content-type": f"application/{media_type}"}
    answer = serve().client.post("/v1/cloudevents", content=b"{}", headers=headers)
    assert answer.status_code == 415


ORIGIN = {"WebHook-Request-Origin": "Sender.example.com"}


@pytest.mark.parametrize("path", ["/v1/events", "/v1/notifications", "/v1/cloudevents"])
@pytest.mark.parametrize(
    ("params", "rate"),
    [
        ({"webhook_origins": ["*"]}, "*"),
        ({"webhook_origins": ["a.example", "sender.EXAMPLE.com"], "webhook_rate": 120}, "120"),
    ],
)
def test_an_allowed_origin_gets_permission_to_send(
    serve: Serve, path: str, params: dict[str, Any], rate: str
) -> None:
    client = serve(token="secret", **params).client
    answer = client.options(path, headers={**ORIGIN, "WebHook-Request-Rate": "500"})
    assert answer.status_code == 200
    assert answer.headers["webhook-allowed-origin"] == "Sender.example.com"
    assert answer.headers["webhook-allowed-rate"] == rate
    assert answer.headers["allow"] == "POST, OPTIONS"


@pytest.mark.parametrize(
    ("origins", "headers", "status", "allow"),
    [
        ([], ORIGIN, 405, "POST"),
        (["other.example.com"], ORIGIN, 403, "POST, OPTIONS"),
        (["*"], {}, 200, "POST, OPTIONS"),
    ],
)
def test_no_other_request_gets_permission(
    serve: Serve, origins: list[str], headers: dict[str, str], status: int, allow: str
) -> None:
    answer = serve(webhook_origins=origins).client.options("/v1/cloudevents", headers=headers)
    assert (answer.status_code, answer.headers["allow"]) == (status, allow)
    assert "webhook-allowed-origin" not in answer.headers
    assert "webhook-allowed-rate" not in answer.headers
