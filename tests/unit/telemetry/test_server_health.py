"""Liveness and readiness of a process over HTTP."""

from __future__ import annotations

import errno
import json
import socket
import urllib.error
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from support.probes.time_limits import BOUND_SECONDS
from winchester_core.errors import DatabaseUnavailable, ListenError, SchemaMismatch
from winchester_core.telemetry import server, watchdog
from winchester_core.telemetry.metrics import Sample, catalogue
from winchester_core.telemetry.server import MAX_CONNECTIONS, HttpListener, TelemetryServer
from winchester_core.telemetry.ttl_cache import TtlCache
from winchester_core.telemetry.watchdog import DEADLINE_SECONDS, Health, Watchdog

if TYPE_CHECKING:
    from collections.abc import Iterator


class Database:
    """A database that a test can break."""

    def __init__(self) -> None:
        self.fault: Exception | None = None

    def check(self) -> None:
        if self.fault is not None:
            raise self.fault


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    content: Any
    kind: str
    allow: str | None = None


@dataclass
class Watched:
    """A process with a watchdog."""

    deadlines: Watchdog
    database: Database
    monitor: TelemetryServer
    listener: HttpListener

    def ask(self, path: str, method: str = "GET") -> Answer:
        host, port = self.listener.address
        request = urllib.request.Request(f"http://{host}:{port}{path}", method=method)
        try:
            response = urllib.request.urlopen(request, timeout=BOUND_SECONDS)
        except urllib.error.HTTPError as error:
            response = error
        with response:
            body = response.read()
            kind = response.headers["Content-Type"]
            content = json.loads(body) if body and kind == "application/json" else body
            return Answer(response.status, content, kind, response.headers["Allow"])


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    listeners: list[HttpListener] = []
    make = HttpListener.__init__

    def note(self: HttpListener, *arguments: Any) -> None:
        make(self, *arguments)
        listeners.append(self)

    monkeypatch.setattr(HttpListener, "__init__", note)
    deadlines, database = Watchdog(), Database()
    health = Health(deadlines, TtlCache(database.check, ttl_seconds=0))
    monitor = TelemetryServer(
        ("127.0.0.1", 0), health, [lambda: [Sample(catalogue.WATCHDOG_OVERDUE, 0)]]
    )
    with monitor:
        yield Watched(deadlines, database, monitor, listeners[0])


def test_a_process_is_alive_while_no_deadline_is_missed(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    deadline = watched.deadlines.deadline("worker")
    deadline.extend()
    assert watched.ask("/livez") == Answer(200, {"status": "ok", "causes": []}, "application/json")
    now = watchdog.monotonic()
    monkeypatch.setattr(watchdog, "monotonic", lambda: now + DEADLINE_SECONDS + 1)
    answer = watched.ask("/livez")
    assert answer.status == 503
    assert answer.content == {
        "status": "failing",
        "causes": ["component missed its deadline: worker"],
    }
    deadline.extend()
    assert watched.ask("/livez").status == 200


def test_a_process_is_ready_from_start_to_shutdown(watched: Watched) -> None:
    starting = watched.ask("/readyz")
    watched.monitor.health.start()
    ready = watched.ask("/readyz")
    watched.monitor.health.stop()
    stopping = watched.ask("/readyz")
    assert (starting.status, ready.status, stopping.status) == (503, 200, 503)
    assert starting.content["causes"] == ["starting: not running yet"]
    assert stopping.content["causes"] == ["stopping: finishing the work in progress"]
    assert watched.ask("/livez").status == 200


@pytest.mark.parametrize(
    "fault", [DatabaseUnavailable("no route"), SchemaMismatch("0001", "0003", "sqlite://")]
)
def test_a_process_without_a_usable_database_is_alive_but_not_ready(
    watched: Watched, fault: Exception
) -> None:
    watched.monitor.health.start()
    watched.database.fault = fault
    answer = watched.ask("/readyz")
    assert answer.status == 503
    assert answer.content["causes"] == [f"database check failed: {fault}"]
    assert watched.ask("/livez").status == 200
    watched.database.fault = None
    assert watched.ask("/readyz").status == 200


def test_head_is_answered_without_a_body(watched: Watched) -> None:
    assert watched.ask("/livez", "HEAD").status == 200


def test_head_of_the_metrics_is_answered_without_a_body(watched: Watched) -> None:
    with socket.create_connection(watched.listener.address) as connection:
        connection.sendall(b"HEAD /metrics HTTP/1.0\r\n\r\n")
        received = b""
        while part := connection.recv(65_536):
            received += part
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.0 200 ")
    assert body == b""


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("http://host/livez", 200),
        ("HTTP://host/livez?a", 200),
        ("http://[x/livez", 200),
        ("http://[x", 404),
    ],
)
def test_the_absolute_form_of_a_target_is_accepted(
    watched: Watched, target: str, status: int
) -> None:
    with socket.create_connection(watched.listener.address) as connection:
        connection.sendall(f"GET {target} HTTP/1.0\r\n\r\n".encode())
        assert connection.recv(65_536).startswith(b"HTTP/1.0 %d " % status)


def test_connections_that_send_no_request_block_no_other(watched: Watched) -> None:
    with ExitStack() as idle:
        connections = [
            idle.enter_context(socket.create_connection(watched.listener.address))
            for _ in range(MAX_CONNECTIONS)
        ]
        for connection in connections:
            connection.sendall(b"GET /livez HTTP/1.0\r\n")
        assert watched.ask("/livez").status == 200
        connections[0].settimeout(BOUND_SECONDS)
        assert connections[0].recv(1) == b""


def test_an_outage_of_accept_is_logged_once(
    watched: Watched, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept, failures = socket.socket.accept, iter(range(3))

    def fail_first(listener: socket.socket) -> Any:
        if next(failures, None) is not None:
            raise OSError(errno.EMFILE, "Too many open files")
        return accept(listener)

    monkeypatch.setattr(server, "ACCEPT_RETRY_SECONDS", 0)
    monkeypatch.setattr(socket.socket, "accept", fail_first)
    assert watched.ask("/livez").status == 200
    assert [record.message for record in caplog.records] == [
        "cannot accept connections, retrying: error=Too many open files"
    ]


def test_unknown_paths_and_methods_are_refused(watched: Watched) -> None:
    assert watched.ask("/").content == {"paths": ["/metrics", "/livez", "/readyz"]}
    assert watched.ask("/metrics/x").status == 404
    refused = watched.ask("/metrics", "POST")
    assert (refused.status, refused.allow) == (405, "GET, HEAD")
    assert watched.ask("/livez", "DELETE").content == {"allowed": ["GET", "HEAD"]}


def test_a_failed_scrape_is_logged_and_harmless(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    assert b"winchester_watchdog_overdue_components 0.0" in watched.ask("/metrics").content

    def fail() -> list[Sample]:
        raise ZeroDivisionError

    watched.monitor.add(fail)
    assert watched.ask("/metrics").status == 500
    assert [record.message for record in caplog.records] == [
        "telemetry request failed: path=/metrics"
    ]
    assert watched.ask("/livez").status == 200


def test_an_address_in_use_is_reported(watched: Watched) -> None:
    host, port = watched.listener.address
    with pytest.raises(ListenError, match=f"cannot listen on 127.0.0.1, port {port}: "):
        HttpListener(host, port, lambda *_: [])


def test_an_unknown_host_is_reported() -> None:
    with pytest.raises(ListenError, match=r"cannot listen on nowhere.invalid, port 1: "):
        HttpListener("nowhere.invalid", 1, lambda *_: [])


def test_the_port_is_closed_after_shutdown(watched: Watched) -> None:
    watched.monitor.__exit__(None, None, None)
    with pytest.raises(urllib.error.URLError):
        watched.ask("/livez")


def test_the_next_listener_can_bind_the_address_at_once(watched: Watched) -> None:
    watched.ask("/livez")
    watched.monitor.__exit__(None, None, None)
    with HttpListener(*watched.listener.address, lambda *_: []) as other:
        assert other.address == watched.listener.address


def test_no_listener_is_started_without_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HttpListener, "__init__", lambda *_: pytest.fail("it listens"))
    with TelemetryServer(None, Health(Watchdog(), TtlCache(lambda: None)), []) as monitor:
        assert not monitor.health.readiness().is_healthy
