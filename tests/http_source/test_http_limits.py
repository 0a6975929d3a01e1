"""The http source: authentication, limits, and responses under overload."""

from __future__ import annotations

import gzip
import json
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from support.probes.time_limits import BOUND_SECONDS
from support.scenes.sites import wait_until
from support.servers.http_source import event, outcomes
from winchester_core.errors import SourceError
from winchester_core.sources.http import HttpSource, parsers
from winchester_core.sources.http.responses import RequestRejected

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from conftest import Serve
    from support.servers.http_source import Gate

JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    "given", [None, "Bearer wrong", "Basic right", "Bearer", "right", "Bearer é"]
)
def test_a_request_without_the_token_is_refused(serve: Serve, given: str | None) -> None:
    endpoint = serve(token="right")
    headers = {} if given is None else {"authorization": given.encode("latin-1")}
    answer = endpoint.client.post("/v1/events", json=event("1"), headers=headers)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert "right" not in answer.text
    assert endpoint.stored() == {}


def test_a_request_with_the_token_is_accepted_and_health_needs_none(serve: Serve) -> None:
    endpoint = serve(token="right")
    for number, scheme in enumerate(("Bearer", "bearer")):
        headers = {"authorization": f"{scheme} right"}
        assert endpoint.post("/v1/events", event(str(number)), headers=headers).status_code == 202
    for path in ("/healthz/live", "/healthz/ready", "/openapi.json"):
        assert endpoint.client.get(path).status_code == 200


@pytest.mark.parametrize("is_announced", [True, False])
def test_a_body_beyond_the_limit_is_413_and_the_connection_stays_usable(
    serve: Serve, is_announced: bool
) -> None:
    endpoint = serve(max_body_bytes=200)
    body = b'{"message_id": "%s"}' % (b"x" * 100_000)

    def pieces() -> Iterator[bytes]:
        yield body

    content: Any = body if is_announced else pieces()
    answer = endpoint.client.post("/v1/events", content=content, headers=JSON)
    assert (answer.status_code, answer.json()) == (
        413,
        {"error": "the body has more than 200 bytes"},
    )
    assert endpoint.post("/v1/events", event("1")).status_code == 202


def test_more_items_than_the_limit_are_413_and_none_is_stored(serve: Serve) -> None:
    endpoint = serve(max_items=2)
    answer = endpoint.post("/v1/events", [event(str(number)) for number in range(3)])
    assert (answer.status_code, answer.json()) == (
        413,
        {"error": "3 items; at most 2 are accepted in one request"},
    )
    assert endpoint.stored() == {}


def test_more_lines_than_the_limit_are_refused_before_they_are_parsed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parsed: list[bytes] = []
    monkeypatch.setattr(parsers, "read_json", lambda line, _key: [parsed.append(line)])
    headers = {"content-type": parsers.NDJSON_TYPE}

    for lines, number in ((2, 2), (3, 0)):
        parsed.clear()
        request = parsers.HttpRequest(parsers.EVENTS, headers, b"\n{}\n" * lines)
        with suppress(RequestRejected):
            parsers.parse_request(request, (), max_items=2)
        assert len(parsed) == number


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/v1/events", {"content-type": "text/plain"}),
        ("/v1/events", {}),
        ("/v1/notifications", {"content-type": "application/xml"}),
        ("/v1/cloudevents", JSON),
        (
            "/v1/cloudevents",
            {"content-type": "application/cloudevents+xml", "ce-specversion": "1.0"},
        ),
    ],
)
def test_an_unsupported_content_type_is_415(
    serve: Serve, path: str, headers: dict[str, str]
) -> None:
    answer = serve().client.post(path, content=b"{}", headers=headers)
    assert answer.status_code == 415


def test_unknown_paths_and_methods_are_refused(serve: Serve) -> None:
    client = serve().client
    assert client.get("/v1/event").status_code == 404
    for method, path, allowed in [
        ("GET", "/v1/events", "POST"),
        ("HEAD", "/v1/events", "POST"),
        ("POST", "/healthz/live", "GET, HEAD"),
    ]:
        answer = client.request(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


def test_an_incomplete_body_is_408(serve: Serve) -> None:
    endpoint = serve(timeout_seconds=1)
    host, port = endpoint.source.address or ("", 0)
    head = b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    with socket.create_connection((host, port), timeout=BOUND_SECONDS) as connection:
        connection.sendall(head + b"Content-Length: 100\r\n\r\n{")
        assert connection.recv(4096).startswith(b"HTTP/1.1 408 ")


def test_requests_beyond_the_queue_are_429_and_queued_ones_are_stored(
    serve: Serve, gate: Gate
) -> None:
    endpoint = serve(max_requests=2)
    gate.shut()
    first = endpoint.send("1")
    wait_until(lambda: gate.waiting)
    second = endpoint.send("2")
    wait_until(lambda: endpoint.source.lag() == 1)
    third = endpoint.post("/v1/events", event("3"))
    assert (third.status_code, third.headers["retry-after"]) == (429, "1")
    gate.open()
    assert [first.result().status_code, second.result().status_code] == [202, 202]
    assert endpoint.post("/v1/events", event("3")).status_code == 202
    assert set(endpoint.stored()) == {"1", "2", "3"}


def test_bodies_that_are_too_large_together_are_503_and_accepted_later(
    serve: Serve, gate: Gate
) -> None:
    endpoint = serve(max_requests=2, max_body_bytes=300, max_decompressed_bytes=500)
    large = gzip.compress(json.dumps(event("1")).ljust(500).encode())
    small = json.dumps(event("2")).ljust(200).encode()

    def post(content: bytes, **coding: str) -> httpx.Response:
        return endpoint.client.post("/v1/events", content=content, headers={**JSON, **coding})

    gate.shut()
    with ThreadPoolExecutor() as pool:
        first = pool.submit(post, large, **{"content-encoding": "gzip"})
        wait_until(lambda: gate.waiting)
        refused = post(small)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        gate.open()
        assert first.result().status_code == 202
    assert post(small).status_code == 202
    assert set(endpoint.stored()) == {"1", "2"}


def test_a_quiet_queue_is_stored_at_once_and_a_full_one_in_full_batches(
    serve: Serve, gate: Gate
) -> None:
    endpoint = serve()
    assert endpoint.post("/v1/events", event("1")).status_code == 202
    assert gate.passed == 1
    gate.shut()
    sent = [endpoint.send("2")]
    wait_until(lambda: gate.waiting)
    sent += [endpoint.send(str(number)) for number in range(3, 23)]
    wait_until(lambda: endpoint.source.lag() == 20)
    gate.open()
    assert {each.result().status_code for each in sent} == {202}
    assert gate.passed == 3  # the second event, then one batch of all later ones


def test_a_database_outage_is_503_with_retry_after(
    serve: Serve,
) -> None:
    endpoint = serve()
    endpoint.store.is_unavailable = True
    answer = endpoint.post("/v1/events", [event("1"), {}])
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert outcomes(answer) == ["unavailable", "unavailable"]
    ready = endpoint.client.get("/healthz/ready")
    assert (ready.status_code, ready.headers["retry-after"]) == (503, "5")
    assert endpoint.client.get("/healthz/live").status_code == 200
    endpoint.store.is_unavailable = False
    assert endpoint.post("/v1/events", event("1")).status_code == 202
    assert endpoint.client.get("/healthz/ready").status_code == 200


def test_readiness_recovers_by_itself(serve: Serve) -> None:
    endpoint = serve()
    endpoint.store.is_unavailable = True
    assert endpoint.post("/v1/events", event("1")).status_code == 503
    wait_until(lambda: endpoint.client.get("/healthz/ready").status_code == 200)


def test_a_sender_that_waited_too_long_gets_503(serve: Serve, gate: Gate) -> None:
    endpoint = serve(timeout_seconds=1)
    gate.shut()
    taken, waiting = endpoint.send("1"), endpoint.send("2")
    assert [taken.result().status_code, waiting.result().status_code] == [503, 503]
    gate.open()
    answers: list[httpx.Response] = []

    def is_taken() -> bool:  # which a slow machine may not manage within the second
        answers.append(endpoint.post("/v1/events", [event("1"), event("2")]))
        return answers[-1].status_code == 202

    wait_until(is_taken)
    # the pump held one or both; a request still waiting was withdrawn
    assert outcomes(answers[-1]).count("duplicate") >= 1
    assert set(endpoint.stored()) == {"1", "2"}


def test_at_shutdown_queued_requests_finish_and_new_ones_get_503(serve: Serve, gate: Gate) -> None:
    endpoint = serve()
    gate.shut()
    in_hand = endpoint.send("1")
    wait_until(lambda: gate.waiting)
    waiting = endpoint.send("2")
    wait_until(lambda: endpoint.source.lag() == 1)
    endpoint.stop.set()
    gate.open()
    assert in_hand.result().status_code == 202
    rest = waiting.result()
    assert (rest.status_code, rest.headers["retry-after"]) == (503, "5")
    assert set(endpoint.stored()) == {"1"}


def test_a_closed_source_can_reopen_the_same_port(serve: Serve) -> None:
    endpoint = serve()
    address = endpoint.source.address
    endpoint.end()
    again = HttpSource(port=address[1] if address else 0)
    for _ in range(2):
        again.open()
        assert again.address == address
        assert again.receive(1, 0) == []
        again.close()
        assert again.address is None


def test_an_unavailable_address_is_reported(serve: Serve) -> None:
    _, port = serve().source.address or ("", 0)
    for taken in (HttpSource(port=port), HttpSource(host="127.255.0.999", port=port, token="x")):
        with pytest.raises(SourceError, match="cannot listen") as caught:
            taken.open()
        assert str(port) in caught.value.source
        taken.close()
