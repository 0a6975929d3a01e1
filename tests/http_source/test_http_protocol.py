"""Parts of HTTP/1.1 that a server must support."""

from __future__ import annotations

import gzip
import socket
import zlib
from typing import TYPE_CHECKING

import httpx
import orjson
import pytest

from support.servers.http_source import event, outcomes

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Serve

JSON = {"content-type": "application/json"}

CE = {"ce-specversion": "1.0", "ce-type": "x", "ce-source": "/s", "ce-time": "2026-03-14T10:00:00Z"}


def raw_request(url: str, text: str) -> bytes:
    """Send bytes unchanged; return the response."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(text.encode())
        received = b""
        while part := connection.recv(65_536):
            received += part
    return received


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("http://host/healthz/live", 200),
        ("HTTPS://host:1/healthz/live?a=/b", 200),
        ("http://[x/healthz/live", 200),
        ("http://[x", 404),
        ("http://host?/healthz/live", 404),
        ("ftp://host/healthz/live", 404),
    ],
)
def test_the_absolute_form_of_a_target_is_accepted(serve: Serve, target: str, status: int) -> None:
    request = f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert raw_request(serve().url, request).startswith(b"HTTP/1.1 %d " % status)


def test_a_repeated_header_is_a_list(serve: Serve) -> None:
    endpoint = serve()
    headers = [("Content-Type", "application/json"), ("Content-Type", "application/json")]
    assert endpoint.client.post("/v1/events", content=b"[]", headers=headers).status_code == 415


def test_head_is_get_without_a_body(serve: Serve) -> None:
    url = serve().url
    request = "HEAD /healthz/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    head, _, body = raw_request(url, request).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert body == b""
    assert httpx.head(f"{url}/v1/events").status_code == 405


def test_the_content_encoding_identity_is_accepted(serve: Serve) -> None:
    response = serve().post("/v1/events", event("1"), headers={"content-encoding": "identity"})
    assert response.status_code == 202


def test_a_quoted_id_is_the_same_event(serve: Serve) -> None:
    endpoint = serve()
    statuses = []
    for event_id in ("q1", '"q1"'):
        headers = {**CE, "ce-id": event_id, "content-type": "application/json"}
        statuses.append(endpoint.client.post("/v1/cloudevents", content=b"{}", headers=headers))
    assert [status.status_code for status in statuses] == [202, 202]
    assert set(endpoint.stored()) == {"/s q1"}


def test_an_attribute_that_is_not_utf_8_makes_the_event_invalid(serve: Serve) -> None:
    endpoint = serve()
    headers = {**CE, "ce-id": "1", "ce-subject": "%C3%28"}
    response = endpoint.client.post("/v1/cloudevents", headers=headers)
    assert response.status_code == 400
    assert "ce-subject: is not UTF-8" in response.text
    assert endpoint.stored() == {}


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


@pytest.mark.parametrize(
    ("coding", "compress"),
    [
        ("gzip", gzip.compress),
        ("X-GZip", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", raw_deflate),
    ],
)
def test_a_compressed_body_is_decompressed(
    serve: Serve, coding: str, compress: Callable[[bytes], bytes]
) -> None:
    endpoint = serve()
    headers = {**JSON, "content-encoding": coding}
    body = compress(orjson.dumps(event("1")))
    assert endpoint.client.post("/v1/events", content=body, headers=headers).status_code == 202
    assert set(endpoint.stored()) == {"1"}


@pytest.mark.parametrize(
    ("params", "growth"), [({}, 16 * 200), ({"max_decompressed_bytes": 300}, 300)]
)
def test_a_body_that_grows_beyond_the_limit_is_413(
    serve: Serve, params: dict[str, int], growth: int
) -> None:
    endpoint = serve(max_body_bytes=200, **params)
    headers = {**JSON, "content-encoding": "gzip"}
    fits, bomb = b"[]" + b" " * (growth - 2), b"[]" + b" " * (growth - 1)
    answers = [
        endpoint.client.post("/v1/events", content=gzip.compress(body), headers=headers)
        for body in (fits, bomb)
    ]
    assert [each.status_code for each in answers] == [202, 413]
    error = f"the body has more than {growth} bytes when decompressed"
    assert answers[1].json() == {"error": error}


def test_a_damaged_compressed_body_is_400(serve: Serve) -> None:
    headers = {**JSON, "content-encoding": "gzip"}
    answer = serve().client.post("/v1/events", content=b"{}", headers=headers)
    assert (answer.status_code, answer.json()) == (
        400,
        {"error": "the body is not valid gzip data"},
    )


@pytest.mark.parametrize("coding", ["br", "gzip, gzip", "odd"])
def test_an_unknown_content_encoding_is_415_with_those_that_are_accepted(
    serve: Serve, coding: str
) -> None:
    headers = {**JSON, "content-encoding": coding}
    answer = serve().client.post("/v1/events", content=b"{}", headers=headers)
    assert (answer.status_code, answer.headers["accept-encoding"]) == (
        415,
        "gzip, deflate, identity",
    )


def test_each_line_of_ndjson_is_an_item(serve: Serve) -> None:
    endpoint = serve()
    lines = [orjson.dumps(event("1")), b"", b'{"secret": ', b" ", b"7\r", orjson.dumps(event("2"))]
    headers = {"content-type": "application/x-ndjson"}
    answer = endpoint.client.post("/v1/events", content=b"\n".join(lines), headers=headers)
    assert (answer.status_code, outcomes(answer)) == (
        200,
        ["stored", "invalid", "invalid", "stored"],
    )
    reasons = [each.get("reason", "") for each in answer.json()["results"]]
    assert reasons[1].startswith("item: is not JSON: ")
    assert reasons[2] == "item: must be a JSON object, not a number"
    assert set(endpoint.stored()) == {"1", "2"}


def test_a_body_is_decoded_by_its_charset(serve: Serve) -> None:
    endpoint = serve()
    headers = {"content-type": "application/json; charset=utf-16"}
    body = orjson.dumps(event("é")).decode().encode("utf-16")
    assert endpoint.client.post("/v1/events", content=body, headers=headers).status_code == 202
    assert set(endpoint.stored()) == {"é"}
    headers = {"content-type": "application/json; charset=odd"}
    answer = endpoint.client.post("/v1/events", content=b"{}", headers=headers)
    assert answer.json() == {"error": "the body has an unknown charset: 'odd'"}
