"""Parts of HTTP/1.1 that a server must support."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import httpx
import pytest

from support.servers.http_source import event

if TYPE_CHECKING:
    from conftest import Serve

CE = {"ce-specversion": "1.0", "ce-type": "x", "ce-source": "/s", "ce-time": "2026-03-14T10:00:00Z"}


def raw_request(url: str, text: str) -> bytes:
    """Send bytes as they are; return the response."""
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
