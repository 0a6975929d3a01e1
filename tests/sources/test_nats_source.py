"""The `nats` source on a real server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest

from support.probes.time_limits import BOUND_SECONDS
from support.servers.nats_servers import JetStream, jetstream
from winchester_core.sources.nats import NatsSource
from winchester_core.testing import SourceConformance

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from winchester_core.model.event import Event


@pytest.fixture
def stream() -> Iterator[JetStream]:
    """A stream of one test on the local server."""
    with jetstream() as made:
        yield made


class TestNats(SourceConformance):
    plugin = NatsSource
    message_timeout_seconds = BOUND_SECONDS

    @pytest.fixture(autouse=True)
    def _stream(self, stream: JetStream) -> None:
        self.stream = stream

    def params(self) -> dict[str, Any]:
        return {
            "url": self.stream.url,
            "stream": self.stream.stream,
            "consumer": "winchester",
            "format": "event",
        }

    def feed(self, events: Sequence[Event]) -> None:
        if events:
            self.stream.publish([orjson.dumps(event) for event in events])
