"""Links to pages, and paths of pages whose last part is a text from outside."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from starlette.routing import Mount, Route

    AnyRoute = TypeVar("AnyRoute", Mount, Route)

_DOT_SEGMENTS: Final = frozenset({".", ".."})
"""Segments that browsers remove from a path; proxies remove them also between encoded slashes."""


class Link(NamedTuple):
    """A link to a page. The path is below the prefix of the console."""

    path: str
    text: str


def event_path(message_id: str) -> str:
    """Return the path of an event's page below the prefix of the console."""
    if not _DOT_SEGMENTS.isdisjoint(message_id.split("/")):
        return f"/events?{urlencode({'id': message_id})}"
    return f"/events/{quote(message_id, safe='')}"


def trigger_path(name: str) -> str:
    """Return the path of a trigger's page below the prefix of the console."""
    return f"/triggers/{quote(name, safe='')}"


def of_any_text(route: AnyRoute) -> AnyRoute:
    """Return the route, which now accepts line breaks in its path: `.` does not match them."""
    route.path_regex = re.compile(route.path_regex.pattern, re.DOTALL)
    return route
