"""The HTTP server, uvicorn, in a thread with a loop of its own."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from typing import TYPE_CHECKING, Any, Final

import uvicorn

from winchester_core.errors import SourceError

if TYPE_CHECKING:
    from winchester_core.sources.http.app import Application

log = logging.getLogger(__name__)

BACKLOG: Final = 2048
END_SECONDS: Final = 5
"""How long answers may take to leave when the server ends."""


class Server:
    """Serves from `start` to `stop`, and never again."""

    def __init__(self, application: Application, host: str, port: int) -> None:
        self._where = f"http://{host}:{port}"
        self._socket = _listen(host, port, self._where)
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
                timeout_graceful_shutdown=END_SECONDS,
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
            raise SourceError(self._where, reason) from self._failure

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


def _listen(host: str, port: int, where: str) -> socket.socket:
    try:
        found: Any = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(found[4][:2], family=found[0], backlog=BACKLOG)
    except OSError as error:
        raise SourceError(where, f"cannot be listened at: {error.strerror or error}") from error
