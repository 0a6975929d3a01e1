"""Order and cursor of the memory store's lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winchester_core.storage.filters import ListOrder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def ids_after(ids: Iterable[int], cursor: int | None, order: ListOrder) -> Iterator[int]:
    """Yield the ids after `cursor` in this order."""
    is_newest = ListOrder(order) is ListOrder.NEWEST
    for each in sorted(ids, reverse=is_newest):
        if cursor is None or (each < int(cursor) if is_newest else each > int(cursor)):
            yield each
