"""Addresses of the console that are measured on a large site."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.routing import Match, Route

from support.builders.bulk_rows import RARE_TYPE
from support.builders.console_rows import HOST, INSTANCE, PIPELINE
from winchester_core.console.api.operations import PREFIX
from winchester_core.console.api.routes import api_routes
from winchester_core.console.pages.routes import page_routes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.builders.console_rows import BulkSite

COMMON_TYPE = "compute.instance.update"
NOT_MEASURED = re.compile(r"/login|.*/openapi\.json|/\w+/(reset|retry|discard)/result")
"""Paths of routes that read nothing from the database."""

LISTS = {
    "streams": (
        "",
        "order=oldest",
        f"trigger={INSTANCE}",
        f"trigger={HOST}",
        "state=error",
        "state=active",
        "outcome=fired",
        "outcome=failed",
        "trait=instance=i-{stream}",
        "trait=host=compute-7",
        "younger_than=1h",
        "older_than=20d",
        "last_event_younger_than=1h",
        "last_event_older_than=20d",
        f"event_type={COMMON_TYPE}",
        f"event_type={RARE_TYPE}",
        "event_type=*.update",
        "message_id={message}",
        "error=exchange",
        "error=absent",
        "unknown=true",
    ),
    "events": (
        "",
        "order=oldest",
        "by=timestamp",
        f"event_type={COMMON_TYPE}",
        f"event_type={COMMON_TYPE}&by=timestamp",
        f"event_type={RARE_TYPE}",
        "event_type=*.absent",
        "since=1h",
        "until=20d",
        "trait=instance=i-{stream}",
        "trait=host=compute-7&since=1d",
    ),
    "rejected": (
        "",
        "order=oldest",
        "source=source-3",
        "kind=notification",
        "source=absent",
        "younger_than=1h",
    ),
    "outbox": (
        "",
        "state=dead",
        "state=discarded",
        f"pipeline={PIPELINE}&handler=email",
        "stream={stream}",
        "younger_than=1h",
    ),
}
"""Queries of the lists that are both pages and parts of the API."""

CONFIRMATIONS = {
    "streams": ("reset", "discard"),
    "rejected": ("retry", "discard"),
    "outbox": ("retry", "discard"),
}
"""Actions on all matches, each with a page to confirm it."""

API_LISTS = {"actions": ("", "name=operator-3", "action=stream.reset", "name=absent")}


@dataclass(frozen=True)
class Target:
    """An address of the console; `needs_data` if it is another page or none in an empty database.

    These are single objects, and the activity, without which the overview explains how to begin.
    """

    path: str
    needs_data: bool = False

    @property
    def is_api(self) -> bool:
        """Return whether it belongs to the API."""
        return self.path.startswith(PREFIX)


def targets(site: BulkSite) -> Iterator[Target]:
    """Yield the addresses; those of objects contain ids of `site`."""
    values = {"stream": site.open_stream, "message": site.message_id(site.events // 2)}
    for name, queries in LISTS.items():
        for query in queries:
            yield Target(_address(f"/{name}", query.format(**values)))
    for name, queries in (LISTS | API_LISTS).items():
        for query in queries:
            yield Target(_address(f"{PREFIX}/{name}", query.format(**values)))
    for path in ("/triggers", f"/triggers/{INSTANCE}", "/site", "/site/actions"):
        yield Target(path)
    for path in ("triggers", f"triggers/{INSTANCE}", "processes", "plugins", "statistics"):
        yield Target(f"{PREFIX}/{path}")
    for period in ("", "?since=1d", "?since=7d"):
        yield Target(f"/{period}", needs_data=True)
        yield Target(f"{PREFIX}/stats{period}", needs_data=True)
    for path in _objects(site):
        yield Target(path, needs_data=True)
        yield Target(PREFIX + path, needs_data=True)
    for path in (*_parts_of_streams(site), *_confirmations(site)):
        yield Target(path, needs_data=True)


def _address(path: str, query: str) -> str:
    return f"{path}?{query}" if query else path


def _objects(site: BulkSite) -> Iterator[str]:
    for stream in _streams(site):
        yield f"/streams/{stream}"
        yield f"/streams/{stream}/events"
    yield f"/events/{site.message_id(site.events // 2)}"
    yield f"/rejected/{site.rejected // 2}"
    yield f"/outbox/{site.dead_effect}"


def _confirmations(site: BulkSite) -> Iterator[str]:
    """Yield the pages that ask to confirm an action."""
    for name, verbs in CONFIRMATIONS.items():
        for verb in verbs:
            yield f"/{name}/{verb}"
    yield f"/streams/{site.failed_stream}/discard"
    yield f"/streams/{site.completed_stream}/purge"
    yield f"/rejected/{site.rejected // 2}/discard"
    yield f"/outbox/{site.dead_effect}/discard"


def _parts_of_streams(site: BulkSite) -> Iterator[str]:
    for stream in _streams(site):
        for part in ("explain", "history"):
            yield f"{PREFIX}/streams/{stream}/{part}"
    yield f"{PREFIX}/events/{site.message_id(site.events // 2)}/explain"


def _streams(site: BulkSite) -> tuple[int, ...]:
    return (site.open_stream, site.failed_stream, site.completed_stream, site.large_stream)


def unmeasured_routes(site: BulkSite) -> list[str]:
    """Return the paths of the routes for GET that no target matches."""
    paths = [each.path.partition("?")[0] for each in targets(site)]
    return [
        route.path
        for route in (*page_routes(), *api_routes())
        if isinstance(route, Route)
        and "GET" in (route.methods or ())
        and not NOT_MEASURED.fullmatch(route.path)
        and not any(_matches(route, path) for path in paths)
    ]


def _matches(route: Any, path: str) -> bool:
    scope = {"type": "http", "method": "GET", "path": path, "root_path": ""}
    match, _scope = route.matches(scope)
    return bool(match is Match.FULL)
