"""What the listener answers: metrics, liveness, readiness. A WSGI application."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from winchester_core.telemetry.health import Health, Report

logger = logging.getLogger(__name__)

METRICS_PATH: Final = "/metrics"
LIVENESS_PATH: Final = "/livez"
READINESS_PATH: Final = "/readyz"
METHODS: Final = ("GET", "HEAD")
PATHS: Final = (METRICS_PATH, LIVENESS_PATH, READINESS_PATH)


class Answers:
    """Answers GET and HEAD at `PATHS`. What fails in it is logged and answered with 500."""

    def __init__(self, metrics: WSGIApplication, health: Health) -> None:
        self._metrics = metrics
        self._reports: dict[str, Callable[[], Report]] = {
            LIVENESS_PATH: health.liveness,
            READINESS_PATH: health.readiness,
        }

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        path, method = environ.get("PATH_INFO", ""), environ.get("REQUEST_METHOD")
        try:
            if path not in PATHS:
                return _answer(start_response, HTTPStatus.NOT_FOUND, {"paths": PATHS})
            if method not in METHODS:
                return _answer(start_response, HTTPStatus.METHOD_NOT_ALLOWED, {"allowed": METHODS})
            if path == METRICS_PATH:
                return list(self._metrics(environ, start_response))
            return _tell(start_response, self._reports[path]())
        except Exception:
            logger.exception("%s could not be answered", path)
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            return _answer(start_response, status, {"causes": ["the log has the cause"]})


def _tell(start_response: StartResponse, report: Report) -> list[bytes]:
    status = HTTPStatus.OK if report.is_well else HTTPStatus.SERVICE_UNAVAILABLE
    word = "ok" if report.is_well else "failing"
    return _answer(start_response, status, {"status": word, "causes": report.causes})


def _answer(start_response: StartResponse, status: HTTPStatus, content: Any) -> list[bytes]:
    body = orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
    ]
    start_response(f"{status.value} {status.phrase}", headers)
    return [body]
