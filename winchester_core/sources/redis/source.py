"""Event source that consumes streams of Redis or Valkey."""

from __future__ import annotations

import os
import socket
import uuid
from typing import TYPE_CHECKING, Any, ClassVar

from winchester_core.interfaces import EventSource
from winchester_core.model import Message
from winchester_core.sources.params import message_fields
from winchester_core.sources.redis.params import REDIS_SCHEMA
from winchester_core.sources.redis.session import RedisSession

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from voluptuous import Schema

    from winchester_core.sources.redis.session import Delivery


class RedisSource(EventSource):
    """Consumes notifications or events from streams of Redis 6.2 or Valkey (extra `redis`).

    An entry is acknowledged after it has been stored as an event or a rejected message. Entries of
    a process that has died are received by another process of the group after
    `claim_idle_seconds`.

    Properties of a message: `stream` and `id` of the entry.
    """

    example: ClassVar[str] = """
        orders:
          source: redis
          params:
            url: rediss://winchester:secret@redis.example.org:6379/0
            stream: orders
            group: winchester
            format: event
    """
    config_schema: ClassVar[Schema] = REDIS_SCHEMA
    allows_prefetch: ClassVar[bool] = True

    def __init__(self, **params: Any) -> None:
        super().__init__(**REDIS_SCHEMA(params))
        self._message_fields = message_fields(self.params)
        self._consumer: str = self.params["consumer"] or unique_consumer_name()
        self._session: RedisSession | None = None

    def open(self) -> None:
        """Connect, and create missing groups. Raises `SourceError`."""
        self._session = RedisSession(self.params, self._consumer)

    def receive(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        """Return a batch; it may be smaller than `max_messages`.

        If the connection breaks, first returns the entries that were received before, and raises
        `SourceError` in the next call.
        """
        session = self._require_session()
        deliveries = session.receive_batch(max_messages, timeout_seconds)
        if not deliveries and session.failure is not None:
            raise session.failure
        return [self._message(delivery) for delivery in deliveries]

    def ack(self, messages: Sequence[Message]) -> None:
        """Acknowledge entries; without a connection, they are received again."""
        self._require_session().ack(message.token for message in messages)

    def release(self, messages: Sequence[Message]) -> None:
        """Receive entries again; after `close`, any process of the group may receive them."""
        self._require_session().release([message.token for message in messages])

    def reject(self, message: Message, reason: str) -> None:
        """Acknowledge an invalid entry. It is stored as a rejected message."""
        del reason
        self.ack([message])

    def close(self) -> None:
        """Disconnect."""
        if self._session is not None:
            self._session.close()
        self._session = None

    def lag(self) -> int | None:
        """Return the number of undelivered entries; None without a connection, or if unknown."""
        return self._session.count_waiting() if self._session is not None else None

    def _require_session(self) -> RedisSession:
        if self._session is None:
            raise RuntimeError("the source is not open")
        return self._session

    def _message(self, delivery: Delivery) -> Message:
        entry = delivery.entry
        body, headers, fault = read_fields(entry.fields, self.params["field"])
        return Message(
            body=body,
            token=entry.id,
            headers=headers,
            properties={"stream": entry.id.stream, "id": entry.id.id},
            redelivered=delivery.redelivered,
            received_from=f"stream {entry.id.stream}, entry {entry.id.id}",
            fault=fault,
            **self._message_fields,
        )


def unique_consumer_name() -> str:
    """Return a name that no other process has."""
    return f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"


def read_fields(
    fields: Mapping[bytes, bytes], field: str | None
) -> tuple[bytes | dict[str, str], dict[str, str], str | None]:
    """Return body, headers and fault of an entry, which has the body in `field`.

    The other fields are headers. Without `field`, the body is a mapping of all fields. Texts that
    are not UTF-8 are an error only in the body.
    """
    texts = {_shown(name): _shown(value) for name, value in fields.items()}
    if field is not None:
        body = fields.get(field.encode())
        if body is None:
            return texts, {}, f"the entry has no field {field!r}"
        texts.pop(field)
        return body, texts, None
    for name, value in fields.items():
        if _shown(name).encode() != name or _shown(value).encode() != value:
            return texts, {}, f"the field {_shown(name)!r} is not text in UTF-8"
    return texts, {}, None


def _shown(value: bytes) -> str:
    return value.decode("utf-8", "replace")
