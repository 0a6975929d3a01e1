"""Telemetry server: HTTP endpoints for metrics, liveness and readiness."""

from __future__ import annotations

import logging
import re
import socket
import threading
import time
from contextlib import ExitStack, suppress
from http import HTTPStatus
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import orjson

from winchester_core.errors import ListenError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Self
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from winchester_core.telemetry.metrics import MetricsCollector
    from winchester_core.telemetry.watchdog import Health, HealthReport


class TelemetryServer:
    """Serves `health` and the metrics of `collectors` on `address` (None: disabled).

    A context manager. Entering raises `ListenError`.
    """

    def __init__(
        self,
        address: tuple[str, int] | None,
        health: Health,
        collectors: Iterable[MetricsCollector],
    ) -> None:
        self.health = health
        self._address = address
        self._collectors = list(collectors)
        self._stack = ExitStack()

    def add(self, collector: MetricsCollector) -> None:
        """Add a collector."""
        self._collectors.append(collector)

    def __enter__(self) -> Self:
        if self._address is not None:
            # imported only here: the library costs each process 0.1 s and 10 MiB
            from winchester_core.telemetry.metrics.exposition import metrics_application

            application = TelemetryApplication(metrics_application(self._collectors), self.health)
            self._stack.enter_context(HttpListener(*self._address, application))
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()


# HTTP listener: the standard library's WSGI server, one thread per request.


logger = logging.getLogger(__name__)

REQUEST_TIMEOUT_SECONDS: Final = 10.0
"""Socket timeout of a request."""
MAX_CONNECTIONS: Final = 32
"""Maximum number of connections. Then the oldest is closed, so that no client blocks others."""
ACCEPT_RETRY_SECONDS: Final = 1.0
"""Pause after a connection could not be accepted."""


class HttpListener:
    """Serves a WSGI application. A context manager; its exit does not wait for running requests."""

    def __init__(self, host: str, port: int, application: WSGIApplication) -> None:
        """Bind the address. Raises `ListenError`."""
        try:
            family, *_, found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            self._server = _bind(family, (str(found[0]), int(found[1])))
        except OSError as error:
            raise ListenError(host, port, error.strerror or str(error)) from error
        self._server.set_app(application)
        self.address: tuple[str, int] = self._server.server_address[:2]  # type: ignore[assignment]
        """Host and port of the listening socket."""
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="metrics-listener", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        logger.info("serving metrics and health: host=%s port=%d", *self.address)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._connections: dict[socket.socket, None] = {}  # the oldest first
        self._lock = threading.Lock()
        self._is_failing = False

    def get_request(self) -> Any:
        """Accept a connection. Raises `OSError`; it is logged once per outage."""
        try:
            request = super().get_request()
        except OSError as error:
            if not self._is_failing:
                logger.warning("cannot accept connections, retrying: error=%s", error.strerror)
            self._is_failing = True
            time.sleep(ACCEPT_RETRY_SECONDS)
            raise
        self._is_failing = False
        return request

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread for the request; disconnect the oldest if there are too many."""
        with self._lock:
            oldest = next(iter(self._connections), None)
            if oldest is not None and len(self._connections) >= MAX_CONNECTIONS:
                del self._connections[oldest]
                with suppress(OSError):  # disconnected already
                    oldest.shutdown(socket.SHUT_RDWR)
            self._connections[request] = None
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close the connection."""
        with self._lock:
            self._connections.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log at debug level, because most errors are disconnected clients."""
        logger.debug("request failed: client=%s", client_address[0])


class _RequestHandler(WSGIRequestHandler):
    timeout = REQUEST_TIMEOUT_SECONDS

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - inherited name
        """Log at debug level, because scrapes arrive every few seconds."""
        logger.debug(format, *arguments)


def _bind(family: socket.AddressFamily, address: tuple[str, int]) -> _Server:
    class Server(_Server):
        address_family = family

    return Server(address, _RequestHandler)


# The WSGI application: metrics, liveness, readiness.


METRICS_PATH: Final = "/metrics"
LIVENESS_PATH: Final = "/livez"
READINESS_PATH: Final = "/readyz"
METHODS: Final = ("GET", "HEAD")
PATHS: Final = (METRICS_PATH, LIVENESS_PATH, READINESS_PATH)
ABSOLUTE_FORM: Final = re.compile(r"https?://[^/]*(/.*)?", re.IGNORECASE | re.DOTALL)
"""Absolute form of a request target, without its query (RFC 9112, 3.2.2)."""


class TelemetryApplication:
    """WSGI application for GET and HEAD on `PATHS`. Exceptions are logged and give status 500."""

    def __init__(self, metrics: WSGIApplication, health: Health) -> None:
        self._metrics = metrics
        self._reports: dict[str, Callable[[], HealthReport]] = {
            LIVENESS_PATH: health.liveness,
            READINESS_PATH: health.readiness,
        }

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        method, path = environ.get("REQUEST_METHOD"), environ.get("PATH_INFO", "")
        if absolute := ABSOLUTE_FORM.fullmatch(path):
            path = absolute[1] or "/"
        body = self._respond({**environ, "REQUEST_METHOD": "GET"}, method, path, start_response)
        return [] if method == "HEAD" else body

    def _respond(
        self,
        environ: WSGIEnvironment,
        method: str | None,
        path: str,
        start_response: StartResponse,
    ) -> Iterable[bytes]:
        try:
            if path not in PATHS:
                return _json_response(start_response, HTTPStatus.NOT_FOUND, {"paths": PATHS})
            if method not in METHODS:
                status, allowed = HTTPStatus.METHOD_NOT_ALLOWED, ", ".join(METHODS)
                return _json_response(start_response, status, {"allowed": METHODS}, allow=allowed)
            if path == METRICS_PATH:
                return list(self._metrics(environ, start_response))
            return _health_response(start_response, self._reports[path]())
        except Exception:
            logger.exception("telemetry request failed: path=%s", path)
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            return _json_response(start_response, status, {"causes": ["see the log for the cause"]})


def _health_response(start_response: StartResponse, report: HealthReport) -> list[bytes]:
    status = HTTPStatus.OK if report.is_healthy else HTTPStatus.SERVICE_UNAVAILABLE
    text = "ok" if report.is_healthy else "failing"
    return _json_response(start_response, status, {"status": text, "causes": report.causes})


def _json_response(
    start_response: StartResponse, status: HTTPStatus, content: Any, **more_headers: str
) -> list[bytes]:
    body = orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        *more_headers.items(),
    ]
    start_response(f"{status.value} {status.phrase}", headers)
    return [body]
