"""The listener that monitors ask: the standard library's WSGI server, a thread for each request."""

from __future__ import annotations

import logging
import socket
import threading
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from winchester_core.errors import ListenError

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self
    from wsgiref.types import WSGIApplication

logger = logging.getLogger(__name__)

REQUEST_SECONDS: Final = 10.0
"""How long a client may take over its request."""


class Listener:
    """Serves an application while entered. Requests in hand are left behind at its end."""

    def __init__(self, host: str, port: int, application: WSGIApplication) -> None:
        """Listen. Raises `ListenError` when that cannot be."""
        try:
            family, *_, found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            self._server = _serve_at(family, (str(found[0]), int(found[1])))
        except OSError as error:
            raise ListenError(host, port, error.strerror or str(error)) from error
        self._server.set_app(application)
        self.address: tuple[str, int] = self._server.server_address[:2]  # type: ignore[assignment]
        """Host and port that are listened to."""
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="metrics-listener", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        logger.info("metrics and health are told at %s, port %d", *self.address)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is none of our business."""
        logger.debug("a request of %s failed", client_address[0])


class _Request(WSGIRequestHandler):
    timeout = REQUEST_SECONDS

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - its name there
        """Requests are not logged: they come every few seconds."""
        logger.debug(format, *arguments)


def _serve_at(family: socket.AddressFamily, address: tuple[str, int]) -> _Server:
    class Server(_Server):
        address_family = family

    return Server(address, _Request)
