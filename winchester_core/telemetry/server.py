"""A process as it is watched from outside, while entered: its health, and its metrics."""

from __future__ import annotations

import logging
import socket
import threading
from contextlib import ExitStack
from http import HTTPStatus
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import orjson

from winchester_core.distribution import install_command
from winchester_core.errors import ConfigurationError, ListenError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType
    from typing import Self
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from winchester_core.telemetry.metrics import MetricsCollector
    from winchester_core.telemetry.watchdog import Health, HealthReport


_MISSING_LIBRARY = f"metrics_listen: needs prometheus_client: {install_command('metrics')}"


def load_exposition() -> Any:
    """The module that speaks Prometheus's formats. Raises `ConfigurationError` where it is absent.

    It comes with the extra `metrics`.
    """
    try:
        from winchester_core.telemetry.metrics import exposition
    except ModuleNotFoundError as error:
        raise ConfigurationError([_MISSING_LIBRARY]) from error
    return exposition


class TelemetryServer:
    """Tells `health` and what `probes` know at an address; nowhere where that is None.

    Entering it raises `ListenError`, and `ConfigurationError` where the library is not installed.
    """

    def __init__(
        self, address: tuple[str, int] | None, health: Health, probes: Iterable[MetricsCollector]
    ) -> None:
        self.health = health
        self._address = address
        self._probes = list(probes)
        self._stack = ExitStack()

    def add(self, probe: MetricsCollector) -> None:
        """Ask this one, too, from now on."""
        self._probes.append(probe)

    def __enter__(self) -> Self:
        if self._address is not None:
            metrics = load_exposition().exposition(self._probes)
            answers = TelemetryApplication(metrics, self.health)
            self._stack.enter_context(HttpListener(*self._address, answers))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()


# The listener that monitors ask: the standard library's WSGI server, a thread for each request.


logger = logging.getLogger(__name__)

REQUEST_TIMEOUT_SECONDS: Final = 10.0
"""How long a client may take over its request."""


class HttpListener:
    """Serves an application while entered. Requests in hand are left behind at its end."""

    def __init__(self, host: str, port: int, application: WSGIApplication) -> None:
        """Listen. Raises `ListenError` when that cannot be."""
        try:
            family, *_, found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            self._server = _bind(family, (str(found[0]), int(found[1])))
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


class _RequestHandler(WSGIRequestHandler):
    timeout = REQUEST_TIMEOUT_SECONDS

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - its name there
        """Requests are not logged: they come every few seconds."""
        logger.debug(format, *arguments)


def _bind(family: socket.AddressFamily, address: tuple[str, int]) -> _Server:
    class Server(_Server):
        address_family = family

    return Server(address, _RequestHandler)


# What the listener answers: metrics, liveness, readiness. A WSGI application.


METRICS_PATH: Final = "/metrics"
LIVENESS_PATH: Final = "/livez"
READINESS_PATH: Final = "/readyz"
METHODS: Final = ("GET", "HEAD")
PATHS: Final = (METRICS_PATH, LIVENESS_PATH, READINESS_PATH)


class TelemetryApplication:
    """Answers GET and HEAD at `PATHS`. What fails in it is logged and answered with 500."""

    def __init__(self, metrics: WSGIApplication, health: Health) -> None:
        self._metrics = metrics
        self._reports: dict[str, Callable[[], HealthReport]] = {
            LIVENESS_PATH: health.liveness,
            READINESS_PATH: health.readiness,
        }

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        path, method = environ.get("PATH_INFO", ""), environ.get("REQUEST_METHOD")
        try:
            if path not in PATHS:
                return _json_response(start_response, HTTPStatus.NOT_FOUND, {"paths": PATHS})
            if method not in METHODS:
                return _json_response(
                    start_response, HTTPStatus.METHOD_NOT_ALLOWED, {"allowed": METHODS}
                )
            if path == METRICS_PATH:
                return list(self._metrics(environ, start_response))
            return _health_response(start_response, self._reports[path]())
        except Exception:
            logger.exception("%s could not be answered", path)
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            return _json_response(start_response, status, {"causes": ["the log has the cause"]})


def _health_response(start_response: StartResponse, report: HealthReport) -> list[bytes]:
    status = HTTPStatus.OK if report.is_well else HTTPStatus.SERVICE_UNAVAILABLE
    word = "ok" if report.is_well else "failing"
    return _json_response(start_response, status, {"status": word, "causes": report.causes})


def _json_response(start_response: StartResponse, status: HTTPStatus, content: Any) -> list[bytes]:
    body = orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
    ]
    start_response(f"{status.value} {status.phrase}", headers)
    return [body]
