"""Pages of lists: the page that the address selects, and the addresses of its neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from winchester_core.console.lists import parse_list_request, read_list
from winchester_core.console.pages.page import query_of, render, site_of
from winchester_core.console.problems import Problem
from winchester_core.service.exit import UsageError
from winchester_core.storage.list_pages import MAX_SEARCHED_ROWS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from winchester_core.console.lists import ListResult
    from winchester_core.console.parameters import Query
    from winchester_core.console.resources import Resource


@dataclass(frozen=True, slots=True)
class ListPage:
    """A list for a template. A neighbour's address is None if there is no such page.

    `fields` are the filters as they were sent, by name; repeated ones have only the first value.
    `is_filtered` is whether there are any, and `problem` is the error in one of them.
    """

    items: list[dict[str, Any]]
    newest: str | None
    previous: str | None
    next: str | None
    oldest: str | None
    summary: str
    fields: Mapping[str, str]
    is_filtered: bool
    is_partial: bool
    problem: str = ""


def list_page(
    request: Request, resource: Resource, template: str, section: str, **context: Any
) -> Response:
    """Return the page of a list. Wrong filters are shown on it, with status 400."""
    site, query = site_of(request), query_of(request)
    try:
        found = read_list(parse_list_request(site, resource, query))
    except (UsageError, Problem) as error:
        failed = _page(request, query, resource, None, str(error))
        return render(
            request, template, section, status=HTTPStatus.BAD_REQUEST, list=failed, **context
        )
    page = _page(request, query, resource, found)
    return render(request, template, section, list=page, now=site.store.real_time(), **context)


def _page(
    request: Request,
    query: Query,
    resource: Resource,
    found: ListResult | None,
    problem: str = "",
) -> ListPage:
    filters = [pair for pair in query.pairs if pair[0] not in ("cursor", "order")]
    order = dict(query.pairs).get("order", "newest")

    def address(**changes: str) -> str:
        return f"?{urlencode([*filters, *changes.items()])}"

    def at(cursor: str | None) -> str | None:
        return None if cursor is None else address(order=order, cursor=cursor)

    is_first = "cursor" not in dict(query.pairs)
    return ListPage(
        items=[] if found is None else list(found.items),
        newest=None if is_first and order == "newest" else address(),
        previous=None if found is None else at(found.previous),
        next=None if found is None else at(found.next),
        oldest=None if is_first and order == "oldest" else address(order="oldest"),
        summary="" if found is None else _summary(found, resource.plural),
        fields=dict(reversed(query.pairs)),
        is_filtered=any(key in {each.name for each in resource.parameters} for key, _ in filters),
        is_partial=found is not None and found.is_partial,
        problem=problem,
    )


def _summary(found: ListResult, plural: str) -> str:
    shown = len(found.items)
    if found.total is not None:
        return f"{shown:,} of {found.total:,} {plural}"
    if found.is_partial:
        return f"{shown:,} {plural} among the {MAX_SEARCHED_ROWS:,} rows searched"
    return f"{shown:,} {plural}"
