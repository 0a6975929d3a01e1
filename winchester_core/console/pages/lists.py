"""Pages of lists: the page that the address selects, and the addresses of its neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from winchester_core.console.lists import list_parameters, parse_list_request, read_list
from winchester_core.console.pages.page import notice_of, query_of, render, site_of
from winchester_core.console.problems import Problem
from winchester_core.service.exit import UsageError
from winchester_core.storage.list_pages import MAX_SEARCHED_ROWS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from winchester_core.console.lists import ListRequest, ListResult
    from winchester_core.console.parameters import Query
    from winchester_core.console.resources import Resource


@dataclass(frozen=True, slots=True)
class ListView:
    """A list for a template. A neighbour's address is None if there is no such page.

    `filters` are the filters as they were sent, `fields` the first value of each parameter by name,
    `problem` is the error in one of them. `is_partial` is true if the search ended at its bound
    before the page was full.
    """

    items: list[dict[str, Any]]
    newest: str | None
    previous: str | None
    next: str | None
    oldest: str | None
    summary: str
    filters: Sequence[tuple[str, str]]
    fields: Mapping[str, str]
    is_partial: bool
    problem: str = ""

    @property
    def is_filtered(self) -> bool:
        """Return whether there are filters."""
        return bool(self.filters)

    @property
    def filter_query(self) -> str:
        """The filters as the query of an address, or empty."""
        return f"?{urlencode(self.filters)}" if self.filters else ""

    def values(self, name: str) -> list[str]:
        """Return all values of a repeated filter."""
        return [value for key, value in self.filters if key == name]


def list_page(
    request: Request, resource: Resource, template: str, section: str, **context: Any
) -> Response:
    """Return the page of a list. Wrong filters are shown on it, with status 400."""
    site, query = site_of(request), query_of(request)
    names = {each.name for each in resource.parameters}
    options = {each.name for each in list_parameters(resource)} - names - {"cursor", "order"}
    return _list_page(
        request,
        _Address(query, names, options),
        resource.plural,
        lambda: parse_list_request(site, resource, query),
        (template, section),
        **context,
    )


def object_list_page(
    request: Request,
    plural: str,
    parse: Callable[[Query], ListRequest],
    template: str,
    section: str,
    **context: Any,
) -> Response:
    """Return the page of a list without filters, such as that of the events of a stream."""
    query = query_of(request)
    address = _Address(query, set(), {"limit"})
    return _list_page(
        request, address, plural, lambda: parse(query), (template, section), **context
    )


@dataclass(frozen=True, slots=True)
class _Address:
    """The query of a list, and the names of its filters and of its options."""

    query: Query
    filters: set[str]
    options: set[str]

    def pairs(self, *names: set[str]) -> list[tuple[str, str]]:
        return [pair for pair in self.query.pairs if any(pair[0] in each for each in names)]


def _list_page(
    request: Request,
    address: _Address,
    plural: str,
    parse: Callable[[], ListRequest],
    template: tuple[str, str],
    **context: Any,
) -> Response:
    try:
        found = read_list(parse())
    except (UsageError, Problem) as error:
        page = _page(address, plural, None, str(error))
        status = HTTPStatus.BAD_REQUEST
    else:
        page, status = _page(address, plural, found), HTTPStatus.OK
    return render(
        request,
        *template,
        status=status,
        list=page,
        now=site_of(request).store.real_time(),
        notice=notice_of(request),
        **context,
    )


def _page(address: _Address, plural: str, found: ListResult | None, problem: str = "") -> ListView:
    kept = address.pairs(address.filters, address.options)
    given = dict(address.query.pairs)
    order = given.get("order", "newest")

    def at(cursor: str | None) -> str | None:
        return None if cursor is None else place(order=order, cursor=cursor)

    def place(**changes: str) -> str:
        return f"?{urlencode([*kept, *changes.items()])}"

    is_first = "cursor" not in given
    return ListView(
        items=[] if found is None else list(found.items),
        newest=None if is_first and order == "newest" else place(),
        previous=None if found is None else at(found.previous),
        next=None if found is None else at(found.next),
        oldest=None if is_first and order == "oldest" else place(order="oldest"),
        summary="" if found is None else _summary(found, plural),
        filters=address.pairs(address.filters),
        fields=dict(reversed(address.query.pairs)),
        is_partial=found is not None and found.is_partial,
        problem=problem,
    )


def _summary(found: ListResult, plural: str) -> str:
    shown = len(found.items)
    noun = (
        plural.removesuffix("s")
        if found.total == 1 or (found.total is None and shown == 1)
        else plural
    )
    if found.total is not None:
        return f"{shown:,} of {found.total:,} {noun}"
    if found.is_partial:
        return f"{shown:,} {noun} among the {MAX_SEARCHED_ROWS:,} rows searched"
    return f"{shown:,} {noun}"
