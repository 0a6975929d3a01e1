"""HTTP server in a thread: bounds the number of connections, and the time each may take.

A connection is waiting while no response is due: before its first request, between requests, and
while the rest of a refused body arrives. A waiting connection is closed after
`header_timeout_seconds`. If the maximum number of connections is reached, the connection that has
waited longest is closed for a new one, if it has waited for at least a second; otherwise the new
connection waits.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
import threading
from typing import TYPE_CHECKING, Any, Final

import h11
import orjson
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from winchester_core.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from winchester_core.sources.http.params import ConnectionLimits

log = logging.getLogger(__name__)

BACKLOG: Final = 2048
KEEP_ALIVE_SECONDS: Final = 5
"""Time after a response until an unused connection is closed."""
RETRY_SECONDS: Final = 1.0
"""Pause after a connection could not be accepted."""
MIN_WAITING_SECONDS: Final = 1.0
"""Minimum waiting time after which a connection may be closed for a new one."""
ROOM_POLL_SECONDS: Final = 0.05
SHUTDOWN_TIMEOUT_SECONDS: Final = 5
"""Maximum time to send responses at shutdown."""


class HttpServer:
    """Server thread; single use: `start`, then `stop`."""

    def __init__(self, application: Any, listener: socket.socket, limits: ConnectionLimits) -> None:
        """Serve on the socket that `listen` returned. `stop` closes it."""
        self._socket = listener
        self.address: tuple[str, int] = listener.getsockname()[:2]
        """Host and port of the listening socket."""
        self._url = http_url(*self.address)
        self._failure: BaseException | None = None
        self._server = _Server(_configuration(application), limits)
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


def _configuration(application: Any) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        http="h11",
        ws="none",
        lifespan="off",
        loop="asyncio",
        log_config=None,
        log_level="error",  # a malformed request is the sender's error and gets status 400
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_TIMEOUT_SECONDS,
    )


def http_url(host: str, port: int) -> str:
    """Return the URL of an address."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on an address. Raises `SourceError`."""
    try:
        info: Any = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(info[4][:2], family=info[0], backlog=BACKLOG)
    except OSError as error:
        raise SourceError(
            http_url(host, port), f"cannot listen: {error.strerror or error}"
        ) from error
    # accepted sockets inherit it; without it, the body of a response waits until the client has
    # acknowledged the headers, which may take 40 milliseconds
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


class _Server(uvicorn.Server):
    """Accepts one connection at a time, and waits for room before the next."""

    def __init__(self, config: uvicorn.Config, limits: ConnectionLimits) -> None:
        super().__init__(config)
        self._max_connections = _allowed_connections(limits.max_connections)
        self._header_timeout_seconds = limits.header_timeout_seconds
        self._connections: dict[_Connection, None] = {}  # the longest unused first
        self.servers = []  # uvicorn's own listeners

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start accepting connections."""
        (listener,) = sockets or []
        listener.setblocking(False)
        self._accepting = asyncio.create_task(self._accept(listener))
        self._accepting.add_done_callback(self._end)
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, and finish the requests in progress."""
        self._accepting.cancel()
        await asyncio.wait([self._accepting])  # before the listener is closed
        await super().shutdown(sockets)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        is_failing = False
        while True:
            try:
                accepted, _ = await loop.sock_accept(listener)
            except OSError as error:
                if not is_failing:
                    log.warning("cannot accept connections, retrying: error=%s", error.strerror)
                is_failing = True
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if is_failing:
                log.info("accepting connections again")
                is_failing = False
            try:
                while not self._make_room():
                    await asyncio.sleep(ROOM_POLL_SECONDS)
                await loop.connect_accepted_socket(self._connect, accepted)
            except BaseException:
                accepted.close()
                raise

    def _connect(self) -> _Connection:
        connection = _Connection(
            self.config, self.server_state, self._header_timeout_seconds, self._on_change
        )
        self._connections[connection] = None
        return connection

    def _on_change(self, connection: _Connection, *, is_open: bool) -> None:
        """Move a connection to the end of the order, or remove it."""
        self._connections.pop(connection, None)
        if is_open:
            self._connections[connection] = None

    def _make_room(self) -> bool:
        """Return whether there is room for a connection. If necessary, close another one."""
        if len(self._connections) < self._max_connections:
            return True
        oldest = next((each for each in self._connections if each.is_waiting), None)
        if oldest is None or oldest.loop.time() < oldest.last_used + MIN_WAITING_SECONDS:
            return False
        del self._connections[oldest]
        oldest.transport.abort()
        return True

    def _end(self, accepting: asyncio.Task[None]) -> None:
        if not accepting.cancelled():
            self.should_exit = True
            log.error("cannot accept connections", exc_info=accepting.exception())


def _allowed_connections(max_connections: int) -> int:
    """Return the maximum, lowered to half the process's limit of open files."""
    open_files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if open_files == resource.RLIM_INFINITY or max_connections <= open_files // 2:
        return max_connections
    log.warning(
        "max_connections lowered to half the limit of open files: connections=%d open_files=%d",
        open_files // 2,
        open_files,
    )
    return max(1, open_files // 2)


class _Connection(H11Protocol):
    """A connection with a deadline while it is waiting, or its client does not read responses."""

    def __init__(
        self,
        config: uvicorn.Config,
        state: Any,
        timeout_seconds: float,
        on_change: Callable[..., None],
    ) -> None:
        super().__init__(config, state, {})
        self._timeout_seconds = timeout_seconds
        self._on_change = on_change
        self._deadline: asyncio.TimerHandle | None = None
        self.last_used = self.loop.time()
        """Time at which it was opened or its last response was complete, on the loop's clock."""

    @property
    def is_waiting(self) -> bool:
        """Return whether no response is due."""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._update_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._cancel_deadline()
        self._on_change(self, is_open=False)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._update_deadline()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self.last_used = self.loop.time()
        self._on_change(self, is_open=True)
        self._update_deadline()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._update_deadline()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._update_deadline()

    def _update_deadline(self) -> None:
        if not (self.is_waiting or self.flow.write_paused):
            self._cancel_deadline()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(self._timeout_seconds, self._expire)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expire(self) -> None:
        """Close the connection; abort it the second time, or if the client reads no responses."""
        self._deadline = None
        if self.transport.is_closing() or self.flow.write_paused:
            self.transport.abort()
            return
        if self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
            self._send_timeout()
        self.transport.close()
        self._update_deadline()

    def _send_timeout(self) -> None:
        seconds = f"{self._timeout_seconds:g}"
        body = orjson.dumps({"error": f"the headers were not received within {seconds} seconds"})
        headers = [
            *self.server_state.default_headers,
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
        ]
        for event in (
            h11.Response(status_code=408, headers=headers, reason="Request Timeout"),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event))
