"""NATS and the ingester with all faults combined: nothing is lost, nothing stored twice.

`docs/how-to/nats.md` has the command for a run with 20,000 messages.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

import nats

from support.scenes.source_faults import Origin, run_with_faults
from support.servers.nats_servers import ONE_ATTEMPT, JetStream, private_nats
from support.servers.tcp_proxy import proxied

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.scenes.background_publisher import Publish

CONSUMER = "winchester"


def test_every_message_is_stored_exactly_once(tmp_path: Path) -> None:
    with private_nats() as server, proxied(server.port) as proxy:
        stream = JetStream(server.url)
        stream.create()
        params = {
            "url": f"nats://127.0.0.1:{proxy.port}",
            "stream": stream.stream,
            "consumer": CONSUMER,
            "ack_wait_seconds": 5,
        }
        origin = Origin(
            proxy,
            entries=[{"source": "nats", "params": params}] * 2,
            open_publisher=lambda: publisher(stream),
            unsettled=lambda: stream.unsettled(CONSUMER),
            restart=server.restart,
        )
        run_with_faults(origin, tmp_path)


@contextmanager
def publisher(stream: JetStream) -> Iterator[Publish]:
    with asyncio.Runner() as runner:
        client = runner.run(nats.connect(stream.url, connect_timeout=1, **ONE_ATTEMPT))
        jetstream = client.jetstream()
        try:
            yield lambda body: runner.run(jetstream.publish(stream.subject, body))
        finally:
            runner.run(client.close())
