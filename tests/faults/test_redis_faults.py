"""Redis and the ingester with all faults combined: nothing is lost, nothing stored twice.

`docs/how-to/redis.md` has the command for a run with 20,000 messages.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from support.scenes.source_faults import Origin, run_with_faults
from support.servers.redis_servers import GROUP, RedisStream, private_redis
from support.servers.tcp_proxy import proxied

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.scenes.background_publisher import Publish


def test_every_entry_is_stored_exactly_once(tmp_path: Path) -> None:
    with private_redis() as server, proxied(server.port) as proxy:
        stream = RedisStream(server.url)
        params = {
            "url": f"redis://127.0.0.1:{proxy.port}/0",
            "stream": stream.stream,
            "group": GROUP,
            "claim_idle_seconds": 5,
        }
        origin = Origin(
            proxy,
            entries=[{"source": "redis", "params": params}] * 2,
            open_publisher=lambda: publisher(stream),
            unsettled=stream.unsettled,
            restart=server.restart,
        )
        run_with_faults(origin, tmp_path)


@contextmanager
def publisher(stream: RedisStream) -> Iterator[Publish]:
    with Redis.from_url(stream.url, socket_timeout=10, retry=Retry(NoBackoff(), 0)) as client:
        yield lambda body: client.xadd(stream.stream, {"data": body})
