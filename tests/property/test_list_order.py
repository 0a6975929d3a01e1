"""Newest first is the reverse of oldest first, on every store, with any filters and pages.

The contents and their order are compared with those of the memory oracle. Events with the same
timestamp are frequent, and windows are small, so that each search needs several.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from oracle import MemoryStore
from support.builders.events import at, ingest, make_event, make_trigger
from support.probes.hypothesis_examples import examples
from winchester_core.model.stream import StreamState
from winchester_core.storage.filters import EventFilter, ListOrder, StreamFilter
from winchester_core.storage.paging import pages
from winchester_core.storage.sql import keyset
from winchester_core.testing.builders import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.scenes.sql_stores import SqlStores
    from winchester_core.storage.interface import Store
    from winchester_core.storage.list_pages import Key, ListPage

TRIGGERS = {
    name: make_trigger(name, match="vm.*", fire=[], expiration="$first + 9s") for name in "ab"
}

seconds = st.integers(0, 5)
moments = st.none() | st.builds(at, seconds)
arrivals = st.lists(
    st.tuples(st.sampled_from("ab"), seconds, st.integers(0, 3), st.sampled_from("xyz")),
    min_size=1,
    max_size=12,
)
event_filters = st.builds(
    EventFilter,
    event_type=st.sampled_from([None, "vm.x", "vm.?", "vm.*", "*z"]),
    since=moments,
    until=moments,
    traits=st.sampled_from([{}, {}, {"instance": 1}]),
)
stream_filters = st.builds(
    StreamFilter,
    name=st.sampled_from([None, None, "a", "b"]),
    states=st.sampled_from([(), (), (StreamState.ACTIVE,), (StreamState.ERROR,)]),
    is_open=st.sampled_from([None, None, True, False]),
    has_trial=st.sampled_from([None, False]),
    older_than=moments,
    younger_than=moments,
    last_event_older_than=moments,
    last_event_younger_than=moments,
    event_type=st.sampled_from([None, None, "vm.x", "vm.*"]),
    traits=st.sampled_from([{}, {}, {"instance": 1}]),
)


@dataclass
class Lists:
    """The lists of a store, read in pages of `size`; message ids identify the streams."""

    store: Store
    size: int

    def events(self, filters: EventFilter, order: ListOrder, *, by_timestamp: bool) -> list[str]:
        """Return the message ids of events."""

        def find(filters: EventFilter, **page: Any) -> list[Any]:
            return self.store.find_events(filters, order=order, by_timestamp=by_timestamp, **page)

        found = pages(find, filters, size=self.size, key=lambda each: each["message_id"])
        return [each["message_id"] for page in found for each in page]

    def streams(self, filters: StreamFilter, order: ListOrder) -> list[tuple[str, str]]:
        """Return the trigger and the first message id of streams."""

        def find(filters: StreamFilter, **page: Any) -> list[Any]:
            return self.store.find_streams(filters, order=order, **page)

        return [
            (stream.name, self.store.get_stream_events(stream.id)[0]["message_id"])
            for page in pages(find, filters, size=self.size)
            for stream in page
        ]


def test_newest_first_is_the_reverse_of_oldest_first(stores: SqlStores) -> None:
    @given(
        arrived=arrivals,
        event_filter=event_filters,
        stream_filter=stream_filters,
        by_timestamp=st.booleans(),
        size=st.integers(1, 5),
        window=st.integers(1, 4),
    )
    @settings(max_examples=examples(60))
    def agree(
        arrived: list[tuple[str, int, int, str]],
        event_filter: EventFilter,
        stream_filter: StreamFilter,
        by_timestamp: bool,
        size: int,
        window: int,
    ) -> None:
        on_sql, in_memory = stores.fresh(), MemoryStore(FakeClock())
        for number, (name, second, instance, kind) in enumerate(arrived):
            event = make_event(f"m{number}", f"vm.{kind}", second, instance=instance)
            for store in (on_sql, in_memory):
                ingest(store, TRIGGERS[name], event, now=event["timestamp"])
        sql, memory = Lists(on_sql, size), Lists(in_memory, 100)
        with patch.object(keyset, "SCAN_WINDOW_ROWS", window):
            oldest, newest = (
                sql.events(event_filter, order, by_timestamp=by_timestamp) for order in ListOrder
            )
            oldest_streams, newest_streams = (
                sql.streams(stream_filter, order) for order in ListOrder
            )
        assert newest == oldest[::-1]
        assert newest_streams == oldest_streams[::-1]
        for order, found, streams in (
            (ListOrder.OLDEST, oldest, oldest_streams),
            (ListOrder.NEWEST, newest, newest_streams),
        ):
            assert memory.events(event_filter, order, by_timestamp=by_timestamp) == found
            assert memory.streams(stream_filter, order) == streams
        assert on_sql.count_events(event_filter) == len(oldest)
        assert on_sql.count_streams(stream_filter) == len(oldest_streams)

    agree()


def follow(page_of: Callable[..., ListPage[Any]], limit: int, **options: Any) -> list[Any]:
    """Return the items of all pages, each of which begins where the previous one ended."""
    items: list[Any] = []
    totals: set[int | None] = set()
    after: Key | None = None
    while True:
        page = page_of(after=after, limit=limit, **options)
        items += page.items
        totals.add(page.total)
        is_full = len(page.items) == limit
        after = page.keys[-1] if is_full else page.searched_to
        if after is None:
            assert totals <= {None, len(items)}
            return items


def test_bounded_pages_contain_the_same_list(stores: SqlStores) -> None:
    @given(
        arrived=arrivals,
        event_filter=event_filters,
        stream_filter=stream_filters,
        order=st.sampled_from(ListOrder),
        by_timestamp=st.booleans(),
        limit=st.integers(1, 5),
        max_rows=st.integers(1, 15),
    )
    @settings(max_examples=examples(60))
    def agree(
        arrived: list[tuple[str, int, int, str]],
        event_filter: EventFilter,
        stream_filter: StreamFilter,
        order: ListOrder,
        by_timestamp: bool,
        limit: int,
        max_rows: int,
    ) -> None:
        bounds: dict[str, Any] = {"limit": limit, "max_rows": max_rows, "order": order}
        for store in (stores.fresh(), MemoryStore(FakeClock())):
            for number, (name, second, instance, kind) in enumerate(arrived):
                event = make_event(f"m{number}", f"vm.{kind}", second, instance=instance)
                ingest(store, TRIGGERS[name], event, now=event["timestamp"])
            found = follow(
                partial(store.page_of_events, event_filter, by_timestamp=by_timestamp), **bounds
            )
            assert found == store.find_events(event_filter, order=order, by_timestamp=by_timestamp)
            streams = follow(partial(store.page_of_streams, stream_filter), **bounds)
            assert streams == store.find_streams(stream_filter, order=order)
            for stream in store.find_streams():
                events = follow(
                    partial(store.page_of_stream_events, stream.id), limit=limit, order=order
                )
                expected = store.get_stream_events(stream.id)
                assert events == (expected if order is ListOrder.OLDEST else expected[::-1])

    agree()
