"""The http source: signed requests on configured paths."""

from __future__ import annotations

import gzip
import logging
import socket
import time
from typing import TYPE_CHECKING, Any

import httpx
import orjson
import pytest

from support.builders.webhooks import SECRET, github, slack, standard
from support.probes.time_limits import BOUND_SECONDS
from support.scenes.sites import wait_until
from support.servers.http_source import event, outcomes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Serve
    from support.servers.http_source import Endpoint, Gate

JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
GITHUB = {
    "path": "/hooks/github",
    "format": "event",
    "signature": {"form": "github", "secrets": SECRET},
}
SLACK = {
    "path": "/hooks/slack",
    "format": "event",
    "signature": {"form": "slack", "secrets": SECRET},
}
STANDARD = {
    "path": "/hooks/standard",
    "format": "event",
    "signature": {"form": "standard_webhooks", "secrets": ["an old secret of it", SECRET]},
}
PATHS = [GITHUB, SLACK, STANDARD]
UNAUTHORIZED = {"error": "a valid signature is required"}


def body_of(message_id: str, **traits: Any) -> bytes:
    return orjson.dumps(event(message_id, **traits))


def deliver(
    endpoint: Endpoint, body: bytes, headers: dict[str, str], path: str = "/hooks/github"
) -> httpx.Response:
    return endpoint.client.post(path, content=body, headers={**JSON, **headers})


def test_a_signed_event_is_stored_before_the_response(serve: Serve) -> None:
    endpoint = serve(paths=PATHS)
    body = body_of("1")
    response = deliver(endpoint, body, github(body))
    assert (response.status_code, outcomes(response)) == (200, ["stored"])
    assert set(endpoint.stored()) == {"1"}
    again = deliver(endpoint, body, github(body))
    assert (again.status_code, outcomes(again)) == (200, ["duplicate"])


def test_other_requests_are_refused_alike(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    endpoint = serve(paths=PATHS)
    now, body = int(time.time()), body_of("1")
    odd = "sha256=é".encode("latin-1")
    with caplog.at_level(logging.WARNING):
        responses = [
            deliver(endpoint, body, {}),
            deliver(endpoint, body, github(body, "a wrong secret")),
            deliver(endpoint, body + b" ", github(body)),
            deliver(endpoint, body, {"x-hub-signature-256": odd}),  # type: ignore[dict-item]
            deliver(endpoint, body, standard(body, now - 1000), "/hooks/standard"),
            deliver(endpoint, body, standard(body, now + 1000), "/hooks/standard"),
        ]
    for response in responses:
        assert (response.status_code, response.json()) == (401, UNAUTHORIZED)
    assert endpoint.stored() == {}
    assert list(endpoint.store.find_rejected()) == []
    assert endpoint.source.refused() == {
        "token": 0,
        "missing_signature": 1,
        "signature": 3,
        "timestamp": 2,
    }
    text = caplog.text
    assert "requests not authenticated: path=/hooks/standard reason=timestamp" in text
    assert SECRET not in text
    assert "sha256=" not in text


def test_either_of_two_secrets_is_accepted_while_one_is_replaced(serve: Serve) -> None:
    endpoint = serve(paths=PATHS)
    body = body_of("1")
    headers = standard(body, int(time.time()))
    assert deliver(endpoint, body, headers, "/hooks/standard").status_code == 200
    replayed = deliver(endpoint, body, headers, "/hooks/standard")
    assert outcomes(replayed) == ["duplicate"]


def test_repeated_headers_are_refused(serve: Serve) -> None:
    endpoint = serve(paths=PATHS)
    body = body_of("1")
    headers = standard(body, int(time.time()))
    for name in ("webhook-id", "webhook-timestamp"):
        pairs = [*JSON.items(), *headers.items(), (name, headers[name])]
        response = endpoint.client.post("/hooks/standard", content=body, headers=pairs)
        assert response.status_code == 401


def test_a_path_may_require_a_token_and_a_signature(serve: Serve) -> None:
    endpoint = serve(token="of-the-source", paths=[{**GITHUB, "token": "of-the-path"}])
    body = body_of("1")
    statuses = {}
    for token in ("of-the-source", "of-the-path"):
        headers = {"authorization": f"Bearer {token}"}
        statuses[token] = [
            deliver(endpoint, body, each).status_code
            for each in (github(body), headers, headers | github(body))
        ]
    assert statuses == {"of-the-source": [401, 401, 401], "of-the-path": [401, 401, 200]}


def test_the_token_of_the_source_protects_a_path_without_a_signature(serve: Serve) -> None:
    endpoint = serve(token="right", paths=[{"path": "/plain", "format": "event"}])
    body = body_of("1")
    assert deliver(endpoint, body, {}, "/plain").status_code == 401
    headers = {"authorization": "Bearer right", "content-type": "text/plain"}
    assert deliver(endpoint, body, headers, "/plain").status_code == 200


# --- content that the sender cannot correct -------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "stored"),
    [
        (b'{"no": "event"}', b'{"no": "event"}'),
        (b"{not JSON", b"{not JSON"),
        (b"", b""),
        (b"[" + body_of("1") + b', {"no": "event"}]', b'{"no":"event"}'),
    ],
)
def test_an_invalid_message_is_accepted_and_stored_as_rejected(
    serve: Serve, body: bytes, stored: bytes
) -> None:
    endpoint = serve(paths=PATHS)
    for _ in range(2):  # the second time as a redelivery
        response = deliver(endpoint, body, github(body))
        assert response.status_code == 202
        assert outcomes(response)[-1] == "rejected"
    (rejected,) = endpoint.store.find_rejected()
    assert (rejected.body, rejected.source) == (stored, "web")
    assert rejected.reason.startswith("127.0.0.1 /hooks/github")


def test_a_notification_without_definitions_is_kept(serve: Serve) -> None:
    endpoint = serve(paths=[{**GITHUB, "format": "notification"}])
    assert deliver(endpoint, b"{}", github(b"{}")).status_code == 202
    (rejected,) = endpoint.store.find_rejected()
    assert "no event definitions" in rejected.reason


def test_an_outage_is_503_also_for_messages_to_be_rejected(serve: Serve) -> None:
    endpoint = serve(paths=PATHS)
    endpoint.store.is_unavailable = True
    body = b"[" + body_of("1") + b", {}]"
    response = deliver(endpoint, body, github(body))
    assert (response.status_code, response.headers["retry-after"]) == (503, "5")
    assert list(endpoint.store.find_rejected()) == []
    endpoint.store.is_unavailable = False
    assert deliver(endpoint, body, github(body)).status_code == 202
    assert set(endpoint.stored()) == {"1"}


# --- services -------------------------------------------------------------------------------------


def test_the_handshake_of_slack_is_answered_after_its_signature_is_checked(serve: Serve) -> None:
    endpoint = serve(paths=PATHS)
    body = b'{"token": "x", "challenge": "3eZbrw1a", "type": "url_verification"}'
    assert deliver(endpoint, body, {}, "/hooks/slack").status_code == 401
    response = deliver(endpoint, body, slack(body, int(time.time())), "/hooks/slack")
    assert (response.status_code, response.json()) == (200, {"challenge": "3eZbrw1a"})
    assert list(endpoint.store.find_rejected()) == []


def test_a_form_gets_an_empty_response(serve: Serve) -> None:
    endpoint = serve(paths=[{**GITHUB, "json_field": "payload"}])
    body = str(httpx.QueryParams({"payload": body_of("1").decode()})).encode()
    response = deliver(endpoint, body, {**github(body), **FORM})
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-type"] == "text/plain"
    assert set(endpoint.stored()) == {"1"}


def test_a_path_exists_for_services_that_ask(serve: Serve) -> None:
    client = serve(paths=PATHS).client
    for method in ("GET", "HEAD"):
        assert client.request(method, "/hooks/github").status_code == 200
    response = client.put("/hooks/github")
    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD, POST")
    assert client.post("/hooks/other").status_code == 404


def test_the_description_has_the_paths(serve: Serve) -> None:
    found = serve(paths=PATHS).client.get("/openapi.json").json()
    post = found["paths"]["/hooks/github"]["post"]
    assert post["security"] == [{"x-hub-signature-256": []}]
    assert SECRET not in str(found)
    assert found["components"]["securitySchemes"]["x-hub-signature-256"]["in"] == "header"


# --- HTTP -----------------------------------------------------------------------------------------


def test_a_compressed_body_is_signed_as_it_is_sent(serve: Serve) -> None:
    endpoint = serve(paths=PATHS)
    body = body_of("1")
    compressed = gzip.compress(body)
    coding = {"content-encoding": "gzip"}
    assert deliver(endpoint, compressed, {**github(body), **coding}).status_code == 401
    assert deliver(endpoint, compressed, {**github(compressed), **coding}).status_code == 200


def test_a_body_in_chunks_is_verified(serve: Serve) -> None:
    endpoint = serve(paths=PATHS)
    body = body_of("1")

    def pieces() -> Iterator[bytes]:
        for begin in range(0, len(body), 7):
            yield body[begin : begin + 7]

    headers = {**JSON, **github(body)}
    response = endpoint.client.post("/hooks/github", content=pieces(), headers=headers)
    assert response.status_code == 200


def test_a_large_body_is_verified_and_parsed_in_another_thread(serve: Serve) -> None:
    endpoint = serve(paths=[{**GITHUB, "max_body_bytes": 2_000_000}], max_body_bytes=1000)
    body = body_of("1", text="x" * 1_000_000)
    assert deliver(endpoint, body, github(body[1:])).status_code == 401
    assert deliver(endpoint, body, github(body)).status_code == 200
    assert endpoint.post("/v1/events", orjson.loads(body)).status_code == 413


@pytest.mark.parametrize("is_announced", [True, False])
def test_a_body_beyond_the_limit_of_its_path_is_413(serve: Serve, is_announced: bool) -> None:
    endpoint = serve(paths=[{**GITHUB, "max_body_bytes": 200}])
    body = body_of("1", text="x" * 1000)
    content: Any = body if is_announced else iter([body])
    headers = {**JSON, **github(body)}
    response = endpoint.client.post("/hooks/github", content=content, headers=headers)
    assert response.status_code == 413


def test_bodies_of_senders_that_are_not_authenticated_are_bounded_together(
    serve: Serve, gate: Gate
) -> None:
    paths = [{**GITHUB, "max_body_bytes": 4000, "max_decompressed_bytes": 4000}]
    endpoint = serve(max_requests=4, max_body_bytes=1000, max_decompressed_bytes=1000, paths=paths)
    host, port = endpoint.source.address or ("", 0)
    unfinished = (
        b"POST /hooks/github HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"X-Hub-Signature-256: sha256=00\r\nContent-Length: 4000\r\n\r\n{"
    )
    large = body_of("1").ljust(4000)
    with (
        socket.create_connection((host, port), timeout=BOUND_SECONDS) as first,
        socket.create_connection((host, port), timeout=BOUND_SECONDS) as second,
    ):
        for connection in (first, second):
            connection.sendall(unfinished)
        wait_until(lambda: deliver(endpoint, large, github(large)).status_code == 503)
    wait_until(lambda: deliver(endpoint, large, github(large)).status_code == 200)
    assert set(endpoint.stored()) == {"1"}


def test_requests_in_a_pipeline_are_verified_one_by_one(serve: Serve) -> None:
    endpoint = serve(paths=PATHS)
    bodies = [body_of(str(number)) for number in range(3)]
    signatures = [github(bodies[0]), github(bodies[0]), github(bodies[2])]
    text = b""
    for body, headers in zip(bodies, signatures, strict=True):
        lines = {"host": "x", "content-length": str(len(body)), **JSON, **headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        text += f"POST /hooks/github HTTP/1.1\r\n{head}\r\n".encode() + body
    received = b""
    with socket.create_connection(endpoint.source.address or ("", 0)) as connection:
        connection.settimeout(BOUND_SECONDS)
        connection.sendall(text)
        while received.count(b"HTTP/1.1 ") < 3:
            received += connection.recv(65_536)
    statuses = [each[:3] for each in received.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"200", b"401", b"200"]
    assert set(endpoint.stored()) == {"0", "2"}


# --- mappings -------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_form", [False, True])
def test_a_delivery_of_github_becomes_an_event(serve: Serve, is_form: bool) -> None:
    endpoint = serve(paths=[{**GITHUB, "mapping": "github", "json_field": "payload"}], max_items=1)
    body = orjson.dumps({"zen": "Keep it logically awesome.", "hook_id": 7})
    if is_form:
        body = str(httpx.QueryParams({"payload": body.decode()})).encode()
    headers = {**github(body), "x-github-event": "ping", "x-github-delivery": "d-1"}
    assert deliver(endpoint, body, {**headers, **(FORM if is_form else {})}).status_code == 200
    assert endpoint.stored()["d-1"]["event_type"] == "github.ping"


def test_a_body_that_no_rule_matches_is_kept_without_secrets(serve: Serve) -> None:
    endpoint = serve(paths=[{**GITHUB, "mapping": "github"}])
    headers = {**github(b"{}"), "authorization": "Bearer of-a-proxy"}
    assert deliver(endpoint, b"{}", headers).status_code == 202
    (rejected,) = endpoint.store.find_rejected()
    assert rejected.body == b"{}"
    assert "of-a-proxy" not in str(rejected)
    assert "sha256=" not in str(rejected)
