"""The `redis` source on a real server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest

from support.probes.time_limits import BOUND_SECONDS
from support.servers.redis_servers import GROUP, RedisStream, redis_stream
from winchester_core.sources.redis import RedisSource
from winchester_core.testing import SourceConformance

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from winchester_core.model.event import Event


@pytest.fixture
def stream() -> Iterator[RedisStream]:
    """A stream of one test on the local server."""
    with redis_stream() as made:
        yield made


class TestRedis(SourceConformance):
    plugin = RedisSource
    message_timeout_seconds = BOUND_SECONDS

    @pytest.fixture(autouse=True)
    def _stream(self, stream: RedisStream) -> None:
        self.stream = stream

    def params(self) -> dict[str, Any]:
        return {
            "url": self.stream.url,
            "stream": self.stream.stream,
            "group": GROUP,
            "format": "event",
        }

    def feed(self, events: Sequence[Event]) -> None:
        self.stream.publish([orjson.dumps(event) for event in events])
