"""Notification listener of oslo.messaging in its own thread, and its delivery queue.

It connects, and connects again, with a patience without end, and does not let itself be
interrupted in that: hence the thread.
"""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from winchester_core.errors import SourceError
from winchester_core.sources.oslo.messaging import BatchNotificationServer, cfg, oslo_messaging

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


logger = logging.getLogger(__name__)

THREAD_COUNT = 4
"""How many batches are handed in at once."""
CLOSE_TIMEOUT_SECONDS = 10.0


class OsloListener:
    """Listens from its making to `close`; `failure` is why it does not."""

    def __init__(self, params: Mapping[str, Any], queue: DeliveryQueue) -> None:
        self.failure: SourceError | None = None
        self._queue = queue
        self._params = params
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="oslo-listener", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening; what is unsettled by then comes again."""
        self._stop.set()
        self._thread.join(CLOSE_TIMEOUT_SECONDS)
        if self._thread.is_alive():
            logger.warning("oslo.messaging does not end while it connects; it is left to itself")

    def _run(self) -> None:
        try:
            server = make_server(self._params, self._queue)
            server.start(override_pool_size=THREAD_COUNT)
        except Exception as error:
            logger.debug("oslo.messaging does not listen", exc_info=error)
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            self.failure = SourceError("oslo.messaging", reason)
            return
        self._stop.wait()
        server.stop()
        server.wait()
        server.transport.cleanup()


def make_server(params: Mapping[str, Any], queue: DeliveryQueue) -> Any:
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
        queue,
        executor="threading",
        allow_requeue=True,
        pool=params["pool"],
        batch_size=max(1, params["prefetch"] // THREAD_COUNT),
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


# Queue of the notifications that oslo.messaging delivers; the caller waits until they are settled.
#
# The dispatcher is called in threads of oslo.messaging, with a batch; the batch is acknowledged
# when the call has returned, but for those messages that the call returns, which are requeued.


class DispatchedBatch:
    """What was handed in by one call."""

    def __init__(self, incoming: Sequence[Any]) -> None:
        self._lock = threading.Lock()
        self._open = set(incoming)
        self._returned: set[Any] = set()
        self._settled = threading.Event()

    def settle(self, message: Any, *, requeue: bool) -> None:
        """A message is done with, or to be requeued; once settled, it stays as it is."""
        with self._lock:
            if message in self._open:
                self._open.discard(message)
                if requeue:
                    self._returned.add(message)
            if not self._open:
                self._settled.set()

    def requeue_unsettled(self) -> None:
        """Whatever is not settled is to be requeued."""
        with self._lock:
            self._returned |= self._open
            self._open.clear()
            self._settled.set()

    def wait(self) -> set[Any]:
        """Wait until all are settled; return those to be requeued."""
        self._settled.wait()
        return self._returned


class PendingMessage(NamedTuple):
    """A message, and by what it is settled."""

    batch: DispatchedBatch
    message: Any

    def settle(self, *, requeue: bool = False) -> None:
        """Settle the message."""
        self.batch.settle(self.message, requeue=requeue)


class DeliveryQueue:
    """The dispatcher of a notification listener: it takes all that comes."""

    def __init__(self, priorities: Sequence[str]) -> None:
        self.supported_priorities = priorities
        self._lock = threading.Lock()
        self._waiting: SimpleQueue[PendingMessage] = SimpleQueue()
        self._batches: set[DispatchedBatch] = set()
        self._is_closed = False

    def dispatch(self, incoming: Sequence[Any]) -> set[Any]:
        """Hand messages in; return, when all are settled, those to be requeued."""
        batch = DispatchedBatch(incoming)
        with self._lock:
            if self._is_closed:
                return set(incoming)
            self._batches.add(batch)
        for message in incoming:
            self._waiting.put(PendingMessage(batch, message))
        try:
            return batch.wait()
        finally:
            with self._lock:
                self._batches.discard(batch)

    def take(self, max_messages: int, timeout_seconds: float) -> list[PendingMessage]:
        """Return what is there, waiting for the first."""
        pending_messages: list[PendingMessage] = []
        with suppress(Empty):
            while len(pending_messages) < max_messages:
                pending_messages.append(
                    self._waiting.get(timeout=0 if pending_messages else timeout_seconds)
                )
        return pending_messages

    def close(self) -> None:
        """Let nobody wait any more: what is not settled is requeued, and so is what comes."""
        with self._lock:
            self._is_closed = True
            batches = list(self._batches)
        for batch in batches:
            batch.requeue_unsettled()
