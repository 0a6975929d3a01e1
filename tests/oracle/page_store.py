"""Pages of lists of the memory store, with the same bounds as those of the SQL store."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from oracle.effects import matches_filter
from oracle.locked_memory import LockedMemory
from oracle.operations_store import action_matches
from oracle.queries import event_matches, rejected_matches, stream_matches
from winchester_core.storage.effect_records import ANY_EFFECT, EffectFilter
from winchester_core.storage.filters import (
    ANY_EVENT,
    ANY_REJECTED,
    ANY_STREAM,
    EventFilter,
    ListOrder,
    RejectedFilter,
    StreamFilter,
)
from winchester_core.storage.list_pages import (
    MAX_LISTED_CHARACTERS,
    MAX_SEARCHED_ROWS,
    ROWS_PER_CANDIDATE,
    ROWS_PER_MEMBER,
    Key,
    ListPage,
)
from winchester_core.storage.operation_records import ANY_ACTION, ActionFilter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from oracle.state import MemoryState
    from winchester_core.model.action import ActionRecord
    from winchester_core.model.event import Event
    from winchester_core.model.stream import StreamRecord
    from winchester_core.storage.effect_records import StoredEffect
    from winchester_core.storage.records import RejectedMessage

Item = TypeVar("Item")

_FIRST = (datetime(1000, 1, 1, tzinfo=UTC), 0)
_LAST = (datetime(9999, 12, 31, tzinfo=UTC), 2**31 - 1)
"""Keys before and after those of all events of a part of a stream."""


@dataclass(frozen=True)
class PageRequest:
    """The bounds of a page. Raises `ValueError` if they are invalid."""

    after: Key | None
    limit: int
    order: ListOrder
    max_rows: int

    def __post_init__(self) -> None:
        if self.limit < 1 or self.max_rows < 1:
            raise ValueError(f"limit {self.limit} and max_rows {self.max_rows}")

    @property
    def is_newest(self) -> bool:
        """Return whether the order is descending."""
        return ListOrder(self.order) is ListOrder.NEWEST

    def rest(self, rows: Iterable[tuple[Key, Item]], types: Sequence[type]) -> list[Any]:
        """Return the rows after the key, which has values of these types, in the page's order."""
        ordered = sorted(rows, key=lambda row: row[0], reverse=self.is_newest)
        after = self.after
        if after is None:
            return ordered
        if [type(each) for each in after] != list(types):
            raise ValueError(f"{after!r} is not a key of this list")
        return [row for row in ordered if (row[0] < after if self.is_newest else row[0] > after)]


@dataclass(frozen=True)
class MemoryList(Generic[Item]):
    """The rows of a list within its order.

    `matches` is None without filters. `may_match` selects the rows that an index finds, if an index
    serves the filters. `member_count` is the number of members of a row, if these are read to
    compare it; not of the rows that an index finds, unless it `reads_members_of_candidates`. If
    these are found through others, `found_through` returns the number of the others.
    """

    rows: dict[Key, Item]
    matches: Callable[[Item], bool] | None = None
    may_match: Callable[[Item], bool] | None = None
    is_counted: bool = True
    member_count: Callable[[Item], int] | None = None
    reads_members_of_candidates: bool = True
    found_through: Callable[[], int] | None = None
    types: Sequence[type] = (int,)

    def page(self, request: PageRequest) -> ListPage[Item]:
        """Return a page."""
        rest = request.rest(self.rows.items(), self.types)
        total: int | None = None
        searched_to: Key | None = None
        matches = self.matches
        if matches is None:
            found = rest[: request.limit]
            if self.is_counted and found and len(self.rows) <= request.max_rows:
                total = len(self.rows)
        elif self._is_small(request.max_rows):
            found = [row for row in rest if matches(row[1])][: request.limit]
            if self.is_counted and found:
                total = sum(map(matches, self.rows.values()))
        else:
            searched = rest[: self._window(rest, request.max_rows)]
            found = [row for row in searched if matches(row[1])][: request.limit]
            if len(found) < request.limit and len(rest) > len(searched):
                searched_to = searched[-1][0]
        is_whole = request.after is None and searched_to is None and len(found) < request.limit
        return ListPage(
            [item for _, item in found],
            [key for key, _ in found],
            searched_to,
            len(found) if total is None and is_whole else total,
        )

    def _is_small(self, max_rows: int) -> bool:
        if self.may_match is None:
            return False
        candidates = [item for item in self.rows.values() if self.may_match(item)]
        reads_members = self.member_count is not None and self.reads_members_of_candidates
        through = None if self.found_through is None else self.found_through()
        if through is None and not reads_members:
            return len(candidates) <= max_rows
        limit = -(-max_rows // ROWS_PER_CANDIDATE)
        if max(len(candidates), through or 0) > limit:
            return False
        return not reads_members or sum(map(self._rows_read, candidates)) <= max_rows

    def _rows_read(self, item: Item) -> int:
        members = 0 if self.member_count is None else self.member_count(item)
        return ROWS_PER_CANDIDATE + ROWS_PER_MEMBER * members

    def _window(self, rest: list[tuple[Key, Item]], max_rows: int) -> int:
        if self.member_count is None:
            return max_rows
        read = accumulate(self._rows_read(item) for _, item in rest)
        return next((n for n, rows in enumerate(read, 1) if rows >= max_rows), len(rest))


class MemoryPageStore(LockedMemory):
    """An in-memory `PageReadStore`."""

    def page_of_streams(
        self,
        filters: StreamFilter = ANY_STREAM,
        *,
        after: Key | None = None,
        limit: int = 100,
        order: ListOrder = ListOrder.OLDEST,
        max_rows: int = MAX_SEARCHED_ROWS,
    ) -> ListPage[StreamRecord]:
        """See `PageReadStore.page_of_streams`."""
        request = PageRequest(after, limit, order, max_rows)
        indexed = _indexed_filter(filters)
        with self._lock:
            memory = self._memory
            streams = MemoryList(
                {(each.id,): each for each in memory.streams.values()},
                None
                if filters == ANY_STREAM
                else lambda each: stream_matches(memory, each, filters),
                None if indexed is None else lambda each: stream_matches(memory, each, indexed),
                is_counted=filters != ANY_STREAM,
                member_count=(lambda each: each.progress.event_count)
                if filters.event_type
                else None,
                reads_members_of_candidates=indexed is None or indexed.event_type is None,
                found_through=None
                if indexed is None or (indexed.event_type or indexed.message_id) is None
                else lambda: _number_of_links(memory, indexed),
            )
            page = streams.page(request)
            records = [
                replace(each.record(), last_error=_cut(each.last_error)) for each in page.items
            ]
            return ListPage(records, page.keys, page.searched_to, page.total)

    def page_of_events(
        self,
        filters: EventFilter = ANY_EVENT,
        *,
        after: Key | None = None,
        limit: int = 100,
        order: ListOrder = ListOrder.OLDEST,
        max_rows: int = MAX_SEARCHED_ROWS,
        by_timestamp: bool = False,
    ) -> ListPage[Event]:
        """See `PageReadStore.page_of_events`."""
        request = PageRequest(after, limit, order, max_rows)
        in_time = EventFilter(since=filters.since, until=filters.until)
        indexed: EventFilter | None = None
        if filters.event_type is not None and not {*filters.event_type} & {*"*?"}:
            indexed = replace(filters, traits={})
        elif in_time != ANY_EVENT and not by_timestamp:
            indexed = in_time
        elif filters.event_type is not None and filters.event_type[0] not in "*?":
            indexed = EventFilter(filters.event_type)
        has_filter = bool(filters.event_type or filters.traits)
        has_filter = has_filter or (in_time != ANY_EVENT and not by_timestamp)
        with self._lock:
            events = MemoryList(
                {
                    (each.event["timestamp"], each.id) if by_timestamp else (each.id,): each.event
                    for each in self._memory.events.values()
                    if not by_timestamp or event_matches(each.event, in_time)
                },
                (lambda each: event_matches(each, filters)) if has_filter else None,
                None if indexed is None else lambda each: event_matches(each, indexed),
                is_counted=not filters.traits and filters != ANY_EVENT,
                types=(datetime, int) if by_timestamp else (int,),
            )
            page = events.page(request)
            copies = [dict(each) for each in page.items]
            return ListPage(copies, page.keys, page.searched_to, page.total)

    def page_of_stream_events(
        self,
        stream_id: int,
        *,
        after: Key | None = None,
        limit: int = 100,
        order: ListOrder = ListOrder.OLDEST,
        max_rows: int = MAX_SEARCHED_ROWS,
    ) -> ListPage[Event]:
        """See `PageReadStore.page_of_stream_events`."""
        request = PageRequest(after, limit, order, max_rows)
        with self._lock:
            members = self._memory.stream(stream_id).members
            events = [dict(self._memory.events[each].event) for each in members]
            rows = {
                (position // max_rows, event["timestamp"], position + 1): event
                for position, event in enumerate(events)
            }
        rest = request.rest(rows.items(), (int, datetime, int))
        if after is not None and max(after[0] * max_rows, after[2]) > _LAST[1]:
            raise ValueError(f"{after!r} is not a key of this list")
        part = after[0] if after is not None else rest[0][0][0] if rest else 0
        found = [row for row in rest if row[0][0] == part][:limit]
        following = [row[0][0] for row in rest if row[0][0] != part]
        searched_to: Key | None = None
        if len(found) < limit and following:
            searched_to = (following[0], *(_LAST if request.is_newest else _FIRST))
        total = len(events) if len(events) <= max_rows else None
        items, keys = [event for _, event in found], [key for key, _ in found]
        return ListPage(items, keys, searched_to, total)

    def page_of_rejected(
        self,
        filters: RejectedFilter = ANY_REJECTED,
        *,
        after: Key | None = None,
        limit: int = 100,
        order: ListOrder = ListOrder.OLDEST,
        max_rows: int = MAX_SEARCHED_ROWS,
    ) -> ListPage[RejectedMessage]:
        """See `PageReadStore.page_of_rejected`."""
        request = PageRequest(after, limit, order, max_rows)
        indexed = replace(filters, kind=None)
        if filters.source is not None:
            indexed = RejectedFilter(filters.source)
        with self._lock:
            messages = MemoryList(
                {(each.id,): each for each in self._memory.rejected.values()},
                None if filters == ANY_REJECTED else lambda each: rejected_matches(each, filters),
                None if indexed == ANY_REJECTED else lambda each: rejected_matches(each, indexed),
                is_counted=filters != ANY_REJECTED,
            )
            page = messages.page(request)
        cut = [
            replace(each, reason=_cut(each.reason), body=each.body[:MAX_LISTED_CHARACTERS])
            for each in page.items
        ]
        return ListPage(cut, page.keys, page.searched_to, page.total)

    def page_of_effects(
        self,
        filters: EffectFilter = ANY_EFFECT,
        *,
        after: Key | None = None,
        limit: int = 100,
        order: ListOrder = ListOrder.OLDEST,
        max_rows: int = MAX_SEARCHED_ROWS,
    ) -> ListPage[StoredEffect]:
        """See `PageReadStore.page_of_effects`."""
        request = PageRequest(after, limit, order, max_rows)
        others = replace(filters, state=None)
        indexed = EffectFilter(pipeline=filters.pipeline)
        if filters.stream_id is not None:
            indexed = EffectFilter(stream_id=filters.stream_id)
        elif filters.pipeline is not None:
            indexed = replace(indexed, handler=filters.handler)
        with self._lock:
            in_state = self._memory.outbox.matching(EffectFilter(state=filters.state))
            effects = MemoryList(
                {(each.id,): each for each in in_state},
                None if others == ANY_EFFECT else lambda each: matches_filter(each, filters),
                None if indexed == ANY_EFFECT else lambda each: matches_filter(each, indexed),
                is_counted=filters != ANY_EFFECT,
            )
            page = effects.page(request)
        cut = [
            replace(each, payload=_cut(each.payload), last_error=_cut(each.last_error))
            for each in page.items
        ]
        return ListPage(cut, page.keys, page.searched_to, page.total)

    def page_of_actions(
        self,
        filters: ActionFilter = ANY_ACTION,
        *,
        after: Key | None = None,
        limit: int = 100,
        order: ListOrder = ListOrder.OLDEST,
        max_rows: int = MAX_SEARCHED_ROWS,
    ) -> ListPage[ActionRecord]:
        """See `PageReadStore.page_of_actions`."""
        request = PageRequest(after, limit, order, max_rows)
        indexed = replace(filters, name=None, action=None)
        with self._lock:
            actions = MemoryList(
                {(each.id,): each for each in self._memory.actions.values()},
                None if filters == ANY_ACTION else lambda each: action_matches(filters, each),
                None if indexed == ANY_ACTION else lambda each: action_matches(indexed, each),
                is_counted=filters != ANY_ACTION,
            )
            page = actions.page(request)
        cut = [replace(each, target=_cut(each.target)) for each in page.items]
        return ListPage(cut, page.keys, page.searched_to, page.total)

    def page_of_stream_ids(self, *filters: StreamFilter, **bounds: Any) -> ListPage[int]:
        """See `PageReadStore.page_of_stream_ids`."""
        return _ids_of(self.page_of_streams(*filters, **bounds))

    def page_of_rejected_ids(self, *filters: RejectedFilter, **bounds: Any) -> ListPage[int]:
        """See `PageReadStore.page_of_rejected_ids`."""
        return _ids_of(self.page_of_rejected(*filters, **bounds))

    def page_of_effect_ids(self, *filters: EffectFilter, **bounds: Any) -> ListPage[int]:
        """See `PageReadStore.page_of_effect_ids`."""
        return _ids_of(self.page_of_effects(*filters, **bounds))


def _ids_of(page: ListPage[Any]) -> ListPage[int]:
    return ListPage([each.id for each in page.items], page.keys, page.searched_to, page.total)


def _number_of_links(memory: MemoryState, filters: StreamFilter) -> int:
    """Return the number of events with this type or id, or that of their links, if it is larger."""
    of_type = EventFilter(filters.event_type)
    found = {
        row_id
        for row_id, each in memory.events.items()
        if event_matches(each.event, of_type)
        and filters.message_id in (None, each.event["message_id"])
    }
    links = sum(row_id in found for stream in memory.streams.values() for row_id in stream.members)
    return max(len(found), links)


def _indexed_filter(filters: StreamFilter) -> StreamFilter | None:
    """Return the part of the filter that an index serves, or None."""
    if filters.message_id is not None:
        return StreamFilter(message_id=filters.message_id)
    if filters.traits:
        name, value = next(iter(filters.traits.items()))
        return StreamFilter(traits={name: value})
    if filters.name is not None or filters.states:
        return StreamFilter(filters.name, filters.states)
    if filters.is_open:
        return StreamFilter(is_open=True)
    if filters.event_type is not None and filters.event_type[0] not in "*?":
        return StreamFilter(event_type=filters.event_type)
    indexed = StreamFilter(older_than=filters.older_than, younger_than=filters.younger_than)
    if filters.last_event_older_than is not None and indexed.older_than is None:
        indexed = replace(indexed, older_than=filters.last_event_older_than)
    return None if indexed == ANY_STREAM else indexed


def _cut(text: Any) -> Any:
    return None if text is None else text[:MAX_LISTED_CHARACTERS]
