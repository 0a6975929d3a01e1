"""The built-in source `http` passes the conformance suite for sources."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import httpx
import orjson
import pytest

from support.builders.webhooks import SECRET, github
from support.probes.time_limits import BOUND_SECONDS
from support.servers.private_servers import free_port
from winchester_core.sources.http import HttpSource
from winchester_core.testing import SourceConformance

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from winchester_core.model.event import Event

RETRY_SECONDS = 0.05


class TestHttp(SourceConformance):
    """Its clients resend until they get a response for every event."""

    plugin = HttpSource
    message_timeout_seconds = BOUND_SECONDS

    @pytest.fixture(autouse=True)
    def _senders(self) -> Iterator[None]:
        self.port = free_port()
        self.stop = threading.Event()
        self.senders: list[threading.Thread] = []
        yield
        self.stop.set()
        for sender in self.senders:
            sender.join()

    def params(self) -> dict[str, Any]:
        return {"port": self.port}

    def feed(self, events: Sequence[Event]) -> None:
        for event in events:
            sender = threading.Thread(target=self.send, args=[event])
            self.senders.append(sender)
            sender.start()

    def request(self, body: bytes) -> tuple[str, dict[str, str]]:
        """Return path and headers for a body."""
        return "/v1/events", {"Content-Type": "application/json"}

    def send(self, event: Event) -> None:
        """Send an event until it is settled."""
        content = orjson.dumps(event)
        path, headers = self.request(content)
        with httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}", timeout=BOUND_SECONDS
        ) as client:
            while not self.stop.wait(RETRY_SECONDS):
                try:
                    answer = client.post(path, content=content, headers=headers)
                except httpx.TransportError:
                    continue
                if answer.status_code < 500:
                    return


class TestWebhooks(TestHttp):
    """Its clients sign their requests."""

    def params(self) -> dict[str, Any]:
        signature = {"form": "github", "secrets": SECRET}
        path = {"path": "/hooks/a", "format": "event", "signature": signature}
        return {"port": self.port, "paths": [path]}

    def request(self, body: bytes) -> tuple[str, dict[str, str]]:
        return "/hooks/a", {"Content-Type": "application/json", **github(body)}
