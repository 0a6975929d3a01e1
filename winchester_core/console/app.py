"""Assembly of the ASGI application: routes, middleware, responses to errors."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from winchester_core.console.api.routes import api_routes, problem_response
from winchester_core.console.identity import identity_of
from winchester_core.console.pages.page import problem_page
from winchester_core.console.pages.routes import page_routes
from winchester_core.console.problems import Problem, problem_of
from winchester_core.console.responses import is_api
from winchester_core.console.safety import protected
from winchester_core.console.static_files import DIRECTORY
from winchester_core.errors import WinchesterError

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

    from winchester_core.console.site import Site
    from winchester_core.telemetry.watchdog import Health, HealthReport

logger = logging.getLogger(__name__)

LIVENESS_PATH: Final = "/livez"
READINESS_PATH: Final = "/readyz"


def console_application(site: Site, health: Health | None = None) -> ASGIApp:
    """Return the application of a site. `health` is served on `LIVENESS_PATH` and the other."""
    routes = [*api_routes(), Mount("/static", StaticFiles(directory=DIRECTORY)), *page_routes()]
    if health is not None:
        routes += [
            Route(LIVENESS_PATH, _health_handler(health.liveness)),
            Route(READINESS_PATH, _health_handler(health.readiness)),
        ]
    application = Starlette(
        routes=routes,
        exception_handlers={
            Problem: _respond_to_error,
            WinchesterError: _respond_to_error,
            HTTPException: _respond_to_error,
            Exception: _respond_to_error,
        },
    )
    application.state.site = site
    return protected(application, site.options)


def _respond_to_error(request: Request, error: Exception) -> Response:
    """Return a problem document below the API's prefix, or else a page."""
    problem = problem_of(error)
    if isinstance(error, HTTPException):
        problem = Problem(HTTPStatus(error.status_code), error.detail, headers=error.headers)
    if problem is None:
        logger.error(
            "console request failed: method=%s path=%s",
            request.method,
            request.url.path[:200],
            exc_info=error,
        )
        problem = Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "see the console's log for the cause")
    if is_api(request.scope):
        return problem_response(problem)
    return problem_page(request, problem)


def _health_handler(report: Callable[[], HealthReport]) -> Callable[[Request], Any]:
    def respond(request: Request) -> Response:
        found = report()
        if found.is_healthy:
            return PlainTextResponse("ok")
        causes = found.causes if identity_of(request) is not None else ("failing",)
        return PlainTextResponse("\n".join(causes), HTTPStatus.SERVICE_UNAVAILABLE)

    return respond
