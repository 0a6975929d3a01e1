"""Session with a NATS server: requests for messages, received messages and acknowledgements."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nats.aio.msg import Msg
from nats.errors import Error, NotJSMessageError

from winchester_core.interfaces.nats_client import (
    NATS_ERRORS,
    UNREADABLE_HEADERS,
    NatsConnection,
    server_name,
)
from winchester_core.sources.errors import source_error
from winchester_core.sources.nats.consumer import (
    CONFLICT,
    ack_wait_seconds,
    find_consumer,
    request_subject,
    status_error,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from winchester_core.errors import SourceError

logger = logging.getLogger(__name__)

REQUEST_SECONDS = 30.0
"""Time after which a request for messages is sent again."""
GRACE_SECONDS = 5.0
"""Time after its end in which a server reports that a request has ended."""
CONFLICT_PAUSE_SECONDS = 0.5
EXTENSIONS_PER_WAIT = 4
MIN_EXTENSION_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivered message. Its reply subject is the address of its acknowledgements."""

    reply: str
    subject: str
    stream: str
    sequence: int
    redelivered: bool
    body: bytes
    headers: Mapping[str, str]
    fault: str | None


class NatsSession:
    """A connection that pulls messages of one consumer.

    The event loop of the connection keeps a request for messages at the server as long as fewer
    than `prefetch` messages are unsettled, and extends the time of unsettled messages. Any error
    ends the session and is stored in `failure`. Reply subjects stay valid in the next session:
    `unsent` has the acknowledgements that it should send. They are valid for the consumer that was
    created at `consumer_created`: one of a new stream would take them for its own messages.
    """

    def __init__(
        self,
        params: Mapping[str, Any],
        unsent: Mapping[str, bytes],
        consumer_created: datetime | None,
    ) -> None:
        """Connect, send `unsent`, and start pulling. Raises `SourceError`."""
        self.unsent: dict[str, bytes] = dict(unsent)
        self._params = params
        self._name = server_name(params)
        self._failure: SourceError | None = None
        self._changed = threading.Condition()
        self._received: deque[Delivery] = deque()
        self._unsettled: dict[str, None] = {}
        self._request_number = 0
        self._remaining = 0
        """Number of messages that the current request may still bring; 0 without a request."""
        self._was_refused = False
        self._progress = asyncio.Event()
        """Wakes `_pull`. It and the three fields before it are used in the event loop only."""
        try:
            self._connection = NatsConnection(params, params["timeout_seconds"], self._on_failure)
        except NATS_ERRORS as error:
            raise source_error(self._name, error) from error
        try:
            info = self._connection.call(
                find_consumer(self._connection.jetstream, params), requests=2
            )
            if info.created != consumer_created:
                self.unsent.clear()
            self.consumer_created: datetime = info.created
            self._settle({})
            if self.failure is not None:
                raise self.failure
            self._start(ack_wait_seconds(info.config))
        except NATS_ERRORS as error:
            self._connection.close()
            raise source_error(self._name, error) from error
        except BaseException:
            self._connection.close()
            raise

    @property
    def failure(self) -> SourceError | None:
        """The reason for which the session has ended, or None."""
        return self._failure

    def receive_batch(self, max_messages: int, timeout_seconds: float) -> list[Delivery]:
        """Return delivered messages; wait for the first."""
        with self._changed:
            self._changed.wait_for(lambda: self._received or self._failure, timeout_seconds)
            number = min(max_messages, len(self._received))
            return [self._received.popleft() for _ in range(number)]

    def ack(self, replies: Iterable[str]) -> None:
        """Acknowledge these deliveries."""
        self._settle(dict.fromkeys(replies, Msg.Ack.Ack))

    def release(self, replies: Iterable[str]) -> None:
        """Have these deliveries redelivered."""
        self._settle(dict.fromkeys(replies, Msg.Ack.Nak))

    def count_waiting(self) -> int | None:
        """Return the number of messages not delivered yet, or None if the query fails."""
        if self._failure is not None:
            return None
        stream, consumer = self._params["stream"], self._params["consumer"]
        try:
            info = self._connection.call(self._connection.jetstream.consumer_info(stream, consumer))
        except NATS_ERRORS as error:
            self._connection.fail(error)
            return None
        waiting: int | None = info.num_pending
        return waiting

    def close(self) -> None:
        """Release unsettled deliveries, and disconnect."""
        if self._failure is None:
            try:
                self._connection.call(self._end_delivery())
            except NATS_ERRORS as error:
                self._connection.fail(error)
        with self._changed:
            unsettled = list(self._unsettled)
        self.release(unsettled)
        self._connection.close()

    # --- in the thread that calls ---------------------------------------------------------

    def _start(self, ack_wait: float) -> None:
        inbox = self._connection.client.new_inbox()
        self._connection.call(self._subscribe(inbox))
        self._connection.start(self._pull(inbox))
        self._connection.start(self._extend(max(ack_wait, MIN_EXTENSION_SECONDS)))

    def _settle(self, settlements: Mapping[str, bytes]) -> None:
        """Send acknowledgements, and those that could not be sent before."""
        with self._changed:
            for reply in settlements:
                self._unsettled.pop(reply, None)
            self.unsent |= settlements
        if self.unsent and self._failure is None:
            try:
                self._connection.call(self._send(dict(self.unsent)))
                self.unsent.clear()
            except NATS_ERRORS as error:
                self._connection.fail(error)

    # --- in the thread of the event loop --------------------------------------------------

    def _on_failure(self, error: Exception) -> None:
        with self._changed:
            self._failure = source_error(self._name, error)
            self._changed.notify_all()

    async def _send(self, settlements: Mapping[str, bytes]) -> None:
        client = self._connection.client
        for reply, settlement in settlements.items():
            await client.publish(reply, settlement)
        self._progress.set()  # there is room for more messages

    async def _subscribe(self, inbox: str) -> None:
        self._inbox = inbox
        self._subscription = await self._connection.client.subscribe(
            f"{inbox}.*", cb=self._on_message
        )

    async def _end_delivery(self) -> None:
        """Make the server drop the request; it would redeliver released messages to this one.

        The server removes requests without a subscription when it reports on the consumer.
        """
        await self._subscription.unsubscribe()
        await self._connection.jetstream.consumer_info(
            self._params["stream"], self._params["consumer"]
        )

    async def _pull(self, inbox: str) -> None:
        """Keep one request at the server, unless the prefetch limit is reached."""
        subject = request_subject(self._params)
        while True:
            self._progress.clear()
            if self._was_refused:
                self._was_refused = False
                await asyncio.sleep(CONFLICT_PAUSE_SECONDS)
            wanted = self._params["prefetch"] - len(self._unsettled)
            if wanted <= 0:
                await self._progress.wait()
                continue
            self._request_number += 1
            self._remaining = wanted
            request = b'{"batch":%d,"expires":%d}' % (wanted, int(REQUEST_SECONDS * 1e9))
            reply = f"{inbox}.{self._request_number}"
            await self._connection.client.publish(subject, request, reply)
            await self._wait_for_end()

    async def _wait_for_end(self) -> None:
        """Wait until the request has brought all its messages, or has ended."""
        ends_at = time.monotonic() + REQUEST_SECONDS + GRACE_SECONDS
        while self._remaining > 0 and (seconds := ends_at - time.monotonic()) > 0:
            try:
                await asyncio.wait_for(self._progress.wait(), seconds)
            except TimeoutError:
                return
            self._progress.clear()

    async def _on_message(self, message: Msg) -> None:
        try:
            if message.subject.startswith(f"{self._inbox}."):
                self._on_status(message)
            else:
                self._on_delivery(_read(message))
        except Exception as error:  # noqa: BLE001 - nats-py would log it and continue
            self._connection.fail(error)

    def _on_status(self, message: Msg) -> None:
        headers = message.headers or {}
        status = headers.get("Status", "")
        description = headers.get("Description", "")
        if (error := status_error(status, description)) is not None:
            self._connection.fail(error)
        if status != "100" and message.subject == f"{self._inbox}.{self._request_number}":
            logger.debug("request ended: status=%s description=%s", status, description)
            self._was_refused = status == CONFLICT
            self._remaining = 0
            self._progress.set()

    def _on_delivery(self, delivery: Delivery) -> None:
        with self._changed:
            self._unsettled[delivery.reply] = None
            self._received.append(delivery)
            self._changed.notify_all()
        self._remaining -= 1
        if self._remaining <= 0:
            self._progress.set()

    async def _extend(self, ack_wait: float) -> None:
        """Extend the time of unsettled messages, so that they are not redelivered."""
        client = self._connection.client
        while True:
            await asyncio.sleep(ack_wait / EXTENSIONS_PER_WAIT)
            with self._changed:
                unsettled = list(self._unsettled)
            for reply in unsettled:
                await client.publish(reply, Msg.Ack.Progress)


def _read(message: Msg) -> Delivery:
    """Return a delivered message. Raises `Error` for a message that is not of JetStream."""
    try:
        metadata = message.metadata
    except NotJSMessageError as error:
        raise Error("a message without an address for acknowledgements was received") from error
    headers = message.headers or {}
    is_unreadable = UNREADABLE_HEADERS in headers
    return Delivery(
        reply=message.reply,
        subject=message.subject,
        stream=metadata.stream,
        sequence=metadata.sequence.stream,
        redelivered=metadata.num_delivered > 1,
        body=message.data,
        headers={} if is_unreadable else headers,
        fault="its headers cannot be read" if is_unreadable else None,
    )
