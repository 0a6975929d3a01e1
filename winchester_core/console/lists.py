"""Pages of lists: filters, order, limit and cursors of a request, and the page that it selects."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import orjson

from winchester_core.console.cursors import Cursor, dump_cursor, load_cursor, wrong_cursor
from winchester_core.console.parameters import (
    QueryParameter,
    choice_parameter,
    parse_filters,
    text_parameter,
)
from winchester_core.console.resources import cut_texts
from winchester_core.service.exit import UsageError
from winchester_core.storage.filters import ListOrder
from winchester_core.storage.list_pages import MAX_SEARCHED_ROWS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from winchester_core.console.parameters import Query
    from winchester_core.console.resources import Resource
    from winchester_core.console.site import Site
    from winchester_core.storage.list_pages import Key, ListPage

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 200
MAX_LIST_BYTES: Final = 750_000
"""Maximum size of the items of a page as JSON."""

STREAM_PART_EVENTS: Final = 6_000
"""Number of events of a large stream that are read and sorted for a page."""

PAGING_PARAMETERS: Final = (
    choice_parameter(
        "order", "newest (default) or oldest first, by the order of storing", ListOrder, many=False
    ),
    QueryParameter(
        "limit",
        f"maximum number of items (default: {DEFAULT_LIMIT}); large items are fewer",
        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT},
        lambda _site, text: _limit(text),
    ),
    text_parameter("cursor", "`next` or `previous` of an earlier response with the same filters"),
)
TIMESTAMP: Final = "timestamp"
BY_TIMESTAMP_PARAMETER: Final = QueryParameter(
    "by",
    "timestamp: order by timestamp instead of the order of storing",
    {"type": "string", "enum": [TIMESTAMP]},
    lambda _site, text: _by_timestamp(text),
)


@dataclass(frozen=True, slots=True)
class ListRequest:
    """The parsed parameters of a request for a list."""

    order: ListOrder
    limit: int
    cursor: Cursor | None
    hashed: tuple[Any, ...]
    """The parameters for which its cursors are valid."""

    find: Callable[..., ListPage[Any]]
    """The store's method that reads a page, with the arguments that are the same for all pages."""

    to_json: Callable[[Any], dict[str, Any]]
    """Returns an object as JSON values."""


@dataclass(frozen=True, slots=True)
class ListResult:
    """A page of a list: `items` in the requested order as JSON, and the cursors of its neighbours.

    Texts in `items` are cut. If the items are large, the page has fewer. `total` is the number of
    all matches, or None if it is not known or greater than `MAX_SEARCHED_ROWS`.
    `is_partial` is true if the search stopped before it had filled the page, because it had read
    `MAX_SEARCHED_ROWS` rows; it continues at the cursor `next` or `previous`.
    """

    items: Sequence[dict[str, Any]]
    next: str | None
    previous: str | None
    total: int | None
    is_partial: bool


def list_parameters(resource: Resource) -> tuple[QueryParameter, ...]:
    """Return all query parameters of a list."""
    more = (BY_TIMESTAMP_PARAMETER,) if resource.has_timestamp_order else ()
    return (*resource.parameters, *more, *PAGING_PARAMETERS)


def parse_list_request(site: Site, resource: Resource, query: Query) -> ListRequest:
    """Return the parsed parameters. Raises `UsageError`, or `Problem` for a wrong cursor."""
    query.check_names(each.name for each in list_parameters(resource))
    filters = [each.name for each in resource.parameters]
    given = sorted((key, value) for key, value in query.pairs if key in filters)
    by_timestamp = parse_filters(site, [BY_TIMESTAMP_PARAMETER], query).get("by", False)
    options = {"by_timestamp": True} if by_timestamp else {}
    selection = resource.filter_type(**parse_filters(site, resource.parameters, query))
    return paging_request(
        site,
        query,
        (resource.name, by_timestamp, *given),
        partial(getattr(site.store, resource.page_method), selection, **options),
        resource.to_json,
    )


def stream_events_request(
    site: Site, query: Query, stream_id: int, to_json: Callable[[Any], dict[str, Any]]
) -> ListRequest:
    """Return a request for the events of a stream. Raises as `paging_request`."""

    def find(**options: Any) -> ListPage[Any]:
        bounded = {**options, "max_rows": STREAM_PART_EVENTS}
        return site.store.page_of_stream_events(stream_id, **bounded)

    return paging_request(site, query, ("stream events", stream_id), find, to_json)


def paging_request(
    site: Site,
    query: Query,
    hashed: tuple[Any, ...],
    find: Callable[..., ListPage[Any]],
    to_json: Callable[[Any], dict[str, Any]],
) -> ListRequest:
    """Return a request for the list that `find` reads, with the `PAGING_PARAMETERS` of a query.

    `hashed` identifies the list in cursors. Raises `UsageError`, or `Problem` for a wrong cursor.
    """
    options = parse_filters(site, PAGING_PARAMETERS, query)
    order = options.get("order", ListOrder.NEWEST)
    hashed = (*hashed, order.value)
    text = options.get("cursor")
    return ListRequest(
        order=order,
        limit=options.get("limit", DEFAULT_LIMIT),
        cursor=None if text is None else load_cursor(text, hashed),
        hashed=hashed,
        find=find,
        to_json=to_json,
    )


def read_list(request: ListRequest) -> ListResult:
    """Read the page that a request selects. Raises `Problem` for a wrong cursor."""
    cursor = request.cursor
    is_backward = cursor is not None and cursor.backward
    page = _find(request, is_backward=is_backward)
    listed = page.items[: request.limit]
    items = items_that_fit(cut_texts(request.to_json(each)) for each in listed)
    has_more = len(page.items) > len(items)
    end = page.keys[len(items) - 1] if has_more else page.searched_to
    onward = None if end is None else Cursor(end, is_backward)
    back = None
    if cursor is not None and items:
        back = Cursor(page.keys[0], not is_backward)
    elif cursor is not None:
        back = Cursor(_including(cursor, request.order), not is_backward)
    following, preceding = (back, onward) if is_backward else (onward, back)
    if is_backward:
        items.reverse()
    return ListResult(
        items,
        None if following is None else dump_cursor(following, request.hashed),
        None if preceding is None else dump_cursor(preceding, request.hashed),
        page.total,
        page.searched_to is not None,
    )


def _find(request: ListRequest, *, is_backward: bool) -> ListPage[Any]:
    """Read a page with one object more than the limit."""
    cursor = request.cursor
    try:
        return request.find(
            after=None if cursor is None else cursor.key,
            limit=request.limit + 1,
            order=_opposite(request.order) if is_backward else request.order,
            max_rows=MAX_SEARCHED_ROWS,
        )
    except ValueError as error:
        if cursor is None:
            raise
        raise wrong_cursor(dump_cursor(cursor, request.hashed)) from error


def _including(cursor: Cursor, order: ListOrder) -> Key:
    """Return the key from which the opposite direction includes the object at a cursor.

    So nothing is left out if all objects on the other side have been deleted. The last part of a
    key is a number.
    """
    *first, last = cursor.key
    ascends = (order is ListOrder.OLDEST) != cursor.backward
    return (*first, int(last) + (1 if ascends else -1))


def items_that_fit(items: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the first items, at least one, at most `MAX_LIST_BYTES` in total as JSON."""
    found: list[dict[str, Any]] = []
    size = 0
    for item in items:
        size += len(orjson.dumps(item))
        if found and size > MAX_LIST_BYTES:
            break
        found.append(item)
    return found


def _opposite(order: ListOrder) -> ListOrder:
    return ListOrder.OLDEST if order is ListOrder.NEWEST else ListOrder.NEWEST


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 3 and 0 < int(text) <= MAX_LIMIT):
        raise UsageError(f"limit {text[:40]!r} is not a number from 1 to {MAX_LIMIT}")
    return int(text)


def _by_timestamp(text: str) -> bool:
    if text != TIMESTAMP:
        raise UsageError(f"by {text[:40]!r} is not {TIMESTAMP}")
    return True
