"""Event source that consumes queues of RabbitMQ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from winchester_core.interfaces import EventSource
from winchester_core.model import Message
from winchester_core.sources.params import message_fields
from winchester_core.sources.rabbitmq.params import RABBITMQ_SCHEMA
from winchester_core.sources.rabbitmq.session import BrokerSession, HeartbeatThread

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from voluptuous import Schema

    from winchester_core.sources.rabbitmq.session import Delivery


class Token(NamedTuple):
    """Number of the session that delivered a message, and its delivery tag there."""

    session: int
    tag: int


class RabbitmqSource(EventSource):
    """Consumes notifications or events from queues of RabbitMQ (extra `rabbitmq`).

    A message is acknowledged after it has been stored as an event or a rejected message. Released
    messages are redelivered, and so are unsettled messages if the connection breaks. Compressed
    bodies, and bodies in a charset other than UTF-8, are decoded by their properties.

    A mapping can use the headers of messages, and the properties `queue`, `exchange` and
    `routing_key`.
    """

    example: ClassVar[str] = """
        nova:
          source: rabbitmq
          params:
            url: amqp://winchester:secret@broker.example.org:5672/nova
            queues:
              - {name: monitor.info, exchange: nova, routing_keys: [monitor.info]}
    """
    config_schema: ClassVar[Schema] = RABBITMQ_SCHEMA
    allows_prefetch: ClassVar[bool] = True

    def __init__(self, **params: Any) -> None:
        super().__init__(**RABBITMQ_SCHEMA(params))
        self._message_fields = message_fields(self.params)
        self._session_number = 0
        self._session: BrokerSession | None = None
        self._heartbeat_thread: HeartbeatThread | None = None

    def open(self) -> None:
        """Connect, declare missing objects, and start consuming. Raises `SourceError`."""
        self._session_number += 1
        self._session = BrokerSession(self.params)
        self._heartbeat_thread = HeartbeatThread(self._session, self.params["heartbeat_seconds"])

    def receive(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        """Return a batch; it may be smaller than `max_messages`.

        If the connection breaks or the broker cancels a consumer, first returns the messages that
        were delivered before, and raises `SourceError` in the next call.
        """
        session = self._require_session()
        deliveries = session.receive_batch(max_messages, timeout_seconds)
        if not deliveries and session.failure is not None:
            raise session.failure
        return [self._message(delivery) for delivery in deliveries]

    def ack(self, messages: Sequence[Message]) -> None:
        """Acknowledge messages, except messages of earlier sessions; those are redelivered."""
        self._require_session().ack(self._tags(messages))

    def release(self, messages: Sequence[Message]) -> None:
        """Requeue messages."""
        self._require_session().requeue(self._tags(messages))

    def reject(self, message: Message, reason: str) -> None:
        """Acknowledge an invalid message. It is stored as a rejected message."""
        del reason
        self.ack([message])

    def close(self) -> None:
        """Disconnect."""
        if self._heartbeat_thread is not None:
            self._heartbeat_thread.stop()
        if self._session is not None:
            self._session.close()
        self._heartbeat_thread = self._session = None

    def lag(self) -> int | None:
        """Return the number of ready messages in the queues, or None without a connection."""
        return self._session.count_ready() if self._session is not None else None

    def _require_session(self) -> BrokerSession:
        if self._session is None:
            raise RuntimeError("the source is not open")
        return self._session

    def _tags(self, messages: Iterable[Message]) -> list[int]:
        tokens: Iterable[Token] = (message.token for message in messages)
        return [token.tag for token in tokens if token.session == self._session_number]

    def _message(self, delivery: Delivery) -> Message:
        content = delivery.content
        return Message(
            body=content.body,
            token=Token(self._session_number, delivery.tag),
            headers=content.headers,
            fault=content.fault,
            redelivered=delivery.redelivered,
            received_from=f"queue {delivery.queue}",
            properties={
                "queue": delivery.queue,
                "exchange": delivery.exchange,
                "routing_key": delivery.routing_key,
            },
            **self._message_fields,
        )
