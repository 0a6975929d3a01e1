"""Event source that consumes topics of Kafka."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from winchester_core.interfaces import EventSource
from winchester_core.model import Message
from winchester_core.sources.kafka.content import read_content
from winchester_core.sources.kafka.params import KAFKA_SCHEMA
from winchester_core.sources.kafka.session import GroupSession
from winchester_core.sources.params import message_fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from voluptuous import Schema

    from winchester_core.sources.kafka.session import Delivery


class KafkaSource(EventSource):
    """Consumes notifications or events from topics of Kafka, as a consumer group (extra `kafka`).

    The offset of a message is committed after it, and all messages before it in its partition, have
    been stored as events or rejected messages. After a crash, or when partitions are reassigned,
    messages without a committed offset are redelivered, and recognized as duplicates.

    A mapping can use the headers of messages, and the properties `topic`, `partition`, `offset`,
    `key` and `timestamp` (ISO 8601).
    """

    example: ClassVar[str] = """
        orders:
          source: kafka
          params:
            bootstrap_servers: [kafka1.example.org:9092, kafka2.example.org:9092]
            topics: [orders, '^payments[.].*']
            group: winchester
            format: event
    """
    config_schema: ClassVar[Schema] = KAFKA_SCHEMA
    allows_prefetch: ClassVar[bool] = True

    def __init__(self, **params: Any) -> None:
        super().__init__(**KAFKA_SCHEMA(params))
        self._message_fields = message_fields(self.params)
        self._session: GroupSession | None = None
        self._released: list[Message] = []

    def open(self) -> None:
        """Connect and join the group. Raises `SourceError`."""
        self._session = GroupSession(self.params)

    def receive(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        """Return available messages, released ones first.

        If the session fails, first returns the messages that were received before, and raises
        `SourceError` in the next call.
        """
        session = self._require_session()
        messages = self._take_released(session, max_messages)
        wait_seconds = 0.0 if messages else timeout_seconds
        deliveries = session.receive(max_messages - len(messages), wait_seconds)
        messages += [self._message(delivery) for delivery in deliveries]
        if not messages and session.failure is not None:
            raise session.failure
        return messages

    def ack(self, messages: Sequence[Message]) -> None:
        """Commit messages, except messages of partitions that have been reassigned."""
        self._require_session().settle(message.token for message in messages)

    def release(self, messages: Sequence[Message]) -> None:
        """Keep messages for the next call of `receive`; their offsets are not committed."""
        released = [*self._released, *(replace(each, redelivered=True) for each in messages)]
        self._released = sorted(released, key=lambda message: message.token)

    def reject(self, message: Message, reason: str) -> None:
        """Commit an invalid message. It is stored as a rejected message."""
        del reason
        self.ack([message])

    def close(self) -> None:
        """Commit and leave the group."""
        session, self._session = self._session, None
        self._released = []
        if session is not None:
            session.close()

    def lag(self) -> int | None:
        """Return the number of messages that wait in the partitions of this process, if known."""
        return self._session.count_waiting() if self._session is not None else None

    def _require_session(self) -> GroupSession:
        if self._session is None:
            raise RuntimeError("the source is not open")
        return self._session

    def _take_released(self, session: GroupSession, max_messages: int) -> list[Message]:
        """Return released messages whose partitions have not been reassigned."""
        held = [message for message in self._released if session.holds(message.token)]
        self._released = held[max_messages:]
        return held[:max_messages]

    def _message(self, delivery: Delivery) -> Message:
        token, content = delivery.token, read_content(delivery.message, self.params)
        topic, number = token.partition
        return Message(
            body=content.body,
            token=token,
            headers=content.headers,
            fault=content.fault,
            received_from=f"topic {topic}, partition {number}, offset {token.offset}",
            properties={
                "topic": topic,
                "partition": number,
                "offset": token.offset,
                "key": content.key,
                "timestamp": content.timestamp,
            },
            **self._message_fields,
        )
