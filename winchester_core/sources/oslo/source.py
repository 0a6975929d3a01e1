"""Delivers the notifications of a listener of oslo.messaging."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from voluptuous import All, In, Length, Optional, Range, Schema
from voluptuous import Any as AnyOf

from winchester_core.interfaces import EventSource
from winchester_core.model import Message, MessageKind
from winchester_core.sources.oslo.listener import DeliveryQueue, OsloListener, PendingMessage

if TYPE_CHECKING:
    from collections.abc import Sequence

PRIORITIES = ("audit", "debug", "info", "warn", "error", "critical", "sample")
TRANSPORT_CONTEXT_KEYS = ("reply_q", "msg_id", "client_timeout")
"""What oslo.messaging adds to a context that was not sent."""

TEXT = All(str, Length(min=1))


class OsloSource(EventSource):
    """Notifications through a listener of oslo.messaging (extra `oslo`).

    Queues and exchanges are declared as oslo.messaging does that, with its own options. A
    notification is acknowledged once it is stored and committed, or kept as a rejected message;
    what is released is requeued. While the broker is away oslo.messaging itself connects again.
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
                    "`rabbit://user:password@host:5672/nova` (default: what `config_files` say)"
                ),
            ): AnyOf(None, TEXT),
            Optional(
                "config_files",
                default=list,
                description=(
                    "files of oslo.config, for example with a section `[oslo_messaging_rabbit]` "
                    "for TLS, heartbeats or quorum queues"
                ),
            ): [TEXT],
            Optional(
                "topics", default=lambda: ["notifications"], description="what is listened to"
            ): All([TEXT], Length(min=1)),
            Optional(
                "exchanges",
                default=list,
                description=(
                    "in which exchanges (default: the transport's `control_exchange`, which is "
                    "`openstack`)"
                ),
            ): [TEXT],
            Optional(
                "pool",
                default=None,
                description=(
                    "listeners with one pool's name share its notifications, and other pools have "
                    "their own copies (default: no pool)"
                ),
            ): AnyOf(None, TEXT),
            Optional(
                "priorities",
                default=lambda: list(PRIORITIES),
                description=(
                    "the priorities listened to; each has a queue of its own for each topic"
                ),
            ): All([In(PRIORITIES)], Length(min=1)),
            Optional(
                "prefetch",
                default=1000,
                description=(
                    "how many notifications of a queue are on their way at once, at most; of "
                    "RabbitMQ only, and unless `transport_url` or the files say so themselves"
                ),
            ): All(int, Range(min=1, max=65535)),
            Optional(
                "batch_seconds",
                default=0.1,
                description="how long oslo.messaging gathers a batch once there is a notification",
            ): All(AnyOf(int, float), Range(min=0.001, max=60)),
        }
    )

    def __init__(self, **params: Any) -> None:
        super().__init__(**self.config_schema(params))
        self._queue: DeliveryQueue | None = None
        self._listener: OsloListener | None = None

    def open(self) -> None:
        """Begin to listen; that there is a connection is not waited for."""
        self._queue = DeliveryQueue(self.params["priorities"])
        self._listener = OsloListener(self.params, self._queue)

    def receive(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        """Return what was handed in, at most `max_messages`.

        Raises `SourceError` when oslo.messaging cannot listen.
        """
        if self._queue is None or self._listener is None:
            raise RuntimeError("the source is not open")
        pending_messages = self._queue.take(max_messages, timeout_seconds)
        if not pending_messages and self._listener.failure is not None:
            raise self._listener.failure
        return [_message(pending) for pending in pending_messages]

    def ack(self, messages: Sequence[Message]) -> None:
        """Let oslo.messaging acknowledge."""
        for message in messages:
            message.token.settle()

    def release(self, messages: Sequence[Message]) -> None:
        """Let oslo.messaging requeue."""
        for message in messages:
            message.token.settle(requeue=True)

    def reject(self, message: Message, reason: str) -> None:
        """Let oslo.messaging acknowledge a bad message, which has been kept."""
        message.token.settle()

    def close(self) -> None:
        """Requeue what is not settled, and stop listening."""
        if self._queue is not None:
            self._queue.close()
        if self._listener is not None:
            self._listener.close()
        self._queue = self._listener = None


def _message(pending: PendingMessage) -> Message:
    """The notification as it was sent: oslo.messaging takes its context out of it."""
    incoming = pending.message
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
