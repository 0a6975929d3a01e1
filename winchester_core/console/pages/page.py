"""Rendering of pages: the frame around them, and pages for problems."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeVar

from starlette.responses import RedirectResponse

from winchester_core.console import rendering
from winchester_core.console.frame import SECTIONS, HealthSummary
from winchester_core.console.parameters import Query
from winchester_core.console.paths import Link
from winchester_core.console.responses import route_path
from winchester_core.errors import DatabaseUnavailable, QueryTimeout, WinchesterError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from winchester_core.console.frame import Section
    from winchester_core.console.problems import Problem
    from winchester_core.console.site import Site
    from winchester_core.console.site_condition import Finding
    from winchester_core.telemetry.ttl_cache import TtlCache

Value = TypeVar("Value")


def site_of(request: Request) -> Site:
    """Return the site of the application."""
    site: Site = request.app.state.site
    return site


def query_of(request: Request) -> Query:
    """Return the query parameters that are not empty, without `DONE`."""
    pairs = request.query_params.multi_items()
    return Query(tuple(pair for pair in pairs if pair[1] and pair[0] != DONE))


def render(
    request: Request,
    template: str,
    section: str = "",
    *,
    status: HTTPStatus = HTTPStatus.OK,
    headers: Mapping[str, str] | None = None,
    **context: Any,
) -> Response:
    """Return a page with the site's health. `section` is the key of its section.

    A page that says that the database is slow or unavailable does not wait for it again.
    """
    site, may_wait = site_of(request), status is not HTTPStatus.SERVICE_UNAVAILABLE
    condition = _value(site.condition, may_wait=may_wait)
    findings = None if condition is None else condition.findings()
    response = rendering.render(
        request,
        template,
        section=section,
        health=_unknown_health(site) if findings is None else _health(findings),
        counts=_counts(findings or ()),
        alarming=frozenset(each.section for each in findings or () if each.state == "error"),
        replica=_value(site.replica, may_wait=may_wait),
        status_code=status.value,
        **context,
    )
    response.headers.update(headers or {})
    return response


def redirect(request: Request, path: str) -> Response:
    """Return a redirection to another page after an action (303)."""
    return RedirectResponse(f"{site_of(request).options.prefix}{path}", HTTPStatus.SEE_OTHER)


@dataclass(frozen=True, slots=True)
class Notice:
    """Confirmation of an action, or a warning that it had no effect."""

    text: str
    kind: str = "ok"

    def __str__(self) -> str:
        """Return the text."""
        return self.text


NOTICES: Final[Mapping[str, Notice]] = {
    "reset": Notice("The stream was reset: a worker processes it again."),
    "purged": Notice("The stream was deleted."),
    "discarded": Notice("It was deleted."),
    "due": Notice("The effect is due for delivery now."),
    "waiting": Notice("The effect is pending again, and due after the effects ahead of it."),
    "stored": Notice("The message was stored as an event, and is not rejected any more."),
    "duplicate": Notice("Its event was already stored, so the rejected message was deleted."),
    "dropped": Notice("No event definition covers its type, so the rejected message was deleted."),
    "invalid": Notice("The message is still invalid, for this reason.", "warning"),
    "failed": Notice("The message cannot be retried: its body was not stored whole.", "warning"),
    "debug-reset": Notice("The debug counts were deleted."),
}
"""Confirmation of each action, by its code in the address of the page that follows."""

DONE: Final = "done"
"""Query parameter with the code of a notice."""


def notice_of(request: Request) -> Notice | None:
    """Return the confirmation of the action that led to the page, if there was one."""
    return NOTICES.get(request.query_params.get(DONE, ""))


def problem_page(request: Request, problem: Problem, back: Link | None = None) -> Response:
    """Return the page of a problem, with a link to continue (default: to the section)."""
    section = _section_of(request)
    return render(
        request,
        "error.html",
        section.key if section.path != "/" else "",
        status=problem.status,
        headers=problem.headers,
        code=int(problem.status),
        reason=problem.status.phrase,
        detail=problem.detail,
        back=back or Link(section.path, f"Go to {section.label}"),
    )


def _section_of(request: Request) -> Section:
    """Return the section of a page of one object, or else the overview."""
    path = route_path(request.scope)
    found = (each for each in SECTIONS[1:] if path.startswith(f"{each.path}/"))
    return next(found, SECTIONS[0])


def _value(cache: TtlCache[Value], *, may_wait: bool) -> Value | None:
    """Return the value of a cache, or None if it cannot be read."""
    try:
        return cache.get() if may_wait else cache.cached()
    except WinchesterError:
        return None


def _unknown_health(site: Site) -> HealthSummary:
    """Return why the health of a site is not known, in a few words."""
    error = site.condition.last_error
    if isinstance(error, DatabaseUnavailable):
        return HealthSummary("error", "Database unavailable")
    if isinstance(error, QueryTimeout):
        return HealthSummary("unknown", "Health unknown: its queries take too long")
    return HealthSummary("unknown", "Health unknown")


def _health(findings: Sequence[Finding]) -> HealthSummary:
    """Return the health of a site in a few words."""
    if not findings:
        return HealthSummary("ok", "No problems")
    others = f", {len(findings) - 1} more" if len(findings) > 1 else ""
    text = findings[0].text
    return HealthSummary(findings[0].state, f"{text[:1].upper()}{text[1:]}{others}")


def _counts(findings: Iterable[Finding]) -> dict[str, int]:
    """Return the numbers beside the sections."""
    counts: dict[str, int] = {}
    for each in findings:
        if each.number:
            counts[each.section] = counts.get(each.section, 0) + each.number
    return counts
