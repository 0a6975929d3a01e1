"""A list of stored objects by id: found, counted, and read in pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from winchester_core.storage.filters import ListOrder
from winchester_core.storage.list_pages import MAX_SEARCHED_ROWS, ListPage
from winchester_core.storage.sql.bounded_search import find_page
from winchester_core.storage.sql.keyset import find_keys, id_key
from winchester_core.storage.sql.queries import count_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from winchester_core.storage.list_pages import Key
    from winchester_core.storage.sql.database import Transaction
    from winchester_core.storage.sql.dialects import SqlDialect
    from winchester_core.storage.sql.keyset import Search


class HasId(Protocol):
    """A stored object."""

    @property
    def id(self) -> int:
        """Id of its row."""


Filter = TypeVar("Filter")
Record = TypeVar("Record", bound=HasId)


@dataclass(frozen=True, slots=True)
class RowList(Generic[Filter, Record]):
    """A list of the rows of one table, by id.

    `any_filter` matches all rows. `search` returns the search for a filter. `load` returns the
    objects with the given ids in this order; with `is_cut`, without the rest of long texts.
    """

    any_filter: Filter
    search: Callable[[SqlDialect, Filter, ListOrder], Search]
    load: Callable[[Transaction, Sequence[int], bool], list[Record]]

    def find(
        self,
        tx: Transaction,
        filters: Filter | None = None,
        *,
        cursor: int | None = None,
        limit: int = 100,
        order: ListOrder = ListOrder.OLDEST,
    ) -> list[Record]:
        """Return up to `limit` objects after the id `cursor`, by id."""
        search = self._search(tx, filters, order)
        keys = find_keys(tx, search, id_key(cursor), limit)
        return self.load(tx, [row_id for (row_id,) in keys], False)

    def count(
        self, tx: Transaction, filters: Filter | None = None, *, up_to: int | None = None
    ) -> int:
        """Return the number of objects, at most `up_to`."""
        search = self._search(tx, filters, ListOrder.OLDEST)
        return count_rows(tx, search.keyset.row_id, search.counted, up_to)

    def page(
        self,
        tx: Transaction,
        filters: Filter | None = None,
        *,
        after: Key | None = None,
        limit: int = 100,
        order: ListOrder = ListOrder.OLDEST,
        max_rows: int = MAX_SEARCHED_ROWS,
    ) -> ListPage[Record]:
        """Return a page of objects by id."""
        search = self._search(tx, filters, order)
        found = find_page(tx, search, after, limit, max_rows)
        # a row may have been deleted since its key was read
        records = self.load(tx, [row_id for (row_id,) in found.keys], True)
        keys: list[Key] = [(record.id,) for record in records]
        return ListPage(records, keys, found.searched_to, found.total)

    def page_of_ids(
        self,
        tx: Transaction,
        filters: Filter | None = None,
        *,
        after: Key | None = None,
        limit: int = 100,
        order: ListOrder = ListOrder.OLDEST,
        max_rows: int = MAX_SEARCHED_ROWS,
    ) -> ListPage[int]:
        """Return the ids of a page of objects."""
        found = find_page(tx, self._search(tx, filters, order), after, limit, max_rows)
        return ListPage([key[0] for key in found.keys], found.keys, found.searched_to, found.total)

    def _search(self, tx: Transaction, filters: Filter | None, order: ListOrder) -> Search:
        return self.search(tx.dialect, self.any_filter if filters is None else filters, order)
