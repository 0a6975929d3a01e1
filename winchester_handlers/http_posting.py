"""HTTP POST requests for handlers: client, request, timeout and redaction of the client's log.

The timeout of httpx bounds each read, so that a server which sends a byte now and then holds a
request for ever. Here a timer bounds the request: at its end it shuts the client's connections
down, and the read that waits returns.
"""

from __future__ import annotations

import logging
import socket
import threading
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping
    from typing import Any

MAX_RESPONSE_BYTES = 65_536
"""Bytes read of a response body, so that the connection can be reused; the rest is not read."""


def silent_below_warning(record: logging.LogRecord) -> bool:
    """Filter httpx's log, which shows URLs with their passwords and tokens below WARNING."""
    return record.levelno >= logging.WARNING


class PostingClient(httpx.Client):
    """Client for one thread that follows no redirects and bounds the time of each request."""

    def __init__(self, timeout_seconds: float, context: ssl.SSLContext) -> None:
        super().__init__(
            timeout=timeout_seconds,
            verify=context,
            follow_redirects=False,
            headers={"User-Agent": "winchester"},
        )
        self._timeout_seconds = timeout_seconds
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._deadline: object | None = None
        self._is_expired = False

    @contextmanager
    def bounded_request(self) -> Iterator[dict[str, Any]]:
        """Yield the extensions of a request, which lasts at most the timeout after connecting.

        Then raises `httpx.ReadTimeout`. Resolving the name, connecting to each of its addresses
        and the TLS handshake are bounded on their own.
        """
        deadline = object()
        timer = threading.Timer(self._timeout_seconds, self._expire, (deadline,))
        timer.daemon = True
        self._deadline, self._is_expired = deadline, False
        timer.start()
        try:
            yield {"trace": self._trace}
        except httpx.TransportError as error:
            if not self._is_expired:
                raise
            reason = f"no complete response within {self._timeout_seconds:g} s"
            raise httpx.ReadTimeout(reason) from error
        finally:
            timer.cancel()
            with self._lock:  # the timer may be about to expire: not in the next request
                self._deadline = None

    def _trace(self, name: str, info: Mapping[str, Any]) -> None:
        """Keep the sockets that are opened; see "trace" of httpx's request extensions."""
        if name.endswith((".connect_tcp.complete", ".start_tls.complete")):
            opened: socket.socket = info["return_value"].get_extra_info("socket")
            with self._lock:
                self._sockets = [each for each in self._sockets if each.fileno() != -1]
                self._sockets.append(opened)
                if self._is_expired:
                    _shut_down(opened)

    def _expire(self, deadline: object) -> None:
        with self._lock:
            if self._deadline is deadline:
                self._is_expired = True
                for each in self._sockets:
                    _shut_down(each)


def _shut_down(connection: socket.socket) -> None:
    with suppress(OSError):  # closed already
        # not that of a TLS socket, which takes the TLS state from a thread that reads
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


def open_client(timeout_seconds: float, context: ssl.SSLContext | None = None) -> PostingClient:
    """Return a client that uses `context` or the default authorities."""
    logging.getLogger("httpx").addFilter(silent_below_warning)
    return PostingClient(timeout_seconds, context or default_context())


def post(
    client: PostingClient, url: str, body: bytes, headers: Mapping[str, str]
) -> tuple[int, httpx.Headers]:
    """Return status and headers of the response. Raises `httpx.TransportError` without one."""
    with (
        client.bounded_request() as extensions,
        client.stream(
            "POST", url, content=body, headers=dict(headers), extensions=extensions
        ) as response,
    ):
        try:
            _read_response(response)
        except httpx.TransportError:
            logging.getLogger(__name__).debug("response body incomplete, status used")
        return response.status_code, response.headers


def _read_response(response: httpx.Response) -> None:
    bytes_read = 0
    for chunk in response.iter_raw():
        bytes_read += len(chunk)
        if bytes_read > MAX_RESPONSE_BYTES:
            break


@cache  # loading the authorities takes longer than a request
def default_context() -> ssl.SSLContext:
    """Return a TLS context with the certificate authorities that httpx trusts."""
    return httpx.create_ssl_context()
