"""Notification listener of oslo.messaging, and the queue between its threads and the source.

The listener needs a separate thread, because oslo.messaging connects and reconnects without a time
limit and cannot be interrupted.
"""

from __future__ import annotations

import functools
import logging
import threading
import warnings
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from winchester_core.sources.errors import source_error
from winchester_core.sources.rabbitmq.broker import tolerant_frame_handler
from winchester_core.sources.rabbitmq.content import read_content

with warnings.catch_warnings():
    # oslo.service imports eventlet, which is deprecated and not used
    warnings.simplefilter("ignore")
    import oslo_messaging
    from oslo_config import cfg
    from oslo_messaging.notify.listener import BatchNotificationServer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from winchester_core.errors import SourceError


logger = logging.getLogger(__name__)

THREAD_COUNT = 4
"""Number of batches that are dispatched concurrently."""
CLOSE_TIMEOUT_SECONDS = 10.0


class OsloListener:
    """Listens until `close`. If it could not start, `failure` is the reason."""

    def __init__(self, params: Mapping[str, Any], queue: DeliveryQueue) -> None:
        self.failure: SourceError | None = None
        self._queue = queue
        self._params = params
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="oslo-listener", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening; unsettled messages are redelivered."""
        self._stop.set()
        self._thread.join(CLOSE_TIMEOUT_SECONDS)
        if self._thread.is_alive():
            logger.warning("abandoned the oslo.messaging listener, which is still connecting")

    def _run(self) -> None:
        try:
            server = make_server(self._params, self._queue)
            server.start(override_pool_size=THREAD_COUNT)
        except Exception as error:
            logger.debug("oslo.messaging listener failed to start", exc_info=error)
            self.failure = source_error("oslo.messaging", error)
            return
        self._stop.wait()
        server.stop()
        server.wait()
        server.transport.cleanup()


def make_server(params: Mapping[str, Any], queue: DeliveryQueue) -> Any:
    """Return a notification server that is not connected yet."""
    conf = cfg.ConfigOpts()
    conf([], project="winchester", default_config_files=params["config_files"])
    transport = oslo_messaging.get_notification_transport(conf, url=transport_url(params))
    targets = [
        oslo_messaging.Target(topic=topic, exchange=exchange)
        for topic in params["topics"]
        for exchange in params["exchanges"] or [None]
    ]
    return NotificationServer(
        transport,
        targets,
        queue,
        executor="threading",
        allow_requeue=True,
        pool=params["pool"],
        batch_size=max(1, params["prefetch"] // THREAD_COUNT),
        batch_timeout=params["batch_seconds"],
    )


class NotificationServer(BatchNotificationServer):  # type: ignore[misc]
    """Notification server that receives messages of RabbitMQ without decoding.

    oslo.messaging's driver would drop messages that it cannot decode, or that have the `_unique_id`
    of another message.
    """

    def _create_listener(self) -> Any:
        listener = super()._create_listener()
        connection: Any = getattr(listener._poll_style_listener.conn, "connection", None)
        consumers = [
            each for each in getattr(connection, "_consumers", ()) if hasattr(each, "callback")
        ]
        for consumer in consumers:
            consumer._callback = functools.partial(_deliver, consumer.callback)
        if consumers:
            _accept_any_properties(connection.connection)
        elif type(getattr(self.transport, "_driver", None)).__name__ == "RabbitDriver":
            logger.warning("unknown version of oslo.messaging, which drops messages it cannot read")
        return listener


def _accept_any_properties(connection: Any) -> None:
    """Make kombu's connection, and each later one, read undecodable properties."""
    connection.transport_options["frame_handler"] = tolerant_frame_handler
    amqp = connection.connection
    if hasattr(amqp, "on_inbound_frame"):
        amqp.on_inbound_frame = tolerant_frame_handler(amqp, amqp.on_inbound_method)


class UndecodedMessage(dict[str, Any]):
    """Received message. For oslo.messaging it is empty, but has the methods that are called."""

    def __init__(self, received: Any) -> None:
        super().__init__()
        self.content = read_content(received)
        self._channel = received.channel
        self._tag = received.delivery_tag

    def acknowledge(self) -> None:
        """Acknowledge the message."""
        self._channel.basic_ack(self._tag)

    def requeue(self) -> None:
        """Requeue the message."""
        self._channel.basic_reject(self._tag, requeue=True)


def _deliver(callback: Any, received: Any) -> None:
    callback(UndecodedMessage(received))


def transport_url(params: Mapping[str, Any]) -> str | None:
    """Return the URL. For RabbitMQ, add the prefetch limit; its driver has none by default."""
    url: str | None = params["transport_url"]
    if url is None or not urlsplit(url).scheme.startswith("rabbit"):
        return url
    if "rabbit_qos_prefetch_count" in url:
        return url
    return f"{url}{'&' if '?' in url else '?'}rabbit_qos_prefetch_count={params['prefetch']}"


# Threads of oslo.messaging call the dispatcher with a batch, and block until all messages of the
# batch are settled. oslo.messaging then requeues the messages that the call returns, and
# acknowledges the others.


class DispatchedBatch:
    """Messages of one call of the dispatcher."""

    def __init__(self, incoming: Sequence[Any]) -> None:
        self._lock = threading.Lock()
        self._unsettled = set(incoming)
        self._requeued: set[Any] = set()
        self._settled = threading.Event()

    def settle(self, message: Any, *, requeue: bool) -> None:
        """Settle a message: acknowledge or requeue it. If it is already settled, do nothing."""
        with self._lock:
            if message in self._unsettled:
                self._unsettled.discard(message)
                if requeue:
                    self._requeued.add(message)
            if not self._unsettled:
                self._settled.set()

    def requeue_unsettled(self) -> None:
        """Requeue all messages that are not settled."""
        with self._lock:
            self._requeued |= self._unsettled
            self._unsettled.clear()
            self._settled.set()

    def wait(self) -> set[Any]:
        """Wait until all messages are settled; return the messages to requeue."""
        self._settled.wait()
        return self._requeued


class PendingMessage(NamedTuple):
    """A message and its batch."""

    batch: DispatchedBatch
    message: Any

    def settle(self, *, requeue: bool = False) -> None:
        """Settle the message."""
        self.batch.settle(self.message, requeue=requeue)


class DeliveryQueue:
    """Dispatcher of a notification listener; puts messages into a queue for the source."""

    def __init__(self, priorities: Sequence[str]) -> None:
        self.supported_priorities = priorities
        self._lock = threading.Lock()
        self._queue: SimpleQueue[PendingMessage] = SimpleQueue()
        self._batches: set[DispatchedBatch] = set()
        self._is_closed = False

    def dispatch(self, incoming: Sequence[Any]) -> set[Any]:
        """Queue messages, and wait until all are settled; return the messages to requeue."""
        batch = DispatchedBatch(incoming)
        with self._lock:
            if self._is_closed:
                return set(incoming)
            self._batches.add(batch)
        for message in incoming:
            self._queue.put(PendingMessage(batch, message))
        try:
            return batch.wait()
        finally:
            with self._lock:
                self._batches.discard(batch)

    def take(self, max_messages: int, timeout_seconds: float) -> list[PendingMessage]:
        """Remove and return up to `max_messages`; wait only for the first."""
        pending_messages: list[PendingMessage] = []
        with suppress(Empty):
            while len(pending_messages) < max_messages:
                pending_messages.append(
                    self._queue.get(timeout=0 if pending_messages else timeout_seconds)
                )
        return pending_messages

    def close(self) -> None:
        """Requeue all unsettled and future messages, and wake the waiting threads."""
        with self._lock:
            self._is_closed = True
            batches = list(self._batches)
        for batch in batches:
            batch.requeue_unsettled()
