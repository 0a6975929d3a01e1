"""Event source that receives messages over HTTP."""

from __future__ import annotations

import time
from dataclasses import fields
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from winchester_core.interfaces import EventSource
from winchester_core.sources.http.app import Application
from winchester_core.sources.http.inbox import UNAVAILABLE_RESULT, Inbox
from winchester_core.sources.http.params import MAX_GROWTH, SCHEMA, ConnectionLimits, RequestLimits
from winchester_core.sources.http.refusals import Refusals
from winchester_core.sources.http.responses import ItemResult, ItemState, WebhookPermission
from winchester_core.sources.http.server import HttpServer, listen
from winchester_core.sources.http.webhooks import WebhookPath

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from voluptuous import Schema

    from winchester_core.model import EventOutcome, Message

Settings = TypeVar("Settings", RequestLimits, ConnectionLimits, WebhookPermission)


class HttpSource(EventSource):
    """Receives events, notifications and CloudEvents by POST, and responds when they are stored.

    Needs `pip install 'winchester-core[http]'`. `/v1/events`, `/v1/notifications` and
    `/v1/cloudevents` accept one item or an array; `/openapi.json` describes the API.

    `paths` are further paths, for the webhooks of other services, which sign their requests. Such a
    service cannot correct an invalid message, so it is stored as a rejected message. A mapping can
    use the properties `path` and `query`, and the headers, but not those with tokens, signatures or
    cookies. In a form without `json_field`, a repeated field is a list.
    """

    example: ClassVar[str] = """
        web:
          source: http
          params: {port: 8700, timeout_seconds: 10}
    """
    config_schema: ClassVar[Schema] = SCHEMA
    replies_to_sender: ClassVar[bool] = True
    clock: Callable[[], float] = staticmethod(time.time)
    """Returns the Unix time, which is compared with the timestamps of signatures."""
    # Requests that arrive while a batch is stored wait in the inbox, and all join the next batch.
    # The server's thread reads and parses them meanwhile, and a request that times out is
    # withdrawn. With `allows_prefetch`, a reply would wait until the next batch is prepared.

    def __init__(self, **params: Any) -> None:
        super().__init__(**self.config_schema(params))
        if self.params["max_decompressed_bytes"] is None:
            self.params["max_decompressed_bytes"] = MAX_GROWTH * self.params["max_body_bytes"]
        self._inbox = Inbox()
        self._refusals = Refusals()
        self._server: HttpServer | None = None

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port of the listening socket; None while the source is closed."""
        return None if self._server is None else self._server.address

    def open(self) -> None:
        """Start the server. Raises `SourceError` if the address cannot be bound."""
        limits, token = self._settings(RequestLimits), self.params["token"]
        datetime_traits = tuple(self.params["datetime_traits"])
        application = Application(
            self._inbox,
            limits,
            token,
            self._settings(WebhookPermission),
            datetime_traits,
            [
                WebhookPath(entry, limits, token, datetime_traits, self.clock)
                for entry in self.params["paths"]
            ],
            self._refusals,
        )
        address = self.params["host"], self.params["port"]
        self._server = HttpServer(application, listen(*address), self._settings(ConnectionLimits))
        self._inbox.open()
        self._server.start()

    def receive(self, max_messages: int, timeout_seconds: float) -> list[Message]:
        """Return received messages. Raises `SourceError` if the server has ended unexpectedly."""
        messages = self._inbox.take(max_messages, timeout_seconds)
        if not messages and self._server is not None:
            self._server.check()
        return messages

    def reply(self, message: Message, outcome: EventOutcome) -> None:
        """Set the result of a message in the response."""
        state = ItemState(outcome.status.value)
        if state is ItemState.INVALID and message.keep_invalid:
            state = ItemState.REJECTED
        message.token.settle(ItemResult(state, outcome.message_id, outcome.reason))

    def ack(self, messages: Sequence[Message]) -> None:
        """Set the result "stored" of messages without a reply."""
        for message in messages:
            message.token.settle(ItemResult(ItemState.STORED))

    def release(self, messages: Sequence[Message]) -> None:
        """Ask the senders to send the messages again."""
        for message in messages:
            message.token.settle(UNAVAILABLE_RESULT)

    def reject(self, message: Message, reason: str) -> None:
        """Set the result "invalid" or "rejected" of a message without a reply."""
        state = ItemState.REJECTED if message.keep_invalid else ItemState.INVALID
        message.token.settle(ItemResult(state, reason=reason))

    def close(self) -> None:
        """Refuse new messages, respond 503 to waiting requests, and stop the server."""
        self.release(self._inbox.close())
        server, self._server = self._server, None
        if server is not None:
            server.stop()

    def lag(self) -> int:
        """Return the number of messages in the inbox."""
        return len(self._inbox)

    def refused(self) -> dict[str, int]:
        """Return the number of requests that are not authenticated, by reason."""
        return self._refusals.counts()

    def _settings(self, kind: type[Settings]) -> Settings:
        """Return the parameters that are the fields of `kind`."""
        return kind(**{each.name: self.params[each.name] for each in fields(kind)})
