"""Source of messages that are sent over HTTP, and the thread of its server."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from typing import TYPE_CHECKING, Any, ClassVar, Final

import uvicorn

from winchester_core.errors import SourceError
from winchester_core.interfaces import EventSource
from winchester_core.sources.http.app import UNAVAILABLE_RESULT, Application, Inbox
from winchester_core.sources.http.params import SCHEMA, RequestLimits
from winchester_core.sources.http.responses import ItemResult, ItemState

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
        self._server: HttpServer | None = None

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port that are listened to; None while it is not open."""
        return None if self._server is None else self._server.address

    def open(self) -> None:
        """Listen. Raises `SourceError` for an address that cannot be had."""
        names = ("max_body_bytes", "max_items", "max_requests", "timeout_seconds")
        application = Application(
            self._inbox,
            RequestLimits(**{name: self.params[name] for name in names}),
            self.params["token"],
            tuple(self.params["datetime_traits"]),
        )
        self._server = HttpServer(application, self.params["host"], self.params["port"])
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
            message.token.settle(UNAVAILABLE_RESULT)

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


log = logging.getLogger(__name__)

BACKLOG: Final = 2048
SHUTDOWN_TIMEOUT_SECONDS: Final = 5
"""How long answers may take to leave when the server ends."""


class HttpServer:
    """Serves from `start` to `stop`, and never again."""

    def __init__(self, application: Application, host: str, port: int) -> None:
        self._url = f"http://{host}:{port}"
        self._socket = _listen(host, port, self._url)
        self.address: tuple[str, int] = self._socket.getsockname()[:2]
        """Host and port that are listened to."""
        self._failure: BaseException | None = None
        self._server = uvicorn.Server(
            uvicorn.Config(
                application,
                http="h11",
                ws="none",
                lifespan="off",
                loop="asyncio",
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=BACKLOG,
                timeout_graceful_shutdown=SHUTDOWN_TIMEOUT_SECONDS,
            )
        )
        self._thread = threading.Thread(target=self._serve, name="http-server", daemon=True)

    def start(self) -> None:
        """Begin to serve; connections that come before that wait."""
        log.info("listening at %s, port %d", *self.address)
        self._thread.start()

    def check(self) -> None:
        """Raise `SourceError` when the server has ended by itself."""
        if not self._thread.is_alive():
            reason = f"the server has ended: {self._failure!r}"
            raise SourceError(self._url, reason) from self._failure

    def stop(self) -> None:
        """Accept nothing more, let the answers out, and end."""
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        try:
            asyncio.run(self._server.serve(sockets=[self._socket]))
        except BaseException as error:  # noqa: BLE001 - told by `check`, in the pump's thread
            self._failure = error


def _listen(host: str, port: int, url: str) -> socket.socket:
    try:
        found: Any = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(found[4][:2], family=found[0], backlog=BACKLOG)
    except OSError as error:
        raise SourceError(url, f"cannot be listened at: {error.strerror or error}") from error
