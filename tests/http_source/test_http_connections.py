"""Connections that never finish a request are closed, and cost no other sender."""

from __future__ import annotations

import asyncio
import errno
import re
import resource
import socket
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from support.probes.time_limits import BOUND_SECONDS
from support.scenes.program_groups import program_group
from support.scenes.sites import Site, wait_until
from support.servers.http_source import event
from support.servers.private_servers import free_port
from winchester_core.sources.http import server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Serve
    from support.servers.http_source import Gate

HALF_A_HEAD = b"POST /v1/events HTTP/1.1\r\nHost: x\r\n"
OPEN_FILES = 256
ATTACKERS = 400


@contextmanager
def connected(port: int, sent: bytes = b"") -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), BOUND_SECONDS) as connection:
        connection.sendall(sent)
        yield connection


def test_the_parts_of_a_response_are_sent_without_waiting_for_acknowledgements() -> None:
    with server.listen("127.0.0.1", 0) as listener, connected(listener.getsockname()[1]):
        accepted, _address = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


def test_headers_that_are_not_received_in_time_are_408(serve: Serve) -> None:
    port = port_of(serve(header_timeout_seconds=1).url)
    with connected(port, HALF_A_HEAD) as connection:
        received = connection.makefile("rb").read()
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert b"connection: close" in head
    assert b"\r\ndate: " in head
    assert body == b'{"error":"the headers were not received within 1 seconds"}'


def test_a_second_request_has_the_same_time_limit(serve: Serve) -> None:
    port = port_of(serve(header_timeout_seconds=1).url)
    with connected(port, b"GET /healthz/live HTTP/1.1\r\nHost: x\r\n\r\n") as connection:
        received = connection.makefile("rb")
        assert received.readline() == b"HTTP/1.1 200 OK\r\n"
        connection.sendall(HALF_A_HEAD)
        assert b"HTTP/1.1 408 Request Timeout\r\n" in received.read()


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(HALF_A_HEAD + b"Content-Length: 9\r\n\r\n", id="no-body-of-a-refused-request"),
    ],
)
def test_a_connection_without_a_request_is_closed(serve: Serve, sent: bytes) -> None:
    port = port_of(serve(header_timeout_seconds=1).url)
    with connected(port, sent) as connection:
        assert b" 408 " not in connection.makefile("rb").read()


def test_a_client_that_reads_no_responses_is_disconnected(serve: Serve) -> None:
    port = port_of(serve(header_timeout_seconds=1).url)
    requests = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 100_000

    def send_endlessly(connection: socket.socket) -> None:
        while True:
            connection.sendall(requests)

    with connected(port) as connection, pytest.raises(ConnectionError):
        send_endlessly(connection)


def test_the_connection_that_waited_longest_makes_room(serve: Serve) -> None:
    endpoint = serve(max_connections=3)
    port = port_of(endpoint.url)
    with ExitStack() as waiting:
        first, second, third = (
            waiting.enter_context(connected(port, HALF_A_HEAD)) for _ in range(3)
        )
        assert endpoint.post("/v1/events", event("1")).status_code == 202
        assert first.makefile("rb").read() == b""
        assert endpoint.post("/v1/events", event("2")).status_code == 202
        third.sendall(b"Content-Length: 0\r\n\r\n")
        assert third.recv(100).startswith(b"HTTP/1.1 415 ")
        second.close()


def test_connections_with_requests_in_progress_are_kept_and_others_wait(
    serve: Serve, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_room: list[bool] = []
    make_room = server._Server._make_room

    def note(bounded: server._Server) -> bool:
        has_room.append(make_room(bounded))
        return has_room[-1]

    monkeypatch.setattr(server._Server, "_make_room", note)
    endpoint = serve(max_connections=2)
    gate.shut()
    sent = [endpoint.send(str(number)) for number in range(4)]
    wait_until(lambda: gate.waiting and not all(has_room))
    assert has_room[:2] == [True, True]
    assert not any(each.done() for each in sent)
    gate.open()
    assert [each.result().status_code for each in sent] == [202] * 4


def test_an_outage_of_accept_is_logged_once(
    serve: Serve, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("INFO", server.__name__)
    accept, failures = asyncio.SelectorEventLoop.sock_accept, iter(range(3))

    async def fail_first(loop: asyncio.SelectorEventLoop, listener: socket.socket) -> Any:
        if next(failures, None) is not None:
            raise OSError(errno.EMFILE, "Too many open files")
        return await accept(loop, listener)

    monkeypatch.setattr(server, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(asyncio.SelectorEventLoop, "sock_accept", fail_first)
    assert serve().post("/v1/events", event("1")).status_code == 202
    logged = [each.message for each in caplog.records if "listening" not in each.message]
    assert logged == [
        "cannot accept connections, retrying: error=Too many open files",
        "accepting connections again",
    ]


def test_half_open_connections_beyond_the_limit_of_open_files_harm_nobody(tmp_path: Path) -> None:
    port, metrics_port = free_port(), free_port()
    site = Site(tmp_path, f"sqlite:///{tmp_path}/events.db")
    site.write("triggers.yaml", "[]\n")
    site.add_settings(
        f"metrics_listen: 127.0.0.1:{metrics_port}\n"
        f"event_sources: {{web: {{source: http, params: {{port: {port}}}}}}}\n"
    )
    site.migrate()
    with program_group(site) as programs, ExitStack() as half_open:
        ingest = programs.start("ingest", "winchester", "ingest", "-c", site.config)
        resource.prlimit(ingest.pid, resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
        wait_until(lambda: "listening: host=" in ingest.text())
        for _ in range(ATTACKERS):
            half_open.enter_context(connected(port, HALF_A_HEAD))
        with httpx.Client(timeout=BOUND_SECONDS) as client:
            for number in range(20):
                sent = client.post(f"http://127.0.0.1:{port}/v1/events", json=event(str(number)))
                assert sent.status_code == 202
            assert client.get(f"http://127.0.0.1:{metrics_port}/metrics").status_code == 200
        assert "max_connections lowered to half the limit of open files" in ingest.text()
        assert not re.search("cannot accept|Traceback|ERROR", ingest.text())
        assert ingest.end() == 0
