"""Routes of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
from starlette.responses import Response

if TYPE_CHECKING:
    from starlette.routing import Route

    from winchester_core.console.problems import Problem


def api_routes() -> list[Route]:
    """Return the routes."""
    return []


def problem_response(problem: Problem) -> Response:
    """Return a problem document."""
    return Response(
        orjson.dumps(problem.document()),
        problem.status,
        problem.headers,
        "application/problem+json",
    )
