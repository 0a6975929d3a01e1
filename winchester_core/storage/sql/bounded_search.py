"""Searches that read a bounded number of rows, for pages of lists.

If an index finds few rows that may match, these are read and sorted, so the page is complete. The
limit of the subquery with their ids keeps each planner from another plan. If there are too many, or
no index serves the filters, a window of rows in the list's order is searched.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, func, select

from winchester_core.model.event import MAX_INT, MIN_YEAR
from winchester_core.storage.list_pages import ROWS_PER_CANDIDATE, ROWS_PER_MEMBER
from winchester_core.storage.sql.keyset import fetch_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Column, ColumnElement, Select, Subquery

    from winchester_core.storage.list_pages import Key
    from winchester_core.storage.sql.database import Transaction
    from winchester_core.storage.sql.keyset import Candidates, Keyset, Search

FIRST_WINDOW_FACTOR = 4
"""Rows to read first for each listed row, if nearly all rows match."""


@dataclass(frozen=True, slots=True)
class KeyPage:
    """The keys of a page. See `ListPage`."""

    keys: list[Key]
    searched_to: Key | None
    total: int | None


@dataclass(frozen=True, slots=True)
class BoundedSearch:
    """A search of a bounded number of rows.

    The rows are those of the subquery `matching`, which has their keys and `total`, the number of
    all matches. If it is None, they are the rows of the list up to the key `end`, or up to the end
    of the list if this is None.
    """

    search: Search
    matching: Subquery | None = None
    end: Key | None = None

    def keys(self, tx: Transaction, after: Key | None, limit: int) -> tuple[list[Key], int | None]:
        """Return the first `limit` keys of matches after a key, and the total if it is known."""
        if self.matching is None:
            rows = self.search.in_order(tx.dialect, after)
            if self.end is not None:
                rows = rows.where(self.search.keyset.through(self.end))
            matches = rows.where(*map(tx.dialect.filter_only, self.search.filters))
            return fetch_keys(tx, matches.limit(limit)), None
        keyset = self.search.keyset.over(self.matching)
        query = select(*keyset.columns, self.matching.c.total).where(keyset.after(after))
        found = tx.execute(keyset.sort(query).limit(limit)).all()
        return [tuple(row)[:-1] for row in found], found[0].total if found else None

    def searched_to(self, tx: Transaction) -> Key | None:
        """Return the key of the last searched row, or None if the list ends with it."""
        if self.end is None:
            return None
        rest = self.search.in_order(tx.dialect, self.end)
        return self.end if fetch_keys(tx, rest.limit(1)) else None


def find_page(
    tx: Transaction, search: Search, after: Key | None, limit: int, max_rows: int
) -> KeyPage:
    """Return the keys of the first `limit` matches after a key. Searches at most `max_rows` rows.

    Raises `ValueError` if `after` is not a key of the list, or a number is less than 1.
    """
    check_page(search.keyset.types, after, limit, max_rows)
    if search.conditions:
        bounded = bounded_search(tx, search, after, max_rows)
        keys, total = bounded.keys(tx, after, limit)
    else:
        bounded, keys = _search_of_most(tx, search, after, limit, max_rows)
        total = _total_within(tx, search, max_rows) if keys else None
    searched_to = bounded.searched_to(tx) if len(keys) < limit else None
    if total is None and after is None and searched_to is None and len(keys) < limit:
        total = len(keys)
    return KeyPage(keys, searched_to, total)


def _search_of_most(
    tx: Transaction, search: Search, after: Key | None, limit: int, max_rows: int
) -> tuple[BoundedSearch, list[Key]]:
    """Search a list without filters, of which nearly all rows match; return the keys, too."""
    if not search.base:
        whole = BoundedSearch(search)
        return whole, whole.keys(tx, after, limit)[0]
    rows = max(limit, min(max_rows, FIRST_WINDOW_FACTOR * limit))
    bounded = window(tx, search, after, rows)
    keys, _ = bounded.keys(tx, after, limit)
    if len(keys) < limit and bounded.end is not None and rows < max_rows:
        bounded = window(tx, search, after, max_rows)
        keys, _ = bounded.keys(tx, after, limit)
    return bounded, keys


def _total_within(tx: Transaction, search: Search, max_rows: int) -> int | None:
    """Return the number of rows that meet the conditions of the order, if it is small."""
    if not search.within:
        return None
    row_id = search.keyset.row_id
    query = select(row_id).where(*search.within)
    if search.keyset.index is not None:
        query = tx.dialect.force_index(query, row_id.table, search.keyset.index)
    number = count_up_to(tx, query, max_rows + 1)
    return number if number <= max_rows else None


def bounded_search(
    tx: Transaction, search: Search, after: Key | None, max_rows: int
) -> BoundedSearch:
    """Return the search of at most `max_rows` rows after a key."""
    candidates = search.candidates
    if candidates is not None:
        found = _few_candidates(tx, search, candidates, max_rows)
        if found is not None:
            return _search_of_candidates(tx, search, candidates, found)
    return window(tx, search, after, max_rows)


def _few_candidates(
    tx: Transaction, search: Search, candidates: Candidates, max_rows: int
) -> Subquery | None:
    """Return the ids of the rows that may match; None if there are too many.

    Fewer are allowed if each costs several rows: those through which it is found, or its members.
    """
    reads_members = search.member_count is not None and candidates.remaining is None
    is_costly = reads_members or candidates.to_row_ids is not None
    limit = _most_costly_rows(max_rows) if is_costly else max_rows
    query, table = candidates.query, search.keyset.row_id.table
    if candidates.index is not None:
        query = tx.dialect.force_index(query, table, candidates.index)
    if count_up_to(tx, query, limit + 1) > limit:
        return None
    found = query.limit(limit).subquery("found")
    if candidates.to_row_ids is not None:
        row_ids = candidates.to_row_ids(found)
        if count_up_to(tx, row_ids, limit + 1) > limit:
            return None
        found = row_ids.distinct().subquery("row_ids")
    if search.member_count is not None and reads_members:
        same = search.keyset.row_id == found.c.id
        joined, row = tx.dialect.lateral_index_lookup(found, table, same)
        read = func.sum(_rows_read(row.c[search.member_count.name]))
        if (tx.execute(select(read).select_from(joined)).scalar_one() or 0) > max_rows:
            return None
    return found


def count_up_to(tx: Transaction, query: Select[Any], limit: int) -> int:
    """Return the number of rows of `query`, at most `limit`."""
    counted = query.limit(limit).subquery()
    return tx.execute(select(func.count()).select_from(counted)).scalar_one()


def _search_of_candidates(
    tx: Transaction, search: Search, candidates: Candidates, found: Subquery
) -> BoundedSearch:
    row_id = search.keyset.row_id
    remaining = search.conditions if candidates.remaining is None else candidates.remaining
    conditions = [*search.within, *search.base, *remaining]
    is_match = and_(row_id == found.c.id, *map(tx.dialect.filter_only, conditions))
    joined, row = tx.dialect.lateral_index_lookup(found, row_id.table, is_match)
    columns = [row.c[column.name] for column in search.keyset.columns]
    total = func.count().over().label("total")
    matching = tx.dialect.force_index(
        select(*columns, total).select_from(joined), row_id.table, "PRIMARY"
    )
    return BoundedSearch(search, matching.subquery("matching"))


def window(tx: Transaction, search: Search, after: Key | None, max_rows: int) -> BoundedSearch:
    """Return the search of the next `max_rows` rows in the list's order."""
    rows = search.in_order(tx.dialect, after)
    if search.member_count is None:
        ends = rows.offset(max_rows - 1).limit(1)
    else:
        ends = _weighed_end(search.keyset, rows, search.member_count, max_rows)
    return BoundedSearch(search, end=next(iter(fetch_keys(tx, ends)), None))


def _weighed_end(
    keyset: Keyset, rows: Select[Any], member_count: Column[int], max_rows: int
) -> Select[Any]:
    """Return the query for the first key at which rows and members add up to `max_rows`."""
    weight = _rows_read(member_count).label("weight")
    weighed = rows.add_columns(weight).limit(_most_costly_rows(max_rows)).subquery()
    order = [each.desc() if keyset.is_newest else each for each in keyset.over(weighed).columns]
    read = func.sum(weighed.c.weight).over(order_by=order).label("read_rows")
    added = select(*keyset.over(weighed).columns, read).subquery()
    in_order = keyset.over(added)
    return in_order.sort(select(*in_order.columns).where(added.c.read_rows >= max_rows)).limit(1)


def _rows_read(member_count: ColumnElement[int]) -> ColumnElement[int]:
    return ROWS_PER_CANDIDATE + ROWS_PER_MEMBER * member_count


def _most_costly_rows(max_rows: int) -> int:
    return -(-max_rows // ROWS_PER_CANDIDATE)


def check_page(types: Sequence[type], after: Key | None, limit: int, max_rows: int) -> None:
    """Raise `ValueError` if `after` has no values of these types, or a number is less than 1."""
    if limit < 1 or max_rows < 1:
        raise ValueError(f"limit {limit} and max_rows {max_rows} must be at least 1")
    if after is None:
        return
    if [type(each) for each in after] != list(types) or not all(map(_is_in_range, after)):
        expected = ", ".join(each.__name__ for each in types)
        raise ValueError(f"{after!r} is not a key of this list: expected ({expected})")


def _is_in_range(value: int | datetime) -> bool:
    if isinstance(value, datetime):
        return value.tzinfo is not None and value.year >= MIN_YEAR
    return abs(value) <= MAX_INT
