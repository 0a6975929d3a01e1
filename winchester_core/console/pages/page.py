"""Rendering of pages: the frame around them, and pages for problems."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import RedirectResponse

from winchester_core.console import rendering
from winchester_core.console.frame import Health
from winchester_core.console.parameters import Query
from winchester_core.errors import WinchesterError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from winchester_core.console.problems import Problem
    from winchester_core.console.site import Site


def site_of(request: Request) -> Site:
    """Return the site of the application."""
    site: Site = request.app.state.site
    return site


def query_of(request: Request) -> Query:
    """Return the query parameters; those that a form sends empty are left out."""
    return Query(tuple(pair for pair in request.query_params.multi_items() if pair[1]))


def render(
    request: Request,
    template: str,
    section: str = "",
    *,
    status: HTTPStatus = HTTPStatus.OK,
    headers: Mapping[str, str] | None = None,
    **context: Any,
) -> Response:
    """Return a page with the site's health. `section` is the key of its section."""
    response = rendering.render(
        request,
        template,
        section=section,
        health=_health(site_of(request)),
        status_code=status.value,
        **context,
    )
    response.headers.update(headers or {})
    return response


def redirect(request: Request, path: str) -> Response:
    """Return a redirection to another page after an action (303)."""
    return RedirectResponse(f"{site_of(request).options.prefix}{path}", HTTPStatus.SEE_OTHER)


NOTICES: Final = {
    "reset": "The stream was reset: a worker processes it again.",
    "purged": "The stream was deleted.",
    "discarded": "It was deleted.",
    "retried": "It is due for delivery now.",
    "stored": "The message was stored as an event, and is not rejected any more.",
    "debug-reset": "The debug counts were deleted.",
}
"""Confirmation of each action, by its code in the address of the page that follows."""


def notice_of(request: Request) -> str:
    """Return the confirmation of the action that led to the page; empty if there was none."""
    return NOTICES.get(request.query_params.get("done", ""), "")


def problem_page(request: Request, problem: Problem) -> Response:
    """Return the page of a problem."""
    return render(
        request,
        "error.html",
        status=problem.status,
        headers=problem.headers,
        code=int(problem.status),
        reason=problem.status.phrase,
        detail=problem.detail,
    )


def _health(site: Site) -> Health:
    """Return the health of the site in a few words, from cached statistics."""
    try:
        return site_health(site)
    except WinchesterError:
        return Health("error", "database unavailable")


def site_health(site: Site) -> Health:
    """Return the health of the site. Raises `StorageError` while the database is unavailable."""
    statistics = site.statistics.get()
    failed = sum(
        number
        for states in statistics.streams.values()
        for state, number in states.items()
        if state in ("error", "expire_error")
    )
    dead = sum(backlog.dead for backlog in statistics.effects.values())
    problems = []
    if failed:
        problems.append(f"{failed:,} stream{'' if failed == 1 else 's'} in error")
    if dead:
        problems.append(f"{dead:,} dead letter{'' if dead == 1 else 's'}")
    return Health("warning", ", ".join(problems)) if problems else Health("ok", "no failures")
