"""Delivers what is sent over HTTP as messages, and answers when it has been stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from winchester_core.interfaces import EventSource
from winchester_core.sources.http.app import Application, Limits
from winchester_core.sources.http.inbox import Inbox
from winchester_core.sources.http.params import SCHEMA
from winchester_core.sources.http.server import Server
from winchester_core.sources.http.submission import UNAVAILABLE, ItemResult, ItemState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from voluptuous import Schema

    from winchester_core.model import EventOutcome, Message


class HttpSource(EventSource):
    """Events, notifications and CloudEvents, sent by POST and answered once they are stored.

    Needs `pip install 'winchester-core[http]'`. `/v1/events`, `/v1/notifications` and
    `/v1/cloudevents` take one item or an array; `/openapi.json` describes all there is.
    """

    example: ClassVar[str] = """
        web:
          source: http
          params: {port: 8700, timeout_seconds: 10}
    """
    config_schema: ClassVar[Schema] = SCHEMA
    replies_to_sender: ClassVar[bool] = True

    def __init__(self, **params: Any) -> None:
        super().__init__(**self.config_schema(params))
        self._inbox = Inbox()
        self._server: Server | None = None

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port that are listened to; None while it is not open."""
        return None if self._server is None else self._server.address

    def open(self) -> None:
        """Listen. Raises `SourceError` for an address that cannot be had."""
        names = ("max_body_bytes", "max_items", "max_requests", "timeout_seconds")
        application = Application(
            self._inbox,
            Limits(**{name: self.params[name] for name in names}),
            self.params["token"],
            tuple(self.params["datetime_traits"]),
        )
        self._server = Server(application, self.params["host"], self.params["port"])
        self._inbox.open()
        self._server.start()

    def receive(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        """Return what has been sent. Raises `SourceError` when the server has ended by itself."""
        messages = self._inbox.take(max_messages, timeout_seconds)
        if not messages and self._server is not None:
            self._server.check()
        return messages

    def reply(self, message: Message, outcome: EventOutcome) -> None:
        """Note for the answer what became of a message."""
        state = ItemState(outcome.status.value)
        message.token.settle(ItemResult(state, outcome.message_id, outcome.reason))

    def ack(self, messages: Sequence[Message]) -> None:
        """Note that the messages are stored, where `tell` has not said more."""
        for message in messages:
            message.token.settle(ItemResult(ItemState.STORED))

    def release(self, messages: Sequence[Message]) -> None:
        """Have the messages sent again."""
        for message in messages:
            message.token.settle(UNAVAILABLE)

    def reject(self, message: Message, reason: str) -> None:
        """Note that the message was bad, where `tell` has not said so."""
        message.token.settle(ItemResult(ItemState.INVALID, reason=reason))

    def close(self) -> None:
        """Take nothing more in, answer 503 to whoever waits, and stop to listen."""
        self.release(self._inbox.close())
        server, self._server = self._server, None
        if server is not None:
            server.stop()

    def lag(self) -> int:
        """How many messages wait to be received."""
        return len(self._inbox)
