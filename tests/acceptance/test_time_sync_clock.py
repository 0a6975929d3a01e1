"""The `time_sync` clock, against a service like that of StackTach v3's Winchester."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, ClassVar

import pytest

from oracle import MemoryStore
from winchester_core import clock as clock_module
from winchester_core.clock import SYNC_INTERVAL_SECONDS, ClockKind, StreamClock, TimeSyncClock
from winchester_core.errors import ClockError
from winchester_core.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST_TIME = datetime(2026, 3, 14, tzinfo=UTC)
PAST = datetime(2015, 1, 20, 1, 2, 3, 456, tzinfo=UTC)


class TimeService(BaseHTTPRequestHandler):
    """`GET /time` returns the last time POSTed."""

    answer: ClassVar[bytes] = b"None"
    requests: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        type(self).requests.append(f"GET {self.path}")
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.answer)

    def do_POST(self) -> None:
        type(self).requests.append(f"POST {self.path}")
        type(self).answer = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def endpoint() -> Iterator[str]:
    TimeService.answer, TimeService.requests = b"None", []
    server = ThreadingHTTPServer(("127.0.0.1", 0), TimeService)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def monotonic(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    seconds = [0.0]
    monkeypatch.setattr(clock_module, "monotonic", lambda: seconds[0])
    return seconds


def test_the_hosts_time_is_used_until_a_time_is_published(endpoint: str) -> None:
    assert TimeSyncClock(endpoint, FakeClock(HOST_TIME)).now() == HOST_TIME
    assert TimeService.requests == ["GET /time"]


def test_the_worker_uses_the_time_published_by_ingest(endpoint: str) -> None:
    store = MemoryStore(FakeClock(HOST_TIME))
    ingesting = StreamClock(ClockKind.TIME_SYNC, store, TimeSyncClock(endpoint))
    working = StreamClock(ClockKind.TIME_SYNC, store, TimeSyncClock(endpoint + "/"))
    ingesting.publish([PAST.replace(hour=0), PAST])
    assert ingesting.now() == PAST
    assert working.now() == PAST


def test_the_service_is_read_and_written_at_most_every_twenty_seconds(
    endpoint: str, monotonic: list[float]
) -> None:
    clock = TimeSyncClock(endpoint, FakeClock(HOST_TIME))
    for _ in range(3):
        clock.now()
    assert TimeService.requests == ["GET /time"]
    for _ in range(3):
        clock.publish(PAST)
    assert TimeService.requests == ["GET /time", "POST /time"]
    monotonic[0] = SYNC_INTERVAL_SECONDS
    assert clock.now() == PAST
    clock.publish(PAST)
    assert len(TimeService.requests) == 4


def test_an_unavailable_or_invalid_service_is_an_error_naming_it(endpoint: str) -> None:
    TimeService.answer = b"half past nine"
    with pytest.raises(ClockError, match="half past nine"):
        TimeSyncClock(endpoint).now()
    with pytest.raises(ClockError, match=r"http://127\.0\.0\.1:9/time does not respond"):
        TimeSyncClock("http://127.0.0.1:9").now()
    with pytest.raises(ClockError, match="http or https"):
        TimeSyncClock("file:///etc/passwd")
