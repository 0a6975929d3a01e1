"""HTTP POST requests for handlers: delivery of effects, client, timeout, redaction of the log.

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
from voluptuous import Invalid

from winchester_core.interfaces import RetryAfter, json_schema
from winchester_core.interfaces.params import url

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from winchester_core.interfaces import DeliveryOutcome, Effect

logger = logging.getLogger(__name__)

MAX_RESPONSE_BYTES = 65_536
"""Bytes read of a response body, so that the connection can be reused; the rest is not read."""

MAX_READ_BYTES = 1024 * 1024
"""Bytes kept of a response body that is used; a longer one is truncated."""

_check_url = url("http", "https")


@json_schema(_check_url)
def http_url(value: Any) -> str:
    """Accept an HTTP URL that the client can use."""
    text: str = _check_url(value)
    try:
        _ = httpx.URL(text).host  # decoded from its ASCII form only here
    except (httpx.InvalidURL, ValueError) as error:  # ValueError: an invalid host name
        raise Invalid(f"expected a URL: {error}") from None
    return text


class ServiceUnavailable(Exception):  # noqa: N818 - a state of the service
    """The service cannot be used now; the text is the reason."""


def deliver_in_sequence(
    effects: Sequence[Effect],
    send: Callable[[Effect], DeliveryOutcome],
    retry: Callable[[Effect, str], RetryAfter],
) -> list[DeliveryOutcome]:
    """Send the effects one after the other; return their outcomes.

    After `httpx.TransportError` or `ServiceUnavailable` the remaining effects are not tried now, so
    that an unavailable service costs one timeout per call. Any other exception, such as that of an
    answer that cannot be read, delays its own effect alone.
    """
    outcomes: list[DeliveryOutcome] = []
    for effect in effects:
        try:
            outcomes.append(send(effect))
        except (httpx.TransportError, ServiceUnavailable) as error:
            outcomes.append(retry(effect, _reason(error)))
            break
        except Exception as error:  # noqa: BLE001 - the reason of the outcome, which is logged
            outcomes.append(retry(effect, _reason(error)))
    untried = RetryAfter(0, "not tried: the service did not respond to an earlier effect")
    return outcomes + [untried] * (len(effects) - len(outcomes))


def _reason(error: Exception) -> str:
    if isinstance(error, ServiceUnavailable):
        return str(error)
    return f"{type(error).__name__}: {str(error) or 'no reason given'}"


class PostingClient(httpx.Client):
    """Client for use by one thread. It follows no redirects, and limits the time of a request."""

    def __init__(self, timeout_seconds: float, context: ssl.SSLContext) -> None:
        super().__init__(
            timeout=timeout_seconds,
            verify=context,
            follow_redirects=False,
            headers={"User-Agent": "winchester", "Accept-Encoding": "identity"},
            event_hooks={"response": [_hide_redirect]},
        )
        self._timeout_seconds = timeout_seconds
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._timer: threading.Timer | None = None
        self._is_expired = False

    @contextmanager
    def bounded_request(self) -> Iterator[dict[str, Any]]:
        """Yield the extensions of a request, which lasts at most the timeout.

        Then raises `httpx.ReadTimeout`. The timeout starts again after connecting and after the TLS
        handshake; httpx bounds connecting to each address of the host, and nothing bounds the
        resolution of its name.
        """
        self._is_expired = False
        self._restart_timer()
        try:
            yield {"trace": self._trace}
        except httpx.TransportError as error:
            if not self._is_expired:
                raise
            reason = f"no complete response within {self._timeout_seconds:g} s"
            raise httpx.ReadTimeout(reason) from error
        finally:
            self._stop_timer()

    def _trace(self, name: str, info: Mapping[str, Any]) -> None:
        """Follow the connection; see "trace" of httpx's request extensions."""
        if name.endswith(".connect_tcp.started"):
            self._stop_timer()
        elif name.endswith((".connect_tcp.complete", ".start_tls.complete")):
            opened: socket.socket = info["return_value"].get_extra_info("socket")
            with self._lock:
                self._sockets = [each for each in self._sockets if each.fileno() != -1]
                self._sockets.append(opened)
                if self._is_expired:
                    _shut_down(opened)
            self._restart_timer()

    def _restart_timer(self) -> None:
        self._stop_timer()
        timer = threading.Timer(self._timeout_seconds, lambda: self._expire(timer))
        timer.daemon = True
        self._timer = timer
        timer.start()

    def _stop_timer(self) -> None:
        with self._lock:  # a timer about to expire then does nothing
            if self._timer is not None:
                self._timer.cancel()
            self._timer = None

    def _expire(self, timer: threading.Timer) -> None:
        with self._lock:
            if self._timer is timer:
                self._is_expired = True
                for each in self._sockets:
                    _shut_down(each)


def _hide_redirect(response: httpx.Response) -> None:
    """Remove the target of a redirect: httpx would parse it, and raise on an invalid one."""
    response.headers.pop("Location", None)


def _shut_down(connection: socket.socket) -> None:
    with suppress(OSError):  # closed already
        # not that of a TLS socket, which takes the TLS state from a thread that reads
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


def silent_below_warning(record: logging.LogRecord) -> bool:
    """Filter httpx's log, which shows URLs with their passwords and tokens below WARNING."""
    return record.levelno >= logging.WARNING


def open_client(timeout_seconds: float, context: ssl.SSLContext | None = None) -> PostingClient:
    """Return a client that uses `context` or the default authorities."""
    logging.getLogger("httpx").addFilter(silent_below_warning)
    return PostingClient(timeout_seconds, context or default_context())


def post(
    client: PostingClient, url: str, body: bytes, headers: Mapping[str, str]
) -> tuple[int, httpx.Headers]:
    """Return status and headers of the response. Raises `httpx.TransportError` without one.

    The status counts also if the body breaks off or exceeds the timeout.
    """
    with _posting(client, url, body, headers) as response:
        try:
            _read_body(response, MAX_RESPONSE_BYTES)
        except httpx.TransportError:
            logger.debug("response body incomplete, status used")
        return response.status_code, response.headers


def post_and_read(
    client: PostingClient, url: str, body: bytes, headers: Mapping[str, str]
) -> tuple[int, bytes]:
    """Return status and body (not decoded, truncated to `MAX_READ_BYTES`) of the response.

    Raises `httpx.TransportError` without a complete one.
    """
    with _posting(client, url, body, headers) as response:
        return response.status_code, _read_body(response, MAX_READ_BYTES)


@contextmanager
def _posting(
    client: PostingClient, url: str, body: bytes, headers: Mapping[str, str]
) -> Iterator[httpx.Response]:
    with (
        client.bounded_request() as extensions,
        client.stream(
            "POST", url, content=body, headers=dict(headers), extensions=extensions
        ) as response,
    ):
        yield response


def _read_body(response: httpx.Response, limit: int) -> bytes:
    body = b""
    for chunk in response.iter_raw():
        body += chunk
        if len(body) > limit:
            break
    return body[:limit]


@cache  # loading the authorities takes longer than a request
def default_context() -> ssl.SSLContext:
    """Return a TLS context with the certificate authorities that httpx trusts."""
    return httpx.create_ssl_context()
