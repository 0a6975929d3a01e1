"""Reading of many stored objects in pages."""

from __future__ import annotations

from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PAGE_SIZE = 1000
"""Default number of objects read at a time."""


def pages(
    find: Callable[..., list[Any]],
    filters: object,
    cursor: Any = None,
    *,
    size: int | None = None,
    limit: int | None = None,
    key: Callable[[Any], Any] = attrgetter("id"),
) -> Iterator[list[Any]]:
    """Yield pages of the objects after `cursor` that `find`, a method of a store, returns.

    There are at most `size` objects in a page (default: `PAGE_SIZE`), at most `limit` in total;
    `key` returns an object's cursor.
    """
    size = size or PAGE_SIZE
    while limit is None or limit > 0:
        wanted = size if limit is None else min(size, limit)
        page = find(filters, cursor=cursor, limit=wanted)
        yield page
        if len(page) < wanted:
            return
        cursor, limit = key(page[-1]), None if limit is None else limit - wanted


def find_all(find: Callable[..., list[Any]], filters: object) -> Iterator[Any]:
    """Yield all objects that `find`, a method of a store, returns in pages."""
    return chain.from_iterable(pages(find, filters))
