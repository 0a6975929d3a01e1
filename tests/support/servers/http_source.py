"""An endpoint of the http source in this process, and a gate in its pump."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx

from oracle import MemoryStore
from support.probes.time_limits import BOUND_SECONDS
from support.scenes.sites import wait_until
from winchester_core.bootstrap import distiller, load_settings, mapping_set
from winchester_core.clock import ClockKind, StreamClock
from winchester_core.errors import DatabaseUnavailable
from winchester_core.failpoints import Failpoint, on_hit
from winchester_core.ingest import Ingester
from winchester_core.ingest.decoding import Decoder
from winchester_core.ingest.ingester import IngestConfiguration
from winchester_core.ingest.pump import SourcePump
from winchester_core.sources.http import HttpSource
from winchester_core.storage.filters import EventFilter
from winchester_core.testing import FakeClock

if TYPE_CHECKING:
    from concurrent.futures import Future
    from typing import Self


class Store(MemoryStore):
    """A memory store that raises `DatabaseUnavailable` while `is_unavailable`."""

    is_unavailable = False

    def record(self, *arguments: Any) -> Any:
        if self.is_unavailable:
            raise DatabaseUnavailable("no such host")
        return super().record(*arguments)


class Gate:
    """A gate between receive and ingest of a pump, which waits while it is shut."""

    def __init__(self) -> None:
        self._is_open = threading.Event()
        self._is_open.set()
        self.passed = 0
        self.waiting = 0

    def shut(self) -> None:
        """Block the pump."""
        self._is_open.clear()

    def open(self) -> None:
        """Release the pump."""
        self._is_open.set()

    def _pass(self, point: Failpoint) -> None:
        if point is Failpoint.RECEIVED:
            self.waiting += 1
            self._is_open.wait()
            self.waiting -= 1
            self.passed += 1

    def __enter__(self) -> Self:
        on_hit(self._pass)
        return self

    def __exit__(self, *_: object) -> None:
        self.open()
        on_hit(None)


class Endpoint:
    """A listening source, its pump, and a client."""

    def __init__(self, definitions: Any, params: dict[str, Any]) -> None:
        clock = FakeClock()
        self.store = Store(clock)
        settings = load_settings({"distiller_config": definitions}, needs=[])
        decoder = Decoder(distiller(settings, clock), mapping_set(settings), clock)
        self.manager = Ingester(
            store=self.store,
            stream_clock=StreamClock(ClockKind.SYSTEM, self.store, clock),
            configuration=IngestConfiguration([], decoder),
            conditions={},
        )
        self.source = HttpSource(port=0, **params)
        self.stop = threading.Event()
        self.pump = SourcePump("web", self.source, self.manager, batch_size=1000, stop=self.stop)
        self._thread = threading.Thread(target=self.pump.run)
        self._thread.start()
        wait_until(lambda: self.source.address)
        host, port = self.source.address or ("", 0)
        self.url = f"http://{host}:{port}"
        self.client = httpx.Client(base_url=self.url, timeout=BOUND_SECONDS)
        self._senders = ThreadPoolExecutor(32)

    def post(self, path: str, json: Any, **more: Any) -> httpx.Response:
        """Post JSON."""
        return self.client.post(path, json=json, **more)

    def send(self, *ids: str) -> Future[httpx.Response]:
        """Post events with these ids, in another thread."""
        return self._senders.submit(self.post, "/v1/events", [event(each) for each in ids])

    def stored(self) -> dict[str, dict[str, Any]]:
        """Return the stored events by id."""
        found = self.store.find_events(EventFilter(), limit=10_000)
        return {each["message_id"]: dict(each) for each in found}

    def end(self) -> None:
        """Stop as a process does, and wait for its end."""
        self.stop.set()
        self._thread.join()
        self._senders.shutdown()
        self.client.close()


def event(message_id: str, **traits: Any) -> dict[str, Any]:
    """Return an event as JSON."""
    return {
        "message_id": message_id,
        "event_type": "door.opened",
        "timestamp": "2026-03-14T10:00:00+00:00",
        **traits,
    }


def outcomes(response: httpx.Response) -> list[str]:
    """Return the outcome of each item of a response."""
    return [each["outcome"] for each in response.json()["results"]]
