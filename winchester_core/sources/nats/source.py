"""Event source that consumes a stream of NATS JetStream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from winchester_core.interfaces import EventSource
from winchester_core.model import Message
from winchester_core.sources.nats.params import NATS_SCHEMA
from winchester_core.sources.nats.session import NatsSession
from winchester_core.sources.params import message_fields

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from voluptuous import Schema

    from winchester_core.sources.nats.session import Delivery


class NatsSource(EventSource):
    """Consumes notifications or events from a stream of NATS JetStream (extra `nats`).

    A message is acknowledged after it has been stored as an event or a rejected message. Released
    messages are redelivered immediately, and the messages of a process that has died after the
    acknowledgement wait of the consumer.

    Properties of a message: `stream`, `subject`, and `sequence`, its number in the stream.
    """

    example: ClassVar[str] = """
        orders:
          source: nats
          params:
            url: nats://winchester:secret@nats.example.org:4222
            stream: ORDERS
            consumer: winchester
            format: event
    """
    config_schema: ClassVar[Schema] = NATS_SCHEMA
    allows_prefetch: ClassVar[bool] = True

    def __init__(self, **params: Any) -> None:
        super().__init__(**NATS_SCHEMA(params))
        self._message_fields = message_fields(self.params)
        self._session: NatsSession | None = None
        self._unsent: dict[str, bytes] = {}
        self._consumer_created: datetime | None = None

    def open(self) -> None:
        """Connect, create a missing consumer, and start pulling. Raises `SourceError`."""
        self._session = NatsSession(self.params, self._unsent, self._consumer_created)
        self._unsent = {}

    def receive(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        """Return a batch; it may be smaller than `max_messages`.

        If the connection breaks, first returns the messages that were delivered before, and raises
        `SourceError` in the next call.
        """
        session = self._require_session()
        deliveries = session.receive_batch(max_messages, timeout_seconds)
        if not deliveries and session.failure is not None:
            raise session.failure
        return [self._message(delivery) for delivery in deliveries]

    def ack(self, messages: Sequence[Message]) -> None:
        """Acknowledge messages; without a connection, when it is open again."""
        self._require_session().ack(message.token for message in messages)

    def release(self, messages: Sequence[Message]) -> None:
        """Have messages redelivered."""
        self._require_session().release(message.token for message in messages)

    def reject(self, message: Message, reason: str) -> None:
        """Acknowledge an invalid message. It is stored as a rejected message."""
        del reason
        self.ack([message])

    def close(self) -> None:
        """Release unsettled messages, and disconnect."""
        if self._session is not None:
            self._session.close()
            self._unsent = self._session.unsent
            self._consumer_created = self._session.consumer_created
        self._session = None

    def lag(self) -> int | None:
        """Return the number of undelivered messages, or None without a connection."""
        return self._session.count_waiting() if self._session is not None else None

    def _require_session(self) -> NatsSession:
        if self._session is None:
            raise RuntimeError("the source is not open")
        return self._session

    def _message(self, delivery: Delivery) -> Message:
        return Message(
            body=delivery.body,
            token=delivery.reply,
            headers=delivery.headers,
            properties={
                "stream": delivery.stream,
                "subject": delivery.subject,
                "sequence": delivery.sequence,
            },
            redelivered=delivery.redelivered,
            received_from=f"stream {delivery.stream}, message {delivery.sequence}",
            fault=delivery.fault,
            **self._message_fields,
        )
