"""Event source that receives notifications through oslo.messaging."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from voluptuous import All, In, Length, Optional, Schema

from winchester_core.interfaces import EventSource
from winchester_core.interfaces.params import TEXT, optional, seconds, whole_number
from winchester_core.model import Message, MessageKind
from winchester_core.sources.oslo.listener import (
    DeliveryQueue,
    OsloListener,
    PendingMessage,
    UndecodedMessage,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

PRIORITIES = ("audit", "debug", "info", "warn", "error", "critical", "sample")
TRANSPORT_CONTEXT_KEYS = ("reply_q", "msg_id", "client_timeout")
"""Keys that oslo.messaging adds to the context of a received message."""


class OsloSource(EventSource):
    """Receives notifications through oslo.messaging (extra `oslo`).

    oslo.messaging declares queues and exchanges with its own options, and reconnects by itself. A
    notification is acknowledged after it has been stored as an event or a rejected message. With
    RabbitMQ, this includes messages that oslo.messaging cannot read. Released notifications are
    requeued.
    """

    example: ClassVar[str] = """
        nova:
          source: oslo
          params:
            transport_url: rabbit://winchester:secret@broker.example.org:5672/nova
            topics: [notifications]
    """
    config_schema: ClassVar[Schema] = Schema(
        {
            Optional(
                "transport_url",
                default=None,
                description=(
                    "as in OpenStack's configuration files, such as "
                    "`rabbit://user:password@host:5672/nova` (default: as in `config_files`)"
                ),
            ): optional(TEXT),
            Optional(
                "config_files",
                default=list,
                description=(
                    "configuration files of oslo.config, for example with a section "
                    "`[oslo_messaging_rabbit]` for TLS, heartbeats or quorum queues"
                ),
            ): [TEXT],
            Optional(
                "topics", default=lambda: ["notifications"], description="topics to listen to"
            ): All([TEXT], Length(min=1)),
            Optional(
                "exchanges",
                default=list,
                description=(
                    "exchanges of the topics (default: the transport's `control_exchange`, which "
                    "defaults to `openstack`)"
                ),
            ): [TEXT],
            Optional(
                "pool",
                default=None,
                description=(
                    "listeners of the same pool share its notifications; each pool gets a copy of "
                    "every notification (default: no pool)"
                ),
            ): optional(TEXT),
            Optional(
                "priorities",
                default=lambda: list(PRIORITIES),
                description=("priorities to listen to; each has its own queue per topic"),
            ): All([In(PRIORITIES)], Length(min=1)),
            Optional(
                "prefetch",
                default=2000,
                description=(
                    "maximum number of unacknowledged notifications per queue, at least twice "
                    "`batch_size`; for RabbitMQ only, unless set in `transport_url` or "
                    "`config_files`"
                ),
            ): whole_number(1, 65535),
            Optional(
                "batch_seconds",
                default=0.1,
                description="how long oslo.messaging waits to fill a batch after its first "
                "notification",
            ): seconds(0.001, 60),
        }
    )
    allows_prefetch: ClassVar[bool] = True

    def __init__(self, **params: Any) -> None:
        super().__init__(**self.config_schema(params))
        self._queue: DeliveryQueue | None = None
        self._listener: OsloListener | None = None

    def open(self) -> None:
        """Start the listener, without waiting for its connection."""
        self._queue = DeliveryQueue(self.params["priorities"])
        self._listener = OsloListener(self.params, self._queue)

    def receive(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        """Return up to `max_messages`.

        Raises `SourceError` when oslo.messaging cannot listen.
        """
        if self._queue is None or self._listener is None:
            raise RuntimeError("the source is not open")
        pending_messages = self._queue.take(max_messages, timeout_seconds)
        if not pending_messages and self._listener.failure is not None:
            raise self._listener.failure
        return [_message(pending) for pending in pending_messages]

    def ack(self, messages: Sequence[Message]) -> None:
        """Acknowledge the messages."""
        for message in messages:
            message.token.settle()

    def release(self, messages: Sequence[Message]) -> None:
        """Requeue the messages."""
        for message in messages:
            message.token.settle(requeue=True)

    def reject(self, message: Message, reason: str) -> None:
        """Acknowledge an invalid message. It is stored as a rejected message."""
        del reason
        message.token.settle()

    def close(self) -> None:
        """Requeue unsettled messages, and stop listening."""
        if self._queue is not None:
            self._queue.close()
        if self._listener is not None:
            self._listener.close()
        self._queue = self._listener = None


def _message(pending: PendingMessage) -> Message:
    """Return the original notification. Drivers other than RabbitMQ's separate its context."""
    incoming = pending.message
    if isinstance(incoming.message, UndecodedMessage):
        content = incoming.message.content
        return Message(
            body=content.body,
            kind=MessageKind.NOTIFICATION,
            token=pending,
            headers=content.headers,
            fault=content.fault,
            received_from="oslo.messaging",
        )
    context = {
        f"_context_{name}": value
        for name, value in (incoming.ctxt or {}).items()
        if name not in TRANSPORT_CONTEXT_KEYS
    }
    return Message(
        body={**context, **incoming.message},
        kind=MessageKind.NOTIFICATION,
        token=pending,
        received_from="oslo.messaging",
    )
