"""A notification listener of oslo.messaging, run in a thread of its own.

It connects, and connects again, with a patience without end, and does not let itself be
interrupted in that: hence the thread.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from winchester_core.errors import SourceError
from winchester_core.sources.oslo.messaging import BatchNotificationServer, cfg, oslo_messaging

if TYPE_CHECKING:
    from collections.abc import Mapping

    from winchester_core.sources.oslo.desk import Desk

logger = logging.getLogger(__name__)

THREADS = 4
"""How many batches are handed in at once."""
CLOSE_SECONDS = 10.0


class Listener:
    """Listens from its making to `close`; `failure` is why it does not."""

    def __init__(self, params: Mapping[str, Any], desk: Desk) -> None:
        self.failure: SourceError | None = None
        self._desk = desk
        self._params = params
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="oslo-listener", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening; what is unsettled by then comes again."""
        self._stop.set()
        self._thread.join(CLOSE_SECONDS)
        if self._thread.is_alive():
            logger.warning("oslo.messaging does not end while it connects; it is left to itself")

    def _run(self) -> None:
        try:
            server = make_server(self._params, self._desk)
            server.start(override_pool_size=THREADS)
        except Exception as error:
            logger.debug("oslo.messaging does not listen", exc_info=error)
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            self.failure = SourceError("oslo.messaging", reason)
            return
        self._stop.wait()
        server.stop()
        server.wait()
        server.transport.cleanup()


def make_server(params: Mapping[str, Any], desk: Desk) -> Any:
    """Make the listener; it is not connected yet."""
    conf = cfg.ConfigOpts()
    conf([], project="winchester", default_config_files=params["config_files"])
    transport = oslo_messaging.get_notification_transport(conf, url=transport_url(params))
    targets = [
        oslo_messaging.Target(topic=topic, exchange=exchange)
        for topic in params["topics"]
        for exchange in params["exchanges"] or [None]
    ]
    return BatchNotificationServer(
        transport,
        targets,
        desk,
        executor="threading",
        allow_requeue=True,
        pool=params["pool"],
        batch_size=max(1, params["prefetch"] // THREADS),
        batch_timeout=params["batch_seconds"],
    )


def transport_url(params: Mapping[str, Any]) -> str | None:
    """The URL with the bound on what is on its way, which RabbitMQ's driver else has not."""
    url: str | None = params["transport_url"]
    if url is None or not urlsplit(url).scheme.startswith("rabbit"):
        return url
    if "rabbit_qos_prefetch_count" in url:
        return url
    return f"{url}{'&' if '?' in url else '?'}rabbit_qos_prefetch_count={params['prefetch']}"
