"""Signed webhooks and ingesters with all faults combined: nothing is lost, nothing stored twice.

The sender repeats a request until its status is 2xx, and changes to the other ingester after each
failure. `docs/how-to/webhooks.md` has the command for a run with 20,000 requests.
"""

from __future__ import annotations

import socket
import time
from contextlib import contextmanager
from itertools import cycle
from typing import TYPE_CHECKING

import httpx

from support.builders.webhooks import SECRET, standard
from support.probes.time_limits import BOUND_SECONDS
from support.scenes.source_faults import Origin, run_with_faults
from support.servers.private_servers import free_port
from support.servers.tcp_proxy import proxied

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.scenes.background_publisher import Publish
    from support.servers.tcp_proxy import Proxy

PATH = "/hooks/nova"
SIGNATURE = {"form": "standard_webhooks", "secrets": SECRET}
JSON = {"content-type": "application/json"}


class ProxyPair:
    """The proxies in front of two ingesters."""

    def __init__(self, *proxies: Proxy) -> None:
        self._proxies = proxies

    @property
    def connections(self) -> int:
        """The number of connections."""
        return sum(proxy.connections for proxy in self._proxies)

    def cut(self) -> int:
        """Cut all connections; return their number."""
        return sum(proxy.cut() for proxy in self._proxies)


def test_every_webhook_is_stored_exactly_once(tmp_path: Path) -> None:
    ports = free_port(), free_port()
    with proxied(ports[0]) as first, proxied(ports[1]) as second:
        ports_of_sender = cycle((first.port, second.port))
        origin = Origin(
            ProxyPair(first, second),
            entries=[{"source": "http", "params": params(port)} for port in ports],
            open_publisher=lambda: sender(next(ports_of_sender)),
            keeps_messages=False,
        )
        run_with_faults(origin, tmp_path)


def params(port: int) -> dict[str, object]:
    # the sender's idle connection is kept for as long as the test runs
    path = {"path": PATH, "format": "notification", "signature": SIGNATURE}
    return {"port": port, "header_timeout_seconds": 3600, "paths": [path]}


@contextmanager
def sender(port: int) -> Iterator[Publish]:
    """Open a client, and an idle connection, so that there is always one to cut."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=BOUND_SECONDS),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=BOUND_SECONDS) as client,
    ):

        def send(body: bytes) -> None:
            headers = {**JSON, **standard(body, int(time.time()))}
            response = client.post(PATH, content=body, headers=headers)
            response.raise_for_status()
            assert response.status_code == 200, response.text

        yield send
