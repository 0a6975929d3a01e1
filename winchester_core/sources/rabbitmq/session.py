"""Session with the broker, its unsettled delivery tags, and the heartbeat thread."""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from winchester_core.errors import SourceError
from winchester_core.sources.errors import source_error
from winchester_core.sources.rabbitmq.broker import (
    check_queue,
    connect,
    count_ready,
    declare_missing,
    refuse_stream,
)
from winchester_core.sources.rabbitmq.content import read_content

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from winchester_core.sources.rabbitmq.content import Content


logger = logging.getLogger(__name__)

MIN_DRAIN_SECONDS = 0.001
MAX_DRAIN_SECONDS = 0.1
"""Longest wait while holding the lock; must be shorter than the broker's heartbeat interval."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivered message, with its queue and delivery tag, and as what it was published."""

    queue: str
    tag: int
    redelivered: bool
    content: Content
    exchange: str
    routing_key: str


class BrokerSession:
    """A connection with one channel that consumes all queues.

    Thread-safe: every method takes a lock, because kombu's connections are not thread-safe. Any
    error ends the session and is stored in `failure`. Then nothing more is sent, and the broker
    redelivers unsettled messages.
    """

    def __init__(self, params: Mapping[str, Any]) -> None:
        """Connect and start consuming. Raises `SourceError`."""
        self.failure: SourceError | None = None
        self._queues: list[Mapping[str, Any]] = params["queues"]
        self._max_unsettled = params["prefetch"] * len(self._queues)
        self._batch_seconds = params["batch_seconds"]
        self._lock = threading.Lock()
        self._received: deque[Delivery] = deque()
        self._delivery_tags = DeliveryTags()
        try:
            self._connection = connect(params)
        except Exception as error:
            raise source_error("RabbitMQ", error) from error
        self._name = f"RabbitMQ at {self._connection.as_uri()}"
        try:
            self._channel = self._consume(params)
        except Exception as error:
            self._close_socket()
            raise source_error(self._name, error) from error

    def receive_batch(self, max_messages: int, timeout_seconds: float) -> list[Delivery]:
        """Return delivered messages. Wait for the first, then up to `batch_seconds` for more."""
        timeout_at = time.monotonic() + timeout_seconds
        received_before = 0
        while True:
            with self._lock:
                self._drain(max_messages, timeout_at)
                received = len(self._received)
                is_done = self._is_batch_full(max_messages) or self.failure is not None
            now = time.monotonic()
            if received and not received_before:
                timeout_at = min(timeout_at, now + self._batch_seconds)
            received_before = received
            if is_done or now >= timeout_at:
                break
        with self._lock:
            return [self._received.popleft() for _ in range(min(max_messages, len(self._received)))]

    def keep_alive(self) -> None:
        """Process heartbeats, unless another thread holds the lock; that thread processes them."""
        if self._lock.acquire(blocking=False):
            try:
                self._drain(0, 0)
            finally:
                self._lock.release()

    def ack(self, tags: Iterable[int]) -> None:
        """Acknowledge these deliveries."""
        with self._lock:
            for tag, multiple in self._delivery_tags.settle(tags):
                self._send(functools.partial(self._channel.basic_ack, tag, multiple=multiple))

    def requeue(self, tags: Iterable[int]) -> None:
        """Requeue these deliveries."""
        with self._lock:
            for tag in self._delivery_tags.remove(tags):
                self._send(functools.partial(self._channel.basic_reject, tag, requeue=True))

    def count_ready(self) -> int | None:
        """Return the number of ready messages in all queues, or None if the query fails."""
        with self._lock:
            if self.failure is not None:
                return None
            try:
                return sum(count_ready(self._channel, queue) for queue in self._queues)
            except Exception as error:  # noqa: BLE001 - see _fail
                self._fail(error)
                return None

    def close(self) -> None:
        """Disconnect; the broker redelivers unsettled messages."""
        with self._lock:
            if self.failure is None:
                self._send(self._connection.release)
            self._close_socket()
            self.failure = self.failure or SourceError(self._name, "closed")

    # --- with the lock held ---------------------------------------------------------------

    def _consume(self, params: Mapping[str, Any]) -> Any:
        prepare = declare_missing if params["declare"] else check_queue
        for queue in self._queues:
            prepare(self._connection, queue)
            refuse_stream(self._connection, queue["name"])
        channel = self._connection.channel()
        channel.auto_decode = False
        channel.basic_qos(0, params["prefetch"], False)  # per consumer
        for queue in self._queues:
            name = queue["name"]
            channel.basic_consume(name, callback=functools.partial(self._on_delivery, name))
        return channel

    def _on_delivery(self, queue: str, message: Any) -> None:
        info = message.delivery_info
        tag, redelivered = info["delivery_tag"], bool(info["redelivered"])
        self._delivery_tags.add(tag)
        exchange, routing_key = info["exchange"], info["routing_key"]
        content = read_content(message)
        self._received.append(Delivery(queue, tag, redelivered, content, exchange, routing_key))

    def _drain(self, max_messages: int, timeout_at: float) -> None:
        """Read available frames, and process heartbeats.

        Unless the batch is full, waits for more frames until `timeout_at`, but at most
        `MAX_DRAIN_SECONDS`. The prefetch limit bounds the number of received messages.
        """
        timeout_at = min(timeout_at, time.monotonic() + MAX_DRAIN_SECONDS)
        while self.failure is None:
            wait_seconds = (
                0.0 if self._is_batch_full(max_messages) else timeout_at - time.monotonic()
            )
            try:
                self._connection.drain_events(timeout=max(MIN_DRAIN_SECONDS, wait_seconds))
            except TimeoutError:
                break
            except Exception as error:  # noqa: BLE001 - see _fail
                self._fail(error)
        self._send(self._connection.heartbeat_check)

    def _is_batch_full(self, max_messages: int) -> bool:
        """Return whether the batch or the prefetch limit is full."""
        return (
            len(self._received) >= max_messages or len(self._delivery_tags) >= self._max_unsettled
        )

    def _send(self, send: Any) -> None:
        if self.failure is None:
            try:
                send()
            except Exception as error:  # noqa: BLE001 - see _fail
                self._fail(error)

    def _fail(self, error: Exception) -> None:
        """End the session. If a connection breaks, py-amqp raises many kinds of errors."""
        logger.debug("session failed: broker=%s", self._name, exc_info=error)
        self.failure = source_error(self._name, error)
        self._close_socket()

    def _close_socket(self) -> None:
        """Close the socket without a closing handshake. The broker notices it immediately."""
        self._connection.collect()


MAX_INTERVAL_SECONDS = 1.0


class HeartbeatThread:
    """Thread that processes heartbeats, so that slow transactions do not end the session."""

    def __init__(self, session: BrokerSession, heartbeat_seconds: float) -> None:
        self._session = session
        self._interval_seconds = min(MAX_INTERVAL_SECONDS, heartbeat_seconds / 4)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rabbitmq-heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread and wait for its end."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._interval_seconds):
            self._session.keep_alive()


class Settlement(NamedTuple):
    """An acknowledgement of one delivery; with `multiple`, also of all earlier deliveries."""

    tag: int
    multiple: bool


class DeliveryTags:
    """Unsettled delivery tags of one channel; the broker assigns them in ascending order."""

    def __init__(self) -> None:
        self._unsettled: dict[int, None] = {}

    def __len__(self) -> int:
        return len(self._unsettled)

    def add(self, tag: int) -> None:
        """Add a delivery."""
        self._unsettled[tag] = None

    def remove(self, tags: Iterable[int]) -> list[int]:
        """Remove these deliveries; return the unsettled ones among them, in order."""
        removed = sorted(tag for tag in set(tags) if tag in self._unsettled)
        for tag in removed:
            del self._unsettled[tag]
        return removed

    def settle(self, tags: Iterable[int]) -> list[Settlement]:
        """Remove these deliveries; return the minimal acknowledgements for the broker.

        One acknowledgement with `multiple` covers all deliveries before the first unsettled one.
        """
        settled = self.remove(tags)
        first_unsettled = next(iter(self._unsettled), None)
        below = [tag for tag in settled if first_unsettled is None or tag < first_unsettled]
        multiple = [Settlement(below[-1], len(below) > 1)] if below else []
        return multiple + [Settlement(tag, False) for tag in settled[len(below) :]]
