"""Pages of lists: filters, order, limit and cursors of a request, and the page that it selects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from winchester_core.console.cursors import Cursor, dump_cursor, load_cursor
from winchester_core.console.parameters import (
    Parameter,
    choice_parameter,
    parse_filters,
    text_parameter,
)
from winchester_core.console.resources import cut_texts
from winchester_core.service.exit import UsageError
from winchester_core.storage.records import ListOrder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from winchester_core.console.parameters import Query
    from winchester_core.console.resources import Resource
    from winchester_core.console.site import Site

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 200
MAX_ROWS: Final = 10_000
"""Maximum number of rows that a list searches."""

MAX_LIST_BYTES: Final = 750_000
"""Maximum size of the items of a page as JSON."""

PAGING_PARAMETERS: Final = (
    choice_parameter(
        "order", "newest (default) or oldest first, by the order of storing", ListOrder, many=False
    ),
    Parameter(
        "limit",
        f"maximum number of items (default: {DEFAULT_LIMIT}); large items are fewer",
        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT},
        lambda _site, text: _limit(text),
    ),
    text_parameter("cursor", "`next` or `previous` of an earlier response with the same filters"),
)
TIMESTAMP: Final = "timestamp"
BY_TIMESTAMP_PARAMETER: Final = Parameter(
    "by",
    "timestamp: order by timestamp instead of the order of storing",
    {"type": "string", "enum": [TIMESTAMP]},
    lambda _site, text: _by_timestamp(text),
)


@dataclass(frozen=True, slots=True)
class ListRequest:
    """The parsed parameters of a request for a list. `selection` is the store's filter."""

    selection: Any
    order: ListOrder
    limit: int
    by_timestamp: bool
    cursor: Cursor | None
    hashed: tuple[Any, ...]
    """The parameters for which its cursors are valid."""


@dataclass(frozen=True, slots=True)
class ListResult:
    """A page of a list: `items` in the requested order as JSON, and the cursors of its neighbours.

    Texts in `items` are cut. If the items are large, the page has fewer. `total` is the number of
    all matches, or None if it is not known or greater than `MAX_ROWS`.
    `is_partial` is true if the search stopped before it had filled the page, because it had read
    `MAX_ROWS` rows; it continues at the cursor `next` or `previous`.
    """

    items: Sequence[dict[str, Any]]
    next: str | None
    previous: str | None
    total: int | None
    is_partial: bool


def list_parameters(resource: Resource) -> tuple[Parameter, ...]:
    """Return all query parameters of a list."""
    more = (BY_TIMESTAMP_PARAMETER,) if resource.has_timestamp_order else ()
    return (*resource.parameters, *more, *PAGING_PARAMETERS)


def parse_list_request(site: Site, resource: Resource, query: Query) -> ListRequest:
    """Return the parsed parameters. Raises `UsageError`, or `Problem` for a wrong cursor."""
    filters = [each.name for each in resource.parameters]
    query.check_names(each.name for each in list_parameters(resource))
    options = parse_filters(site, (*PAGING_PARAMETERS, BY_TIMESTAMP_PARAMETER), query)
    order = options.get("order", ListOrder.NEWEST)
    by_timestamp = options.get("by", False)
    given = tuple((key, value) for key, value in query.pairs if key in filters)
    hashed = (resource.name, order.value, by_timestamp, tuple(sorted(given)))
    cursor = options.get("cursor")
    return ListRequest(
        selection=resource.filter_type(**parse_filters(site, resource.parameters, query)),
        order=order,
        limit=options.get("limit", DEFAULT_LIMIT),
        by_timestamp=by_timestamp,
        cursor=None
        if cursor is None
        else load_cursor(cursor, hashed, resource.key_types(by_timestamp=by_timestamp)),
        hashed=hashed,
    )


def read_list(site: Site, resource: Resource, request: ListRequest) -> ListResult:
    """Read the page that a request selects."""
    cursor = request.cursor
    is_backward = cursor is not None and cursor.backward
    options = {"by_timestamp": True} if request.by_timestamp else {}
    page = getattr(site.store, resource.page_method)(
        request.selection,
        after=None if cursor is None else cursor.key,
        limit=request.limit + 1,
        order=_opposite(request.order) if is_backward else request.order,
        max_rows=MAX_ROWS,
        **options,
    )
    items = _items_that_fit(resource, page.items[: request.limit])
    has_more = len(page.items) > len(items)
    end = page.keys[len(items) - 1] if has_more else page.searched_to
    onward = None if end is None else dump_cursor(Cursor(end, is_backward), request.hashed)
    start = page.keys[0] if items else (None if cursor is None else cursor.key)
    back = (
        None
        if cursor is None or start is None
        else dump_cursor(Cursor(start, not is_backward), request.hashed)
    )
    if is_backward:
        items.reverse()
        onward, back = back, onward
    return ListResult(items, onward, back, page.total, page.searched_to is not None)


def _items_that_fit(resource: Resource, records: Sequence[Any]) -> list[dict[str, Any]]:
    """Return the first records as JSON, at least one, at most `MAX_LIST_BYTES` in total."""
    items: list[dict[str, Any]] = []
    size = 0
    for record in records:
        item = cut_texts(resource.to_json(record))
        size += len(orjson.dumps(item))
        if items and size > MAX_LIST_BYTES:
            break
        items.append(item)
    return items


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
