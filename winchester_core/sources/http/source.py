"""Event source that receives messages over HTTP, and its server thread."""

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
    """Receives events, notifications and CloudEvents by POST, and responds once they are stored.

    Needs `pip install 'winchester-core[http]'`. `/v1/events`, `/v1/notifications` and
    `/v1/cloudevents` accept one item or an array; `/openapi.json` describes the API.
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
        """Host and port of the listening socket; None while the source is closed."""
        return None if self._server is None else self._server.address

    def open(self) -> None:
        """Start the server. Raises `SourceError` when the address cannot be bound."""
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
        """Return received messages. Raises `SourceError` when the server has ended unexpectedly."""
        messages = self._inbox.take(max_messages, timeout_seconds)
        if not messages and self._server is not None:
            self._server.check()
        return messages

    def reply(self, message: Message, outcome: EventOutcome) -> None:
        """Set the result of a message in the response."""
        state = ItemState(outcome.status.value)
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
        """Set the result "invalid" of a message without a reply."""
        message.token.settle(ItemResult(ItemState.INVALID, reason=reason))

    def close(self) -> None:
        """Refuse new messages, respond 503 to waiting requests, and stop the server."""
        self.release(self._inbox.close())
        server, self._server = self._server, None
        if server is not None:
            server.stop()

    def lag(self) -> int:
        """Return the number of messages in the inbox."""
        return len(self._inbox)


log = logging.getLogger(__name__)

BACKLOG: Final = 2048
SHUTDOWN_TIMEOUT_SECONDS: Final = 5
"""Maximum time to send responses at shutdown."""


class HttpServer:
    """Server thread; single use: `start`, then `stop`."""

    def __init__(self, application: Application, host: str, port: int) -> None:
        self._url = f"http://{host}:{port}"
        self._socket = _listen(host, port, self._url)
        self.address: tuple[str, int] = self._socket.getsockname()[:2]
        """Host and port of the listening socket."""
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
        """Start serving; earlier connections wait in the backlog of the socket."""
        log.info("listening: host=%s port=%d", *self.address)
        self._thread.start()

    def check(self) -> None:
        """Raise `SourceError` when the server has ended unexpectedly."""
        if not self._thread.is_alive():
            reason = f"the server has ended unexpectedly: {self._failure!r}"
            raise SourceError(self._url, reason) from self._failure

    def stop(self) -> None:
        """Accept no more connections, send pending responses, and end the thread."""
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        try:
            asyncio.run(self._server.serve(sockets=[self._socket]))
        except BaseException as error:  # noqa: BLE001 - raised by `check` in the pump's thread
            self._failure = error


def _listen(host: str, port: int, url: str) -> socket.socket:
    try:
        info: Any = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(info[4][:2], family=info[0], backlog=BACKLOG)
    except OSError as error:
        raise SourceError(url, f"cannot listen: {error.strerror or error}") from error
