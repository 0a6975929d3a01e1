"""Connection to the broker with its unsettled deliveries, and the heartbeat thread."""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from winchester_core.errors import SourceError
from winchester_core.sources.rabbitmq.broker import (
    check_queue,
    connect,
    count_ready,
    declare_missing,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


logger = logging.getLogger(__name__)

MIN_DRAIN_SECONDS = 0.001
MAX_DRAIN_SECONDS = 0.1
"""The longest uninterrupted wait; shorter than the pause between two heartbeats of a broker."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message as it came: from which queue, and by which tag it is settled."""

    queue: str
    tag: int
    body: bytes
    headers: Mapping[str, Any]
    redelivered: bool


class BrokerSession:
    """A connection with one channel, on which all queues are consumed.

    A connection of kombu belongs to one thread at a time: every method may be called from any
    thread, and takes the lock. Whatever goes wrong ends the session: `failure` says what, nothing
    is sent any more, and the broker delivers anew what was not settled.
    """

    def __init__(self, params: Mapping[str, Any]) -> None:
        """Connect and begin to consume. Raises `SourceError`."""
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
            raise _source_error("RabbitMQ", error) from error
        self._name = f"RabbitMQ at {self._connection.as_uri()}"
        try:
            self._channel = self._consume(params)
        except Exception as error:
            self._close_socket()
            raise _source_error(self._name, error) from error

    def receive_batch(self, max_messages: int, timeout_seconds: float) -> list[Delivery]:
        """Return what has been delivered, waiting for the first, and a little for more."""
        until = time.monotonic() + timeout_seconds
        received_before = 0
        while True:
            with self._lock:
                self._drain(max_messages, until)
                received = len(self._received)
                is_done = self._is_batch_full(max_messages) or self.failure is not None
            now = time.monotonic()
            if received and not received_before:
                until = min(until, now + self._batch_seconds)
            received_before = received
            if is_done or now >= until:
                break
        with self._lock:
            return [self._received.popleft() for _ in range(min(max_messages, len(self._received)))]

    def keep_alive(self) -> None:
        """Answer the broker, unless another thread is at it already."""
        if self._lock.acquire(blocking=False):
            try:
                self._drain(0, 0)
            finally:
                self._lock.release()

    def ack(self, tags: Iterable[int]) -> None:
        """Tell the broker that these are done with."""
        with self._lock:
            for tag, multiple in self._delivery_tags.settle(tags):
                self._send(functools.partial(self._channel.basic_ack, tag, multiple=multiple))

    def requeue(self, tags: Iterable[int]) -> None:
        """Give these back to their queues."""
        with self._lock:
            for tag in self._delivery_tags.remove(tags):
                self._send(functools.partial(self._channel.basic_reject, tag, requeue=True))

    def count_ready(self) -> int | None:
        """How many messages lie in the queues that no consumer has; None when that fails."""
        with self._lock:
            if self.failure is not None:
                return None
            try:
                return sum(count_ready(self._channel, queue) for queue in self._queues)
            except Exception as error:  # noqa: BLE001 - see _fail
                self._fail(error)
                return None

    def close(self) -> None:
        """Disconnect; the broker delivers again what was not settled."""
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
        channel = self._connection.channel()
        channel.auto_decode = False
        channel.basic_qos(0, params["prefetch"], False)  # of each consumer, not of all
        for queue in self._queues:
            name = queue["name"]
            channel.basic_consume(name, callback=functools.partial(self._on_delivery, name))
        return channel

    def _on_delivery(self, queue: str, message: Any) -> None:
        info = message.delivery_info
        self._delivery_tags.add(info["delivery_tag"])
        self._received.append(
            Delivery(
                queue=queue,
                tag=info["delivery_tag"],
                body=bytes(message.body),
                headers=message.properties.get("application_headers") or {},
                redelivered=bool(info["redelivered"]),
            )
        )

    def _drain(self, max_messages: int, until: float) -> None:
        """Read what is there, and answer heartbeats.

        Short of a batch, more is waited for, till `until` but no longer than a slice. There is
        never more than the broker sends before anything is settled.
        """
        slice_end = min(until, time.monotonic() + MAX_DRAIN_SECONDS)
        while self.failure is None:
            wait_seconds = (
                0.0 if self._is_batch_full(max_messages) else slice_end - time.monotonic()
            )
            try:
                self._connection.drain_events(timeout=max(MIN_DRAIN_SECONDS, wait_seconds))
            except TimeoutError:
                break
            except Exception as error:  # noqa: BLE001 - see _fail
                self._fail(error)
        self._send(self._connection.heartbeat_check)

    def _is_batch_full(self, max_messages: int) -> bool:
        """Whether there is a batch, or the broker sends no more until something is settled."""
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
        """End the session. py-amqp raises errors of many kinds when a connection breaks."""
        logger.debug("%s: the session has failed", self._name, exc_info=error)
        self.failure = _source_error(self._name, error)
        self._close_socket()

    def _close_socket(self) -> None:
        """Close the socket without a word, so that the broker notices at once."""
        self._connection.collect()


def _source_error(name: str, error: Exception) -> SourceError:
    text = " ".join(str(error).split())
    return SourceError(name, f"{type(error).__name__}: {text}" if text else type(error).__name__)


MAX_INTERVAL_SECONDS = 1.0


class HeartbeatThread:
    """Heartbeats go on, and those of the broker are read, however long a transaction takes."""

    def __init__(self, session: BrokerSession, heartbeat_seconds: float) -> None:
        self._session = session
        self._interval_seconds = min(MAX_INTERVAL_SECONDS, heartbeat_seconds / 4)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rabbitmq-heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop, and wait for the end of the thread."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._interval_seconds):
            self._session.keep_alive()


class Settlement(NamedTuple):
    """One frame to send: for this delivery, and with `multiple` for all before it, too."""

    tag: int
    multiple: bool


class DeliveryTags:
    """The unsettled delivery tags of one channel; the broker counts them upwards."""

    def __init__(self) -> None:
        self._unsettled: dict[int, None] = {}

    def __len__(self) -> int:
        return len(self._unsettled)

    def add(self, tag: int) -> None:
        """A delivery has come."""
        self._unsettled[tag] = None

    def remove(self, tags: Iterable[int]) -> list[int]:
        """Strike these deliveries out; return, in order, those that were open."""
        removed = sorted(tag for tag in set(tags) if tag in self._unsettled)
        for tag in removed:
            del self._unsettled[tag]
        return removed

    def settle(self, tags: Iterable[int]) -> list[Settlement]:
        """Strike these deliveries out; return the fewest frames that say so to the broker.

        One frame with `multiple` stands for all that come before the first one still open.
        """
        settled = self.remove(tags)
        first_open = next(iter(self._unsettled), None)
        below = [tag for tag in settled if first_open is None or tag < first_open]
        multiple = [Settlement(below[-1], len(below) > 1)] if below else []
        return multiple + [Settlement(tag, False) for tag in settled[len(below) :]]
